//! Files of this machine, as every other room treats them: written whole or not at all, read with a bound, hashed in
//! pieces, held under a lock, and lasting through a power cut. Everything here blocks.
//!
//! A failure is a [`DiskError`]: what was being done, to what, what the system says, and what to do about it. A role
//! takes it as a [`Fault`](grail_ports::Fault).

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod digest;
mod error;
mod folder;
mod journal;
mod lock;
mod read;
mod write;

pub use digest::{digest, hash_into};
pub use error::{DiskError, is_absence, is_full, may_pass};
pub use folder::{
    beside, copy, link_or_copy, make_folder, make_private_folder, publish, remove_file, remove_folder,
    sync_folder,
};
pub use journal::FolderJournal;
pub use lock::FileLock;
pub use read::{ReadError, read, read_into};
pub use write::{Readers, write, write_as, write_new, write_synced};

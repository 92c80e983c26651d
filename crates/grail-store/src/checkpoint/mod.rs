//! Checkpoints between a shelf and this machine.
//!
//! A [`Publisher`] sends a checkpoint's files, then its manifest, then the marker. A [`Consumer`] reads the signed
//! manifest first, fetches or makes every file beside the checkpoint in use, compares it with the manifest, and renames
//! the finished folder into place. Whatever goes wrong before that leaves the checkpoint in use as it was.

mod cache;
mod consume;
mod download;
mod error;
mod files;
mod folder;
mod objects;
mod publish;

pub use cache::{Cache, LocalCheckpoint};
pub use consume::{Consumer, Followed, Limits};
pub use download::{Progress, Tell};
pub use error::{PublishError, Refusal};
pub use files::{check_files, make_deltas, tensor_root};
pub use folder::FolderCheckpoints;
pub use objects::ObjectCheckpoints;
pub use publish::{Outgoing, Published, Publisher};

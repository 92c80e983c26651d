//! Checkpoints between a shelf and this machine.
//!
//! A [`Publisher`] sends a checkpoint's files, then its manifest, then the marker. A [`Consumer`] reads the signed
//! manifest first, fetches or makes every file beside the checkpoint in use, compares it with the manifest, and renames
//! the finished folder into place. An [`Audit`] looks at what lies there and takes nothing. Whatever goes wrong before that leaves the checkpoint in use as it was.

mod audit;
mod cache;
mod consume;
mod download;
mod error;
mod files;
mod folder;
mod local;
mod manifest;
mod objects;
mod publish;

pub use audit::{Audit, Looked};
pub use cache::{Cache, LocalCheckpoint};
pub use consume::{Consumer, Followed, Limits};
pub use download::{Progress, Tell};
pub use error::{PublishError, Refusal};
pub use files::{check_files, make_deltas, tensor_root};
pub use folder::FolderCheckpoints;
pub use local::check_folder;
pub use objects::ObjectCheckpoints;
pub use publish::{Outgoing, Published, Publisher};

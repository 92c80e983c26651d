//! Checkpoints on the shelf: where they lie, which are whole, which are kept, and who vouches for them.
//!
//! | key | |
//! |---|---|
//! | `checkpoints/window-{W}/{file}` | the checkpoint published after window W |
//! | `checkpoints/milestone-{W}/{file}` | a whole copy that is kept for ever |
//! | `…/manifest.json` | [`crate::manifest::Manifest`] |
//! | `…/{file}.delta` | [`crate::delta`]: that file as its difference from the base's tensors |
//! | `…/READY` | the checkpoint's id and a line feed; written last, deleted first |

mod inventory;
mod keys;
mod publication;
mod retention;
mod verify;

pub use inventory::{Inventory, Listed, Listing, Moment, Readiness};
pub use keys::{CheckpointKey, CheckpointKeyError, CheckpointPlace, FileName, ROOT};
pub use publication::{DeltaFile, DeltaStep, Publication, PublicationKind, windows_digest};
pub use retention::{Held, Needs, Reason, Retention, RetentionPlan, plan};
pub use verify::{Trust, manifest_message, manifest_statement, verify_manifest};

pub(crate) use keys::is_plain;
pub(crate) use publication::is_sha256;

/// Name of the marker that is written last.
pub const READY_FILE: &str = "READY";

#[cfg(test)]
mod tests;

//! What lies on the shelf, byte for byte: window files, verdicts on them, replay bundles, checkpoint manifests, deltas of weights, object keys, and the
//! limits that every reader sets before it spends memory.
//!
//! This crate knows formats and digests. It knows no store and no file system, and it judges nobody: a file that can
//! be read may still be a lie.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

pub mod bundle;
pub mod checkpoint;
pub mod delta;
pub mod keys;
pub mod limits;
pub mod manifest;
pub mod tensors;
pub mod verdict;
pub mod window;

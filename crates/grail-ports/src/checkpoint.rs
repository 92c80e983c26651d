//! The shelf for checkpoints: large files, read in ranges.

use crate::Fault;
use async_trait::async_trait;
use bytes::Bytes;
use grail_artifact::checkpoint::{CheckpointKey, Listed};
use std::path::Path;

/// A piece of an object: what a ranged read of an object store gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The bytes; fewer than were asked for where the object ends, none where it ends before.
    pub body: Bytes,
    /// Size of the whole object in bytes.
    pub size: u64,
}

/// Checkpoints of one trainer on one store.
///
/// The store is not trusted: whoever reads compares with a signed manifest.
#[async_trait]
pub trait CheckpointShelf: Send + Sync {
    /// Every file of every checkpoint with its size and time, in no order. Keys of other things are passed over.
    async fn list(&self) -> Result<Vec<Listed>, Fault>;

    /// Reads at most `bytes` bytes of an object from `offset` on. `Ok(None)` when there is no such object.
    async fn fetch(&self, key: &CheckpointKey, offset: u64, bytes: u64) -> Result<Option<Part>, Fault>;

    /// Writes a small object whole or not at all, replacing an older one.
    async fn put(&self, key: &CheckpointKey, body: Bytes) -> Result<(), Fault>;

    /// Writes a file of this machine whole or not at all, replacing an older object. Returns its size in bytes.
    ///
    /// `progress` is told the bytes sent since it was last called.
    async fn put_file(
        &self,
        key: &CheckpointKey,
        file: &Path,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<u64, Fault>;

    /// Deletes exactly these objects, in this order; absent ones are no fault. There is no deleting by prefix.
    async fn delete(&self, keys: &[CheckpointKey]) -> Result<(), Fault>;
}

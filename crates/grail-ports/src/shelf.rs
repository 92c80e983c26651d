//! The shelf: where window files and verdicts lie.

use crate::Fault;
use async_trait::async_trait;
use bytes::Bytes;
use grail_artifact::keys::ShelfKey;
use grail_protocol::words::{Hotkey, UnixMillis};
use std::sync::Arc;

/// What the store says of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectMeta {
    /// Size of the whole object in bytes.
    pub size: u64,
    /// When the store says it was written.
    pub stored_at: UnixMillis,
    /// Version or entity tag; two reads with the same tag saw the same bytes. `None` where the store has none.
    pub tag: Option<String>,
}

/// An object's bytes with the metadata of exactly those bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The object's bytes, all of them.
    pub body: Bytes,
    /// Time and tag of these very bytes, not of what lies there by now.
    pub meta: ObjectMeta,
}

/// The outcome of a fetch that reached the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetch {
    /// There is no such object.
    Absent,
    /// There is one, larger than the limit; nothing was read.
    TooLarge {
        /// Its metadata.
        meta: ObjectMeta,
    },
    /// Here it is.
    Found(Fetched),
}

/// Window files and verdicts of one owner, or of all where they share a store.
#[async_trait]
pub trait WindowShelf: Send + Sync {
    /// Reads an object of at most `limit` bytes. Time and tag belong to the very bytes returned.
    async fn fetch(&self, key: &ShelfKey, limit: u64) -> Result<Fetch, Fault>;

    /// The metadata of an object without its bytes; `Ok(None)` when there is none.
    async fn look(&self, key: &ShelfKey) -> Result<Option<ObjectMeta>, Fault> {
        Ok(match self.fetch(key, 0).await? {
            Fetch::Absent => None,
            Fetch::TooLarge { meta } => Some(meta),
            Fetch::Found(fetched) => Some(fetched.meta),
        })
    }

    /// Writes an object whole or not at all, replacing an older one.
    async fn put(&self, key: &ShelfKey, body: Bytes) -> Result<ObjectMeta, Fault>;
}

/// Finds the shelf on which a participant publishes.
#[async_trait]
pub trait ShelfDirectory: Send + Sync {
    /// The shelf that the participant's chain commitment names; `Ok(None)` when it committed nothing readable.
    async fn shelf_of(&self, hotkey: &Hotkey) -> Result<Option<Arc<dyn WindowShelf>>, Fault>;
}

use super::{Place, Shelf};
use crate::Transfer;
use bytes::Bytes;
use futures::FutureExt as _;
use object_store::{ObjectStoreExt as _, memory::InMemory, path::Path};
use std::sync::Arc;

/// Objects in memory, and a shelf over them: for tests and rehearsals. Clones are the same memory.
///
/// What goes past the shelf is seen by it at once. Nothing here waits.
#[derive(Debug, Clone, Default)]
pub struct Memory(Arc<InMemory>);

impl Memory {
    /// A shelf over this memory.
    pub fn shelf(&self) -> Shelf {
        Shelf::new(self.0.clone(), Some(self.0.clone()), Place::Memory, Transfer::default())
    }

    /// Puts an object there.
    pub fn place(&self, key: &str, body: Bytes) {
        let put = self.0.put(&Path::from(key), body.into()).now_or_never();
        debug_assert!(matches!(put, Some(Ok(_))), "memory takes everything at once");
    }

    /// The object as it lies there.
    pub fn peek(&self, key: &str) -> Option<Bytes> {
        let found = self.0.get(&Path::from(key)).now_or_never()?.ok()?;
        found.bytes().now_or_never()?.ok()
    }

    /// Loses an object. Returns whether there was one.
    pub fn lose(&self, key: &str) -> bool {
        let there = self.peek(key).is_some();
        there && matches!(self.0.delete(&Path::from(key)).now_or_never(), Some(Ok(())))
    }
}

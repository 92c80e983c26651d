use super::Trouble;
use async_trait::async_trait;
use bytes::Bytes;
use grail_artifact::keys::ShelfKey;
use grail_ports::{
    Door, Fault,
    clock::Clock,
    shelf::{Fetch, Fetched, ObjectMeta, ShelfDirectory, WindowShelf},
};
use grail_protocol::words::{Hotkey, UnixMillis};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Object storage in memory. Clones are the same shelf.
#[derive(Clone)]
pub struct MemShelf {
    objects: Arc<Mutex<Objects>>,
    clock: Arc<dyn Clock>,
    trouble: Trouble,
}

#[derive(Default)]
struct Objects {
    by_key: BTreeMap<ShelfKey, Fetched>,
    writes: u64,
}

impl fmt::Debug for MemShelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemShelf").field("objects", &self.objects().by_key.len()).finish_non_exhaustive()
    }
}

impl MemShelf {
    /// An empty shelf that stamps objects with `clock`'s time.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { objects: Arc::default(), clock, trouble: Trouble::default() }
    }

    /// Trouble of all calls.
    pub const fn trouble(&self) -> &Trouble {
        &self.trouble
    }

    /// Puts an object there as if it had been stored at `stored_at`, past every trouble.
    pub fn place(
        &self,
        key: impl Into<ShelfKey>,
        body: impl Into<Bytes>,
        stored_at: UnixMillis,
    ) -> ObjectMeta {
        let body = body.into();
        let mut objects = self.objects();
        objects.writes += 1;
        let size = body.len() as u64;
        let meta = ObjectMeta { size, stored_at, tag: Some(format!("v{}", objects.writes)) };
        objects.by_key.insert(key.into(), Fetched { body, meta: meta.clone() });
        meta
    }

    /// Loses an object. Returns whether there was one.
    pub fn lose(&self, key: impl Into<ShelfKey>) -> bool {
        self.objects().by_key.remove(&key.into()).is_some()
    }

    /// The object as it lies there, past every trouble.
    pub fn peek(&self, key: impl Into<ShelfKey>) -> Option<Fetched> {
        self.objects().by_key.get(&key.into()).cloned()
    }

    /// Keys of everything there, in order.
    pub fn keys(&self) -> Vec<ShelfKey> {
        self.objects().by_key.keys().cloned().collect()
    }

    fn objects(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl WindowShelf for MemShelf {
    async fn fetch(&self, key: &ShelfKey, limit: u64) -> Result<Fetch, Fault> {
        self.trouble.pass(Door::Shelf, || format!("fetch {key}")).await?;
        Ok(match self.peek(key.clone()) {
            None => Fetch::Absent,
            Some(found) if found.meta.size > limit => Fetch::TooLarge { meta: found.meta },
            Some(found) => Fetch::Found(found),
        })
    }

    async fn put(&self, key: &ShelfKey, body: Bytes) -> Result<ObjectMeta, Fault> {
        self.trouble.pass(Door::Shelf, || format!("put {key}")).await?;
        Ok(self.place(key.clone(), body, self.clock.now()))
    }
}

/// Says on which shelf each participant publishes.
#[derive(Clone, Default)]
pub struct MemDirectory {
    shelves: Arc<Mutex<BTreeMap<Hotkey, Arc<dyn WindowShelf>>>>,
    everyone: Option<Arc<dyn WindowShelf>>,
    trouble: Trouble,
}

impl fmt::Debug for MemDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemDirectory").finish_non_exhaustive()
    }
}

impl MemDirectory {
    /// A directory in which everyone publishes on one shelf.
    pub fn shared(shelf: Arc<dyn WindowShelf>) -> Self {
        Self { everyone: Some(shelf), ..Self::default() }
    }

    /// Gives a participant a shelf of its own.
    pub fn assign(&self, hotkey: Hotkey, shelf: Arc<dyn WindowShelf>) {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner).insert(hotkey, shelf);
    }

    /// Trouble of all look-ups.
    pub const fn trouble(&self) -> &Trouble {
        &self.trouble
    }
}

#[async_trait]
impl ShelfDirectory for MemDirectory {
    async fn shelf_of(&self, hotkey: &Hotkey) -> Result<Option<Arc<dyn WindowShelf>>, Fault> {
        self.trouble.pass(Door::Shelf, || format!("find the shelf of {hotkey}")).await?;
        let own = self.shelves.lock().unwrap_or_else(PoisonError::into_inner).get(hotkey).cloned();
        Ok(own.or_else(|| self.everyone.clone()))
    }
}

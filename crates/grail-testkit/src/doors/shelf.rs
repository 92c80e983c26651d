use super::Trouble;
use async_trait::async_trait;
use bytes::Bytes;
use grail_artifact::{
    checkpoint::{CheckpointKey, Listed},
    keys::ShelfKey,
};
use grail_ports::{
    Door, Fault,
    checkpoint::{CheckpointShelf, Part},
    clock::Clock,
    shelf::{Fetch, Fetched, ObjectMeta, ShelfDirectory, WindowShelf},
};
use grail_protocol::words::{Hotkey, UnixMillis};
use grail_store::{Memory, Shelf};
use std::{
    collections::BTreeMap,
    fmt,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// The shelf over memory, as others' shelves are, with a test's own clock on its objects.
#[derive(Clone)]
struct Kept<K> {
    memory: Memory,
    shelf: Shelf,
    clock: Option<Arc<dyn Clock>>,
    stamps: Arc<Mutex<BTreeMap<K, UnixMillis>>>,
}

impl<K: Clone + Ord + fmt::Display> Kept<K> {
    fn new(clock: Option<Arc<dyn Clock>>) -> Self {
        let memory = Memory::default();
        Self { shelf: memory.shelf(), memory, clock, stamps: Arc::default() }
    }

    fn now(&self) -> UnixMillis {
        self.clock.as_ref().map_or(UnixMillis(0), |clock| clock.now())
    }

    fn stamps(&self) -> MutexGuard<'_, BTreeMap<K, UnixMillis>> {
        self.stamps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stamp(&self, key: &K, at: UnixMillis) {
        self.stamps().insert(key.clone(), at);
    }

    fn stored_at(&self, key: &K) -> UnixMillis {
        self.stamps().get(key).copied().unwrap_or(UnixMillis(0))
    }

    fn place(&self, key: &K, body: impl Into<Bytes>, at: UnixMillis) {
        self.memory.place(&key.to_string(), body.into());
        self.stamp(key, at);
    }

    fn peek(&self, key: &K) -> Option<Bytes> {
        self.memory.peek(&key.to_string())
    }

    fn lose(&self, key: &K) -> bool {
        self.memory.lose(&key.to_string())
    }

    fn keys(&self) -> Vec<K> {
        let stamps = self.stamps();
        stamps.keys().filter(|key| self.peek(key).is_some()).cloned().collect()
    }
}

/// A shelf of windows in memory. Clones are the same shelf.
#[derive(Clone)]
pub struct MemShelf {
    kept: Kept<ShelfKey>,
    trouble: Trouble,
}

impl fmt::Debug for MemShelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemShelf").field("keys", &self.keys().len()).finish_non_exhaustive()
    }
}

impl MemShelf {
    /// An empty shelf that stamps objects with `clock`'s time.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { kept: Kept::new(Some(clock)), trouble: Trouble::default() }
    }

    /// Trouble of all calls.
    pub const fn trouble(&self) -> &Trouble {
        &self.trouble
    }

    /// Puts an object there as if it had been stored at `stored_at`, past every trouble.
    pub fn place(&self, key: impl Into<ShelfKey>, body: impl Into<Bytes>, stored_at: UnixMillis) {
        self.kept.place(&key.into(), body, stored_at);
    }

    /// Loses an object. Returns whether there was one.
    pub fn lose(&self, key: impl Into<ShelfKey>) -> bool {
        self.kept.lose(&key.into())
    }

    /// The object as it lies there, past every trouble.
    pub fn peek(&self, key: impl Into<ShelfKey>) -> Option<Fetched> {
        let key = key.into();
        let body = self.kept.peek(&key)?;
        let (size, stored_at) = (body.len() as u64, self.kept.stored_at(&key));
        Some(Fetched { body, meta: ObjectMeta { size, stored_at, tag: None } })
    }

    /// Keys of everything there, in order.
    pub fn keys(&self) -> Vec<ShelfKey> {
        self.kept.keys()
    }

    fn stamped(&self, key: &ShelfKey, meta: ObjectMeta) -> ObjectMeta {
        ObjectMeta { stored_at: self.kept.stored_at(key), ..meta }
    }
}

#[async_trait]
impl WindowShelf for MemShelf {
    async fn fetch(&self, key: &ShelfKey, limit: u64) -> Result<Fetch, Fault> {
        self.trouble.pass(Door::Shelf, || format!("fetch {key}")).await?;
        Ok(match WindowShelf::fetch(&self.kept.shelf, key, limit).await? {
            Fetch::Absent => Fetch::Absent,
            Fetch::TooLarge { meta } => Fetch::TooLarge { meta: self.stamped(key, meta) },
            Fetch::Found(Fetched { body, meta }) => {
                Fetch::Found(Fetched { body, meta: self.stamped(key, meta) })
            }
        })
    }

    async fn put(&self, key: &ShelfKey, body: Bytes) -> Result<ObjectMeta, Fault> {
        self.trouble.pass(Door::Shelf, || format!("put {key}")).await?;
        let meta = WindowShelf::put(&self.kept.shelf, key, body).await?;
        self.kept.stamp(key, self.kept.now());
        Ok(self.stamped(key, meta))
    }
}

/// Checkpoints in memory. Clones are the same shelf.
#[derive(Clone)]
pub struct MemCheckpoints {
    kept: Kept<CheckpointKey>,
    sent: Arc<AtomicU64>,
    reading: Trouble,
    writing: Trouble,
}

impl Default for MemCheckpoints {
    /// Every object is from 1970.
    fn default() -> Self {
        let (reading, writing) = (Trouble::default(), Trouble::default());
        Self { kept: Kept::new(None), sent: Arc::default(), reading, writing }
    }
}

impl fmt::Debug for MemCheckpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemCheckpoints").field("keys", &self.keys().len()).finish_non_exhaustive()
    }
}

impl MemCheckpoints {
    /// An empty shelf that stamps objects with `clock`'s time.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { kept: Kept::new(Some(clock)), ..Self::default() }
    }

    /// Trouble of listing and fetching.
    pub const fn reading(&self) -> &Trouble {
        &self.reading
    }

    /// Trouble of writing and deleting.
    pub const fn writing(&self) -> &Trouble {
        &self.writing
    }

    /// Puts an object there, past every trouble.
    pub fn place(&self, key: CheckpointKey, body: impl Into<Bytes>) {
        self.kept.place(&key, body, self.kept.now());
    }

    /// Loses an object. Returns whether there was one.
    pub fn lose(&self, key: &CheckpointKey) -> bool {
        self.kept.lose(key)
    }

    /// The object as it lies there, past every trouble.
    pub fn peek(&self, key: &CheckpointKey) -> Option<Bytes> {
        self.kept.peek(key)
    }

    /// Keys of everything there, in order.
    pub fn keys(&self) -> Vec<CheckpointKey> {
        self.kept.keys()
    }

    /// Bytes that readers were given so far.
    pub fn bytes_fetched(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl CheckpointShelf for MemCheckpoints {
    async fn list(&self) -> Result<Vec<Listed>, Fault> {
        self.reading.pass(Door::Shelf, || "list checkpoints".to_owned()).await?;
        let listed = self.kept.shelf.list().await?.into_iter();
        Ok(listed.map(|one| Listed { stored_at: self.kept.stored_at(&one.key), ..one }).collect())
    }

    async fn fetch(&self, key: &CheckpointKey, offset: u64, bytes: u64) -> Result<Option<Part>, Fault> {
        self.reading.pass(Door::Shelf, || format!("fetch {key}")).await?;
        let part = CheckpointShelf::fetch(&self.kept.shelf, key, offset, bytes).await?;
        let got = part.as_ref().map_or(0, |part| part.body.len() as u64);
        self.sent.fetch_add(got, Ordering::SeqCst);
        Ok(part)
    }

    async fn put(&self, key: &CheckpointKey, body: Bytes) -> Result<(), Fault> {
        self.writing.pass(Door::Shelf, || format!("put {key}")).await?;
        CheckpointShelf::put(&self.kept.shelf, key, body).await?;
        self.kept.stamp(key, self.kept.now());
        Ok(())
    }

    async fn put_file(
        &self,
        key: &CheckpointKey,
        file: &Path,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<u64, Fault> {
        self.writing.pass(Door::Shelf, || format!("put {key}")).await?;
        let size = self.kept.shelf.put_file(key, file, progress).await?;
        self.kept.stamp(key, self.kept.now());
        Ok(size)
    }

    async fn delete(&self, keys: &[CheckpointKey]) -> Result<(), Fault> {
        for key in keys {
            self.writing.pass(Door::Shelf, || format!("delete {key}")).await?;
            self.kept.shelf.delete(std::slice::from_ref(key)).await?;
        }
        Ok(())
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

use super::Trouble;
use async_trait::async_trait;
use bytes::Bytes;
use grail_artifact::checkpoint::{CheckpointKey, Listed};
use grail_ports::{
    Door, Fault, Retry,
    checkpoint::{CheckpointShelf, Part},
    clock::Clock,
};
use grail_protocol::words::UnixMillis;
use std::{
    collections::BTreeMap,
    fmt,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// Checkpoints in memory. Clones are the same shelf.
#[derive(Clone, Default)]
pub struct MemCheckpoints {
    objects: Arc<Mutex<BTreeMap<CheckpointKey, (Bytes, UnixMillis)>>>,
    clock: Option<Arc<dyn Clock>>,
    sent: Arc<AtomicU64>,
    reading: Trouble,
    writing: Trouble,
}

impl fmt::Debug for MemCheckpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemCheckpoints").field("objects", &self.objects().len()).finish_non_exhaustive()
    }
}

impl MemCheckpoints {
    /// An empty shelf that stamps objects with `clock`'s time; by default every object is from 1970.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock: Some(clock), ..Self::default() }
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
        let now = self.clock.as_ref().map_or(UnixMillis(0), |clock| clock.now());
        self.objects().insert(key, (body.into(), now));
    }

    /// Loses an object. Returns whether there was one.
    pub fn lose(&self, key: &CheckpointKey) -> bool {
        self.objects().remove(key).is_some()
    }

    /// The object as it lies there, past every trouble.
    pub fn peek(&self, key: &CheckpointKey) -> Option<Bytes> {
        self.objects().get(key).map(|(body, _)| body.clone())
    }

    /// Keys of everything there, in order.
    pub fn keys(&self) -> Vec<CheckpointKey> {
        self.objects().keys().cloned().collect()
    }

    /// Bytes that readers were given so far.
    pub fn bytes_fetched(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }

    fn objects(&self) -> MutexGuard<'_, BTreeMap<CheckpointKey, (Bytes, UnixMillis)>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl CheckpointShelf for MemCheckpoints {
    async fn list(&self) -> Result<Vec<Listed>, Fault> {
        self.reading.pass(Door::Shelf, || "list checkpoints".to_owned()).await?;
        let listed = |(key, (body, stored_at)): (&CheckpointKey, &(Bytes, UnixMillis))| Listed {
            key: key.clone(),
            size: body.len() as u64,
            stored_at: *stored_at,
        };
        Ok(self.objects().iter().map(listed).collect())
    }

    async fn fetch(&self, key: &CheckpointKey, offset: u64, bytes: u64) -> Result<Option<Part>, Fault> {
        self.reading.pass(Door::Shelf, || format!("fetch {key}")).await?;
        Ok(self.peek(key).map(|body| {
            let size = body.len() as u64;
            let (from, to) = (offset.min(size), offset.saturating_add(bytes).min(size));
            // Both are at most the length of a body in memory.
            let body = body.slice(usize::try_from(from).unwrap_or(0)..usize::try_from(to).unwrap_or(0));
            self.sent.fetch_add(body.len() as u64, Ordering::SeqCst);
            Part { body, size }
        }))
    }

    async fn put(&self, key: &CheckpointKey, body: Bytes) -> Result<(), Fault> {
        self.writing.pass(Door::Shelf, || format!("put {key}")).await?;
        self.place(key.clone(), body);
        Ok(())
    }

    async fn put_file(
        &self,
        key: &CheckpointKey,
        file: &Path,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<u64, Fault> {
        self.writing.pass(Door::Shelf, || format!("put {key}")).await?;
        let body = std::fs::read(file).map_err(|error| {
            Fault::new(Door::Disk, Retry::Never, format!("read {}", file.display()), error)
        })?;
        let size = body.len() as u64;
        progress(size);
        self.place(key.clone(), body);
        Ok(size)
    }

    async fn delete(&self, keys: &[CheckpointKey]) -> Result<(), Fault> {
        for key in keys {
            self.writing.pass(Door::Shelf, || format!("delete {key}")).await?;
            self.lose(key);
        }
        Ok(())
    }
}

//! One shelf over `object_store`: a bucket of an S3 service, a folder, or memory. It is the shelf of windows and that of
//! checkpoints alike; what a door promises is written once, and only the places differ.

mod doors;
mod endpoint;
mod memory;
mod s3;
mod send;
mod tag;

pub(crate) use endpoint::R2_HOST;
pub use endpoint::{EndpointError, service_address};
pub use memory::Memory;
pub use s3::{Endpoint, Location};

use crate::{ReadCredentials, StoreError, Transfer, WriteCredentials};
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use grail_ports::{Fault, shelf::ObjectMeta};
use grail_protocol::words::UnixMillis;
use object_store::{
    Error, GetOptions, GetResult, GetResultPayload, ObjectStore, ObjectStoreExt as _, local::LocalFileSystem,
    path::Path,
};
use std::{
    fmt, fs,
    future::Future,
    path::{Path as FilePath, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::sync::Semaphore;

/// A shelf for windows, verdicts and checkpoints. Clones share its connections and the limit on calls.
///
/// **In a bucket** reads go with the read pair and writes with the write pair, where there is one.
///
/// **In a folder** an object is a file; the time of its last write is when it was stored. A write goes to a file beside
/// it, reaches the disk, and takes the name in one step, so neither a reader nor a power cut ever meets half an object.
/// A killed writer may leave a file that ends in `#1` or another number; nobody reads it. Whoever may write to the
/// folder may also turn its files' times back: a folder is shared only among friends.
#[derive(Clone)]
pub struct Shelf {
    reader: Arc<dyn ObjectStore>,
    writer: Option<Arc<dyn ObjectStore>>,
    place: Place,
    transfer: Transfer,
    slots: Arc<Semaphore>,
}

/// Where a shelf is.
#[derive(Debug, Clone)]
enum Place {
    Bucket { name: String, url: String },
    Folder(PathBuf),
    Memory,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bucket { name, url } => write!(f, "bucket {name} at {url}"),
            Self::Folder(root) => write!(f, "the folder {}", root.display()),
            Self::Memory => f.write_str("memory"),
        }
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf").field("place", &self.place.to_string()).finish_non_exhaustive()
    }
}

impl Shelf {
    fn new(
        reader: Arc<dyn ObjectStore>,
        writer: Option<Arc<dyn ObjectStore>>,
        place: Place,
        transfer: Transfer,
    ) -> Self {
        let slots = Arc::new(Semaphore::new(transfer.calls.max(1)));
        Self { reader, writer, place, transfer, slots }
    }

    /// Opens a folder. Errors: [`StoreError::MissingFolder`] when it is not there; it is not made, since a mistyped
    /// path would then collect files that nobody looks at.
    pub fn folder(root: impl Into<PathBuf>, transfer: Transfer) -> Result<Self, StoreError> {
        let root = root.into();
        require_folder(&root)?;
        let unusable = |error| StoreError::of_disk("open", root.clone(), error);
        let folder = LocalFileSystem::new_with_prefix(&root).map_err(unusable)?;
        let folder = Arc::new(folder.with_fsync(true).with_automatic_cleanup(true));
        Ok(Self::new(folder.clone(), Some(folder), Place::Folder(root), transfer))
    }

    /// Opens somebody's bucket for reading. Nothing is sent yet. Errors: a setting that cannot work.
    pub fn bucket(
        location: &Location,
        read: &ReadCredentials,
        transfer: Transfer,
    ) -> Result<Self, StoreError> {
        let url = location.url()?;
        let reader = s3::client(location, &url, read.access_key_id(), read.secret(), transfer)?;
        let place = Place::Bucket { name: location.bucket.clone(), url };
        Ok(Self::new(Arc::new(reader), None, place, transfer))
    }

    /// Opens one's own bucket: writes go with the write pair, reads with the read pair, as strangers will read.
    /// Nothing is sent yet. Errors: a setting that cannot work.
    pub fn own_bucket(
        location: &Location,
        read: &ReadCredentials,
        write: &WriteCredentials,
        transfer: Transfer,
    ) -> Result<Self, StoreError> {
        let url = location.url()?;
        let writer = s3::client(location, &url, write.access_key_id(), write.secret(), transfer)?;
        Ok(Self { writer: Some(Arc::new(writer)), ..Self::bucket(location, read, transfer)? })
    }

    /// Runs a call within the deadline, in one of the slots.
    ///
    /// File work that overruns (a dead network mount) goes on alone: the system gives no way to interrupt it.
    async fn call<T>(
        &self,
        doing: impl FnOnce() -> String + Send,
        work: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, Fault> {
        let run = async {
            let Ok(_slot) = self.slots.acquire().await else { return Err(StoreError::Stopped) };
            work.await
        };
        self.in_time(run).await.map_err(|error| error.into_fault(doing()))
    }

    async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        let deadline_ms = self.transfer.deadline_ms;
        match tokio::time::timeout(Duration::from_millis(deadline_ms), work).await {
            Ok(done) => done,
            Err(_) => Err(StoreError::Timeout { deadline_ms }),
        }
    }

    /// Names a failure while `doing` something to an object.
    fn named(&self, doing: &'static str, path: &Path, error: Error) -> StoreError {
        match &self.place {
            Place::Bucket { name, .. } => StoreError::of_store(name, self.transfer.deadline_ms, error),
            Place::Folder(root) => StoreError::of_disk(doing, root.join(path.as_ref()), error),
            Place::Memory => StoreError::Other { source: error },
        }
    }

    /// Runs a question to the disk on a thread that may block.
    async fn ask_disk<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&FilePath) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Option<T>, StoreError> {
        let Place::Folder(root) = &self.place else { return Ok(None) };
        let root = root.clone();
        let answered = tokio::task::spawn_blocking(move || ask(&root)).await;
        answered.unwrap_or(Err(StoreError::Stopped)).map(Some)
    }

    /// Of a folder, that it is there: one that went away is not taken for an empty one.
    async fn require(&self) -> Result<(), StoreError> {
        self.ask_disk(require_folder).await.map(drop)
    }

    /// Asks for an object; `Ok(None)` where there is none.
    async fn get(&self, path: &Path, options: GetOptions) -> Result<Option<GetResult>, StoreError> {
        let name = path.as_ref().to_owned();
        if self.ask_disk(move |root| is_plain(root, &name)).await? == Some(false) {
            return Ok(None);
        }
        match self.reader.get_opts(path, options).await {
            Ok(found) => Ok(Some(found)),
            Err(error @ Error::NotFound { .. }) => match self.named("read", path, error) {
                // An answer with a body tells a missing bucket from a missing object.
                missing @ StoreError::NoBucket { .. } => Err(missing),
                _ => Ok(None),
            },
            Err(error) => Err(self.named("read", path, error)),
        }
    }

    /// What lies under a name, without its bytes.
    ///
    /// An answer to HEAD has no body, so a refusal comes without its reason. The same is asked with GET then, whose
    /// answer says why, or that reading is allowed after all; its body is not read.
    async fn head(&self, path: &Path) -> Result<Option<object_store::ObjectMeta>, StoreError> {
        let found = match self.get(path, GetOptions::new().with_head(true)).await {
            Err(StoreError::Refused { .. }) => self.get(path, GetOptions::new()).await,
            found => found,
        };
        Ok(found?.map(|found| found.meta))
    }

    /// As doors tell it. Errors: a bucket's answer without a time, which would count as one of 1970 and so as early enough.
    fn meta(&self, meta: &object_store::ObjectMeta) -> Result<ObjectMeta, StoreError> {
        if matches!(self.place, Place::Bucket { .. }) && meta.last_modified.timestamp_millis() == 0 {
            return Err(StoreError::NoTime);
        }
        Ok(ObjectMeta { size: meta.size, stored_at: stored_at(meta), tag: tag::of(meta) })
    }

    /// The bytes of an answer: exactly as many as it announced, and never more held than that.
    async fn body(&self, path: &Path, found: GetResult) -> Result<Bytes, StoreError> {
        let announced = found.range.end.saturating_sub(found.range.start);
        let named = |error| self.named("read", path, error);
        let body = if matches!(found.payload, GetResultPayload::File(..)) {
            // At once: as a stream a file would come in many small pieces.
            found.bytes().await.map_err(named)?
        } else {
            let mut stream = found.into_stream();
            let mut body = BytesMut::new();
            while let Some(chunk) = stream.next().await {
                let chunk = chunk.map_err(named)?;
                if (body.len() as u64).saturating_add(chunk.len() as u64) > announced {
                    return Err(StoreError::Length { announced, more: true });
                }
                body.extend_from_slice(&chunk);
            }
            body.freeze()
        };
        if body.len() as u64 == announced {
            Ok(body)
        } else {
            Err(StoreError::Length { announced, more: false })
        }
    }

    fn writer(&self) -> Result<&Arc<dyn ObjectStore>, StoreError> {
        self.writer.as_ref().ok_or(StoreError::ReadOnlyBucket)
    }

    async fn delete_one(&self, path: &Path) -> Result<(), StoreError> {
        self.require().await?;
        match self.writer()?.delete(path).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.named("delete", path, error)),
        }
    }
}

fn require_folder(root: &FilePath) -> Result<(), StoreError> {
    if root.is_dir() { Ok(()) } else { Err(StoreError::MissingFolder { path: root.to_owned() }) }
}

/// Whether a plain file lies under a name. Asked before the open: a pipe would wait for a writer.
fn is_plain(root: &FilePath, name: &str) -> Result<bool, StoreError> {
    let path = root.join(name);
    match fs::metadata(&path) {
        Ok(metadata) if metadata.is_file() => Ok(true),
        Ok(_) => Err(StoreError::NotAFile { path }),
        // An object is absent only where the shelf itself is there.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => require_folder(root).map(|()| false),
        Err(error) => Err(StoreError::of_file("read", path, error)),
    }
}

/// When the store says that an object was written; 0 for times before 1970.
fn stored_at(meta: &object_store::ObjectMeta) -> UnixMillis {
    UnixMillis(u64::try_from(meta.last_modified.timestamp_millis()).unwrap_or(0))
}

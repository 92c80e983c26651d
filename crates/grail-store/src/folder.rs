use crate::{StoreError, Transfer};
use async_trait::async_trait;
use bytes::Bytes;
use grail_artifact::keys::ShelfKey;
use grail_ports::{
    Fault,
    shelf::{Fetch, Fetched, ObjectMeta, WindowShelf},
};
use grail_protocol::{hash::sha256, words::UnixMillis};
use std::{
    fs::{self, File, Metadata},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};
use tokio::sync::Semaphore;

/// A shelf in a folder of this machine, or of one mounted from elsewhere.
///
/// An object is a file; the time of its last write is when it was stored; its tag is the digest of its bytes. A write
/// goes to a file beside it, reaches the disk, and takes the name in one step, so neither a reader nor a power cut
/// ever meets half an object. A killed writer may leave a file that ends in `.part`; nobody reads it.
///
/// Whoever may write to the folder may also turn its files' times back: a folder is shared only among friends.
#[derive(Debug, Clone)]
pub struct FolderShelf {
    root: PathBuf,
    transfer: Transfer,
    slots: Arc<Semaphore>,
}

impl FolderShelf {
    /// Opens a folder. Errors: [`StoreError::MissingFolder`] when it is not there; it is not made, since a mistyped
    /// path would then collect files that nobody looks at.
    pub fn open(root: impl Into<PathBuf>, transfer: Transfer) -> Result<Self, StoreError> {
        let root = root.into();
        require_folder(&root)?;
        Ok(Self { root, transfer, slots: Arc::new(Semaphore::new(transfer.calls.max(1))) })
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Runs file work on a thread that may block, within the deadline.
    ///
    /// Work that overruns (a dead network mount) goes on alone: the system gives no way to interrupt it. It keeps its
    /// slot, so that such work cannot pile up.
    async fn work<T: Send + 'static>(
        &self,
        doing: String,
        work: impl FnOnce(&Path) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Fault> {
        let deadline_ms = self.transfer.deadline_ms;
        let root = self.root.clone();
        let slots = Arc::clone(&self.slots);
        let run = async move {
            let Ok(slot) = slots.acquire_owned().await else { return Err(StoreError::Stopped) };
            tokio::task::spawn_blocking(move || {
                let done = work(&root);
                drop(slot);
                done
            })
            .await
            .unwrap_or(Err(StoreError::Stopped))
        };
        match tokio::time::timeout(Duration::from_millis(deadline_ms), run).await {
            Ok(done) => done,
            Err(_) => Err(StoreError::Timeout { deadline_ms }),
        }
        .map_err(|error| error.into_fault(doing))
    }
}

#[async_trait]
impl WindowShelf for FolderShelf {
    async fn fetch(&self, key: &ShelfKey, limit: u64) -> Result<Fetch, Fault> {
        let name = key.to_string();
        let doing = format!("fetch {name} from the folder {}", self.root.display());
        self.work(doing, move |root| read(root, &name, limit)).await
    }

    async fn put(&self, key: &ShelfKey, body: Bytes) -> Result<ObjectMeta, Fault> {
        let name = key.to_string();
        let doing = format!("store {name} ({} bytes) in the folder {}", body.len(), self.root.display());
        self.work(doing, move |root| write(root, &name, &body)).await
    }
}

fn require_folder(root: &Path) -> Result<(), StoreError> {
    if root.is_dir() { Ok(()) } else { Err(StoreError::MissingFolder { path: root.to_owned() }) }
}

fn read(root: &Path, name: &str, limit: u64) -> Result<Fetch, StoreError> {
    let path = root.join(name);
    let trouble = |error| StoreError::of_file("read", path.clone(), error);
    // A pipe or device under the name would block the open, so look before.
    match fs::metadata(&path) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Err(StoreError::NotAFile { path }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return absent(root),
        Err(error) => return Err(trouble(error)),
    }
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return absent(root),
        Err(error) => return Err(trouble(error)),
    };
    // Of the very file that is open: a replacement under the same name is another file.
    let metadata = file.metadata().map_err(trouble)?;
    let announced = metadata.len();
    if announced > limit {
        let meta = ObjectMeta { size: announced, stored_at: stored_at(&metadata), tag: None };
        return Ok(Fetch::TooLarge { meta });
    }
    let mut body = Vec::with_capacity(usize::try_from(announced).unwrap_or(0));
    file.take(announced.saturating_add(1)).read_to_end(&mut body).map_err(trouble)?;
    let got = body.len() as u64;
    if got != announced {
        return Err(StoreError::Length { announced, more: got > announced });
    }
    let meta = meta_of(&body, &metadata);
    Ok(Fetch::Found(Fetched { body: body.into(), meta }))
}

/// An object is absent only where the shelf itself is there.
fn absent(root: &Path) -> Result<Fetch, StoreError> {
    require_folder(root).map(|()| Fetch::Absent)
}

fn write(root: &Path, name: &str, body: &[u8]) -> Result<ObjectMeta, StoreError> {
    static COUNT: AtomicU64 = AtomicU64::new(0);

    require_folder(root)?;
    let path = root.join(name);
    let trouble = |error| StoreError::of_file("write", path.clone(), error);
    let folder = path.parent().unwrap_or(root);
    match fs::create_dir(folder) {
        Ok(()) => sync_folder(root).map_err(trouble)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(trouble(error)),
    }
    let serial = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut draft = path.clone().into_os_string();
    draft.push(format!(".{}-{serial}.part", std::process::id()));
    let draft = PathBuf::from(draft);
    let written = write_synced(&draft, body).and_then(|metadata| {
        fs::rename(&draft, &path)?;
        sync_folder(folder)?;
        Ok(metadata)
    });
    if written.is_err() {
        // Where the write failed for lack of room, the draft is the first thing to free. Its own removal may fail
        // too; the write's error is the one to tell.
        let _ = fs::remove_file(&draft);
    }
    written.map(|metadata| meta_of(body, &metadata)).map_err(trouble)
}

fn write_synced(path: &Path, body: &[u8]) -> io::Result<Metadata> {
    // A draft left by a killed process with our number is nobody's any more.
    let mut file = File::create(path)?;
    file.write_all(body)?;
    file.sync_all()?;
    file.metadata()
}

/// Makes a rename in the folder last through a power cut.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

fn meta_of(body: &[u8], metadata: &Metadata) -> ObjectMeta {
    let tag: String = sha256(body).iter().map(|byte| format!("{byte:02x}")).collect();
    ObjectMeta { size: body.len() as u64, stored_at: stored_at(metadata), tag: Some(tag) }
}

/// Time of the last write; 0 for times before 1970 and on systems that keep none.
pub(crate) fn stored_at(metadata: &Metadata) -> UnixMillis {
    let since = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    UnixMillis(since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)))
}

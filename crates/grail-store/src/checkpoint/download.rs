use super::{
    cache::CacheLock,
    error::{CheckpointRefusal, Stop},
    files::{disk, is_entry, later},
};
use bytes::Bytes;
use grail_artifact::checkpoint::CheckpointKey;
use grail_fs::DiskError;
use grail_ports::{
    Door, Fault, Retry,
    checkpoint::{CheckpointShelf, Part},
};
use sha2::{Digest as _, Sha256};
use std::{
    collections::VecDeque,
    fs::File,
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::task::JoinHandle;

/// How far a checkpoint is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DownloadProgress {
    /// Bytes fetched, found here, or made from deltas.
    pub done: u64,
    /// Bytes altogether.
    pub total: u64,
}

/// Is told about progress now and then.
pub type Tell = Arc<dyn Fn(DownloadProgress) + Send + Sync>;

/// Counts bytes and tells.
#[derive(Clone)]
pub(super) struct Meter {
    done: Arc<AtomicU64>,
    total: u64,
    tell: Tell,
}

impl Meter {
    pub(super) fn new(total: u64, tell: Tell) -> Self {
        Self { done: Arc::default(), total, tell }
    }

    pub(super) fn add(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        (self.tell)(DownloadProgress { done, total: self.total });
    }
}

/// From where files are fetched, how, and the right to write them.
#[derive(Clone)]
pub(super) struct Line {
    pub(super) shelf: Arc<dyn CheckpointShelf>,
    /// Bytes of a request.
    pub(super) range_bytes: u64,
    /// Requests under way at once.
    pub(super) ranges: usize,
    pub(super) lock: Arc<CacheLock>,
}

/// Work that blocks, on a thread where it may.
///
/// `guard` is held until the work is done, even when the caller is dropped before: the work then goes on alone.
pub(super) async fn blocking<G: Send + 'static, T: Send + 'static>(
    guard: G,
    doing: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Fault> {
    let guarded = move || {
        let done = work();
        drop(guard);
        done
    };
    tokio::task::spawn_blocking(guarded)
        .await
        .map_err(|error| Fault::new(Door::Inside, Retry::Later, doing.to_owned(), error))
}

/// What a file must be.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) key: CheckpointKey,
    pub(super) path: PathBuf,
    pub(super) size: u64,
    pub(super) sha256: String,
}

/// Fetches a file to its path, which it gets only when size and digest are right.
///
/// Bytes gather in a file that ends in `.partial`. One that an earlier attempt left is read again and gone on with; if the
/// whole then has a wrong digest, it begins from nothing, once.
pub(super) async fn download(line: &Line, wanted: &Wanted, meter: &Meter) -> Result<(), Stop> {
    let there = {
        let Wanted { path, size, sha256, .. } = wanted.clone();
        blocking(Arc::clone(&line.lock), "look at a file", move || is_entry(&path, size, &sha256)).await?
    };
    if there.map_err(later)? {
        meter.add(wanted.size);
        return Ok(());
    }
    let partial = grail_fs::beside(&wanted.path, ".partial");
    let mut draft = open(Arc::clone(&line.lock), &partial, wanted.size).await?;
    meter.add(draft.at);
    loop {
        let resumed = draft.at > 0;
        draft = rest(line, wanted, draft, meter).await?;
        let (got, file) = draft.finish().await?;
        if got == wanted.sha256 {
            let (from, to) = (partial.clone(), wanted.path.clone());
            let named = blocking(Arc::clone(&line.lock), "name a file", move || {
                file.sync_all().map_err(|error| DiskError::new("write", &from, error))?;
                grail_fs::publish(&from, &to)
            });
            return Ok(named.await?.map_err(later)?);
        }
        drop(file);
        grail_fs::remove_file(&partial).map_err(later)?;
        if !resumed {
            let file = wanted.key.name.to_string();
            return Err(CheckpointRefusal::Digest { file, got, want: wanted.sha256.clone() }.into());
        }
        tracing::info!(key = %wanted.key, "what an earlier attempt had left was not good; beginning again");
        draft = open(Arc::clone(&line.lock), &partial, wanted.size).await?;
    }
}

/// A file under way: what was written is what was hashed.
struct Draft {
    path: PathBuf,
    file: File,
    hasher: Sha256,
    at: u64,
}

impl Draft {
    fn append(mut self, body: &Bytes) -> std::io::Result<Self> {
        self.file.write_all(body)?;
        self.hasher.update(body);
        self.at += body.len() as u64;
        Ok(self)
    }

    async fn finish(self) -> Result<(String, File), Fault> {
        Ok((hex::encode(self.hasher.finalize()), self.file))
    }
}

/// Opens what is there, or nothing, and reads it again; more than the file may have is cut away.
async fn open(lock: Arc<CacheLock>, path: &Path, size: u64) -> Result<Draft, Stop> {
    let own = path.to_owned();
    let draft = blocking(lock, "open a file", move || {
        let mut file = File::options().read(true).write(true).create(true).truncate(false).open(&own)?;
        if file.metadata()?.len() > size {
            file.set_len(0)?;
        }
        let mut hasher = Sha256::new();
        let at = grail_fs::hash_into(&mut hasher, (&file).take(size), &mut |_| {})?;
        file.seek(SeekFrom::Start(at))?;
        Ok(Draft { path: own, file, hasher, at })
    });
    Ok(draft.await?.map_err(|error| disk("open", path, error))?)
}

/// A request: how many bytes it asks for, and what comes. It goes on while the one before it is written, and ends when
/// nobody waits for it any more.
struct Fetching {
    bytes: u64,
    task: JoinHandle<Result<Option<Part>, Fault>>,
}

impl Fetching {
    fn start(line: &Line, key: &CheckpointKey, offset: u64, bytes: u64) -> Self {
        let (shelf, key) = (Arc::clone(&line.shelf), key.clone());
        Self { bytes, task: tokio::spawn(async move { shelf.fetch(&key, offset, bytes).await }) }
    }

    async fn done(mut self) -> Result<Option<Part>, Fault> {
        let ended = (&mut self.task).await;
        ended.unwrap_or_else(|error| {
            Err(Fault::new(Door::Inside, Retry::Later, "fetch a part of a file".to_owned(), error))
        })
    }
}

impl Drop for Fetching {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Fetches everything from where the draft ends, a few ranges at once, written and hashed in order.
///
/// As many ranges are held as are under way, and the one that is being written: `(ranges + 1) × range_bytes`.
async fn rest(line: &Line, wanted: &Wanted, mut draft: Draft, meter: &Meter) -> Result<Draft, Stop> {
    let mut under_way: VecDeque<Fetching> = VecDeque::new();
    let mut next = draft.at;
    loop {
        while next < wanted.size && under_way.len() < line.ranges.max(1) {
            let bytes = line.range_bytes.max(1).min(wanted.size - next);
            under_way.push_back(Fetching::start(line, &wanted.key, next, bytes));
            next += bytes;
        }
        let Some(first) = under_way.pop_front() else { return Ok(draft) };
        let bytes = first.bytes;
        let file = || wanted.key.name.to_string();
        let part = first.done().await?.ok_or_else(|| CheckpointRefusal::Gone { file: file() })?;
        if part.size != wanted.size {
            return Err(CheckpointRefusal::Size { file: file(), got: part.size, want: wanted.size }.into());
        }
        if part.body.len() as u64 != bytes {
            let doing = format!("fetch {}: {} of {bytes} bytes came", wanted.key, part.body.len());
            return Err(Fault::plain(Door::Shelf, Retry::Later, doing).into());
        }
        // The slot is free already: the next range comes in while this one is written.
        if next < wanted.size {
            let bytes = line.range_bytes.max(1).min(wanted.size - next);
            under_way.push_back(Fetching::start(line, &wanted.key, next, bytes));
            next += bytes;
        }
        let path = draft.path.clone();
        draft = blocking(Arc::clone(&line.lock), "write a file", move || draft.append(&part.body))
            .await?
            .map_err(|error| disk("write", &path, error))?;
        meter.add(bytes);
    }
}

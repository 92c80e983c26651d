use super::files::{sync_folder, write_synced};
use crate::{StoreError, folder::stored_at};
use async_trait::async_trait;
use bytes::Bytes;
use grail_artifact::checkpoint::{CheckpointKey, FileName, Listed, Place, ROOT};
use grail_ports::{
    Fault,
    checkpoint::{CheckpointShelf, Part},
};
use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    pin::pin,
};
use tokio::sync::mpsc;

/// Bytes copied at once.
const CHUNK: usize = 4 << 20;

/// A shelf for checkpoints in a folder of this machine, or of one mounted from elsewhere.
///
/// A write goes to a file with a dot in front of its name, reaches the disk, and takes the name in one step. A killed writer
/// may leave the file with the dot; nobody reads it, and the next write of that object replaces it.
#[derive(Debug, Clone)]
pub struct FolderCheckpoints {
    root: PathBuf,
}

impl FolderCheckpoints {
    /// Opens a folder. Errors: [`StoreError::MissingFolder`] when it is not there.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let root = root.into();
        if root.is_dir() { Ok(Self { root }) } else { Err(StoreError::MissingFolder { path: root }) }
    }

    async fn work<T: Send + 'static>(
        &self,
        doing: String,
        work: impl FnOnce(&Path) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Fault> {
        let root = self.root.clone();
        tokio::task::spawn_blocking(move || work(&root))
            .await
            .unwrap_or(Err(StoreError::Stopped))
            .map_err(|error| error.into_fault(doing))
    }
}

fn path_of(root: &Path, key: &CheckpointKey) -> PathBuf {
    root.join(key.to_string())
}

fn names(folder: &Path) -> io::Result<Vec<String>> {
    match fs::read_dir(folder) {
        // A name that is not UTF-8 is no key of ours.
        Ok(entries) => entries
            .filter_map(|entry| entry.map(|entry| entry.file_name().into_string().ok()).transpose())
            .collect(),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

fn list(root: &Path) -> io::Result<Vec<Listed>> {
    let mut found = Vec::new();
    let folder = root.join(ROOT);
    for place in names(&folder)?.iter().filter_map(|name| name.parse::<Place>().ok()) {
        for name in
            names(&folder.join(place.to_string()))?.into_iter().filter_map(|name| FileName::new(name).ok())
        {
            let key = place.file(name);
            match fs::metadata(path_of(root, &key)) {
                Ok(metadata) if metadata.is_file() => {
                    found.push(Listed { key, size: metadata.len(), stored_at: stored_at(&metadata) });
                }
                // Deleted since, or a folder.
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(found)
}

fn read(path: &Path, offset: u64, bytes: u64) -> io::Result<Option<Part>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let size = file.metadata()?.len();
    let mut body = Vec::new();
    if offset < size {
        file.seek(SeekFrom::Start(offset))?;
        file.take(bytes.min(size - offset)).read_to_end(&mut body)?;
    }
    Ok(Some(Part { body: body.into(), size }))
}

/// Lets `fill` write a file beside `path`, then gives it that name.
fn write<T>(path: &Path, fill: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = folder.join(format!(".{name}"));
    let filled = fill(&draft).and_then(|filled| fs::rename(&draft, path).map(|()| filled));
    if filled.is_err() {
        // Where room is short it is the first thing to free; the write's own error is the one to tell.
        let _ = fs::remove_file(&draft);
    }
    let filled = filled?;
    sync_folder(folder)?;
    Ok(filled)
}

fn copy(from: &Path, to: &Path, progress: &mpsc::UnboundedSender<u64>) -> io::Result<u64> {
    let (mut from, mut to) = (File::open(from)?, File::create(to)?);
    let mut chunk = vec![0; CHUNK];
    let mut total = 0;
    loop {
        let count = from.read(&mut chunk)?;
        let Some(some) = chunk.get(..count).filter(|some| !some.is_empty()) else { break };
        to.write_all(some)?;
        total += some.len() as u64;
        // Nobody listens any more where the caller went away.
        let _ = progress.send(some.len() as u64);
    }
    to.sync_all()?;
    Ok(total)
}

fn delete(root: &Path, keys: &[CheckpointKey]) -> Result<(), StoreError> {
    for key in keys {
        let path = path_of(root, key);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::of_file("delete", path, error));
            }
            _ => {}
        }
        // Empty folders go too; one that is not empty stays, and that is no error.
        let _ = path.parent().map(fs::remove_dir);
    }
    Ok(())
}

#[async_trait]
impl CheckpointShelf for FolderCheckpoints {
    async fn list(&self) -> Result<Vec<Listed>, Fault> {
        let doing = format!("list the checkpoints in {}", self.root.display());
        self.work(doing, |root| {
            list(root).map_err(|error| StoreError::of_file("list", root.to_owned(), error))
        })
        .await
    }

    async fn fetch(&self, key: &CheckpointKey, offset: u64, bytes: u64) -> Result<Option<Part>, Fault> {
        let doing = format!("fetch {key} from the folder {}", self.root.display());
        let key = key.clone();
        let work = move |root: &Path| {
            let path = path_of(root, &key);
            read(&path, offset, bytes).map_err(|error| StoreError::of_file("read", path, error))
        };
        self.work(doing, work).await
    }

    async fn put(&self, key: &CheckpointKey, body: Bytes) -> Result<(), Fault> {
        let doing = format!("store {key} in the folder {}", self.root.display());
        let key = key.clone();
        let work = move |root: &Path| {
            let path = path_of(root, &key);
            write(&path, |draft| write_synced(draft, &body))
                .map_err(|error| StoreError::of_file("write", path, error))
        };
        self.work(doing, work).await
    }

    async fn put_file(
        &self,
        key: &CheckpointKey,
        file: &Path,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<u64, Fault> {
        let doing = format!("store {} as {key} in the folder {}", file.display(), self.root.display());
        let (key, file) = (key.clone(), file.to_owned());
        let (sender, mut told) = mpsc::unbounded_channel();
        let work = move |root: &Path| {
            let path = path_of(root, &key);
            write(&path, |draft| copy(&file, draft, &sender))
                .map_err(|error| StoreError::of_file("write", path, error))
        };
        let mut work = pin!(self.work(doing, work));
        loop {
            tokio::select! {
                Some(bytes) = told.recv() => progress(bytes),
                done = &mut work => {
                    while let Ok(bytes) = told.try_recv() {
                        progress(bytes);
                    }
                    return done;
                }
            }
        }
    }

    async fn delete(&self, keys: &[CheckpointKey]) -> Result<(), Fault> {
        let doing = format!("delete {} files in {}", keys.len(), self.root.display());
        let keys = keys.to_vec();
        self.work(doing, move |root| delete(root, &keys)).await
    }
}

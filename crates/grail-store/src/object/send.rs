//! How an object gets onto a shelf: at once, or in parts.

use super::{Place, Shelf, tag};
use crate::StoreError;
use bytes::Bytes;
use grail_ports::{Retry, shelf::ObjectMeta};
use object_store::{MultipartUpload, ObjectStoreExt as _, PutPayload, PutResult, path::Path};
use std::{
    fs,
    future::Future,
    path::{Path as FilePath, PathBuf},
    time::Duration,
};
use tokio::{io::AsyncReadExt as _, task::JoinSet};

/// How long is waited before an object that was just written is looked for again.
const LOOK_PAUSES_MS: [u64; 3] = [200, 800, 2_000];

/// What is sent.
pub(super) enum Source {
    /// Bytes at hand.
    Bytes(Bytes),
    /// A file of this machine, read part by part.
    File(tokio::fs::File, PathBuf),
}

impl Source {
    pub(super) async fn open(path: &FilePath) -> Result<Self, StoreError> {
        match tokio::fs::File::open(path).await {
            Ok(file) => Ok(Self::File(file, path.to_owned())),
            Err(error) => Err(StoreError::of_file("read", path.to_owned(), error)),
        }
    }

    /// A whole part, or what is left.
    async fn next(&mut self, bytes: usize) -> Result<Bytes, StoreError> {
        match self {
            Self::Bytes(rest) => Ok(rest.split_to(bytes.min(rest.len()))),
            Self::File(file, path) => {
                let mut part = Vec::new();
                let read = file.take(bytes as u64).read_to_end(&mut part).await;
                read.map_err(|error| StoreError::of_file("read", path.clone(), error))?;
                Ok(part.into())
            }
        }
    }

    /// Whether nothing is left, as far as that is known.
    fn is_spent(&self) -> bool {
        matches!(self, Self::Bytes(rest) if rest.is_empty())
    }
}

impl Shelf {
    /// Sends an object whole or not at all: equal parts, the last one smaller, at most `at_once` of them under way.
    /// `progress` is told the bytes sent since it was last called. Returns the object's size.
    pub(super) async fn send(
        &self,
        path: &Path,
        mut source: Source,
        at_once: usize,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(u64, PutResult), StoreError> {
        let writer = self.writer()?;
        self.require().await?;
        let part_bytes = self.transfer.part_bytes.max(1);
        let mut part = source.next(part_bytes).await?;
        if part.len() < part_bytes || source.is_spent() {
            let size = part.len() as u64;
            let put = match self.written(path, writer.put(path, part.into())).await {
                // Stored, and answered without a tag: what lies there then shows by its size alone.
                Err(StoreError::NoTag { .. }) => {
                    PutResult { e_tag: None, version: None, extensions: Default::default() }
                }
                put => put?,
            };
            progress(size);
            return Ok((size, put));
        }
        let upload = self.written(path, writer.put_multipart(path)).await?;
        let mut upload = Unfinished { upload: Some(upload), path: path.clone() };
        let mut under_way = JoinSet::new();
        let mut sent = 0u64;
        loop {
            while !part.is_empty() && under_way.len() < at_once.max(1) {
                let bytes = part.len() as u64;
                let request = upload.open()?.put_part(PutPayload::from(part));
                under_way.spawn(async move { request.await.map(|()| bytes) });
                part = source.next(part_bytes).await?;
            }
            let done = async { Ok(under_way.join_next().await) };
            let Some(done) = self.in_time(done).await? else { break };
            let done = done.map_err(|_| StoreError::Stopped)?;
            let bytes = done.map_err(|error| self.named("write", path, error))?;
            sent = sent.saturating_add(bytes);
            progress(bytes);
        }
        let complete = upload.open()?.complete();
        let put = match self.place {
            // A large file takes its time to reach a disk.
            Place::Folder(_) => complete.await.map_err(|error| self.named("write", path, error))?,
            _ => self.written(path, complete).await?,
        };
        upload.upload = None;
        Ok((sent, put))
    }

    /// One request within the deadline.
    async fn written<T>(
        &self,
        path: &Path,
        request: impl Future<Output = object_store::Result<T>> + Send,
    ) -> Result<T, StoreError> {
        self.in_time(async { request.await.map_err(|error| self.named("write", path, error)) }).await
    }

    /// The answer to a write has no time; the object itself does, and must be the one just written.
    ///
    /// The bytes lie there already: a look that meets with something passing is repeated, before all is sent again.
    pub(super) async fn just_written(
        &self,
        path: &Path,
        size: u64,
        put: &PutResult,
    ) -> Result<ObjectMeta, StoreError> {
        let mut pauses = LOOK_PAUSES_MS.into_iter();
        let meta = loop {
            match self.head(path).await {
                Ok(Some(meta)) => break meta,
                Err(error) if error.retry() == Retry::Never => return Err(error),
                other => match pauses.next() {
                    Some(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
                    None => return other.and(Err(StoreError::Replaced)),
                },
            }
        };
        // A folder mounted from elsewhere may give a file another time, and with it another tag, once it has arrived.
        let is_folder = matches!(self.place, Place::Folder(_));
        let same = is_folder || tag::is_same(put, &meta);
        if same && meta.size == size { self.meta(&meta) } else { Err(StoreError::Replaced) }
    }

    /// Removes what killed writers of an object left beside it in a folder: a large file's draft is large.
    pub(super) async fn remove_drafts(&self, path: &Path) -> Result<(), StoreError> {
        let name = path.as_ref().to_owned();
        let removed = self.ask_disk(move |root| {
            let path = root.join(name);
            let Some(entries) = path.parent().and_then(|folder| fs::read_dir(folder).ok()) else {
                return Ok(());
            };
            for entry in entries.flatten() {
                let draft = entry.file_name();
                let number = draft.to_str().zip(path.file_name().and_then(|name| name.to_str()));
                let number = number.and_then(|(draft, name)| draft.strip_prefix(name)?.strip_prefix('#'));
                if number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit())) {
                    // One that cannot be removed is in nobody's way.
                    let _ = fs::remove_file(entry.path());
                }
            }
            Ok(())
        });
        removed.await.map(drop)
    }
}

/// An upload that is taken back when it is dropped before its end, by an error or a deadline: its parts would stay
/// in the bucket unseen and be charged for.
struct Unfinished {
    upload: Option<Box<dyn MultipartUpload>>,
    path: Path,
}

impl Unfinished {
    fn open(&mut self) -> Result<&mut Box<dyn MultipartUpload>, StoreError> {
        self.upload.as_mut().ok_or(StoreError::Stopped)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let Some(mut upload) = self.upload.take() else { return };
        let path = self.path.clone();
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            if let Err(error) = upload.abort().await {
                tracing::warn!(%path, %error, "an unfinished upload could not be taken back");
            }
        });
    }
}

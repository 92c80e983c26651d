use crate::{StoreError, Transfer, bucket::stored_at};
use async_trait::async_trait;
use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use grail_artifact::checkpoint::{CheckpointKey, Listed, ROOT};
use grail_ports::{
    Fault,
    checkpoint::{CheckpointShelf, Part},
};
use object_store::{GetOptions, GetRange, MultipartUpload as _, ObjectStore, PutPayload, path::Path};
use std::{fmt, future::Future, io, sync::Arc, time::Duration};
use tokio::io::AsyncReadExt as _;

/// A shelf for checkpoints in a bucket. Clones share its connections.
#[derive(Clone)]
pub struct ObjectCheckpoints {
    reader: Arc<dyn ObjectStore>,
    writer: Option<Arc<dyn ObjectStore>>,
    name: String,
    transfer: Transfer,
}

impl fmt::Debug for ObjectCheckpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectCheckpoints").field("name", &self.name).finish_non_exhaustive()
    }
}

impl ObjectCheckpoints {
    /// A shelf in object storage. Without a writer it can only be read. `name` is for people.
    pub(crate) fn new(
        reader: Arc<dyn ObjectStore>,
        writer: Option<Arc<dyn ObjectStore>>,
        name: impl Into<String>,
        transfer: Transfer,
    ) -> Self {
        Self { reader, writer, name: name.into(), transfer }
    }

    /// One request within the deadline.
    async fn within<T>(
        &self,
        request: impl Future<Output = object_store::Result<T>> + Send,
    ) -> Result<T, StoreError> {
        let deadline_ms = self.transfer.deadline_ms;
        match tokio::time::timeout(Duration::from_millis(deadline_ms), request).await {
            Ok(done) => done.map_err(|error| StoreError::of_store(&self.name, deadline_ms, error)),
            Err(_) => Err(StoreError::Timeout { deadline_ms }),
        }
    }

    fn writer(&self) -> Result<&Arc<dyn ObjectStore>, StoreError> {
        self.writer.as_ref().ok_or(StoreError::ReadOnlyBucket)
    }

    async fn keys(&self) -> Result<Vec<Listed>, StoreError> {
        let root = Path::from(ROOT.trim_end_matches('/'));
        let mut objects = self.reader.list(Some(&root));
        let mut found = Vec::new();
        // The deadline is for each page, of which there may be many.
        while let Some(object) = self.within(objects.next().map(Ok)).await? {
            let object = object.map_err(|error| self.named(error))?;
            if let Ok(key) = object.location.as_ref().parse() {
                let (size, stored_at) = (object.size, stored_at(&object));
                found.push(Listed { key, size, stored_at });
            }
        }
        Ok(found)
    }

    async fn part(&self, key: &CheckpointKey, offset: u64, bytes: u64) -> Result<Option<Part>, StoreError> {
        let path = path_of(key);
        // A range that begins at the end or behind it is an error to S3; the size then says so.
        let range = GetRange::Bounded(offset..offset.saturating_add(bytes));
        let options = GetOptions { range: Some(range), ..GetOptions::default() };
        let request = async {
            let response = self.reader.get_opts(&path, options).await?;
            let size = response.meta.size;
            // No more than asked for is held, whatever the store sends.
            let mut stream = response.into_stream();
            let mut body = Vec::new();
            while let Some(chunk) = stream.try_next().await? {
                if (body.len() as u64).saturating_add(chunk.len() as u64) > bytes {
                    break;
                }
                body.extend_from_slice(&chunk);
            }
            Ok(Part { body: body.into(), size })
        };
        match self.within(request).await {
            Ok(part) => Ok(Some(part)),
            Err(error) => match self.size(&path).await? {
                None => Ok(None),
                Some(size) if size <= offset => Ok(Some(Part { body: Bytes::new(), size })),
                Some(_) => Err(error),
            },
        }
    }

    async fn size(&self, path: &Path) -> Result<Option<u64>, StoreError> {
        let head = async {
            match self.reader.head(path).await {
                Ok(meta) => Ok(Some(meta.size)),
                Err(object_store::Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        };
        self.within(head).await
    }

    fn named(&self, error: object_store::Error) -> StoreError {
        StoreError::of_store(&self.name, self.transfer.deadline_ms, error)
    }

    async fn send(
        &self,
        path: &Path,
        local: &std::path::Path,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<u64, StoreError> {
        let writer = self.writer()?;
        let trouble = |error| StoreError::of_file("read", local.to_owned(), error);
        let mut file = tokio::fs::File::open(local).await.map_err(trouble)?;
        let mut part = self.read_part(&mut file).await.map_err(trouble)?;
        let mut sent = part.len() as u64;
        if part.len() < self.part_bytes() {
            self.within(writer.put(path, part.into())).await?;
            progress(sent);
            return Ok(sent);
        }
        let mut upload = self.within(writer.put_multipart(path)).await?;
        let sending = async {
            while !part.is_empty() {
                let bytes = part.len() as u64;
                self.within(upload.put_part(PutPayload::from(part))).await?;
                progress(bytes);
                part = self.read_part(&mut file).await.map_err(trouble)?;
                sent = sent.saturating_add(part.len() as u64);
            }
            self.within(upload.complete()).await.map(drop)
        };
        let done = sending.await;
        if done.is_err()
            && let Err(error) = self.within(upload.abort()).await
        {
            // Its parts stay in the bucket unseen; the upload's own error is the one to tell.
            tracing::warn!(%path, %error, "an unfinished upload could not be taken back");
        }
        done.map(|()| sent)
    }

    fn part_bytes(&self) -> usize {
        self.transfer.part_bytes.max(1)
    }

    /// A whole part, or what is left of the file.
    async fn read_part(&self, file: &mut tokio::fs::File) -> io::Result<Bytes> {
        let mut part = Vec::new();
        file.take(self.part_bytes() as u64).read_to_end(&mut part).await?;
        Ok(part.into())
    }
}

fn path_of(key: &CheckpointKey) -> Path {
    Path::from(key.to_string())
}

#[async_trait]
impl CheckpointShelf for ObjectCheckpoints {
    async fn list(&self) -> Result<Vec<Listed>, Fault> {
        self.keys().await.map_err(|error| error.into_fault(format!("list the checkpoints in {}", self.name)))
    }

    async fn fetch(&self, key: &CheckpointKey, offset: u64, bytes: u64) -> Result<Option<Part>, Fault> {
        let doing = || format!("fetch {bytes} bytes of {key} from byte {offset} on, from {}", self.name);
        self.part(key, offset, bytes).await.map_err(|error| error.into_fault(doing()))
    }

    async fn put(&self, key: &CheckpointKey, body: Bytes) -> Result<(), Fault> {
        let put = async {
            let writer = self.writer()?;
            self.within(writer.put(&path_of(key), body.into())).await.map(drop)
        };
        put.await.map_err(|error| error.into_fault(format!("store {key} in {}", self.name)))
    }

    async fn put_file(
        &self,
        key: &CheckpointKey,
        file: &std::path::Path,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<u64, Fault> {
        let doing = || format!("store {} as {key} in {}", file.display(), self.name);
        self.send(&path_of(key), file, progress).await.map_err(|error| error.into_fault(doing()))
    }

    async fn delete(&self, keys: &[CheckpointKey]) -> Result<(), Fault> {
        for key in keys {
            let delete = async {
                let writer = self.writer()?;
                match writer.delete(&path_of(key)).await {
                    Err(object_store::Error::NotFound { .. }) => Ok(()),
                    done => done.map_err(|error| self.named(error)),
                }
            };
            delete.await.map_err(|error| error.into_fault(format!("delete {key} in {}", self.name)))?;
        }
        Ok(())
    }
}

//! What the two doors ask of a shelf.

use super::{Shelf, send::Source, stored_at};
use crate::StoreError;
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use grail_artifact::{
    checkpoint::{CheckpointKey, Listed, ROOT},
    keys::ShelfKey,
};
use grail_ports::{
    Fault,
    checkpoint::{CheckpointShelf, Part},
    shelf::{Fetch, Fetched, ObjectMeta, WindowShelf},
};
use object_store::{GetOptions, GetRange, path::Path};
use std::path::Path as FilePath;

impl Shelf {
    async fn read(&self, path: &Path, limit: u64) -> Result<Fetch, StoreError> {
        let Some(found) = self.get(path, GetOptions::new()).await? else { return Ok(Fetch::Absent) };
        let meta = self.meta(&found.meta)?;
        if meta.size > limit {
            return Ok(Fetch::TooLarge { meta });
        }
        Ok(Fetch::Found(Fetched { body: self.body(path, found).await?, meta }))
    }

    async fn part(&self, path: &Path, offset: u64, bytes: u64) -> Result<Option<Part>, StoreError> {
        let range = GetRange::Bounded(offset..offset.saturating_add(bytes));
        let asked = async {
            let Some(found) = self.get(path, GetOptions::new().with_range(Some(range))).await? else {
                return Ok(None);
            };
            let size = found.meta.size;
            Ok(Some(Part { body: self.body(path, found).await?, size }))
        };
        match asked.await {
            Err(error) => match self.head(path).await? {
                None => Ok(None),
                // A range that begins at the end or behind it is an error to a store; the size then says so.
                Some(meta) if meta.size <= offset => Ok(Some(Part { body: Bytes::new(), size: meta.size })),
                // Some servers answer a range over all of an object as if none had been asked for.
                Some(meta) if offset == 0 && meta.size <= bytes => {
                    let Some(found) = self.get(path, GetOptions::new()).await? else { return Ok(None) };
                    let size = found.meta.size;
                    if size > bytes {
                        return Err(error);
                    }
                    Ok(Some(Part { body: self.body(path, found).await?, size }))
                }
                Some(_) => Err(error),
            },
            done => done,
        }
    }

    async fn listed(&self) -> Result<Vec<Listed>, StoreError> {
        self.require().await?;
        let root = Path::from(ROOT.trim_end_matches('/'));
        let mut objects = self.reader.list(Some(&root));
        let mut found = Vec::new();
        // The deadline is for each page, of which there may be many.
        while let Some(object) = self.in_time(async { Ok(objects.next().await) }).await? {
            let object = object.map_err(|error| self.named("list", &root, error))?;
            if let Ok(key) = object.location.as_ref().parse() {
                found.push(Listed { key, size: object.size, stored_at: stored_at(&object) });
            }
        }
        Ok(found)
    }
}

fn path_of(key: &impl ToString) -> Path {
    Path::from(key.to_string())
}

#[async_trait]
impl WindowShelf for Shelf {
    async fn fetch(&self, key: &ShelfKey, limit: u64) -> Result<Fetch, Fault> {
        let doing = || format!("fetch {key} from {}", self.place);
        self.call(doing, self.read(&path_of(key), limit)).await
    }

    async fn look(&self, key: &ShelfKey) -> Result<Option<ObjectMeta>, Fault> {
        let path = path_of(key);
        let head = async { self.head(&path).await?.map(|meta| self.meta(&meta)).transpose() };
        self.call(|| format!("look for {key} in {}", self.place), head).await
    }

    async fn put(&self, key: &ShelfKey, body: Bytes) -> Result<ObjectMeta, Fault> {
        let (path, size) = (path_of(key), body.len());
        let put = async {
            let (_, put) = self.send(&path, Source::Bytes(body), self.transfer.parts, &|_| {}).await?;
            self.just_written(&path, size as u64, &put).await
        };
        // Boxed: an upload's state is too large for the stacks of its callers.
        self.call(|| format!("store {key} ({size} bytes) in {}", self.place), Box::pin(put)).await
    }
}

#[async_trait]
impl CheckpointShelf for Shelf {
    async fn list(&self) -> Result<Vec<Listed>, Fault> {
        let doing = || format!("list the checkpoints in {}", self.place);
        self.listed().await.map_err(|error| error.into_fault(doing()))
    }

    async fn fetch(&self, key: &CheckpointKey, offset: u64, bytes: u64) -> Result<Option<Part>, Fault> {
        let doing = || format!("fetch {bytes} bytes of {key} from byte {offset} on, from {}", self.place);
        self.call(doing, self.part(&path_of(key), offset, bytes)).await
    }

    async fn put(&self, key: &CheckpointKey, body: Bytes) -> Result<(), Fault> {
        let path = path_of(key);
        let put = self.send(&path, Source::Bytes(body), self.transfer.parts, &|_| {});
        self.call(|| format!("store {key} in {}", self.place), Box::pin(put)).await.map(drop)
    }

    async fn put_file(
        &self,
        key: &CheckpointKey,
        file: &FilePath,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<u64, Fault> {
        let path = path_of(key);
        // No deadline for the whole, which may be large, but one for each part; one at a time, so that a slow line
        // brings each in time.
        let put = async {
            self.writer()?;
            self.remove_drafts(&path).await?;
            self.send(&path, Source::open(file).await?, 1, progress).await
        };
        let doing = || format!("store {} as {key} in {}", file.display(), self.place);
        Box::pin(put).await.map(|(size, _)| size).map_err(|error| error.into_fault(doing()))
    }

    async fn delete(&self, keys: &[CheckpointKey]) -> Result<(), Fault> {
        for key in keys {
            let path = path_of(key);
            self.call(|| format!("delete {key} in {}", self.place), self.delete_one(&path)).await?;
        }
        Ok(())
    }
}

use crate::{Endpoint, Location, ReadCredentials, Shelf, Transfer};
use async_trait::async_trait;
use bytes::Bytes;
use grail_artifact::checkpoint::{CheckpointKey, Listed};
use grail_ports::{
    Door, Fault, Retry,
    chain::ChainView,
    checkpoint::{CheckpointShelf, Part},
    shelf::{ShelfDirectory, WindowShelf},
};
use grail_protocol::words::Hotkey;
use std::{
    collections::BTreeMap,
    fmt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

/// Everyone publishes in one folder: for development networks.
#[derive(Debug, Clone)]
pub struct FolderDirectory(Arc<Shelf>);

impl FolderDirectory {
    /// A directory whose only shelf is this one.
    pub fn new(shelf: Shelf) -> Self {
        Self(Arc::new(shelf))
    }
}

#[async_trait]
impl ShelfDirectory for FolderDirectory {
    async fn shelf_of(&self, _: &Hotkey) -> Result<Option<Arc<dyn WindowShelf>>, Fault> {
        Ok(Some(Arc::clone(&self.0) as Arc<dyn WindowShelf>))
    }
}

/// Most buckets kept open; a network has fewer participants.
const MOST_BUCKETS: usize = 1_024;

/// Everyone publishes in a bucket whose read credentials stand on the chain.
///
/// A bucket stays open while its owner's commitment stays the same, so its connections serve window after window.
#[derive(Clone)]
pub struct CommittedDirectory {
    chain: Arc<dyn ChainView>,
    /// `None`: each account at R2.
    endpoint: Option<String>,
    region: String,
    allow_http: bool,
    transfer: Transfer,
    open: Arc<Mutex<BTreeMap<Hotkey, Open>>>,
}

struct Open {
    commitment: Vec<u8>,
    bucket: Option<Arc<Shelf>>,
}

impl fmt::Debug for CommittedDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommittedDirectory").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl CommittedDirectory {
    /// Buckets at R2, each under its own account's address.
    pub fn r2(chain: Arc<dyn ChainView>, transfer: Transfer) -> Self {
        Self {
            chain,
            endpoint: None,
            region: "auto".to_owned(),
            allow_http: false,
            transfer,
            open: Arc::default(),
        }
    }

    /// All buckets at one S3 service, with the bucket in the path. `allow_http` is for services on this machine.
    pub fn at(
        chain: Arc<dyn ChainView>,
        endpoint: impl Into<String>,
        region: impl Into<String>,
        allow_http: bool,
        transfer: Transfer,
    ) -> Self {
        Self {
            endpoint: Some(endpoint.into()),
            region: region.into(),
            allow_http,
            ..Self::r2(chain, transfer)
        }
    }

    /// The bucket that a commitment names, if it names one: whatever a stranger wrote there is not our trouble.
    fn bucket(&self, hotkey: &Hotkey, commitment: &[u8]) -> Option<Arc<Shelf>> {
        let trouble = |reason: &dyn fmt::Display| {
            tracing::debug!(%hotkey, %reason, "the commitment names no bucket");
        };
        let read = ReadCredentials::from_commitment(commitment).inspect_err(|error| trouble(error)).ok()?;
        let account = read.account().to_owned();
        let location = Location {
            endpoint: match &self.endpoint {
                Some(url) => Endpoint::Url(url.clone()),
                None => Endpoint::R2 { account: account.clone() },
            },
            region: self.region.clone(),
            bucket: account,
            path_style: true,
            allow_http: self.allow_http,
        };
        Shelf::bucket(&location, &read, self.transfer).inspect_err(|error| trouble(error)).ok().map(Arc::new)
    }
}

impl CommittedDirectory {
    /// The bucket that the hotkey's commitment names; `Ok(None)` when it committed nothing readable.
    async fn bucket_of(&self, hotkey: &Hotkey) -> Result<Option<Arc<Shelf>>, Fault> {
        let Some(commitment) = self.chain.commitment(hotkey).await? else { return Ok(None) };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = match open.get(hotkey) {
            Some(known) if known.commitment == commitment => known.bucket.clone(),
            _ => {
                let bucket = self.bucket(hotkey, &commitment);
                if open.len() >= MOST_BUCKETS {
                    open.pop_first();
                }
                open.insert(*hotkey, Open { commitment, bucket: bucket.clone() });
                bucket
            }
        };
        Ok(bucket)
    }
}

#[async_trait]
impl ShelfDirectory for CommittedDirectory {
    async fn shelf_of(&self, hotkey: &Hotkey) -> Result<Option<Arc<dyn WindowShelf>>, Fault> {
        Ok(self.bucket_of(hotkey).await?.map(|bucket| bucket as Arc<dyn WindowShelf>))
    }
}

/// The checkpoints of a trainer, read from the bucket that its commitment names at the time of each call.
#[derive(Debug, Clone)]
pub struct CommittedCheckpoints {
    directory: CommittedDirectory,
    trainer: Hotkey,
}

impl CommittedCheckpoints {
    /// Nothing is read yet.
    pub fn new(directory: CommittedDirectory, trainer: Hotkey) -> Self {
        Self { directory, trainer }
    }

    async fn shelf(&self) -> Result<Arc<dyn CheckpointShelf>, Fault> {
        match self.directory.bucket_of(&self.trainer).await? {
            Some(bucket) => Ok(bucket),
            None => {
                let doing = format!(
                    "the trainer {} has committed no read credentials, so nobody can fetch its checkpoints",
                    self.trainer
                );
                Err(Fault::plain(Door::Shelf, Retry::Later, doing))
            }
        }
    }
}

/// Others' checkpoints are only read.
fn not_ours() -> Fault {
    Fault::plain(Door::Inside, Retry::Never, "another's checkpoints cannot be written")
}

#[async_trait]
impl CheckpointShelf for CommittedCheckpoints {
    async fn list(&self) -> Result<Vec<Listed>, Fault> {
        self.shelf().await?.list().await
    }

    async fn fetch(&self, key: &CheckpointKey, offset: u64, bytes: u64) -> Result<Option<Part>, Fault> {
        self.shelf().await?.fetch(key, offset, bytes).await
    }

    async fn put(&self, _: &CheckpointKey, _: Bytes) -> Result<(), Fault> {
        Err(not_ours())
    }

    async fn put_file(
        &self,
        _: &CheckpointKey,
        _: &Path,
        _: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<u64, Fault> {
        Err(not_ours())
    }

    async fn delete(&self, _: &[CheckpointKey]) -> Result<(), Fault> {
        Err(not_ours())
    }
}

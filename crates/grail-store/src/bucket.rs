use crate::{ReadCredentials, StoreError, Transfer, WriteCredentials, checkpoint::ObjectCheckpoints};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use grail_artifact::keys::ShelfKey;
use grail_ports::{
    Fault,
    shelf::{Fetch, Fetched, ObjectMeta, WindowShelf},
};
use grail_protocol::words::UnixMillis;
use object_store::{
    BackoffConfig, ClientOptions, GetOptions, MultipartUpload, ObjectStore, PutPayload, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
    path::Path,
};
use std::{fmt, future::Future, sync::Arc, time::Duration};
use tokio::{sync::Semaphore, task::JoinSet};

/// Where an S3 service listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// Cloudflare R2: `https://{account}.r2.cloudflarestorage.com`.
    R2 {
        /// Account id: 32 lower-case hexadecimal digits.
        account: String,
    },
    /// An address with `https://`, or with `http://` where that is allowed.
    Url(String),
}

/// A bucket and how to speak to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The service.
    pub endpoint: Endpoint,
    /// Region that requests are signed for; R2 takes any.
    pub region: String,
    /// Name of the bucket.
    pub bucket: String,
    /// Whether the bucket stands in the path (`true`) or in the host's name.
    pub path_style: bool,
    /// Whether an address with `http://` is taken: signatures hold, secrecy does not.
    pub allow_http: bool,
}

impl Location {
    pub(crate) fn url(&self) -> Result<String, StoreError> {
        let unusable = |setting, reason: &str| StoreError::Setting { setting, reason: reason.to_owned() };
        // A bucket's name may come from a stranger's commitment and becomes part of a host's name.
        let in_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        if !(3..=63).contains(&self.bucket.len()) || !self.bucket.chars().all(in_name) {
            return Err(unusable("bucket", "a name has 3 to 63 characters of a-z, 0-9, - and ."));
        }
        match &self.endpoint {
            Endpoint::R2 { account } => {
                let is_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
                if account.len() != 32 || !account.chars().all(is_hex) {
                    return Err(unusable("account id", "it has 32 lower-case hexadecimal digits"));
                }
                Ok(format!("https://{account}.r2.cloudflarestorage.com"))
            }
            Endpoint::Url(url) if url.starts_with("https://") => Ok(url.clone()),
            Endpoint::Url(url) if url.starts_with("http://") => {
                if self.allow_http {
                    Ok(url.clone())
                } else {
                    Err(unusable("endpoint", "it begins with http://, and plain HTTP was not allowed"))
                }
            }
            Endpoint::Url(_) => Err(unusable("endpoint", "it begins neither with https:// nor with http://")),
        }
    }
}

/// A shelf in a bucket of an S3 service. Clones share the connections and the limit on calls.
#[derive(Clone)]
pub struct Bucket {
    reader: Arc<AmazonS3>,
    writer: Option<Arc<AmazonS3>>,
    name: String,
    place: String,
    transfer: Transfer,
    slots: Arc<Semaphore>,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Bucket {
    /// Opens somebody's bucket for reading. Nothing is sent yet. Errors: a setting that cannot work.
    pub fn open(location: &Location, read: &ReadCredentials, transfer: Transfer) -> Result<Self, StoreError> {
        let url = location.url()?;
        let reader = client(location, &url, read.access_key_id(), read.secret(), transfer)?;
        Ok(Self {
            reader: Arc::new(reader),
            writer: None,
            name: location.bucket.clone(),
            place: format!("bucket {} at {url}", location.bucket),
            transfer,
            slots: Arc::new(Semaphore::new(transfer.calls.max(1))),
        })
    }

    /// Opens one's own bucket: writes go with the write pair, reads with the read pair, as strangers will read.
    /// Nothing is sent yet. Errors: a setting that cannot work.
    pub fn open_own(
        location: &Location,
        read: &ReadCredentials,
        write: &WriteCredentials,
        transfer: Transfer,
    ) -> Result<Self, StoreError> {
        let url = location.url()?;
        let writer = client(location, &url, write.access_key_id(), write.secret(), transfer)?;
        Ok(Self { writer: Some(Arc::new(writer)), ..Self::open(location, read, transfer)? })
    }

    /// The same bucket as a shelf for checkpoints, with the same credentials.
    pub fn checkpoints(&self) -> ObjectCheckpoints {
        let reader: Arc<dyn ObjectStore> = self.reader.clone();
        let writer = self.writer.clone().map(|writer| writer as Arc<dyn ObjectStore>);
        ObjectCheckpoints::new(reader, writer, self.place.clone(), self.transfer)
    }

    fn named(&self, error: object_store::Error) -> StoreError {
        StoreError::of_store(&self.name, self.transfer.deadline_ms, error)
    }

    /// Runs a call within the deadline, in one of the slots.
    async fn call<T>(
        &self,
        doing: String,
        work: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, Fault> {
        let deadline_ms = self.transfer.deadline_ms;
        let run = async {
            let Ok(_slot) = self.slots.acquire().await else { return Err(StoreError::Stopped) };
            work.await
        };
        match tokio::time::timeout(Duration::from_millis(deadline_ms), run).await {
            Ok(done) => done,
            Err(_) => Err(StoreError::Timeout { deadline_ms }),
        }
        .map_err(|error| error.into_fault(doing))
    }

    async fn read(&self, path: &Path, limit: u64) -> Result<Fetch, StoreError> {
        let response = match self.reader.get_opts(path, GetOptions::default()).await {
            Ok(response) => response,
            Err(error @ object_store::Error::NotFound { .. }) => {
                return match self.named(error) {
                    missing @ StoreError::NoBucket { .. } => Err(missing),
                    _ => Ok(Fetch::Absent),
                };
            }
            Err(error) => return Err(self.named(error)),
        };
        let meta = meta_of(&response.meta);
        if meta.size > limit {
            return Ok(Fetch::TooLarge { meta });
        }
        let announced = meta.size;
        let mut stream = response.into_stream();
        let mut body = BytesMut::new();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| self.named(error))?;
            // Whatever the headers said, no more than the limit is ever held.
            if (body.len() as u64).saturating_add(chunk.len() as u64) > announced {
                return Err(StoreError::Length { announced, more: true });
            }
            body.extend_from_slice(&chunk);
        }
        if body.len() as u64 != announced {
            return Err(StoreError::Length { announced, more: false });
        }
        Ok(Fetch::Found(Fetched { body: body.freeze(), meta }))
    }

    async fn write(&self, path: &Path, body: Bytes) -> Result<ObjectMeta, StoreError> {
        let writer = self.writer.as_ref().ok_or(StoreError::ReadOnlyBucket)?;
        let size = body.len() as u64;
        let result = if body.len() <= self.transfer.part_bytes.max(1) {
            writer.put(path, body.into()).await.map_err(|error| self.named(error))?
        } else {
            self.write_in_parts(writer, path, body).await?
        };
        // The answer to a write has no time; the object itself does, and must be the one just written.
        let meta = meta_of(&self.reader.head(path).await.map_err(|error| self.named(error))?);
        let ours = meta.size == size && (result.e_tag.is_none() || result.e_tag == meta.tag);
        if ours { Ok(meta) } else { Err(StoreError::Replaced) }
    }

    /// Equal parts, the last one smaller, a bounded number under way.
    async fn write_in_parts(
        &self,
        writer: &AmazonS3,
        path: &Path,
        body: Bytes,
    ) -> Result<object_store::PutResult, StoreError> {
        let upload = writer.put_multipart(path).await.map_err(|error| self.named(error))?;
        let mut upload = Unfinished { upload: Some(upload), path: path.clone() };
        let mut rest = body;
        let mut under_way = JoinSet::new();
        while !rest.is_empty() || !under_way.is_empty() {
            while !rest.is_empty() && under_way.len() < self.transfer.parts.max(1) {
                let part = rest.split_to(self.transfer.part_bytes.max(1).min(rest.len()));
                let Some(upload) = &mut upload.upload else { return Err(StoreError::Stopped) };
                under_way.spawn(upload.put_part(PutPayload::from(part)));
            }
            match under_way.join_next().await {
                Some(Ok(done)) => done.map_err(|error| self.named(error))?,
                Some(Err(_)) => return Err(StoreError::Stopped),
                None => {}
            }
        }
        let Some(complete) = &mut upload.upload else { return Err(StoreError::Stopped) };
        let done = complete.complete().await.map_err(|error| self.named(error))?;
        upload.upload = None;
        Ok(done)
    }
}

/// An upload that is taken back when it is dropped before its end, by an error or a deadline: its parts would stay
/// in the bucket unseen and be charged for.
struct Unfinished {
    upload: Option<Box<dyn MultipartUpload>>,
    path: Path,
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

fn client(
    location: &Location,
    url: &str,
    key_id: &str,
    secret: &str,
    transfer: Transfer,
) -> Result<AmazonS3, StoreError> {
    let deadline = Duration::from_millis(transfer.deadline_ms);
    let options = ClientOptions::new()
        .with_allow_http(location.allow_http)
        .with_connect_timeout(Duration::from_millis(transfer.connect_ms))
        .with_timeout(deadline);
    let retry = RetryConfig {
        backoff: BackoffConfig::default(),
        max_retries: transfer.retries,
        retry_timeout: deadline,
    };
    // In the host's name, the client wants the bucket to be part of the endpoint.
    let endpoint = if location.path_style {
        url.to_owned()
    } else {
        match url.split_once("://") {
            Some((scheme, host)) => format!("{scheme}://{}.{host}", location.bucket),
            None => url.to_owned(),
        }
    };
    AmazonS3Builder::new()
        .with_client_options(options)
        .with_retry(retry)
        .with_endpoint(endpoint)
        .with_region(&location.region)
        .with_bucket_name(&location.bucket)
        .with_virtual_hosted_style_request(!location.path_style)
        .with_access_key_id(key_id)
        .with_secret_access_key(secret)
        .build()
        .map_err(|error| StoreError::of_store(&location.bucket, transfer.deadline_ms, error))
}

fn meta_of(meta: &object_store::ObjectMeta) -> ObjectMeta {
    let stored_at = stored_at(meta);
    ObjectMeta { size: meta.size, stored_at, tag: meta.version.clone().or_else(|| meta.e_tag.clone()) }
}

/// When the store says that an object was written; 0 for times before 1970.
pub(crate) fn stored_at(meta: &object_store::ObjectMeta) -> UnixMillis {
    UnixMillis(u64::try_from(meta.last_modified.timestamp_millis()).unwrap_or(0))
}

#[async_trait]
impl WindowShelf for Bucket {
    async fn fetch(&self, key: &ShelfKey, limit: u64) -> Result<Fetch, Fault> {
        let path = Path::from(key.to_string());
        self.call(format!("fetch {key} from {}", self.place), self.read(&path, limit)).await
    }

    async fn look(&self, key: &ShelfKey) -> Result<Option<ObjectMeta>, Fault> {
        let path = Path::from(key.to_string());
        let head = async {
            match self.reader.head(&path).await {
                Ok(meta) => Ok(Some(meta_of(&meta))),
                // An answer without a body does not tell a missing bucket from a missing object.
                Err(object_store::Error::NotFound { .. }) => Ok(None),
                Err(error) => Err(self.named(error)),
            }
        };
        self.call(format!("look for {key} in {}", self.place), head).await
    }

    async fn put(&self, key: &ShelfKey, body: Bytes) -> Result<ObjectMeta, Fault> {
        let path = Path::from(key.to_string());
        let doing = format!("store {key} ({} bytes) in {}", body.len(), self.place);
        // Boxed: an upload's state is too large for the stacks of its callers.
        self.call(doing, Box::pin(self.write(&path, body))).await
    }
}

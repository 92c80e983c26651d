//! A genuine S3 server on a free port of this machine: signatures are checked, and the read pair may only read.

use grail_store::{Endpoint, Location, ReadCredentials, Transfer, WriteCredentials};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use s3s::{
    S3Result,
    access::{S3Access, S3AccessContext},
    auth::SimpleAuth,
    s3_error,
    service::S3ServiceBuilder,
};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};

pub(crate) const BUCKET: &str = "0123456789abcdef0123456789abcdef";

pub(crate) struct S3Server {
    pub(crate) url: String,
    pub(crate) dir: TempDir,
    task: JoinHandle<()>,
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct ReadersOnlyRead;

#[async_trait::async_trait]
impl S3Access for ReadersOnlyRead {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let operation = cx.s3_op().name().to_owned();
        match cx.credentials().map(|credentials| credentials.access_key.as_str()) {
            Some("writer") => Ok(()),
            // Breaks off each upload in parts just before its end.
            Some("interrupted") if operation != "CompleteMultipartUpload" => Ok(()),
            Some(_) if ["GetObject", "HeadObject", "ListObjectsV2"].contains(&operation.as_str()) => Ok(()),
            _ => Err(s3_error!(AccessDenied)),
        }
    }
}

pub(crate) fn read_pair() -> ReadCredentials {
    ReadCredentials::new(BUCKET, "reader", "reader-secret").unwrap()
}

pub(crate) fn write_pair() -> WriteCredentials {
    WriteCredentials::new("writer", "writer-secret").unwrap()
}

/// No repetitions, so that failures come as they are.
pub(crate) fn transfer() -> Transfer {
    Transfer { retries: 0, ..Transfer::default() }
}

pub(crate) fn location(url: &str) -> Location {
    Location {
        endpoint: Endpoint::Url(url.to_owned()),
        region: "us-east-1".to_owned(),
        bucket: BUCKET.to_owned(),
        path_style: true,
        allow_http: true,
    }
}

pub(crate) async fn start() -> S3Server {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join(BUCKET)).unwrap();
    let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(dir.path()).unwrap());
    let mut auth = SimpleAuth::from_single("writer", "writer-secret");
    auth.register("reader".to_owned(), "reader-secret".into());
    auth.register("interrupted".to_owned(), "interrupted-secret".into());
    builder.set_auth(auth);
    builder.set_access(ReadersOnlyRead);
    let service = builder.build();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let _ =
                    Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
            });
        }
    });
    S3Server { url, dir, task }
}

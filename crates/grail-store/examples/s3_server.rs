//! An S3 server on this machine over a folder, with signatures checked: `s3_server FOLDER ADDRESS ACCOUNT…`.
//!
//! Each account is a bucket of that name with two pairs of keys, named after its first 30 digits: `{digits}-w` may do everything
//! in it, `{digits}-r` may only read it; the secret of a key is the key and `-secret`. For rehearsals: whoever reaches the address knows the keys.
#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use s3s::{
    S3Result,
    access::{S3Access, S3AccessContext},
    auth::SimpleAuth,
    path::S3Path,
    s3_error,
    service::S3ServiceBuilder,
};
use std::{error::Error, fs, path::Path};

/// An owner writes in the own bucket, a reader reads in that one.
struct OwnBucket;

const READING: [&str; 4] = ["GetObject", "HeadObject", "ListObjectsV2", "HeadBucket"];

#[async_trait::async_trait]
impl S3Access for OwnBucket {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let bucket = match cx.s3_path() {
            S3Path::Bucket { bucket } | S3Path::Object { bucket, .. } => bucket.clone(),
            S3Path::Root => return Err(s3_error!(AccessDenied)),
        };
        let key = cx.credentials().map(|credentials| credentials.access_key.clone()).unwrap_or_default();
        let allowed = match key.rsplit_once('-') {
            Some((owner, "w")) => bucket.starts_with(owner),
            Some((owner, "r")) => bucket.starts_with(owner) && READING.contains(&cx.s3_op().name()),
            _ => false,
        };
        if allowed { Ok(()) } else { Err(s3_error!(AccessDenied)) }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [folder, address, accounts @ ..] = &words[..] else {
        return Err("usage: s3_server FOLDER ADDRESS ACCOUNT…".into());
    };
    let mut auth = SimpleAuth::new();
    for account in accounts {
        fs::create_dir_all(Path::new(folder).join(account))?;
        let digits = account.get(..30).ok_or("an account has 32 hexadecimal digits")?;
        for key in [format!("{digits}-w"), format!("{digits}-r")] {
            let secret = format!("{key}-secret");
            auth.register(key, secret.into());
        }
    }
    let mut builder =
        S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder).map_err(|error| format!("{error:?}"))?);
    builder.set_auth(auth);
    builder.set_access(OwnBucket);
    let service = builder.build();
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("http://{}", listener.local_addr()?);
    loop {
        let (socket, _) = listener.accept().await?;
        let service = service.clone();
        tokio::spawn(async move {
            // A client that goes away is no trouble of the server's.
            let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

//! A genuine S3 server with house rules: which key may do what, where the bucket is, how vague refusals are, how late
//! answers come. Signatures are checked by the server itself.
//!
//! `grail-cli` has its tests read this file too.

use hyper::{
    body::Incoming,
    header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderValue},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use s3s::{
    Body, HttpError, S3Result,
    access::{S3Access, S3AccessContext},
    auth::SimpleAuth,
    s3_error,
    service::{S3Service, S3ServiceBuilder},
};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};

/// Name of the bucket, and of the account.
pub(crate) const ACCOUNT: &str = "0123456789abcdef0123456789abcdef";
/// S3 refuses clocks that differ by more.
const MOST_SKEW_MS: u64 = 15 * 60 * 1_000;

/// Operations that a key may do.
pub(crate) type May = &'static [&'static str];
pub(crate) const ANYTHING: May = &["*"];
pub(crate) const READ: May = &["GetObject", "HeadObject", "ListObjectsV2", "HeadBucket", "GetBucketLocation"];
pub(crate) const READ_WITHOUT_LIST: May = &["GetObject", "HeadObject"];
pub(crate) const WRITE_WITHOUT_LIST: May = &[
    "GetObject",
    "HeadObject",
    "PutObject",
    "DeleteObject",
    "CreateMultipartUpload",
    "UploadPart",
    "CompleteMultipartUpload",
    "AbortMultipartUpload",
];
pub(crate) const NOTHING: May = &[];

/// The rules of a house.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// Key id, secret, what it may do.
    pub(crate) keys: Vec<(&'static str, &'static str, May)>,
    /// The only region that requests may be signed for.
    pub(crate) region: Option<&'static str>,
    /// Where the bucket is said to be.
    pub(crate) place: Option<&'static str>,
    /// Every refusal is one `Unauthorized`.
    pub(crate) vague: bool,
    /// By how much the server's clock is ahead.
    pub(crate) ahead_ms: i64,
    /// Answers wait so long.
    pub(crate) latency_ms: u64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            keys: vec![("writer", "writer-secret", ANYTHING), ("reader", "reader-secret", READ)],
            region: None,
            place: None,
            vague: false,
            ahead_ms: 0,
            latency_ms: 0,
        }
    }
}

pub(crate) struct House {
    pub(crate) url: String,
    pub(crate) dir: TempDir,
    pub(crate) seen: Arc<Seen>,
    task: JoinHandle<()>,
}

/// What the server saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) requests: AtomicUsize,
    pub(crate) connections: AtomicUsize,
    now: AtomicUsize,
    pub(crate) most_at_once: AtomicUsize,
}

impl Drop for House {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Permissions(Vec<(&'static str, May)>);

#[async_trait::async_trait]
impl S3Access for Permissions {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let operation = cx.s3_op().name().to_owned();
        let key = cx.credentials().map(|credentials| credentials.access_key.clone()).unwrap_or_default();
        let may = self.0.iter().find(|(id, _)| *id == key).map_or(NOTHING, |(_, may)| may);
        if may == ANYTHING || may.contains(&operation.as_str()) {
            Ok(())
        } else {
            Err(s3_error!(AccessDenied))
        }
    }
}

/// Opens a house with a bucket of that name on a free port of this machine.
pub(crate) async fn open(rules: Rules) -> House {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join(ACCOUNT)).unwrap();
    let service = service(dir.path(), &rules);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (rules, seen) = (Arc::new(rules), Arc::new(Seen::default()));
    let watched = seen.clone();
    let task = tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            watched.connections.fetch_add(1, Ordering::SeqCst);
            let (service, rules, seen) = (service.clone(), rules.clone(), watched.clone());
            let answer = service_fn(move |request| {
                let (service, rules, seen) = (service.clone(), rules.clone(), seen.clone());
                async move { answer(&service, &rules, &seen, request).await }
            });
            tokio::spawn(async move {
                let _ =
                    Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), answer).await;
            });
        }
    });
    House { url, dir, seen, task }
}

fn service(dir: &Path, rules: &Rules) -> S3Service {
    let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(dir).unwrap());
    let mut auth = SimpleAuth::new();
    for (id, secret, _) in &rules.keys {
        auth.register((*id).to_owned(), (*secret).into());
    }
    builder.set_auth(auth);
    builder.set_access(Permissions(rules.keys.iter().map(|(id, _, may)| (*id, *may)).collect()));
    builder.build()
}

type Response = hyper::Response<Body>;

async fn answer(
    service: &S3Service,
    rules: &Rules,
    seen: &Seen,
    request: hyper::Request<Incoming>,
) -> Result<Response, HttpError> {
    seen.requests.fetch_add(1, Ordering::SeqCst);
    let at_once = seen.now.fetch_add(1, Ordering::SeqCst) + 1;
    seen.most_at_once.fetch_max(at_once, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(rules.latency_ms)).await;
    let mut response = by_the_rules(service, rules, request).await?;
    seen.now.fetch_sub(1, Ordering::SeqCst);
    let shift = Duration::from_millis(rules.ahead_ms.unsigned_abs());
    #[expect(clippy::disallowed_methods, reason = "a server tells its own time")]
    let now = SystemTime::now();
    let now = if rules.ahead_ms >= 0 { now + shift } else { now - shift };
    let date = httpdate::fmt_http_date(now);
    response.headers_mut().insert(DATE, HeaderValue::from_str(&date).unwrap());
    Ok(response)
}

async fn by_the_rules(
    service: &S3Service,
    rules: &Rules,
    request: hyper::Request<Incoming>,
) -> Result<Response, HttpError> {
    let scope = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let signed_for = scope.as_deref().and_then(|scope| scope.split('/').nth(2)).map(str::to_owned);
    if scope.is_some() && rules.ahead_ms.unsigned_abs() > MOST_SKEW_MS {
        return Ok(refusal(403, "RequestTimeTooSkewed", ""));
    }
    if let (Some(right), Some(signed)) = (rules.region, &signed_for)
        && right != signed
    {
        return Ok(refusal(400, "AuthorizationHeaderMalformed", &format!("<Region>{right}</Region>")));
    }
    let asks_place = request.uri().query() == Some("location=");
    let response = service.call(request.map(Body::from)).await?;
    if let (true, true, Some(place)) = (asks_place, response.status().is_success(), rules.place) {
        let namespace = "http://s3.amazonaws.com/doc/2006-03-01/";
        return Ok(xml(
            200,
            format!("<LocationConstraint xmlns=\"{namespace}\">{place}</LocationConstraint>"),
        ));
    }
    if rules.vague && matches!(response.status().as_u16(), 401 | 403) {
        return Ok(refusal(401, "Unauthorized", ""));
    }
    Ok(response)
}

fn refusal(status: u16, code: &str, more: &str) -> Response {
    xml(status, format!("<Error><Code>{code}</Code><Message>no</Message>{more}</Error>"))
}

fn xml(status: u16, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status.try_into().unwrap();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

//! A server that is nearly S3: it checks no signatures, knows the keys `reader` (which may not write) and `writer`, and has
//! one habit at a time of the many in which look-alikes, proxies and bad days differ from the real one.
//!
//! `grail-cli` has its tests read this file too.

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::Response,
};
use futures::StreamExt as _;
use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};
use tokio::{net::TcpListener, task::JoinHandle};

/// Most bytes of a request.
const MOST_BYTES: usize = 64 << 20;

/// How the server differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Habit {
    None,
    /// A bucket whose versioning is on.
    Versioned,
    /// One whose versioning was on: answers about objects name the version `null`, answers to writes none.
    Suspended,
    /// A version with every answer, though none is kept, and equal parts demanded: as R2 does.
    R2,
    /// Answers about objects have weak tags.
    Weak,
    /// Answers about objects have tags without quotes.
    Unquoted,
    /// Answers to writes in one piece have no tag.
    NoTag,
    /// What was sent in parts has a tag over its bytes afterwards.
    ByteTags,
    /// A range over the whole of an object is answered as if none had been asked for.
    WholeRanges,
    /// The first `times` requests of each method are refused.
    Refuses {
        status: u16,
        code: &'static str,
        times: usize,
    },
    /// As `Refuses`, with a page for people instead of a code word.
    Page {
        status: u16,
        times: usize,
    },
    /// HEAD is refused always, GET never.
    HeadRefused,
    /// Bodies break off in the middle unless a range is asked for.
    Cut,
    /// No Last-Modified.
    NoTime,
    /// A Last-Modified that is no HTTP date.
    OddTime,
    /// Every GET is answered with a page, status 200.
    Portal,
    /// There is no bucket, until somebody writes to it.
    MakesBuckets,
    /// There is no bucket, and none is made.
    NoBucket,
}

struct Object {
    body: Bytes,
    version: String,
    /// Parts that it was sent in; one for all at once.
    parts: usize,
}

impl Object {
    fn tag(&self) -> String {
        // Of the looks of an MD5, and as good for telling bytes apart here.
        let mut hasher = DefaultHasher::new();
        self.body.hash(&mut hasher);
        let digest = format!("{:032x}", hasher.finish());
        if self.parts > 0 { format!("\"{digest}-{}\"", self.parts) } else { format!("\"{digest}\"") }
    }
}

#[derive(Default)]
struct Held {
    buckets: BTreeSet<String>,
    objects: BTreeMap<String, Object>,
    uploads: BTreeMap<String, BTreeMap<u32, Bytes>>,
    counts: BTreeMap<String, usize>,
    log: Vec<String>,
    drawn: u64,
}

impl Held {
    fn draw(&mut self) -> String {
        self.drawn += 1;
        format!("v{:031}", self.drawn)
    }
}

#[derive(Clone)]
struct Shared {
    habit: Habit,
    held: Arc<Mutex<Held>>,
}

impl Shared {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running server.
pub(crate) struct Lookalike {
    pub(crate) url: String,
    shared: Shared,
    task: JoinHandle<()>,
}

impl Drop for Lookalike {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Lookalike {
    /// Serves on a free port of this machine, with a bucket of that name unless the habit has none.
    pub(crate) async fn start(habit: Habit, bucket: &str) -> Self {
        let shared = Shared { habit, held: Arc::default() };
        if !matches!(habit, Habit::MakesBuckets | Habit::NoBucket) {
            shared.held().buckets.insert(bucket.to_owned());
        }
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(shared.clone());
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, shared, task }
    }

    /// Method and path of every request so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.shared.held().log.clone()
    }

    /// Paths of the objects, with the bucket.
    pub(crate) fn objects(&self) -> Vec<String> {
        self.shared.held().objects.keys().cloned().collect()
    }

    pub(crate) fn buckets(&self) -> usize {
        self.shared.held().buckets.len()
    }
}

fn respond(status: u16, headers: HeaderMap, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    *response.headers_mut() = headers;
    response
}

fn xml(status: u16, text: String) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    respond(status, headers, text)
}

fn refusal(status: u16, code: &str) -> Response {
    xml(status, format!("<Error><Code>{code}</Code><Message>no</Message></Error>"))
}

fn page(status: u16) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
    respond(status, headers, format!("<html><title>{status}</title>Please wait</html>"))
}

/// The value of a word of the query; empty where it stands alone.
fn word<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then_some(value)
    })
}

async fn answer(State(shared): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, MOST_BYTES).await.unwrap();
    let (method, path) = (parts.method, parts.uri.path().to_owned());
    let query = parts.uri.query().unwrap_or("").to_owned();
    let mut held = shared.held();
    held.log.push(format!("{method} {path}"));
    let who = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or("");
    let may_write = who.contains("Credential=writer/");
    if !may_write && !who.contains("Credential=reader/") {
        return refusal(401, "Unauthorized");
    }
    if !may_write && matches!(method, Method::PUT | Method::POST | Method::DELETE) {
        return refusal(403, "AccessDenied");
    }
    let count = held.counts.entry(method.to_string()).or_default();
    *count += 1;
    match shared.habit {
        Habit::Refuses { status, code, times } if *count <= times => return refusal(status, code),
        Habit::Page { status, times } if *count <= times => return page(status),
        Habit::HeadRefused if method == Method::HEAD => return refusal(403, "AccessDenied"),
        Habit::Portal if method == Method::GET => return page(200),
        _ => {}
    }
    let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
    let Some((bucket, rest)) = names.split_first() else { return refusal(403, "AccessDenied") };
    if !held.buckets.contains(*bucket) {
        let writes = matches!(method, Method::PUT | Method::POST) && !rest.is_empty();
        if !(writes && shared.habit == Habit::MakesBuckets) {
            return refusal(404, "NoSuchBucket");
        }
        held.buckets.insert((*bucket).to_owned());
    }
    match (method.as_str(), rest.is_empty()) {
        ("GET", true) => of_bucket(shared.habit, &held, bucket, &query),
        ("GET" | "HEAD", false) => get(shared.habit, &held, &method, &path, &parts.headers),
        ("PUT", false) => put(shared.habit, &mut held, &path, &query, body),
        ("POST", false) => post(shared.habit, &mut held, &path, &query),
        ("DELETE", false) => {
            held.objects.remove(&path);
            respond(204, HeaderMap::new(), Body::empty())
        }
        _ => refusal(405, "MethodNotAllowed"),
    }
}

fn of_bucket(habit: Habit, held: &Held, bucket: &str, query: &str) -> Response {
    if word(query, "versioning").is_some() {
        let status = match habit {
            Habit::Versioned => "<Status>Enabled</Status>",
            Habit::Suspended => "<Status>Suspended</Status>",
            // What R2 does not know, it says so of.
            Habit::R2 => return refusal(501, "NotImplemented"),
            _ => "",
        };
        return xml(200, format!("<VersioningConfiguration>{status}</VersioningConfiguration>"));
    }
    if word(query, "location").is_some() {
        return xml(200, "<LocationConstraint>ENAM</LocationConstraint>".to_owned());
    }
    let prefix = format!("/{bucket}/");
    let contents = held.objects.iter().filter_map(|(path, object)| {
        let (key, tag, size) = (path.strip_prefix(&prefix)?, object.tag(), object.body.len());
        Some(format!(
            "<Contents><Key>{key}</Key><LastModified>2026-11-30T00:00:00.000Z</LastModified><ETag>{}</ETag>\
             <Size>{size}</Size></Contents>",
            tag.replace('"', "&quot;")
        ))
    });
    let contents: String = contents.collect();
    xml(
        200,
        format!(
            "<ListBucketResult><Name>{bucket}</Name><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"
        ),
    )
}

fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    headers.insert(name, HeaderValue::from_str(value).unwrap());
}

fn version(headers: &mut HeaderMap, habit: Habit, object: &Object, written: bool) {
    match habit {
        Habit::Versioned | Habit::R2 => set(headers, "x-amz-version-id", &object.version),
        Habit::Suspended if !written => set(headers, "x-amz-version-id", "null"),
        _ => {}
    }
}

fn get(habit: Habit, held: &Held, method: &Method, path: &str, asked: &HeaderMap) -> Response {
    let Some(object) = held.objects.get(path) else { return refusal(404, "NoSuchKey") };
    let mut headers = HeaderMap::new();
    let tag = match habit {
        Habit::Weak => format!("W/{}", object.tag()),
        Habit::Unquoted => object.tag().trim_matches('"').to_owned(),
        Habit::ByteTags => object.tag().split('-').next().unwrap_or_default().trim_matches('"').to_owned(),
        _ => object.tag(),
    };
    set(&mut headers, "etag", &tag);
    version(&mut headers, habit, object, false);
    #[expect(clippy::disallowed_methods, reason = "a server tells its own time")]
    let now = SystemTime::now() - Duration::from_secs(1);
    match habit {
        Habit::NoTime => {}
        Habit::OddTime => set(&mut headers, "last-modified", "2026-11-30 12:00"),
        _ => set(&mut headers, "last-modified", &httpdate::fmt_http_date(now)),
    }
    let all = &object.body;
    let range = asked.get(header::RANGE).and_then(|range| range.to_str().ok()?.strip_prefix("bytes="));
    if let (Some((from, to)), "GET") = (range.and_then(|range| range.split_once('-')), method.as_str()) {
        let from: usize = from.parse().unwrap();
        let to = to.parse().unwrap_or(usize::MAX).min(all.len().saturating_sub(1));
        if from > to {
            return refusal(416, "InvalidRange");
        }
        if habit == Habit::WholeRanges && (from, to + 1) == (0, all.len()) {
            return respond(200, headers, all.clone());
        }
        set(&mut headers, "content-range", &format!("bytes {from}-{to}/{}", all.len()));
        return respond(206, headers, all.slice(from..=to));
    }
    set(&mut headers, "content-length", &all.len().to_string());
    if method == Method::HEAD {
        return respond(200, headers, Body::empty());
    }
    if habit == Habit::Cut {
        let half = all.slice(..all.len() / 2);
        // A moment later, so that what came first is sent first.
        let broken = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Err(std::io::Error::other("the line broke"))
        };
        let chunks = futures::stream::iter([Ok(half)]).chain(futures::stream::once(broken));
        return respond(200, headers, Body::from_stream(chunks));
    }
    respond(200, headers, all.clone())
}

fn put(habit: Habit, held: &mut Held, path: &str, query: &str, body: Bytes) -> Response {
    let mut headers = HeaderMap::new();
    if let (Some(number), Some(upload)) = (word(query, "partNumber"), word(query, "uploadId")) {
        let part = Object { body: body.clone(), version: String::new(), parts: 0 };
        set(&mut headers, "etag", &part.tag());
        held.uploads.entry(upload.to_owned()).or_default().insert(number.parse().unwrap(), body);
        return respond(200, headers, Body::empty());
    }
    let object = Object { body, version: held.draw(), parts: 0 };
    if habit != Habit::NoTag {
        set(&mut headers, "etag", &object.tag());
    }
    version(&mut headers, habit, &object, true);
    held.objects.insert(path.to_owned(), object);
    respond(200, headers, Body::empty())
}

fn post(habit: Habit, held: &mut Held, path: &str, query: &str) -> Response {
    let Some(upload) = word(query, "uploadId") else {
        let upload = held.draw();
        held.uploads.insert(upload.clone(), BTreeMap::new());
        return xml(
            200,
            format!(
                "<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
            ),
        );
    };
    let Some(parts) = held.uploads.remove(upload) else { return refusal(404, "NoSuchUpload") };
    let sizes: BTreeSet<usize> = parts.values().rev().skip(1).map(Bytes::len).collect();
    if habit == Habit::R2 && sizes.len() > 1 {
        return refusal(400, "InvalidPart");
    }
    let body: Vec<u8> = parts.values().flatten().copied().collect();
    let object = Object { body: body.into(), version: held.draw(), parts: parts.len() };
    let tag = object.tag().replace('"', "&quot;");
    let mut response = xml(
        200,
        format!("<CompleteMultipartUploadResult><ETag>{tag}</ETag></CompleteMultipartUploadResult>"),
    );
    version(response.headers_mut(), habit, &object, true);
    held.objects.insert(path.to_owned(), object);
    response
}

//! Signed questions whose whole answer is seen: status, code word, date. The client that shelves use keeps these to
//! itself.

use super::Patience;
use crate::Location;
use bytes::Bytes;
use object_store::{
    aws::{AwsAuthorizer, AwsCredential},
    client::{HttpRequest, HttpRequestBody},
};
use reqwest::{Client, Method, Url, header};
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, UNIX_EPOCH},
};

/// How many questions of an examination are put again after an answer that may pass, and after what pause.
const MOST_AGAIN: usize = 4;
const PAUSE_MS: u64 = 300;
/// Answers to probes are short; no more of one is held.
const MOST_BYTES: usize = 64 << 10;

/// A pair as it is tried, which need not be one that could be published.
pub(super) struct Keys(AwsCredential);

impl Keys {
    pub(super) fn new(id: &str, secret: &str) -> Self {
        Self(AwsCredential { key_id: id.to_owned(), secret_key: secret.to_owned(), token: None })
    }

    /// A pair in R2's form that no store knows: how are strangers answered?
    pub(super) fn made_up() -> Self {
        Self::new(&"0c".repeat(16), &"5e".repeat(32))
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        use zeroize::Zeroize as _;
        self.0.secret_key.zeroize();
    }
}

/// Why nothing was said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Silence {
    /// No whole answer in time.
    #[error("no answer within {millis} ms")]
    Timeout {
        /// The deadline.
        millis: u64,
    },
    /// No connection, or a broken one.
    #[error("{0}")]
    Line(String),
}

/// What was said.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    /// The code word in the body of a refusal.
    pub(super) code: Option<String>,
    /// The region that the store says is right.
    pub(super) region: Option<String>,
    pub(super) date_ms: Option<u64>,
    pub(super) tag: Option<String>,
    /// The version that the answer speaks of; R2 names one for each object, though it keeps none.
    pub(super) version: Option<String>,
    /// Whether it says when the object was stored.
    pub(super) has_time: bool,
    pub(super) body: Bytes,
}

#[derive(Debug, Clone)]
pub(super) enum Answer {
    Said(Reply),
    Nothing(Silence),
    /// The question was not put, since the answer to another one makes it idle, or harmful.
    NotAsked,
}

impl Answer {
    pub(super) fn is_fine(&self) -> bool {
        matches!(self, Self::Said(reply) if (200..300).contains(&reply.status))
    }

    /// Whether the store understood and said no.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Self::Said(reply) if matches!(reply.status, 401 | 403))
    }

    /// For comparison with how strangers are answered.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Said(a), Self::Said(b)) => a.status == b.status && a.code == b.code,
            _ => false,
        }
    }

    /// Whether a list was answered as one of an object: the endpoint then names a bucket already.
    pub(super) fn is_of_an_object(&self) -> bool {
        matches!(self, Self::Said(Reply { code: Some(code), .. }) if code == "NoSuchKey")
    }

    /// Whether nothing like this is there, to a question about a bucket.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::Said(reply) if reply.status == 404)
    }

    /// Whether the same question may be answered otherwise in a moment.
    fn may_pass(&self) -> bool {
        let Self::Said(Reply { status, code, .. }) = self else { return false };
        matches!(status, 408 | 429 | 500..) && *status != 501
            || code.as_deref() == Some("RequestTimeTooSkewed")
    }

    /// The version that was written or removed, where one was named.
    pub(super) fn version(&self) -> Option<String> {
        match self {
            Self::Said(reply) if self.is_fine() => reply.version.clone(),
            _ => None,
        }
    }

    /// In words, for people.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Said(Reply { status, code: Some(code), .. }) => format!("{status} {code}"),
            Self::Said(Reply { status, code: None, .. }) => format!("status {status}"),
            Self::Nothing(silence) => silence.to_string(),
            Self::NotAsked => "not asked".to_owned(),
        }
    }
}

pub(super) struct Asker {
    http: Client,
    /// The service, without a bucket.
    service: Url,
    /// The bucket, with a slash at its end.
    bucket: Url,
    region: String,
    patience: Patience,
    /// Questions that may still be put once more.
    again: AtomicUsize,
}

impl Asker {
    pub(super) fn new(location: &Location, patience: Patience) -> Result<Self, String> {
        let text = location.url().map_err(|error| error.to_string())?;
        let service = Url::parse(text.trim_end_matches('/')).map_err(|error| error.to_string())?;
        let mut bucket = service.clone();
        if location.path_style {
            let mut path = bucket.path_segments_mut().map_err(|()| "it cannot hold a path".to_owned())?;
            path.pop_if_empty().push(&location.bucket).push("");
        } else {
            let host = service.host_str().ok_or("it names no host")?;
            bucket
                .set_host(Some(&format!("{}.{host}", location.bucket)))
                .map_err(|error| error.to_string())?;
        }
        crate::tls::provide();
        let roots = crate::tls::roots().filter_map(|root| reqwest::Certificate::from_der(root).ok());
        let http = Client::builder()
            .tls_certs_merge(roots)
            .timeout(Duration::from_millis(patience.question_ms))
            // A redirect is an answer here: it tells another region.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| error.to_string())?;
        let again = AtomicUsize::new(MOST_AGAIN);
        Ok(Self { http, service, bucket, region: location.region.clone(), patience, again })
    }

    /// The host that is asked.
    pub(super) fn endpoint(&self) -> &str {
        self.service.host_str().unwrap_or("")
    }

    pub(super) fn region(&self) -> &str {
        &self.region
    }

    /// Asks for a list of at most one object.
    pub(super) async fn list(&self, keys: &Keys) -> Answer {
        let query = [("list-type", "2"), ("max-keys", "1")];
        match self.ask(Some(keys), Method::GET, None, &query, Bytes::new()).await {
            // A page of somebody's, a portal's say, with a status that means nothing.
            Answer::Said(mut reply)
                if reply.status == 200
                    && !String::from_utf8_lossy(&reply.body).contains("<ListBucketResult") =>
            {
                reply.status = 203;
                reply.code = Some("not-a-list".to_owned());
                Answer::Said(reply)
            }
            answer => answer,
        }
    }

    /// `Enabled` or `Suspended`, where old versions of objects are kept or were; `None` also where it is not told.
    pub(super) async fn versioning(&self, keys: &Keys) -> Option<String> {
        match self.ask(Some(keys), Method::GET, None, &[("versioning", "")], Bytes::new()).await {
            Answer::Said(reply) if reply.status == 200 => {
                let text = String::from_utf8_lossy(&reply.body).into_owned();
                let state = between(&text, "<Status>", "</Status>")?.trim();
                matches!(state, "Enabled" | "Suspended").then(|| state.to_owned())
            }
            _ => None,
        }
    }

    /// Removes an object, or one version of it.
    pub(super) async fn remove(&self, keys: &Keys, object: &str, version: Option<&str>) -> Answer {
        let query: Vec<_> = version.into_iter().map(|version| ("versionId", version)).collect();
        self.ask(Some(keys), Method::DELETE, Some(object), &query, Bytes::new()).await
    }

    /// Where the bucket is, in the store's word; `None` when it does not tell.
    pub(super) async fn place(&self, keys: &Keys) -> Option<String> {
        match self.ask(Some(keys), Method::GET, None, &[("location", "")], Bytes::new()).await {
            Answer::Said(reply) if reply.status == 200 => {
                let text = String::from_utf8_lossy(&reply.body).into_owned();
                // The element has a namespace, and is empty in the first region of S3.
                let inside = text.split_once("<LocationConstraint")?.1.split_once('>')?.1;
                let word = inside.split('<').next()?.trim();
                plausible(word).then(|| word.to_owned())
            }
            _ => None,
        }
    }

    /// Sends an object in parts, as large windows are: its version, or the refusal where there was one.
    pub(super) async fn in_parts(
        &self,
        keys: &Keys,
        object: &str,
        body: &Bytes,
    ) -> Result<Option<String>, Answer> {
        let begun = self.ask(Some(keys), Method::POST, Some(object), &[("uploads", "")], Bytes::new()).await;
        let Answer::Said(reply) = &begun else { return Err(begun) };
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        let Some(upload) = between(&text, "<UploadId>", "</UploadId>").map(str::to_owned) else {
            return Err(begun);
        };
        let part = [("partNumber", "1"), ("uploadId", upload.as_str())];
        let sent = self.ask(Some(keys), Method::PUT, Some(object), &part, body.clone()).await;
        let done = match &sent {
            Answer::Said(Reply { tag: Some(tag), .. }) if sent.is_fine() => {
                let tag = tag.replace('"', "&quot;");
                let list = format!(
                    "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{tag}</ETag></Part>\
                     </CompleteMultipartUpload>"
                );
                self.ask(Some(keys), Method::POST, Some(object), &[("uploadId", &upload)], list.into()).await
            }
            _ => sent,
        };
        // A completion may be refused inside a body that begins with status 200.
        let refused = matches!(&done, Answer::Said(reply) if reply.code.is_some());
        if done.is_fine() && !refused {
            return Ok(done.version());
        }
        // Parts that nobody completes would be charged for.
        let _ =
            self.ask(Some(keys), Method::DELETE, Some(object), &[("uploadId", &upload)], Bytes::new()).await;
        Err(done)
    }

    /// Asks one question, and once more after an answer that may pass. Without keys it is asked of the service itself,
    /// unsigned.
    pub(super) async fn ask(
        &self,
        keys: Option<&Keys>,
        method: Method,
        object: Option<&str>,
        query: &[(&str, &str)],
        body: Bytes,
    ) -> Answer {
        let answer = self.once(keys, method.clone(), object, query, body.clone()).await;
        let less = |left: usize| left.checked_sub(1);
        if answer.may_pass() && self.again.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok() {
            tokio::time::sleep(Duration::from_millis(PAUSE_MS)).await;
            return self.once(keys, method, object, query, body).await;
        }
        answer
    }

    async fn once(
        &self,
        keys: Option<&Keys>,
        method: Method,
        object: Option<&str>,
        query: &[(&str, &str)],
        body: Bytes,
    ) -> Answer {
        let mut url = if keys.is_some() { self.bucket.clone() } else { self.service.clone() };
        if let Some(object) = object
            && let Ok(mut path) = url.path_segments_mut()
        {
            path.pop_if_empty().extend(object.split('/'));
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.http.request(method.clone(), url.clone());
        if let Some(Keys(credential)) = keys {
            let mut signed = HttpRequest::new(HttpRequestBody::from(body.clone()));
            *signed.method_mut() = method;
            match url.as_str().parse() {
                Ok(uri) => *signed.uri_mut() = uri,
                Err(_) => return Answer::Nothing(Silence::Line("the address cannot be asked".to_owned())),
            }
            let author = AwsAuthorizer::new(credential, "s3", &self.region);
            if let Err(error) = author.try_authorize(&mut signed, None) {
                return Answer::Nothing(Silence::Line(error.to_string()));
            }
            request = request.headers(signed.headers().clone());
        }
        let answer = async {
            let response = request.body(body).send().await?;
            self.read(response).await
        };
        let deadline = Duration::from_millis(self.patience.question_ms);
        match tokio::time::timeout(deadline, answer).await {
            Ok(Ok(reply)) => Answer::Said(reply),
            Ok(Err(error)) if error.is_timeout() => self.timeout(),
            Ok(Err(error)) => Answer::Nothing(Silence::Line(root_cause(&error))),
            Err(_) => self.timeout(),
        }
    }

    fn timeout(&self) -> Answer {
        Answer::Nothing(Silence::Timeout { millis: self.patience.question_ms })
    }

    async fn read(&self, mut response: reqwest::Response) -> Result<Reply, reqwest::Error> {
        let header = |name: &str| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let date_ms = header(header::DATE.as_str())
            .and_then(|date| httpdate::parse_http_date(&date).ok())
            .and_then(|date| date.duration_since(UNIX_EPOCH).ok())
            .and_then(|since| u64::try_from(since.as_millis()).ok());
        let (tag, region) = (header("etag"), header("x-amz-bucket-region"));
        let version = header("x-amz-version-id").filter(|version| (1..=1_024).contains(&version.len()));
        let has_time = header(header::LAST_MODIFIED.as_str())
            .is_some_and(|time| httpdate::parse_http_date(&time).is_ok());
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            let room = MOST_BYTES.saturating_sub(body.len());
            body.extend(chunk.iter().take(room));
            if chunk.len() > room {
                break;
            }
        }
        let text = String::from_utf8_lossy(&body);
        let word =
            |open, close| between(&text, open, close).filter(|word| plausible(word)).map(str::to_owned);
        let code = if text.contains("<Error") { word("<Code>", "</Code>") } else { None };
        let region = word("<Region>", "</Region>").or(region).filter(|region| plausible(region));
        Ok(Reply { status, code, region, date_ms, tag, version, has_time, body: body.into() })
    }
}

/// The text between two marks, where both are there.
fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    Some(text.split_once(open)?.1.split_once(close)?.0)
}

/// A store's word is shown to people only if it looks like one.
fn plausible(word: &str) -> bool {
    (1..=64).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The innermost cause: those around it only repeat that a request failed.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

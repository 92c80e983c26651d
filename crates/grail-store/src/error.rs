use grail_ports::{Door, Fault, Retry};
use object_store::client::{HttpError, HttpErrorKind};
use std::{error::Error, io, path::PathBuf};

/// Why a store did not do what it was asked, in terms of what an operator can do about it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder of a folder shelf is not there.
    #[error("the folder {} does not exist; create it or correct the setting", path.display())]
    MissingFolder {
        /// The folder.
        path: PathBuf,
    },
    /// The folder may not be written to.
    #[error("{} cannot be written to; check its owner, its mode and how the disk is mounted", path.display())]
    ReadOnlyFolder {
        /// What was to be written.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// No room left, on the disk or in the quota.
    #[error("there is no room left for {}; free some space on that disk", path.display())]
    DiskFull {
        /// What was to be written.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another failure of the file system.
    #[error("cannot {doing} {}", path.display())]
    Folder {
        /// What was tried, as an infinitive.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// What lies under the key is no plain file.
    #[error("{} is not a plain file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// There is no such bucket at the endpoint.
    #[error(
        "there is no bucket {bucket:?} at this endpoint; create it (for R2 its name is the account id) or \
         correct the endpoint"
    )]
    NoBucket {
        /// Its name.
        bucket: String,
        /// What the store says.
        source: object_store::Error,
    },
    /// Key id unknown to the store.
    #[error(
        "the store does not know this access key id; check it for a typing mistake, and that it was not revoked"
    )]
    UnknownKey {
        /// What the store says.
        source: object_store::Error,
    },
    /// The signature does not fit, so the secret is wrong.
    #[error("the secret access key does not belong to the access key id; were the two swapped or cut?")]
    WrongSecret {
        /// What the store says.
        source: object_store::Error,
    },
    /// Signed for another region.
    #[error("the store belongs to another region; correct the region setting")]
    WrongRegion {
        /// What the store says.
        source: object_store::Error,
    },
    /// Known, but not allowed.
    #[error("access denied: the credentials may not do this in this bucket; check the token's permissions")]
    AccessDenied {
        /// What the store says.
        source: object_store::Error,
    },
    /// This machine's clock is off.
    #[error(
        "this machine's clock differs too much from the store's; synchronise it (for example with chrony)"
    )]
    ClockSkew {
        /// What the store says.
        source: object_store::Error,
    },
    /// Refused without a word: by HEAD, whose answers have no body, by a proxy, or by a store that says little.
    #[error(
        "the store refuses (status {status}) and gives no reason: a proxy, this machine's clock, the keys or their \
         permissions; `grail doctor --only store` finds out"
    )]
    Refused {
        /// Status of the answer.
        status: u16,
        /// What the store says.
        source: object_store::Error,
    },
    /// The store, or a proxy before it, has trouble of its own.
    #[error("the store has trouble of its own (status {status}); it will be tried again later")]
    Down {
        /// Status of the answer.
        status: u16,
        /// What the store says.
        source: object_store::Error,
    },
    /// No room left at the store.
    #[error("the store has no room left for this bucket; remove something, or raise its quota")]
    Full {
        /// What the store says.
        source: object_store::Error,
    },
    /// An answer about an object without a time, by which deadlines go.
    #[error(
        "the store does not say when the object was stored (no Last-Modified that can be read), and deadlines go by \
         that; look for a proxy that takes the header away, or use another store"
    )]
    NoTime,
    /// An answer to a write without an entity tag.
    #[error(
        "the store's answer to a write has no ETag, without which an upload in parts cannot be completed"
    )]
    NoTag {
        /// What the store's client says.
        source: object_store::Error,
    },
    /// Asked too often.
    #[error("the store asks to slow down; it will be tried again later")]
    Throttled {
        /// What the store says.
        source: object_store::Error,
    },
    /// The endpoint cannot be reached.
    #[error("no connection to the store; check the endpoint's name and the network")]
    Unreachable {
        /// What the store's client says.
        source: object_store::Error,
    },
    /// No answer within the deadline.
    #[error("no complete answer within {deadline_ms} ms; the store or the line is too slow")]
    Timeout {
        /// The deadline in milliseconds.
        deadline_ms: u64,
    },
    /// A body of another length than the same response announced.
    #[error("the store announced {announced} bytes and sent {}", if *more { "more" } else { "fewer" })]
    Length {
        /// Announced size.
        announced: u64,
        /// Whether it sent more than that.
        more: bool,
    },
    /// After our write, the object under the key is somebody else's.
    #[error(
        "another writer replaced the object while it was being stored; is this key used by two programs?"
    )]
    Replaced,
    /// Opened without write credentials.
    #[error("this bucket was opened for reading only; write credentials are needed")]
    ReadOnlyBucket,
    /// A setting that cannot work.
    #[error("the {setting} setting is unusable: {reason}")]
    Setting {
        /// Which setting.
        setting: &'static str,
        /// Why.
        reason: String,
    },
    /// A worker thread did not finish.
    #[error("the file worker was stopped before it finished")]
    Stopped,
    /// Anything else that the store's client reports.
    #[error("the store failed")]
    Other {
        /// What the store's client says.
        source: object_store::Error,
    },
}

impl StoreError {
    /// Names a failure of the file system, on `path`, while `doing`.
    pub(crate) fn of_file(doing: &'static str, path: PathBuf, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::FileTooLarge => Self::DiskFull { path, source },
            _ if grail_fs::is_full(&source) => Self::DiskFull { path, source },
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnlyFolder { path, source },
            io::ErrorKind::PermissionDenied if doing == "write" => Self::ReadOnlyFolder { path, source },
            _ => Self::Folder { doing, path, source },
        }
    }

    /// Names a failure of a folder's store, while `doing` something to `path`.
    pub(crate) fn of_disk(doing: &'static str, path: PathBuf, source: object_store::Error) -> Self {
        match cause::<io::Error>(&source) {
            // The system's own words, without those of the layers between.
            Some(system) => Self::of_file(doing, path, again(system)),
            None => Self::Other { source },
        }
    }

    /// Names a failure of a store's client.
    ///
    /// S3 tells its reasons as code words in the body, which the client hands on as text; hence the search.
    pub(crate) fn of_store(bucket: &str, deadline_ms: u64, source: object_store::Error) -> Self {
        match cause::<HttpError>(&source).map(HttpError::kind) {
            Some(HttpErrorKind::Timeout) => return Self::Timeout { deadline_ms },
            Some(HttpErrorKind::Connect) => return Self::Unreachable { source },
            _ => {}
        }
        let Words { status, code, text } = Words::of(&source);
        // A store that speaks otherwise than in S3's elements is searched for the same words.
        let says = |words: &[&str]| match &code {
            Some(code) => words.iter().any(|word| code.starts_with(word)),
            None => words.iter().any(|word| text.contains(word)),
        };
        let refused = matches!(
            source,
            object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. }
        );
        if says(&["NoSuchBucket"]) {
            Self::NoBucket { bucket: bucket.to_owned(), source }
        } else if says(&["RequestTimeTooSkewed", "RequestExpired"]) {
            Self::ClockSkew { source }
        } else if says(&["InvalidAccessKeyId"]) {
            Self::UnknownKey { source }
        } else if says(&["SignatureDoesNotMatch"]) {
            Self::WrongSecret { source }
        } else if says(&[
            "AuthorizationHeaderMalformed",
            "PermanentRedirect",
            "TemporaryRedirect",
            "IllegalLocationConstraintException",
        ]) || text.contains("without LOCATION")
            || matches!(status, Some(301 | 307 | 308))
        {
            Self::WrongRegion { source }
        } else if says(&[
            "SlowDown",
            "RequestLimitExceeded",
            "Throttl",
            "TooManyRequests",
            "ServiceUnavailable",
        ]) || matches!(status, Some(429 | 503))
        {
            Self::Throttled { source }
        } else if says(&["QuotaExceeded", "InsufficientStorage", "XMinioStorageFull"]) || status == Some(507)
        {
            Self::Full { source }
        } else if text.contains("Invalid last modified") || text.contains("Last-Modified Header missing") {
            Self::NoTime
        } else if text.contains("ETag Header missing") {
            Self::NoTag { source }
        } else if let Some(status) = status.filter(|status| *status >= 500 || *status == 408) {
            Self::Down { status, source }
        } else if says(&["InternalError"]) {
            Self::Down { status: status.unwrap_or(200), source }
        } else if let (Some(status @ 400..=403), None) = (status, &code) {
            Self::Refused { status, source }
        } else if refused {
            Self::AccessDenied { source }
        } else {
            Self::Other { source }
        }
    }

    /// Whether the same call may succeed later, without anybody doing anything.
    pub fn retry(&self) -> Retry {
        match self {
            Self::DiskFull { .. }
            | Self::Folder { .. }
            | Self::Throttled { .. }
            // A machine whose clock jumped is set right by its own service, and one server of many may be wrong.
            | Self::ClockSkew { .. }
            | Self::Refused { .. }
            | Self::Down { .. }
            | Self::Full { .. }
            | Self::NoTime
            | Self::NoTag { .. }
            | Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::Length { .. }
            | Self::Replaced
            | Self::Stopped
            | Self::Other { .. } => Retry::Later,
            Self::MissingFolder { .. }
            | Self::ReadOnlyFolder { .. }
            | Self::NotAFile { .. }
            | Self::NoBucket { .. }
            | Self::UnknownKey { .. }
            | Self::WrongSecret { .. }
            | Self::WrongRegion { .. }
            | Self::AccessDenied { .. }
            | Self::ReadOnlyBucket
            | Self::Setting { .. } => Retry::Never,
        }
    }

    /// As a fault of the shelf's door.
    pub(crate) fn into_fault(self, doing: String) -> Fault {
        Fault::new(Door::Shelf, self.retry(), doing, self)
    }
}

/// The cause of that type, however deep.
fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// The same failure once more; the system's errors cannot be copied.
fn again(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(number) => io::Error::from_raw_os_error(number),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// What an answer said, as the client hands it on: in text alone.
struct Words {
    status: Option<u16>,
    /// The code word of a refusal in S3's form.
    code: Option<String>,
    text: String,
}

impl Words {
    fn of(error: &object_store::Error) -> Self {
        let text = said(error);
        let status = between(&text, "status code: ", &[' ', ':']).and_then(|status| status.parse().ok());
        let code = between(&text, "<Code>", &['<']).map(|code| code.trim().to_owned());
        Self { status, code: code.filter(|code| !code.is_empty()), text }
    }
}

/// The text behind a mark, up to one of the ends.
fn between<'a>(text: &'a str, open: &str, ends: &[char]) -> Option<&'a str> {
    let (_, rest) = text.split_once(open)?;
    rest.split(ends).next()
}

fn said(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push('\n');
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Linux error numbers, as a full, read-only or forbidden disk gives them.
    #[test]
    fn disk_trouble_is_named() {
        let named = |number| {
            StoreError::of_file("write", "shelf/x".into(), io::Error::from_raw_os_error(number)).to_string()
        };
        for full in [28, 122] {
            assert_eq!(named(full), "there is no room left for shelf/x; free some space on that disk");
        }
        for forbidden in [1, 13, 30] {
            assert_eq!(
                named(forbidden),
                "shelf/x cannot be written to; check its owner, its mode and how the disk is mounted"
            );
        }
        assert_eq!(named(5), "cannot write shelf/x");
    }

    #[test]
    fn what_an_s3_store_says_is_named() {
        let said = |body: &str| object_store::Error::PermissionDenied {
            path: "windows/x".into(),
            source: format!(
                "Server returned non-2xx status code: 403 Forbidden: <Error><Code>{body}</Code></Error>"
            )
            .into(),
        };
        let name = |body| StoreError::of_store("b", 1, said(body));
        assert!(matches!(name("RequestTimeTooSkewed"), StoreError::ClockSkew { .. }));
        assert!(matches!(name("InvalidAccessKeyId"), StoreError::UnknownKey { .. }));
        assert!(matches!(name("SignatureDoesNotMatch"), StoreError::WrongSecret { .. }));
        assert!(matches!(name("AuthorizationHeaderMalformed"), StoreError::WrongRegion { .. }));
        assert!(matches!(name("AccessDenied"), StoreError::AccessDenied { .. }));
        assert!(matches!(name("NoSuchBucket"), StoreError::NoBucket { .. }));
        assert!(matches!(name("SlowDown"), StoreError::Throttled { .. }));
        assert_eq!(name("SlowDown").retry(), Retry::Later);
        assert_eq!(name("AccessDenied").retry(), Retry::Never);
        assert_eq!(name("RequestTimeTooSkewed").retry(), Retry::Later, "one wrong clock ends no program");
        let other = object_store::Error::Generic { store: "S3", source: "what is this".into() };
        assert!(matches!(StoreError::of_store("b", 1, other), StoreError::Other { .. }));
    }

    #[test]
    fn what_may_pass_is_told_by_its_status_too() {
        let said = |status: &str, body: &str| {
            let text = format!("Server returned non-2xx status code: {status}: {body}");
            let source = text.into();
            StoreError::of_store("b", 1, object_store::Error::Generic { store: "S3", source })
        };
        let html = "<html><title>A timeout occurred</title></html>";
        for (status, body) in [
            ("429 Too Many Requests", ""),
            ("503 Service Unavailable", html),
            ("400 Bad Request", "{\"code\":\"SlowDown\"}"),
        ] {
            assert!(matches!(said(status, body), StoreError::Throttled { .. }), "{status}");
        }
        for status in [
            "500 Internal Server Error",
            "502 Bad Gateway",
            "524 <unknown status code>",
            "408 Request Timeout",
        ] {
            let number: u16 = status[..3].parse().unwrap();
            let named = said(status, html);
            assert!(matches!(named, StoreError::Down { status, .. } if status == number), "{named:?}");
            assert_eq!(named.retry(), Retry::Later);
        }
        assert!(matches!(said("507 Insufficient Storage", ""), StoreError::Full { .. }));
        for wordless in ["403 Forbidden", "401 Unauthorized", "400 Bad Request"] {
            let named = said(wordless, "");
            assert!(
                matches!(named, StoreError::Refused { .. }) && named.retry() == Retry::Later,
                "{named:?}"
            );
        }
    }
}

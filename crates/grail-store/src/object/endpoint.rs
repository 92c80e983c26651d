//! The address of an S3 service, as people type it: often with more in it than belongs there.

use reqwest::Url;

/// Host names of R2 end so.
pub(crate) const R2_HOST: &str = ".r2.cloudflarestorage.com";
/// What hosts begin or end with behind a bucket's name, at services that take the name there.
const SERVICES: [&str; 3] = ["s3.", "s3-", "storage."];
const PROVIDERS: [&str; 7] = [
    ".amazonaws.com",
    ".r2.cloudflarestorage.com",
    ".digitaloceanspaces.com",
    ".backblazeb2.com",
    ".wasabisys.com",
    ".googleapis.com",
    ".storage.dev",
];
/// A name of so many characters is no service's by chance.
const TELLING_BYTES: usize = 20;

/// Why an address is not that of a service alone. Signatures hold for such an address too, so that everything looks
/// well to its owner, and objects lie where nobody else looks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// No address with a host.
    #[error("{url} is no address of a service: it wants https:// (or http://) and a host's name")]
    NoAddress {
        /// As it was typed, cut short.
        url: String,
    },
    /// A path behind the host.
    #[error("{url} has the path {path} behind its host{}; an endpoint has no path, it is {clean}", if *is_bucket { ", which is the bucket's name" } else { "" })]
    Path {
        /// The address, without what may be secret in it.
        url: String,
        /// The path.
        path: String,
        /// Whether the path is or ends in the bucket's name, as dashboards show it.
        is_bucket: bool,
        /// What it should be.
        clean: String,
    },
    /// The bucket's name at the front of the host's.
    #[error(
        "{url} has the bucket's name {bucket} in its host's; an endpoint is the service alone, it is {clean}"
    )]
    Host {
        /// The address.
        url: String,
        /// The bucket.
        bucket: String,
        /// What it should be.
        clean: String,
    },
    /// A name and password before the host, or a question behind it.
    #[error("the endpoint holds {what}; an endpoint is the service alone, it is {clean}")]
    Extra {
        /// What it holds.
        what: &'static str,
        /// What it should be.
        clean: String,
    },
}

impl EndpointError {
    /// The address that was probably meant.
    pub fn clean(&self) -> Option<&str> {
        match self {
            Self::NoAddress { .. } => None,
            Self::Path { clean, .. } | Self::Host { clean, .. } | Self::Extra { clean, .. } => Some(clean),
        }
    }

    /// Whether a bucket stands in it.
    pub const fn has_bucket(&self) -> bool {
        matches!(self, Self::Path { is_bucket: true, .. } | Self::Host { .. })
    }
}

/// The address of a service at which `bucket` lies, or is looked for: scheme, host and port, nothing behind.
///
/// Errors: anything more. A bucket's name is taken for one where a path ends in it, and in a host's name where that
/// cannot be chance; R2's hosts begin with the account, which is what a bucket of this network is named as.
pub fn service_address(url: &str, bucket: &str) -> Result<String, EndpointError> {
    let no_address = || EndpointError::NoAddress { url: url.chars().take(80).collect() };
    let parsed = Url::parse(url.trim()).map_err(|_| no_address())?;
    let host = parsed.host_str().filter(|host| !host.is_empty()).ok_or_else(no_address)?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(no_address());
    }
    let address = |host: &str| match parsed.port() {
        Some(port) => format!("{}://{host}:{port}", parsed.scheme()),
        None => format!("{}://{host}", parsed.scheme()),
    };
    let own = without_bucket(host, bucket);
    let clean = address(own.unwrap_or(host));
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return Err(EndpointError::Extra { what: "a name or password before the host", clean });
    }
    if parsed.query().is_some() || parsed.fragment().is_some() {
        return Err(EndpointError::Extra { what: "a question or a mark behind the host", clean });
    }
    let path = parsed.path().trim_matches('/');
    if !path.is_empty() {
        let is_bucket = path.split('/').any(|part| part == bucket);
        let path: String = format!("/{path}").chars().take(80).collect();
        return Err(EndpointError::Path { url: format!("{}{path}", address(host)), path, is_bucket, clean });
    }
    if own.is_some() {
        return Err(EndpointError::Host { url: address(host), bucket: bucket.to_owned(), clean });
    }
    Ok(clean)
}

/// The host behind a bucket's name, where that name is no part of the service's own.
fn without_bucket<'a>(host: &'a str, bucket: &str) -> Option<&'a str> {
    let rest = host.strip_prefix(bucket)?.strip_prefix('.')?;
    if let Some(account) = format!(".{rest}").strip_suffix(R2_HOST) {
        // `{account}.r2…` and `{account}.eu.r2…` are services; a bucket stands before an account of 32 digits.
        let has_account = account.split('.').any(|part| part.len() == 32);
        return has_account.then_some(rest);
    }
    let is_service = SERVICES.iter().any(|service| rest.starts_with(service))
        || PROVIDERS.iter().any(|provider| rest.ends_with(provider))
        || (bucket.len() >= TELLING_BYTES && !rest.is_empty());
    is_service.then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn services_are_taken_as_they_are() {
        for good in [
            "http://127.0.0.1:18100",
            "https://s3.eu-central-1.amazonaws.com",
            "https://s3.example/",
            "http://[::1]:9000",
            "https://minio.example.com",
            "https://s3.a1b2.example.com:8443",
        ] {
            assert_eq!(service_address(good, ACCOUNT).as_deref(), Ok(good.trim_end_matches('/')));
        }
        // R2's own hosts begin with what the bucket is named as.
        for host in [
            format!("https://{ACCOUNT}.r2.cloudflarestorage.com"),
            format!("https://{ACCOUNT}.eu.r2.cloudflarestorage.com"),
        ] {
            assert_eq!(service_address(&host, ACCOUNT), Ok(host));
        }
        assert!(service_address("https://minio.example.com", "minio").is_ok(), "by chance");
        assert_eq!(service_address("HTTPS://S3.Example:443", "a1b2").as_deref(), Ok("https://s3.example"));
    }

    #[test]
    fn what_does_not_belong_there_is_named_with_what_was_meant() {
        let r2 = format!("https://{ACCOUNT}.r2.cloudflarestorage.com");
        let local = "http://127.0.0.1:18100".to_owned();
        for (typed, clean, has_bucket) in [
            (format!("{local}/{ACCOUNT}"), &local, true),
            (format!("{local}/{ACCOUNT}/"), &local, true),
            (format!("{local}//{ACCOUNT}/windows"), &local, true),
            (format!("{local}/windows"), &local, false),
            (format!("{r2}/{ACCOUNT}"), &r2, true),
            (format!("https://{ACCOUNT}.{ACCOUNT}.r2.cloudflarestorage.com"), &r2, true),
            (
                format!("https://{ACCOUNT}.s3.example.com:8443/"),
                &"https://s3.example.com:8443".to_owned(),
                true,
            ),
            (format!("{local}?list-type=2"), &local, false),
            (format!("{local}/#top"), &local, false),
            ("http://name:word@127.0.0.1:18100".to_owned(), &local, false),
        ] {
            let error = service_address(&typed, ACCOUNT).unwrap_err();
            assert_eq!(
                (error.clean(), error.has_bucket()),
                (Some(clean.as_str()), has_bucket),
                "{typed}: {error}"
            );
            assert!(
                error.to_string().contains(clean.as_str()) && !error.to_string().contains("word@"),
                "{error}"
            );
        }
        let aws = service_address("https://a1b2.s3.eu-north-1.amazonaws.com", "a1b2").unwrap_err();
        assert_eq!(aws.clean(), Some("https://s3.eu-north-1.amazonaws.com"));
        for nothing in ["", "localhost", "s3://bucket", "ftp://x", "https://", "127.0.0.1:1"] {
            assert!(
                matches!(service_address(nothing, ACCOUNT), Err(EndpointError::NoAddress { .. })),
                "{nothing}"
            );
        }
    }
}

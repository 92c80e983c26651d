use super::endpoint::service_address;
use crate::{StoreError, Transfer};
use object_store::{
    BackoffConfig, Certificate, ClientOptions, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
};
use std::time::Duration;

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
    /// The address of the service. Errors: a setting that cannot work.
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
            Endpoint::Url(url) => {
                let address = service_address(url, &self.bucket)
                    .map_err(|error| unusable("endpoint", &error.to_string()))?;
                if address.starts_with("http://") && !self.allow_http {
                    return Err(unusable(
                        "endpoint",
                        "it begins with http://, and plain HTTP was not allowed",
                    ));
                }
                Ok(address)
            }
        }
    }
}

/// A client of a bucket. Nothing is sent yet.
pub(super) fn client(
    location: &Location,
    url: &str,
    key_id: &str,
    secret: &str,
    transfer: Transfer,
) -> Result<AmazonS3, StoreError> {
    crate::tls::provide();
    let deadline = Duration::from_millis(transfer.deadline_ms);
    let roots = crate::tls::roots().filter_map(|root| Certificate::from_der(root).ok());
    let options = roots
        .fold(ClientOptions::new(), ClientOptions::with_root_certificate)
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
        // Many at once by a call of its own is not known to every store.
        .with_disable_bulk_delete(true)
        .build()
        .map_err(|error| StoreError::of_store(&location.bucket, transfer.deadline_ms, error))
}

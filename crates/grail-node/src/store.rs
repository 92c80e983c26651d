//! The own bucket by the settings, with both pairs of keys. Nothing is sent.

use grail_config::{
    Config, Setting,
    table::{
        R2_ACCOUNT_ID, R2_ALLOW_HTTP, R2_BUCKET_ID, R2_ENDPOINT_URL, R2_FORCE_PATH_STYLE,
        R2_READ_ACCESS_KEY_ID, R2_READ_SECRET_ACCESS_KEY, R2_REGION, R2_WRITE_ACCESS_KEY_ID,
        R2_WRITE_SECRET_ACCESS_KEY,
    },
};
use grail_store::{
    CredentialsError, Endpoint, EndpointError, Location, ReadCredentials, WriteCredentials, service_address,
};

/// The own bucket, with both pairs of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreChoice {
    /// The account.
    pub account: String,
    /// Where the bucket is.
    pub location: Location,
    /// The pair that is published.
    pub read: ReadCredentials,
    /// The pair that stays here.
    pub write: WriteCredentials,
}

/// Why the settings name no bucket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreProblem {
    /// A setting without a value.
    #[error("{setting} is not set: {meaning}")]
    Missing {
        /// Its variable.
        setting: &'static str,
        /// What it means.
        meaning: &'static str,
    },
    /// The two names differ.
    #[error(
        "R2_BUCKET_ID is {bucket} and R2_ACCOUNT_ID is {account}; validators look for a bucket that is named as its account, \
         so make one with that name"
    )]
    Name {
        /// Bucket's name.
        bucket: String,
        /// Account.
        account: String,
    },
    /// An address with more in it than the service's.
    #[error("{} cannot be used", R2_ENDPOINT_URL.variable)]
    Endpoint {
        /// What is in it.
        #[source]
        source: EndpointError,
    },
    /// A pair that cannot be used, or two that are the same.
    #[error("the pair of keys for {which} cannot be used")]
    Credentials {
        /// Reading, writing, or publishing.
        which: &'static str,
        /// Why.
        #[source]
        source: CredentialsError,
    },
}

/// The own bucket. Nothing is sent.
///
/// Errors: a setting that is missing, a bucket that is not named as its account, equal keys, an endpoint that is more than
/// the address of a service.
pub fn choose(config: &Config) -> Result<StoreChoice, StoreProblem> {
    let missing =
        |setting: &Setting| StoreProblem::Missing { setting: setting.variable, meaning: setting.meaning };
    let text = |setting: &'static Setting| config.text(setting).ok_or_else(|| missing(setting));
    let secret = |setting: &'static Setting| config.secret(setting).ok_or_else(|| missing(setting));
    let account = text(&R2_ACCOUNT_ID)?.to_owned();
    let bucket = config.text(&R2_BUCKET_ID).unwrap_or(&account).to_owned();
    let pair = |which| move |source| StoreProblem::Credentials { which, source };
    let write =
        WriteCredentials::new(text(&R2_WRITE_ACCESS_KEY_ID)?, secret(&R2_WRITE_SECRET_ACCESS_KEY)?.reveal())
            .map_err(pair("writing"))?;
    let read = ReadCredentials::new(
        &account,
        text(&R2_READ_ACCESS_KEY_ID)?,
        secret(&R2_READ_SECRET_ACCESS_KEY)?.reveal(),
    )
    .map_err(pair("reading"))?;
    // Refused here already, long before anything could be published.
    read.commitment(&write).map_err(pair("publishing"))?;
    if bucket != account {
        return Err(StoreProblem::Name { bucket, account });
    }
    let (endpoint, region) = match config.text(&R2_ENDPOINT_URL) {
        Some(url) => {
            let service =
                service_address(url, &bucket).map_err(|source| StoreProblem::Endpoint { source })?;
            (Endpoint::Url(service), "us-east-1")
        }
        None => (Endpoint::R2 { account: account.clone() }, "auto"),
    };
    let location = Location {
        endpoint,
        region: config.text(&R2_REGION).unwrap_or(region).to_owned(),
        bucket,
        path_style: config.is_set(&R2_FORCE_PATH_STYLE),
        allow_http: config.is_set(&R2_ALLOW_HTTP),
    };
    Ok(StoreChoice { account, location, read, write })
}

#[cfg(test)]
mod tests {
    use super::*;
    use grail_config::ConfigSources;

    const ACCOUNT: &str = "0123456789abcdef0123456789abcdef";

    fn config(variables: &[(&str, &str)]) -> Config {
        let environment = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        Config::read(&ConfigSources { environment, ..ConfigSources::default() }).unwrap()
    }

    fn store(changes: &[(&str, &str)]) -> Result<StoreChoice, StoreProblem> {
        let mut variables = vec![
            ("R2_ACCOUNT_ID", ACCOUNT),
            ("R2_WRITE_ACCESS_KEY_ID", "writer"),
            ("R2_WRITE_SECRET_ACCESS_KEY", "writer-secret"),
            ("R2_READ_ACCESS_KEY_ID", "reader"),
            ("R2_READ_SECRET_ACCESS_KEY", "reader-secret"),
        ];
        variables.extend(changes);
        choose(&config(&variables))
    }

    #[test]
    fn the_bucket_is_named_as_its_account_and_keys_differ() {
        let r2 = store(&[]).unwrap();
        assert_eq!((r2.location.bucket.as_str(), r2.location.region.as_str()), (ACCOUNT, "auto"));
        let other = store(&[("R2_ENDPOINT_URL", "https://s3.example")]).unwrap();
        assert_eq!(other.location.region, "us-east-1");
        assert!(matches!(store(&[("R2_BUCKET_ID", "windows")]), Err(StoreProblem::Name { .. })));
        let equal = store(&[("R2_READ_ACCESS_KEY_ID", "writer")]).unwrap_err();
        assert!(matches!(equal, StoreProblem::Credentials { source: CredentialsError::Shared { .. }, .. }));
        let missing = store(&[("R2_READ_ACCESS_KEY_ID", "")]).unwrap();
        assert_eq!(missing.read.access_key_id(), "reader", "nothing sets nothing");
        let typed = format!("https://s3.example/{ACCOUNT}");
        let endpoint = store(&[("R2_ENDPOINT_URL", &typed)]).unwrap_err();
        assert!(
            matches!(&endpoint, StoreProblem::Endpoint { source } if source.clean() == Some("https://s3.example")),
            "{endpoint}"
        );
        let none = choose(&config(&[])).unwrap_err();
        assert!(none.to_string().starts_with("R2_ACCOUNT_ID is not set"), "{none}");
    }
}

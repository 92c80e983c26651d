//! Settings put together into what doors are opened with.

use super::{
    layers::Config,
    networks::{self, NetworkChoice},
    table::{
        BEACON_RELAYS, CACHE_DIR, CHAIN_ENDPOINT, MONITORING_BACKEND, NETUID, NETWORK, PROFILE,
        R2_ACCOUNT_ID, R2_ALLOW_HTTP, R2_BUCKET_ID, R2_ENDPOINT_URL, R2_FORCE_PATH_STYLE,
        R2_READ_ACCESS_KEY_ID, R2_READ_SECRET_ACCESS_KEY, R2_REGION, R2_WRITE_ACCESS_KEY_ID,
        R2_WRITE_SECRET_ACCESS_KEY, Setting, WALLET_COLD, WALLET_HOT, WALLET_PATH,
    },
};
use grail_protocol::params::{self, Params};
use grail_store::{CredentialsError, Endpoint, Location, ReadCredentials, WriteCredentials};
use std::path::PathBuf;

/// Whose hotkey signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalletChoice {
    /// Folder of wallets.
    pub root: PathBuf,
    /// Name of the wallet.
    pub cold: String,
    /// Name of the hotkey in it.
    pub hot: String,
}

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

impl Config {
    /// What was asked for and nobody does, in words.
    pub fn unserved(&self) -> Option<&'static str> {
        (self.text(&MONITORING_BACKEND) == Some("wandb")).then_some(
            "GRAIL_MONITORING_BACKEND is wandb, and nothing is sent there yet: figures are in the log and in reports alone",
        )
    }

    /// The network.
    pub fn network(&self) -> NetworkChoice {
        let name = self.text(&NETWORK).unwrap_or("finney");
        let known = networks::by_name(name);
        let own = self.list(&CHAIN_ENDPOINT);
        let endpoints = match known {
            _ if !own.is_empty() => own,
            Some(known) => known.endpoints.iter().map(|&url| url.to_owned()).collect(),
            None => vec![name.to_owned()],
        };
        let netuid = self.number(&NETUID).and_then(|number| u16::try_from(number).ok());
        let profile = self.text(&PROFILE).and_then(Params::by_name);
        let params = match known {
            // What finney and test agree on is no operator's choice.
            Some(known) if known.netuid.is_some() => known.params,
            Some(known) => profile.unwrap_or(known.params),
            None => profile.unwrap_or(params::MAIN),
        };
        let netuid = netuid.or_else(|| known.and_then(|known| known.netuid));
        NetworkChoice { name: name.to_owned(), endpoints, netuid, params }
    }

    /// The wallet.
    pub fn wallet(&self) -> WalletChoice {
        let name = |setting: &Setting| self.text(setting).unwrap_or("default").to_owned();
        let root = self.path(&WALLET_PATH).unwrap_or_else(|| PathBuf::from(".bittensor/wallets"));
        WalletChoice { root, cold: name(&WALLET_COLD), hot: name(&WALLET_HOT) }
    }

    /// drand relays, where the operator names any.
    pub fn relays(&self) -> Option<Vec<String>> {
        Some(self.list(&BEACON_RELAYS)).filter(|relays| !relays.is_empty())
    }

    /// Folder for what can be fetched again.
    pub fn cache_dir(&self) -> PathBuf {
        self.path(&CACHE_DIR).unwrap_or_else(|| PathBuf::from(".cache/grail"))
    }

    /// Whether any setting of the own bucket is set.
    pub fn names_a_store(&self) -> bool {
        [&R2_ACCOUNT_ID, &R2_BUCKET_ID, &R2_WRITE_ACCESS_KEY_ID, &R2_READ_ACCESS_KEY_ID, &R2_ENDPOINT_URL]
            .iter()
            .any(|setting| self.get(setting).is_some())
    }

    /// The own bucket. Nothing is sent.
    ///
    /// Errors: a setting that is missing, a bucket that is not named as its account, equal keys.
    pub fn store(&self) -> Result<StoreChoice, StoreProblem> {
        let missing =
            |setting: &Setting| StoreProblem::Missing { setting: setting.variable, meaning: setting.meaning };
        let text = |setting: &'static Setting| self.text(setting).ok_or_else(|| missing(setting));
        let secret = |setting: &'static Setting| self.secret(setting).ok_or_else(|| missing(setting));
        let account = text(&R2_ACCOUNT_ID)?.to_owned();
        let bucket = self.text(&R2_BUCKET_ID).unwrap_or(&account).to_owned();
        let pair = |which| move |source| StoreProblem::Credentials { which, source };
        let write = WriteCredentials::new(
            text(&R2_WRITE_ACCESS_KEY_ID)?,
            secret(&R2_WRITE_SECRET_ACCESS_KEY)?.reveal(),
        )
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
        let (endpoint, region) = match self.text(&R2_ENDPOINT_URL) {
            Some(url) => (Endpoint::Url(url.to_owned()), "us-east-1"),
            None => (Endpoint::R2 { account: account.clone() }, "auto"),
        };
        let location = Location {
            endpoint,
            region: self.text(&R2_REGION).unwrap_or(region).to_owned(),
            bucket,
            path_style: self.is_set(&R2_FORCE_PATH_STYLE),
            allow_http: self.is_set(&R2_ALLOW_HTTP),
        };
        Ok(StoreChoice { account, location, read, write })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;

    const ACCOUNT: &str = "0123456789abcdef0123456789abcdef";

    fn config(variables: &[(&str, &str)]) -> Config {
        let environment = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        Config::read(&Sources { environment, ..Sources::default() }).unwrap()
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
        config(&variables).store()
    }

    #[test]
    fn networks_come_with_their_data_and_fix_their_constants() {
        let finney = config(&[("GRAIL_PROFILE", "dev")]).network();
        assert_eq!((finney.name.as_str(), finney.netuid, finney.params), ("finney", Some(81), params::MAIN));
        assert_eq!(config(&[("BT_NETWORK", "test")]).network().netuid, Some(429));
        let local = config(&[("BT_NETWORK", "local"), ("NETUID", "2")]).network();
        assert_eq!(
            (local.endpoints, local.netuid, local.params),
            (vec!["ws://127.0.0.1:9944".to_owned()], Some(2), params::DEV)
        );
        let own = config(&[("BT_NETWORK", "wss://node.example"), ("GRAIL_PROFILE", "dev")]).network();
        assert_eq!(
            (own.endpoints, own.netuid, own.params),
            (vec!["wss://node.example".to_owned()], None, params::DEV)
        );
        let moved = config(&[("BT_CHAIN_ENDPOINT", "wss://a,wss://b")]).network();
        assert_eq!((moved.endpoints.len(), moved.netuid), (2, Some(81)));
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
        let none = config(&[]).store().unwrap_err();
        assert!(none.to_string().starts_with("R2_ACCOUNT_ID is not set"), "{none}");
    }
}

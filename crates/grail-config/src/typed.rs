//! Settings put together into what doors are opened with.

use super::{
    layers::Config,
    networks::{self, NetworkChoice},
    table::{
        BEACON_RELAYS, CACHE_DIR, CHAIN_ENDPOINT, MONITORING_BACKEND, NETUID, NETWORK, PROFILE,
        R2_ACCOUNT_ID, R2_BUCKET_ID, R2_ENDPOINT_URL, R2_READ_ACCESS_KEY_ID, R2_WRITE_ACCESS_KEY_ID, Setting,
        WALLET_COLD, WALLET_HOT, WALLET_PATH,
    },
};
use grail_protocol::params::{self, Params};
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
        let trainer_uid = known.filter(|known| known.netuid == netuid).and_then(|known| known.trainer_uid);
        NetworkChoice { name: name.to_owned(), endpoints, netuid, params, trainer_uid }
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ConfigSources;

    fn config(variables: &[(&str, &str)]) -> Config {
        let environment = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        Config::read(&ConfigSources { environment, ..ConfigSources::default() }).unwrap()
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
}

//! What an operator can set about the chain, with defaults that suit a public network.

use crate::keys::SubnetMechanism;
use grail_protocol::words::BlockHash;
use std::{path::PathBuf, time::Duration};

/// How the chain is reached and how patient we are with it.
#[derive(Debug, Clone)]
pub struct ChainSettings {
    /// Nodes, as `ws://` or `wss://` addresses. The healthiest is used; the order decides between equals.
    pub endpoints: Vec<String>,
    /// The subnet and mechanism.
    pub place: SubnetMechanism,
    /// Hash of the network's block 0. Unset, the first node that answers says it, and the others must agree.
    pub genesis: Option<BlockHash>,
    /// Longest time of one read. Default 20 s.
    pub call_deadline: Duration,
    /// Longest time that one connection gets to answer before it is given up and the read goes to another. Default
    /// 6 s; never more than three quarters of a call's.
    pub attempt_deadline: Duration,
    /// Longest time to open a connection, until its first answers. Default 8 s.
    pub connect_deadline: Duration,
    /// Age of the newest block at which a connection counts as dead, however alive its socket looks. Default 60 s,
    /// five blocks.
    pub stall_after: Duration,
    /// Pause before a node that failed is tried again; it doubles with each failure. Default 0.5 s.
    pub backoff_first: Duration,
    /// Longest such pause. Default 30 s.
    pub backoff_most: Duration,
    /// Longest time of one write, until it is final. Default 300 s.
    pub write_deadline: Duration,
    /// Blocks for which a transaction is valid; a power of two. Default 32.
    pub mortality: u64,
    /// Blocks after which weights that could not be sent are given up. Default 100.
    pub weights_within: u64,
    /// Milliseconds between two blocks, for the moment at which sealed weights open. Default 12,000.
    pub block_time_ms: u64,
    /// Version key that is sent with weights, where the subnet asks for none larger. Default 0.
    pub version_key: u64,
    /// Folder of the journal of weights; unset, weights are not remembered over a restart.
    pub journal: Option<PathBuf>,
}

impl ChainSettings {
    /// Defaults for these nodes and this subnet.
    pub fn new(endpoints: Vec<String>, netuid: u16) -> Self {
        let seconds = Duration::from_secs;
        Self {
            endpoints,
            place: SubnetMechanism::subnet(netuid),
            genesis: None,
            call_deadline: seconds(20),
            attempt_deadline: seconds(6),
            connect_deadline: seconds(8),
            stall_after: seconds(60),
            backoff_first: Duration::from_millis(500),
            backoff_most: seconds(30),
            write_deadline: seconds(300),
            mortality: 32,
            weights_within: 100,
            block_time_ms: 12_000,
            version_key: 0,
            journal: None,
        }
    }

    /// Whether the values can work together.
    pub fn check(&self) -> Result<(), SettingsError> {
        if self.endpoints.is_empty() {
            return Err(SettingsError::NoEndpoints);
        }
        if let Some(odd) = self.endpoints.iter().find(|endpoint| !is_address(endpoint)) {
            return Err(SettingsError::Address { endpoint: odd.clone() });
        }
        if self.place.index().is_none() {
            return Err(SettingsError::Mechanism { place: self.place });
        }
        if !self.mortality.is_power_of_two() || !(4..=4_096).contains(&self.mortality) {
            return Err(SettingsError::Mortality { blocks: self.mortality });
        }
        let spans = [
            ("call_deadline", self.call_deadline),
            ("attempt_deadline", self.attempt_deadline),
            ("connect_deadline", self.connect_deadline),
            ("stall_after", self.stall_after),
            ("backoff_first", self.backoff_first),
            ("write_deadline", self.write_deadline),
        ];
        match spans.into_iter().find(|(_, span)| span.is_zero() || *span > Duration::from_secs(86_400)) {
            Some((name, span)) => Err(SettingsError::Span { name, span }),
            None => Ok(()),
        }
    }
}

fn is_address(endpoint: &str) -> bool {
    let rest = endpoint.strip_prefix("wss://").or_else(|| endpoint.strip_prefix("ws://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(char::is_whitespace))
}

/// What is wrong with settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// An empty list.
    #[error(
        "no node of the chain is named; name at least one, like wss://entrypoint-finney.opentensor.ai:443"
    )]
    NoEndpoints,
    /// An address of another kind.
    #[error("{endpoint:?} is not the address of a node; it begins with ws:// or wss://")]
    Address {
        /// What was given.
        endpoint: String,
    },
    /// A subnet and mechanism that storage has no room for.
    #[error("netuid {} and mechanism {} leave no room for each other", place.netuid, place.mechanism)]
    Mechanism {
        /// What was given.
        place: SubnetMechanism,
    },
    /// A span of blocks that no transaction can have.
    #[error("a transaction cannot be valid for {blocks} blocks; use 16 or 32")]
    Mortality {
        /// What was given.
        blocks: u64,
    },
    /// A span of time that makes no sense.
    #[error("{name} is {span:?}; it must be more than nothing and at most a day")]
    Span {
        /// Which.
        name: &'static str,
        /// What was given.
        span: Duration,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_hold_and_each_mistake_has_its_name() {
        let good = ChainSettings::new(vec!["wss://node:443".into(), "ws://127.0.0.1:9944".into()], 81);
        assert_eq!(good.check(), Ok(()));
        let check = |change: fn(&mut ChainSettings)| {
            let mut settings = good.clone();
            change(&mut settings);
            settings.check().unwrap_err().to_string()
        };
        assert!(check(|s| s.endpoints.clear()).contains("no node"));
        assert!(check(|s| s.endpoints.push("https://node".into())).contains("https://node"));
        assert!(check(|s| s.endpoints.push("ws://".into())).contains("not the address"));
        assert!(check(|s| s.mortality = 20).contains("20 blocks"));
        assert!(check(|s| s.place = SubnetMechanism { netuid: 5_000, mechanism: 1 }).contains("5000"));
        assert!(check(|s| s.stall_after = Duration::ZERO).contains("stall_after"));
    }
}

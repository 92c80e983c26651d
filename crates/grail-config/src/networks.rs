//! The networks that have a name: endpoints, subnet and constants as data.

use grail_protocol::params::{self, Params};

/// A network that operators call by a name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KnownNetwork {
    /// Its name.
    pub name: &'static str,
    /// Addresses of its nodes, the preferred one first.
    pub endpoints: &'static [&'static str],
    /// GRAIL's subnet there; a local chain has whatever was made.
    pub netuid: Option<u16>,
    /// Its constants.
    pub params: Params,
    /// The uid of the trainer whose checkpoints everyone follows on that subnet; `None` where the network names none, and
    /// an operator says who it is.
    pub trainer_uid: Option<u16>,
    /// What it is, for people.
    pub meaning: &'static str,
}

/// Every network that has a name.
pub const ALL: &[KnownNetwork] = &[
    KnownNetwork {
        name: "finney",
        endpoints: &[
            "wss://entrypoint-finney.opentensor.ai:443",
            "wss://lite.chain.opentensor.ai:443",
            "wss://lite.sub.latent.to:443",
        ],
        netuid: Some(81),
        params: params::MAIN,
        trainer_uid: Some(0),
        meaning: "the main network",
    },
    KnownNetwork {
        name: "test",
        endpoints: &["wss://test.finney.opentensor.ai:443"],
        netuid: Some(429),
        params: params::MAIN,
        trainer_uid: Some(0),
        meaning: "the public test network",
    },
    KnownNetwork {
        name: "local",
        endpoints: &["ws://127.0.0.1:9944"],
        netuid: None,
        params: params::DEV,
        trainer_uid: None,
        meaning: "a node on this machine",
    },
];

/// The network of that name.
pub fn by_name(name: &str) -> Option<&'static KnownNetwork> {
    ALL.iter().find(|network| network.name == name)
}

/// A network as an operator chose it.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkChoice {
    /// Its name, or the address that was given in place of one.
    pub name: String,
    /// Addresses of nodes, the preferred one first; never empty.
    pub endpoints: Vec<String>,
    /// The subnet, where it is known.
    pub netuid: Option<u16>,
    /// Its constants.
    pub params: Params,
    /// The uid of its trainer, where the network names one: on the subnet that it knows as its own, and on no other.
    pub trainer_uid: Option<u16>,
}

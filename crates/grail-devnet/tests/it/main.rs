//! The development network as its users meet it: the folder, the chain, the beacon, and what goes wrong.

mod chain;
mod folder;
mod kill;

use grail_devnet::{Devnet, DevnetOptions, Founder};
use grail_protocol::{params::DEV, words::UnixMillis};
use std::path::Path;

const GENESIS: UnixMillis = UnixMillis(1_800_000_000_000);

fn founder(name: &str, stake: f64) -> Founder {
    Founder { name: name.to_owned(), stake, validator_permit: stake > 0.0 }
}

fn options() -> DevnetOptions {
    DevnetOptions {
        params: DEV,
        genesis: GENESIS,
        founders: vec![founder("validator", 100.0), founder("miner-1", 0.0), founder("miner-2", 0.0)],
        trainer: None,
    }
}

fn make(dir: &Path) -> Devnet {
    grail_devnet::init(&dir.join("net"), &options()).unwrap()
}

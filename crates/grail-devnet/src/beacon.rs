use crate::bls::BeaconKey;
use async_trait::async_trait;
use grail_ports::{Fault, beacon::BeaconSource, clock::Clock};
use grail_protocol::{
    beacon::{Beacon, BeaconChain},
    words::UnixMillis,
};
use std::{fmt, sync::Arc};

/// The beacon of a development network: rounds appear with the clock, signed by one key in this process.
pub struct DevBeacon {
    key: BeaconKey,
    chain: BeaconChain,
    clock: Arc<dyn Clock>,
}

impl DevBeacon {
    /// A beacon whose first round is at `genesis`.
    pub fn new(key: BeaconKey, genesis: UnixMillis, period_ms: u64, clock: Arc<dyn Clock>) -> Self {
        let chain = key.chain(genesis, period_ms);
        Self { key, chain, clock }
    }
}

impl fmt::Debug for DevBeacon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DevBeacon").field("chain", &self.chain).finish_non_exhaustive()
    }
}

#[async_trait]
impl BeaconSource for DevBeacon {
    fn chain(&self) -> &BeaconChain {
        &self.chain
    }

    async fn round(&self, round: u64) -> Result<Option<Beacon>, Fault> {
        let published = round > 0 && self.chain.time_of(round) <= self.clock.now();
        Ok(published.then(|| self.key.sign(round)))
    }
}

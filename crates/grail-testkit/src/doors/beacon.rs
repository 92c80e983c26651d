use super::Trouble;
use async_trait::async_trait;
use grail_devnet::{DevBeacon, bls::BeaconKey};
use grail_ports::{Door, Fault, beacon::BeaconSource, clock::Clock};
use grail_protocol::{
    beacon::{Beacon, BeaconChain},
    words::UnixMillis,
};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

/// A beacon with a key of its own: real signatures, rounds by the clock. Clones are the same beacon.
#[derive(Debug, Clone)]
pub struct FakeBeacon {
    beacon: Arc<DevBeacon>,
    seed: [u8; 32],
    withheld: Arc<Mutex<BTreeSet<u64>>>,
    trouble: Trouble,
}

impl FakeBeacon {
    /// A beacon whose key comes from `seed` and whose first round is at `genesis`.
    pub fn new(seed: [u8; 32], genesis: UnixMillis, period_ms: u64, clock: Arc<dyn Clock>) -> Self {
        let beacon = DevBeacon::new(BeaconKey::from_seed(&seed), genesis, period_ms, clock);
        Self { beacon: Arc::new(beacon), seed, withheld: Arc::default(), trouble: Trouble::default() }
    }

    /// Trouble of all calls.
    pub const fn trouble(&self) -> &Trouble {
        &self.trouble
    }

    /// Keeps a round back: it counts as not published.
    pub fn withhold(&self, round: u64) {
        self.withheld.lock().unwrap_or_else(PoisonError::into_inner).insert(round);
    }

    /// The signed round, whatever the clock says.
    pub fn sign(&self, round: u64) -> Beacon {
        BeaconKey::from_seed(&self.seed).sign(round)
    }
}

#[async_trait]
impl BeaconSource for FakeBeacon {
    fn chain(&self) -> &BeaconChain {
        self.beacon.chain()
    }

    async fn round(&self, round: u64) -> Result<Option<Beacon>, Fault> {
        self.trouble.pass(Door::Beacon, || format!("read round {round}")).await?;
        if self.withheld.lock().unwrap_or_else(PoisonError::into_inner).contains(&round) {
            return Ok(None);
        }
        self.beacon.round(round).await
    }
}

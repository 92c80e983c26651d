//! The randomness beacon.

use crate::Fault;
use async_trait::async_trait;
use grail_protocol::beacon::{Beacon, BeaconChain};

/// Hands out verified beacon rounds: drand's relays in a network, one key on a development network.
#[async_trait]
pub trait BeaconSource: Send + Sync {
    /// The beacon network whose rounds come through this door.
    fn chain(&self) -> &BeaconChain;

    /// A round, its signature already verified against [`Self::chain`].
    ///
    /// `Ok(None)`: the round is not published yet. A signature that does not verify is a [`Fault`] of the relay
    /// and never comes out of here as a beacon.
    async fn round(&self, round: u64) -> Result<Option<Beacon>, Fault>;
}

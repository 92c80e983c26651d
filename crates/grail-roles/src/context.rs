//! Deriving a window: the same function for miner and validator.

use grail_artifact::{
    bundle::{BlockFact, Challenge},
    manifest::Manifest,
};
use grail_ports::{
    Door, Fault, Retry,
    beacon::BeaconSource,
    chain::{Block, ChainView},
};
use grail_protocol::{
    beacon::{BeaconChain, WindowRandomness},
    params::Params,
    seed::WindowContext,
    words::{BlockNumber, NetworkId, WindowStart},
};
use std::sync::Arc;

/// A network: its name and its constants.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// Name.
    pub id: NetworkId,
    /// Constants.
    pub params: Params,
}

/// Where public randomness comes from.
#[derive(Clone)]
pub enum Randomness {
    /// From a beacon.
    Beacon(Arc<dyn BeaconSource>),
    /// From block hashes alone; only on networks that accept it.
    BlockHashOnly,
}

impl std::fmt::Debug for Randomness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Beacon(_) => "Beacon",
            Self::BlockHashOnly => "BlockHashOnly",
        })
    }
}

/// What a role derives windows from.
#[derive(Clone)]
pub struct Sources {
    /// The network.
    pub network: Network,
    /// The chain.
    pub chain: Arc<dyn ChainView>,
    /// Public randomness.
    pub randomness: Randomness,
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sources")
            .field("network", &self.network)
            .field("randomness", &self.randomness)
            .finish()
    }
}

/// A block as bundles carry it.
pub(crate) const fn fact(block: Block) -> BlockFact {
    BlockFact { number: block.number, hash: block.hash, time: block.time }
}

impl Sources {
    /// Puts the parts together, and refuses a network whose rules the parts break.
    pub fn new(network: Network, chain: Arc<dyn ChainView>, randomness: Randomness) -> Result<Self, Fault> {
        if matches!(randomness, Randomness::BlockHashOnly) && !network.params.accepts_block_hash_only {
            let doing = format!("network {} does not accept windows without a beacon", network.id);
            return Err(Fault::plain(Door::Beacon, Retry::Never, doing));
        }
        Ok(Self { network, chain, randomness })
    }

    /// Everything about a window, or `None` while its first block or its beacon round does not exist yet.
    pub async fn window(
        &self,
        manifest: &Manifest,
        window: WindowStart,
    ) -> Result<Option<WindowContext>, Fault> {
        let params = self.network.params;
        let Some(first) = self.chain.block(params.first_block(window)).await? else { return Ok(None) };
        let randomness = match &self.randomness {
            Randomness::BlockHashOnly => WindowRandomness::BlockHashOnly,
            Randomness::Beacon(source) => {
                let round = params.generation_round(source.chain(), first.time);
                match source.round(round).await? {
                    Some(beacon) => WindowRandomness::Beacon(beacon),
                    None => return Ok(None),
                }
            }
        };
        let env = manifest
            .environment(window, &params)
            .cloned()
            .ok_or_else(|| Fault::plain(Door::Inside, Retry::Never, "the manifest names no environment"))?;
        Ok(Some(WindowContext {
            network: self.network.id.clone(),
            params,
            window,
            block_hash: first.hash,
            randomness,
            checkpoint: manifest.id(),
            env,
            policy: manifest.policy,
            numeric: manifest.numeric,
            max_new_tokens: manifest.max_new_tokens.min(params.max_new_tokens),
        }))
    }

    /// The beacon network, where windows have one.
    pub fn beacon_chain(&self) -> Option<&BeaconChain> {
        match &self.randomness {
            Randomness::Beacon(source) => Some(source.chain()),
            Randomness::BlockHashOnly => None,
        }
    }

    /// The window's last block, or `None` while it does not exist.
    pub async fn last_block(&self, window: WindowStart) -> Result<Option<Block>, Fault> {
        self.chain.block(self.network.params.last_block(window)).await
    }

    /// What decides which groups are sampled, or `None` while it is still unknown.
    ///
    /// With a beacon: the challenge round. Without: the first block whose time lies after upload deadline and challenge
    /// delay.
    pub async fn challenge(&self, last: Block) -> Result<Option<Challenge>, Fault> {
        let params = self.network.params;
        match &self.randomness {
            Randomness::Beacon(source) => {
                let round = params.challenge_round(source.chain(), last.time);
                Ok(source.round(round).await?.map(Challenge::Beacon))
            }
            Randomness::BlockHashOnly => {
                let moment = params.upload_deadline(last.time).plus(params.challenge_delay_ms);
                let nominal =
                    (params.upload_grace_ms + params.challenge_delay_ms) / params.block_time_ms.max(1);
                // Blocks may come faster than nominal; a chain that is four times too fast is a fault of ours to see.
                for step in 1..=4 * (nominal + 2) {
                    let number = BlockNumber(last.number.0.saturating_add(step));
                    match self.chain.block(number).await? {
                        None => return Ok(None),
                        Some(block) if block.time > moment => return Ok(Some(Challenge::Block(fact(block)))),
                        Some(_) => {}
                    }
                }
                let doing = format!("no block after {} has a time later than {moment}", last.number);
                Err(Fault::plain(Door::Chain, Retry::Later, doing))
            }
        }
    }
}

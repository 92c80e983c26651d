//! The chain: blocks, who is registered, what they committed, and the weights.

use crate::Fault;
use async_trait::async_trait;
use grail_protocol::words::{BlockHash, BlockNumber, Hotkey, UnixMillis};
use serde::{Deserialize, Serialize};

/// A participant's number on the subnet.
pub type Uid = u16;

/// One block, as far as roles need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Number on the chain.
    pub number: BlockNumber,
    /// Hash of its header, 32 bytes.
    pub hash: BlockHash,
    /// The timestamp that the block itself carries.
    pub time: UnixMillis,
}

/// One registered participant: a row of Bittensor's metagraph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Neuron {
    /// Number on the subnet, below the number of participants; another hotkey may have it later.
    pub uid: Uid,
    /// The hotkey that holds the number now.
    pub hotkey: Hotkey,
    /// Stake in whole tokens, for display and ranking.
    pub stake: f64,
    /// Whether it may set weights that count.
    pub validator_permit: bool,
    /// Block at which it last set weights; its registration block before that.
    pub last_update: BlockNumber,
    /// Share of the miners' emission, `0..=65535`.
    pub incentive: u16,
}

/// Everyone on the subnet at one block, by uid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metagraph {
    /// The block it was read at.
    pub block: BlockNumber,
    /// Participants in the order of their uids.
    pub neurons: Vec<Neuron>,
}

impl Metagraph {
    /// The participant with that hotkey; `None` when it is not registered.
    pub fn find(&self, hotkey: &Hotkey) -> Option<&Neuron> {
        self.neurons.iter().find(|neuron| neuron.hotkey == *hotkey)
    }
}

/// Weights of one validator, as the chain stores them.
pub type WeightRow = Vec<(Uid, u16)>;

/// Reading the chain, through whichever node answers.
#[async_trait]
pub trait ChainView: Send + Sync {
    /// The newest block.
    async fn head(&self) -> Result<Block, Fault>;

    /// A block by number; `Ok(None)` when it does not exist yet.
    async fn block(&self, number: BlockNumber) -> Result<Option<Block>, Fault>;

    /// Who is registered.
    async fn metagraph(&self) -> Result<Metagraph, Fault>;

    /// What a hotkey committed, at most 512 bytes; `Ok(None)` when it never did.
    async fn commitment(&self, hotkey: &Hotkey) -> Result<Option<Vec<u8>>, Fault>;

    /// The weights that a participant last set; `Ok(None)` when it never did.
    async fn weights(&self, uid: Uid) -> Result<Option<WeightRow>, Fault>;
}

/// What became of an extrinsic that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Inclusion {
    /// It stands in this block.
    Included {
        /// The block.
        block: BlockNumber,
    },
    /// The chain refused it for now; it may be sent again from this block on.
    TooSoon {
        /// First block at which it may succeed.
        not_before: BlockNumber,
    },
}

/// Writing to the chain as one hotkey.
#[async_trait]
pub trait ChainWrite: Send + Sync {
    /// The hotkey that signs.
    fn hotkey(&self) -> Hotkey;

    /// Publishes bytes under the hotkey, replacing what stood there.
    async fn commit(&self, data: &[u8]) -> Result<Inclusion, Fault>;

    /// Sets the hotkey's weights. An empty row is refused by the chain.
    async fn set_weights(&self, row: &WeightRow) -> Result<Inclusion, Fault>;
}

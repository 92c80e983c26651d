use super::Trouble;
use async_trait::async_trait;
use grail_devnet::rules::{self, Admission, DevnetRefusal, MAX_COMMITMENT_BYTES, Voice, WeightStanding};
use grail_ports::{
    Door, Fault, Retry,
    chain::{Block, ChainView, ChainWrite, Inclusion, Metagraph, Neuron, Uid, WeightRow},
    clock::Clock,
};
use grail_protocol::{
    hash::digest,
    words::{BlockHash, BlockNumber, Hotkey, UnixMillis},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A chain in memory. Clones are the same chain.
#[derive(Clone)]
pub struct MemChain {
    state: Arc<Mutex<State>>,
    head: Arc<Head>,
    trouble: Trouble,
}

/// Where blocks come from.
enum Head {
    /// From [`MemChain::make_blocks`].
    ByHand(Mutex<u64>),
    /// From the time.
    ByClock(Arc<dyn Clock>),
}

struct State {
    name: &'static str,
    genesis: UnixMillis,
    block_time_ms: u64,
    rate_limit: u64,
    /// By uid, which is the index.
    neurons: Vec<Neuron>,
    commitments: BTreeMap<Hotkey, Vec<u8>>,
    rows: BTreeMap<Uid, WeightRow>,
    /// Every row that was ever stored, oldest first.
    history: Vec<(BlockNumber, Uid, WeightRow)>,
}

impl fmt::Debug for MemChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemChain").field("head", &self.newest()).finish_non_exhaustive()
    }
}

impl MemChain {
    /// A chain whose blocks are made by [`Self::make_blocks`]; block 0 is there, at `genesis`.
    ///
    /// `name` enters the block hashes.
    pub fn by_hand(name: &'static str, genesis: UnixMillis, block_time_ms: u64) -> Self {
        Self::new(name, genesis, block_time_ms, Head::ByHand(Mutex::new(0)))
    }

    /// A chain whose newest block is the one of `clock`'s time, counted from `genesis`.
    pub fn by_clock(
        name: &'static str,
        genesis: UnixMillis,
        block_time_ms: u64,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self::new(name, genesis, block_time_ms, Head::ByClock(clock))
    }

    fn new(name: &'static str, genesis: UnixMillis, block_time_ms: u64, head: Head) -> Self {
        let state = State {
            name,
            genesis,
            block_time_ms,
            rate_limit: 1,
            neurons: Vec::new(),
            commitments: BTreeMap::new(),
            rows: BTreeMap::new(),
            history: Vec::new(),
        };
        Self { state: Arc::new(Mutex::new(state)), head: Arc::new(head), trouble: Trouble::default() }
    }

    /// Trouble of all calls, readers and writers alike.
    pub const fn trouble(&self) -> &Trouble {
        &self.trouble
    }

    /// Makes blocks at once and returns the newest.
    ///
    /// # Panics
    /// On a chain that takes its blocks from a clock: turn the clock instead.
    pub fn make_blocks(&self, count: u64) -> Block {
        match &*self.head {
            Head::ByHand(head) => *head.lock().unwrap_or_else(PoisonError::into_inner) += count,
            Head::ByClock(_) => panic!("this chain takes its blocks from a clock"),
        }
        self.newest()
    }

    /// The newest block.
    pub fn newest(&self) -> Block {
        let state = self.state();
        let number = match &*self.head {
            Head::ByHand(head) => *head.lock().unwrap_or_else(PoisonError::into_inner),
            Head::ByClock(clock) => clock.now().since(state.genesis) / state.block_time_ms.max(1),
        };
        state.block(BlockNumber(number))
    }

    /// Blocks between two rows of one validator, and between registration and the first; 1 unless set.
    pub fn set_rate_limit(&self, blocks: u64) {
        self.state().rate_limit = blocks;
    }

    /// Registers a hotkey, or renews its stake and permit. Returns its uid.
    ///
    /// # Panics
    /// When all uids are taken.
    pub fn register(&self, hotkey: Hotkey, stake: f64, validator_permit: bool) -> Uid {
        let head = self.newest().number;
        let mut state = self.state();
        if let Some(known) = state.neurons.iter_mut().find(|neuron| neuron.hotkey == hotkey) {
            known.stake = stake;
            known.validator_permit = validator_permit;
            return known.uid;
        }
        let uid = Uid::try_from(state.neurons.len()).expect("a uid is free");
        state.neurons.push(Neuron { uid, hotkey, stake, validator_permit, last_update: head, incentive: 0 });
        uid
    }

    /// Takes away what a hotkey committed.
    pub fn forget_commitment(&self, hotkey: &Hotkey) {
        self.state().commitments.remove(hotkey);
    }

    /// Every row that was stored, with its block and validator, oldest first.
    pub fn weight_history(&self) -> Vec<(BlockNumber, Uid, WeightRow)> {
        self.state().history.clone()
    }

    /// The same chain, signed for by a hotkey.
    pub fn as_hotkey(&self, hotkey: Hotkey) -> MemSigner {
        MemSigner { chain: self.clone(), hotkey }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn pass(&self, doing: &str) -> Result<(), Fault> {
        self.trouble.pass(Door::Chain, || doing.to_owned()).await
    }
}

impl State {
    fn block(&self, number: BlockNumber) -> Block {
        let hash = digest("grail/test block", &[self.name.as_bytes(), &number.0.to_le_bytes()]);
        let time = self.genesis.plus(number.0.saturating_mul(self.block_time_ms));
        Block { number, hash: BlockHash::from_bytes(hash), time }
    }

    fn find(&self, hotkey: &Hotkey) -> Option<&Neuron> {
        self.neurons.iter().find(|neuron| neuron.hotkey == *hotkey)
    }
}

#[async_trait]
impl ChainView for MemChain {
    async fn head(&self) -> Result<Block, Fault> {
        self.pass("read the head").await?;
        Ok(self.newest())
    }

    async fn block(&self, number: BlockNumber) -> Result<Option<Block>, Fault> {
        self.pass("read a block").await?;
        let head = self.newest().number;
        Ok((number <= head).then(|| self.state().block(number)))
    }

    async fn metagraph(&self) -> Result<Metagraph, Fault> {
        self.pass("read the metagraph").await?;
        let block = self.newest().number;
        let state = self.state();
        let voices: Vec<Voice> = state
            .neurons
            .iter()
            .filter(|neuron| neuron.validator_permit)
            .filter_map(|neuron| {
                state.rows.get(&neuron.uid).map(|row| Voice { stake: neuron.stake, row: row.clone() })
            })
            .collect();
        let incentives = rules::incentives(&voices);
        let mut neurons = state.neurons.clone();
        for neuron in &mut neurons {
            neuron.incentive = incentives.get(&neuron.uid).copied().unwrap_or(0);
        }
        Ok(Metagraph { block, neurons })
    }

    async fn commitment(&self, hotkey: &Hotkey) -> Result<Option<Vec<u8>>, Fault> {
        self.pass("read a commitment").await?;
        Ok(self.state().commitments.get(hotkey).cloned())
    }

    async fn weights(&self, uid: Uid) -> Result<Option<WeightRow>, Fault> {
        self.pass("read weights").await?;
        Ok(self.state().rows.get(&uid).cloned())
    }
}

/// A [`MemChain`] with the hotkey that signs for its transactions.
#[derive(Debug, Clone)]
pub struct MemSigner {
    chain: MemChain,
    hotkey: Hotkey,
}

#[async_trait]
impl ChainWrite for MemSigner {
    fn hotkey(&self) -> Hotkey {
        self.hotkey
    }

    async fn commit(&self, data: &[u8]) -> Result<Inclusion, Fault> {
        self.chain.pass("commit").await?;
        let refuse = |refusal| Err(Fault::new(Door::Chain, Retry::Never, "commit", refusal));
        if data.len() > MAX_COMMITMENT_BYTES {
            return refuse(DevnetRefusal::CommitmentTooLong { got: data.len() });
        }
        let block = self.chain.newest().number;
        let mut state = self.chain.state();
        if state.find(&self.hotkey).is_none() {
            return refuse(DevnetRefusal::NotRegistered { hotkey: self.hotkey });
        }
        state.commitments.insert(self.hotkey, data.to_vec());
        Ok(Inclusion::Included { block })
    }

    async fn set_weights(&self, row: &WeightRow) -> Result<Inclusion, Fault> {
        self.chain.pass("set weights").await?;
        let block = self.chain.newest().number;
        let mut state = self.chain.state();
        let standing = state.find(&self.hotkey).map(|neuron| WeightStanding {
            uid: neuron.uid,
            validator_permit: neuron.validator_permit,
            last_update: neuron.last_update,
        });
        let registered: BTreeSet<Uid> = state.neurons.iter().map(|neuron| neuron.uid).collect();
        let admission = rules::admit(standing, self.hotkey, block, state.rate_limit, row, &registered)
            .map_err(|refusal| Fault::new(Door::Chain, Retry::Never, "set weights", refusal))?;
        match admission {
            Admission::TooSoon { not_before } => Ok(Inclusion::TooSoon { not_before }),
            Admission::Store(row) => {
                if let Some(neuron) = state.neurons.iter_mut().find(|neuron| neuron.hotkey == self.hotkey) {
                    neuron.last_update = block;
                    let uid = neuron.uid;
                    state.history.push((block, uid, row.clone()));
                    state.rows.insert(uid, row);
                }
                Ok(Inclusion::Included { block })
            }
        }
    }
}

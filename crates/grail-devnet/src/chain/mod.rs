//! The chain in one SQLite file.
//!
//! Blocks are not stored: block `n` has the time `genesis + n · block time` and the hash
//! `H("grail/dev block", network, n)`, so every process that shares a clock sees the same head. Stored is what people
//! did: who is registered, what they committed, which weights they set. A transaction belongs to the newest block at
//! the moment of its writing. The rules are those of [`crate::rules`].
//!
//! Several processes share the file. Each change is one SQLite transaction in write-ahead mode, so a process that is
//! killed at any instant leaves either the whole change or nothing of it.

mod store;

use crate::{
    DevNetwork, DevnetError,
    rules::{self, Admission, DevnetRefusal, MAX_COMMITMENT_BYTES},
};
use async_trait::async_trait;
use grail_ports::{
    Door, Fault, Retry,
    chain::{Block, ChainView, ChainWrite, Inclusion, Metagraph, Uid, WeightRow},
    clock::Clock,
};
use grail_protocol::{
    hash::digest,
    words::{BlockHash, BlockNumber, Hotkey, UnixMillis},
};
use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};
use store::Store;

/// Who to register, and how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Registration {
    /// The hotkey.
    pub hotkey: Hotkey,
    /// Stake in whole tokens.
    pub stake: f64,
    /// Whether it may set weights.
    pub validator_permit: bool,
}

/// The chain of a development network. Clones share one connection.
#[derive(Clone)]
pub struct DevChain {
    store: Arc<Mutex<Store>>,
    network: Arc<DevNetwork>,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for DevChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DevChain").field("network", &self.network.id).finish_non_exhaustive()
    }
}

/// What a change of the chain came to.
enum Outcome {
    Done(Inclusion),
    Refused(DevnetRefusal),
}

impl DevChain {
    /// Makes the file of a new network with its founders, registered at block 0 in the order of their uids.
    pub(crate) fn create(
        path: &Path,
        network: &DevNetwork,
        founders: &[Registration],
    ) -> Result<(), DevnetError> {
        let mut store = Store::create(path, &network.id)?;
        for founder in founders {
            store
                .change("register in", |tx| store::register(tx, founder, BlockNumber(0)))?
                .map_err(DevnetError::Refused)?;
        }
        store.close()
    }

    /// Opens the file of a network. Errors: it is missing, not a chain, of another version, or of another network.
    pub fn open(path: &Path, network: &DevNetwork, clock: Arc<dyn Clock>) -> Result<Self, DevnetError> {
        let store = Store::open(path, &network.id)?;
        Ok(Self { store: Arc::new(Mutex::new(store)), network: Arc::new(network.clone()), clock })
    }

    /// The same chain, signed for by a hotkey.
    pub fn as_hotkey(&self, hotkey: Hotkey) -> DevSigner {
        DevSigner { chain: self.clone(), hotkey }
    }

    /// Registers a hotkey and returns its uid; one that is registered keeps its uid and gets the new stake and
    /// permit.
    pub async fn register(&self, registration: Registration) -> Result<Uid, Fault> {
        let head = self.head_now()?;
        let doing = format!("register {} on the chain", registration.hotkey);
        let done = self
            .with(doing.clone(), move |store| {
                store.change("register in", |tx| store::register(tx, &registration, head.number))
            })
            .await?;
        done.map_err(|refusal| Fault::new(Door::Chain, Retry::Never, doing, refusal))
    }

    fn block_at(&self, number: BlockNumber) -> Block {
        let network = self.network.id.as_str().as_bytes();
        let hash = digest("grail/dev block", &[network, &number.0.to_le_bytes()]);
        let elapsed = number.0.saturating_mul(self.network.params.block_time_ms);
        Block { number, hash: BlockHash::from_bytes(hash), time: self.network.genesis.plus(elapsed) }
    }

    fn head_now(&self) -> Result<Block, Fault> {
        let now = self.clock.now();
        let genesis = self.network.genesis;
        if now < genesis {
            let wait = UnixMillis(genesis.since(now));
            return Err(Fault::plain(
                Door::Chain,
                Retry::Later,
                format!("read the head of network {}, which begins in {wait} ms", self.network.id),
            ));
        }
        let blocks = now.since(genesis).checked_div(self.network.params.block_time_ms).unwrap_or(0);
        Ok(self.block_at(BlockNumber(blocks)))
    }

    /// Runs one piece of work on the connection, on a thread that may block.
    async fn with<T: Send + 'static>(
        &self,
        doing: String,
        work: impl FnOnce(&mut Store) -> Result<T, DevnetError> + Send + 'static,
    ) -> Result<T, Fault> {
        let store = Arc::clone(&self.store);
        let done = tokio::task::spawn_blocking(move || {
            // A panic inside a transaction rolled it back, so the connection behind the lock is whole.
            let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
            work(&mut store)
        })
        .await
        .unwrap_or(Err(DevnetError::Stopped));
        done.map_err(|error| error.into_fault(doing))
    }

    async fn submit(
        &self,
        doing: String,
        work: impl FnOnce(&mut Store, BlockNumber) -> Result<Outcome, DevnetError> + Send + 'static,
    ) -> Result<Inclusion, Fault> {
        let head = self.head_now()?.number;
        match self.with(doing.clone(), move |store| work(store, head)).await? {
            Outcome::Done(inclusion) => Ok(inclusion),
            Outcome::Refused(refusal) => Err(Fault::new(Door::Chain, Retry::Never, doing, refusal)),
        }
    }
}

#[async_trait]
impl ChainView for DevChain {
    async fn head(&self) -> Result<Block, Fault> {
        self.head_now()
    }

    async fn block(&self, number: BlockNumber) -> Result<Option<Block>, Fault> {
        let head = self.head_now()?;
        Ok((number <= head.number).then(|| self.block_at(number)))
    }

    async fn metagraph(&self) -> Result<Metagraph, Fault> {
        let block = self.head_now()?.number;
        let neurons = self.with("read the metagraph".into(), Store::neurons).await?;
        Ok(Metagraph { block, neurons })
    }

    async fn commitment(&self, hotkey: &Hotkey) -> Result<Option<Vec<u8>>, Fault> {
        let hotkey = *hotkey;
        self.with(format!("read the commitment of {hotkey}"), move |store| store.commitment(&hotkey)).await
    }

    async fn weights(&self, uid: Uid) -> Result<Option<WeightRow>, Fault> {
        self.with(format!("read the weights of uid {uid}"), move |store| store.weights(uid)).await
    }
}

/// A [`DevChain`] with the hotkey that signs for its transactions.
#[derive(Debug, Clone)]
pub struct DevSigner {
    chain: DevChain,
    hotkey: Hotkey,
}

#[async_trait]
impl ChainWrite for DevSigner {
    fn hotkey(&self) -> Hotkey {
        self.hotkey
    }

    async fn commit(&self, data: &[u8]) -> Result<Inclusion, Fault> {
        let hotkey = self.hotkey;
        let doing = format!("commit {} bytes as {hotkey}", data.len());
        if data.len() > MAX_COMMITMENT_BYTES {
            let refusal = DevnetRefusal::CommitmentTooLong { got: data.len() };
            return Err(Fault::new(Door::Chain, Retry::Never, doing, refusal));
        }
        let data = data.to_vec();
        self.chain
            .submit(doing, move |store, head| {
                store.change("commit to", |tx| {
                    if store::standing(tx, &hotkey)?.is_none() {
                        return Ok(Outcome::Refused(DevnetRefusal::NotRegistered { hotkey }));
                    }
                    store::commit(tx, &hotkey, &data, head)?;
                    Ok(Outcome::Done(Inclusion::Included { block: head }))
                })
            })
            .await
    }

    async fn set_weights(&self, row: &WeightRow) -> Result<Inclusion, Fault> {
        let hotkey = self.hotkey;
        let row = row.clone();
        let limit = self.chain.network.weights_rate_limit;
        self.chain
            .submit(format!("set weights as {hotkey}"), move |store, head| {
                store.change("set weights in", |tx| {
                    let standing = store::standing(tx, &hotkey)?;
                    let registered = store::registered(tx)?;
                    Ok(match rules::admit(standing, hotkey, head, limit, &row, &registered) {
                        Err(refusal) => Outcome::Refused(refusal),
                        Ok(Admission::TooSoon { not_before }) => {
                            Outcome::Done(Inclusion::TooSoon { not_before })
                        }
                        Ok(Admission::Store(row)) => {
                            if let Some(standing) = standing {
                                store::set_weights(tx, standing.uid, &row, head)?;
                            }
                            Outcome::Done(Inclusion::Included { block: head })
                        }
                    })
                })
            })
            .await
    }
}

//! The chain: blocks by hash and by number, forks, finality, the pool, and what is told to whoever watches.
//!
//! One thread owns it. Nothing here waits, and nothing knows of sockets.

mod build;
mod clock;
mod error;
mod event;
mod header;
mod history;
pub(crate) mod pool;

pub use clock::Start;
pub use error::ChainError;
pub(crate) use error::SubmitError;
pub(crate) use event::{Event, Notice};
pub(crate) use header::Header;
pub(crate) use history::{Block, History};

use crate::{
    executor::{Machines, Outcome, RuntimeError},
    snapshot::{SavedBlock, Snapshot},
    spec::{About, Spec},
    state::{CODE, Change, State},
    text::Hash,
};
use clock::Clock;
use parity_scale_codec::{Decode as _, Encode as _};
use pool::{Pool, Unfit, Valid, Waiting};
use serde_json::Value;
use smoldot::trie::{HashFunction, TrieEntryVersion};
use std::{fmt, str::FromStr, sync::Arc, time::Duration};
use tokio::sync::broadcast;

/// Slot of a runtime that does not tell: what most chains have.
const DEFAULT_SLOT: u64 = 6_000;
/// Events that a slow reader may be behind before it is cut off.
const EVENTS: usize = 4_096;
/// Blocks that a fork made on purpose may have.
const MAX_FORK: u32 = 1_024;

const SLOT_DURATION: &str = "AuraApi_slot_duration";
const VALIDATE: &str = "TaggedTransactionQueue_validate_transaction";
const ACCOUNT_NONCE: &str = "AccountNonceApi_account_nonce";
/// An extrinsic from outside, in the words of the runtime.
const EXTERNAL: u8 = 2;

/// When a block is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seal {
    /// As soon as an extrinsic is there, and when asked.
    Instant,
    /// Only when asked, by `dev_newBlock` or [`Node::new_blocks`](crate::Node::new_blocks).
    Manual,
    /// One after each such time of the machine, and when asked.
    Every(Duration),
}

impl FromStr for Seal {
    type Err = String;

    /// `instant`, `manual`, or a number of milliseconds from 1 to 86,400,000.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "instant" => Ok(Self::Instant),
            "manual" => Ok(Self::Manual),
            _ => match text.parse::<u64>() {
                Ok(millis @ 1..=86_400_000) => Ok(Self::Every(Duration::from_millis(millis))),
                _ => Err(format!(
                    "{text:?} is neither instant, manual nor a number of milliseconds up to a day"
                )),
            },
        }
    }
}

impl fmt::Display for Seal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instant => formatter.write_str("instant"),
            Self::Manual => formatter.write_str("manual"),
            Self::Every(time) => write!(formatter, "{}", time.as_millis()),
        }
    }
}

/// How a chain behaves, apart from what it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Habits {
    pub(crate) seal: Seal,
    /// Where time begins; absent: a new chain now, a restored one as before.
    pub(crate) start: Option<Start>,
    /// Blocks whose whole state is kept.
    pub(crate) keep_states: u32,
    /// Blocks that are kept without their state.
    pub(crate) keep_blocks: u32,
    /// Blocks by which the finalized head is behind the best.
    pub(crate) finality_lag: u32,
}

/// A chain that can grow.
#[derive(Debug)]
pub(crate) struct Chain {
    about: About,
    habits: Habits,
    machines: Machines,
    history: History,
    pool: Pool,
    clock: Clock,
    has_aura: bool,
    /// The runtime of the best block, by its code, and what it says about itself.
    version: (Option<Arc<[u8]>>, Value),
    events: broadcast::Sender<Arc<Event>>,
}

impl Chain {
    /// A chain at its genesis, with one empty block on it: only then does storage hold the genesis hash, which
    /// signatures are made for.
    pub(crate) fn new(spec: Spec, habits: Habits) -> Result<Self, ChainError> {
        let about = spec.about.clone();
        let mut machines = Machines::default();
        let state = spec.state(&mut machines)?;
        let items: Vec<_> = state.iter().collect();
        let header = Header {
            parent: [0; 32],
            number: 0,
            state_root: smoldot::trie::trie_root(TrieEntryVersion::V1, HashFunction::Blake2, &items),
            extrinsics_root: smoldot::header::extrinsics_root(&[] as &[Vec<u8>]),
            digest: Vec::new(),
        };
        let history = History::new(header, state);
        let mut chain = Self::assemble(about, habits, machines, history, |slot| {
            Clock::new(habits.start.unwrap_or_default(), slot)
        })?;
        chain.seal(None)?;
        Ok(chain)
    }

    /// A chain that goes on from a snapshot.
    pub(crate) fn restore(snapshot: Snapshot, habits: Habits) -> Result<Self, ChainError> {
        let (latest, kept_up) = (snapshot.latest_time, snapshot.keeps_up);
        let (about, history) = snapshot.open();
        Self::assemble(about, habits, Machines::default(), history, |slot| {
            Clock::after(latest, kept_up, habits.start, slot)
        })
    }

    fn assemble(
        about: About,
        habits: Habits,
        mut machines: Machines,
        history: History,
        clock: impl FnOnce(u64) -> Clock,
    ) -> Result<Self, ChainError> {
        let state = history.best_state()?;
        let (has_aura, slot) = match machines.call(&state, SLOT_DURATION, &[]) {
            Ok(outcome) => {
                let slot = u64::decode(&mut &*outcome.value).map_err(|_| {
                    RuntimeError::answer(SLOT_DURATION, &outcome.value, "a number of 64 bits")
                })?;
                (true, slot)
            }
            Err(RuntimeError::Start { .. }) => (false, DEFAULT_SLOT),
            Err(error) => return Err(error.into()),
        };
        let version = (state.get(CODE).cloned(), machines.version(&state)?);
        let (events, _) = broadcast::channel(EVENTS);
        let clock = clock(slot);
        Ok(Self { about, habits, machines, history, pool: Pool::default(), clock, has_aura, version, events })
    }

    pub(crate) fn about(&self) -> &About {
        &self.about
    }

    pub(crate) fn habits(&self) -> Habits {
        self.habits
    }

    pub(crate) fn history(&self) -> &History {
        &self.history
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// What the runtime of the best block says about itself.
    pub(crate) fn version(&self) -> &Value {
        &self.version.1
    }

    /// What the runtime of any state says about itself.
    pub(crate) fn version_of(&mut self, state: &State) -> Result<Value, ChainError> {
        Ok(self.machines.version(state)?)
    }

    /// Everything that happens from now on.
    pub(crate) fn watch(&self) -> broadcast::Receiver<Arc<Event>> {
        self.events.subscribe()
    }

    /// Calls a function of the runtime; whatever it changes is forgotten.
    pub(crate) fn call(
        &mut self,
        state: &State,
        function: &str,
        parameter: &[u8],
    ) -> Result<Outcome, ChainError> {
        Ok(self.machines.call(state, function, parameter)?)
    }

    /// Seals a block on the best one with everything that waits and fits. Its time is at least `at_least`.
    pub(crate) fn seal(&mut self, at_least: Option<u64>) -> Result<Hash, ChainError> {
        let waiting = self.pool.take();
        match self.build_on(self.history.best().hash, at_least, waiting.clone()) {
            Ok(hash) => {
                self.make_best(hash)?;
                Ok(hash)
            }
            Err(error) => {
                self.pool.put_back(waiting);
                Err(error)
            }
        }
    }

    /// Takes an extrinsic into the pool. `true`: it fits the next block.
    pub(crate) fn submit(&mut self, bytes: Vec<u8>) -> Result<(Hash, bool), SubmitError> {
        if !build::is_extrinsic(&bytes) {
            return Err(SubmitError::Format { bytes: bytes.len() });
        }
        let (state, hash) = (self.history.best_state()?, Hash::of(&bytes));
        let valid = self.validate(&state, &bytes)?.map_err(pool::Refusal::Unfit)?;
        let ready = valid.requires.iter().all(|tag| self.pool.provides(tag));
        if let Some(old) = self.pool.add(Waiting { hash, bytes, valid })? {
            self.tell(Event::Usurped { old, new: hash });
        }
        Ok((hash, ready))
    }

    /// The next index of an account, those that wait included.
    pub(crate) fn next_index(&mut self, account: &[u8; 32]) -> Result<u32, ChainError> {
        let state = self.history.best_state()?;
        let outcome = self.call(&state, ACCOUNT_NONCE, account)?;
        let mut index = u32::decode(&mut &*outcome.value)
            .map_err(|_| RuntimeError::answer(ACCOUNT_NONCE, &outcome.value, "a number of 32 bits"))?;
        while self.pool.provides(&[&account[..], &index.encode()].concat()) {
            index = index.saturating_add(1);
        }
        Ok(index)
    }

    /// Writes storage of the best block in place. Its hash stays, so this is visible to later blocks and questions
    /// and to nobody as an event.
    pub(crate) fn set_storage(&mut self, changes: &[Change]) -> Result<(), ChainError> {
        self.history.change_best(changes)?;
        self.follow_version();
        Ok(())
    }

    /// Makes any kept block the best one. Extrinsics of blocks that are left wait again.
    pub(crate) fn set_head(&mut self, hash: Hash) -> Result<(), ChainError> {
        self.history.state(hash)?;
        self.make_best(hash)
    }

    /// Builds a fork of `blocks` empty blocks that leaves the best chain `depth` blocks below its head. It becomes
    /// the best one where it is longer. Gives the head of the fork.
    pub(crate) fn reorganise(&mut self, depth: u32, blocks: u32) -> Result<Hash, ChainError> {
        let best = self.history.best().header.number;
        if depth == 0 || depth >= best || blocks == 0 || blocks > MAX_FORK {
            return Err(ChainError::Fork { depth, blocks, best, most: MAX_FORK });
        }
        let mut head = self.history.hash_at(best - depth).ok_or(ChainError::Fork {
            depth,
            blocks,
            best,
            most: MAX_FORK,
        })?;
        for _ in 0..blocks {
            head = self.build_on(head, None, Vec::new())?;
        }
        if blocks > depth {
            self.make_best(head)?;
        }
        Ok(head)
    }

    /// All of it that can be kept in a file: hashes, recent blocks, the best block's state.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, ChainError> {
        let blocks = self
            .history
            .kept()
            .map(|block| SavedBlock { header: block.header.clone(), extrinsics: block.extrinsics.clone() });
        let state = self.history.best_state()?;
        Ok(Snapshot {
            name: self.about.name.clone(),
            id: self.about.id.clone(),
            kind: self.about.kind.to_string(),
            properties: self.about.properties.to_string(),
            latest_time: self.clock.latest(),
            keeps_up: self.clock.keeps_up(),
            finalized: self.history.finalized_number(),
            hashes: self.history.hashes().map(|hash| hash.0).collect(),
            blocks: blocks.collect(),
            state: state.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect(),
        })
    }

    /// Asks the runtime whether an extrinsic would be taken.
    fn validate(&mut self, state: &State, bytes: &[u8]) -> Result<Result<Valid, Unfit>, ChainError> {
        let best = self.history.best().hash;
        let question = [&[EXTERNAL], bytes, &best.0].concat();
        let outcome = self.call(state, VALIDATE, &question)?;
        let answer = Result::<Valid, Unfit>::decode(&mut &*outcome.value);
        Ok(answer.map_err(|_| RuntimeError::answer(VALIDATE, &outcome.value, "a verdict"))?)
    }

    /// Builds and keeps a block; which block is best does not change.
    fn build_on(
        &mut self,
        parent: Hash,
        at_least: Option<u64>,
        waiting: Vec<Waiting>,
    ) -> Result<Hash, ChainError> {
        let state = self.history.state(parent)?;
        let above = self.history.block(parent).and_then(|block| block.header.number.checked_add(1));
        let number = above.ok_or(ChainError::NoSuchBlock { hash: parent })?;
        let time = self.clock.tick(at_least);
        let aura_slot = self.has_aura.then(|| self.clock.slot_of(time));
        let site = build::Site { parent, number, state: &state, time, aura_slot };
        let built = build::build(&mut self.machines, site, waiting)?;

        let included = built.extrinsics.iter().map(|bytes| Hash::of(bytes)).collect();
        let notice = Notice { hash: built.hash, header: built.header.json(), included };
        let notice = Arc::new(notice);
        self.history.add(Block {
            hash: built.hash,
            header: built.header,
            extrinsics: built.extrinsics,
            notice: notice.clone(),
            state: Some(built.state),
        });
        self.pool.put_back(built.left);
        self.tell(Event::Imported(notice));
        for hash in built.invalid {
            self.tell(Event::Invalid(hash));
        }
        Ok(built.hash)
    }

    /// Moves the best chain to a block that is kept, and says so.
    fn make_best(&mut self, hash: Hash) -> Result<(), ChainError> {
        let moved = self.history.make_best(hash, self.habits.finality_lag)?;
        for block in &moved.left {
            self.tell(Event::Retracted(block.notice.clone()));
        }
        let tip = moved.joined.len().saturating_sub(1);
        for (place, notice) in moved.joined.into_iter().enumerate() {
            self.tell(Event::Joined { notice, tip: place == tip });
        }
        if let Some(notice) = moved.back_at {
            self.tell(Event::Joined { notice, tip: true });
        }
        for notice in moved.finalized {
            self.tell(Event::Finalized(notice));
        }
        self.follow_version();
        self.history.prune(self.habits.keep_states, self.habits.keep_blocks);
        let state = self.history.best_state()?;
        // Inherents are among them; the runtime takes none from outside, so they drop out here.
        for bytes in moved.left.into_iter().flat_map(|block| block.extrinsics) {
            if let Ok(Ok(valid)) = self.validate(&state, &bytes) {
                // One that is refused now has a rival that came since.
                let _ = self.pool.add(Waiting { hash: Hash::of(&bytes), bytes, valid });
            }
        }
        Ok(())
    }

    /// Says so when the best block has another runtime than before.
    fn follow_version(&mut self) {
        let Ok(state) = self.history.best_state() else { return };
        let code = state.get(CODE).cloned();
        let same = match (&code, &self.version.0) {
            (Some(new), Some(old)) => Arc::ptr_eq(new, old) || new == old,
            _ => false,
        };
        if same {
            return;
        }
        match self.machines.version(&state) {
            Ok(version) => {
                self.version = (code, version.clone());
                self.tell(Event::Version(version));
            }
            Err(error) => tracing::warn!(target: "grail::devchain", %error, "the new runtime cannot be used"),
        }
    }

    fn tell(&self, event: Event) {
        // Nobody listening is no error.
        let _ = self.events.send(Arc::new(event));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealing_is_named_as_it_is_typed() {
        for text in ["instant", "manual", "250"] {
            assert_eq!(text.parse::<Seal>().unwrap().to_string(), text);
        }
        for text in ["", "0", "-1", "soon", "86400001", "99999999999999999999"] {
            assert!(text.parse::<Seal>().is_err(), "{text}");
        }
    }
}

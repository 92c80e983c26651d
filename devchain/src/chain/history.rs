//! Blocks by hash and by number: which are kept, which are best, which are final.

use super::{ChainError, Header, Notice};
use crate::{
    state::{Change, State},
    text::Hash,
};
use parity_scale_codec::Encode as _;
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// A block that is kept.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    pub(crate) hash: Hash,
    pub(crate) header: Header,
    pub(crate) extrinsics: Vec<Vec<u8>>,
    pub(crate) notice: Arc<Notice>,
    /// Storage after it; absent once it is old.
    pub(crate) state: Option<State>,
}

impl Block {
    /// A block that was made elsewhere or before.
    pub(crate) fn known(header: Header, extrinsics: Vec<Vec<u8>>, state: Option<State>) -> Self {
        let hash = Hash::of(&header.encode());
        let included = extrinsics.iter().map(|bytes| Hash::of(bytes)).collect();
        let notice = Arc::new(Notice { hash, header: header.json(), included });
        Self { hash, header, extrinsics, notice, state }
    }
}

/// How the best chain moved.
#[derive(Debug, Default)]
pub(crate) struct Moved {
    /// Blocks that are no longer on it, the highest first.
    pub(crate) left: Vec<Block>,
    /// Blocks that are now on it, the lowest first.
    pub(crate) joined: Vec<Arc<Notice>>,
    /// Where nothing joined: the block that is now its head.
    pub(crate) back_at: Option<Arc<Notice>>,
    /// Blocks that became final, the lowest first.
    pub(crate) finalized: Vec<Arc<Notice>>,
}

/// Every block that is kept. The best chain always has a head whose state is kept.
#[derive(Debug)]
pub(crate) struct History {
    blocks: HashMap<Hash, Block>,
    heights: BTreeMap<u32, Vec<Hash>>,
    /// Hash of each block of the best chain, by number, from 0.
    canonical: Vec<Hash>,
    /// A copy, so that there is always one.
    best: Block,
    finalized: u32,
    /// Blocks below have no state.
    states_from: u32,
}

impl History {
    /// Of a chain that consists of its genesis.
    pub(crate) fn new(header: Header, state: State) -> Self {
        let best = Block::known(header, Vec::new(), Some(state));
        let canonical = vec![best.hash];
        let mut history = Self {
            blocks: HashMap::new(),
            heights: BTreeMap::new(),
            canonical,
            best: best.clone(),
            finalized: 0,
            states_from: 0,
        };
        history.add(best);
        history
    }

    /// Of a chain whose last blocks are known, the head among them.
    pub(crate) fn resumed(hashes: Vec<Hash>, head: Block, below: Vec<Block>, finalized: u32) -> Self {
        let mut history = Self {
            blocks: HashMap::new(),
            heights: BTreeMap::new(),
            canonical: hashes,
            best: head.clone(),
            finalized,
            states_from: head.header.number,
        };
        for block in below {
            history.add(block);
        }
        history.add(head);
        history
    }

    pub(crate) fn best(&self) -> &Block {
        &self.best
    }

    pub(crate) fn best_state(&self) -> Result<State, ChainError> {
        self.state(self.best.hash)
    }

    pub(crate) fn finalized_number(&self) -> u32 {
        self.finalized
    }

    /// Hash of the finalized head.
    pub(crate) fn finalized(&self) -> Hash {
        self.hash_at(self.finalized).unwrap_or(self.best.hash)
    }

    /// Hash of a block of the best chain.
    pub(crate) fn hash_at(&self, number: u32) -> Option<Hash> {
        self.canonical.get(number as usize).copied()
    }

    /// Hashes of the best chain from block 0 on.
    pub(crate) fn hashes(&self) -> impl Iterator<Item = Hash> {
        self.canonical.iter().copied()
    }

    pub(crate) fn block(&self, hash: Hash) -> Option<&Block> {
        self.blocks.get(&hash)
    }

    /// Blocks of the best chain that are kept, the lowest first.
    pub(crate) fn kept(&self) -> impl Iterator<Item = &Block> {
        let from = self.heights.keys().next().copied().unwrap_or(0);
        (from..=self.best.header.number)
            .filter_map(|number| self.hash_at(number))
            .filter_map(|hash| self.blocks.get(&hash))
    }

    /// Storage after a block.
    pub(crate) fn state(&self, hash: Hash) -> Result<State, ChainError> {
        let block = self.blocks.get(&hash).ok_or(ChainError::NoSuchBlock { hash })?;
        block.state.clone().ok_or(ChainError::Discarded { hash })
    }

    pub(crate) fn add(&mut self, block: Block) {
        let same_height = self.heights.entry(block.header.number).or_default();
        if !same_height.contains(&block.hash) {
            same_height.push(block.hash);
        }
        self.blocks.insert(block.hash, block);
    }

    /// Changes storage after the best block.
    pub(crate) fn change_best(&mut self, changes: &[Change]) -> Result<(), ChainError> {
        let hash = self.best.hash;
        let mut state = self.state(hash)?;
        state.apply(changes);
        self.best.state = Some(state.clone());
        if let Some(block) = self.blocks.get_mut(&hash) {
            block.state = Some(state);
        }
        Ok(())
    }

    /// Makes the best chain end at a kept block.
    pub(crate) fn make_best(&mut self, hash: Hash, finality_lag: u32) -> Result<Moved, ChainError> {
        let head = self.blocks.get(&hash).ok_or(ChainError::NoSuchBlock { hash })?.clone();
        // Down from the new head to the first block that the best chain has.
        let mut route = Vec::new();
        let mut at = &head;
        while self.hash_at(at.header.number) != Some(at.hash) {
            route.push(at.notice.clone());
            let parent = Hash(at.header.parent);
            at = self.blocks.get(&parent).ok_or(ChainError::NoSuchBlock { hash: parent })?;
        }
        let fork = at.header.number;
        route.reverse();

        let gone = self.canonical.split_off((fork as usize).saturating_add(1));
        let left: Vec<Block> = gone.iter().rev().filter_map(|hash| self.blocks.get(hash)).cloned().collect();
        self.canonical.extend(route.iter().map(|notice| notice.hash));
        let back_at = (route.is_empty() && !left.is_empty()).then(|| head.notice.clone());

        self.finalized = self.finalized.min(fork);
        let target = head.header.number.saturating_sub(finality_lag);
        let numbers = self.finalized.saturating_add(1)..=target;
        let finalized = numbers
            .filter_map(|number| self.hash_at(number))
            .filter_map(|hash| self.blocks.get(&hash))
            .map(|block| block.notice.clone())
            .collect();
        self.finalized = self.finalized.max(target);
        self.best = head;
        Ok(Moved { left, joined: route, back_at, finalized })
    }

    /// Forgets what is too old.
    pub(crate) fn prune(&mut self, keep_states: u32, keep_blocks: u32) {
        let best = self.best.header.number;
        let states_from = best.saturating_add(1).saturating_sub(keep_states.max(1));
        for number in self.states_from..states_from {
            for hash in self.heights.get(&number).into_iter().flatten() {
                if let Some(block) = self.blocks.get_mut(hash) {
                    block.state = None;
                }
            }
        }
        self.states_from = self.states_from.max(states_from);
        let blocks_from = best.saturating_add(1).saturating_sub(keep_blocks.max(keep_states).max(1));
        while let Some(lowest) = self.heights.first_entry().filter(|entry| *entry.key() < blocks_from) {
            for hash in lowest.remove() {
                self.blocks.remove(&hash);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(parent: Hash, number: u32, salt: u8) -> Header {
        Header {
            parent: parent.0,
            number,
            state_root: [salt; 32],
            extrinsics_root: [0; 32],
            digest: Vec::new(),
        }
    }

    fn grow(history: &mut History, parent: Hash, salt: u8) -> Hash {
        let number = history.block(parent).unwrap().header.number + 1;
        let block = Block::known(header(parent, number, salt), Vec::new(), Some(State::default()));
        let hash = block.hash;
        history.add(block);
        hash
    }

    /// A best chain of five blocks on the genesis, and their hashes by number.
    fn five(lag: u32) -> (History, Vec<Hash>) {
        let mut history = History::new(header(Hash([0; 32]), 0, 0), State::default());
        let mut hashes = vec![history.best().hash];
        for number in 1..=5 {
            let hash = grow(&mut history, hashes[number - 1], 0);
            let moved = history.make_best(hash, lag).unwrap();
            assert_eq!(moved.joined.len(), 1);
            hashes.push(hash);
        }
        (history, hashes)
    }

    fn hashes(notices: &[Arc<Notice>]) -> Vec<Hash> {
        notices.iter().map(|notice| notice.hash).collect()
    }

    #[test]
    fn a_longer_fork_takes_over() {
        let (mut history, old) = five(0);
        let a = grow(&mut history, old[3], 9);
        let b = grow(&mut history, a, 9);
        let c = grow(&mut history, b, 9);
        assert_eq!(history.best().hash, old[5]);
        let moved = history.make_best(c, 0).unwrap();
        assert_eq!(moved.left.iter().map(|block| block.hash).collect::<Vec<_>>(), [old[5], old[4]]);
        assert_eq!(hashes(&moved.joined), [a, b, c]);
        assert_eq!(hashes(&moved.finalized), [a, b, c]);
        assert_eq!(history.hash_at(4), Some(a));
        assert_eq!(history.hash_at(6), Some(c));
        assert_eq!(history.kept().count(), 7);
        // The blocks that were left can still be asked for.
        assert!(history.state(old[5]).is_ok());
    }

    #[test]
    fn the_head_can_go_back() {
        let (mut history, old) = five(0);
        let moved = history.make_best(old[2], 0).unwrap();
        assert_eq!(moved.left.len(), 3);
        assert!(moved.joined.is_empty());
        assert_eq!(moved.back_at.map(|notice| notice.hash), Some(old[2]));
        assert_eq!((history.hash_at(3), history.finalized_number()), (None, 2));
    }

    #[test]
    fn finality_is_behind_by_its_lag() {
        let (mut history, old) = five(3);
        assert_eq!(history.finalized(), old[2]);
        let fork = grow(&mut history, old[4], 9);
        let fork = grow(&mut history, fork, 9);
        assert_eq!(hashes(&history.make_best(fork, 3).unwrap().finalized), [old[3]]);
    }

    #[test]
    fn old_states_go_first_and_old_blocks_later() {
        let (mut history, old) = five(0);
        history.prune(2, 4);
        assert!(history.state(old[4]).is_ok());
        assert!(matches!(history.state(old[3]), Err(ChainError::Discarded { .. })));
        assert!(history.block(old[2]).is_some());
        assert!(matches!(history.state(old[1]), Err(ChainError::NoSuchBlock { .. })));
        // Hashes stay.
        assert_eq!(history.hash_at(0), Some(old[0]));
        assert!(history.make_best(old[1], 0).is_err());
    }

    #[test]
    fn a_change_of_storage_is_for_the_best_block_alone() {
        let (mut history, old) = five(0);
        history.change_best(&[(b"k".to_vec(), Some(b"v".to_vec()))]).unwrap();
        assert!(history.best_state().unwrap().get(b"k").is_some());
        assert!(history.state(old[4]).unwrap().get(b"k").is_none());
    }
}

//! Groups of recent windows, and how a step draws from them.

use crate::learn::error::{TrainError, within};
use grail_protocol::stream::Stream;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What can be chosen about replay.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReplaySettings {
    /// Windows kept; 1 to 1,024. The oldest goes first.
    pub windows: usize,
    /// Groups drawn at once; 1 to 1,048,576.
    pub groups: usize,
    /// Share of a draw that the newest window gets; 0 to 1.
    pub recent_share: f64,
    /// How much less each older window weighs than the next; above 0, at most 1.
    pub decay: f64,
    /// Most checkpoints that a group's model may lie behind the one that trains; 0 to 1,000,000.
    pub most_stale: u64,
}

impl Default for ReplaySettings {
    fn default() -> Self {
        Self { windows: 2, groups: 64, recent_share: 0.5, decay: 0.7, most_stale: 2 }
    }
}

impl ReplaySettings {
    /// Checks every range.
    ///
    /// Errors: [`TrainError::Setting`] with the first that does not hold.
    pub fn check(&self) -> Result<(), TrainError> {
        within("replay_windows", self.windows as f64, (1.0, 1_024.0), "1 to 1,024")?;
        within("replay_groups", self.groups as f64, (1.0, 1_048_576.0), "1 to 1,048,576")?;
        within("recent_share", self.recent_share, (0.0, 1.0), "0 to 1")?;
        within("replay_decay", self.decay, (f64::MIN_POSITIVE, 1.0), "above 0, at most 1")?;
        within("most_stale", self.most_stale as f64, (0.0, 1e6), "0 to 1,000,000")
    }

    /// How many groups each of `windows` windows is asked for, from the oldest to the newest.
    ///
    /// The newest gets the floor of its share; the others share the rest by `decay^(age − 1)`, floored.
    pub fn shares(&self, windows: usize) -> Vec<usize> {
        let Some(older) = windows.checked_sub(1) else { return Vec::new() };
        let newest = if older == 0 { self.groups } else { (self.groups as f64 * self.recent_share) as usize };
        let rest = (self.groups - newest.min(self.groups)) as f64;
        let weights: Vec<f64> = (0..older).map(|i| self.decay.powi((older - 1 - i) as i32)).collect();
        let all: f64 = weights.iter().sum();
        let mut shares: Vec<usize> = weights.iter().map(|weight| (rest * weight / all) as usize).collect();
        shares.push(newest);
        shares
    }
}

/// A group in the buffer. `K` is its identity: hotkey, window and number of the group together.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept<K, G> {
    /// Identity; no two groups of a buffer share one.
    pub key: K,
    /// Sequence number of the checkpoint that wrote it.
    pub checkpoint: u64,
    /// The group.
    pub group: G,
}

/// Groups by window.
#[derive(Debug, Clone)]
pub struct Replay<K, G> {
    settings: ReplaySettings,
    windows: BTreeMap<u64, Vec<Kept<K, G>>>,
}

impl<K: Ord, G> Replay<K, G> {
    /// An empty buffer.
    ///
    /// Errors: those of [`ReplaySettings::check`].
    pub fn new(settings: ReplaySettings) -> Result<Self, TrainError> {
        settings.check()?;
        Ok(Self { settings, windows: BTreeMap::new() })
    }

    /// Puts in the groups of a window, in place of what it had; of two groups with one key the first stays. Then
    /// the oldest windows beyond the limit go. A window without groups takes no place.
    pub fn insert(&mut self, window: u64, groups: Vec<Kept<K, G>>) {
        let mut unique = BTreeMap::new();
        for kept in groups {
            if let std::collections::btree_map::Entry::Vacant(place) = unique.entry(kept.key) {
                place.insert((kept.checkpoint, kept.group));
            }
        }
        let unique: Vec<_> =
            unique.into_iter().map(|(key, (checkpoint, group))| Kept { key, checkpoint, group }).collect();
        if unique.is_empty() {
            self.windows.remove(&window);
        } else {
            self.windows.insert(window, unique);
        }
        while self.windows.len() > self.settings.windows {
            self.windows.pop_first();
        }
    }

    /// Drops what a checkpoint too far behind `current` wrote; how many groups went.
    pub fn retire(&mut self, current: u64) -> usize {
        let mut gone = 0;
        for groups in self.windows.values_mut() {
            let before = groups.len();
            groups.retain(|kept| current.saturating_sub(kept.checkpoint) <= self.settings.most_stale);
            gone += before - groups.len();
        }
        self.windows.retain(|_, groups| !groups.is_empty());
        gone
    }

    /// Windows with groups, from the oldest to the newest, each with its groups in the order of their keys.
    pub fn windows(&self) -> impl Iterator<Item = (u64, &[Kept<K, G>])> {
        self.windows.iter().map(|(window, groups)| (*window, groups.as_slice()))
    }

    /// Draws groups for a step, none twice, from the oldest window to the newest; what windows cannot give is made
    /// up from the rest of the newest, then of older ones.
    ///
    /// The draw is a function of the buffer's content, `seed` and `number` alone: no generator runs on from draw to
    /// draw, so a run that starts again draws the same.
    pub fn draw(&self, seed: &[u8; 32], number: u64) -> Vec<&Kept<K, G>> {
        let mut stream = Stream::new(seed, number);
        let shares = self.settings.shares(self.windows.len());
        let mut rest: Vec<Vec<&Kept<K, G>>> =
            self.windows.values().map(|groups| groups.iter().collect()).collect();
        let mut drawn = Vec::new();
        for (groups, share) in rest.iter_mut().zip(shares) {
            drawn.extend(pick(groups, share, &mut stream));
        }
        for groups in rest.iter_mut().rev() {
            drawn.extend(pick(groups, self.settings.groups.saturating_sub(drawn.len()), &mut stream));
        }
        drawn
    }
}

/// Takes `count` items out at random, or all that there are.
fn pick<T>(items: &mut Vec<T>, count: usize, stream: &mut Stream) -> Vec<T> {
    let mut picked = Vec::new();
    while picked.len() < count {
        let bound = u32::try_from(items.len()).unwrap_or(u32::MAX);
        let Some(index) = stream.below(bound) else { break };
        picked.push(items.swap_remove(index as usize));
    }
    picked
}

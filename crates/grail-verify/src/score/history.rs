use super::{WeightRule, Weights};
use grail_protocol::words::{Hotkey, WindowStart};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What one miner has shown in one window. Undecided rollouts are not in it, for or against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Rollouts that were verified and count.
    pub valid: u64,
    /// Keys of the distinct right solutions among them.
    pub solutions: BTreeSet<[u8; 32]>,
    /// Groups in the file ÷ groups that were verified; at least 1.
    pub extrapolation: f64,
}

/// The rolling interval of windows that weights are made of.
///
/// Holds at most the number of windows it was made for; recording a newer one forgets the oldest.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    windows: usize,
    tallies: BTreeMap<WindowStart, BTreeMap<Hotkey, Tally>>,
    /// Files that were read on paper alone, for lack of time.
    carried: BTreeSet<(WindowStart, Hotkey)>,
    /// Files that something spoke against.
    blemished: BTreeSet<(WindowStart, Hotkey)>,
}

/// What a miner's weight is made of.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// Windows of the interval in which it was tallied.
    pub windows: usize,
    /// Verified rollouts, extrapolated.
    pub valid: f64,
    /// Distinct right solutions over the whole interval, extrapolated.
    pub unique: f64,
    /// `unique^1.5 · valid` under GRAIL/1.
    pub raw: f64,
}

impl History {
    /// A history over that many windows, at least one.
    pub fn new(windows: usize) -> Self {
        Self {
            windows: windows.max(1),
            tallies: BTreeMap::new(),
            carried: BTreeSet::new(),
            blemished: BTreeSet::new(),
        }
    }

    /// Takes in what a miner has shown in a window; replaces an earlier word on the same window and miner.
    pub fn record(&mut self, window: WindowStart, hotkey: Hotkey, tally: Tally) {
        self.open(window);
        if let Some(miners) = self.tallies.get_mut(&window) {
            miners.insert(hotkey, tally);
        }
    }

    /// Takes in a window, if only to let it displace an old one: a window in which nobody had a file counts too.
    pub fn open(&mut self, window: WindowStart) {
        self.tallies.entry(window).or_default();
        while self.tallies.len() > self.windows {
            self.tallies.pop_first();
        }
        if let Some((oldest, _)) = self.tallies.first_key_value() {
            let oldest = *oldest;
            self.carried.retain(|(window, _)| *window >= oldest);
            self.blemished.retain(|(window, _)| *window >= oldest);
        }
    }

    /// Takes in a file of which no group was proven and that nothing on paper speaks against: the miner's proven windows
    /// of the interval speak for it.
    pub fn carry(&mut self, window: WindowStart, hotkey: Hotkey) {
        self.open(window);
        self.carried.insert((window, hotkey));
    }

    /// Takes in that something spoke against a miner's file.
    pub fn blemish(&mut self, window: WindowStart, hotkey: Hotkey) {
        self.open(window);
        self.blemished.insert((window, hotkey));
    }

    /// Whether something spoke against a miner in the interval.
    pub fn is_blemished(&self, hotkey: &Hotkey) -> bool {
        self.blemished.iter().any(|(_, of)| of == hotkey)
    }

    /// Windows held, rising.
    pub fn windows(&self) -> impl Iterator<Item = WindowStart> {
        self.tallies.keys().copied()
    }

    /// What each miner's weight is made of.
    ///
    /// A solution counts once over the whole interval, in the first window that has it, multiplied by that window's
    /// extrapolation.
    ///
    /// A window that was carried counts as the mean of those in which the miner was proven, times the square of the share
    /// of these that nothing spoke against. As within a file, the square is what keeps bluffing from paying: whoever
    /// uploads nothing worth in some windows is caught in those that are proven, and loses more than it gains in the
    /// others.
    pub fn standings(&self, rule: WeightRule) -> BTreeMap<Hotkey, Standing> {
        let mut standings = BTreeMap::<Hotkey, (Standing, BTreeSet<[u8; 32]>)>::new();
        for (hotkey, tally) in self.tallies.values().flatten() {
            let empty = Standing { windows: 0, valid: 0.0, unique: 0.0, raw: 0.0 };
            let (standing, seen) = standings.entry(*hotkey).or_insert((empty, BTreeSet::new()));
            // Neither a sample nor a bad number can make less of a miner than was verified.
            let factor = if tally.extrapolation.is_finite() { tally.extrapolation.max(1.0) } else { 1.0 };
            let new = tally.solutions.iter().filter(|key| seen.insert(**key)).count();
            standing.windows += 1;
            standing.valid += tally.valid as f64 * factor;
            standing.unique += new as f64 * factor;
        }
        standings
            .into_iter()
            .map(|(hotkey, (standing, _))| {
                let factor = self.carried_factor(&hotkey, standing.windows);
                let standing =
                    Standing { valid: standing.valid * factor, unique: standing.unique * factor, ..standing };
                (hotkey, Standing { raw: rule.raw(&standing), ..standing })
            })
            .collect()
    }

    /// What the numbers of `proven` windows are multiplied by for the windows that were carried; 1 without any.
    fn carried_factor(&self, hotkey: &Hotkey, proven: usize) -> f64 {
        let count = |set: &BTreeSet<(WindowStart, Hotkey)>| set.iter().filter(|(_, of)| of == hotkey).count();
        let (carried, blemished) = (count(&self.carried), count(&self.blemished));
        if carried == 0 || proven == 0 {
            return 1.0;
        }
        let clean = proven.saturating_sub(blemished) as f64 / proven as f64;
        1.0 + carried as f64 / proven as f64 * clean * clean
    }

    /// Normalised weights; `None` when nobody has earned any, and then none are to be set.
    pub fn weights(&self, rule: WeightRule) -> Option<Weights> {
        self.weights_among(rule, |_| true)
    }

    /// Weights among those who are asked for; the others' share falls to them.
    pub fn weights_among(&self, rule: WeightRule, counts: impl Fn(&Hotkey) -> bool) -> Option<Weights> {
        let among = self.standings(rule).into_iter().filter(|(hotkey, _)| counts(hotkey));
        Weights::normalise(among.map(|(hotkey, standing)| (hotkey, standing.raw)))
    }
}

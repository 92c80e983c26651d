//! Adopted windows as they are kept, the memory over a restart.

use grail_protocol::words::{Hotkey, NetworkId, WindowStart};
use grail_verify::score::{History, Tally};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of the format of adopted windows.
pub(super) const VERSION: u16 = 1;
/// Most bytes of one.
pub(super) const MOST_BYTES: u64 = 256 << 20;
/// A window whose verdicts were adopted, as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdoptedWindow {
    /// Version of this format.
    pub version: u16,
    /// Network.
    pub network: NetworkId,
    /// Window.
    pub window: WindowStart,
    /// Whose verdicts.
    pub validator: Hotkey,
    /// What they make of each miner's file, where they hold.
    pub tallies: BTreeMap<Hotkey, AdoptedTally>,
    /// Files of which the verdict does not hold on paper, with why; they count nothing.
    pub refused: BTreeMap<Hotkey, String>,
}

/// A tally as it is kept: keys of solutions as 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdoptedTally {
    /// Rollouts that count.
    pub valid: u64,
    /// Keys of the distinct right solutions among them.
    pub solutions: Vec<String>,
    /// Groups in the file ÷ groups that were proven.
    pub extrapolation: f64,
}

impl AdoptedTally {
    pub(super) fn of(tally: &Tally) -> Self {
        let solutions = tally.solutions.iter().map(hex::encode).collect();
        Self { valid: tally.valid, solutions, extrapolation: tally.extrapolation }
    }

    fn tally(&self) -> Tally {
        let key = |digits: &String| {
            let mut key = [0; 32];
            hex::decode_to_slice(digits, &mut key).ok().map(|()| key)
        };
        let solutions = self.solutions.iter().filter_map(key).collect();
        Tally { valid: self.valid, solutions, extrapolation: self.extrapolation }
    }
}

/// Takes an adopted window into the history.
pub(super) fn remember(history: &mut History, adopted: &AdoptedWindow) {
    history.open(adopted.window);
    for (hotkey, tally) in &adopted.tallies {
        history.record(adopted.window, *hotkey, tally.tally());
    }
}

/// Name of a window's entry in the journal.
pub(super) fn name(window: WindowStart) -> String {
    format!("adopted-{window}.json")
}

/// The window of an entry; `None` for other entries.
pub(super) fn window_of(name: &str) -> Option<WindowStart> {
    name.strip_prefix("adopted-")?.strip_suffix(".json")?.parse().ok().map(WindowStart)
}

impl AdoptedWindow {
    /// The one line about a window that an operator reads.
    pub fn log(&self) {
        let (held, refused) = (self.tallies.len(), self.refused.len());
        tracing::info!(
            target: "grail::validate", event = "adopted", window = self.window.0, files = held, refused,
            "window {}: verdicts of {} on {held} files hold on paper, {refused} do not", self.window,
            self.validator.short()
        );
        for (hotkey, why) in self.refused.iter().take(8) {
            tracing::warn!(target: "grail::validate", miner = %hotkey.short(), window = self.window.0, "a verdict counts nothing: {why}");
        }
    }
}

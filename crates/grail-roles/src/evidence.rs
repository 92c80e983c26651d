//! Evidence against miners in a journal: what a validator has counted under the checkpoint in use, and who is left out.
//!
//! One entry, `evidence.json`, beside the reports and made of them. A report is written first and then taken in here, so
//! after a crash between the two the newest reports are taken in again from disk, once: the journal names the newest
//! window that it holds. What is added does not depend on the order, so it comes to the same.

use crate::{
    kept,
    reports::{FileOutcome, Reports, WindowReport},
};
use grail_ports::Fault;
use grail_protocol::words::{CheckpointId, Hotkey, NetworkId, WindowStart};
use grail_verify::score::{Alarm, Evidence};
use grail_verify::{MinerReport, Sampling};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Name of its entry, beside the reports.
pub const EVIDENCE_FILE: &str = "evidence.json";
/// Version of the file format.
const VERSION: u16 = 1;
/// Most bytes of a journal: a few thousand miners with their history.
const MOST_BYTES: u64 = 64 << 20;
/// Windows of a miner's history that are kept.
const MOST_POINTS: usize = 64;
/// Most miners; those with the least evidence are forgotten first.
const MOST_MINERS: usize = 8_192;
/// Miners that evidence must bring an exclusion at once before it is taken for trouble of ours.
const TOO_MANY: usize = 4;
/// What an operator is told then.
const TROUBLE_OF_OURS: &str = "evidence against most miners at once speaks against this machine; this window's is thrown \
    away. Look at the device and the model, for example with `grail-validator check-file`";
/// Windows for which a miner is left out, by default: twice the interval that weights are made of.
pub const EXCLUSION_WINDOWS: u32 = 24;

/// A validator's journal of evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceJournal {
    /// Version of this format.
    pub version: u16,
    /// Network.
    pub network: NetworkId,
    /// The checkpoint that the evidence is about.
    pub checkpoint: Option<CheckpointId>,
    /// The newest window taken in.
    pub window: Option<WindowStart>,
    /// What there is about each miner.
    pub miners: BTreeMap<Hotkey, MinerEvidence>,
}

/// What there is about a miner.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MinerEvidence {
    /// Under the checkpoint in use.
    pub evidence: Evidence,
    /// How it came about, oldest first; under earlier checkpoints too.
    pub history: Vec<Point>,
    /// The exclusion that holds, or held last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclusion: Option<Exclusion>,
}

/// A window in a miner's history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// Which window.
    pub window: WindowStart,
    /// Draws proven in it.
    pub draws: u64,
    /// Of these, lost.
    pub lost: u64,
    /// Most that honest drift explains on average, to a billionth.
    pub expected: f64,
    /// Decimal logarithm of the evidence after it, to a thousandth.
    pub log10: f64,
    /// Whether more of its groups were proven than is usual.
    pub looked_closer: bool,
}

/// A miner that is left out, with the numbers that are the reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exclusion {
    /// The window whose draws brought it.
    pub since: WindowStart,
    /// The first window that is judged again.
    pub until: WindowStart,
    /// Draws proven under the checkpoint.
    pub draws: u64,
    /// Of these, lost.
    pub lost: u64,
    /// Most that honest drift explains on average, to a billionth.
    pub expected: f64,
    /// Decimal logarithm of the evidence at its largest.
    pub log10: f64,
}

impl std::fmt::Display for Exclusion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { since, until, draws, lost, expected, log10 } = self;
        write!(
            f,
            "up to window {since}, {lost} of {draws} proven draws were lost where honest drift explains {expected:.3} at \
             most on average: evidence of 10^{log10:.1}, and honest miners reach 10^{} once in a million checkpoints; left \
             out until window {until}",
            grail_verify::score::evidence::LEAVE_OUT_LOG10
        )
    }
}

/// What a window's report adds: miners that are left out from now on.
pub type Excluded = Vec<(Hotkey, Exclusion)>;

impl EvidenceJournal {
    /// A journal without entries.
    pub const fn new(network: NetworkId) -> Self {
        Self { version: VERSION, network, checkpoint: None, window: None, miners: BTreeMap::new() }
    }

    /// Reads the journal beside reports; an empty one where there is none.
    ///
    /// Errors: an entry that is no journal, or another network's.
    pub fn load(reports: &Reports, network: &NetworkId) -> Result<Self, Fault> {
        let (journal, then) = (reports.journal(), "count anew from the reports beside it");
        let Some(loaded) = kept::load::<Self>(journal, EVIDENCE_FILE, MOST_BYTES, then)? else {
            return Ok(Self::new(network.clone()));
        };
        let place = journal.place(EVIDENCE_FILE);
        kept::of_version(&place, loaded.version, VERSION)?;
        kept::of_network(&place, &loaded.network, network, "")?;
        Ok(loaded)
    }

    /// Writes the journal, whole or not at all.
    pub fn save(&self, reports: &Reports) -> Result<(), Fault> {
        kept::save(reports.journal(), EVIDENCE_FILE, self)
    }

    /// Takes in a window's report; one that was taken in before changes nothing. Returns whom it brings an exclusion of
    /// `windows` windows of `length` blocks.
    ///
    /// Another checkpoint than before restarts all evidence. Exclusions stay. A profile that is not calibrated brings
    /// nobody an exclusion. Where it would be brought to most of the miners at once, and to four of them at least, the
    /// trouble is rather ours: the window's draws are not counted.
    pub fn take(&mut self, report: &WindowReport, windows: u32, length: u64) -> Excluded {
        if self.window.is_some_and(|newest| report.window <= newest) {
            return Vec::new();
        }
        self.window = Some(report.window);
        if self.checkpoint != Some(report.checkpoint) {
            self.checkpoint = Some(report.checkpoint);
            self.miners.values_mut().for_each(|miner| miner.evidence = Evidence::default());
        }
        let decides = report.numeric.is_some_and(|numeric| numeric.drift().calibrated);
        let until =
            WindowStart(report.window.0.saturating_add((u64::from(windows) + 1).saturating_mul(length)));
        let (before, mut excluded, mut drawn) = (self.miners.clone(), Vec::new(), 0);
        for entry in &report.miners {
            let FileOutcome::Judged(judged) = &entry.outcome else { continue };
            drawn += usize::from(judged.tally.draws.is_some());
            let closer = entry.sampling.filter(|own| report.sampling.is_none_or(|usual| own.max > usual.max));
            if let Some(exclusion) = self.take_file(report.window, closer, judged, decides, until) {
                excluded.push((entry.hotkey, exclusion));
            }
        }
        if excluded.len() >= TOO_MANY && 2 * excluded.len() > drawn {
            tracing::error!(
                target: "grail::validate", window = report.window.0, miners = excluded.len(), of = drawn,
                "{TROUBLE_OF_OURS}"
            );
            self.miners = before;
            return Vec::new();
        }
        self.forget(report.window);
        excluded
    }

    fn take_file(
        &mut self,
        window: WindowStart,
        sampling: Option<Sampling>,
        report: &MinerReport,
        decides: bool,
        until: WindowStart,
    ) -> Option<Exclusion> {
        let drawn = report.tally.draws.filter(|draws| draws.draws > 0)?;
        let miner = self.miners.entry(report.hotkey).or_default();
        for rollout in report.groups.iter().flat_map(|group| &group.rollouts) {
            if let Some(draws) = rollout.measured.as_ref().and_then(|measured| measured.draws) {
                miner.evidence.add(draws.draws, draws.lost, draws.expected);
            }
        }
        miner.history.push(Point {
            window,
            draws: drawn.draws,
            lost: drawn.lost,
            expected: drawn.expected,
            log10: (miner.evidence.log10() * 1e3).round() / 1e3,
            looked_closer: sampling.is_some(),
        });
        let surplus = miner.history.len().saturating_sub(MOST_POINTS);
        miner.history.drain(..surplus);
        if !decides || miner.evidence.alarm() != Alarm::LeaveOut {
            return None;
        }
        let exclusion = Exclusion {
            since: window,
            until,
            draws: miner.evidence.draws(),
            lost: miner.evidence.lost(),
            expected: miner.evidence.expected(),
            log10: miner.evidence.peak_log10(),
        };
        // Whoever comes back begins anew.
        miner.evidence = Evidence::default();
        miner.exclusion = Some(exclusion.clone());
        Some(exclusion)
    }

    /// Keeps the journal small: nobody without evidence, history or exclusion, and not too many.
    fn forget(&mut self, now: WindowStart) {
        let surplus = self.miners.len().saturating_sub(MOST_MINERS);
        if surplus == 0 {
            return;
        }
        let mut order: Vec<(bool, f64, Hotkey)> = self
            .miners
            .iter()
            .map(|(hotkey, miner)| (self.exclusion(hotkey, now).is_some(), miner.evidence.log10(), *hotkey))
            .collect();
        order.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)));
        for (_, _, hotkey) in order.into_iter().take(surplus) {
            self.miners.remove(&hotkey);
        }
    }

    /// The exclusion of a miner that holds in a window.
    pub fn exclusion(&self, hotkey: &Hotkey, window: WindowStart) -> Option<&Exclusion> {
        let exclusion = self.miners.get(hotkey)?.exclusion.as_ref()?;
        (exclusion.since <= window && window < exclusion.until).then_some(exclusion)
    }

    /// The rule for a miner's file under a checkpoint: the usual one, or more of it where there is evidence.
    pub fn sampling(
        &self,
        hotkey: &Hotkey,
        checkpoint: CheckpointId,
        usual: Sampling,
        decides: bool,
    ) -> Option<Sampling> {
        let miner = self.miners.get(hotkey).filter(|_| decides && self.checkpoint == Some(checkpoint))?;
        (miner.evidence.alarm() >= Alarm::LookCloser).then(|| usual.raised())
    }
}

#[cfg(test)]
mod tests;

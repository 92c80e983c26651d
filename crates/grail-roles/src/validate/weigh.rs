//! From reports to weights on the chain.

use super::Validator;
use crate::context::Sources;
use crate::reports::{FileOutcome, MinerEntry, WindowReport};
use grail_ports::{
    Fault,
    chain::{ChainWrite, Inclusion, WeightRow},
};
use grail_protocol::words::{BlockNumber, Hotkey};
use grail_verify::{
    Doubt, MinerReport, Sampling, Verdict,
    score::{History, Tally, WeightRule, row},
};
use std::collections::BTreeSet;

/// What became of an attempt to set weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WeightsSet {
    /// They stand on the chain.
    Set {
        /// In this block.
        block: BlockNumber,
        /// As the chain was told.
        row: WeightRow,
    },
    /// Nobody has earned any; none were set.
    Nobody,
}

/// The rule for a file that is read on paper alone, for lack of time: no group is proven.
pub(super) const ON_PAPER: Sampling = Sampling { all_up_to: 0, share_percent: 0, min: 0, max: 0 };

/// Whether no group of a file was proven, for lack of time, and nothing on paper speaks against it.
fn is_carried(entry: &MinerEntry, judged: &MinerReport) -> bool {
    entry.sampling == Some(ON_PAPER) && judged.file == Verdict::Accepted && judged.tally.rejected.is_empty()
}

/// Whether any group of an entry was proven.
pub(super) fn was_proven(entry: &MinerEntry) -> bool {
    matches!(&entry.outcome, FileOutcome::Judged(judged) if judged.tally.draws.is_some_and(|draws| draws.draws > 0))
}

/// What counts are multiplied by: the tally's, unless time ran out in the middle of the file. Groups that were drawn and
/// not proven then say nothing about it, for or against.
fn extrapolation(judged: &MinerReport) -> f64 {
    let decided: Vec<_> =
        judged.groups.iter().filter(|group| group.verdict != Verdict::Undecided(Doubt::NotProven)).collect();
    if decided.is_empty() || decided.len() == judged.groups.len() {
        return judged.tally.extrapolation;
    }
    let proven = decided.len() as f64;
    let clean = decided.iter().filter(|group| group.verdict.rejection().is_none()).count() as f64 / proven;
    (f64::from(judged.tally.groups_claimed) / proven * clean * clean).max(1.0)
}

/// Takes a report into the history. Files without a verdict leave no trace, for or against; for those that were read on
/// paper alone the proven windows of their miners speak.
pub fn remember(history: &mut History, report: &WindowReport) {
    history.open(report.window);
    for entry in &report.miners {
        let FileOutcome::Judged(judged) = &entry.outcome else { continue };
        if !judged.tally.rejected.is_empty() || judged.file.rejection().is_some() {
            history.blemish(report.window, entry.hotkey);
        }
        if is_carried(entry, judged) {
            history.carry(report.window, entry.hotkey);
            continue;
        }
        let key = |digest: &str| {
            let mut bytes = [0; 32];
            hex::decode_to_slice(digest, &mut bytes).ok().map(|()| bytes)
        };
        let solutions: BTreeSet<[u8; 32]> = judged.solutions().into_iter().filter_map(key).collect();
        let tally = Tally { valid: judged.tally.accepted, solutions, extrapolation: extrapolation(judged) };
        history.record(report.window, entry.hotkey, tally);
    }
}

impl Validator {
    /// Sets weights from the history; `None` when the chain asks to wait.
    pub(super) async fn set_weights(&mut self) -> Result<Option<WeightsSet>, Fault> {
        // Whoever is left out has no weight for what it showed before either.
        let counts = |hotkey: &Hotkey| {
            self.judged.is_none_or(|window| self.evidence.exclusion(hotkey, window).is_none())
        };
        let put = put_weights(&self.sources, self.writer.as_ref(), &self.history, counts).await?;
        if put.is_some() {
            self.weights_due = false;
            self.since_weights = 0;
        }
        Ok(put)
    }
}

/// Sets the weights that a history comes to by the network's policy, among those who count; `None` when the chain asks to
/// wait.
pub(crate) async fn put_weights(
    sources: &Sources,
    writer: &dyn ChainWrite,
    history: &History,
    counts: impl Fn(&Hotkey) -> bool,
) -> Result<Option<WeightsSet>, Fault> {
    let policy = sources.network.params.weights;
    let weights = history.weights_among(WeightRule::of(&policy), counts);
    if weights.is_none() && policy.burn.is_none() {
        return Ok(Some(WeightsSet::Nobody));
    }
    let metagraph = sources.chain.metagraph().await?;
    let uid_of = |hotkey: &Hotkey| metagraph.find(hotkey).map(|neuron| neuron.uid);
    let row: WeightRow = row(weights.as_ref(), policy.burn, uid_of);
    if row.is_empty() {
        return Ok(Some(WeightsSet::Nobody));
    }
    match writer.set_weights(&row).await? {
        Inclusion::Included { block } => Ok(Some(WeightsSet::Set { block, row })),
        Inclusion::TooSoon { not_before } => {
            tracing::debug!(target: "grail::validate", not_before = not_before.0, "the chain asks to wait before setting weights");
            Ok(None)
        }
    }
}

impl WeightsSet {
    /// One line for the operator.
    pub fn log(&self) {
        match self {
            Self::Set { block, row } => {
                let shown: Vec<String> = row.iter().map(|(uid, weight)| format!("{uid}:{weight}")).collect();
                tracing::info!(
                    target: "grail::validate", event = "weights", block = block.0,
                    "weights set in block {block}: {}", shown.join(" ")
                );
            }
            Self::Nobody => tracing::info!(
                target: "grail::validate", event = "weights",
                "nobody has earned weight in these windows; none were set"
            ),
        }
    }
}

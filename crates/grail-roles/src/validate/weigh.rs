//! From reports to weights on the chain.

use super::Validator;
use crate::reports::{Outcome, WindowReport};
use grail_ports::{
    Fault,
    chain::{Inclusion, WeightRow},
};
use grail_protocol::words::{BlockNumber, Hotkey};
use grail_verify::score::{History, Tally, WeightRule};
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

/// Takes a report into the history. Files without a verdict leave no trace, for or against.
pub fn remember(history: &mut History, report: &WindowReport) {
    history.open(report.window);
    for entry in &report.miners {
        let Outcome::Judged(judged) = &entry.outcome else { continue };
        let key = |digest: &str| {
            let mut bytes = [0; 32];
            hex::decode_to_slice(digest, &mut bytes).ok().map(|()| bytes)
        };
        let solutions: BTreeSet<[u8; 32]> = judged.solutions().into_iter().filter_map(key).collect();
        let tally =
            Tally { valid: judged.tally.accepted, solutions, extrapolation: judged.tally.extrapolation };
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
        let Some(weights) = self.history.weights_among(WeightRule::IN_USE, counts) else {
            self.weights_done();
            return Ok(Some(WeightsSet::Nobody));
        };
        let metagraph = self.sources.chain.metagraph().await?;
        let mut row: WeightRow = Vec::new();
        for (hotkey, weight) in weights.to_u16() {
            // Whoever left the subnet since its window cannot be given weight.
            if let Some(neuron) = metagraph.find(&hotkey) {
                row.push((neuron.uid, weight));
            }
        }
        row.sort_unstable();
        if row.is_empty() {
            self.weights_done();
            return Ok(Some(WeightsSet::Nobody));
        }
        match self.writer.set_weights(&row).await? {
            Inclusion::Included { block } => {
                self.weights_done();
                Ok(Some(WeightsSet::Set { block, row }))
            }
            Inclusion::TooSoon { not_before } => {
                tracing::debug!(target: "grail::validate", not_before = not_before.0, "the chain asks to wait before setting weights");
                Ok(None)
            }
        }
    }

    const fn weights_done(&mut self) {
        self.weights_due = false;
        self.since_weights = 0;
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

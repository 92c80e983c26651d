//! What follows from a judged window: on the disk, in memory, and on the chain.

use super::{JudgedWindow, Validator, WeightsSet};
use grail_ports::{Door, Fault, Retry};

impl Validator {
    /// Brings a judged window to the disk, and what follows from it into memory. `None` where there was none.
    ///
    /// Errors: the disk has no room, or is away; the window stays and the next call tries again.
    pub(super) fn keep(&mut self) -> Result<Option<JudgedWindow>, Fault> {
        if self.evidence_unsaved {
            self.evidence.save(&self.reports)?;
            self.evidence_unsaved = false;
        }
        let Some(judged) = self.unsaved.take() else { return Ok(None) };
        if let Err(fault) = self.reports.save(&judged.report) {
            self.unsaved = Some(judged);
            return Err(fault);
        }
        let length = self.sources.network.params.window_length;
        let left_out = self.evidence.take(&judged.report, self.settings.exclusion, length);
        for (hotkey, exclusion) in left_out {
            tracing::warn!(
                target: "grail::validate", event = "left-out", miner = %hotkey, lost = exclusion.lost,
                draws = exclusion.draws, expected = exclusion.expected, log10 = exclusion.log10,
                until = exclusion.until.0, "{exclusion}"
            );
        }
        super::remember(&mut self.history, &judged.report);
        self.proven.extend(super::proven_in(&judged.report));
        if self.verdicts.is_some() {
            self.unpublished = Some(judged.report.clone());
        }
        self.judged = Some(judged.report.window);
        self.since_weights += 1;
        if self.since_weights >= self.settings.weights_every {
            self.weights_due = true;
        }
        // The report is there, and evidence is made of reports: without room for it the next step tries again.
        self.evidence_unsaved = self.evidence.save(&self.reports).is_err();
        Ok(Some(judged))
    }

    /// Sets weights where they are due; `None` where they are not, or could not be set.
    ///
    /// A chain that takes no weights must not keep files from being judged while they lie there. A permit or a stake that
    /// was lost comes back by itself, and so may a registration: what the chain refuses is tried again a window later.
    pub(super) async fn try_weights(&mut self) -> Result<Option<WeightsSet>, Fault> {
        let now = self.clock.now();
        if !self.weights_due || self.weights_refused_until.is_some_and(|until| now < until) {
            return Ok(None);
        }
        let fault = match self.set_weights().await {
            Ok(weights) => {
                self.weights_refused_until = None;
                return Ok(weights);
            }
            Err(fault) => fault,
        };
        match fault.retry {
            Retry::Later if self.is_behind().await => {
                if self.teller.is_due("weights", now) {
                    tracing::warn!(target: "grail::validate", fault = %fault.chain(), "could not set weights; judging first");
                }
                Ok(None)
            }
            Retry::Never if fault.door == Door::Chain => {
                let params = self.sources.network.params;
                let again = now.plus(params.window_length.saturating_mul(params.block_time_ms));
                self.weights_refused_until = Some(again);
                tracing::warn!(
                    target: "grail::validate", event = "weights-refused", fault = %fault.chain(),
                    "no weights are set: {}; files are judged and verdicts written, and weights are tried again with the \
                     next window", fault.chain()
                );
                Ok(None)
            }
            Retry::Later | Retry::Never => Err(fault),
        }
    }
}

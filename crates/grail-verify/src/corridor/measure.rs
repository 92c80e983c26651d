//! One rollout's claims against what the model says: sketch, draws, log-probabilities.

use crate::{
    Digits, Doubt, DrawStatistics, Over, Rejection, Verdict, report::ProofMeasures, verdict::inside,
};
use grail_artifact::window::RolloutRecord;
use grail_ports::{Fault, model::Readout};
use grail_protocol::{
    draw::DrawReading,
    logprob,
    profile::{NumericProfile, Thresholds},
    sketch,
};

/// Margins above the soft threshold that a rollout may have without being rejected.
const SOFT_MARGINS_ALLOWED: u32 = 1;

/// Measures a rollout and says what follows.
///
/// Order: sketch (root mean square, then single positions), tokens outside the top-p set, hard margins, the number of
/// soft margins, log-probabilities (one by one, then the digits of all), and last what leaves the rollout undecided: one
/// soft margin, or statistics that honest drift does not explain, where the profile is calibrated. What is reported of
/// several violations of one kind is the worst.
///
/// Errors: the readout does not belong to the rollout or holds values that are no numbers; the model's trouble.
pub(super) fn examine(
    record: &RolloutRecord,
    readout: &Readout,
    profile: NumericProfile,
) -> Result<(Verdict, ProofMeasures), Fault> {
    let (limits, drift) = (&profile.thresholds(), profile.drift());
    let length = record.tokens.len();
    if readout.sketch.len() != length || readout.draws.len() != length {
        return Err(inside(format!(
            "the model read {} sketches and {} draws for a completion of {length} tokens",
            readout.sketch.len(),
            readout.draws.len()
        )));
    }
    let finite = |draw: &DrawReading| {
        draw.margin.is_finite() && draw.margin >= 0.0 && draw.logprob.is_finite() && draw.gini.is_finite()
    };
    if let Some(position) = readout.draws.iter().position(|draw| !finite(draw)) {
        return Err(inside(format!("the model's reading at position {position} is not a number")));
    }
    let Some(distance) = sketch::distance(&record.sketch, &readout.sketch) else {
        return Err(inside("a completion without tokens came to the proof"));
    };
    let draws = Draws::of(record, readout, limits);
    let worst_logprob = worst_logprob(record, readout);
    let digits = Digits::of(record, readout);
    let statistics = DrawStatistics::of(&readout.draws, limits, &drift);
    let measured = ProofMeasures {
        sketch_rms: distance.rms,
        sketch_worst: distance.worst,
        margin_worst: draws.worst.map_or(0.0, |claim| claim.reading.margin),
        soft_margins: draws.soft_count,
        lost_draws: draws.lost,
        logprob_worst: worst_logprob.map_or(0.0, |claim| claim.error),
        digits: Some(digits),
        draws: Some(statistics),
    };

    let verdict = if distance.rms > limits.sketch_rms {
        Verdict::Rejected(Rejection::SketchRms {
            measured: distance.rms,
            allowed: limits.sketch_rms,
            worst: distance.worst,
            worst_at: distance.worst_at,
        })
    } else if distance.worst > limits.sketch_hard {
        Verdict::Rejected(Rejection::SketchPosition {
            position: distance.worst_at,
            measured: distance.worst,
            allowed: limits.sketch_hard,
        })
    } else if let Some(rejection) = draws.rejection(limits) {
        Verdict::Rejected(rejection)
    } else if let Some(claim) = worst_logprob.filter(|claim| claim.error > limits.logprob) {
        Verdict::Rejected(Rejection::LogprobError {
            position: claim.position,
            claimed: claim.claimed,
            recomputed: claim.recomputed,
            measured: claim.error,
            allowed: limits.logprob,
        })
    } else if digits.is_too_many(&drift) {
        Verdict::Rejected(digits.rejection(Over::Rollout, &drift))
    } else if let Some(claim) = draws.worst.filter(|claim| claim.reading.margin > limits.margin_soft) {
        Verdict::Undecided(Doubt::Inconclusive {
            position: claim.position,
            measured: claim.reading.margin,
            soft: limits.margin_soft,
            hard: limits.margin_hard,
        })
    } else if drift.calibrated && statistics.is_rarer_than(drift.withheld) {
        Verdict::Undecided(Doubt::Unlikely {
            lost: statistics.lost,
            expected: statistics.expected,
            log10: statistics.least_log10(),
            limit_log10: libm::log10(drift.withheld),
        })
    } else {
        Verdict::Accepted
    };
    Ok((verdict, measured))
}

/// One claimed token with its reading.
#[derive(Clone, Copy)]
struct Claim {
    position: u32,
    token: u32,
    reading: DrawReading,
}

/// What the draws of a rollout come to.
struct Draws {
    /// First token outside the outer top-p set.
    outside: Option<Claim>,
    /// First of the largest margins; `None` when every token won.
    worst: Option<Claim>,
    soft_first: u32,
    soft_count: u32,
    /// Tokens that are not the verifier's own winner.
    lost: u32,
}

impl Draws {
    fn of(record: &RolloutRecord, readout: &Readout, limits: &Thresholds) -> Self {
        let mut draws = Self { outside: None, worst: None, soft_first: 0, soft_count: 0, lost: 0 };
        for ((position, token), reading) in (0u32..).zip(&record.tokens).zip(&readout.draws) {
            let claim = Claim { position, token: *token, reading: *reading };
            if !reading.in_outer && draws.outside.is_none() {
                draws.outside = Some(claim);
            }
            if reading.winner != *token {
                draws.lost += 1;
            }
            if reading.margin > draws.worst.map_or(0.0, |worst| worst.reading.margin) {
                draws.worst = Some(claim);
            }
            if reading.margin > limits.margin_soft {
                if draws.soft_count == 0 {
                    draws.soft_first = position;
                }
                draws.soft_count += 1;
            }
        }
        draws
    }

    fn rejection(&self, limits: &Thresholds) -> Option<Rejection> {
        if let Some(Claim { position, token, reading }) = self.outside {
            let (winner, margin) = (reading.winner, reading.margin);
            return Some(Rejection::DrawOutsideNucleus { position, token, winner, margin });
        }
        if let Some(Claim { position, token, reading }) = self.worst
            && reading.margin > limits.margin_hard
        {
            return Some(Rejection::DrawMargin {
                position,
                token,
                winner: reading.winner,
                measured: reading.margin,
                allowed: limits.margin_hard,
            });
        }
        (self.soft_count > SOFT_MARGINS_ALLOWED).then_some(Rejection::DrawMargins {
            first: self.soft_first,
            count: self.soft_count,
            allowed: SOFT_MARGINS_ALLOWED,
            threshold: limits.margin_soft,
        })
    }
}

#[derive(Clone, Copy)]
struct LogprobClaim {
    position: u32,
    claimed: f32,
    recomputed: f32,
    error: f32,
}

/// The first of the largest errors of claimed log-probabilities.
///
/// The file's form ends at −32 nats, so the recomputed value is cut there too.
fn worst_logprob(record: &RolloutRecord, readout: &Readout) -> Option<LogprobClaim> {
    let least = logprob::dequantise(i16::MIN);
    let mut worst: Option<LogprobClaim> = None;
    for ((position, units), reading) in (0u32..).zip(&record.logprobs).zip(&readout.draws) {
        let (claimed, recomputed) = (logprob::dequantise(*units), reading.logprob.max(least));
        let error = (claimed - recomputed).abs();
        if worst.is_none_or(|worst| error > worst.error) {
            worst = Some(LogprobClaim { position, claimed, recomputed, error });
        }
    }
    worst
}

#[cfg(test)]
mod tests;

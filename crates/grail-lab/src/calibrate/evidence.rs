//! The profile file: what was measured, what it supports, and who says so.

use super::{Cell, Measures};
use crate::{LabError, statistics::upper_bound};
use grail_protocol::{
    hash::digest,
    profile::{Drift, NumericProfile, Thresholds},
    sign::{HotkeyPair, Signature, verify},
    words::Hotkey,
};
use grail_verify::Digits;
use serde::{Deserialize, Serialize};

/// How many times above the largest honest value that was measured a threshold must stand.
const HEADROOM: f64 = 3.0;
/// Label of what is signed.
const LABEL: &str = "grail/1 profile evidence";

/// Everything measured under one numeric profile.
#[derive(Debug, Clone, Serialize)]
pub struct ProfileEvidence {
    /// Form of the file.
    pub version: u32,
    /// Name of the profile.
    pub profile: &'static str,
    /// The thresholds in use, which the file is evidence for.
    pub thresholds: InUse,
    /// What they would be by the rule of the laboratory: three times the largest honest value.
    pub fit: Fit,
    /// What the counts support.
    pub bounds: Bounds,
    /// All cells together.
    pub total: Measures,
    /// Where all that comes from.
    pub runs: Vec<Run>,
}

/// What one command measured on one machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The command.
    pub command: String,
    /// Processor, device and library, in words.
    pub machine: String,
    /// Each cell by itself.
    pub cells: Vec<CellEvidence>,
}

/// One cell with what it measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CellEvidence {
    /// The model.
    pub model: String,
    /// The cell.
    pub cell: Cell,
    /// What it measured.
    pub measures: Measures,
}

/// Thresholds of a profile, as numbers of the file.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct InUse {
    /// See [`Thresholds::margin_hard`].
    pub margin_hard: f32,
    /// See [`Thresholds::margin_soft`].
    pub margin_soft: f32,
    /// See [`Thresholds::nucleus_slack`].
    pub nucleus_slack: f64,
    /// See [`Thresholds::sketch_hard`].
    pub sketch_hard: f32,
    /// See [`Thresholds::sketch_rms`].
    pub sketch_rms: f32,
    /// See [`Thresholds::logprob`].
    pub logprob: f32,
    /// κ: see `grail_protocol::profile::Drift::lost_per_gini`.
    pub lost_per_gini: f64,
    /// See `grail_protocol::profile::Drift::changed_digits`.
    pub changed_digits: f64,
}

impl InUse {
    fn of(profile: NumericProfile) -> Self {
        let Thresholds { margin_hard, margin_soft, nucleus_slack, sketch_hard, sketch_rms, logprob } =
            profile.thresholds();
        let Drift { lost_per_gini, changed_digits, .. } = profile.drift();
        Self {
            margin_hard,
            margin_soft,
            nucleus_slack,
            sketch_hard,
            sketch_rms,
            logprob,
            lost_per_gini,
            changed_digits,
        }
    }
}

/// Thresholds by the rule of the laboratory, from what was measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Fit {
    /// Times the largest honest value.
    pub headroom: f64,
    /// For [`InUse::margin_soft`] and everything above it.
    pub margin: f64,
    /// For [`InUse::sketch_hard`].
    pub sketch_hard: f64,
    /// For [`InUse::sketch_rms`].
    pub sketch_rms: f64,
    /// For [`InUse::logprob`].
    pub logprob: f64,
    /// Upper bound on κ at 95 % confidence: lost draws to impurity.
    pub lost_per_gini: f64,
    /// Upper bound at 95 % confidence on [`InUse::changed_digits`], the floor taken off: changed digits to `Σ (1 − p)`.
    pub changed_digits: f64,
    /// Whether every threshold in use stands at least as high.
    pub holds: bool,
}

/// What counts support, at 95 % confidence.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bounds {
    /// Honest rollouts.
    pub rollouts: u64,
    /// Those that the court would refuse, at most: one that fails two checks counts twice.
    pub false_refusals: u64,
    /// The rate of false refusals is at most this; with none seen it is three divided by the rollouts. No smaller rate is
    /// claimed.
    pub false_refusal_rate_at_most: f64,
    /// Honest tokens.
    pub tokens: u64,
    /// Those with a margin above the soft threshold.
    pub soft_margins: u64,
    /// The rate of such tokens is at most this.
    pub soft_margin_rate_at_most: f64,
}

/// What the measurements ask of the thresholds.
pub fn fitted(profile: NumericProfile, total: &Measures) -> Fit {
    let limits = InUse::of(profile);
    let fit = |largest: f64| HEADROOM * largest;
    // A Poisson bound on lost draws, divided by what they are counted against.
    let lost_at_most = upper_bound(total.lost, total.tokens) * total.tokens as f64;
    let fit = Fit {
        headroom: HEADROOM,
        margin: fit(total.margin.largest),
        sketch_hard: fit(total.sketch_largest()),
        sketch_rms: fit(total.sketch_rms.largest),
        logprob: fit(total.logprob.largest),
        lost_per_gini: if total.gini_sum > 0.0 { lost_at_most / total.gini_sum } else { f64::INFINITY },
        changed_digits: changed_digits(profile, total),
        holds: false,
    };
    Fit { holds: too_low(&limits, &fit, total).is_empty(), ..fit }
}

/// Names of the thresholds in use that stand lower than the measurements ask.
pub fn too_low(limits: &InUse, fit: &Fit, total: &Measures) -> Vec<&'static str> {
    let all = [
        ("margin (soft)", f64::from(limits.margin_soft) < fit.margin),
        ("sketch, one", f64::from(limits.sketch_hard) < fit.sketch_hard),
        ("sketch, rms", f64::from(limits.sketch_rms) < fit.sketch_rms),
        ("log-probability", f64::from(limits.logprob) < fit.logprob),
        ("lost per gini", limits.lost_per_gini < fit.lost_per_gini),
        ("changed digits", limits.changed_digits < fit.changed_digits),
        ("nucleus slack", total.outside > 0),
    ];
    all.into_iter().filter_map(|(name, is_low)| is_low.then_some(name)).collect()
}

fn changed_digits(profile: NumericProfile, total: &Measures) -> f64 {
    let Digits { of, changed, open } = total.digits;
    if open <= 0.0 {
        return 0.0;
    }
    let at_most = upper_bound(changed, of) * of as f64;
    ((at_most - profile.drift().changed_digits_floor * of as f64) / open).max(0.0)
}

/// The part of a profile file that was measured.
#[derive(Deserialize)]
struct Measured {
    version: u32,
    profile: String,
    runs: Vec<Run>,
}

/// Form of the file: 3 names in each cell who computed.
const VERSION: u32 = 3;
/// The form before, which is read: none of its cells says who computed.
const UNNAMED: u32 = 2;
/// Most runs in a file.
const MOST_RUNS: usize = 64;

impl ProfileEvidence {
    /// Puts what was measured under one profile together.
    ///
    /// Errors: two runs measured the same cell of the same model, in the same windows therefore; more than 64 runs.
    pub fn new(profile: NumericProfile, runs: Vec<Run>) -> Result<Self, LabError> {
        if runs.len() > MOST_RUNS {
            return Err(LabError::Evidence(format!("{} runs are more than {MOST_RUNS}", runs.len())));
        }
        let mut total = Measures::default();
        let mut seen: Vec<(&str, Cell)> = Vec::new();
        for one in runs.iter().flat_map(|run| &run.cells) {
            if seen.contains(&(one.model.as_str(), one.cell)) {
                let problem =
                    format!("{:?} of {} was measured twice, in the same windows", one.cell, one.model);
                return Err(LabError::Evidence(problem));
            }
            seen.push((&one.model, one.cell));
            total.merge(&one.measures);
        }
        let soft = f64::from(profile.thresholds().margin_soft);
        let beyond = total
            .margin
            .classes
            .iter()
            .filter(|(class, _)| 10f64.powf((f64::from(**class) + 1.0) / 10.0) > soft);
        let soft_margins = beyond.fold(0u64, |sum, (_, count)| sum.saturating_add(*count));
        let false_refusals = total
            .beyond
            .iter()
            .filter(|(name, _)| name.as_str() != "inconclusive")
            .fold(0u64, |sum, (_, count)| sum.saturating_add(*count));
        let bounds = Bounds {
            rollouts: total.rollouts,
            false_refusals,
            false_refusal_rate_at_most: upper_bound(false_refusals, total.rollouts),
            tokens: total.tokens,
            soft_margins,
            soft_margin_rate_at_most: upper_bound(soft_margins, total.tokens),
        };
        let (thresholds, fit) = (InUse::of(profile), fitted(profile, &total));
        Ok(Self { version: VERSION, profile: profile.name(), thresholds, fit, bounds, total, runs })
    }

    /// What the bytes of a profile file say was measured, and under which profile. What it concludes is not read: that is
    /// concluded anew.
    ///
    /// Errors: the bytes are none.
    pub fn measured(bytes: &[u8]) -> Result<(NumericProfile, Vec<Run>), LabError> {
        let file: Measured =
            serde_json::from_slice(bytes).map_err(|error| LabError::Evidence(error.to_string()))?;
        if ![UNNAMED, VERSION].contains(&file.version) {
            let problem = format!("it has form {}, {UNNAMED} and {VERSION} are known", file.version);
            return Err(LabError::Evidence(problem));
        }
        if file.runs.len() > MOST_RUNS {
            return Err(LabError::Evidence(format!(
                "it has {} runs, {MOST_RUNS} at most are read",
                file.runs.len()
            )));
        }
        let profile = NumericProfile::by_name(&file.profile)
            .ok_or_else(|| LabError::Evidence(format!("there is no profile {:?}", file.profile)))?;
        Ok((profile, file.runs))
    }

    /// The file's bytes.
    ///
    /// Errors: a number that JSON cannot spell, which a bound without trials is.
    pub fn to_json(&self) -> Result<Vec<u8>, LabError> {
        let Fit { margin, sketch_hard, sketch_rms, logprob, lost_per_gini, changed_digits, .. } = self.fit;
        let fit = [margin, sketch_hard, sketch_rms, logprob, lost_per_gini, changed_digits];
        let sums = self.runs.iter().flat_map(|run| &run.cells).flat_map(|one| {
            let m = &one.measures;
            [m.margin.largest, m.logprob.largest, m.gini.largest, m.sketch_rms.largest, m.gini_sum]
        });
        if !fit.into_iter().chain(sums).all(f64::is_finite) {
            return Err(LabError::Evidence("a number of it is not finite".into()));
        }
        let mut text =
            serde_json::to_vec_pretty(self).map_err(|error| LabError::Evidence(error.to_string()))?;
        text.push(b'\n');
        Ok(text)
    }
}

/// The signature that lies beside a profile file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seal {
    /// Who signs.
    pub hotkey: Hotkey,
    /// Over `H("grail/1 profile evidence", bytes of the file)`.
    pub signature: Signature,
}

/// Signs the bytes of a profile file.
pub fn seal_of(bytes: &[u8], pair: &HotkeyPair, entropy: [u8; 32]) -> Seal {
    Seal { hotkey: pair.hotkey(), signature: pair.sign(&digest(LABEL, &[bytes]), entropy) }
}

impl Seal {
    /// Whether these bytes were signed.
    pub fn is_of(&self, bytes: &[u8]) -> bool {
        verify(&self.hotkey, &digest(LABEL, &[bytes]), &self.signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measures(margin: f64, lost: u64, changed: u64) -> Measures {
        let mut measures =
            Measures { rollouts: 1_000, tokens: 20_000, gini_sum: 40_000.0, lost, ..Measures::default() };
        measures.digits = Digits { of: 20_000, changed, open: 10_000.0 };
        measures.margin.add(margin);
        measures
    }

    #[test]
    fn a_threshold_holds_while_it_stands_three_times_above_the_largest_value() {
        assert!(fitted(NumericProfile::StrictF32, &measures(0.000_9, 0, 0)).holds);
        assert!(!fitted(NumericProfile::StrictF32, &measures(0.001_1, 0, 0)).holds);
        // Forty lost draws at an impurity of 40,000 are 0.001 and not 0.0006.
        assert!(!fitted(NumericProfile::StrictF32, &measures(0.000_1, 40, 0)).holds);
        // Half of each distribution is open: 1,150 of 20,000 digits may be one in eight of that, 1,350 are more.
        assert!(fitted(NumericProfile::StrictF32, &measures(0.000_1, 0, 1_150)).holds);
        assert!(!fitted(NumericProfile::StrictF32, &measures(0.000_1, 0, 1_350)).holds);
    }

    #[test]
    fn a_file_is_read_back_and_a_cell_is_counted_once() {
        let cell = *Cell::all().first().expect("a cell");
        let run = |model: &str| Run {
            command: "one".into(),
            machine: "a machine".into(),
            cells: vec![CellEvidence { model: model.into(), cell, measures: measures(0.000_1, 0, 3) }],
        };
        let profile = NumericProfile::StrictF32;
        let evidence = ProfileEvidence::new(profile, vec![run("a"), run("b")]).expect("two models");
        assert_eq!((evidence.total.rollouts, evidence.bounds.rollouts), (2_000, 2_000));
        let bytes = evidence.to_json().expect("numbers");
        assert_eq!(ProfileEvidence::measured(&bytes).expect("our own file"), (profile, evidence.runs));
        let twice = ProfileEvidence::new(profile, vec![run("a"), run("a")]).expect_err("the same windows");
        assert!(twice.to_string().contains("twice"), "{twice}");
        for (wrong, why) in [
            (r#"{"version": 1, "profile": "strict-f32", "runs": []}"#, "form 1"),
            (r#"{"version": 2, "profile": "lax", "runs": []}"#, "lax"),
            (r#"{"version": 2, "profile": "strict-f32"}"#, "runs"),
        ] {
            let error = ProfileEvidence::measured(wrong.as_bytes()).expect_err("a wrong file").to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_file_of_before_says_nothing_of_who_computed_and_is_read() {
        let bytes = include_bytes!("../../../../fixtures/profiles/strict-bf16.json");
        let (profile, runs) = ProfileEvidence::measured(bytes).expect("a file of form 2");
        assert_eq!(profile, NumericProfile::StrictBf16);
        let cells = || runs.iter().flat_map(|run| &run.cells);
        assert!(cells().count() > 24);
        assert!(cells().all(|one| (one.cell.miner_by, one.cell.validator_by) == (None, None)));
        assert!(cells().all(|one| one.cell.first_window().is_some()));
    }

    #[test]
    fn a_seal_is_of_its_bytes_alone() {
        let pair = HotkeyPair::from_seed(&[3; 32]).expect("a seed");
        let seal = seal_of(b"measured", &pair, [1; 32]);
        assert!(seal.is_of(b"measured") && !seal.is_of(b"made up"));
    }
}

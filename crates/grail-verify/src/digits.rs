//! Whether the last digits of claimed log-probabilities are those of the checkpoint's own weights.
//!
//! A log-probability is claimed in steps of 1/1024 nat. Where two machines' logits drift apart by δ nats, that of a token
//! with chance p drifts by about δ·(1 − p), and lies in another step with a chance of about 1024·δ·(1 − p). Rounded weights
//! move most of these digits, honest arithmetic few of them: each by itself stays far within its threshold, and it is their
//! number that tells. With `M = Σ κ_d·(1 − p_t) + f`, most that honest drift explains on average, the chance of k changed
//! digits or more is at most `exp(−(k·ln(k/M) − k + M))`, by Chernoff. κ_d and f are the numeric profile's, with its
//! evidence.
//!
//! What this supposes: that where a value lies within its step has nothing to do with how it drifts. No public noise makes
//! it so, unlike the draws; what speaks for it is that honest machines stay far below M.

use crate::{
    Rejection,
    statistics::{chernoff, rounded},
};
use grail_artifact::window::RolloutRecord;
use grail_ports::model::Readout;
use grail_protocol::{logprob::quantise, profile::Drift};
use serde::{Deserialize, Serialize};

/// What was counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Over {
    /// One rollout.
    Rollout,
    /// The rollouts of a group that were proven.
    Group,
    /// All rollouts of the file that were proven: one model made it.
    File,
}

impl Over {
    /// The word in sentences.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rollout => "rollout",
            Self::Group => "group",
            Self::File => "file",
        }
    }
}

/// How many claimed log-probabilities are another step than the recomputed one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Digits {
    /// Log-probabilities, one a token.
    pub of: u64,
    /// Those that are another step of 1/1024 nat.
    pub changed: u64,
    /// `Σ (1 − p_t)`: how much of the distributions lies beside the claimed tokens; to a billionth.
    pub open: f64,
}

impl Digits {
    /// Counts the digits of one rollout: claimed log-probabilities beside those of the readout.
    pub fn of(record: &RolloutRecord, readout: &Readout) -> Self {
        let mut digits = Self::default();
        for (claimed, reading) in record.logprobs.iter().zip(&readout.draws) {
            digits.of += 1;
            digits.changed += u64::from(quantise(reading.logprob) != Some(*claimed));
            digits.open -= libm::expm1(f64::from(reading.logprob.min(0.0)));
        }
        Self { open: rounded(digits.open, 1e9), ..digits }
    }

    /// Of several rollouts together.
    pub fn sum(parts: impl Iterator<Item = Self>) -> Self {
        let sum = parts.fold(Self::default(), |sum, part| Self {
            of: sum.of.saturating_add(part.of),
            changed: sum.changed.saturating_add(part.changed),
            open: sum.open + part.open,
        });
        Self { open: rounded(sum.open, 1e9), ..sum }
    }

    /// Most changed digits that honest drift explains on average.
    pub fn expected(&self, drift: &Drift) -> f64 {
        drift.changed_digits * self.open + drift.changed_digits_floor * self.of as f64
    }

    /// Decimal logarithm of the chance that honest machines differ in as many digits, at most; to a thousandth. 0 under a
    /// profile that is not calibrated.
    pub fn log10(&self, drift: &Drift) -> f64 {
        if !drift.calibrated {
            return 0.0;
        }
        rounded(chernoff(self.changed as f64, self.expected(drift)) / std::f64::consts::LN_10, 1e3)
    }

    /// Whether honest machines differ in as many digits more seldom than the profile lets pass.
    pub fn is_too_many(&self, drift: &Drift) -> bool {
        self.log10(drift) < libm::log10(drift.changed_digits_chance)
    }

    /// What is said of rollouts with too many.
    pub(crate) fn rejection(&self, over: Over, drift: &Drift) -> Rejection {
        Rejection::LogprobDigits {
            over,
            changed: self.changed,
            of: self.of,
            expected: rounded(self.expected(drift), 1e3),
            log10: self.log10(drift),
            limit_log10: libm::log10(drift.changed_digits_chance),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use grail_protocol::profile::NumericProfile;

    const DRIFT: Drift = NumericProfile::StrictF32.drift();

    #[test]
    fn few_changed_digits_say_nothing_and_many_say_all() {
        let digits = |of, changed, open| Digits { of, changed, open };
        assert_eq!(digits(0, 0, 0.0).log10(&DRIFT), 0.0);
        assert_eq!(digits(8, 0, 4.0).log10(&DRIFT), 0.0);
        assert_eq!(digits(u64::MAX, 0, 1e18).log10(&DRIFT), 0.0);
        // Half of each distribution beside the token: 24 are expected of 384, 48 are rare, 80 are too many.
        let expected = digits(384, 0, 192.0).expected(&DRIFT);
        assert!((24.0..24.5).contains(&expected), "{expected}");
        assert!(!digits(384, 60, 192.0).is_too_many(&DRIFT));
        assert!(digits(384, 80, 192.0).is_too_many(&DRIFT));
        // Tokens that are certain have digits that nothing honest changes.
        assert!(!digits(384, 5, 0.1).is_too_many(&DRIFT));
        assert!(digits(384, 12, 0.1).is_too_many(&DRIFT));
        // Where nothing was measured every digit may differ.
        let open = NumericProfile::StrictBf16.drift();
        assert!(!digits(100_000, 100_000, 1.0).is_too_many(&open));
    }

    #[test]
    fn drift_of_the_assumed_size_stays_within_its_expectation() {
        // Logits of 50 tokens, drifting with the spread that κ_d stands for.
        let mut stream = grail_protocol::stream::Stream::new(&[9; 32], 0);
        let mut bell = || (0..12).map(|_| stream.word() as f32 / 4_294_967_296.0).sum::<f32>() - 6.0;
        let logprob = |logits: &[f64], at: usize| {
            let sum: f64 = logits.iter().map(|z| z.exp()).sum();
            logits[at] - sum.ln()
        };
        let mut digits = Digits::default();
        for step in 0..20_000 {
            let honest: Vec<f64> = (0..50).map(|_| f64::from(2.0 * bell())).collect();
            let other: Vec<f64> = honest.iter().map(|z| z + 8.6e-5 * f64::from(bell())).collect();
            let (one, two) = (logprob(&honest, step % 50), logprob(&other, step % 50));
            digits.of += 1;
            digits.changed += u64::from(quantise(one as f32) != quantise(two as f32));
            digits.open += 1.0 - two.exp();
        }
        assert!(digits.changed as f64 <= digits.expected(&DRIFT), "{digits:?}");
        assert!(digits.changed as f64 >= 0.4 * digits.expected(&DRIFT), "{digits:?}");
        assert!(!digits.is_too_many(&DRIFT));
    }
}

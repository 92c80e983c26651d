//! Whether draws were lost more often, or by more, than honest drift explains; and what freedom the margins leave.
//!
//! **Count** (T2): each of n draws is lost with a chance of at most `ρ_t = κ·g_t`. A draw that is lost with chance ρ is
//! rarer than an event of a Poisson process of mean `−ln(1 − ρ)`, so the chance of k lost draws or more is at most that
//! of a Poisson count of mean `Λ = Σ −ln(1 − ρ_t)`.
//! **Magnitude** (T3): `Σ min(m_t, c)/c` is a sum of numbers in `[0, 1]` with mean at most `M = ρ_t · share`, summed. Its
//! chance to reach y is at most `exp(−(y·ln(y/M) − y + M))`, by Chernoff.
//! **Slack**: with A the tokens within the hard margin m of the winner, `E log₂|A| ≤ log₂(1 + g·(e^m − 1))`. The sum
//! over a rollout bounds, on average, the bits among which a liar can choose without being refused by its margins.
//!
//! The bounds on chances hold for whatever came before, since the noise of a step is independent of it. They are as good
//! as κ, which the numeric profile gives with its evidence.

use grail_protocol::{
    draw::DrawReading,
    profile::{Drift, Thresholds},
};
use serde::{Deserialize, Serialize};

/// What many draws together say. Sums of a rollout, a group or a window's file.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrawStatistics {
    /// Draws that were proven, one a token.
    pub draws: u64,
    /// Those that the verifier's own certain candidates win, however closely.
    pub lost: u64,
    /// Most lost draws that honest drift explains on average: Λ, to a billionth.
    pub expected: f64,
    /// Sum of margins, each cut and divided by the profile's clip, to a billionth.
    pub magnitude: f64,
    /// Most that honest drift explains of it on average: M, to a billionth.
    pub magnitude_expected: f64,
    /// Decimal logarithm of the chance of so many lost draws, at most; to a thousandth.
    pub count_log10: f64,
    /// Decimal logarithm of the chance of such a magnitude, at most; to a thousandth.
    pub magnitude_log10: f64,
    /// Bits of freedom that the hard margin leaves on average, at most; to a thousandth.
    pub slack_bits: f64,
}

impl DrawStatistics {
    /// Of one rollout's readings, all of them numbers.
    pub(crate) fn of(draws: &[DrawReading], limits: &Thresholds, drift: &Drift) -> Self {
        let freedom = libm::expm1(f64::from(limits.margin_hard));
        let (mut lost, mut expected, mut magnitude, mut magnitude_expected, mut slack) =
            (0, 0.0, 0.0, 0.0, 0.0);
        for draw in draws {
            let chance = drift.chance(draw.gini);
            expected -= libm::log1p(-chance);
            magnitude_expected += chance * drift.clipped_share;
            slack += libm::log1p(f64::from(draw.gini).clamp(0.0, 1.0) * freedom);
            if draw.margin > 0.0 {
                lost += 1;
                magnitude += f64::from(draw.margin.min(drift.clip)) / f64::from(drift.clip);
            }
        }
        Self::new(
            [draws.len() as u64, lost],
            [expected, magnitude, magnitude_expected],
            slack / std::f64::consts::LN_2,
        )
    }

    /// Of several together; `None` of none.
    pub(crate) fn sum<'a>(parts: impl Iterator<Item = &'a Self>) -> Option<Self> {
        let mut any = false;
        let (mut counts, mut means, mut slack) = ([0u64; 2], [0.0; 3], 0.0);
        for part in parts {
            any = true;
            for (sum, value) in counts.iter_mut().zip([part.draws, part.lost]) {
                *sum = sum.saturating_add(value);
            }
            for (sum, value) in means.iter_mut().zip([part.expected, part.magnitude, part.magnitude_expected])
            {
                *sum += value;
            }
            slack += part.slack_bits;
        }
        any.then(|| Self::new(counts, means, slack))
    }

    fn new([draws, lost]: [u64; 2], means: [f64; 3], slack: f64) -> Self {
        let [expected, magnitude, magnitude_expected] = means.map(|value| rounded(value, 1e9));
        Self {
            draws,
            lost,
            expected,
            magnitude,
            magnitude_expected,
            count_log10: rounded(poisson_tail(lost, expected) / std::f64::consts::LN_10, 1e3),
            magnitude_log10: rounded(chernoff(magnitude, magnitude_expected) / std::f64::consts::LN_10, 1e3),
            slack_bits: rounded(slack, 1e3),
        }
    }

    /// Decimal logarithm of the smaller chance of the two.
    pub const fn least_log10(&self) -> f64 {
        self.count_log10.min(self.magnitude_log10)
    }

    /// Whether either chance lies below this one.
    pub fn is_rarer_than(&self, chance: f64) -> bool {
        self.least_log10() < libm::log10(chance)
    }
}

/// `ln P(N ≥ k)` for a Poisson count N of that mean; 0 where the bound says nothing.
fn poisson_tail(k: u64, mean: f64) -> f64 {
    let k = k as f64;
    if k <= mean || k <= 0.0 {
        return 0.0;
    }
    // Impossible under the hypothesis; a number that JSON can spell.
    if mean <= 0.0 {
        return IMPOSSIBLE;
    }
    // P(N = k) · (1 + mean/(k+1) + mean²/((k+1)(k+2)) + …), the terms falling faster than a geometric series.
    let first = k * libm::log(mean) - mean - libm::lgamma(k + 1.0);
    let (mut sum, mut term, mut next) = (1.0, 1.0, k + 1.0);
    while term > sum * 1e-12 && next < k + MOST_TERMS {
        term *= mean / next;
        sum += term;
        next += 1.0;
    }
    // What the cut series leaves out is at most a geometric series of the last quotient.
    let quotient = mean / next;
    let rest = if quotient < 1.0 { term * quotient / (1.0 - quotient) } else { 0.0 };
    (first + libm::log(sum + rest)).clamp(IMPOSSIBLE, 0.0)
}

/// `−(y·ln(y/M) − y + M)`; 0 where the bound says nothing.
pub(crate) fn chernoff(sum: f64, mean: f64) -> f64 {
    if sum <= mean || sum <= 0.0 {
        return 0.0;
    }
    if mean <= 0.0 {
        return IMPOSSIBLE;
    }
    (sum - mean - sum * libm::log(sum / mean)).clamp(IMPOSSIBLE, 0.0)
}

/// Natural logarithm that stands for chances too small to tell apart.
const IMPOSSIBLE: f64 = -1e9;
/// Terms of the Poisson series, at most; a fraction of them is needed where the mean is small.
const MOST_TERMS: f64 = 100_000.0;

/// Rounded so that few digits of JSON carry the value exactly.
pub(crate) fn rounded(value: f64, steps: f64) -> f64 {
    // Adding zero turns a negative zero into the other one.
    (value * steps).round() / steps + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use grail_protocol::profile::NumericProfile;

    const LIMITS: Thresholds = NumericProfile::StrictF32.thresholds();
    const DRIFT: Drift = NumericProfile::StrictF32.drift();

    fn draws(count: usize, gini: f32, margins: &[f32]) -> Vec<DrawReading> {
        let mut draws =
            vec![DrawReading { margin: 0.0, in_outer: true, winner: 1, logprob: -1.0, gini }; count];
        draws.iter_mut().zip(margins).for_each(|(draw, margin)| draw.margin = *margin);
        draws
    }

    fn of(count: usize, gini: f32, margins: &[f32]) -> DrawStatistics {
        DrawStatistics::of(&draws(count, gini, margins), &LIMITS, &DRIFT)
    }

    #[test]
    fn poisson_tails_are_those_of_the_tables() {
        for (k, mean, chance) in [
            (2, 1.0, 0.264_241_117_7),
            (3, 1.0, 0.080_301_397_1),
            (10, 3.0, 1.102_488_1e-3),
            (3, 0.01, 1.654_2e-7),
            (200, 100.0, 9.343_150e-19),
        ] {
            let found = poisson_tail(k, mean).exp();
            assert!((found / chance - 1.0).abs() < 1e-4, "P(N ≥ {k} | {mean}) = {found:e}, not {chance:e}");
        }
        assert_eq!(poisson_tail(0, 0.0), 0.0);
        assert_eq!(poisson_tail(2, 3.0), 0.0);
        assert_eq!(poisson_tail(1, 0.0), IMPOSSIBLE);
        assert!(poisson_tail(u64::MAX, 1.0) == IMPOSSIBLE);
        assert!(poisson_tail(1 << 40, (1u64 << 40) as f64 - 1.0).is_finite());
    }

    #[test]
    fn the_chernoff_bound_lies_above_the_exact_tail() {
        for (k, mean) in [(1u64, 0.1), (3, 0.5), (10, 3.0), (50, 20.0)] {
            assert!(chernoff(k as f64, mean) >= poisson_tail(k, mean), "{k} of {mean}");
        }
        assert_eq!(chernoff(1.0, 2.0), 0.0);
    }

    #[test]
    fn an_honest_rollout_is_never_noted_and_a_lost_near_tie_is_not_yet_rare() {
        let clean = of(1_024, 0.2, &[]);
        assert_eq!((clean.lost, clean.count_log10, clean.magnitude_log10), (0, 0.0, 0.0));
        assert!(!of(1_024, 0.2, &[1e-4]).is_rarer_than(DRIFT.noted));
        assert!(!of(40, 0.5, &[1e-4]).is_rarer_than(DRIFT.noted));
    }

    #[test]
    fn lost_draws_beyond_the_bound_become_rare_by_count_and_by_magnitude() {
        let many = of(200, 0.2, &[1e-5; 5]);
        assert!(many.is_rarer_than(DRIFT.withheld), "{many:?}");
        assert!(many.count_log10 < many.magnitude_log10, "close losses show in their number");
        let wide = of(200, 0.2, &[0.5; 3]);
        assert!(wide.magnitude_log10 < wide.count_log10, "wide losses show in their size: {wide:?}");
        assert_eq!(wide.magnitude, 3.0, "each is cut");
    }

    #[test]
    fn sums_are_those_of_the_parts_together() {
        let margins = [2e-3, 1e-3, 0.0, 5e-4];
        let parts = [of(30, 0.5, &margins[..2]), of(30, 0.5, &margins[2..])];
        let mut together = draws(30, 0.5, &margins[..2]);
        together.extend(draws(30, 0.5, &margins[2..]));
        let whole = DrawStatistics::of(&together, &LIMITS, &DRIFT);
        let sum = DrawStatistics::sum(parts.iter()).unwrap();
        assert_eq!((sum.draws, sum.lost, sum.count_log10), (whole.draws, whole.lost, whole.count_log10));
        assert!((sum.expected - whole.expected).abs() < 3e-9);
        assert!((sum.slack_bits - whole.slack_bits).abs() < 2e-3);
        assert_eq!(DrawStatistics::sum([].iter()), None);
    }

    #[test]
    fn slack_is_what_the_derivation_says() {
        // 1,024 draws of g = 0.2 at m = 0.01: 1,024 · log₂(1 + 0.2 · (e^0.01 − 1)).
        assert_eq!(of(1_024, 0.2, &[]).slack_bits, 2.966);
        assert_eq!(of(10, 0.0, &[]).slack_bits, 0.0);
    }

    #[test]
    fn json_reads_back_to_the_same_numbers() {
        for (count, gini, margins) in
            [(1usize, 0.9, &[1e-3f32][..]), (777, 0.333, &[2.9e-3, 1e-5]), (1_024, 1.0, &[])]
        {
            let statistics = of(count, gini, margins);
            let text = serde_json::to_string(&statistics).unwrap();
            assert_eq!(serde_json::from_str::<DrawStatistics>(&text).unwrap(), statistics, "{text}");
        }
    }
}

//! What honest drift of logits does to draws, over many of them.
//!
//! Evidence. Noise is public and independent of the drift, so a draw under logits that drift by δ is lost with a chance
//! of `½ · Σ p_u p_v |δ_u − δ_v|` to first order: at most `½ · D · g` where no two logits drift apart by more than D and
//! `g = 1 − Σ p²`. With Gaussian drift of spread σ it is `σ/√π · g`.
//! `strict-f32`: logits of decode and prefill were measured to differ by 10⁻⁵ to 10⁻⁴, so D ≤ 2·10⁻⁴ and the chance is
//! at most 10⁻⁴·g. The bound in use is that of σ = 0.001, the drift for which the profile's margins were set, and lies
//! above what was measured by a factor of five and more. Of 946,732 honest draws of a tiny model and SmolLM2-135M, on
//! processors and an H100 and from one to the other, none was lost (`fixtures/profiles/strict-f32.json`).
//! Digits: where logits drift with a spread of σ, the log-probability of a token with chance p drifts with one of at most
//! √2·σ·(1 − p), and lies in another step of 1/1024 nat with a chance of about `1024·√2·σ·(1 − p)` at most. The bound in
//! use, one in eight, is that of σ = 8.6·10⁻⁵, at the upper end of the 10⁻⁵ to 10⁻⁴ that were measured; the floor stands
//! for the rounding of the sum under the logarithm, which is there for certain tokens too. Of those honest digits 80
//! changed where this explains 5,592.
//! `strict-bf16` was measured in the same way: 87 of 205,339 honest draws were lost. Its thresholds have no room above the
//! largest honest values between a processor and a device, so its numbers decide nothing.

use super::NumericProfile;

/// How often, and by how much, honest draws may be lost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drift {
    /// κ: a draw of Gini impurity g is lost with a chance of at most κ·g, whatever came before it.
    pub lost_per_gini: f64,
    /// Margins are cut here before they are added up (nats).
    pub clip: f32,
    /// A lost draw's cut margin on average, at most, as a share of `clip`.
    pub clipped_share: f64,
    /// κ_d: a claimed log-probability of a token with chance p lies in another step of 1/1024 nat than the recomputed one
    /// with a chance of at most `κ_d·(1 − p) + f`.
    pub changed_digits: f64,
    /// f: the part of that chance that certain tokens have too.
    pub changed_digits_floor: f64,
    /// Chance under honest drift below which so many changed digits, in a rollout, a group or a file, reject it.
    pub changed_digits_chance: f64,
    /// Chance under honest drift below which a rollout's statistics are noted.
    pub noted: f64,
    /// Chance under honest drift below which a rollout is left undecided.
    pub withheld: f64,
    /// Whether the numbers rest on measurements. Where they do not, statistics are reported and decide nothing.
    pub calibrated: bool,
}

impl Drift {
    /// ρ = κ·g: the largest chance with which an honest draw of this Gini impurity (`1 − Σ p²` over the nucleus) is lost.
    pub fn chance(&self, gini: f32) -> f64 {
        // An impurity outside [0, 1) is no impurity; the next number is the safe one.
        self.lost_per_gini * f64::from(gini).clamp(0.0, 1.0)
    }
}

/// 1/√π.
const PER_SPREAD: f64 = 0.564_189_583_547_756_3;

impl NumericProfile {
    /// What honest machines under this profile do to draws and digits.
    pub const fn drift(self) -> Drift {
        match self {
            Self::StrictF32 => Drift {
                lost_per_gini: 0.001 * PER_SPREAD,
                clip: 0.003,
                clipped_share: 0.3,
                changed_digits: 1.0 / 8.0,
                changed_digits_floor: 1.0 / 2_048.0,
                changed_digits_chance: 1e-9,
                noted: 1e-3,
                withheld: 1e-6,
                calibrated: true,
            },
            Self::StrictBf16 => Drift {
                lost_per_gini: 0.06 * PER_SPREAD,
                clip: 0.3,
                clipped_share: 0.3,
                changed_digits: 1_024.0 * 0.06,
                changed_digits_floor: 1.0,
                changed_digits_chance: 1e-9,
                noted: 1e-3,
                withheld: 1e-6,
                calibrated: false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        draw::{Sampler, SamplingPolicy},
        seed::DrawKey,
        stream::Stream,
    };

    /// A value with a bell shape and spread 1.
    fn bell(stream: &mut Stream) -> f32 {
        let sum: f32 = (0..12).map(|_| stream.word() as f32 / 4_294_967_296.0).sum();
        sum - 6.0
    }

    #[test]
    fn drift_of_the_assumed_spread_loses_as_many_draws_as_the_bound_says_and_no_more() {
        // Ten times the spread and the bound, so that few draws show it.
        let (spread, drift) = (0.01f32, NumericProfile::StrictF32.drift());
        let bound = 10.0 * drift.lost_per_gini;
        let mut stream = Stream::new(&[3; 32], 0);
        let mut sampler = Sampler::new();
        let (mut lost, mut expected, mut shares) = (0u32, 0.0, 0.0);
        for step in 0..20_000u32 {
            let honest: Vec<f32> = (0..40).map(|_| 1.5 * bell(&mut stream)).collect();
            let other: Vec<f32> = honest.iter().map(|z| z + spread * bell(&mut stream)).collect();
            let key = DrawKey::from_bytes([7; 32]);
            let token = sampler.draw(&honest, &SamplingPolicy::DEFAULT, &key, step).unwrap().token;
            let reading = sampler.read(&other, &SamplingPolicy::DEFAULT, 1e-3, &key, step, token).unwrap();
            expected += bound * f64::from(reading.gini);
            if reading.margin > 0.0 {
                lost += 1;
                shares += f64::from((reading.margin / (10.0 * drift.clip)).min(1.0));
            }
        }
        // Within five standard deviations of a Poisson count.
        let counted = f64::from(lost);
        assert!((counted - expected).abs() < 5.0 * expected.sqrt(), "{lost} of {expected:.1} expected");
        assert!(shares / counted < drift.clipped_share * 1.1, "mean share {}", shares / counted);
    }

    #[test]
    fn a_bound_is_a_chance() {
        for profile in [NumericProfile::StrictF32, NumericProfile::StrictBf16] {
            let drift = profile.drift();
            for gini in [-1.0, 0.0, 0.3, 1.0, 2.0, f32::NAN] {
                assert!(drift.chance(gini).is_nan() || drift.chance(gini) <= 0.05, "{gini}");
            }
            assert!(drift.withheld < drift.noted && drift.clip <= profile.thresholds().margin_soft);
        }
    }
}

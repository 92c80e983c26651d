//! Distance to the reference model, and a coefficient that follows it.
//!
//! Sources: J. Schulman, "Approximating KL divergence" (2020), for the names and properties of the estimators; the
//! coefficient follows the rule of PPO's adaptive penalty (arXiv:1707.06347, section 4), with factors of its own.

use crate::learn::error::{TrainError, within};
use serde::{Deserialize, Serialize};
use tch::{TchError, Tensor};

/// An estimate of KL(model ‖ reference) from one drawn token, in nats; `d = log p − log p_ref`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KlEstimator {
    /// `d²/2`: biased, little variance, its gradient is an unbiased estimate of the KL's.
    #[default]
    K2,
    /// `exp(−d) − 1 + d`: unbiased, never negative.
    K3,
}

impl KlEstimator {
    /// The estimate at every token; both arguments and the result have one shape.
    pub(crate) fn estimate(self, logprobs: &Tensor, reference: &Tensor) -> Result<Tensor, TchError> {
        let distance = logprobs.f_sub(reference)?;
        match self {
            Self::K2 => distance.f_square()?.f_mul_scalar(0.5),
            Self::K3 => distance.f_neg()?.f_expm1()?.f_add(&distance),
        }
    }
}

/// How the KL coefficient follows the measured distance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdaptiveKlSettings {
    /// The coefficient at the start; 0 (no KL term at all, nothing adapts) or `low` to `high`.
    pub initial: f64,
    /// Whether it adapts.
    pub adapt: bool,
    /// Distance aimed at, nats a token; above 0, at most 100.
    pub target: f64,
    /// Smallest coefficient; above 0.
    pub low: f64,
    /// Largest coefficient; `low` to 100.
    pub high: f64,
    /// Factor of one change; above 1, at most 10.
    pub rate: f64,
}

impl Default for AdaptiveKlSettings {
    fn default() -> Self {
        Self { initial: 0.02, adapt: true, target: 0.04, low: 0.001, high: 0.2, rate: 1.5 }
    }
}

impl AdaptiveKlSettings {
    /// Checks every range.
    ///
    /// Errors: [`TrainError::Setting`] with the first that does not hold.
    pub fn check(&self) -> Result<(), TrainError> {
        within("kl_target", self.target, (f64::MIN_POSITIVE, 100.0), "above 0, at most 100")?;
        within("kl_low", self.low, (f64::MIN_POSITIVE, 100.0), "above 0, at most 100")?;
        within("kl_high", self.high, (self.low, 100.0), "kl_low to 100")?;
        within("kl_rate", self.rate, (1.0 + f64::EPSILON, 10.0), "above 1, at most 10")?;
        if self.initial == 0.0 {
            return Ok(());
        }
        within("kl_initial", self.initial, (self.low, self.high), "0 or kl_low to kl_high")
    }
}

/// The KL coefficient of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdaptiveKl {
    settings: AdaptiveKlSettings,
    coefficient: f64,
}

impl AdaptiveKl {
    /// Starts at the initial coefficient.
    ///
    /// Errors: those of [`AdaptiveKlSettings::check`].
    pub fn new(settings: AdaptiveKlSettings) -> Result<Self, TrainError> {
        settings.check()?;
        Ok(Self { settings, coefficient: settings.initial })
    }

    /// Goes on with the coefficient of a saved run, drawn into the range of the settings.
    pub fn resume(&mut self, coefficient: f64) {
        if self.settings.initial != 0.0 && coefficient.is_finite() {
            self.coefficient = coefficient.clamp(self.settings.low, self.settings.high);
        }
    }

    /// The coefficient to use now.
    pub fn coefficient(&self) -> f64 {
        self.coefficient
    }

    /// Learns the mean distance of a step: above 1.2 times the target the coefficient grows by the rate, below 0.8
    /// times it shrinks. A distance that is not a number changes nothing.
    pub fn observe(&mut self, distance: f64) {
        let AdaptiveKlSettings { initial, adapt, target, low, high, rate } = self.settings;
        if !adapt || initial == 0.0 {
            return;
        }
        if distance > 1.2 * target {
            self.coefficient = (self.coefficient * rate).min(high);
        } else if distance < 0.8 * target {
            self.coefficient = (self.coefficient / rate).max(low);
        }
    }
}

//! The learning rate as a function of the optimizer step.

use crate::learn::error::{TrainError, within};
use serde::{Deserialize, Serialize};

/// What follows the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decline {
    /// The rate stays.
    #[default]
    Constant,
    /// Half a cosine down to the floor at the last step; the floor after it (Loshchilov and Hutter, arXiv:1608.03983).
    Cosine,
}

/// A learning-rate schedule, counted in optimizer steps.
///
/// The first step already learns: step `s` of a warm-up of `w` has `(s + 1) / w` of the rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Schedule {
    /// The full rate; above 0, at most 1.
    pub rate: f64,
    /// Steps of the warm-up; 0 to `steps`.
    pub warmup: u64,
    /// Steps of the run; 1 to 10⁹. Matters to [`Decline::Cosine`] only.
    pub steps: u64,
    /// What follows the warm-up.
    pub decline: Decline,
    /// Rate at the end of [`Decline::Cosine`]; 0 to `rate`.
    pub floor: f64,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { rate: 1e-6, warmup: 10, steps: 1_000, decline: Decline::Constant, floor: 0.0 }
    }
}

impl Schedule {
    /// Checks every range.
    ///
    /// Errors: [`TrainError::Setting`] with the first that does not hold.
    pub fn check(&self) -> Result<(), TrainError> {
        within("rate", self.rate, (f64::MIN_POSITIVE, 1.0), "above 0, at most 1")?;
        within("steps", self.steps as f64, (1.0, 1e9), "1 to 1,000,000,000")?;
        within("warmup", self.warmup as f64, (0.0, self.steps as f64), "0 to steps")?;
        within("floor", self.floor, (0.0, self.rate), "0 to rate")
    }

    /// The rate of optimizer step `step`, counted from 0. Always above 0, but for a floor of 0 at the end.
    pub fn at(&self, step: u64) -> f64 {
        let warmup = self.warmup.max(1);
        let done = step.saturating_add(1).min(self.steps.max(warmup));
        if done <= warmup {
            return self.rate * done as f64 / warmup as f64;
        }
        match self.decline {
            Decline::Constant => self.rate,
            Decline::Cosine => {
                let progress = (done - warmup) as f64 / (self.steps - warmup) as f64;
                let height = 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
                self.floor + (self.rate - self.floor) * height
            }
        }
    }
}

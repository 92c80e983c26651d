//! What can be chosen about the loss.

use super::KlEstimator;
use crate::learn::error::{TrainError, within};
use serde::{Deserialize, Serialize};

/// How the terms of tokens become one number. `ℓ` is a token's term, sums run over completion tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    /// Mean over completions of the mean over their tokens: every completion weighs the same (arXiv:2402.03300).
    Grpo,
    /// Mean over the tokens of a micro-batch, weighted by its share of completions (`loss_type="bnpo"` of TRL).
    Bnpo,
    /// `Σℓ / (completions · length)`: a token weighs the same in every completion of every step
    /// (Liu et al., arXiv:2503.20783).
    DrGrpo,
    /// Mean over the tokens of the whole step: every token of a step weighs the same (arXiv:2503.14476).
    #[default]
    Dapo,
}

/// What an importance ratio belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// A token.
    Token,
    /// A completion: the geometric mean of its tokens' ratios (GSPO, arXiv:2507.18071).
    #[default]
    Sequence,
    /// Nothing: no ratio, no clipping, `−mean(A · Σ log p)` whatever the aggregate.
    Off,
}

/// Everything about the loss but the KL coefficient's adaptation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossSettings {
    /// How the terms of tokens become one number.
    pub aggregate: Aggregate,
    /// What an importance ratio belongs to.
    pub level: Level,
    /// Ratios below `1 − clip_low` are clipped; 0 to below 1.
    pub clip_low: f64,
    /// Ratios above `1 + clip_high` are clipped; 0 to 100.
    pub clip_high: f64,
    /// Log-ratios are clamped to plus or minus this; above 0, at most 20.
    pub log_ratio_clamp: f64,
    /// Ratios are cut to this before clipping; 0 (no cap) or 1 to 1,000,000.
    pub ratio_cap: f64,
    /// How the distance to the reference model is estimated.
    pub kl: KlEstimator,
    /// Factor of the entropy bonus; 0 to 1.
    pub entropy_coefficient: f64,
}

impl Default for LossSettings {
    fn default() -> Self {
        Self {
            aggregate: Aggregate::Dapo,
            level: Level::Sequence,
            clip_low: 0.2,
            clip_high: 0.28,
            log_ratio_clamp: 5.0,
            ratio_cap: 10.0,
            kl: KlEstimator::K2,
            entropy_coefficient: 0.001,
        }
    }
}

impl LossSettings {
    /// Checks every range.
    ///
    /// Errors: [`TrainError::Setting`] with the first that does not hold.
    pub fn check(&self) -> Result<(), TrainError> {
        within("clip_low", self.clip_low, (0.0, 1.0 - f64::EPSILON), "0 to below 1")?;
        within("clip_high", self.clip_high, (0.0, 100.0), "0 to 100")?;
        within("log_ratio_clamp", self.log_ratio_clamp, (f64::MIN_POSITIVE, 20.0), "above 0, at most 20")?;
        if self.ratio_cap != 0.0 {
            within("ratio_cap", self.ratio_cap, (1.0, 1e6), "0 or 1 to 1,000,000")?;
        }
        within("entropy_coefficient", self.entropy_coefficient, (0.0, 1.0), "0 to 1")
    }
}

//! Advantages: how much each rollout of a group did better than the others.
//!
//! Sources: GRPO, arXiv:2402.03300, section 4.1; without the division by σ, Dr.GRPO, arXiv:2503.20783. Held to the Python
//! network's trainer by `fixtures/vectors/python/infra/advantages.json`.

use crate::learn::error::{TrainError, within};
use serde::{Deserialize, Serialize};

/// How rewards of a group become advantages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Estimator {
    /// `r − mean`, the network's own rule; the literature calls it Dr.GRPO.
    #[default]
    #[serde(alias = "dr_grpo")]
    MeanCentred,
    /// `(r − mean) / max(σ, 1e-8)`, σ the population standard deviation: GRPO as first published.
    #[serde(alias = "grpo")]
    Normalised,
    /// `2k/(n − 1) − 1`, k the rank from 0, tied rewards sharing the mean of their places; a lone rollout gets −1.
    #[serde(alias = "dapo")]
    Ranked,
}

impl Estimator {
    /// Advantages of a group, in the order of its rewards.
    ///
    /// A reward that is not a number gives advantages that are none either; callers check rewards before.
    pub fn advantages(self, rewards: &[f64]) -> Vec<f64> {
        let n = rewards.len() as f64;
        let mean = sum(rewards.iter().copied()) / n;
        match self {
            Self::MeanCentred => rewards.iter().map(|reward| reward - mean).collect(),
            Self::Normalised => {
                let sigma = variance(rewards).sqrt().max(1e-8);
                rewards.iter().map(|reward| (reward - mean) / sigma).collect()
            }
            Self::Ranked => {
                let top = (n - 1.0).max(1.0);
                rewards.iter().map(|reward| 2.0 * rank(rewards, *reward) / top - 1.0).collect()
            }
        }
    }
}

/// Population variance, 0 of nothing.
pub(crate) fn variance(values: &[f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let n = values.len() as f64;
    let mean = sum(values.iter().copied()) / n;
    sum(values.iter().map(|value| (value - mean) * (value - mean))) / n
}

/// A sum with the rounding errors carried along (Neumaier), as Python adds since 3.12: equal rewards have exactly
/// their own mean.
pub(crate) fn sum(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut lost) = (0.0f64, 0.0f64);
    for value in values {
        let next = sum + value;
        lost += if sum.abs() >= value.abs() { (sum - next) + value } else { (value - next) + sum };
        sum = next;
    }
    if lost.is_finite() { sum + lost } else { sum }
}

/// Mean of the places that a reward shares with its equals when the group is sorted upwards.
fn rank(rewards: &[f64], reward: f64) -> f64 {
    let below = rewards.iter().filter(|other| **other < reward).count() as f64;
    let equal = rewards.iter().filter(|other| **other == reward).count() as f64;
    below + (equal - 1.0) / 2.0
}

/// Clamps advantages to plus or minus the given percentile of their magnitudes (linear between two of them).
///
/// `percentile` is 0 to 100; at both ends nothing is changed.
///
/// Errors: [`TrainError::Setting`] for another percentile.
pub fn clip_to_percentile(advantages: &[f64], percentile: f64) -> Result<Vec<f64>, TrainError> {
    within("advantage_percentile", percentile, (0.0, 100.0), "0 to 100")?;
    let mut sizes: Vec<f64> = advantages.iter().map(|advantage| advantage.abs()).collect();
    sizes.sort_by(f64::total_cmp);
    let place = percentile / 100.0 * sizes.len().saturating_sub(1) as f64;
    let low = sizes.get(place.floor() as usize).copied();
    let high = sizes.get(place.ceil() as usize).copied();
    let (Some(low), Some(high)) = (low, high) else { return Ok(Vec::new()) };
    if percentile == 0.0 || percentile == 100.0 {
        return Ok(advantages.to_vec());
    }
    let bound = low + (high - low) * place.fract();
    Ok(advantages.iter().map(|advantage| advantage.clamp(-bound, bound)).collect())
}

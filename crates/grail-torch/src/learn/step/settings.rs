//! What can be chosen about the steps of a run.

use crate::learn::{
    error::{TrainError, within},
    loss::{AdaptiveKlSettings, LossSettings},
    model::Recompute,
    optimizer::AdamWSettings,
    schedule::Schedule,
};
use serde::{Deserialize, Serialize};

/// Over what sums are averaged when a step is cut into micro-batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Averaging {
    /// Over the step: cutting it differently changes nothing but rounding.
    #[default]
    Step,
    /// Over each micro-batch, weighted by its share of completions, as the Python trainer does.
    MicroBatch,
}

/// Everything that can be chosen about a run's steps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LearnerSettings {
    /// The loss.
    pub loss: LossSettings,
    /// The KL term's coefficient; matters only where steps are given a reference model.
    pub kl: AdaptiveKlSettings,
    /// The optimizer.
    pub optimizer: AdamWSettings,
    /// The learning rate.
    pub schedule: Schedule,
    /// Most tokens computed at once; 1 to 16,777,216. A longer sequence has a micro-batch of its own.
    pub token_budget: usize,
    /// Rows whose logits exist at once; 1 to 1,048,576.
    pub head_chunk: usize,
    /// What passes keep.
    pub recompute: Recompute,
    /// Over what sums are averaged.
    pub averaging: Averaging,
    /// Completion length that Dr.GRPO divides by; 0 takes the longest of the step, up to 16,777,216.
    pub full_length: usize,
    /// Advantages of a step are cut to this percentile of their magnitudes; 0 to 100, both ends switch it off.
    pub advantage_percentile: f64,
    /// Steps in a row without a finite loss and gradient after which training stops; 1 to 1,000.
    pub most_skipped: u32,
}

impl Default for LearnerSettings {
    fn default() -> Self {
        Self {
            loss: LossSettings::default(),
            kl: AdaptiveKlSettings::default(),
            optimizer: AdamWSettings::default(),
            schedule: Schedule::default(),
            token_budget: 8_192,
            head_chunk: 256,
            recompute: Recompute::Nothing,
            averaging: Averaging::Step,
            full_length: 0,
            advantage_percentile: 99.0,
            most_skipped: 3,
        }
    }
}

impl LearnerSettings {
    /// Checks every range.
    ///
    /// Errors: [`TrainError::Setting`] with the first that does not hold.
    pub fn check(&self) -> Result<(), TrainError> {
        self.loss.check()?;
        self.kl.check()?;
        self.optimizer.check()?;
        self.schedule.check()?;
        within("token_budget", self.token_budget as f64, (1.0, 16_777_216.0), "1 to 16,777,216")?;
        within("head_chunk", self.head_chunk as f64, (1.0, 1_048_576.0), "1 to 1,048,576")?;
        within("full_length", self.full_length as f64, (0.0, 16_777_216.0), "0 to 16,777,216")?;
        within("advantage_percentile", self.advantage_percentile, (0.0, 100.0), "0 to 100")?;
        within("most_skipped", f64::from(self.most_skipped), (1.0, 1_000.0), "1 to 1,000")
    }
}

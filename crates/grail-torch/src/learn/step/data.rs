//! What goes into a step, and what comes of it.

use crate::learn::{loss::Figures, model::LearningModel};
use grail_protocol::words::TokenId;
use serde::{Deserialize, Serialize};

/// A group to learn from: accepted rollouts of one prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// The prompt.
    pub prompt: Vec<TokenId>,
    /// Its rollouts.
    pub rollouts: Vec<Rollout>,
}

/// A rollout to learn from.
#[derive(Debug, Clone, PartialEq)]
pub struct Rollout {
    /// The completion, with its end token when it has one.
    pub completion: Vec<TokenId>,
    /// Log-probability of each token by the model that wrote it, nats.
    pub behaviour: Vec<f32>,
    /// How much better than its group.
    pub advantage: f64,
}

/// The model that the KL term keeps the learner close to.
#[derive(Debug, Clone, Copy)]
pub enum Reference<'a> {
    /// None: there is no KL term.
    None,
    /// A model of its own, of the same vocabulary.
    Model(&'a LearningModel),
    /// The learner without its adapters; only in LoRA mode.
    Base,
}

/// A text to learn by heart.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// What is given.
    pub prompt: Vec<TokenId>,
    /// What should follow.
    pub completion: Vec<TokenId>,
}

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum StepOutcome {
    /// The weights moved; with the gradient's norm before clipping.
    Learned {
        /// Global L2 norm.
        norm: f64,
    },
    /// A loss was not finite; nothing moved.
    LossNotFinite,
    /// The gradient was not finite; nothing moved.
    GradientNotFinite,
}

/// Figures of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// What came of it.
    pub outcome: StepOutcome,
    /// Losses, ratios, KL, entropy.
    pub figures: Figures,
    /// Learning rate used.
    pub rate: f64,
    /// KL coefficient used.
    pub kl_coefficient: f64,
    /// Micro-batches.
    pub micro_batches: usize,
    /// Tokens that went through the model; a prompt counts once for the rollouts that share it.
    pub tokens_computed: usize,
}

/// Where a run stands, beside weights and moments; what a saved state must hold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunProgress {
    /// Steps that moved the weights.
    pub steps: u64,
    /// The KL coefficient.
    pub kl_coefficient: f64,
    /// Steps skipped, in all.
    pub skipped: u64,
    /// Steps skipped since the last that moved the weights.
    pub skipped_in_row: u32,
}

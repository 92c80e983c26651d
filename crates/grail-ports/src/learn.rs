//! A model that learns from judged rollouts.

use crate::Fault;
use grail_protocol::words::{GroupIndex, Hotkey, TokenId, WindowStart};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, path::Path};

/// One accepted group. Tokens and log-probabilities are the miner's, proven by the court; rewards are the court's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lesson {
    /// The miner that answered.
    pub hotkey: Hotkey,
    /// The window that it answered in, by its first block.
    pub window: WindowStart,
    /// The group's number in that miner's file. Hotkey, window and number are a group's identity.
    pub group: GroupIndex,
    /// Sequence number of the checkpoint that answered; 0 for the one a network starts with.
    pub checkpoint: u64,
    /// Prompt token ids, derived from seed, environment and tokenizer; never uploaded.
    pub prompt: Vec<TokenId>,
    /// The group's rollouts, in order: 16 in every network.
    pub rollouts: Vec<LessonRollout>,
}

/// One rollout of an accepted group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LessonRollout {
    /// Completion, its end token included where it has one.
    pub tokens: Vec<TokenId>,
    /// Log-probability of each token by the model that wrote it, nats.
    pub logprobs: Vec<f32>,
    /// Reward by the court, 0 to 0.815.
    pub reward: f64,
    /// Whether the answer is right, by the court.
    pub right: bool,
}

/// What a learner made of a window.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Study {
    /// Optimizer steps that moved the weights.
    pub steps: u32,
    /// Steps skipped because a loss or gradient was not finite.
    pub skipped: u32,
    /// Optimizer steps of the whole run.
    pub steps_in_all: u64,
    /// Groups that steps used, one used twice counted twice.
    pub groups_used: usize,
    /// How many groups were left out, by the reason's stable name.
    pub left_out: BTreeMap<String, u64>,
    /// Tokens that went through the model.
    pub tokens: u64,
    /// Mean over steps of each figure (`loss`, `policy_loss`, `kl`, `entropy`, `ratio_mean`, `clip_fraction`, `grad_norm`,
    /// `learning_rate` …); absent without a step.
    pub figures: BTreeMap<String, f64>,
}

/// What a learner can take: longer groups, and tokens outside its vocabulary, are left out before it sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LearnerCard {
    /// Number of rows of the embedding; token ids are below it.
    pub vocabulary: u32,
    /// Most positions, prompt and completion together.
    pub context_length: u32,
}

/// A model in training. Called from a thread that may block.
///
/// What it does is a function of its state and what it is given, so a run that is restored and given the same windows
/// again ends with the same weights.
pub trait Learner: Send {
    /// What it can take.
    fn card(&self) -> LearnerCard;

    /// Takes in the lessons of a window and learns. `sequence` is that of the newest checkpoint published.
    ///
    /// `wanted` is asked between steps and stops the work by returning `false`; the result is then a [`Fault`], and the
    /// learner must be restored before it is used again.
    fn study(
        &mut self,
        window: WindowStart,
        sequence: u64,
        lessons: Vec<Lesson>,
        wanted: &mut dyn FnMut() -> bool,
    ) -> Result<Study, Fault>;

    /// Saves everything, with a journal of the caller's, whole or not at all.
    fn save(&mut self, journal: &Value) -> Result<(), Fault>;

    /// Takes over the newest saved state and gives its journal back; `Ok(None)` where nothing was saved.
    fn restore(&mut self) -> Result<Option<Value>, Fault>;

    /// Writes the weights as they are to be published into a folder.
    fn export(&mut self, folder: &Path) -> Result<(), Fault>;
}

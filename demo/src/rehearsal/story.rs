//! What a rehearsal is told from: every fact that its page shows, gathered once and in plain numbers.

use serde::Serialize;
use std::collections::BTreeMap;

/// A whole rehearsal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Story {
    /// Network by name.
    pub(super) network: String,
    /// Model that it began with.
    pub(super) model: String,
    /// How long it took.
    pub(super) seconds: f64,
    /// Whether every expectation holds.
    pub(super) passed: bool,
    /// Judged windows, in order.
    pub(super) windows: Vec<WindowPoint>,
    /// Everyone who mined.
    pub(super) miners: Vec<MinerLine>,
    /// Published checkpoints, in order.
    pub(super) checkpoints: Vec<CheckpointPoint>,
    /// Checkpoints that were examined on problems kept apart, in order.
    pub(super) evaluations: Vec<EvaluationPoint>,
    /// What had to hold.
    pub(super) expectations: Vec<Statement>,
}

/// What one window brought, all miners together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct WindowPoint {
    /// Number of the window.
    pub(super) window: u64,
    /// Environment that set the problems.
    pub(super) env: String,
    /// Sequence number of the checkpoint that answered.
    pub(super) checkpoint: u64,
    /// Accepted rollouts.
    pub(super) rollouts: u64,
    /// Mean reward of accepted rollouts; absent without any.
    pub(super) mean_reward: Option<f64>,
    /// Share of accepted rollouts that are right, `0..=1`; absent without any.
    pub(super) pass_rate: Option<f64>,
    /// Refused rollouts by code.
    pub(super) refused: BTreeMap<String, u64>,
    /// Tokens per second of all honest miners' generation, summed; absent when nobody told.
    pub(super) tokens_per_second: Option<f64>,
}

/// One miner, window by window.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct MinerLine {
    /// Name.
    pub(super) name: String,
    /// `honest`, or `cheats: …`.
    pub(super) part: String,
    /// Windows with the share of all weight, `0..=1`, that was set after them.
    pub(super) weights: Vec<(u64, f64)>,
    /// Windows with tokens per second of generation.
    pub(super) tokens_per_second: Vec<(u64, f64)>,
    /// Rollouts that were verified and count.
    pub(super) verified: u64,
    /// Refused rollouts by code.
    pub(super) refused: BTreeMap<String, u64>,
}

/// A checkpoint that the trainer published.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct CheckpointPoint {
    /// Sequence number.
    pub(super) sequence: u64,
    /// Window whose rollouts it learnt from last.
    pub(super) window: u64,
    /// `full` or `delta`.
    pub(super) kind: String,
    /// Size of all its files.
    pub(super) whole_bytes: u64,
    /// Bytes that were uploaded for it.
    pub(super) sent_bytes: u64,
}

/// How a checkpoint did on problems kept apart.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct EvaluationPoint {
    /// Sequence number of the checkpoint.
    pub(super) sequence: u64,
    /// Window in which it was examined.
    pub(super) window: u64,
    /// Problems.
    pub(super) problems: u64,
    /// Answers to each problem.
    pub(super) answers: u64,
    /// Share of answers that are right.
    pub(super) pass_at_1: f64,
    /// Share of problems that `k` answers would solve.
    pub(super) pass_at_k: f64,
    /// The `k` of [`Self::pass_at_k`].
    pub(super) k: u64,
    /// Mean reward of the answers.
    pub(super) mean_reward: f64,
    /// Mean of each part of the reward.
    pub(super) components: BTreeMap<String, f64>,
}

/// Something that had to hold in the end.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Statement {
    /// The statement.
    pub(super) statement: String,
    /// Whether it holds.
    pub(super) holds: bool,
}

//! Settings of training. What values a number may have is said by the type that reads it; see [`crate::training`].

use super::{
    Preset::{Follows, Value},
    Role, Section, Setting,
};
use crate::kind::ValueKind;

const TRAINER: &[Role] = &[Role::Trainer];

settings! {
    TRAINING_PRECISION: Training."precision", "GRAIL_TRAINING_PRECISION", "training-precision",
        ValueKind::Choice(&["f32", "bf16"]),
        Value("f32"), TRAINER, "Numbers while learning: f32, or bf16 with 32-bit masters.";
    TRAINING_STORED: Training."stored", "GRAIL_TRAINING_STORED", "training-stored",
        ValueKind::Choice(&["f32", "bf16"]),
        Value("bf16"), TRAINER, "Numbers in published weights: bf16 or f32.";
    TRAINING_ESTIMATOR: Training."estimator", "GRAIL_TRAINING_ESTIMATOR", "training-estimator",
        ValueKind::Choice(&["mean_centred", "normalised", "ranked", "dr_grpo", "grpo", "dapo"]),
        Value("mean_centred"), TRAINER,
        "Rewards to advantages: mean_centred (Dr.GRPO), normalised (GRPO), ranked.";
    TRAINING_ANCHOR: Training."anchor", "GRAIL_TRAINING_ANCHOR", "training-anchor",
        ValueKind::Choice(&["none", "start"]),
        Value("none"), TRAINER,
        "KL term against: none, or start (the first model; a second copy in memory without adapters).";

    LEARNER_TOKEN_BUDGET: Learner."token_budget", "GRAIL_LEARNER_TOKEN_BUDGET", "learner-token-budget",
        ValueKind::Whole,
        Value("8192"), TRAINER, "Most tokens computed at once.";
    LEARNER_HEAD_CHUNK: Learner."head_chunk", "GRAIL_LEARNER_HEAD_CHUNK", "learner-head-chunk", ValueKind::Whole,
        Value("256"), TRAINER, "Rows whose logits exist at once.";
    LEARNER_RECOMPUTE: Learner."recompute", "GRAIL_LEARNER_RECOMPUTE", "learner-recompute",
        ValueKind::Choice(&["nothing", "layers"]),
        Value("nothing"), TRAINER, "What is computed a second time: nothing (fastest) or layers (least memory).";
    LEARNER_AVERAGING: Learner."averaging", "GRAIL_LEARNER_AVERAGING", "learner-averaging",
        ValueKind::Choice(&["step", "micro_batch"]),
        Value("step"), TRAINER, "Sums averaged over the step, or over each micro_batch.";
    LEARNER_FULL_LENGTH: Learner."full_length", "GRAIL_LEARNER_FULL_LENGTH", "learner-full-length", ValueKind::Whole,
        Value("0"), TRAINER, "Length that dr_grpo divides by; 0 takes the longest of the step.";
    LEARNER_ADVANTAGE_PERCENTILE: Learner."advantage_percentile", "GRAIL_LEARNER_ADVANTAGE_PERCENTILE", "learner-advantage-percentile",
        ValueKind::Number,
        Value("99.0"), TRAINER, "Advantages of a step are cut to this percentile.";
    LEARNER_MOST_SKIPPED: Learner."most_skipped", "GRAIL_LEARNER_MOST_SKIPPED", "learner-most-skipped",
        ValueKind::Whole,
        Value("3"), TRAINER, "Steps without a finite loss in a row after which training stops.";

    LOSS_AGGREGATE: Loss."aggregate", "GRAIL_LEARNER_LOSS_AGGREGATE", "learner-loss-aggregate",
        ValueKind::Choice(&["grpo", "bnpo", "dr_grpo", "dapo"]),
        Value("dapo"), TRAINER, "How the terms of tokens become one number: grpo, bnpo, dr_grpo or dapo.";
    LOSS_LEVEL: Loss."level", "GRAIL_LEARNER_LOSS_LEVEL", "learner-loss-level",
        ValueKind::Choice(&["token", "sequence", "off"]),
        Value("sequence"), TRAINER, "Importance ratios by token, sequence (GSPO), or off.";
    LOSS_CLIP_LOW: Loss."clip_low", "GRAIL_LEARNER_LOSS_CLIP_LOW", "learner-loss-clip-low", ValueKind::Number,
        Value("0.2"), TRAINER, "Ratios below 1 - this are clipped.";
    LOSS_CLIP_HIGH: Loss."clip_high", "GRAIL_LEARNER_LOSS_CLIP_HIGH", "learner-loss-clip-high", ValueKind::Number,
        Value("0.28"), TRAINER, "Ratios above 1 + this are clipped.";
    LOSS_LOG_RATIO_CLAMP: Loss."log_ratio_clamp", "GRAIL_LEARNER_LOSS_LOG_RATIO_CLAMP", "learner-loss-log-ratio-clamp",
        ValueKind::Number,
        Value("5.0"), TRAINER, "Log-ratios are clamped to plus or minus this.";
    LOSS_RATIO_CAP: Loss."ratio_cap", "GRAIL_LEARNER_LOSS_RATIO_CAP", "learner-loss-ratio-cap", ValueKind::Number,
        Value("10.0"), TRAINER, "Largest ratio; 0 for none.";
    LOSS_KL: Loss."kl", "GRAIL_LEARNER_LOSS_KL", "learner-loss-kl", ValueKind::Choice(&["k2", "k3"]),
        Value("k2"), TRAINER, "Estimator of the KL distance: k2 or k3.";
    LOSS_ENTROPY_COEFFICIENT: Loss."entropy_coefficient", "GRAIL_LEARNER_LOSS_ENTROPY_COEFFICIENT", "learner-loss-entropy-coefficient",
        ValueKind::Number,
        Value("0.001"), TRAINER, "Weight of the entropy bonus.";

    KL_INITIAL: Kl."initial", "GRAIL_LEARNER_KL_INITIAL", "learner-kl-initial", ValueKind::Number,
        Value("0.02"), TRAINER, "KL coefficient at the start; without an anchor it has no effect.";
    KL_ADAPT: Kl."adapt", "GRAIL_LEARNER_KL_ADAPT", "learner-kl-adapt", ValueKind::Flag,
        Value("true"), TRAINER, "Whether the coefficient follows the measured distance.";
    KL_TARGET: Kl."target", "GRAIL_LEARNER_KL_TARGET", "learner-kl-target", ValueKind::Number,
        Value("0.04"), TRAINER, "Distance aimed at, nats a token.";
    KL_LOW: Kl."low", "GRAIL_LEARNER_KL_LOW", "learner-kl-low", ValueKind::Number,
        Value("0.001"), TRAINER, "Smallest coefficient.";
    KL_HIGH: Kl."high", "GRAIL_LEARNER_KL_HIGH", "learner-kl-high", ValueKind::Number,
        Value("0.2"), TRAINER, "Largest coefficient.";
    KL_RATE: Kl."rate", "GRAIL_LEARNER_KL_RATE", "learner-kl-rate", ValueKind::Number,
        Value("1.5"), TRAINER, "Factor of one change.";

    OPTIMIZER_BETA1: Optimizer."beta1", "GRAIL_LEARNER_OPTIMIZER_BETA1", "learner-optimizer-beta1",
        ValueKind::Number,
        Value("0.9"), TRAINER, "AdamW's memory of the mean.";
    OPTIMIZER_BETA2: Optimizer."beta2", "GRAIL_LEARNER_OPTIMIZER_BETA2", "learner-optimizer-beta2",
        ValueKind::Number,
        Value("0.95"), TRAINER, "AdamW's memory of the square.";
    OPTIMIZER_EPSILON: Optimizer."epsilon", "GRAIL_LEARNER_OPTIMIZER_EPSILON", "learner-optimizer-epsilon",
        ValueKind::Number,
        Value("1e-8"), TRAINER, "Added to the root of the square.";
    OPTIMIZER_WEIGHT_DECAY: Optimizer."weight_decay", "GRAIL_LEARNER_OPTIMIZER_WEIGHT_DECAY", "learner-optimizer-weight-decay",
        ValueKind::Number,
        Value("0.1"), TRAINER, "Decay of weights at rate 1.";
    OPTIMIZER_DECAY: Optimizer."decay", "GRAIL_LEARNER_OPTIMIZER_DECAY", "learner-optimizer-decay",
        ValueKind::Choice(&["matrices", "all"]),
        Value("matrices"), TRAINER, "What decays: matrices, or all.";
    OPTIMIZER_CLIP_NORM: Optimizer."clip_norm", "GRAIL_LEARNER_OPTIMIZER_CLIP_NORM", "learner-optimizer-clip-norm",
        ValueKind::Number,
        Value("0.5"), TRAINER, "Longest gradient, global L2 norm.";

    SCHEDULE_RATE: Schedule."rate", "GRAIL_LEARNER_SCHEDULE_RATE", "learner-schedule-rate", ValueKind::Number,
        Value("1e-6"), TRAINER, "Learning rate.";
    SCHEDULE_WARMUP: Schedule."warmup", "GRAIL_LEARNER_SCHEDULE_WARMUP", "learner-schedule-warmup", ValueKind::Whole,
        Value("10"), TRAINER, "Optimizer steps of the warm-up, the first of which learns already.";
    SCHEDULE_STEPS: Schedule."steps", "GRAIL_LEARNER_SCHEDULE_STEPS", "learner-schedule-steps", ValueKind::Whole,
        Value("1000"), TRAINER, "Optimizer steps of the run; matters to cosine.";
    SCHEDULE_DECLINE: Schedule."decline", "GRAIL_LEARNER_SCHEDULE_DECLINE", "learner-schedule-decline",
        ValueKind::Choice(&["constant", "cosine"]),
        Value("constant"), TRAINER, "After the warm-up: constant or cosine.";
    SCHEDULE_FLOOR: Schedule."floor", "GRAIL_LEARNER_SCHEDULE_FLOOR", "learner-schedule-floor", ValueKind::Number,
        Value("0.0"), TRAINER, "Rate at the end of cosine.";

    FILTER_GROUP_SIZE: Filter."group_size", "GRAIL_FILTER_GROUP_SIZE", "filter-group-size", ValueKind::Whole,
        Value("16"), TRAINER, "Rollouts of a group.";
    FILTER_BALANCE: Filter."balance", "GRAIL_FILTER_BALANCE", "filter-balance", ValueKind::Number,
        Value("0.01"), TRAINER, "Advantages of a group must add up to less than this.";
    FILTER_LONGEST: Filter."longest", "GRAIL_FILTER_LONGEST", "filter-longest", ValueKind::Whole,
        Value("8192"), TRAINER, "Longest completion, tokens.";
    FILTER_LEAST_SUCCESS: Filter."least_success", "GRAIL_FILTER_LEAST_SUCCESS", "filter-least-success",
        ValueKind::Number,
        Value("0.0"), TRAINER, "Smallest share of right answers.";
    FILTER_LEAST_REWARD_PER_TOKEN: Filter."least_reward_per_token", "GRAIL_FILTER_LEAST_REWARD_PER_TOKEN", "filter-least-reward-per-token",
        ValueKind::Number,
        Value("0.0"), TRAINER, "Smallest mean of reward a token; 0 for no test.";
    FILTER_DROP_QUANTILE: Filter."drop_quantile", "GRAIL_FILTER_DROP_QUANTILE", "filter-drop-quantile",
        ValueKind::Number,
        Value("0.0"), TRAINER, "Share of groups dropped, those with the least reward a token.";
    FILTER_MOST_GROUPS: Filter."most_groups", "GRAIL_FILTER_MOST_GROUPS", "filter-most-groups", ValueKind::Whole,
        Value("32"), TRAINER, "Most groups of a step, the best by score.";
    FILTER_REWARD_WEIGHT: Filter."reward_weight", "GRAIL_FILTER_REWARD_WEIGHT", "filter-reward-weight",
        ValueKind::Number,
        Value("0.7"), TRAINER, "Weight of reward a token in the score.";
    FILTER_VARIANCE_WEIGHT: Filter."variance_weight", "GRAIL_FILTER_VARIANCE_WEIGHT", "filter-variance-weight",
        ValueKind::Number,
        Value("0.3"), TRAINER, "Weight of the advantages' variance in the score.";

    REPLAY_WINDOWS: Replay."windows", "GRAIL_REPLAY_WINDOWS", "replay-windows", ValueKind::Whole,
        Value("2"), TRAINER, "Windows kept to draw from.";
    REPLAY_GROUPS: Replay."groups", "GRAIL_REPLAY_GROUPS", "replay-groups", ValueKind::Whole,
        Value("64"), TRAINER, "Groups drawn for a step.";
    REPLAY_RECENT_SHARE: Replay."recent_share", "GRAIL_REPLAY_RECENT_SHARE", "replay-recent-share",
        ValueKind::Number,
        Value("0.5"), TRAINER, "Share of a draw that the newest window gets.";
    REPLAY_DECAY: Replay."decay", "GRAIL_REPLAY_DECAY", "replay-decay", ValueKind::Number,
        Value("0.7"), TRAINER, "How much less each older window weighs.";
    REPLAY_MOST_STALE: Replay."most_stale", "GRAIL_REPLAY_MOST_STALE", "replay-most-stale", ValueKind::Whole,
        Value("2"), TRAINER, "Checkpoints that a group may lie behind.";

    COURSE_STEPS: Course."steps", "GRAIL_COURSE_STEPS", "course-steps", ValueKind::Whole,
        Value("1"), TRAINER, "Optimizer steps a window.";
    COURSE_SEED: Course."seed", "GRAIL_COURSE_SEED", "course-seed", ValueKind::Whole,
        Value("0"), TRAINER, "What draws of groups come from.";
    COURSE_STATES: Course."states", "GRAIL_COURSE_STATES", "course-states", ValueKind::Whole,
        Value("2"), TRAINER, "Saved states kept.";

    PUBLISH_FULL_EVERY: Publish."full_every", "GRAIL_PUBLISH_FULL_EVERY", "publish-full-every", ValueKind::Whole,
        Value("10"), TRAINER, "One checkpoint in so many is whole, the others are deltas.";
    PUBLISH_WORKERS: Publish."workers", "GRAIL_PUBLISH_WORKERS", "publish-workers", ValueKind::Whole,
        Value("1"), TRAINER, "Threads for hashing and deltas.";

    EVALUATION_EVERY: Evaluation."every", "GRAIL_EVALUATION_EVERY", "evaluation-every", ValueKind::Whole,
        Value("10"), TRAINER, "Examine every so many checkpoints; 0 never.";
    EVALUATION_PROBLEMS: Evaluation."problems", "GRAIL_EVALUATION_PROBLEMS", "evaluation-problems", ValueKind::Whole,
        Value("64"), TRAINER, "Held-out problems of each environment.";
    EVALUATION_ANSWERS: Evaluation."answers", "GRAIL_EVALUATION_ANSWERS", "evaluation-answers", ValueKind::Whole,
        Value("4"), TRAINER, "Answers to each.";
    EVALUATION_K: Evaluation."k", "GRAIL_EVALUATION_K", "evaluation-k", ValueKind::Whole,
        Value("4"), TRAINER, "The k of pass@k.";
    EVALUATION_SEED: Evaluation."seed", "GRAIL_EVALUATION_SEED", "evaluation-seed", ValueKind::Whole,
        Value("2025"), TRAINER, "What problems and draws come from.";

    LORA_USE: Lora."use", "GRAIL_LORA_USE", "lora-use", ValueKind::Flag,
        Follows("true where anything else of this table is set"), TRAINER, "Whether adapters learn in place of all weights.";
    LORA_RANK: Lora."rank", "GRAIL_LORA_RANK", "lora-rank", ValueKind::Whole,
        Follows("16 where this table is used"), TRAINER,
        "Rank of adapters; without a [lora] table all weights learn.";
    LORA_ALPHA: Lora."alpha", "GRAIL_LORA_ALPHA", "lora-alpha", ValueKind::Number,
        Follows("32 where this table is used"), TRAINER, "The adapters' factor times their rank.";
    LORA_MODULES: Lora."modules", "GRAIL_LORA_MODULES", "lora-modules",
        ValueKind::Words(&["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]),
        Follows("q_proj, k_proj, v_proj, o_proj where this table is used"), TRAINER,
        "Projections with an adapter.";
    LORA_SEED: Lora."seed", "GRAIL_LORA_SEED", "lora-seed", ValueKind::Whole,
        Follows("0 where this table is used"), TRAINER, "What fresh adapters are drawn from.";
}

//! What each rejection is called and what its miner should do: two tables in one file, so that a new one is a variant in
//! `mod.rs`, two lines here, and the stage that finds it.

use super::Rejection;

/// Every code, in the order in which the court can come to it.
pub const ALL_CODES: &[&str] = &[
    "late-upload",
    "file-too-large",
    "file-malformed",
    "field-invalid",
    "wrong-version",
    "wrong-network",
    "wrong-window",
    "wrong-hotkey",
    "wrong-checkpoint",
    "wrong-environment",
    "wrong-randomness",
    "wrong-numeric-profile",
    "wrong-rollout-count",
    "wrong-group-count",
    "wrong-root",
    "wrong-signature",
    "duplicate-rollout",
    "group-gap",
    "group-size",
    "rollout-order",
    "rollout-lengths",
    "empty-completion",
    "completion-too-long",
    "token-outside-vocabulary",
    "reward-not-finite",
    "sketch-out-of-range",
    "logprob-positive",
    "end-token-inside",
    "unfinished-completion",
    "sketch-rms",
    "sketch-position",
    "draw-outside-nucleus",
    "draw-margin",
    "draw-margins",
    "logprob-error",
    "logprob-digits",
    "reward-mismatch",
];

impl Rejection {
    /// The stable code: what tables, metrics and samples are named after.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::LateUpload { .. } => "late-upload",
            Self::FileTooLarge { .. } => "file-too-large",
            Self::FileMalformed { .. } => "file-malformed",
            Self::FieldInvalid { .. } => "field-invalid",
            Self::WrongVersion { .. } => "wrong-version",
            Self::WrongNetwork { .. } => "wrong-network",
            Self::WrongWindow { .. } => "wrong-window",
            Self::WrongHotkey { .. } => "wrong-hotkey",
            Self::WrongCheckpoint { .. } => "wrong-checkpoint",
            Self::WrongEnvironment { .. } => "wrong-environment",
            Self::WrongRandomness { .. } => "wrong-randomness",
            Self::WrongNumericProfile { .. } => "wrong-numeric-profile",
            Self::WrongGroupCount { .. } => "wrong-group-count",
            Self::WrongRolloutCount { .. } => "wrong-rollout-count",
            Self::WrongRoot { .. } => "wrong-root",
            Self::WrongSignature { .. } => "wrong-signature",
            Self::GroupGap { .. } => "group-gap",
            Self::GroupSize { .. } => "group-size",
            Self::DuplicateRollout { .. } => "duplicate-rollout",
            Self::RolloutOrder { .. } => "rollout-order",
            Self::RolloutLengths { .. } => "rollout-lengths",
            Self::EmptyCompletion { .. } => "empty-completion",
            Self::CompletionTooLong { .. } => "completion-too-long",
            Self::TokenOutsideVocabulary { .. } => "token-outside-vocabulary",
            Self::RewardNotFinite { .. } => "reward-not-finite",
            Self::SketchOutOfRange { .. } => "sketch-out-of-range",
            Self::LogprobPositive { .. } => "logprob-positive",
            Self::EndTokenInside { .. } => "end-token-inside",
            Self::UnfinishedCompletion { .. } => "unfinished-completion",
            Self::SketchRms { .. } => "sketch-rms",
            Self::SketchPosition { .. } => "sketch-position",
            Self::DrawOutsideNucleus { .. } => "draw-outside-nucleus",
            Self::DrawMargin { .. } => "draw-margin",
            Self::DrawMargins { .. } => "draw-margins",
            Self::LogprobError { .. } => "logprob-error",
            Self::LogprobDigits { .. } => "logprob-digits",
            Self::RewardMismatch { .. } => "reward-mismatch",
        }
    }

    /// What a miner should do, as the end of a sentence.
    pub(super) const fn advice(&self) -> &'static str {
        match self {
            Self::LateUpload { .. } => {
                "answer fewer groups or upload earlier, and check this machine's clock"
            }
            Self::FileTooLarge { .. } => "answer fewer groups a window",
            Self::FileMalformed { .. } | Self::FieldInvalid { .. } => {
                "write the file with this project's codec and check it before upload"
            }
            Self::WrongVersion { .. } => "run a release that speaks this version",
            Self::WrongNetwork { .. } => "connect the miner to the network it uploads for",
            Self::WrongWindow { .. } => "upload a window's file under that window's key",
            Self::WrongHotkey { .. } => "upload only files that your own hotkey made",
            Self::WrongCheckpoint { .. } => "load the checkpoint that the chain names for this window",
            Self::WrongEnvironment { .. } => {
                "use the environment that the checkpoint's manifest gives this window"
            }
            Self::WrongRandomness { .. } => "use the beacon round that follows from the window's first block",
            Self::WrongNumericProfile { .. } => "run with the numeric profile of the checkpoint's manifest",
            Self::WrongGroupCount { .. }
            | Self::WrongRolloutCount { .. }
            | Self::WrongRoot { .. }
            | Self::WrongSignature { .. } => {
                "sign the file after the last change to it, with the hotkey it names"
            }
            Self::GroupGap { .. } => "answer groups 0, 1, 2, … and stop where time runs out, skipping none",
            Self::GroupSize { .. } => "upload only groups whose rollouts are all there",
            Self::DuplicateRollout { .. } => "write every rollout once",
            Self::RolloutOrder { .. } => "write rollouts by rising group and rising number",
            Self::RolloutLengths { .. } => "write one sketch byte and one log-probability for each token",
            Self::EmptyCompletion { .. } => "keep the end token as part of the completion",
            Self::CompletionTooLong { .. } => "stop at the cap of the checkpoint's manifest",
            Self::TokenOutsideVocabulary { .. } => "load the checkpoint's own tokenizer and head",
            Self::RewardNotFinite { .. } => "claim the reward that this project's environment computes",
            Self::SketchOutOfRange { .. } => "clip sketches to the protocol's range",
            Self::LogprobPositive { .. } => "write natural logarithms of probabilities",
            Self::EndTokenInside { .. } => "stop exactly where an end token is drawn",
            Self::UnfinishedCompletion { .. } => "go on until an end token is drawn or the cap is reached",
            Self::SketchRms { .. } | Self::SketchPosition { .. } => {
                "compute the sketch in the decode step that made the token, with the window's checkpoint unchanged and unquantised"
            }
            Self::DrawOutsideNucleus { .. } | Self::DrawMargin { .. } | Self::DrawMargins { .. } => {
                "draw every token by forced sampling with the window's keys, temperature and top-p, and send it as drawn"
            }
            Self::LogprobError { .. } => {
                "write the log-probability under the policy's temperature over the whole vocabulary"
            }
            Self::LogprobDigits { .. } => {
                "answer with the window's checkpoint in the profile's arithmetic: no rounded weights, no rounded cache"
            }
            Self::RewardMismatch { .. } => "claim the reward that this project's environment computes",
        }
    }
}

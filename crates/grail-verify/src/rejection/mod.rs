//! Why a file or a rollout is refused: one variant for each thing a miner can do wrong.

mod codes;
mod figures;

pub use codes::ALL_CODES;
pub use figures::RejectionFigures;

use crate::Over;

use grail_artifact::window::{DecodeError, RootHex};
use grail_protocol::{
    profile::NumericProfile,
    words::{
        CheckpointId, EnvId, GroupIndex, Hotkey, NetworkId, RolloutIndex, TokenId, UnixMillis, WindowStart,
    },
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A rollout inside a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RolloutPlace {
    /// Its group, from 0.
    pub group: GroupIndex,
    /// Its number in the group.
    pub rollout: RolloutIndex,
}

impl fmt::Display for RolloutPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rollout {} of group {}", self.rollout, self.group)
    }
}

/// The miner's fault: what was measured, what is allowed, and where.
///
/// Variants down to [`Rejection::LogprobPositive`] refuse the whole file, those after it one rollout and with it its
/// group. Positions count completion tokens from 0. Prints one lower-case clause; [`Rejection::explain`] adds what to
/// do about it; [`Rejection::code`] is stable and equals the `code` field of the JSON form.
#[derive(Debug, Clone, PartialEq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum Rejection {
    /// Stored after the deadline.
    #[error("the file was stored {late_by_ms} ms after the upload deadline {deadline} (at {stored_at})")]
    LateUpload {
        /// When the store says it was written.
        stored_at: UnixMillis,
        /// The latest moment allowed.
        deadline: UnixMillis,
        /// The difference in milliseconds.
        late_by_ms: u64,
    },
    /// A size, count or decompressed length beyond its bound.
    #[error("{what} is {got}, at most {most} is allowed")]
    FileTooLarge {
        /// Which bound.
        what: String,
        /// Size found or declared.
        got: u64,
        /// The bound.
        most: u64,
    },
    /// Not the encoding at all, cut off, or damaged.
    #[error("the bytes are not a readable window file: {detail}")]
    FileMalformed {
        /// What the reader stumbled over.
        detail: String,
    },
    /// A column or field is missing, surplus, of another type, or holds a forbidden character.
    #[error("field {field} is wrong: {detail}")]
    FieldInvalid {
        /// Its name.
        field: String,
        /// What is wrong with it.
        detail: String,
    },
    /// Another version of the protocol.
    #[error("the file speaks protocol version {claimed}, this network speaks {expected}")]
    WrongVersion {
        /// In the file.
        claimed: u16,
        /// Derived.
        expected: u16,
    },
    /// Another network.
    #[error("the file was made for network {claimed}, this one is {expected}")]
    WrongNetwork {
        /// In the file.
        claimed: NetworkId,
        /// Derived.
        expected: NetworkId,
    },
    /// Another window: an old file again, or one too early.
    #[error("the file was made for window {claimed}, asked for was window {expected}")]
    WrongWindow {
        /// In the file.
        claimed: WindowStart,
        /// Derived.
        expected: WindowStart,
    },
    /// Somebody else's file.
    #[error("the file belongs to hotkey {claimed}, asked for was {expected}")]
    WrongHotkey {
        /// In the file.
        claimed: Hotkey,
        /// Asked for.
        expected: Hotkey,
    },
    /// Answered by another checkpoint.
    #[error("the file names checkpoint {claimed}, this window is answered by {expected}")]
    WrongCheckpoint {
        /// In the file.
        claimed: CheckpointId,
        /// Derived.
        expected: CheckpointId,
    },
    /// Asked by another environment.
    #[error("the file names environment {claimed}, this window's is {expected}")]
    WrongEnvironment {
        /// In the file.
        claimed: EnvId,
        /// Derived.
        expected: EnvId,
    },
    /// Another beacon, or a beacon where there is none, or none where there is one.
    #[error("the file rests on randomness {claimed}, this window's is {expected}")]
    WrongRandomness {
        /// In the file: round and signature, or that there is none.
        claimed: String,
        /// Derived, in the same form.
        expected: String,
    },
    /// Another numeric profile than the checkpoint's.
    #[error("the file names numeric profile {}, the checkpoint's is {}", claimed.name(), expected.name())]
    WrongNumericProfile {
        /// In the file.
        claimed: NumericProfile,
        /// Derived.
        expected: NumericProfile,
    },
    /// The signed number of groups is not the number in the file.
    #[error("{signed} groups are signed, the file holds {found}")]
    WrongGroupCount {
        /// In the file's head.
        signed: u32,
        /// Distinct groups found.
        found: u64,
    },
    /// The signed number of rollouts is not the number in the file.
    #[error("{signed} rollouts are signed, the file holds {found}")]
    WrongRolloutCount {
        /// In the file's head.
        signed: u32,
        /// Rollouts found.
        found: u64,
    },
    /// The signed root does not belong to the rollouts.
    #[error("root {signed:?} is signed, the rollouts have root {found:?}")]
    WrongRoot {
        /// In the file's head.
        signed: RootHex,
        /// Recomputed.
        found: RootHex,
    },
    /// The hotkey did not sign this header, root and counts.
    #[error("the signature over header, root and counts is not by hotkey {hotkey}")]
    WrongSignature {
        /// Who should have signed.
        hotkey: Hotkey,
    },
    /// A group number was skipped.
    #[error("group {missing} is missing although group {next} is there")]
    GroupGap {
        /// The first number without rollouts.
        missing: GroupIndex,
        /// The next number that has some.
        next: GroupIndex,
    },
    /// A group is not whole.
    #[error("group {group} holds {got} rollouts, the protocol asks for {want}")]
    GroupSize {
        /// Which group.
        group: GroupIndex,
        /// Rollouts found.
        got: u64,
        /// Rollouts asked for.
        want: u64,
    },
    /// The same group and rollout number twice.
    #[error("{at} is there twice")]
    DuplicateRollout {
        /// The second of them.
        at: RolloutPlace,
    },
    /// Rollouts are not in the order of groups and numbers, or a number is beyond the group.
    #[error("{found} stands where {expected} belongs")]
    RolloutOrder {
        /// What stands there.
        found: RolloutPlace,
        /// What belongs there.
        expected: RolloutPlace,
    },
    /// Tokens, sketch and log-probabilities differ in number.
    #[error("{at} has {tokens} tokens, {sketch} sketch bytes and {logprobs} log-probabilities")]
    RolloutLengths {
        /// Where.
        at: RolloutPlace,
        /// Number of tokens.
        tokens: u64,
        /// Number of sketch bytes.
        sketch: u64,
        /// Number of log-probabilities.
        logprobs: u64,
    },
    /// No token at all.
    #[error("{at} has no tokens, at least one is drawn always")]
    EmptyCompletion {
        /// Where.
        at: RolloutPlace,
    },
    /// Longer than the checkpoint's cap.
    #[error("{at} has {got} tokens, the checkpoint's cap is {most}")]
    CompletionTooLong {
        /// Where.
        at: RolloutPlace,
        /// Number of tokens.
        got: u64,
        /// The cap.
        most: u32,
    },
    /// A token id that the model does not have.
    #[error("token {token} at position {position} of {at} is outside the vocabulary of {vocabulary}")]
    TokenOutsideVocabulary {
        /// Where.
        at: RolloutPlace,
        /// Completion position.
        position: u32,
        /// The id.
        token: TokenId,
        /// Ids are below this.
        vocabulary: u32,
    },
    /// NaN or an infinity.
    #[error("the claimed reward of {at} is {claimed}, which is not a finite number")]
    RewardNotFinite {
        /// Where.
        at: RolloutPlace,
        /// `NaN`, `inf` or `-inf`.
        claimed: String,
    },
    /// A sketch byte of −128.
    #[error("the sketch byte at position {position} of {at} is -128, allowed are -127 to 127")]
    SketchOutOfRange {
        /// Where.
        at: RolloutPlace,
        /// Completion position.
        position: u32,
    },
    /// A log-probability above zero.
    #[error("the log-probability at position {position} of {at} is {units}/1024 nat, at most 0 is possible")]
    LogprobPositive {
        /// Where.
        at: RolloutPlace,
        /// Completion position.
        position: u32,
        /// The claim, in 1/1024 nat.
        units: i16,
    },
    /// An end token before the last position.
    #[error("end token {token} stands at position {position} of {length}, nothing may follow it")]
    EndTokenInside {
        /// Completion position.
        position: u32,
        /// The end token.
        token: TokenId,
        /// Tokens of the completion.
        length: u32,
    },
    /// Shorter than the cap without an end token.
    #[error(
        "the completion stops after {length} tokens with token {last}, neither an end token nor the cap of {cap}"
    )]
    UnfinishedCompletion {
        /// Tokens of the completion.
        length: u32,
        /// The cap.
        cap: u32,
        /// Its last token.
        last: TokenId,
    },
    /// The sketch as a whole is not of this computation.
    #[error(
        "the sketch is {measured:.4} spreads (root mean square) from the recomputed one, {allowed} are allowed; worst at position {worst_at}"
    )]
    SketchRms {
        /// Root mean square of the errors, in spreads.
        measured: f32,
        /// The threshold.
        allowed: f32,
        /// Largest error.
        worst: f32,
        /// Its position.
        worst_at: u32,
    },
    /// One position of the sketch is not of this computation.
    #[error(
        "the sketch at position {position} is {measured:.4} spreads from the recomputed one, {allowed} are allowed"
    )]
    SketchPosition {
        /// Completion position.
        position: u32,
        /// Error there, in spreads.
        measured: f32,
        /// The threshold.
        allowed: f32,
    },
    /// A token that top-p excludes.
    #[error(
        "token {token} at position {position} lies outside the top-p set; the draw gives token {winner}, {margin:.4} nats ahead"
    )]
    DrawOutsideNucleus {
        /// Completion position.
        position: u32,
        /// The claimed token.
        token: TokenId,
        /// What the draw gives.
        winner: TokenId,
        /// By how much the claim loses, in nats.
        margin: f32,
    },
    /// A token that did not win its draw, by far.
    #[error(
        "token {token} at position {position} loses its draw to token {winner} by {measured:.4} nats, {allowed} are allowed"
    )]
    DrawMargin {
        /// Completion position.
        position: u32,
        /// The claimed token.
        token: TokenId,
        /// What the draw gives.
        winner: TokenId,
        /// By how much the claim loses, in nats.
        measured: f32,
        /// The hard threshold.
        allowed: f32,
    },
    /// Several tokens that did not win their draws, each by a little.
    #[error(
        "{count} tokens lose their draws by more than {threshold} nats, the first at position {first}; at most {allowed} may"
    )]
    DrawMargins {
        /// First such position.
        first: u32,
        /// Number of such positions.
        count: u32,
        /// How many are allowed.
        allowed: u32,
        /// The soft threshold in nats.
        threshold: f32,
    },
    /// A claimed log-probability is not the model's.
    #[error(
        "the log-probability at position {position} is claimed as {claimed} nats and recomputed as {recomputed}; {measured:.4} apart, {allowed} are allowed"
    )]
    LogprobError {
        /// Completion position.
        position: u32,
        /// Claim in nats.
        claimed: f32,
        /// Recomputed, in nats, at least −32.
        recomputed: f32,
        /// The difference in nats.
        measured: f32,
        /// The threshold.
        allowed: f32,
    },
    /// The last digits of the claimed log-probabilities are those of another model.
    #[error(
        "{changed} of {of} log-probabilities of the {} are another step of 1/1024 nat than the recomputed ones, where honest drift explains {expected:.1}: a chance of 10^{log10} at most, 10^{limit_log10} is let pass",
        over.name()
    )]
    LogprobDigits {
        /// What was counted together, where no less shows it.
        over: Over,
        /// Log-probabilities in another step.
        changed: u64,
        /// All of them.
        of: u64,
        /// Most that honest drift explains on average.
        expected: f64,
        /// Decimal logarithm of the chance, at most.
        log10: f64,
        /// The threshold.
        limit_log10: f64,
    },
    /// The claimed reward is not the recomputed one, bit for bit.
    #[error("the reward is claimed as {claimed} and recomputed as {recomputed}; they must be the same f32")]
    RewardMismatch {
        /// In the file.
        claimed: f32,
        /// What the environment gives for this completion.
        recomputed: f32,
    },
}

impl Rejection {
    /// What happened, with its numbers, and what a miner should do; one sentence.
    pub fn explain(&self) -> String {
        format!("{self}; {}.", self.advice())
    }
}

/// Characters of a reader's message that are kept: it may quote the stranger's file.
const DETAIL_CHARS: usize = 240;

/// A stranger's words in one line of bounded length.
fn tame(text: &str) -> String {
    text.chars().take(DETAIL_CHARS).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

impl From<DecodeError> for Rejection {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Malformed { detail } => Self::FileMalformed { detail: tame(&detail) },
            DecodeError::TooLarge { what, got, most } => Self::FileTooLarge { what: what.into(), got, most },
            DecodeError::Field { field, detail } => {
                Self::FieldInvalid { field: tame(&field), detail: tame(&detail) }
            }
        }
    }
}

#[cfg(test)]
mod tests;

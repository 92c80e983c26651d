//! Lies about a file as a whole. The court refuses it before a model is asked.

use super::{Bank, Card, MINER, Submission};
use crate::{
    LabError,
    stand::{DEADLINE, beacon, encode, header, pair, seal},
};
use grail_artifact::window::{Header, RolloutRecord, RootHex, WindowFile, root_of};
use grail_protocol::{
    beacon::WindowRandomness,
    hash::digest,
    params::ROLLOUTS_PER_PROBLEM,
    profile::NumericProfile,
    words::{CheckpointId, EnvId, GroupIndex, NetworkId, RolloutIndex, TokenId, UnixMillis},
};

/// A lie about the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is described by its card")]
pub enum FileLie {
    LateUpload,
    CutFile,
    NoFileAtAll,
    AnotherVersion,
    AnotherNetwork,
    ReplayedWindow,
    CopiedFile,
    AnotherCheckpointNamed,
    AnotherEnvironment,
    AnotherBeacon,
    BlockHashOnly,
    AnotherProfile,
    MoreGroupsSigned,
    FewerRolloutsSigned,
    DroppedAfterSigning,
    EditedAfterSigning,
    EditedAndRootRenewed,
    SignedByAnother,
    DroppedGroup,
    GroupOfFifteen,
    GroupOfSeventeen,
    RolloutTwice,
    ReorderedRollouts,
    ReorderedGroups,
    ShortSketch,
    SurplusLogprobs,
    NoTokens,
    LongerThanTheCap,
    TokenOverflow,
    RewardNan,
    RewardInfinite,
    SketchOverflow,
    LogprobAboveZero,
    CountOverflow,
}

impl FileLie {
    /// All of them, in the order of the court's checks.
    pub const ALL: &[Self] = &[
        Self::LateUpload,
        Self::CutFile,
        Self::NoFileAtAll,
        Self::AnotherVersion,
        Self::AnotherNetwork,
        Self::ReplayedWindow,
        Self::CopiedFile,
        Self::AnotherCheckpointNamed,
        Self::AnotherEnvironment,
        Self::AnotherBeacon,
        Self::BlockHashOnly,
        Self::AnotherProfile,
        Self::MoreGroupsSigned,
        Self::FewerRolloutsSigned,
        Self::DroppedAfterSigning,
        Self::EditedAfterSigning,
        Self::EditedAndRootRenewed,
        Self::SignedByAnother,
        Self::DroppedGroup,
        Self::GroupOfFifteen,
        Self::GroupOfSeventeen,
        Self::RolloutTwice,
        Self::ReorderedRollouts,
        Self::ReorderedGroups,
        Self::ShortSketch,
        Self::SurplusLogprobs,
        Self::NoTokens,
        Self::LongerThanTheCap,
        Self::TokenOverflow,
        Self::RewardNan,
        Self::RewardInfinite,
        Self::SketchOverflow,
        Self::LogprobAboveZero,
        Self::CountOverflow,
    ];

    pub(super) const fn card(self) -> Card {
        match self {
            Self::LateUpload => Card::refused("late-upload", "an honest file, stored a second too late"),
            Self::CutFile => Card::refused("cut-file", "the second half of the bytes is missing"),
            Self::NoFileAtAll => Card::refused("random-bytes", "random bytes in place of a file"),
            Self::AnotherVersion => Card::refused("another-version", "names protocol version 2"),
            Self::AnotherNetwork => Card::refused("another-network", "names another network"),
            Self::ReplayedWindow => {
                Card::refused("replayed-window", "the file of an earlier window, as it was")
            }
            Self::CopiedFile => {
                Card::refused("copied-file", "another miner's file, as it was, under the own key")
            }
            Self::AnotherCheckpointNamed => {
                Card::refused("another-checkpoint-named", "names the previous checkpoint")
            }
            Self::AnotherEnvironment => Card::refused("another-environment", "names an easier environment"),
            Self::AnotherBeacon => Card::refused("another-beacon", "names a beacon of the miner's choice"),
            Self::BlockHashOnly => {
                Card::refused("block-hash-only", "says that there is no beacon where one is asked for")
            }
            Self::AnotherProfile => {
                Card::refused("another-profile", "names the looser numeric profile, to be judged by it")
            }
            Self::MoreGroupsSigned => {
                Card::refused("more-groups-signed", "signs one group more than it holds")
            }
            Self::FewerRolloutsSigned => {
                Card::refused("fewer-rollouts-signed", "signs one rollout less than it holds")
            }
            Self::DroppedAfterSigning => {
                Card::refused("dropped-after-signing", "the last rollout is taken out after signing")
            }
            Self::EditedAfterSigning => {
                Card::refused("edited-after-signing", "one token is changed after signing")
            }
            Self::EditedAndRootRenewed => Card::refused(
                "edited-and-root-renewed",
                "one token is changed after signing and the root computed again",
            ),
            Self::SignedByAnother => Card::refused("signed-by-another", "signed with another miner's key"),
            Self::DroppedGroup => {
                Card::refused("dropped-group", "a group of bad answers is left out, its number skipped")
            }
            Self::GroupOfFifteen => {
                Card::refused("group-of-fifteen", "the worst rollout of a group is left out")
            }
            Self::GroupOfSeventeen => Card::refused("group-of-seventeen", "a good rollout is sent once more"),
            Self::RolloutTwice => Card::refused("rollout-twice", "the same group and number twice"),
            Self::ReorderedRollouts => Card::refused("reordered-rollouts", "two rollouts change places"),
            Self::ReorderedGroups => Card::refused("reordered-groups", "the last group stands first"),
            Self::ShortSketch => Card::refused("short-sketch", "a sketch of one byte less than tokens"),
            Self::SurplusLogprobs => {
                Card::refused("surplus-logprobs", "one log-probability more than tokens")
            }
            Self::NoTokens => Card::refused("no-tokens", "empty completions"),
            Self::LongerThanTheCap => Card::refused("longer-than-the-cap", "completions beyond the cap"),
            Self::TokenOverflow => Card::refused("token-overflow", "the largest number as a token"),
            Self::RewardNan => Card::refused("reward-nan", "a reward that is no number"),
            Self::RewardInfinite => Card::refused("reward-infinite", "an infinite reward"),
            Self::SketchOverflow => Card::refused("sketch-overflow", "the sketch byte that has no negative"),
            Self::LogprobAboveZero => Card::refused("logprob-above-zero", "a probability above one"),
            Self::CountOverflow => Card::refused("count-overflow", "the largest numbers as counts"),
        }
    }

    /// Tells the lie. `earlier` is another window of the same miner.
    pub(super) fn tell(self, bank: &Bank, earlier: &Bank) -> Result<Submission, LabError> {
        let context = bank.scene.context.clone();
        let hotkey = pair(MINER)?.hotkey();
        let groups = u32::try_from(bank.scene.groups.len()).unwrap_or(u32::MAX);
        let own = || header(&context, hotkey);
        let honest = || bank.honest.clone();
        let head = |edit: &dyn Fn(&mut Header)| -> Result<WindowFile, LabError> {
            let mut header = own();
            edit(&mut header);
            seal(header, honest(), MINER)
        };
        let each = |edit: &dyn Fn(&mut RolloutRecord)| -> Result<WindowFile, LabError> {
            let mut records = honest();
            records.iter_mut().for_each(edit);
            seal(own(), records, MINER)
        };
        let after = |edit: &dyn Fn(&mut WindowFile)| -> Result<WindowFile, LabError> {
            let mut file = seal(own(), honest(), MINER)?;
            edit(&mut file);
            Ok(file)
        };
        let without = |left_out: &dyn Fn(&RolloutRecord) -> bool| {
            seal(own(), honest().into_iter().filter(|record| !left_out(record)).collect(), MINER)
        };
        let with = |more: Vec<RolloutRecord>| seal(own(), [honest(), more].concat(), MINER);
        let last = || bank.honest.last().cloned().ok_or_else(|| LabError::inside("an empty window"));

        let mut asked_for = hotkey;
        let mut stored_at = UnixMillis(DEADLINE.0 - 1);
        let file = match self {
            Self::LateUpload => {
                stored_at = UnixMillis(DEADLINE.0 + 1_000);
                head(&|_| ())?
            }
            Self::CutFile | Self::NoFileAtAll => head(&|_| ())?,
            Self::AnotherVersion => head(&|header| header.version = 2)?,
            Self::AnotherNetwork => {
                let other = NetworkId::new("elsewhere")?;
                head(&|header| header.network = other.clone())?
            }
            Self::ReplayedWindow => {
                seal(header(&earlier.scene.context, hotkey), earlier.honest.clone(), MINER)?
            }
            Self::CopiedFile => {
                asked_for = pair(MINER + 1)?.hotkey();
                head(&|_| ())?
            }
            Self::AnotherCheckpointNamed => {
                head(&|header| header.checkpoint = CheckpointId::from_bytes([9; 32]))?
            }
            Self::AnotherEnvironment => {
                let other = EnvId::new("chess/1")?;
                head(&|header| header.env = other.clone())?
            }
            Self::AnotherBeacon => head(&|header| header.randomness = beacon(7, 99))?,
            Self::BlockHashOnly => head(&|header| header.randomness = WindowRandomness::BlockHashOnly)?,
            Self::AnotherProfile => {
                let other = match context.numeric {
                    NumericProfile::StrictF32 => NumericProfile::StrictBf16,
                    NumericProfile::StrictBf16 => NumericProfile::StrictF32,
                };
                head(&|header| header.numeric = other)?
            }
            Self::MoreGroupsSigned => after(&|file| file.groups += 1)?,
            Self::FewerRolloutsSigned => after(&|file| file.rollout_count -= 1)?,
            Self::CountOverflow => after(&|file| file.rollout_count = u32::MAX)?,
            Self::DroppedAfterSigning => after(&|file| drop(file.rollouts.pop()))?,
            Self::EditedAfterSigning => after(&|file| edit_a_token(&mut file.rollouts))?,
            Self::EditedAndRootRenewed => after(&|file| {
                edit_a_token(&mut file.rollouts);
                file.root = RootHex(root_of(&file.rollouts));
            })?,
            Self::SignedByAnother => seal(own(), honest(), MINER + 1)?,
            Self::DroppedGroup => {
                // The number after the gap must be there: a missing last group is an honest stop.
                let gap = GroupIndex(groups.saturating_sub(2));
                without(&|record| record.group == gap)?
            }
            Self::GroupOfFifteen => without(&|record| record.group.0 == 0 && record.rollout.0 == 3)?,
            Self::GroupOfSeventeen => {
                with(vec![RolloutRecord { rollout: RolloutIndex(ROLLOUTS_PER_PROBLEM), ..last()? }])?
            }
            Self::RolloutTwice => with(vec![last()?])?,
            Self::ReorderedRollouts => {
                let mut records = honest();
                records.swap(4, 5);
                seal(own(), records, MINER)?
            }
            Self::ReorderedGroups => {
                let mut records = honest();
                records.rotate_right(usize::from(ROLLOUTS_PER_PROBLEM));
                seal(own(), records, MINER)?
            }
            Self::ShortSketch => each(&|record| {
                record.sketch.pop();
            })?,
            Self::SurplusLogprobs => each(&|record| record.logprobs.push(-1))?,
            Self::NoTokens => each(&|record| {
                record.tokens.clear();
                record.sketch.clear();
                record.logprobs.clear();
            })?,
            Self::LongerThanTheCap => {
                let cap = context.max_new_tokens as usize;
                each(&|record| {
                    record.tokens.resize(cap + 1, 0);
                    record.sketch.resize(cap + 1, 0);
                    record.logprobs.resize(cap + 1, -1);
                })?
            }
            Self::TokenOverflow => {
                each(&|record| record.tokens.iter_mut().take(1).for_each(|token| *token = TokenId::MAX))?
            }
            Self::RewardNan => each(&|record| record.reward = f32::NAN)?,
            Self::RewardInfinite => each(&|record| record.reward = f32::INFINITY)?,
            Self::SketchOverflow => {
                each(&|record| record.sketch.iter_mut().take(1).for_each(|byte| *byte = i8::MIN))?
            }
            Self::LogprobAboveZero => {
                each(&|record| record.logprobs.iter_mut().take(1).for_each(|units| *units = i16::MAX))?
            }
        };
        let mut body = encode(&file)?;
        match self {
            Self::CutFile => body.truncate(body.len() / 2),
            Self::NoFileAtAll => {
                let block = digest("grail lab noise", &[&body]);
                body = block.iter().copied().cycle().take(body.len()).collect();
            }
            _ => {}
        }
        let harmless = vec![false; file.rollouts.len()];
        let true_text = harmless.clone();
        Ok(Submission {
            body,
            stored_at,
            context,
            hotkey: asked_for,
            records: file.rollouts,
            harmless,
            true_text,
        })
    }
}

fn edit_a_token(records: &mut [RolloutRecord]) {
    for token in records.iter_mut().take(1).flat_map(|record| record.tokens.iter_mut().take(1)) {
        *token ^= 1;
    }
}

//! Lies about sketch, text, log-probabilities and reward: the file is in order, its rollouts are not.

use super::{Bank, Card, MINER};
use crate::{
    LabError,
    stand::{Asked, Scene, Stand, beacon},
};
use grail_artifact::window::RolloutRecord;
use grail_ports::model::{Oracle as _, Tokenize as _};
use grail_protocol::{
    params::ROLLOUTS_PER_PROBLEM,
    sketch::sketch,
    stream::Stream,
    words::{GroupIndex, TokenId},
};
use grail_torch::TorchOracle;
use std::collections::BTreeMap;

/// A lie about a rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is described by its card")]
pub enum ClaimLie {
    ZeroSketch,
    ConstantSketch,
    RandomSketch,
    ShuffledSketch,
    ChunkShuffledSketch,
    NegatedSketch,
    MeanStateSketch,
    OtherPromptSketch,
    OtherRolloutSketch,
    SketchOffByOne,
    OneFarByte,
    CopiedRollouts,
    CopiedText,
    ReplayedRollouts,
    PreparedAhead,
    ChosenGroups,
    RenumberedRollouts,
    ForeignText,
    AnswerSwap,
    SplitToken,
    Retokenised,
    EditedText,
    CutShort,
    EndedEarly,
    EndPadding,
    CertainLogprobs,
    LogprobUnderflow,
    ShiftedLogprobs,
    FullReward,
    RewardBit,
    NegativeZeroReward,
}

impl ClaimLie {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::ZeroSketch,
        Self::ConstantSketch,
        Self::RandomSketch,
        Self::ShuffledSketch,
        Self::ChunkShuffledSketch,
        Self::NegatedSketch,
        Self::MeanStateSketch,
        Self::OtherPromptSketch,
        Self::OtherRolloutSketch,
        Self::SketchOffByOne,
        Self::OneFarByte,
        Self::CopiedRollouts,
        Self::CopiedText,
        Self::ReplayedRollouts,
        Self::PreparedAhead,
        Self::ChosenGroups,
        Self::RenumberedRollouts,
        Self::ForeignText,
        Self::AnswerSwap,
        Self::SplitToken,
        Self::Retokenised,
        Self::EditedText,
        Self::CutShort,
        Self::EndedEarly,
        Self::EndPadding,
        Self::CertainLogprobs,
        Self::LogprobUnderflow,
        Self::ShiftedLogprobs,
        Self::FullReward,
        Self::RewardBit,
        Self::NegativeZeroReward,
    ];

    pub(super) const fn card(self) -> Card {
        match self {
            Self::ZeroSketch => Card::refused("zero-sketch", "true text; every sketch byte is 0"),
            Self::ConstantSketch => Card::refused("constant-sketch", "true text; every sketch byte is 17"),
            Self::RandomSketch => {
                Card::refused("random-sketch", "true text; sketch bytes drawn from the honest distribution")
            }
            Self::ShuffledSketch => {
                Card::refused("shuffled-sketch", "true text; the true sketch bytes in another order")
            }
            Self::ChunkShuffledSketch => Card::refused(
                "chunk-shuffled-sketch",
                "true text; the true sketch bytes turned within every eight of them",
            ),
            Self::NegatedSketch => {
                Card::refused("negated-sketch", "true text; the sketch with its signs turned")
            }
            Self::MeanStateSketch => Card::refused(
                "mean-state-sketch",
                "true text; the sketch of the mean hidden state, the best guess that needs no model",
            ),
            Self::OtherPromptSketch => Card::refused(
                "other-prompt-sketch",
                "true text; the sketch that the model gives after the next problem's prompt",
            ),
            Self::OtherRolloutSketch => {
                Card::refused("other-rollout-sketch", "true text; the sketch of the rollout after it")
            }
            Self::SketchOffByOne => {
                Card::refused("sketch-off-by-one", "true text; every sketch byte one step higher")
            }
            Self::OneFarByte => {
                Card::refused("one-far-byte", "true text; a single sketch byte four steps away")
            }
            Self::CopiedRollouts => Card::refused(
                "copied-rollouts",
                "another miner's rollouts with their sketches, under the own signature",
            ),
            Self::CopiedText => Card::refused(
                "copied-text",
                "another miner's texts, with a sketch of the own keys from one honest prefill",
            ),
            Self::ReplayedRollouts => {
                Card::refused("replayed-rollouts", "the rollouts of an earlier window under the new header")
            }
            Self::PreparedAhead => Card::refused(
                "prepared-ahead",
                "rollouts made with a guessed beacon, before the window's was known",
            ),
            Self::ChosenGroups => Card::refused(
                "chosen-groups",
                "the first group is thrown away and the others take the numbers before theirs",
            ),
            Self::RenumberedRollouts => {
                Card::refused("renumbered-rollouts", "rollouts of a group change places and take new numbers")
            }
            Self::ForeignText => Card::refused(
                "foreign-text",
                "each rollout takes the text of the next one, with a true sketch from one prefill",
            ),
            Self::AnswerSwap => Card::refused(
                "answer-swap",
                "one digit of a wrong answer is put right, with a true sketch from one prefill",
            ),
            Self::SplitToken => Card::refused(
                "split-token",
                "the same text in other tokens: one token in two parts, with a true sketch",
            ),
            // A tokenizer writes nearly every drawn text as it was drawn; nothing false comes of that.
            Self::Retokenised => {
                Card::within(10_000, "retokenised", "text decoded and encoded again, with a true sketch")
            }
            Self::EditedText => {
                Card::refused("edited-text", "the first token is changed, the sketch left as it was")
            }
            Self::CutShort => Card::refused("cut-short", "the last token is left out"),
            Self::EndedEarly => {
                Card::refused("ended-early", "an end token half-way, to save the rest, with a true sketch")
            }
            Self::EndPadding => Card::refused("end-padding", "end tokens up to the cap, for length"),
            Self::CertainLogprobs => Card::refused("certain-logprobs", "every log-probability claimed as 0"),
            Self::LogprobUnderflow => {
                Card::refused("logprob-underflow", "every log-probability the lowest number there is")
            }
            Self::ShiftedLogprobs => {
                Card::refused("shifted-logprobs", "log-probabilities 0.02 nat lower than they were")
            }
            Self::FullReward => Card::refused("full-reward", "the full reward claimed for every rollout"),
            Self::RewardBit => Card::refused("reward-bit", "a reward one bit away from what was earned"),
            Self::NegativeZeroReward => {
                Card::refused("negative-zero-reward", "the sign of the reward turned, of zero too")
            }
        }
    }
}

/// What a claim lie changes: the records, and now and then whose they are or what the truth is.
pub(super) struct Told {
    pub(super) records: Vec<RolloutRecord>,
    /// The window that the validator derives, where it is not the one that the miner answered.
    pub(super) truth: Option<grail_protocol::seed::WindowContext>,
    pub(super) miner: u8,
}

impl ClaimLie {
    /// Tells the lie. `mean` is the mean hidden state of honest rollouts.
    pub(super) fn tell(
        self,
        stand: &Stand,
        bank: &Bank,
        earlier: &Bank,
        mean: &[f32],
    ) -> Result<Told, LabError> {
        let scene = &bank.scene;
        let plain = |records| -> Result<Told, LabError> { Ok(Told { records, truth: None, miner: MINER }) };
        let each = |edit: &mut dyn FnMut(&mut RolloutRecord)| {
            let mut records = bank.honest.clone();
            records.iter_mut().for_each(edit);
            plain(records)
        };
        let proven = |completions: Vec<Vec<Vec<TokenId>>>| plain(stand.proven(scene, completions)?);
        let texts = || bank.honest.iter().map(|record| record.tokens.clone()).collect::<Vec<_>>();
        match self {
            Self::ZeroSketch => each(&mut |record| record.sketch.fill(0)),
            Self::ConstantSketch => each(&mut |record| record.sketch.fill(17)),
            Self::RandomSketch => {
                let pool: Vec<i8> = bank.honest.iter().flat_map(|record| record.sketch.clone()).collect();
                let mut stream = Stream::new(&[4; 32], scene.context.window.0);
                let bound = u32::try_from(pool.len()).unwrap_or(u32::MAX);
                let mut draw = move || {
                    let place = stream.below(bound).unwrap_or(0) as usize;
                    pool.get(place).copied().unwrap_or(0)
                };
                each(&mut |record| record.sketch.fill_with(&mut draw))
            }
            Self::ShuffledSketch => {
                let mut stream = Stream::new(&[5; 32], scene.context.window.0);
                each(&mut |record| shuffle(&mut record.sketch, &mut stream))
            }
            Self::ChunkShuffledSketch => each(&mut |record| {
                record.sketch.chunks_mut(8).for_each(|chunk| chunk.rotate_right(1));
            }),
            Self::NegatedSketch => each(&mut |record| {
                record.sketch.iter_mut().for_each(|byte| *byte = byte.saturating_neg());
            }),
            Self::SketchOffByOne => each(&mut |record| {
                record.sketch.iter_mut().for_each(|byte| *byte = if *byte < 127 { *byte + 1 } else { 126 });
            }),
            Self::OneFarByte => each(&mut |record| {
                let middle = record.sketch.len() / 2;
                if let Some(byte) = record.sketch.get_mut(middle) {
                    *byte = if *byte <= 0 { *byte + 4 } else { *byte - 4 };
                }
            }),
            Self::MeanStateSketch => {
                let mut records = bank.honest.clone();
                for (record, keys) in records.iter_mut().zip(keys(scene)) {
                    for (step, byte) in (0u32..).zip(record.sketch.iter_mut()) {
                        *byte = sketch(mean, &keys.sketch, step)
                            .map_err(|error| LabError::inside(error.to_string()))?;
                    }
                }
                plain(records)
            }
            Self::OtherPromptSketch => {
                let mut oracle = TorchOracle::new(stand.model.clone());
                let mut records = bank.honest.clone();
                let prompts = scene.groups.iter().cycle().skip(1);
                let groups = records.chunks_mut(usize::from(ROLLOUTS_PER_PROBLEM));
                for ((asked, other), records) in scene.groups.iter().zip(prompts).zip(groups) {
                    let texts: Vec<Vec<TokenId>> = records.iter().map(|r| r.tokens.clone()).collect();
                    let mut probe = stand.probe(asked, &texts);
                    probe.prompt.clone_from(&other.request.prompt);
                    for (record, readout) in records.iter_mut().zip(oracle.read(&probe)?) {
                        record.sketch = readout.sketch;
                    }
                }
                plain(records)
            }
            Self::OtherRolloutSketch => {
                let mut records = bank.honest.clone();
                let mut sketches: Vec<Vec<i8>> = records.iter().map(|r| r.sketch.clone()).collect();
                sketches.rotate_left(1);
                for (record, sketch) in records.iter_mut().zip(sketches) {
                    let again = sketch.iter().copied().cycle();
                    record.sketch = again.take(record.tokens.len()).collect();
                }
                plain(records)
            }
            Self::CopiedRollouts => Ok(Told { records: bank.honest.clone(), truth: None, miner: MINER + 1 }),
            Self::CopiedText => {
                let groups = u32::try_from(scene.groups.len()).unwrap_or(u32::MAX);
                let own = stand.scene(scene.context.clone(), MINER + 1, groups)?;
                let records = stand.proven(&own, by_group(texts()))?;
                Ok(Told { records, truth: None, miner: MINER + 1 })
            }
            Self::ReplayedRollouts => plain(earlier.honest.clone()),
            Self::PreparedAhead => {
                let mut truth = scene.context.clone();
                truth.randomness = beacon(truth.window.0, 1);
                Ok(Told { records: bank.honest.clone(), truth: Some(truth), miner: MINER })
            }
            Self::ChosenGroups => {
                let kept = bank.honest.iter().filter(|record| record.group.0 > 0);
                let moved = |record: &RolloutRecord| RolloutRecord {
                    group: GroupIndex(record.group.0 - 1),
                    ..record.clone()
                };
                plain(kept.map(moved).collect())
            }
            Self::RenumberedRollouts => {
                let mut records = bank.honest.clone();
                for group in records.chunks_mut(usize::from(ROLLOUTS_PER_PROBLEM)) {
                    let numbers: Vec<_> = group.iter().map(|record| record.rollout).collect();
                    group.rotate_left(1);
                    group.iter_mut().zip(numbers).for_each(|(record, number)| record.rollout = number);
                }
                plain(records)
            }
            Self::ForeignText => {
                let mut groups = by_group(texts());
                groups.iter_mut().for_each(|group| group.rotate_left(1));
                proven(groups)
            }
            Self::AnswerSwap => {
                let digits = digits(stand)?;
                let mut groups = by_group(texts());
                for (asked, group) in scene.groups.iter().zip(&mut groups) {
                    for tokens in group {
                        swap_answer(stand, asked, &digits, tokens)?;
                    }
                }
                proven(groups)
            }
            Self::SplitToken => {
                let pieces = Pieces::of(stand)?;
                let cap = stand.setup.max_new_tokens as usize;
                let split = texts().into_iter().map(|tokens| pieces.split(tokens, cap));
                proven(by_group(split.collect()))
            }
            Self::Retokenised => {
                let mut again = Vec::new();
                for tokens in texts() {
                    again.push(retokenised(stand, &tokens)?);
                }
                proven(by_group(again))
            }
            Self::EditedText => {
                let vocabulary = stand.model.card().vocabulary;
                each(&mut |record| {
                    record.tokens.iter_mut().take(1).for_each(|token| *token = (*token + 1) % vocabulary);
                })
            }
            Self::CutShort => each(&mut |record| {
                if record.tokens.len() > 1 {
                    record.tokens.pop();
                    record.sketch.pop();
                    record.logprobs.pop();
                }
            }),
            Self::EndedEarly => {
                let end = stand.ends().first().copied().unwrap_or(0);
                let mut cut = texts();
                for tokens in &mut cut {
                    tokens.truncate(tokens.len() / 2);
                    tokens.push(end);
                }
                proven(by_group(cut))
            }
            Self::EndPadding => {
                let end = stand.ends().first().copied().unwrap_or(0);
                let cap = stand.setup.max_new_tokens as usize;
                each(&mut |record| {
                    // One that fills the cap already gets its end tokens in front of the last.
                    if record.tokens.len() >= cap {
                        let middle = cap / 2;
                        record.tokens.iter_mut().skip(middle).for_each(|token| *token = end);
                    }
                    record.tokens.resize(cap, end);
                    record.sketch.resize(cap, 1);
                    record.logprobs.resize(cap, -1);
                })
            }
            Self::CertainLogprobs => each(&mut |record| record.logprobs.fill(0)),
            Self::LogprobUnderflow => each(&mut |record| record.logprobs.fill(i16::MIN)),
            Self::ShiftedLogprobs => each(&mut |record| {
                record.logprobs.iter_mut().for_each(|units| *units = units.saturating_sub(20));
            }),
            Self::FullReward => each(&mut |record| record.reward = full_reward(record.reward)),
            Self::RewardBit => {
                each(&mut |record| record.reward = f32::from_bits(record.reward.to_bits() ^ 1))
            }
            Self::NegativeZeroReward => each(&mut |record| record.reward = -record.reward),
        }
    }
}

/// A reward that was not earned: the largest there is, or another one where it was.
fn full_reward(earned: f32) -> f32 {
    if earned == 1.0 { 0.9 } else { 1.0 }
}

fn keys(scene: &Scene) -> impl Iterator<Item = grail_ports::model::RolloutKeys> {
    scene.groups.iter().flat_map(|asked| asked.request.rollouts.iter().copied())
}

/// Texts of a whole window, group by group.
pub(super) fn by_group(texts: Vec<Vec<TokenId>>) -> Vec<Vec<Vec<TokenId>>> {
    texts.chunks(usize::from(ROLLOUTS_PER_PROBLEM)).map(<[Vec<TokenId>]>::to_vec).collect()
}

/// Puts values into another order, none of which is the one they had.
fn shuffle(values: &mut [i8], stream: &mut Stream) {
    for place in (1..values.len()).rev() {
        let bound = u32::try_from(place).unwrap_or(u32::MAX);
        values.swap(place, stream.below(bound).unwrap_or(0) as usize);
    }
}

/// Tokens that are one decimal digit.
fn digits(stand: &Stand) -> Result<Vec<TokenId>, LabError> {
    let mut digits = Vec::new();
    for token in 0..stand.model.card().vocabulary {
        let text = stand.tokenizer.decode(&[token])?;
        if let [byte] = text.as_bytes()
            && byte.is_ascii_digit()
        {
            digits.push(token);
        }
    }
    Ok(digits)
}

/// Turns a wrong answer into the right one by one digit, where one digit is enough.
fn swap_answer(
    stand: &Stand,
    asked: &Asked,
    digits: &[TokenId],
    tokens: &mut Vec<TokenId>,
) -> Result<(), LabError> {
    if stand.succeeds(&asked.problem, tokens)? {
        return Ok(());
    }
    let places: Vec<usize> = (0..tokens.len())
        .rev()
        .filter(|place| tokens.get(*place).is_some_and(|t| digits.contains(t)))
        .collect();
    for place in places {
        for digit in digits {
            let mut other = tokens.clone();
            if let Some(token) = other.get_mut(place) {
                *token = *digit;
            }
            if stand.succeeds(&asked.problem, &other)? {
                *tokens = other;
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The same text, as the tokenizer would have written it.
fn retokenised(stand: &Stand, tokens: &[TokenId]) -> Result<Vec<TokenId>, LabError> {
    let (body, end) = match tokens.split_last() {
        Some((last, body)) if stand.ends().contains(last) => (body, Some(*last)),
        _ => (tokens, None),
    };
    let mut again = stand.tokenizer.encode_untrusted(&stand.tokenizer.decode(body)?)?;
    again.extend(end);
    again.truncate(stand.setup.max_new_tokens as usize);
    if again.is_empty() {
        return Ok(tokens.to_vec());
    }
    Ok(again)
}

/// What tokens spell, and which token spells a text.
struct Pieces {
    texts: Vec<String>,
    tokens: BTreeMap<String, TokenId>,
}

impl Pieces {
    fn of(stand: &Stand) -> Result<Self, LabError> {
        let mut pieces = Self { texts: Vec::new(), tokens: BTreeMap::new() };
        for token in 0..stand.model.card().vocabulary {
            let text = stand.tokenizer.decode(&[token])?;
            // Pieces of characters have no text of their own.
            if !text.contains('\u{fffd}') {
                pieces.tokens.entry(text.clone()).or_insert(token);
            }
            pieces.texts.push(text);
        }
        Ok(pieces)
    }

    /// The completion with its first token that can be cut in two, cut in two.
    fn split(&self, tokens: Vec<TokenId>, cap: usize) -> Vec<TokenId> {
        for (place, token) in tokens.iter().enumerate() {
            let Some(text) = self.texts.get(*token as usize) else { continue };
            let cuts = text.char_indices().map(|(at, _)| at).skip(1);
            let parts = cuts.map(|at| text.split_at(at));
            let pair = parts
                .filter_map(|(left, right)| Some((self.tokens.get(left)?, self.tokens.get(right)?)))
                .next();
            if let Some((left, right)) = pair {
                let mut split = tokens.clone();
                split.splice(place..=place, [*left, *right]);
                split.truncate(cap);
                return split;
            }
        }
        tokens
    }
}

//! Lies about how tokens were drawn. Sketch and log-probabilities are true throughout: whoever samples otherwise than
//! published has the model at hand, and loses nothing by telling the truth about it.

use super::{Bank, Card, habits::Habit};
use crate::{LabError, stand::Stand};
use grail_artifact::window::RolloutRecord;
use grail_ports::model::{Answer, GroupRequest};
use grail_protocol::{draw::SamplingPolicy, params::ROLLOUTS_PER_PROBLEM, words::TokenId};
use grail_torch::{Forced, Pick};
use std::sync::Arc;

/// A lie about the draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is described by its card")]
pub enum SamplingLie {
    Cooler,
    Hotter,
    NarrowNucleus,
    WholeVocabulary,
    TopK,
    OwnSeed,
    SharedSeed,
    Argmax,
    BestOfFour,
    UntilReward,
    NoEnd,
    PromptEdit,
    PrefixInjection,
    SlackPicking,
}

/// Candidates of [`SamplingLie::BestOfFour`].
const CANDIDATES: u8 = 4;
/// Tries of [`SamplingLie::UntilReward`].
const TRIES: u8 = 8;
/// Tokens put in front by [`SamplingLie::PrefixInjection`].
const PREFIX: usize = 4;

impl SamplingLie {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Cooler,
        Self::Hotter,
        Self::NarrowNucleus,
        Self::WholeVocabulary,
        Self::TopK,
        Self::OwnSeed,
        Self::SharedSeed,
        Self::Argmax,
        Self::BestOfFour,
        Self::UntilReward,
        Self::NoEnd,
        Self::PromptEdit,
        Self::PrefixInjection,
        Self::SlackPicking,
    ];

    pub(super) const fn card(self) -> Card {
        match self {
            Self::Cooler => {
                Card::within(2_000, "temperature-0.9", "drawn at temperature 0.9 with the published noise")
            }
            Self::Hotter => {
                Card::within(2_000, "temperature-1.1", "drawn at temperature 1.1 with the published noise")
            }
            Self::NarrowNucleus => {
                Card::within(2_000, "top-p-0.90", "drawn from the nucleus of 0.90 with the published noise")
            }
            Self::WholeVocabulary => {
                Card::within(2_000, "top-p-1.0", "drawn from the whole vocabulary with the published noise")
            }
            Self::TopK => Card::within(10_000, "top-k-5", "drawn among the five most probable tokens"),
            Self::OwnSeed => Card::within(100, "own-seed", "drawn with noise of the miner's own"),
            Self::SharedSeed => Card::within(100, "shared-seed", "one rollout's noise for the whole group"),
            Self::Argmax => Card::within(100, "argmax", "the most probable token each time"),
            Self::BestOfFour => Card::within(
                500,
                "best-of-four",
                "four candidates a rollout, the honest one among them; the best reward is sent",
            ),
            Self::UntilReward => {
                Card::within(500, "until-reward", "drawn anew, up to eight times, until the answer is right")
            }
            Self::NoEnd => Card::within(500, "end-suppressed", "no end token is drawn until the cap"),
            Self::PromptEdit => {
                Card::within(500, "prompt-edit", "answered after an edited prompt, proven after the true one")
            }
            Self::PrefixInjection => Card::within(
                200,
                "prefix-injection",
                "completions begin with tokens of the miner's choice and go on honestly",
            ),
            Self::SlackPicking => Card::open(
                "slack-picking",
                "the second token wherever it loses by less than the soft margin; kept where it pays",
            ),
        }
    }

    /// Tells the lie.
    pub(super) fn tell(self, stand: &Stand, bank: &Bank) -> Result<Vec<RolloutRecord>, LabError> {
        let scene = &bank.scene;
        let requests: Vec<GroupRequest> = scene.groups.iter().map(|asked| asked.request.clone()).collect();
        let policy = stand.rule().policy;
        let pick = |habit: Habit| -> Arc<dyn Pick> { Arc::new(habit) };
        let plainly = |habit: Habit| {
            let answers = stand.answers(&stand.model, &requests, pick(habit))?;
            stand.records(scene, answers)
        };
        match self {
            Self::Cooler => plainly(Habit::Policy(SamplingPolicy { temperature: 0.9, ..policy })),
            Self::Hotter => plainly(Habit::Policy(SamplingPolicy { temperature: 1.1, ..policy })),
            Self::NarrowNucleus => plainly(Habit::Policy(SamplingPolicy { top_p: 0.90, ..policy })),
            Self::WholeVocabulary => plainly(Habit::Policy(SamplingPolicy { top_p: 1.0, ..policy })),
            Self::TopK => plainly(Habit::TopK(5)),
            Self::OwnSeed => plainly(Habit::OwnNoise(0xff)),
            Self::Argmax => plainly(Habit::Greedy),
            Self::NoEnd => plainly(Habit::Without(stand.ends().to_vec())),
            Self::SharedSeed => {
                let mut shared = requests.clone();
                for request in &mut shared {
                    let first = request.rollouts.first().map(|keys| keys.draw);
                    for (keys, draw) in request.rollouts.iter_mut().zip(std::iter::repeat(first)) {
                        keys.draw = draw.unwrap_or(keys.draw);
                    }
                }
                stand.records(scene, stand.answers(&stand.model, &shared, Arc::new(Forced))?)
            }
            Self::BestOfFour => best_of(stand, bank, &requests, CANDIDATES),
            Self::UntilReward => until_right(stand, bank, &requests),
            Self::PromptEdit => {
                let mut edited = requests.clone();
                let hint = stand.tokenizer.encode_untrusted(" = ")?;
                for request in &mut edited {
                    // Before the turn of the assistant, as a word more of the question.
                    let place = request.prompt.len().saturating_sub(4);
                    request.prompt.splice(place..place, hint.iter().copied());
                }
                let answers = stand.answers(&stand.model, &edited, Arc::new(Forced))?;
                stand.proven(scene, texts(answers))
            }
            Self::PrefixInjection => {
                let mut firsts: Vec<Vec<TokenId>> = bank
                    .honest
                    .chunks(usize::from(ROLLOUTS_PER_PROBLEM))
                    .filter_map(|group| group.iter().max_by_key(|record| record.tokens.len()))
                    // From its middle: how completions begin is much the same everywhere.
                    .map(|record| {
                        record.tokens.iter().copied().skip(record.tokens.len() / 2).take(PREFIX).collect()
                    })
                    .collect();
                firsts.rotate_left(1);
                plainly(Habit::After(firsts))
            }
            Self::SlackPicking => {
                let soft = stand.setup.numeric().thresholds().margin_soft;
                // A little less, since the validator's logits are not the miner's to the last digit.
                let picked = plainly(Habit::SecondWithin(0.9 * soft))?;
                let kept = picked.into_iter().zip(&bank.honest).map(|(picked, honest)| {
                    if picked.reward >= honest.reward { picked } else { honest.clone() }
                });
                Ok(kept.collect())
            }
        }
    }
}

fn texts(answers: Vec<Vec<Answer>>) -> Vec<Vec<Vec<TokenId>>> {
    let group = |answers: Vec<Answer>| answers.into_iter().map(|answer| answer.tokens).collect();
    answers.into_iter().map(group).collect()
}

/// The best of several, the honest one first; a later one only where it is better.
fn best_of(
    stand: &Stand,
    bank: &Bank,
    requests: &[GroupRequest],
    candidates: u8,
) -> Result<Vec<RolloutRecord>, LabError> {
    let mut best = bank.honest.clone();
    for twist in 1..candidates {
        let answers = stand.answers(&stand.model, requests, Arc::new(Habit::OwnNoise(twist)))?;
        for (best, other) in best.iter_mut().zip(stand.records(&bank.scene, answers)?) {
            if other.reward > best.reward {
                *best = other;
            }
        }
    }
    Ok(best)
}

/// The first that is right, the honest one first; the last where none is.
fn until_right(
    stand: &Stand,
    bank: &Bank,
    requests: &[GroupRequest],
) -> Result<Vec<RolloutRecord>, LabError> {
    let problems = || {
        let each = bank.scene.groups.iter();
        each.flat_map(|asked| std::iter::repeat_n(&asked.problem, usize::from(ROLLOUTS_PER_PROBLEM)))
    };
    let mut sent = bank.honest.clone();
    for twist in 1..TRIES {
        let mut right = Vec::with_capacity(sent.len());
        for (record, problem) in sent.iter().zip(problems()) {
            right.push(stand.succeeds(problem, &record.tokens)?);
        }
        if right.iter().all(|right| *right) {
            break;
        }
        let answers = stand.answers(&stand.model, requests, Arc::new(Habit::OwnNoise(twist)))?;
        let others = stand.records(&bank.scene, answers)?;
        for ((sent, other), right) in sent.iter_mut().zip(others).zip(right) {
            if !right {
                *sent = other;
            }
        }
    }
    Ok(sent)
}

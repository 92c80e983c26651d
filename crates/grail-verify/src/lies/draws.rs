//! Lies about how tokens were drawn.

use super::{Codes, Habit, Lie, LieKind, Means, Tells, ToldLie, records};
use grail_artifact::window::RolloutRecord;
use grail_ports::{Fault, model::GroupRequest};
use grail_protocol::{params::ROLLOUTS_PER_PROBLEM, seed::DrawKey, words::TokenId};

const fn lie(name: &'static str, says: &'static str, codes: Codes, tells: Tells) -> Lie {
    Lie::new(LieKind::Sampling, name, says, codes, tells)
}

const fn picks(
    name: &'static str,
    says: &'static str,
    codes: Codes,
    habit: fn(&dyn Means) -> Result<Habit, Fault>,
) -> Lie {
    lie(name, says, codes, Tells::Picks(habit))
}

const OUTSIDE: Codes = &["draw-outside-nucleus", "draw-margins", "draw-margin"];
const MARGIN: Codes = &["draw-margin", "draw-outside-nucleus", "draw-margins"];
/// What is seen first on a real model depends on it.
const DRAWS: Codes = &[];

/// Candidates of a rollout from which the best is sent.
const CANDIDATES: u8 = 4;
/// Tries until an answer is right.
const TRIES: u8 = 8;
/// Tokens put in front.
const PREFIX: usize = 4;

pub(super) const LIES: &[Lie] = &[
    picks("temperature-0.9", "drawn at temperature 0.9 with the published noise", DRAWS, |_| {
        Ok(Habit::Temperature(0.9))
    })
    .real_within(2_000),
    picks("temperature-1.1", "drawn at temperature 1.1 with the published noise", DRAWS, |_| {
        Ok(Habit::Temperature(1.1))
    })
    .real_within(2_000),
    picks("temperature-1.5", "drawn at temperature 1.5 with the published noise", OUTSIDE, |_| {
        Ok(Habit::Temperature(1.5))
    })
    .fake(0.75, "hotter"),
    picks("temperature-0.6", "drawn at temperature 0.6 with the published noise", MARGIN, |_| {
        Ok(Habit::Temperature(0.6))
    })
    .fake(0.65, "colder"),
    lie(
        "temperature",
        "drawn at 1.3 times the published temperature, with the log-probabilities of that",
        OUTSIDE_OR_LOGPROB,
        Tells::Asks(|_, rule| rule.policy.temperature *= 1.3),
    )
    .only_fake(0.5),
    picks("top-p-0.90", "drawn from the nucleus of 0.90 with the published noise", DRAWS, |_| {
        Ok(Habit::TopP(0.9))
    })
    .real_within(2_000),
    picks("top-p-0.50", "drawn from the nucleus of 0.50 with the published noise", MARGIN, |_| {
        Ok(Habit::TopP(0.5))
    })
    .fake(0.65, "narrow-nucleus"),
    picks("top-p-1.0", "drawn from the whole vocabulary with the published noise", OUTSIDE, |_| {
        Ok(Habit::TopP(1.0))
    })
    .within(2_000)
    .shows(0.20, "whole-vocabulary"),
    picks("top-k-5", "drawn among the five most probable tokens", DRAWS, |_| Ok(Habit::TopK(5)))
        .real_within(10_000),
    lie(
        "own-seed",
        "drawn with noise of the miner's own",
        MARGIN,
        Tells::Asks(|groups, _| with_own_noise(groups, 1)),
    )
    .within(100)
    .shows(0.90, "seed-of-ones-own"),
    lie(
        "shared-seed",
        "one rollout's noise for the whole group",
        DRAWS,
        Tells::Asks(|groups, _| {
            for group in groups {
                let first = group.rollouts.first().map(|keys| keys.draw);
                group.rollouts.iter_mut().for_each(|keys| keys.draw = first.unwrap_or(keys.draw));
            }
        }),
    )
    .real_within(100),
    picks("argmax", "the most probable token each time", MARGIN, |_| Ok(Habit::Greedy))
        .within(100)
        .shows(0.85, "greedy"),
    picks(
        "swapped-token",
        "honest draws but for the first, which is the most probable other token",
        MARGIN,
        |_| Ok(Habit::SwapAt(0)),
    )
    .fake(0.95, "one-swapped-token"),
    lie(
        "best-of-four",
        "four candidates a rollout, the honest one among them; the best reward is sent",
        DRAWS,
        Tells::Otherwise(|m| best_of(m, |other, best| other.reward > best.reward)),
    )
    .real_within(500),
    lie(
        "longest-of-four",
        "four candidates a rollout, the honest one among them; the longest is sent",
        MARGIN,
        Tells::Otherwise(|m| best_of(m, |other, best| other.tokens.len() >= best.tokens.len())),
    )
    .fake(0.70, "best-of-four"),
    lie(
        "until-reward",
        "drawn anew, up to eight times, until the answer is right",
        DRAWS,
        Tells::Otherwise(until_right),
    )
    .real_within(500),
    picks("end-suppressed", "no end token is drawn until the cap", MARGIN, |m| {
        Ok(Habit::Without(m.tokenizer().end_tokens().to_vec()))
    })
    .within(500)
    .shows(0.75, "suppressed-end"),
    lie(
        "prompt-edit",
        "answered after an edited prompt, proven after the true one",
        DRAWS,
        Tells::Otherwise(edited_prompt),
    )
    .real_within(500),
    picks(
        "prefix-injection",
        "completions begin with tokens of the miner's choice and go on honestly",
        DRAWS,
        prefixes,
    )
    .real_within(200),
    lie(
        "slack-picking",
        "the second token wherever it loses by less than the soft margin; kept where it pays",
        DRAWS,
        Tells::Otherwise(slack),
    )
    .open(),
];

/// What a temperature of one's own shows first: where the draw lies, or what was claimed of it.
const OUTSIDE_OR_LOGPROB: Codes =
    &["draw-outside-nucleus", "draw-margin", "draw-margins", "logprob-error", "logprob-digits"];

/// Draw keys that differ in the first and the last byte; a candidate of one's own for each twist.
fn with_twisted_noise(groups: &mut [GroupRequest], twist: u8) {
    twisted(groups, |key| {
        let [first, .., last] = key;
        *first ^= twist;
        *last ^= twist;
    });
}

fn with_own_noise(groups: &mut [GroupRequest], bits: u8) {
    twisted(groups, |[first, ..]| *first ^= bits);
}

fn twisted(groups: &mut [GroupRequest], twist: impl Fn(&mut [u8; 32])) {
    for keys in groups.iter_mut().flat_map(|group| &mut group.rollouts) {
        let mut key = *keys.draw.as_bytes();
        twist(&mut key);
        keys.draw = DrawKey::from_bytes(key);
    }
}

/// The best of several, the honest one first.
fn best_of(
    means: &dyn Means,
    is_better: fn(&RolloutRecord, &RolloutRecord) -> bool,
) -> Result<ToldLie, Fault> {
    let mut best = means.honest(0)?;
    for twist in 1..CANDIDATES {
        let others = means.asked(&|groups, _| with_twisted_noise(groups, twist))?;
        for (best, other) in best.iter_mut().zip(others) {
            if is_better(&other, best) {
                *best = other;
            }
        }
    }
    records(means, best)
}

/// The first that is right, the honest one first; the last where none is.
fn until_right(means: &dyn Means) -> Result<ToldLie, Fault> {
    let mut sent = means.honest(0)?;
    for twist in 1..TRIES {
        let right = sent.iter().map(|record| means.succeeds(record, &record.tokens));
        let right = right.collect::<Result<Vec<bool>, Fault>>()?;
        if right.iter().all(|right| *right) {
            break;
        }
        let others = means.asked(&|groups, _| with_twisted_noise(groups, twist))?;
        for ((sent, other), right) in sent.iter_mut().zip(others).zip(right) {
            if !right {
                *sent = other;
            }
        }
    }
    records(means, sent)
}

fn edited_prompt(means: &dyn Means) -> Result<ToldLie, Fault> {
    let hint = means.encode(" = ")?;
    let answers = means.asked(&|groups, _| {
        for group in groups {
            // Before the turn of the assistant, as a word more of the question.
            let place = group.prompt.len().saturating_sub(4);
            group.prompt.splice(place..place, hint.iter().copied());
        }
    })?;
    records(means, means.proven(answers.into_iter().map(|record| record.tokens).collect())?)
}

fn prefixes(means: &dyn Means) -> Result<Habit, Fault> {
    let honest = means.honest(0)?;
    let groups = honest.chunks(usize::from(ROLLOUTS_PER_PROBLEM));
    let mut prefixes: Vec<Vec<TokenId>> = groups
        .filter_map(|group| group.iter().max_by_key(|record| record.tokens.len()))
        // From its middle: how completions begin is much the same everywhere.
        .map(|record| record.tokens.iter().copied().skip(record.tokens.len() / 2).take(PREFIX).collect())
        .collect();
    prefixes.rotate_left(1);
    Ok(Habit::After(prefixes))
}

fn slack(means: &dyn Means) -> Result<ToldLie, Fault> {
    let soft = means.window().numeric.thresholds().margin_soft;
    // A little less, since the validator's logits are not the miner's to the last digit.
    let picked = means.picked(Habit::CloseCalls { more: 0.0, less: 0.9 * soft })?;
    let kept = picked.into_iter().zip(means.honest(0)?);
    records(
        means,
        kept.map(|(picked, honest)| if picked.reward >= honest.reward { picked } else { honest }).collect(),
    )
}

//! Lies about sketch, text, log-probabilities and reward: the file is in order, its rollouts are not.

use super::{
    COMPUTATION, Codes, Computation, Foreign, Lie, LieKind, Means, Tells, ToldLie, each, records, texts,
};
use grail_artifact::window::RolloutRecord;
use grail_ports::Fault;
use grail_protocol::{params::ROLLOUTS_PER_PROBLEM, stream::Stream, words::GroupIndex};

const fn lie(
    name: &'static str,
    says: &'static str,
    codes: Codes,
    tell: fn(&dyn Means) -> Result<ToldLie, Fault>,
) -> Lie {
    Lie::new(LieKind::Forgery, name, says, codes, Tells::Otherwise(tell))
}

const fn computes(name: &'static str, says: &'static str, codes: Codes, computation: Computation) -> Lie {
    Lie::new(LieKind::Forgery, name, says, codes, Tells::Computes(computation))
}

const fn foreign(name: &'static str, says: &'static str, codes: Codes, foreign: Foreign) -> Lie {
    Lie::new(LieKind::Forgery, name, says, codes, Tells::Foreign(foreign))
}

/// Another text, proven. Which of its draws is seen first depends on the model.
const fn proven(name: &'static str, says: &'static str, texts: super::Texts) -> Lie {
    Lie::new(LieKind::Forgery, name, says, DRAWS, Tells::Texts(texts)).real()
}

/// A true text with another sketch. It shows in nearly every rollout: a byte or two may be right by chance.
const fn sketch(name: &'static str, says: &'static str, edit: fn(&mut [i8])) -> Lie {
    Lie { on_fake: Some(0.97), ..Lie::new(LieKind::Forgery, name, says, SKETCHES, Tells::Sketch(edit)) }
}

const SKETCHES: Codes = &["sketch-rms", "sketch-position"];
const EDITED: Codes = &[
    "sketch-rms",
    "sketch-position",
    "draw-outside-nucleus",
    "draw-margin",
    "logprob-error",
    "logprob-digits",
    "unfinished-completion",
];
const REWARD: Codes = &["reward-mismatch"];
/// Of texts that were not drawn, on a real model.
const DRAWS: Codes = &[];

pub(super) const LIES: &[Lie] = &[
    sketch("zero-sketch", "true text; every sketch byte is 0", |s| s.fill(0)).sample("zero-sketch"),
    sketch("constant-sketch", "true text; every sketch byte is 17", |s| s.fill(17)).sample("constant-sketch"),
    lie("random-sketch", "true text; sketch bytes drawn from the honest distribution", SKETCHES, |m| {
        let mut honest = m.honest(0)?;
        let pool: Vec<i8> = honest.iter().flat_map(|record| record.sketch.clone()).collect();
        let mut stream = Stream::new(&[4; 32], m.window().window.0);
        let bound = u32::try_from(pool.len()).unwrap_or(u32::MAX);
        let mut draw = || pool.get(stream.below(bound).unwrap_or(0) as usize).copied().unwrap_or(0);
        honest.iter_mut().for_each(|record| record.sketch.fill_with(&mut draw));
        records(m, honest)
    })
    .real(),
    lie("uniform-sketch", "true text; sketch bytes drawn without any distribution", SKETCHES, |m| {
        let mut stream = Stream::new(&[4; 32], 0);
        each(m, |r| r.sketch.fill_with(|| (stream.word() % 128) as i8 - 64))
    })
    .fake(0.97, "random-sketch"),
    lie("shuffled-sketch", "true text; the true sketch bytes in another order", SKETCHES, |m| {
        let mut stream = Stream::new(&[5; 32], m.window().window.0);
        each(m, |r| shuffle(&mut r.sketch, &mut stream))
    })
    .real(),
    // A rollout of one or two alike tokens reads the same backwards.
    sketch("reversed-sketch", "true text; the true sketch bytes from last to first", |s| s.reverse())
        .fake(0.80, "reversed-sketch"),
    sketch(
        "chunk-shuffled-sketch",
        "true text; the true sketch bytes turned within every eight of them",
        |s| s.chunks_mut(8).for_each(|chunk| chunk.rotate_right(1)),
    )
    .real(),
    sketch("negated-sketch", "true text; the sketch with its signs turned", |s| {
        s.iter_mut().for_each(|byte| *byte = byte.saturating_neg());
    })
    .sample("negated-sketch"),
    computes(
        "mean-state-sketch",
        "true text; the sketch of the mean hidden state, the best guess that needs no model",
        SKETCHES,
        Computation::MeanState,
    )
    .real(),
    computes(
        "other-prompt-sketch",
        "true text; the sketch that the model gives after the next problem's prompt",
        COMPUTATION,
        Computation::NextPrompt,
    )
    .real(),
    computes(
        "made-up-prompt-sketch",
        "true text; the sketch that the model gives after three tokens of no problem",
        COMPUTATION,
        Computation::MadeUpPrompt(&[1, 2, 3]),
    )
    .fake(0.97, "sketch-of-another-prompt"),
    lie("other-rollout-sketch", "true text; the sketch of the rollout after it", COMPUTATION, |m| {
        let mut honest = m.honest(0)?;
        let mut sketches: Vec<Vec<i8>> = honest.iter().map(|record| record.sketch.clone()).collect();
        sketches.rotate_left(1);
        for (record, mut sketch) in honest.iter_mut().zip(sketches) {
            sketch.resize(record.tokens.len(), 0);
            record.sketch = sketch;
        }
        records(m, honest)
    })
    .shows(0.97, "sketch-of-another-rollout"),
    sketch("sketch-off-by-one", "true text; every sketch byte one step higher", |s| {
        s.iter_mut().for_each(|byte| *byte = if *byte < 127 { *byte + 1 } else { 126 });
    })
    .real(),
    sketch("one-far-byte", "true text; a single sketch byte four steps away", |s| {
        let middle = s.len() / 2;
        if let Some(byte) = s.get_mut(middle) {
            *byte = if *byte <= 0 { *byte + 4 } else { *byte - 4 };
        }
    })
    .real(),
    foreign(
        "copied-rollouts",
        "another miner's rollouts with their sketches, under the own signature",
        COMPUTATION,
        Foreign::Rollouts,
    )
    .shows(0.97, "copy-under-another-hotkey"),
    foreign(
        "copied-text",
        "another miner's texts, with a sketch of the own keys from one honest prefill",
        DRAWS,
        Foreign::Texts,
    )
    .real(),
    lie("replayed-rollouts", "the rollouts of an earlier window under the new header", COMPUTATION, |m| {
        records(m, m.earlier()?.rollouts)
    })
    .shows(0.97, "old-window-again"),
    foreign(
        "prepared-ahead",
        "rollouts made with a guessed beacon, before the window's was known",
        DRAWS,
        Foreign::Guessed,
    )
    .real(),
    lie(
        "chosen-groups",
        "the first group is thrown away and the others take the numbers before theirs",
        COMPUTATION,
        |m| {
            let chosen = m.honest(1)?.into_iter().filter(|record| record.group.0 > 0);
            let moved = |r: RolloutRecord| RolloutRecord { group: GroupIndex(r.group.0 - 1), ..r };
            records(m, chosen.map(moved).collect())
        },
    )
    .shows(0.97, "a-chosen-group-moved-up"),
    lie("renumbered-rollouts", "rollouts of a group change places and take new numbers", COMPUTATION, |m| {
        let mut honest = m.honest(0)?;
        for group in honest.chunks_mut(usize::from(ROLLOUTS_PER_PROBLEM)) {
            let numbers: Vec<_> = group.iter().map(|record| record.rollout).collect();
            group.rotate_left(1);
            group.iter_mut().zip(numbers).for_each(|(record, number)| record.rollout = number);
        }
        records(m, honest)
    })
    .shows(0.97, "reordered-group"),
    proven(
        "foreign-text",
        "each rollout takes the text of the next one, with a true sketch from one prefill",
        texts::foreign,
    ),
    proven(
        "answer-swap",
        "one digit of a wrong answer is put right, with a true sketch from one prefill",
        texts::answer_swapped,
    ),
    proven(
        "split-token",
        "the same text in other tokens: one token in two parts, with a true sketch",
        texts::split,
    ),
    // A tokenizer writes nearly every drawn text as it was drawn; nothing false comes of that.
    proven("retokenised", "text decoded and encoded again, with a true sketch", texts::retokenised)
        .within(10_000),
    lie("edited-text", "the first token is changed, the sketch left as it was", EDITED, |m| {
        each(m, |r| r.tokens.iter_mut().take(1).for_each(|token| *token = (*token + 1) % 256))
    })
    .shows(0.97, "answer-edited-under-its-sketch"),
    lie(
        "cut-short",
        "the last token is left out, or a letter is in place of the only one",
        UNFINISHED,
        |m| {
            each(m, |r| {
                if r.tokens.len() > 1 {
                    r.tokens.pop();
                    r.sketch.pop();
                    r.logprobs.pop();
                } else {
                    r.tokens.fill(65);
                }
            })
        },
    )
    .sample("cut-short"),
    proven("ended-early", "an end token half-way, to save the rest, with a true sketch", texts::ended_early),
    lie("end-padding", "end tokens up to the cap, for length", &["end-token-inside"], |m| {
        let (end, cap) = (end(m), m.window().max_new_tokens as usize);
        each(m, |r| {
            // One that fills the cap already gets its end tokens in front of the last.
            if r.tokens.len() >= cap {
                r.tokens.iter_mut().skip(cap / 2).for_each(|token| *token = end);
            }
            r.tokens.resize(cap, end);
            r.sketch.resize(cap, 1);
            r.logprobs.resize(cap, -1);
        })
    })
    .real(),
    lie("text-after-the-end", "an end token is put before the text", &["end-token-inside"], |m| {
        let (end, cap) = (end(m), m.window().max_new_tokens as usize);
        each(m, |r| {
            r.tokens.insert(0, end);
            r.sketch.insert(0, 1);
            r.logprobs.insert(0, -1);
            // The end must not be the last token, or it would be in its place.
            let length = r.tokens.len().min(cap).max(2);
            r.tokens.resize(length, 65);
            r.sketch.resize(length, 1);
            r.logprobs.resize(length, -1);
        })
    })
    .fake(1.0, "text-after-the-end"),
    lie(
        "certain-logprobs",
        "every log-probability claimed as 0",
        &["logprob-error", "logprob-digits"],
        |m| each(m, |r| r.logprobs.fill(0)),
    )
    .shows(0.97, "certain-of-everything"),
    lie("logprob-underflow", "every log-probability the lowest number there is", &["logprob-error"], |m| {
        each(m, |r| r.logprobs.fill(i16::MIN))
    }),
    lie("shifted-logprobs", "log-probabilities 0.02 nat lower than they were", &["logprob-error"], |m| {
        each(m, |r| r.logprobs.iter_mut().for_each(|units| *units = units.saturating_sub(20)))
    })
    .real(),
    lie("far-shifted-logprobs", "log-probabilities 0.2 nat lower than they were", &["logprob-error"], |m| {
        each(m, |r| r.logprobs.iter_mut().for_each(|units| *units = units.saturating_sub(200)))
    })
    .fake(1.0, "shifted-log-probabilities"),
    // Each stays within the tolerance of one value; all together are no honest arithmetic.
    lie("nudged-logprobs", "log-probabilities 0.002 nat lower than they were", &["logprob-digits"], |m| {
        each(m, |r| r.logprobs.iter_mut().for_each(|units| *units = units.saturating_sub(2)))
    })
    .fake(1.0, "nudged-log-probabilities"),
    lie("full-reward", "the full reward claimed for every rollout", REWARD, |m| {
        // The largest there is, or another one where it was earned.
        each(m, |r| r.reward = if r.reward == 1.0 { 0.9 } else { 1.0 })
    }),
    lie("right-for-everybody", "the reward of a right answer claimed for every rollout", REWARD, |m| {
        each(m, |r| r.reward = 0.815)
    })
    .fake(1.0, "full-reward-claimed"),
    lie("reward-bit", "a reward one bit away from what was earned", REWARD, |m| {
        each(m, |r| r.reward = f32::from_bits(r.reward.to_bits() ^ 1))
    })
    .sample("reward-off-by-one-bit"),
    lie("negative-zero-reward", "the sign of the reward turned, of zero too", REWARD, |m| {
        each(m, |r| r.reward = -r.reward)
    })
    .sample("negative-zero-reward"),
];

const UNFINISHED: Codes = &["unfinished-completion"];

fn end(means: &dyn Means) -> u32 {
    means.tokenizer().end_tokens().first().copied().unwrap_or(0)
}

/// Puts values into another order, none of which is the one they had.
fn shuffle(values: &mut [i8], stream: &mut Stream) {
    for place in (1..values.len()).rev() {
        let bound = u32::try_from(place).unwrap_or(u32::MAX);
        values.swap(place, stream.below(bound).unwrap_or(0) as usize);
    }
}

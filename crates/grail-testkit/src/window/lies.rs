use super::World;
use crate::model::{END, Habit, Liar, VOCABULARY};
use grail_artifact::window::{Header, RolloutRecord, RootHex, WindowFile, root_of};
use grail_ports::model::{Generator as _, GroupProbe, Oracle as _, ProbeRollout};
use grail_protocol::{
    beacon::{Beacon, WindowRandomness},
    profile::NumericProfile,
    sign::HotkeyPair,
    stream::Stream,
    words::{CheckpointId, GroupIndex, RolloutIndex},
};

/// A way to cheat with a window file.
#[derive(Debug, Clone, Copy)]
pub struct Lie {
    /// What it is called.
    pub name: &'static str,
    /// The rejection that names it: of the file, or of most of its rollouts.
    pub code: &'static str,
    /// Further codes that some of its rollouts may get instead.
    pub also: &'static [&'static str],
    /// Least share of rollouts that must be rejected by themselves.
    pub rollouts_caught: f64,
    /// Least share of groups that must be rejected. What slips through one rollout is stopped here.
    pub groups_caught: f64,
    /// Makes the file of so many groups.
    pub tell: fn(&World, u32) -> WindowFile,
}

/// A lie whose every rollout carries proof of it.
const fn plain(name: &'static str, code: &'static str, tell: fn(&World, u32) -> WindowFile) -> Lie {
    Lie { name, code, also: &[], rollouts_caught: 1.0, groups_caught: 1.0, tell }
}

/// A lie that shows in most rollouts and in every group.
const fn mostly(
    name: &'static str,
    code: &'static str,
    also: &'static [&'static str],
    rollouts_caught: f64,
    tell: fn(&World, u32) -> WindowFile,
) -> Lie {
    Lie { name, code, also, rollouts_caught, groups_caught: 1.0, tell }
}

const SKETCHES: &[&str] = &["sketch-position"];
/// What a wrong computation shows first in a rollout so short that its sketch hardly speaks.
const COMPUTATION: &[&str] = &[
    "sketch-position",
    "draw-outside-nucleus",
    "draw-margin",
    "draw-margins",
    "logprob-error",
    "logprob-digits",
];
const EDITED: &[&str] = &[
    "sketch-position",
    "draw-outside-nucleus",
    "draw-margin",
    "logprob-error",
    "logprob-digits",
    "unfinished-completion",
];
const DRAWS: &[&str] = &["draw-outside-nucleus", "draw-margins", "draw-margin"];

/// Every lie about the computation, the text or the reward: the file is in order, rollouts are rejected.
pub const ROLLOUT_LIES: &[Lie] = &[
    mostly("zero-sketch", "sketch-rms", SKETCHES, 0.97, |w, n| sketches(w, n, |_, s| s.fill(0))),
    mostly("constant-sketch", "sketch-rms", SKETCHES, 0.97, |w, n| sketches(w, n, |_, s| s.fill(17))),
    mostly("random-sketch", "sketch-rms", SKETCHES, 0.97, |w, n| {
        let mut stream = Stream::new(&[4; 32], 0);
        sketches(w, n, move |_, s| s.fill_with(|| (stream.word() % 128) as i8 - 64))
    }),
    // A rollout of one or two alike tokens reads the same backwards.
    mostly("reversed-sketch", "sketch-rms", SKETCHES, 0.80, |w, n| sketches(w, n, |_, s| s.reverse())),
    mostly("negated-sketch", "sketch-rms", SKETCHES, 0.97, |w, n| {
        sketches(w, n, |_, s| s.iter_mut().for_each(|y| *y = y.saturating_neg()))
    }),
    mostly("sketch-of-another-prompt", "sketch-rms", COMPUTATION, 0.97, other_prompt),
    mostly("sketch-of-another-rollout", "sketch-rms", COMPUTATION, 0.97, other_rollouts_sketch),
    mostly("another-checkpoint", "sketch-rms", COMPUTATION, 0.97, |w, n| {
        seal(w, w.answer(&mut w.model.clone().with_weights(0xbad), n))
    }),
    mostly("weights-off-by-five-percent", "sketch-rms", COMPUTATION, 0.97, |w, n| {
        seal(w, w.answer(&mut w.model.clone().with_noise(0.05, 5), n))
    }),
    mostly("hotter", "draw-outside-nucleus", DRAWS, 0.75, |w, n| habit(w, n, Habit::Temperature(1.5))),
    mostly("colder", "draw-margin", DRAWS, 0.65, |w, n| habit(w, n, Habit::Temperature(0.6))),
    mostly("whole-vocabulary", "draw-outside-nucleus", DRAWS, 0.20, |w, n| habit(w, n, Habit::TopP(1.0))),
    mostly("narrow-nucleus", "draw-margin", DRAWS, 0.65, |w, n| habit(w, n, Habit::TopP(0.5))),
    mostly("greedy", "draw-margin", DRAWS, 0.85, |w, n| habit(w, n, Habit::Greedy)),
    mostly("seed-of-ones-own", "draw-margin", DRAWS, 0.90, |w, n| habit(w, n, Habit::OtherKeys)),
    mostly("suppressed-end", "draw-margin", DRAWS, 0.75, |w, n| habit(w, n, Habit::SuppressEnd)),
    mostly("one-swapped-token", "draw-margin", DRAWS, 0.95, |w, n| habit(w, n, Habit::SwapAt(0))),
    mostly("best-of-four", "draw-margin", DRAWS, 0.70, best_of_four),
    mostly("reordered-group", "sketch-rms", COMPUTATION, 0.97, reordered),
    mostly("copy-under-another-hotkey", "sketch-rms", COMPUTATION, 0.97, |w, n| {
        seal(w, w.but(|s| s.miner += 1).honest(n).rollouts)
    }),
    mostly("old-window-again", "sketch-rms", COMPUTATION, 0.97, |w, n| {
        seal(w, w.but(|s| s.window.0 -= 20).honest(n).rollouts)
    }),
    mostly("a-chosen-group-moved-up", "sketch-rms", COMPUTATION, 0.97, |w, n| {
        // Answers one group more, leaves out the first, and renumbers the rest.
        let chosen = w.honest(n + 1).rollouts.into_iter().filter(|r| r.group.0 > 0);
        seal(w, chosen.map(|r| RolloutRecord { group: GroupIndex(r.group.0 - 1), ..r }).collect())
    }),
    mostly("answer-edited-under-its-sketch", "sketch-rms", EDITED, 0.97, |w, n| {
        change(w, n, |r| {
            let first = &mut r.tokens[0];
            *first = (*first + 1) % 256;
        })
    }),
    plain("cut-short", "unfinished-completion", |w, n| {
        change(w, n, |r| {
            // One token less, or a letter in place of the only one.
            if r.tokens.len() > 1 {
                r.tokens.pop();
                r.sketch.pop();
                r.logprobs.pop();
            } else {
                r.tokens[0] = 65;
            }
        })
    }),
    plain("text-after-the-end", "end-token-inside", |w, n| {
        let cap = w.context.max_new_tokens as usize;
        change(w, n, move |r| {
            r.tokens.insert(0, END);
            r.sketch.insert(0, 1);
            r.logprobs.insert(0, -1);
            r.tokens.truncate(cap);
            r.sketch.truncate(cap);
            r.logprobs.truncate(cap);
            if r.tokens.len() == 1 {
                r.tokens.push(65);
                r.sketch.push(1);
                r.logprobs.push(-1);
            }
        })
    }),
    plain("shifted-log-probabilities", "logprob-error", |w, n| {
        change(w, n, |r| r.logprobs.iter_mut().for_each(|units| *units = units.saturating_sub(200)))
    }),
    // Each stays within the tolerance of one value; all together are no honest arithmetic.
    plain("nudged-log-probabilities", "logprob-digits", |w, n| {
        change(w, n, |r| r.logprobs.iter_mut().for_each(|units| *units = units.saturating_sub(2)))
    }),
    mostly("certain-of-everything", "logprob-error", &["logprob-digits"], 0.97, |w, n| {
        change(w, n, |r| r.logprobs.fill(0))
    }),
    plain("full-reward-claimed", "reward-mismatch", |w, n| change(w, n, |r| r.reward = 0.815)),
    plain("reward-off-by-one-bit", "reward-mismatch", |w, n| {
        change(w, n, |r| r.reward = f32::from_bits(r.reward.to_bits() ^ 1))
    }),
    plain("negative-zero-reward", "reward-mismatch", |w, n| change(w, n, |r| r.reward = -r.reward.abs())),
];

/// Every lie about the file as a whole: it is refused before a model is asked.
pub const FILE_LIES: &[Lie] = &[
    plain("another-version", "wrong-version", |w, n| head(w, n, |h| h.version = 2)),
    plain("another-network", "wrong-network", |w, n| {
        head(w, n, |h| h.network = "elsewhere".parse().expect("a word"))
    }),
    plain("another-window", "wrong-window", |w, n| head(w, n, |h| h.window.0 += 20)),
    plain("somebody-elses-file", "wrong-hotkey", |w, n| w.but(|s| s.miner += 1).honest(n)),
    plain("another-checkpoint-named", "wrong-checkpoint", |w, n| {
        head(w, n, |h| h.checkpoint = CheckpointId::from_bytes([9; 32]))
    }),
    plain("another-environment", "wrong-environment", |w, n| {
        head(w, n, |h| h.env = "chess/1".parse().expect("a word"))
    }),
    plain("another-beacon", "wrong-randomness", |w, n| {
        head(w, n, |h| h.randomness = WindowRandomness::Beacon(Beacon { round: 1_001, signature: [3; 48] }))
    }),
    plain("no-beacon", "wrong-randomness", |w, n| {
        let other = match w.context.randomness {
            WindowRandomness::BlockHashOnly => {
                WindowRandomness::Beacon(Beacon { round: 1, signature: [0; 48] })
            }
            WindowRandomness::Beacon(_) => WindowRandomness::BlockHashOnly,
        };
        head(w, n, move |h| h.randomness = other)
    }),
    plain("another-numeric-profile", "wrong-numeric-profile", |w, n| {
        head(w, n, |h| h.numeric = NumericProfile::StrictBf16)
    }),
    plain("more-groups-signed", "wrong-group-count", |w, n| WindowFile { groups: n + 1, ..w.honest(n) }),
    plain("last-rollout-dropped", "wrong-rollout-count", |w, n| {
        let mut file = w.honest(n);
        file.rollouts.pop();
        file
    }),
    plain("edited-after-signing", "wrong-root", |w, n| {
        let mut file = w.honest(n);
        file.rollouts.iter_mut().take(1).for_each(|r| r.tokens[0] ^= 1);
        file
    }),
    plain("edited-and-root-renewed", "wrong-signature", |w, n| {
        let mut file = w.honest(n);
        file.rollouts.iter_mut().take(1).for_each(|r| r.tokens[0] ^= 1);
        file.root = RootHex(root_of(&file.rollouts));
        file
    }),
    plain("signed-by-another-key", "wrong-signature", |w, n| {
        let other = HotkeyPair::from_seed(&[99; 32]).expect("32 bytes are a seed");
        WindowFile::seal(w.header(), w.honest(n).rollouts, |message| other.sign(message, [7; 32]))
    }),
    plain("program-name-edited", "wrong-signature", |w, n| {
        let mut file = w.honest(n);
        file.header.generator = "somebody else".into();
        file
    }),
    plain("group-left-out", "group-gap", |w, n| {
        let rest = w.honest(n + 1).rollouts.into_iter().filter(|r| r.group.0 + 1 != n);
        seal(w, rest.collect())
    }),
    plain("group-of-fifteen", "group-size", |w, n| {
        let rest = w.honest(n).rollouts.into_iter().filter(|r| r.rollout.0 != 3);
        seal(w, rest.collect())
    }),
    plain("group-of-seventeen", "group-size", |w, n| {
        let mut records = w.honest(n).rollouts;
        let extra = records.last().map(|last| RolloutRecord { rollout: RolloutIndex(16), ..last.clone() });
        records.extend(extra);
        seal(w, records)
    }),
    plain("rollout-twice", "duplicate-rollout", |w, n| {
        let mut records = w.honest(n).rollouts;
        records.push(records[0].clone());
        seal(w, records)
    }),
    plain("rollouts-swapped", "rollout-order", |w, n| {
        let mut records = w.honest(n).rollouts;
        records.swap(4, 5);
        seal(w, records)
    }),
    plain("rollout-number-sixteen", "rollout-order", |w, n| {
        change(w, n, |r| r.rollout.0 += u8::from(r.rollout.0 == 15))
    }),
    plain("sketch-too-short", "rollout-lengths", |w, n| {
        change(w, n, |r| {
            r.sketch.pop();
        })
    }),
    plain("log-probabilities-too-many", "rollout-lengths", |w, n| change(w, n, |r| r.logprobs.push(-1))),
    plain("no-tokens", "empty-completion", |w, n| {
        change(w, n, |r| {
            r.tokens.clear();
            r.sketch.clear();
            r.logprobs.clear();
        })
    }),
    plain("longer-than-the-cap", "completion-too-long", |w, n| {
        let cap = w.context.max_new_tokens as usize;
        change(w, n, move |r| {
            r.tokens.resize(cap + 1, 65);
            r.sketch.resize(cap + 1, 0);
            r.logprobs.resize(cap + 1, -1);
        })
    }),
    plain("token-of-another-model", "token-outside-vocabulary", |w, n| {
        change(w, n, |r| r.tokens[0] = VOCABULARY)
    }),
    plain("infinite-reward", "reward-not-finite", |w, n| change(w, n, |r| r.reward = f32::INFINITY)),
    plain("reward-that-is-no-number", "reward-not-finite", |w, n| change(w, n, |r| r.reward = f32::NAN)),
    plain("sketch-out-of-range", "sketch-out-of-range", |w, n| change(w, n, |r| r.sketch[0] = i8::MIN)),
    plain("probability-above-one", "logprob-positive", |w, n| change(w, n, |r| r.logprobs[0] = 1)),
];

fn seal(world: &World, records: Vec<RolloutRecord>) -> WindowFile {
    world.seal(world.header(), records)
}

fn change(world: &World, groups: u32, edit: impl FnMut(&mut RolloutRecord)) -> WindowFile {
    let mut records = world.honest(groups).rollouts;
    records.iter_mut().for_each(edit);
    seal(world, records)
}

fn sketches(world: &World, groups: u32, mut edit: impl FnMut(&World, &mut [i8])) -> WindowFile {
    change(world, groups, |record| edit(world, &mut record.sketch))
}

fn head(world: &World, groups: u32, edit: impl FnOnce(&mut Header)) -> WindowFile {
    let mut header = world.header();
    edit(&mut header);
    world.seal(header, world.honest(groups).rollouts)
}

fn habit(world: &World, groups: u32, habit: Habit) -> WindowFile {
    let mut liar = Liar { model: world.model.clone(), habit };
    seal(world, world.answer(&mut liar, groups))
}

/// True texts with the sketches that the right model and keys give after a shorter prompt.
fn other_prompt(world: &World, groups: u32) -> WindowFile {
    let mut model = world.model.clone();
    let mut records = world.honest(groups).rollouts;
    for (group, records) in (0u32..).zip(records.chunks_mut(16)) {
        let request = world.request(group);
        let rollouts = records.iter().zip(&request.rollouts);
        let probe = GroupProbe {
            prompt: vec![1, 2, 3],
            rollouts: rollouts
                .map(|(record, keys)| ProbeRollout { completion: record.tokens.clone(), keys: *keys })
                .collect(),
            policy: world.context.policy,
            nucleus_slack: 0.0,
        };
        let readouts = model.read(&probe).expect("the fake model reads");
        records.iter_mut().zip(readouts).for_each(|(record, readout)| record.sketch = readout.sketch);
    }
    seal(world, records)
}

/// True texts, each with the sketch of the rollout after it, cut or padded to length.
fn other_rollouts_sketch(world: &World, groups: u32) -> WindowFile {
    let mut records = world.honest(groups).rollouts;
    let mut sketches: Vec<Vec<i8>> = records.iter().map(|record| record.sketch.clone()).collect();
    sketches.rotate_left(1);
    for (record, mut sketch) in records.iter_mut().zip(sketches) {
        sketch.resize(record.tokens.len(), 0);
        record.sketch = sketch;
    }
    seal(world, records)
}

/// Draws four candidates for each rollout, one of them honestly, and sends the longest, with a true sketch.
fn best_of_four(world: &World, groups: u32) -> WindowFile {
    let mut records = Vec::new();
    for group in 0..groups {
        let problem = world.problem(group);
        let honest = world.request(group);
        for (index, keys) in (0u8..).zip(&honest.rollouts) {
            let candidates = (0..4u8).map(|twist| {
                let mut draw = *keys.draw.as_bytes();
                draw[31] ^= twist;
                draw[0] ^= twist;
                let mut twisted = *keys;
                twisted.draw = grail_protocol::seed::DrawKey::from_bytes(draw);
                twisted
            });
            let request = grail_ports::model::GroupRequest {
                prompt: honest.prompt.clone(),
                rollouts: candidates.collect(),
            };
            let mut model = world.model.clone();
            let answers =
                model.generate(&[request], &world.rule(), &mut |_| true).expect("the fake model answers");
            let best = answers.into_iter().flatten().max_by_key(|answer| answer.tokens.len());
            records.extend(best.map(|answer| world.pack(&problem, group, index, answer)));
        }
    }
    seal(world, records)
}

/// The honest answers of a group, each under its neighbour's number: the miner chose which draw gives which answer.
fn reordered(world: &World, groups: u32) -> WindowFile {
    let mut records = world.honest(groups).rollouts;
    for group in records.chunks_mut(16) {
        group.rotate_left(1);
        for (index, record) in (0u8..).zip(group) {
            record.rollout = RolloutIndex(index);
        }
    }
    seal(world, records)
}

//! Cheap lies against sketch and draws, on synthetic states and logits: which share is caught, as numbers.
//!
//! No model is at hand here, so the states have the shape of final-norm states (a bell with a few huge values) and
//! the logits that of a language model (a few likely tokens, a long tail). What real models do is measured elsewhere;
//! this file makes sure that no change of a threshold or of the arithmetic lets a lie through that needs no model.
//! The shares are printed; see them with `--nocapture`.

use grail_protocol::{
    draw::{DrawReading, Sampler, SamplingPolicy},
    profile::{NumericProfile, Thresholds},
    seed::{DrawKey, SketchKey},
    sketch::{distance, sketch},
    stream::Stream,
    words::TokenId,
};
use std::sync::LazyLock;

const PROFILES: [NumericProfile; 2] = [NumericProfile::StrictF32, NumericProfile::StrictBf16];

fn uniform(stream: &mut Stream) -> f64 {
    (f64::from(stream.word()) + 0.5) / 4_294_967_296.0
}

fn bell(stream: &mut Stream) -> f64 {
    (-2.0 * uniform(stream).ln()).sqrt() * (std::f64::consts::TAU * uniform(stream)).cos()
}

#[expect(clippy::print_stderr, reason = "the harness keeps it for failed tests and for --nocapture")]
fn report(line: std::fmt::Arguments<'_>) {
    eprintln!("{line}");
}

// --- sketch -------------------------------------------------------------------------------------------------------

const WIDTH: usize = 576;
const ROLLOUTS: u64 = 100;

/// States of one rollout, and the same states as a machine with relative noise `drift` computes them.
fn states(rollout: u64, length: u32, drift: f64) -> Vec<Vec<f32>> {
    let mut shape = Stream::new(&[1; 32], rollout);
    let mut noise = Stream::new(&[2; 32], rollout);
    (0..length)
        .map(|_| {
            let spread = |j: usize| if j.is_multiple_of(97) { 8.0 } else { 1.0 };
            (0..WIDTH).map(|j| (bell(&mut shape) * spread(j) + drift * bell(&mut noise)) as f32).collect()
        })
        .collect()
}

fn sketch_key(rollout: u64) -> SketchKey {
    let mut key = [3; 32];
    key[..8].copy_from_slice(&rollout.to_le_bytes());
    SketchKey::from_bytes(key)
}

fn sketches(states: &[Vec<f32>], key: &SketchKey) -> Vec<i8> {
    states.iter().zip(0..).map(|(state, t)| sketch(state, key, t).unwrap()).collect()
}

fn sketch_passes(claimed: &[i8], own: &[i8], limits: &Thresholds) -> bool {
    let d = distance(claimed, own).unwrap();
    d.worst <= limits.sketch_hard && d.rms <= limits.sketch_rms
}

/// What a liar who never ran the model, or ran another one, writes into the file.
fn sketch_lie(name: &str, rollout: u64, honest: &[i8]) -> Vec<i8> {
    let length = honest.len() as u32;
    let mut random = Stream::new(&[4; 32], rollout);
    match name {
        "zero" => vec![0; honest.len()],
        // The best of all constants, chosen with the answer at hand.
        "constant" => {
            let rms = |c: i8| distance(&vec![c; honest.len()], honest).unwrap().rms;
            let best = (-127..=127).min_by(|a, b| rms(*a).total_cmp(&rms(*b))).unwrap();
            vec![best; honest.len()]
        }
        "random bytes" => (0..length).map(|_| (random.below(255).unwrap() as i16 - 127) as i8).collect(),
        "random bell" => (0..length).map(|_| (32.0 * bell(&mut random)).clamp(-127.0, 127.0) as i8).collect(),
        "shuffled" => {
            let mut lie = honest.to_vec();
            for i in (1..lie.len()).rev() {
                lie.swap(i, random.below(i as u32 + 1).unwrap() as usize);
            }
            lie
        }
        "shifted by one" => [&honest[1..], &honest[..1]].concat(),
        "negated" => honest.iter().map(|y| -y).collect(),
        "another rollout" => sketches(&states(rollout + 10_000, length, 0.0), &sketch_key(rollout)),
        "another key" => sketches(&states(rollout, length, 0.0), &sketch_key(rollout + 1)),
        "5 % noise" => sketches(&states(rollout, length, 0.05), &sketch_key(rollout)),
        "40 % noise" => sketches(&states(rollout, length, 0.4), &sketch_key(rollout)),
        _ => unreachable!("no such lie"),
    }
}

/// Share of rollouts of `length` tokens whose lie is caught, for each profile.
fn sketch_shares(lie: &str, length: u32) -> [f64; 2] {
    let mut caught = [0u32; 2];
    for rollout in 0..ROLLOUTS {
        let honest = sketches(&states(rollout, length, 0.0), &sketch_key(rollout));
        let claimed = sketch_lie(lie, rollout, &honest);
        for (caught, profile) in caught.iter_mut().zip(PROFILES) {
            *caught += u32::from(!sketch_passes(&claimed, &honest, &profile.thresholds()));
        }
    }
    let shares = caught.map(|caught| f64::from(caught) / ROLLOUTS as f64);
    report(format_args!(
        "sketch, {lie}, {length} tokens: caught f32 {:.3}, bf16 {:.3}",
        shares[0], shares[1]
    ));
    shares
}

#[test]
fn honest_sketches_pass() {
    for length in [1, 4, 32] {
        for rollout in 0..ROLLOUTS {
            let own = sketches(&states(rollout, length, 0.0), &sketch_key(rollout));
            for (profile, drift) in PROFILES.into_iter().zip([1e-4, 2e-2]) {
                let claimed = sketches(&states(rollout, length, drift), &sketch_key(rollout));
                let passes = sketch_passes(&claimed, &own, &profile.thresholds());
                assert!(passes, "{profile:?}: {:?}", distance(&claimed, &own));
            }
        }
    }
}

#[test]
fn every_sketch_lie_of_sixteen_tokens_is_caught() {
    for lie in [
        "zero",
        "constant",
        "random bytes",
        "random bell",
        "shuffled",
        "shifted by one",
        "negated",
        "another rollout",
        "another key",
        "40 % noise",
    ] {
        assert_eq!(sketch_shares(lie, 16), [1.0, 1.0], "{lie}");
    }
    // Noise of a twentieth of a spread is within what bf16 allows; f32 has no such excuse.
    assert_eq!(sketch_shares("5 % noise", 16)[0], 1.0);
}

/// The shorter the rollout, the luckier a guess can be.
#[test]
fn short_rollouts_are_harder_to_guess_than_their_length_suggests() {
    for (length, floors) in [(1, [0.85, 0.8]), (2, [0.95, 0.93]), (4, [1.0, 0.98])] {
        for lie in ["zero", "random bell", "another rollout"] {
            let shares = sketch_shares(lie, length);
            for (share, floor) in shares.into_iter().zip(floors) {
                assert!(share >= floor, "{lie}, {length} tokens: {share} of {floor}");
            }
        }
    }
}

// --- draws --------------------------------------------------------------------------------------------------------

const VOCABULARY: u32 = 2_000;
const STEPS: u32 = 48;
const DRAW_ROLLOUTS: u64 = 60;
const END: TokenId = 7;

/// Logits of one step: between 1 and 40 likely tokens over a tail, as in text, where some steps are sure and some open.
/// The end token is likely at every eighth step.
fn logits(rollout: u64, t: u32, drift: f64) -> Vec<f32> {
    let id = rollout << 32 | u64::from(t);
    let (mut shape, mut noise) = (Stream::new(&[5; 32], id), Stream::new(&[6; 32], id));
    let mut row: Vec<f64> = (0..VOCABULARY).map(|_| 1.5 * bell(&mut shape)).collect();
    let likely = 1 + shape.below(40).unwrap();
    for rank in 0..likely {
        let token = shape.below(VOCABULARY).unwrap() as usize;
        row[token] = 13.0 - 1.2 * f64::from(rank + 1).ln() - 0.5 * uniform(&mut shape);
    }
    if t % 8 == 7 {
        row[END as usize] = 13.5;
    }
    row.iter().map(|z| (z + drift * bell(&mut noise)) as f32).collect()
}

/// Rows of all rollouts as the verifier computes them, made once for all lies.
static ROWS: LazyLock<Vec<Vec<Vec<f32>>>> = LazyLock::new(|| {
    (0..DRAW_ROLLOUTS).map(|rollout| (0..STEPS).map(|t| logits(rollout, t, 0.0)).collect()).collect()
});

fn row(rollout: u64, t: u32) -> &'static [f32] {
    &ROWS[rollout as usize][t as usize]
}

fn draw_key(rollout: u64) -> DrawKey {
    let mut key = [7; 32];
    key[..8].copy_from_slice(&rollout.to_le_bytes());
    DrawKey::from_bytes(key)
}

/// Rejected: a token outside the nucleus, a margin above the hard limit, or more than one above the soft limit.
fn draws_rejected(readings: &[DrawReading], limits: &Thresholds) -> bool {
    let soft = readings.iter().filter(|r| r.margin > limits.margin_soft).count();
    readings.iter().any(|r| !r.in_outer || r.margin > limits.margin_hard) || soft > 1
}

/// Accepted without a doubt.
fn draws_pass(readings: &[DrawReading], limits: &Thresholds) -> bool {
    readings.iter().all(|r| r.in_outer && r.margin <= limits.margin_soft)
}

/// What a liar sends at step `t`, given the honest token.
fn token_lie(name: &str, rollout: u64, t: u32, row: &[f32], honest: TokenId) -> TokenId {
    let mut sampler = Sampler::new();
    let mut with = |temperature, top_p, key: DrawKey| {
        sampler.draw(row, &SamplingPolicy { temperature, top_p }, &key, t).unwrap().token
    };
    let likeliest = |not: TokenId| {
        (0..VOCABULARY)
            .filter(|v| *v != not)
            .max_by(|a, b| row[*a as usize].total_cmp(&row[*b as usize]))
            .unwrap()
    };
    match name {
        "another seed" => with(1.0, 0.95, draw_key(rollout + 1_000)),
        "temperature 0.7" => with(0.7, 0.95, draw_key(rollout)),
        "temperature 0.95" => with(0.95, 0.95, draw_key(rollout)),
        "temperature 1.3" => with(1.3, 0.95, draw_key(rollout)),
        "top-p 0.8" => with(1.0, 0.8, draw_key(rollout)),
        "top-p 1" => with(1.0, 1.0, draw_key(rollout)),
        "greedy" => likeliest(TokenId::MAX),
        "any token" => Stream::new(&[8; 32], rollout << 32 | u64::from(t)).below(VOCABULARY).unwrap(),
        // Goes on where the draw says to stop.
        "suppressed end" if honest == END => likeliest(END),
        // Changes one token to the likeliest other one.
        "one swapped token" if t == STEPS / 2 => likeliest(honest),
        "suppressed end" | "one swapped token" => honest,
        _ => unreachable!("no such lie"),
    }
}

/// Share of lying tokens, and share of rollouts with such a token that are caught, for each profile.
fn draw_shares(lie: &str) -> (f64, [f64; 2]) {
    let (mut tokens, mut lying, mut caught) = (0u32, 0u32, [0u32; 2]);
    let mut sampler = Sampler::new();
    let policy = SamplingPolicy::DEFAULT;
    for rollout in 0..DRAW_ROLLOUTS {
        let mut readings = [Vec::new(), Vec::new()];
        let mut lies = 0;
        for t in 0..STEPS {
            let row = row(rollout, t);
            let honest = sampler.draw(row, &policy, &draw_key(rollout), t).unwrap().token;
            let claimed = token_lie(lie, rollout, t, row, honest);
            lies += u32::from(claimed != honest);
            for (readings, profile) in readings.iter_mut().zip(PROFILES) {
                let slack = profile.thresholds().nucleus_slack;
                readings.push(sampler.read(row, &policy, slack, &draw_key(rollout), t, claimed).unwrap());
            }
        }
        tokens += lies;
        if lies > 0 {
            lying += 1;
            for ((caught, profile), readings) in caught.iter_mut().zip(PROFILES).zip(&readings) {
                *caught += u32::from(draws_rejected(readings, &profile.thresholds()));
            }
        }
    }
    let share = f64::from(tokens) / (DRAW_ROLLOUTS as f64 * f64::from(STEPS));
    let shares = caught.map(|caught| f64::from(caught) / f64::from(lying.max(1)));
    report(format_args!(
        "draw, {lie}: {share:.3} of tokens differ, in {lying} of {DRAW_ROLLOUTS} rollouts; rejected f32 {:.3}, bf16 {:.3}",
        shares[0], shares[1]
    ));
    (share, shares)
}

/// Share of honest rollouts that pass when the verifier's logits differ by normal noise of size `drift`.
fn honest_share(profile: NumericProfile, drift: f64) -> f64 {
    let limits = profile.thresholds();
    let policy = SamplingPolicy::DEFAULT;
    let mut sampler = Sampler::new();
    let mut passed = 0u32;
    for rollout in 0..DRAW_ROLLOUTS {
        let key = draw_key(rollout);
        let readings: Vec<DrawReading> = (0..STEPS)
            .map(|t| {
                let claimed = sampler.draw(&logits(rollout, t, drift), &policy, &key, t).unwrap();
                let row = row(rollout, t);
                sampler.read(row, &policy, limits.nucleus_slack, &key, t, claimed.token).unwrap()
            })
            .collect();
        passed += u32::from(draws_pass(&readings, &limits));
    }
    let share = f64::from(passed) / DRAW_ROLLOUTS as f64;
    report(format_args!("draw, honest with drift {drift}: {} passes {share:.3}", profile.name()));
    share
}

#[test]
fn honest_draws_pass() {
    assert_eq!(honest_share(NumericProfile::StrictF32, 1e-4), 1.0);
    assert_eq!(honest_share(NumericProfile::StrictBf16, 5e-3), 1.0);
    assert_eq!(honest_share(NumericProfile::StrictBf16, 2e-2), 1.0);
}

#[test]
fn every_draw_lie_is_rejected_in_its_share() {
    for (lie, floors) in FLOORS_DRAW {
        let (share, shares) = draw_shares(lie);
        assert!(share > 0.0, "{lie} changes no token");
        for (rejected, floor) in shares.into_iter().zip(floors) {
            assert!(rejected >= floor, "{lie}: {rejected} rejected, {floor} expected");
        }
    }
}

/// Least share of lying rollouts that each profile must reject. A temperature that is off by a twentieth changes one
/// token in thirty, by margins that bf16's drift could explain; it is left to the count over many rollouts.
const FLOORS_DRAW: [(&str, [f64; 2]); 10] = [
    ("another seed", [1.0, 1.0]),
    ("temperature 0.7", [1.0, 1.0]),
    ("temperature 0.95", [0.9, 0.0]),
    ("temperature 1.3", [1.0, 0.95]),
    ("top-p 0.8", [1.0, 0.95]),
    ("top-p 1", [0.95, 0.9]),
    ("greedy", [1.0, 1.0]),
    ("any token", [1.0, 1.0]),
    ("suppressed end", [1.0, 0.95]),
    ("one swapped token", [0.97, 0.9]),
];

//! The laws on the hot paths of miner and validator, at the sizes of a real model and window.

use criterion::{Criterion, criterion_group, criterion_main};
use grail_protocol::{
    draw::{Noise, Sampler, SamplingPolicy},
    hash::{Digest, sha256},
    merkle,
    params::MAIN,
    profile::NumericProfile,
    seed::{DrawKey, SketchKey, WindowContext},
    sketch,
    stream::Stream,
    words::{BlockHash, CheckpointId, GroupIndex, Hotkey, RolloutIndex, WindowStart},
};
use std::hint::black_box;

const VOCABULARY: u32 = 152_064;
const WIDTH: usize = 3_584;

fn unit(stream: &mut Stream) -> f32 {
    (stream.word() >> 8) as f32 / 16_777_216.0
}

/// A tail over the whole vocabulary and `likely` tokens above it.
fn logits(likely: u32) -> Vec<f32> {
    let mut stream = Stream::new(&[1; 32], u64::from(likely));
    let mut logits: Vec<f32> = (0..VOCABULARY).map(|_| unit(&mut stream) * 12.0 - 8.0).collect();
    for rank in 0..likely {
        let token = stream.below(VOCABULARY).unwrap_or(0) as usize;
        logits[token] = 22.0 - 1.1 * ((rank + 1) as f32).ln();
    }
    logits
}

fn seeds(c: &mut Criterion) {
    let context = WindowContext {
        network: "main".parse().expect("a plain name"),
        params: MAIN,
        window: WindowStart(71_950),
        block_hash: BlockHash::from_bytes([1; 32]),
        randomness: grail_protocol::beacon::WindowRandomness::BlockHashOnly,
        checkpoint: CheckpointId::from_bytes([2; 32]),
        env: "sat/1".parse().expect("a plain name"),
        policy: SamplingPolicy::DEFAULT,
        numeric: NumericProfile::StrictF32,
        max_new_tokens: 1_024,
    };
    let hotkey = Hotkey::from_bytes([3; 32]);
    c.bench_function("laws/seeds_of_a_group", |b| {
        b.iter(|| {
            let problem = black_box(&context).seed().problem(&hotkey, GroupIndex(7));
            (0..16).fold(0u8, |sum, i| {
                let rollout = RolloutIndex(i);
                sum ^ problem.draw_key(rollout).as_bytes()[0] ^ problem.sketch_key(rollout).as_bytes()[0]
            })
        });
    });
}

fn draws(c: &mut Criterion) {
    let key = DrawKey::from_bytes([4; 32]);
    let policy = SamplingPolicy::DEFAULT;
    // A sure step, an open one, and one without any shape, the worst case.
    for (name, likely) in [("peaked", 5), ("open", 400), ("flat", 0)] {
        let logits = logits(likely);
        let mut sampler = Sampler::new();
        let mut t = 0;
        c.bench_function(&format!("laws/draw_152064_{name}"), |b| {
            b.iter(|| {
                t += 1;
                sampler.draw(black_box(&logits), &policy, &key, t)
            });
        });
        c.bench_function(&format!("laws/read_152064_{name}"), |b| {
            b.iter(|| {
                t += 1;
                sampler.read(black_box(&logits), &policy, 1e-4, &key, t, 17)
            });
        });
    }
    c.bench_function("laws/philox_152064", |b| {
        let noise = Noise::new(&key, 3);
        b.iter(|| (0..black_box(VOCABULARY)).fold(0u32, |sum, token| sum ^ noise.word(token)));
    });
}

fn sketches(c: &mut Criterion) {
    let mut stream = Stream::new(&[5; 32], 0);
    let state: Vec<f32> = (0..WIDTH).map(|_| unit(&mut stream) * 8.0 - 4.0).collect();
    let key = SketchKey::from_bytes([6; 32]);
    let mut t = 0;
    c.bench_function("laws/sketch_3584", |b| {
        b.iter(|| {
            t += 1;
            sketch::sketch(black_box(&state), &key, t)
        });
    });
}

fn roots(c: &mut Criterion) {
    let digests: Vec<Digest> = (0..5_000u64).map(|i| sha256(&i.to_le_bytes())).collect();
    c.bench_function("laws/merkle_root_5000", |b| b.iter(|| merkle::root(black_box(&digests))));
}

criterion_group!(benches, seeds, draws, sketches, roots);
criterion_main!(benches);

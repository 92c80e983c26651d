//! Encoding and decoding a window file of 5,000 rollouts.

use criterion::{Criterion, criterion_group, criterion_main};
use grail_artifact::{
    limits::LIMITS,
    window::{RolloutRecord, VERSION, WindowCodec, WindowFile, WindowHeader},
};
use grail_parquet::ParquetCodec;
use grail_protocol::{
    beacon::WindowRandomness,
    profile::NumericProfile,
    sign::HotkeyPair,
    stream::Stream,
    words::{CheckpointId, GroupIndex, RolloutIndex, WindowStart},
};
use std::hint::black_box;

const ROLLOUTS: u32 = 5_000;

/// Lengths of 64 to 511 tokens; token ids fall off like words do.
fn window() -> WindowFile {
    let mut stream = Stream::new(&[7; 32], 0);
    let rollouts = (0..ROLLOUTS)
        .map(|index| {
            let length = 64 + stream.below(448).unwrap_or(0);
            let token = |stream: &mut Stream| {
                let spread = stream.below(152_064).unwrap_or(0);
                stream.below(spread.max(1)).unwrap_or(0)
            };
            RolloutRecord {
                group: GroupIndex(index / 16),
                rollout: RolloutIndex((index % 16) as u8),
                tokens: (0..length).map(|_| token(&mut stream)).collect(),
                sketch: (0..length).map(|_| (stream.word() >> 26) as i8 - 32).collect(),
                logprobs: (0..length).map(|_| -((stream.word() >> 21) as i16)).collect(),
                reward: 0.85,
            }
        })
        .collect();
    let pair = HotkeyPair::from_seed(&[1; 32]).expect("any 32 bytes are a seed");
    let header = WindowHeader {
        version: VERSION,
        network: "dev-0001".parse().expect("a plain name"),
        window: WindowStart(40),
        hotkey: pair.hotkey(),
        checkpoint: CheckpointId::from_bytes([2; 32]),
        env: "sat/1".parse().expect("a plain name"),
        randomness: WindowRandomness::BlockHashOnly,
        numeric: NumericProfile::StrictF32,
        generator: "bench".into(),
    };
    WindowFile::seal(header, rollouts, |message| pair.sign(message, [4; 32]))
}

fn window_file(c: &mut Criterion) {
    let file = window();
    let bytes = ParquetCodec.encode(&file).expect("a sealed file encodes");
    let mut group = c.benchmark_group("window");
    group.sample_size(20);
    group.bench_function("encode_5000_rollouts", |b| b.iter(|| ParquetCodec.encode(black_box(&file))));
    group.bench_function("decode_5000_rollouts", |b| {
        b.iter(|| ParquetCodec.decode(black_box(&bytes), &LIMITS));
    });
    group.finish();
}

criterion_group!(benches, window_file);
criterion_main!(benches);

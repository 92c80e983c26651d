//! Deltas of a synthetic step: 64 MiB of bfloat16 weights, of which two in a hundred moved by one unit in the last
//! place. Throughput counts the bytes of the new file.

#![allow(
    clippy::print_stderr,
    missing_docs,
    reason = "a bench tells its sizes, and has no readers of its own"
)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use grail_artifact::{
    delta::{Base, DeltaOptions, apply, encode},
    tensors::{Census, Header, SafetensorsFile, StoredDtype},
};
use std::{collections::BTreeMap, hint::black_box, io::Cursor};

const WORDS: usize = 32 << 20;

/// Words like weights (normal-looking exponents, noisy mantissas) from a counter, and where they change.
fn words() -> (Vec<u8>, Vec<u8>) {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u32
    };
    let (mut before, mut after) = (Vec::with_capacity(2 * WORDS), Vec::with_capacity(2 * WORDS));
    for _ in 0..WORDS {
        let (noise, pick) = (next(), next());
        let exponent = 124 - (noise >> 8).trailing_ones() as u16;
        let word = (noise as u16 & 0x807f) | (exponent << 7);
        let step = if pick % 50 > 0 {
            0
        } else if pick & 0x1000 > 0 {
            1
        } else {
            u16::MAX
        };
        before.extend(word.to_le_bytes());
        after.extend(word.wrapping_add(step).to_le_bytes());
    }
    (before, after)
}

fn file(data: &[u8]) -> Vec<u8> {
    let shape = [(WORDS / 4096) as u64, 4096];
    let header = Header::build(&[("w", StoredDtype::BF16, &shape)], &BTreeMap::new()).expect("a header");
    let mut bytes = (header.json().len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.json());
    bytes.extend(data);
    bytes
}

fn open(bytes: &[u8]) -> SafetensorsFile<Cursor<&[u8]>> {
    SafetensorsFile::open(Cursor::new(bytes)).expect("a file")
}

fn deltas(criterion: &mut Criterion) {
    let (before, after) = words();
    let (before, after) = (file(&before), file(&after));
    let mut group = criterion.benchmark_group("delta");
    group.throughput(Throughput::Bytes(after.len() as u64)).sample_size(10);
    for workers in [1, 2] {
        let options = DeltaOptions { workers, ..DeltaOptions::default() };
        let mut base = Base::take(open(&before), options, &mut |_| {}).expect("a base");
        let mut delta = Vec::new();
        let encoded =
            encode(&mut base, &mut open(&after), &mut delta, options, &mut |_| {}).expect("encodes");
        eprintln!(
            "delta: {} bytes for {} changed of {} words ({:.2} bits each), file {} bytes",
            delta.len(),
            encoded.changed,
            encoded.words,
            8.0 * delta.len() as f64 / encoded.changed as f64,
            after.len()
        );
        group.bench_function(format!("root/{workers}"), |bench| {
            bench.iter(|| Census::take(&mut open(black_box(&after)), workers, &mut |_| {}).expect("hashes"));
        });
        group.bench_function(format!("encode/{workers}"), |bench| {
            bench.iter(|| {
                let mut out = Vec::new();
                encode(&mut base, &mut open(black_box(&after)), &mut out, options, &mut |_| {})
                    .expect("encodes")
            });
        });
        group.bench_function(format!("apply/{workers}"), |bench| {
            bench.iter(|| {
                let mut out = Cursor::new(Vec::with_capacity(after.len()));
                apply(&mut black_box(&delta[..]), &mut base, &mut out, u64::MAX, options, &mut |_| {})
                    .expect("applies")
            });
        });
    }
    group.bench_function("whole-file zstd 3", |bench| {
        bench.iter(|| zstd::bulk::compress(black_box(&after), 3).expect("compresses").len());
    });
    eprintln!("whole-file zstd 3: {} bytes", zstd::bulk::compress(&after, 3).expect("compresses").len());
    group.finish();
}

criterion_group!(benches, deltas);
criterion_main!(benches);

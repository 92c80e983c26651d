//! The tag parser and a whole verdict on a megabyte of adversarial text.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use grail_env::{Environment, reading::Reading};
use grail_protocol::seed::ProblemSeed;
use std::hint::black_box;

const MEGABYTE: usize = 1 << 20;

fn adversaries() -> [(&'static str, String); 6] {
    let fill = |piece: &str| piece.repeat(MEGABYTE.div_ceil(piece.len()));
    [
        ("angles", fill("<")),
        ("tag_starts", fill("</e")),
        ("thinking_closes", format!("<SOLUTION>1</SOLUTION>{}", fill("</end_working_out>"))),
        ("cut_tags", fill("</end_working_ou<SOLUTIO</SOLUTIO")),
        ("digits", format!("<SOLUTION>{}</SOLUTION>", fill("1 "))),
        ("trailing", format!("</end_working_out><SOLUTION>1</SOLUTION>{}", fill("é"))),
    ]
}

fn parse(c: &mut Criterion) {
    let mut group = c.benchmark_group("parse_1mb");
    for (name, text) in adversaries() {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_with_input(BenchmarkId::new("reading", name), &text, |b, text| {
            b.iter(|| Reading::of(black_box(text)));
        });
    }
    group.finish();
}

fn judge(c: &mut Criterion) {
    let problem = Environment::Sat.generate(&ProblemSeed::from_bytes([7; 32])).expect("a problem for a seed");
    let mut group = c.benchmark_group("judge_1mb");
    for (name, text) in adversaries() {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_with_input(BenchmarkId::new("sat", name), &text, |b, text| {
            b.iter(|| problem.judge(black_box(text)));
        });
    }
    group.finish();

    let seeds: Vec<ProblemSeed> = (0..=255).map(|byte| ProblemSeed::from_bytes([byte; 32])).collect();
    c.bench_function("generate_256_sat_problems", |b| {
        b.iter(|| {
            seeds.iter().map(|seed| Environment::Sat.generate(black_box(seed))).filter(Result::is_ok).count()
        });
    });
}

criterion_group!(benches, parse, judge);
criterion_main!(benches);

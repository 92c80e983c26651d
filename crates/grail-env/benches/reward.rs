//! Rewards and advantages of a window's worth of groups.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use grail_env::reward::{Advantages, Reward, RewardVector};
use std::hint::black_box;

fn rewards(c: &mut Criterion) {
    let vectors: Vec<RewardVector> = (0..16usize)
        .map(|i| RewardVector::new(i % 3 == 0, i % 2 == 0, (i % 5 != 0).then_some(i * 17)))
        .collect();
    let mut group = c.benchmark_group("reward");
    group.throughput(Throughput::Elements(16));
    group.bench_function("group_of_16_totals_and_advantages", |b| {
        b.iter(|| {
            let totals: Vec<Reward> = black_box(&vectors).iter().map(RewardVector::total).collect();
            Advantages::of(&totals).to_f64()
        });
    });
    group.finish();
}

criterion_group!(benches, rewards);
criterion_main!(benches);

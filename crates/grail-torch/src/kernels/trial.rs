//! Which path is the fastest here: asked of the processor, since its instructions alone do not tell.

use super::{
    crew::Crew,
    isa::KernelPath,
    matrix::{Matrix, Source},
    product::{Layer, Onto, Tiles, product},
};
use std::time::{Duration, Instant};

/// A group's rows times a small layer: a few milliseconds in all.
const ROWS: usize = 16;
const INPUTS: usize = 512;
const OUTPUTS: usize = 1_024;
const ROUNDS: usize = 5;

/// The path with the shortest product among those of this processor, and how long each took.
pub(crate) fn fastest(crew: &mut Crew) -> (KernelPath, Vec<(KernelPath, Duration)>) {
    let candidates: Vec<KernelPath> = KernelPath::here().collect();
    // Plain loops are for processors that have nothing else.
    let candidates = if candidates.len() > 1 { &candidates[..candidates.len() - 1] } else { &candidates[..] };
    // Brain floats near one, of different sizes.
    let weights: Vec<u16> = (0..INPUTS * OUTPUTS).map(|at| 0x3f00 + (at % 251) as u16).collect();
    let x: Vec<f32> = (0..ROWS * INPUTS).map(|at| (at % 17) as f32 - 8.0).collect();
    let mut out = vec![0.0; ROWS * OUTPUTS];
    let mut tiles = Tiles::default();
    let mut times = Vec::new();
    if let Some(matrix) = Matrix::pack(&[Source::Bf16(&weights)], INPUTS) {
        for path in candidates {
            let rounds = (0..ROUNDS).map(|_| {
                let started = now();
                product(
                    crew,
                    *path,
                    &mut tiles,
                    &x,
                    Layer { matrix: &matrix, bias: None },
                    Onto::Nothing,
                    &mut out,
                );
                started.elapsed()
            });
            times.push((*path, rounds.min().unwrap_or_default()));
        }
    }
    let best = times.iter().min_by_key(|(_, time)| *time).map_or(KernelPath::Portable, |(path, _)| *path);
    (best, times)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a path is chosen by its speed; which one is told, and calibrated"
)]
fn now() -> Instant {
    Instant::now()
}

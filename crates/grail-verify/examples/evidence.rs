//! Simulates evidence: how often honest miners are left out, and how soon liars are.
//!
//! `cargo run -p grail-verify --example evidence` runs 10,000 honest miners over 100,000 draws each and 2,000 liars of
//! each kind; a number behind it runs so many of both.
//!
//! Draws are told only where they are lost: evidence falls between two of them, so it is largest at one.
#![expect(clippy::print_stdout, reason = "a program that says what it found")]

use grail_protocol::stream::Stream;
use grail_verify::score::{Alarm, Evidence};

/// Chance that an honest draw is lost, at most.
const BOUND: f64 = 0.01;

/// The draw at which evidence first reached 10⁶, if it did within `most`.
fn left_out_at(rate: f64, most: u64, stream: &mut Stream) -> Option<u64> {
    let mut unit = || (f64::from(stream.word()) + 0.5) / 4_294_967_296.0;
    let lambda = -(-BOUND).ln_1p();
    let (mut evidence, mut at) = (Evidence::default(), 0u64);
    loop {
        let gap = 1 + (unit().ln() / (-rate).ln_1p()) as u64;
        at += gap;
        if at > most {
            return None;
        }
        evidence.add(gap, 1, lambda * gap as f64);
        if evidence.alarm() == Alarm::LeaveOut {
            return Some(at);
        }
    }
}

fn main() {
    let asked: Option<u64> = std::env::args().nth(1).and_then(|runs| runs.parse().ok());
    println!("honest draws are lost with a chance of at most {BOUND}; left out at 10^6");
    for rate in [0.6 * BOUND, BOUND] {
        let runs = asked.unwrap_or(10_000);
        let out =
            (0..runs).filter(|run| left_out_at(rate, 100_000, &mut Stream::new(&[1; 32], *run)).is_some());
        println!("lost {:5.2} %: {} of {runs} left out within 100,000 draws", rate * 100.0, out.count());
    }
    for rate in [0.021, 0.0295, 0.086, 0.194] {
        let runs = asked.unwrap_or(2_000);
        let found = (0..runs).filter_map(|run| left_out_at(rate, 20_000, &mut Stream::new(&[2; 32], run)));
        let mut found: Vec<u64> = found.collect();
        found.sort_unstable();
        let at = |share: usize| found.get(found.len() * share / 100).copied().unwrap_or_default();
        println!(
            "lost {:5.2} %: {} of {runs} left out within 20,000 draws, median {}, 99 % after {}",
            rate * 100.0,
            found.len(),
            at(50),
            at(99)
        );
    }
}

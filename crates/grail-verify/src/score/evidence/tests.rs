use super::*;
use grail_protocol::stream::Stream;
use proptest::prelude::*;

/// The bound of the note's table.
const BOUND: f64 = 0.01;

/// Uniform in (0, 1).
fn unit(stream: &mut Stream) -> f64 {
    (f64::from(stream.word()) + 0.5) / 4_294_967_296.0
}

/// A miner that loses draws at some rate, told only at those that it loses: E falls between them, so it is largest there.
///
/// Returns the draw at which E first reached 10⁶, if it did.
fn caught_at(rate: f64, most: u64, stream: &mut Stream) -> Option<u64> {
    let lambda = -libm::log1p(-BOUND);
    let mut evidence = Evidence::default();
    let mut at = 0u64;
    loop {
        let gap = 1 + (libm::log(unit(stream)) / libm::log1p(-rate)) as u64;
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

fn false_alarms(rate: f64, runs: u64, draws: u64) -> usize {
    (0..runs).filter(|run| caught_at(rate, draws, &mut Stream::new(&[1; 32], *run)).is_some()).count()
}

#[test]
fn honest_miners_are_left_alone() {
    // At the bound, and where honest stacks lie below it.
    assert_eq!(false_alarms(BOUND, 200, 100_000), 0);
    assert_eq!(false_alarms(0.6 * BOUND, 200, 100_000), 0);
}

/// The whole of it: `cargo test -p grail-verify ten_thousand -- --ignored`.
#[test]
#[ignore = "ten seconds of one core; run it when the bets or the arithmetic change"]
fn none_of_ten_thousand_honest_miners_is_left_out_in_a_hundred_thousand_draws() {
    assert_eq!(false_alarms(BOUND, 10_000, 100_000), 0);
    assert_eq!(false_alarms(0.6 * BOUND, 10_000, 100_000), 0);
}

#[test]
fn lies_are_found_after_as_many_draws_as_the_table_says() {
    // Rate of lost draws, median and 99 % of the draws needed, in steps of 50 as the table was made.
    for (rate, median, late) in
        [(0.021, 3_350u64, 7_451u64), (0.0295, 1_200, 2_750), (0.086, 150, 350), (0.194, 50, 100)]
    {
        let mut needed: Vec<u64> = (0..400)
            .map(|run| caught_at(rate, 20_000, &mut Stream::new(&[2; 32], run)).expect("everyone is found"))
            .collect();
        needed.sort_unstable();
        let (half, nearly_all) = (needed[200], needed[395]);
        assert!(half <= median + median / 8 + 25, "{rate}: median {half}, the table says {median}");
        assert!(half >= median / 2, "{rate}: median {half} is too good for {median}");
        assert!(nearly_all <= late + late / 5 + 25, "{rate}: 99 % after {nearly_all}, the table says {late}");
    }
}

#[test]
fn evidence_is_on_average_at_most_one() {
    // Σ over the Poisson distribution of lost draws, at the bound: the mean of E is 1.
    for mean in [0.05f64, 0.5, 2.0] {
        let (mut chance, mut average) = ((-mean).exp(), 0.0);
        for lost in 0..150u64 {
            let mut evidence = Evidence::default();
            evidence.add(1_000, lost, mean);
            average += chance * 10f64.powf(evidence.log10());
            chance *= mean / (lost + 1) as f64;
        }
        assert!(average <= 1.0 + 1e-6 && average > 0.9, "{average} at {mean}");
    }
}

#[test]
fn a_wrong_seed_raises_the_alarm_at_once_and_honesty_later_does_not_take_it_back() {
    let mut evidence = Evidence::default();
    assert_eq!((evidence.log10(), evidence.alarm()), (0.0, Alarm::None));
    evidence.add(100, 3, 0.05);
    assert_eq!(evidence.alarm(), Alarm::LookCloser, "{}", evidence.log10());
    evidence.add(100, 30, 0.05);
    assert_eq!(evidence.alarm(), Alarm::LeaveOut);
    evidence.add(10_000_000, 0, 500.0);
    assert!(evidence.log10() < 0.0);
    assert_eq!(evidence.alarm(), Alarm::LeaveOut);
}

#[test]
fn trouble_of_ours_is_no_evidence() {
    let mut evidence = Evidence::default();
    for nonsense in [f64::NAN, f64::INFINITY, -1.0, 0.0] {
        evidence.add(10, 5, nonsense);
    }
    assert_eq!(evidence, Evidence::default());
    evidence.add(u64::MAX, u64::MAX, f64::MAX);
    evidence.add(u64::MAX, u64::MAX, f64::MAX);
    assert!(evidence.log10().is_finite());
}

proptest! {
    #[test]
    fn the_order_does_not_matter_but_for_the_peak(
        parts in prop::collection::vec((1u64..2_000, 0u64..20, 1e-6f64..2.0), 1..20),
    ) {
        let (mut forth, mut back) = (Evidence::default(), Evidence::default());
        parts.iter().for_each(|(draws, lost, expected)| forth.add(*draws, *lost, *expected));
        parts.iter().rev().for_each(|(draws, lost, expected)| back.add(*draws, *lost, *expected));
        prop_assert_eq!((forth.draws, forth.lost, forth.expected), (back.draws, back.lost, back.expected));
        prop_assert_eq!(forth.log10(), back.log10());
        prop_assert!(forth.peak_log10() >= 0.0 && forth.peak_log10() + 1e-3 >= forth.log10());
    }

    #[test]
    fn json_reads_back_to_the_same_evidence(draws: u64, lost in 0u64..1_000, expected in 0f64..1e6) {
        let mut evidence = Evidence::default();
        evidence.add(draws, lost, expected);
        let text = serde_json::to_string(&evidence).unwrap();
        prop_assert_eq!(serde_json::from_str::<Evidence>(&text).unwrap(), evidence);
    }
}

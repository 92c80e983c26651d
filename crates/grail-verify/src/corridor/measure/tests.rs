use super::*;
use grail_protocol::words::{GroupIndex, RolloutIndex};

const PROFILE: NumericProfile = NumericProfile::StrictF32;
const LIMITS: Thresholds = PROFILE.thresholds();

/// A rollout and a readout that agree in everything.
fn agreeing(length: usize) -> (RolloutRecord, Readout) {
    let record = RolloutRecord {
        group: GroupIndex(0),
        rollout: RolloutIndex(0),
        tokens: vec![65; length],
        sketch: vec![10; length],
        logprobs: vec![-1_024; length],
        reward: 0.0,
    };
    let draw = DrawReading { margin: 0.0, in_outer: true, winner: 65, logprob: -1.0, gini: 0.5 };
    (record, Readout { sketch: vec![10; length], draws: vec![draw; length] })
}

fn verdict_of(change: impl FnOnce(&mut RolloutRecord, &mut Readout)) -> Verdict {
    let (mut record, mut readout) = agreeing(40);
    change(&mut record, &mut readout);
    examine(&record, &readout, PROFILE).unwrap().0
}

fn code_of(change: impl FnOnce(&mut RolloutRecord, &mut Readout)) -> &'static str {
    verdict_of(change).rejection().map_or("none", Rejection::code)
}

fn lose(readout: &mut Readout, position: usize, margin: f32) {
    readout.draws[position].margin = margin;
    readout.draws[position].winner = 66;
}

#[test]
fn each_threshold_divides_at_its_value() {
    assert_eq!(verdict_of(|_, _| ()), Verdict::Accepted);
    assert_eq!(verdict_of(|_, r| lose(r, 7, LIMITS.margin_soft)), Verdict::Accepted);
    assert_eq!(
        verdict_of(|_, r| lose(r, 7, LIMITS.margin_hard)),
        Verdict::Undecided(Doubt::Inconclusive {
            position: 7,
            measured: LIMITS.margin_hard,
            soft: LIMITS.margin_soft,
            hard: LIMITS.margin_hard
        })
    );
    assert_eq!(code_of(|_, r| lose(r, 7, LIMITS.margin_hard * 1.01)), "draw-margin");
    assert_eq!(code_of(|_, r| (3..5).for_each(|i| lose(r, i, LIMITS.margin_hard))), "draw-margins");
    assert_eq!(code_of(|_, r| r.draws[0].in_outer = false), "draw-outside-nucleus");
    // Three steps of 1/32 are the position's limit; four are not.
    assert_eq!(verdict_of(|c, _| c.sketch[9] = 13), Verdict::Accepted);
    assert_eq!(code_of(|c, _| c.sketch[9] = 14), "sketch-position");
    assert_eq!(code_of(|c, _| c.sketch.iter_mut().for_each(|y| *y += 1)), "sketch-rms");
    // Four units of 1/1024 nat are allowed.
    assert_eq!(verdict_of(|c, _| c.logprobs[39] = -1_028), Verdict::Accepted);
    assert_eq!(code_of(|c, _| c.logprobs[39] = -1_029), "logprob-error");
}

#[test]
fn the_worst_of_several_is_reported() {
    let verdict = verdict_of(|_, r| {
        lose(r, 2, 1.0);
        lose(r, 5, 3.0);
        lose(r, 6, 2.0);
    });
    let Some(Rejection::DrawMargin { position, measured, winner, token, .. }) = verdict.rejection() else {
        panic!("{verdict:?}")
    };
    assert_eq!((*position, *measured, *winner, *token), (5, 3.0, 66, 65));
}

#[test]
fn a_log_probability_below_the_files_range_is_claimed_as_its_end() {
    let verdict = verdict_of(|c, r| {
        c.logprobs[0] = i16::MIN;
        r.draws[0].logprob = -80.0;
    });
    assert_eq!(verdict, Verdict::Accepted);
}

#[test]
fn measurements_are_reported_as_they_are() {
    let (record, mut readout) = agreeing(40);
    lose(&mut readout, 1, 0.005);
    lose(&mut readout, 2, 0.001);
    readout.sketch[3] = 12;
    readout.draws[4].logprob = -1.002;
    let measured = examine(&record, &readout, PROFILE).unwrap().1;
    assert_eq!((measured.soft_margins, measured.lost_draws), (1, 2));
    assert_eq!((measured.margin_worst, measured.sketch_worst), (0.005, 2.0 / 32.0));
    assert!((measured.logprob_worst - 0.002).abs() < 1e-6);
}

#[test]
fn many_draws_lost_by_next_to_nothing_leave_a_rollout_undecided() {
    let lose_some = |count: usize| verdict_of(|_, r| (0..count).for_each(|i| lose(r, i, 1e-5)));
    assert_eq!(lose_some(2), Verdict::Accepted);
    let Verdict::Undecided(doubt @ Doubt::Unlikely { lost: 4, expected, log10, limit_log10 }) = lose_some(4)
    else {
        panic!("{:?}", lose_some(4))
    };
    assert!(expected < 0.012 && log10 < limit_log10 && limit_log10 == -6.0, "{doubt:?}");
    assert_eq!(doubt.name(), "unlikely");
    // A profile that was not measured reports the same numbers and decides nothing by them.
    let (record, mut readout) = agreeing(40);
    (0..30).for_each(|i| lose(&mut readout, i, 1e-5));
    let (verdict, measured) = examine(&record, &readout, NumericProfile::StrictBf16).unwrap();
    assert_eq!(verdict, Verdict::Accepted);
    assert!(measured.draws.unwrap().is_rarer_than(1e-6));
}

#[test]
fn a_readout_that_makes_no_sense_is_our_fault() {
    let (record, good) = agreeing(4);
    let mut short = good.clone();
    short.sketch.pop();
    let mut missing = good.clone();
    missing.draws.pop();
    let mut nan = good.clone();
    nan.draws[2].margin = f32::NAN;
    let mut infinite = good.clone();
    infinite.draws[2].logprob = f32::NEG_INFINITY;
    let mut impure = good;
    impure.draws[2].gini = f32::NAN;
    for readout in [short, missing, nan, infinite, impure] {
        assert!(examine(&record, &readout, PROFILE).is_err());
    }
}

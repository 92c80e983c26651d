use grail_env::{Environment, arith::Arith};
use grail_lab::{
    AttackOutcome, Court, attack,
    stand::{Stand, StandSetup},
    suite::{Ground, SuitePlan, run},
};
use grail_torch::{ComputePlace, Dtype};
use grail_verify::lies::{Expectation, Lie, LieKind, named};
use std::path::Path;

/// Four groups in two windows: 64 rollouts of each attack.
const PLAN: SuitePlan = SuitePlan { rollouts: 64, honest: 256, groups: 2, old: true };
/// Lies that may last longer than the tokens of the fast part are only looked at by the whole suite.
const SOON: u64 = 800;

fn stand() -> Stand {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/models/tiny");
    let setup = StandSetup {
        name: "tiny".into(),
        folder,
        environment: Environment::Arith(Arith::new(1).unwrap()),
        max_new_tokens: 48,
        dtype: Dtype::F32,
        place: ComputePlace::Cpu,
        kernels: grail_torch::Kernels::Fastest,
        threads: 1,
        batch_rows: 32,
    };
    Stand::open(setup).unwrap()
}

/// What became of every attack of some kinds.
fn outcomes(plan: &SuitePlan, wanted: impl Fn(&Lie) -> bool) -> Vec<AttackOutcome> {
    let stand = stand();
    let ground = Ground::lay(&stand, plan, &mut |_, _| ()).unwrap();
    let mut court = Court::new(&stand);
    let lies = attack::all().map(|(lie, _)| lie).filter(|lie| wanted(lie));
    lies.map(|lie| run(&stand, &mut court, &ground, plan, lie, &mut |_, _| ()).unwrap()).collect()
}

#[track_caller]
fn hold(outcomes: &[AttackOutcome]) {
    let broken: Vec<String> = outcomes
        .iter()
        .filter(|outcome| match outcome.expectation {
            Expectation::Within(tokens) if tokens > SOON => false,
            // What cannot be told has not been shown.
            _ => !outcome.holds || outcome.too_few_tokens,
        })
        .map(|outcome| serde_json::to_string(outcome).unwrap())
        .collect();
    assert!(broken.is_empty(), "{} attacks do not hold:\n{}", broken.len(), broken.join("\n"));
}

#[test]
fn the_honest_control_is_accepted_whole() {
    let outcomes = outcomes(&PLAN, |lie| lie.kind == LieKind::Control);
    hold(&outcomes);
    let honest = &outcomes[0];
    assert_eq!((honest.rollouts, honest.lies, honest.false_refusals), (256, 0, 0));
    assert!(honest.false_refusal_bound.unwrap() < 0.012, "three in 256");
    assert!(honest.bytes_per_token.proof <= 1.0);
    let old = honest.v5.unwrap();
    assert_eq!(old.accepted, old.rollouts);
}

#[test]
fn no_lie_about_a_file_is_accepted() {
    let outcomes = outcomes(&PLAN, |lie| lie.kind == LieKind::Structure);
    assert!(outcomes.len() > 30);
    hold(&outcomes);
    for outcome in &outcomes {
        let lie = named(outcome.attack).unwrap();
        assert_eq!(outcome.refused.keys().collect::<Vec<_>>(), lie.codes, "{}", lie.name);
    }
}

#[test]
fn no_lie_about_sketch_text_or_reward_is_accepted() {
    let outcomes = outcomes(&PLAN, |lie| lie.kind == LieKind::Forgery);
    assert!(outcomes.len() > 25);
    hold(&outcomes);
    // The same lies beside the proof that these are meant to replace.
    for name in ["zero-sketch", "constant-sketch", "mean-state-sketch", "other-rollout-sketch"] {
        let old = outcomes.iter().find(|outcome| outcome.attack == name).unwrap().v5.unwrap();
        assert_eq!(old.accepted, old.rollouts, "{name}");
    }
}

#[test]
fn lies_about_draws_are_seen_soon() {
    hold(&outcomes(&PLAN, |lie| lie.kind == LieKind::Sampling));
}

#[test]
fn other_computations_are_seen_soon() {
    hold(&outcomes(&PLAN, |lie| lie.kind == LieKind::Model));
}

#[test]
fn what_an_honest_miner_would_have_sent_is_no_lie() {
    // Encoding a text again gives the same tokens now and then; those rollouts are true.
    let outcomes = outcomes(&PLAN, |lie| lie.name == "retokenised");
    let retokenised = &outcomes[0];
    assert!(retokenised.lies < retokenised.rollouts);
    assert_eq!(retokenised.false_refusals, 0);
}

//! Honest files, our own faults, samples, paper, and what the report adds up to.

use grail_artifact::{
    limits::LIMITS,
    window::{JsonCodec, WindowFile},
};
use grail_protocol::{
    seed::challenge_stream,
    words::{CheckpointId, UnixMillis},
};
use grail_testkit::{
    model::{FakeModel, FaultyOracle},
    window::{HandOver, World, WorldSetup},
};
use grail_verify::{
    Doubt, MinerReport, Sampling, Verdict, oversize, report::GroupReport, verify_file, verify_on_paper,
};

fn world() -> World {
    World::new(WorldSetup::new())
}

fn knowing(groups: u32) -> World {
    World::new(WorldSetup::new().with(|setup| {
        setup.max_new_tokens = 20;
        setup.known_by_heart = groups;
    }))
}

fn doubts(report: &MinerReport) -> Vec<&Doubt> {
    let rollouts = report.groups.iter().flat_map(|group| &group.rollouts);
    rollouts
        .filter_map(|rollout| match &rollout.verdict {
            Verdict::Undecided(doubt) => Some(doubt),
            Verdict::Accepted | Verdict::Rejected(_) => None,
        })
        .collect()
}

#[test]
fn an_honest_file_is_accepted_and_paid_for_its_solutions() {
    let world = knowing(3);
    let file = world.honest(3);
    let report = world.verify_with(world.shelve(&file), &JsonCodec, &mut world.oracle());
    assert!(report.is_clean(), "{:?}", report.tally);
    let tally = &report.tally;
    assert_eq!((tally.claimed, tally.checked, tally.accepted), (48, 48, 48));
    // Three solutions and one wrong answer are known of every problem that has so many.
    assert!((12..48).contains(&tally.successful), "{tally:?}");
    assert!((4..=9).contains(&tally.unique_solutions), "{tally:?}");
    assert_eq!(report.solutions().len() as u64, tally.unique_solutions);
    let claimed: f64 = file.rollouts.iter().map(|record| f64::from(record.reward)).sum();
    assert!((tally.mean_reward.unwrap() - claimed / 48.0).abs() < 1e-6);
}

#[test]
fn a_file_without_groups_claims_nothing_and_gets_nothing() {
    let world = world();
    let report = world.verify(world.honest(0));
    assert!(report.is_clean());
    assert_eq!((report.tally.checked, report.tally.extrapolation, report.tally.mean_reward), (0, 1.0, None));
}

#[test]
fn the_models_trouble_is_never_the_miners_fault() {
    let world = world();
    let mut oracle = FaultyOracle { model: world.oracle(), good_calls: 1 };
    let file = HandOver(world.honest(3));
    let report = world.verify_with(world.shelve_bytes(Vec::new()), &file, &mut oracle);
    assert_eq!((report.tally.accepted, report.tally.undecided["fault"]), (16, 32));
    assert_eq!(report.tally.rejected_total(), 0);
    let wanted = Doubt::Fault { door: "model".into(), text: "the fake device is out of memory".into() };
    assert!(doubts(&report).into_iter().all(|doubt| *doubt == wanted));
}

#[test]
fn a_model_of_another_checkpoint_is_not_asked() {
    let world = world();
    let mut stranger = FakeModel::new(CheckpointId::from_bytes([9; 32]), 7);
    assert_ne!(stranger.card().checkpoint, world.context.checkpoint);
    let file = HandOver(world.honest(2));
    let report = world.verify_with(world.shelve_bytes(Vec::new()), &file, &mut stranger);
    assert_eq!((report.tally.undecided["fault"], report.tally.rejected_total()), (32, 0));
    assert_eq!(report.file, Verdict::Accepted);
}

#[test]
fn what_we_cannot_set_up_is_our_fault() {
    let world = world();
    let file = HandOver(world.honest(1));
    let verify = |change: &dyn Fn(&mut grail_verify::Case<'_>)| {
        let mut case = world.case(&file);
        change(&mut case);
        let fetched = world.shelve_bytes(Vec::new());
        verify_file(fetched, &case, &mut world.oracle(), &mut |_| true)
    };
    // A context too short for prompt and cap, and a vocabulary that is not the model's.
    for report in [verify(&|case| case.context_length = 100), verify(&|case| case.vocabulary = 400)] {
        assert_eq!((report.tally.undecided["fault"], report.tally.rejected_total()), (16, 0));
    }
}

#[test]
fn another_environment_at_hand_is_our_fault() {
    let mut world = world();
    let file = world.honest(1);
    // The validator's context and the file agree on an environment that is not the one at hand.
    world.context.env = "sat/2".parse().unwrap();
    let file = world.seal(world.header(), file.rollouts);
    let report = world.verify(file);
    assert_eq!((report.tally.undecided["fault"], report.tally.rejected_total()), (16, 0));
}

#[test]
fn late_and_oversized_objects_are_refused_unread() {
    let world = world();
    let file = world.honest(1);
    let mut fetched = world.shelve(&file);
    fetched.meta.stored_at = world.setup.deadline;
    let in_time = world.verify_with(fetched.clone(), &JsonCodec, &mut world.oracle());
    assert!(in_time.is_clean());
    fetched.meta.stored_at = world.setup.deadline.plus(1);
    let late = world.verify_with(fetched.clone(), &JsonCodec, &mut world.oracle());
    assert_eq!(late.file.rejection().unwrap().code(), "late-upload");

    fetched.meta.size = 10_000_000_000;
    let refusal = oversize(&fetched.meta, &LIMITS);
    assert_eq!(refusal.code(), "file-too-large");
    assert!(refusal.to_string().contains("10000000000"), "{refusal}");
    assert_eq!(fetched.meta.stored_at, UnixMillis(world.setup.deadline.0 + 1));
}

#[test]
fn a_sample_speaks_for_the_file_and_lies_outside_it_go_unseen() {
    let rule = Sampling { all_up_to: 4, share_percent: 25, min: 2, max: 100 };
    let world = World::new(WorldSetup::new().with(|setup| setup.sampling = rule));
    let mut records = world.honest(40).rollouts;
    let report = world.verify(world.seal(world.header(), records.clone()));
    assert_eq!((report.tally.groups_claimed, report.tally.groups_checked), (40, 10));
    assert_eq!((report.tally.extrapolation, report.tally.checked), (4.0, 160));
    let picked: Vec<u32> = report.groups.iter().map(|group| group.group.0).collect();

    // Spoil every group outside the sample, then one inside.
    for record in records.iter_mut().filter(|record| !picked.contains(&record.group.0)) {
        record.reward = 0.815;
    }
    let unseen = world.verify(world.seal(world.header(), records.clone()));
    assert_eq!(unseen.tally, report.tally);
    records.iter_mut().filter(|record| record.group.0 == picked[3]).for_each(|record| record.reward = 0.815);
    let seen = world.verify(world.seal(world.header(), records));
    assert_eq!(seen.tally.rejected["reward-mismatch"], 16);
}

#[test]
fn on_paper_everything_but_the_proof_is_said() {
    let world = world();
    let mut records = world.honest(2).rollouts;
    records[3].reward = 0.5;
    let file = HandOver(world.seal(world.header(), records));
    let report = verify_on_paper(world.shelve_bytes(Vec::new()), &world.case(&file));
    assert_eq!((report.tally.undecided["not-proven"], report.tally.accepted), (31, 0));
    assert_eq!(report.tally.rejected["reward-mismatch"], 1);
}

#[test]
fn the_watcher_hears_of_every_group_and_can_stop() {
    let world = world();
    let file = HandOver(world.honest(4));
    let case = world.case(&file);
    // What is proven before a stop is drawn by the challenge: a lie is in no group that a miner could know to be the last.
    let order =
        case.sampling.order(4, &mut challenge_stream(&case.context.seed(), case.challenge, case.hotkey));
    let mut heard = Vec::new();
    let mut watch = |progress: grail_verify::ProofProgress| {
        heard.push((progress.done, progress.total, progress.group.0, progress.rejected));
        progress.done < 2
    };
    let report = verify_file(world.shelve_bytes(Vec::new()), &case, &mut world.oracle(), &mut watch);
    assert_eq!(heard, [(1, 4, order[0].0, 0), (2, 4, order[1].0, 0)]);
    let proven = |group: &&GroupReport| group.draws.is_some();
    let mut first = order[..2].to_vec();
    first.sort_unstable();
    assert_eq!(report.groups.iter().filter(proven).map(|group| group.group).collect::<Vec<_>>(), first);
    assert!(report.groups.is_sorted_by_key(|group| group.group));
    assert_eq!((report.tally.accepted, report.tally.undecided["not-proven"]), (32, 32));
}

#[test]
fn the_verdict_does_not_depend_on_the_encoding() {
    let world = knowing(2);
    let file: WindowFile = world.honest(2);
    let json = world.verify_with(world.shelve(&file), &JsonCodec, &mut world.oracle());
    assert_eq!(json, world.verify(file));
}

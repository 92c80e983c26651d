//! Every lie that the testkit knows, in numbers: how many rollouts and groups it costs the liar.

use grail_testkit::window::{FILE_LIES, Lie, ROLLOUT_LIES, Setup, World};
use grail_verify::{ALL_CODES, Verdict};
use std::collections::BTreeMap;

/// 13 groups of 16: 208 rollouts a lie.
const GROUPS: u32 = 13;

fn world() -> World {
    World::new(Setup::new())
}

/// A world whose answers are sometimes right, so that rewards differ.
fn world_of_answers() -> World {
    World::new(Setup::new().with(|setup| {
        setup.max_new_tokens = 20;
        setup.known_by_heart = GROUPS;
    }))
}

fn rollouts_caught(lie: &Lie, world: &World) {
    let name = lie.name;
    let report = world.verify((lie.tell)(world, GROUPS));
    assert_eq!(report.file, Verdict::Accepted, "{name}: only its rollouts are lies");
    let tally = &report.tally;
    assert_eq!(tally.checked, u64::from(GROUPS) * 16, "{name}");

    let share = tally.rejected_total() as f64 / tally.checked as f64;
    let caught = report.groups.iter().filter(|group| group.verdict.rejection().is_some()).count();
    let groups = caught as f64 / f64::from(GROUPS);
    assert!(share >= lie.rollouts_caught, "{name}: {share:.3} of rollouts, {:?}", tally.rejected);
    assert!(groups >= lie.groups_caught, "{name}: {groups:.3} of groups, {:?}", tally.rejected);

    let most = tally.rejected.iter().max_by_key(|(_, count)| **count).map(|(code, _)| code.as_str());
    assert_eq!(most, Some(lie.code), "{name}: {:?}", tally.rejected);
    let strange: BTreeMap<_, _> = tally
        .rejected
        .iter()
        .filter(|(code, _)| *code != lie.code && !lie.also.contains(&code.as_str()))
        .collect();
    assert!(strange.is_empty(), "{name}: {strange:?}");
    if lie.groups_caught == 1.0 {
        assert_eq!((tally.accepted, tally.unique_solutions), (0, 0), "{name} is paid for nothing");
    }
}

#[test]
fn rollouts_that_lie_are_caught_in_the_stated_share() {
    let world = world();
    ROLLOUT_LIES.iter().for_each(|lie| rollouts_caught(lie, &world));
}

#[test]
fn reward_lies_are_caught_where_some_answers_are_right() {
    let world = world_of_answers();
    let honest = world.verify(world.honest(GROUPS));
    assert!(honest.tally.successful > 100, "{:?}", honest.tally);
    for lie in
        ROLLOUT_LIES.iter().filter(|lie| lie.code == "reward-mismatch" && lie.name != "full-reward-claimed")
    {
        rollouts_caught(lie, &world);
    }
    // Whoever is right may claim the full reward; everybody else may not.
    let lie = ROLLOUT_LIES.iter().find(|lie| lie.name == "full-reward-claimed").unwrap();
    let report = world.verify((lie.tell)(&world, GROUPS));
    assert_eq!(report.tally.rejected_total(), honest.tally.checked - honest.tally.successful);
}

#[test]
fn files_that_lie_are_refused_whole_under_their_own_code() {
    let world = world();
    for lie in FILE_LIES {
        let report = world.verify((lie.tell)(&world, 2));
        let code = report.file.rejection().map(grail_verify::Rejection::code);
        assert_eq!(code, Some(lie.code), "{}", lie.name);
        assert!(report.groups.is_empty() && report.tally.accepted == 0, "{}", lie.name);
        assert!(report.tally.rejected.contains_key(lie.code), "{}", lie.name);
    }
}

#[test]
fn lies_expect_codes_that_exist() {
    for lie in ROLLOUT_LIES.iter().chain(FILE_LIES) {
        for code in [&lie.code].into_iter().chain(lie.also) {
            assert!(ALL_CODES.contains(code), "{}: {code}", lie.name);
        }
    }
}

#[test]
fn what_is_no_lie_is_not_punished() {
    let world = world();
    // 960 rollouts, on a machine that differs by 10⁻⁵ of the spread.
    let report = world.verify(world.honest(60));
    assert!(report.tally.rejected.is_empty(), "{:?}", report.tally.rejected);
    let one_in_hundred = report.tally.checked / 100;
    assert!(report.tally.undecided_total() <= one_in_hundred, "{:?}", report.tally.undecided);
}

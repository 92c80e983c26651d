//! Every lie that the testkit knows, in numbers: how many rollouts and groups it costs the liar.

use grail_testkit::window::{World, WorldSetup};
use grail_verify::{
    Verdict,
    lies::{Lie, fake_files, fake_rollouts, named},
};
use std::collections::BTreeMap;

/// 13 groups of 16: 208 rollouts a lie.
const GROUPS: u32 = 13;

fn world() -> World {
    World::new(WorldSetup::new())
}

/// A world whose answers are sometimes right, so that rewards differ.
fn world_of_answers() -> World {
    World::new(WorldSetup::new().with(|setup| {
        setup.max_new_tokens = 20;
        setup.known_by_heart = GROUPS;
    }))
}

fn rollouts_caught(lie: &Lie, world: &World) {
    let (name, Some((code, also))) = (lie.name, lie.codes.split_first()) else {
        panic!("{} expects no code", lie.name);
    };
    let report = world.verify(world.told(lie, GROUPS));
    assert_eq!(report.file, Verdict::Accepted, "{name}: only its rollouts are lies");
    let tally = &report.tally;
    assert_eq!(tally.checked, u64::from(GROUPS) * 16, "{name}");

    let share = tally.rejected_total() as f64 / tally.checked as f64;
    let caught = report.groups.iter().filter(|group| group.verdict.rejection().is_some()).count();
    let groups = caught as f64 / f64::from(GROUPS);
    assert!(Some(share) >= lie.on_fake, "{name}: {share:.3} of rollouts, {:?}", tally.rejected);
    assert_eq!(groups, 1.0, "{name}: {:?}", tally.rejected);

    let most = tally.rejected.iter().max_by_key(|(_, count)| **count).map(|(code, _)| code.as_str());
    assert_eq!(most, Some(*code), "{name}: {:?}", tally.rejected);
    let strange: BTreeMap<_, _> =
        tally.rejected.iter().filter(|(found, _)| found != code && !also.contains(&found.as_str())).collect();
    assert!(strange.is_empty(), "{name}: {strange:?}");
    assert_eq!((tally.accepted, tally.unique_solutions), (0, 0), "{name} is paid for nothing");
}

#[test]
fn rollouts_that_lie_are_caught_in_the_stated_share() {
    let world = world();
    fake_rollouts().for_each(|lie| rollouts_caught(lie, &world));
}

#[test]
fn reward_lies_are_caught_where_some_answers_are_right() {
    let world = world_of_answers();
    let honest = world.verify(world.honest(GROUPS));
    assert!(honest.tally.successful > 100, "{:?}", honest.tally);
    let about_rewards = fake_rollouts().filter(|lie| lie.codes == ["reward-mismatch"]);
    for lie in about_rewards.filter(|lie| lie.name != "right-for-everybody") {
        rollouts_caught(lie, &world);
    }
    // Whoever is right may claim the full reward; everybody else may not.
    let report = world.verify(world.told(named("right-for-everybody").unwrap(), GROUPS));
    assert_eq!(report.tally.rejected_total(), honest.tally.checked - honest.tally.successful);
}

#[test]
fn files_that_lie_are_refused_whole_under_their_own_code() {
    let world = world();
    for lie in fake_files() {
        let report = world.verify(world.told(lie, 2));
        let code = report.file.rejection().map(grail_verify::Rejection::code).unwrap();
        assert_eq!([code], lie.codes, "{}", lie.name);
        assert!(report.groups.is_empty() && report.tally.accepted == 0, "{}", lie.name);
        assert!(report.tally.rejected.contains_key(code), "{}", lie.name);
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

//! What no group shows, and the file does: digits of another model, a few in each group.

use grail_artifact::window::WindowFile;
use grail_protocol::profile::NumericProfile;
use grail_testkit::window::{World, WorldSetup};
use grail_verify::{MinerReport, Over, Rejection, Verdict};

/// Log-probabilities that are told wrong in each group: below what refuses one, and beyond it in four together.
const IN_A_GROUP: usize = 25;

/// An honest file whose first log-probabilities of each group are two steps off: half of the tolerance of one.
fn nudged(world: &World, groups: u32) -> WindowFile {
    let mut file = world.honest(groups);
    for group in file.rollouts.chunks_mut(16) {
        let units = group.iter_mut().flat_map(|record| &mut record.logprobs);
        units.take(IN_A_GROUP).for_each(|units| *units = units.saturating_sub(2));
    }
    world.seal(file.header, file.rollouts)
}

fn scopes(report: &MinerReport) -> Vec<Over> {
    let scope = |rejection: &Rejection| match rejection {
        Rejection::LogprobDigits { over, .. } => *over,
        other => panic!("{other:?}"),
    };
    report.rejections().map(|(_, rejection)| scope(rejection)).collect()
}

#[test]
fn a_file_tells_what_its_groups_do_not() {
    let world = World::new(WorldSetup::new());
    assert!(world.verify(nudged(&world, 1)).is_clean(), "one group by itself says too little");
    let report = world.verify(nudged(&world, 4));
    assert_eq!(report.file, Verdict::Accepted);
    assert_eq!(scopes(&report), [Over::File; 64], "every rollout that was read falls");
    assert_eq!(report.tally.accepted, 0);
    assert_eq!(report.contradiction(NumericProfile::StrictF32), None);
}

#[test]
fn a_report_that_accepts_such_digits_contradicts_itself() {
    let world = World::new(WorldSetup::new());
    let honest = world.verify(world.honest(4));
    let but = |change: &dyn Fn(usize) -> u64| {
        let mut report = honest.clone();
        for (at, rollout) in report.groups.iter_mut().flat_map(|group| &mut group.rollouts).enumerate() {
            if let Some(digits) = rollout.measured.as_mut().and_then(|measured| measured.digits.as_mut()) {
                digits.changed = change(at).min(digits.of);
            }
        }
        report.contradiction(NumericProfile::StrictF32)
    };
    assert_eq!(but(&|_| 0), None);
    let group = but(&|at| if at < 16 { 8 } else { 0 }).unwrap();
    assert!(group.contains("group 0 is accepted although its digits"), "{group}");
    // Two in each rollout: too few in one group, too many in four.
    let file = but(&|_| 2).unwrap();
    assert!(file.contains("the file's digits"), "{file}");
}

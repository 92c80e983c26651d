use super::*;
use crate::reports::MinerEntry;
use grail_protocol::{
    beacon::WindowRandomness, draw::SamplingPolicy, params::DEV, profile::NumericProfile,
    seed::WindowContext, words::BlockHash,
};
use grail_testkit::{
    doors::MemJournal,
    window::{World, WorldSetup},
};
use std::sync::Arc;

const LENGTH: u64 = 20;

fn context(window: u64, checkpoint: u8) -> WindowContext {
    WindowContext {
        network: "dev-1".parse().unwrap(),
        params: DEV,
        window: WindowStart(window),
        block_hash: BlockHash::from_bytes([1; 32]),
        randomness: WindowRandomness::BlockHashOnly,
        checkpoint: CheckpointId::from_bytes([checkpoint; 32]),
        env: "sat/1".parse().unwrap(),
        policy: SamplingPolicy::DEFAULT,
        numeric: NumericProfile::StrictF32,
        max_new_tokens: 64,
    }
}

/// A real report in which so many draws of the first rollout count as lost.
fn judged(lost: u64) -> MinerReport {
    let world = World::new(WorldSetup::new());
    let mut report = world.verify(world.honest(1));
    let rollout = &mut report.groups[0].rollouts[0];
    let draws = rollout.measured.as_mut().unwrap().draws.as_mut().unwrap();
    draws.draws += lost;
    draws.lost = lost;
    report
}

fn report(window: u64, checkpoint: u8, miner: &MinerReport) -> WindowReport {
    let context = context(window, checkpoint);
    let mut report = WindowReport::new(&context, Hotkey::from_bytes([9; 32]), &[0; 32]);
    let outcome = FileOutcome::Judged(Box::new(miner.clone()));
    report.miners.push(MinerEntry { uid: 1, hotkey: miner.hotkey, outcome, sampling: None });
    report
}

fn journal() -> EvidenceJournal {
    EvidenceJournal::new("dev-1".parse().unwrap())
}

#[test]
fn honest_windows_add_up_and_bring_nobody_anything() {
    let (mut journal, honest) = (journal(), judged(0));
    for turn in 0..100 {
        assert!(journal.take(&report(turn * LENGTH, 1, &honest), 24, LENGTH).is_empty());
    }
    let miner = &journal.miners[&honest.hotkey];
    assert_eq!(miner.evidence.draws(), 100 * honest.tally.draws.unwrap().draws);
    assert!(miner.evidence.log10() < 0.0 && miner.exclusion.is_none());
    assert_eq!(miner.history.len(), MOST_POINTS);
    assert_eq!(miner.history.last().unwrap().window, WindowStart(99 * LENGTH));
}

#[test]
fn evidence_raises_the_sample_and_then_leaves_out_for_the_stated_windows() {
    let (mut journal, doubtful, lying) = (journal(), judged(3), judged(12));
    let (miner, usual) = (doubtful.hotkey, Sampling::DEFAULT);
    let checkpoint = CheckpointId::from_bytes([1; 32]);
    assert!(journal.take(&report(0, 1, &doubtful), 3, LENGTH).is_empty());
    assert_eq!(journal.sampling(&miner, checkpoint, usual, true), Some(usual.raised()));
    assert_eq!(
        journal.sampling(&miner, checkpoint, usual, false),
        None,
        "an uncalibrated profile decides nothing"
    );
    assert_eq!(journal.sampling(&miner, CheckpointId::from_bytes([2; 32]), usual, true), None);

    let excluded = journal.take(&report(20, 1, &lying), 3, LENGTH);
    let [(who, exclusion)] = excluded.as_slice() else { panic!("{excluded:?}") };
    assert_eq!((*who, exclusion.since, exclusion.until), (miner, WindowStart(20), WindowStart(100)));
    let said = exclusion.to_string();
    assert!(said.contains("15 of") && said.contains("until window 100"), "{said}");
    for (window, holds) in [(0, false), (20, true), (40, true), (80, true), (100, false)] {
        assert_eq!(journal.exclusion(&miner, WindowStart(window)).is_some(), holds, "window {window}");
    }
    // The count begins anew, so the same miner is not left out for the same draws twice.
    assert!(journal.take(&report(100, 1, &judged(0)), 3, LENGTH).is_empty());
    assert!(journal.exclusion(&miner, WindowStart(100)).is_none());
}

#[test]
fn another_checkpoint_restarts_the_count_and_a_window_counts_once() {
    let (mut journal, doubtful) = (journal(), judged(2));
    journal.take(&report(0, 1, &doubtful), 24, LENGTH);
    let before = journal.clone();
    journal.take(&report(0, 1, &doubtful), 24, LENGTH);
    assert_eq!(journal, before);
    journal.take(&report(20, 2, &judged(0)), 24, LENGTH);
    let miner = &journal.miners[&doubtful.hotkey];
    assert_eq!((miner.evidence.lost(), miner.history.len()), (0, 2));
}

#[test]
fn evidence_against_everyone_at_once_is_trouble_of_ours() {
    let lying = judged(12);
    let of = |count: u8| {
        let mut all = report(0, 1, &lying);
        all.miners = (1..=count)
            .map(|id| {
                let hotkey = Hotkey::from_bytes([id; 32]);
                let outcome = FileOutcome::Judged(Box::new(MinerReport { hotkey, ..lying.clone() }));
                MinerEntry { uid: id.into(), hotkey, outcome, sampling: None }
            })
            .collect();
        all
    };
    let (mut few, mut many) = (journal(), journal());
    assert_eq!(few.take(&of(3), 24, LENGTH).len(), 3);
    assert_eq!(many.take(&of(4), 24, LENGTH), []);
    assert!(many.miners.is_empty() && many.window == Some(WindowStart(0)), "{many:?}");
}

#[test]
fn what_an_operator_is_told_is_one_sentence_after_the_other() {
    assert!(!TROUBLE_OF_OURS.contains("  ") && !TROUBLE_OF_OURS.contains('\n'), "{TROUBLE_OF_OURS}");
    assert!(TROUBLE_OF_OURS.contains("thrown away. Look"), "{TROUBLE_OF_OURS}");
}

#[test]
fn a_profile_that_was_not_measured_leaves_nobody_out() {
    let (mut journal, lying) = (journal(), judged(12));
    let mut report = report(0, 1, &lying);
    for numeric in [Some(NumericProfile::StrictBf16), None] {
        report.numeric = numeric;
        report.window.0 += LENGTH;
        assert!(journal.take(&report, 24, LENGTH).is_empty());
    }
    assert!(journal.miners[&lying.hotkey].evidence.log10() > 6.0, "it is counted all the same");
}

#[test]
fn a_journal_survives_and_a_damaged_or_foreign_one_is_named() {
    let kept = MemJournal::default();
    let reports = Reports::new(Arc::new(kept.clone()));
    let network: NetworkId = "dev-1".parse().unwrap();
    assert_eq!(EvidenceJournal::load(&reports, &network).unwrap(), journal());
    let mut journal = journal();
    journal.take(&report(0, 1, &judged(12)), 24, LENGTH);
    journal.save(&reports).unwrap();
    assert_eq!(EvidenceJournal::load(&reports, &network).unwrap(), journal);
    assert_eq!(reports.windows().unwrap(), [], "it is no report");
    let foreign = EvidenceJournal::load(&reports, &"dev-2".parse().unwrap()).unwrap_err();
    assert!(foreign.doing.contains("dev-1") && foreign.doing.contains(EVIDENCE_FILE), "{foreign:?}");
    kept.lay(EVIDENCE_FILE, "{");
    assert!(EvidenceJournal::load(&reports, &network).unwrap_err().doing.contains("move it away"));
}

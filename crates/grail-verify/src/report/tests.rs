use super::*;
use grail_protocol::{
    beacon::WindowRandomness, draw::SamplingPolicy, params::DEV, profile::NumericProfile, words::BlockHash,
};

fn context() -> WindowContext {
    WindowContext {
        network: "dev-0001".parse().unwrap(),
        params: DEV,
        window: WindowStart(40),
        block_hash: BlockHash::from_bytes([1; 32]),
        randomness: WindowRandomness::BlockHashOnly,
        checkpoint: CheckpointId::from_bytes([2; 32]),
        env: "sat/1".parse().unwrap(),
        policy: SamplingPolicy::DEFAULT,
        numeric: NumericProfile::StrictF32,
        max_new_tokens: 64,
    }
}

fn rollout(index: u8, verdict: Verdict, solution: Option<&str>) -> RolloutReport {
    RolloutReport {
        rollout: RolloutIndex(index),
        verdict,
        tokens: 4,
        claimed_reward: 0.5,
        judgement: Some(Judgement {
            reward: if solution.is_some() { 0.75 } else { 0.25 },
            success: solution.is_some(),
            solution: solution.map(str::to_owned),
        }),
        measured: None,
    }
}

fn rejected() -> Verdict {
    Verdict::Rejected(Rejection::RewardMismatch { claimed: 0.5, recomputed: 0.25 })
}

fn doubtful() -> Verdict {
    Verdict::Undecided(Doubt::NotProven)
}

fn report() -> MinerReport {
    let groups = vec![
        // Two that count with one solution between them, one undecided that does not.
        GroupReport::new(
            GroupIndex(0),
            vec![
                rollout(0, Verdict::Accepted, Some("a")),
                rollout(1, Verdict::Accepted, Some("a")),
                rollout(2, doubtful(), Some("b")),
            ],
        ),
        // Spoiled by its second rollout.
        GroupReport::new(
            GroupIndex(3),
            vec![rollout(0, Verdict::Accepted, Some("c")), rollout(1, rejected(), Some("d"))],
        ),
        GroupReport::new(
            GroupIndex(4),
            vec![rollout(0, Verdict::Accepted, None), rollout(1, doubtful(), None)],
        ),
        GroupReport::new(GroupIndex(5), vec![rollout(0, doubtful(), None)]),
    ];
    MinerReport::of_groups(&context(), &Hotkey::from_bytes([7; 32]), 8, groups)
}

#[test]
fn a_group_is_judged_by_its_worst_decided_rollout() {
    let verdicts: Vec<Verdict> = report().groups.into_iter().map(|group| group.verdict).collect();
    assert_eq!(verdicts, [Verdict::Accepted, rejected(), Verdict::Accepted, doubtful()]);
}

#[test]
fn only_rollouts_of_clean_groups_count() {
    let report = report();
    let tally = &report.tally;
    assert_eq!((tally.groups_claimed, tally.groups_checked, tally.extrapolation), (8, 4, 1.125));
    assert_eq!((tally.claimed, tally.checked), (128, 8));
    assert_eq!((tally.accepted, tally.spoiled), (3, 1));
    assert_eq!(tally.rejected, BTreeMap::from([("reward-mismatch".to_owned(), 1)]));
    assert_eq!(tally.undecided, BTreeMap::from([("not-proven".to_owned(), 3)]));
    assert_eq!(
        tally.checked,
        tally.accepted + tally.spoiled + tally.undecided_total() + tally.rejected_total()
    );
    assert_eq!((tally.successful, tally.unique_solutions), (2, 1));
    assert_eq!(report.solutions(), BTreeSet::from(["a"]));
    assert_eq!(tally.mean_reward, Some(0.583_333));
    assert!(!report.is_clean());
    assert_eq!(
        report.rejections().map(|(at, r)| (at, r.code())).collect::<Vec<_>>(),
        [(Some((GroupIndex(3), RolloutIndex(1))), "reward-mismatch")]
    );
}

#[test]
fn padding_a_file_with_made_up_groups_does_not_pay() {
    // Weight of a file by the score's rule when `hit` of 64 sampled groups are honest, one solution each.
    let weight = |claimed: u32, hit: usize| {
        let group = |index: usize| {
            let verdict = if index < hit { Verdict::Accepted } else { rejected() };
            let rollouts = (0..16).map(|r| rollout(r, verdict.clone(), None)).collect();
            GroupReport::new(GroupIndex(index as u32), rollouts)
        };
        let groups: Vec<GroupReport> = (0..64).map(group).collect();
        let tally = WindowTally::of(claimed, &groups);
        (hit as f64 * tally.extrapolation).powf(1.5) * (tally.accepted as f64 * tally.extrapolation)
    };
    for honest in [4u32, 64, 1_024, 2_048, 3_900, 4_080] {
        // How many of 64 drawn groups are honest, to good approximation: binomial with this chance.
        let chance = f64::from(honest) / 4_096.0;
        let (mut likelihood, mut expected) = ((1.0 - chance).powi(64), 0.0);
        for hit in 0..=64usize {
            expected += likelihood * weight(4_096, hit);
            likelihood *= (64 - hit) as f64 / (hit + 1) as f64 * chance / (1.0 - chance);
        }
        let told_truly = f64::from(honest).powf(1.5) * f64::from(honest) * 16.0;
        assert!(expected < told_truly, "{honest} honest groups: {expected} against {told_truly}");
    }
}

#[test]
fn a_refused_file_counts_nothing_and_names_its_code() {
    let rejection = Rejection::WrongVersion { claimed: 2, expected: 1 };
    let report = MinerReport::refused(&context(), &Hotkey::from_bytes([7; 32]), rejection, (2, 32));
    assert_eq!(report.tally.rejected, BTreeMap::from([("wrong-version".to_owned(), 32)]));
    assert_eq!((report.tally.checked, report.tally.accepted, report.tally.mean_reward), (0, 0, None));
    assert_eq!(report.rejections().count(), 1);
}

#[test]
fn json_reads_back_to_the_same_report() {
    for report in [
        report(),
        MinerReport::undecided(&context(), &Hotkey::from_bytes([7; 32]), &crate::verdict::inside("a test")),
        MinerReport::of_groups(&context(), &Hotkey::from_bytes([7; 32]), 0, Vec::new()),
    ] {
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<MinerReport>(&text).unwrap(), report);
    }
}

use super::Flaw;
use crate::{
    Doubt, MinerReport, Verdict,
    report::{GroupReport, RolloutReport},
};

/// Where two reports about one file come to another verdict: the file's, then each group's and rollout's.
///
/// Verdicts are the same when they are of one kind and, for rejections and doubts, of one code; what was measured may
/// differ by what machines differ by. What the environment says must be the same to the bit. Undecided for trouble of
/// the validator's own is compared with nothing.
pub fn differences(told: &MinerReport, found: &MinerReport) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    if !is_trouble(&told.file) {
        compare("the file", &told.file, &found.file, &mut flaws);
    }
    if told.root != found.root {
        let word = |root: Option<_>| root.map_or("no root".to_owned(), |root| format!("root {root:?}"));
        flaws.push(differ("the file", word(told.root), word(found.root)));
    }
    if !flaws.is_empty() {
        return flaws;
    }
    let numbers = |report: &MinerReport| report.groups.iter().map(|group| group.group.0).collect::<Vec<_>>();
    if numbers(told) != numbers(found) {
        let list = |report| format!("{:?}", numbers(report));
        return vec![Flaw::Sample { told: list(told), found: list(found) }];
    }
    for (told, found) in told.groups.iter().zip(&found.groups) {
        compare_group(told, found, &mut flaws);
    }
    flaws
}

fn compare_group(told: &GroupReport, found: &GroupReport, flaws: &mut Vec<Flaw>) {
    let group = told.group;
    if told.rollouts.len() != found.rollouts.len() {
        let count = |group: &GroupReport| format!("{} rollouts", group.rollouts.len());
        return flaws.push(differ(&format!("group {group}"), count(told), count(found)));
    }
    let mut any_trouble = false;
    for (told, found) in told.rollouts.iter().zip(&found.rollouts) {
        let place = format!("group {group} rollout {}", told.rollout);
        if is_trouble(&told.verdict) {
            any_trouble = true;
            continue;
        }
        compare(&place, &told.verdict, &found.verdict, flaws);
        compare_claims(&place, told, found, flaws);
    }
    // A group's verdict follows from its rollouts'; with one of them open, so is the group's.
    if !any_trouble {
        compare(&format!("group {group}"), &told.verdict, &found.verdict, flaws);
    }
}

fn compare_claims(place: &str, told: &RolloutReport, found: &RolloutReport, flaws: &mut Vec<Flaw>) {
    let claim = |rollout: &RolloutReport| (rollout.rollout, rollout.tokens, rollout.claimed_reward.to_bits());
    if claim(told) != claim(found) {
        let word = |r: &RolloutReport| {
            format!("rollout {} of {} tokens, claiming {}", r.rollout, r.tokens, r.claimed_reward)
        };
        flaws.push(differ(place, word(told), word(found)));
    }
    if told.judgement != found.judgement {
        let word = |rollout: &RolloutReport| match &rollout.judgement {
            Some(judgement) => format!("reward {}, right: {}", judgement.reward, judgement.success),
            None => "no judgement of the answer".into(),
        };
        flaws.push(differ(place, word(told), word(found)));
    }
}

fn compare(place: &str, told: &Verdict, found: &Verdict, flaws: &mut Vec<Flaw>) {
    let (told, found) = (word(told), word(found));
    if told != found {
        flaws.push(differ(place, told, found));
    }
}

pub(super) fn differ(place: &str, told: String, found: String) -> Flaw {
    Flaw::Verdict { place: place.into(), told, found }
}

pub(super) fn word(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Accepted => "accepted".into(),
        Verdict::Rejected(rejection) => format!("rejected as {}", rejection.code()),
        Verdict::Undecided(doubt) => format!("undecided: {}", doubt.name()),
    }
}

pub(super) const fn is_trouble(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Undecided(Doubt::Fault { .. } | Doubt::NotProven))
}

//! From reports, records and what was seen to the story that page and report tell.

use super::{
    cast::{CAST, Part},
    outcome::{Learning, Row},
    story::{CheckpointPoint, EvaluationPoint, MinerLine, Story, WindowPoint},
};
use grail_protocol::words::Hotkey;
use grail_roles::{
    reports::{FileOutcome, WindowReport},
    train::{Evaluation, IssueRecord},
};
use std::collections::BTreeMap;

/// What was seen while the rehearsal ran.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Verdicts, window by window.
    pub(super) judged: Vec<WindowReport>,
    /// Weights on the chain after each judged window, by hotkey.
    pub(super) weights: BTreeMap<u64, BTreeMap<Hotkey, u16>>,
    /// Tokens per second by participant and window.
    pub(super) speeds: BTreeMap<&'static str, BTreeMap<u64, f64>>,
}

/// Everything the trainer wrote down.
#[derive(Debug, Default)]
pub(super) struct Taught {
    pub(super) issues: Vec<IssueRecord>,
    pub(super) evaluations: Vec<Evaluation>,
}

/// The story without its headline and expectations, which come last.
pub(super) fn story(
    seen: &Seen,
    taught: &Taught,
    rows: &[Row],
    hotkeys: &BTreeMap<&'static str, Hotkey>,
) -> Story {
    Story {
        network: String::new(),
        model: String::new(),
        seconds: 0.0,
        passed: false,
        windows: seen.judged.iter().map(|report| window(report, seen, taught)).collect(),
        miners: rows.iter().map(|row| miner(row, seen, hotkeys)).collect(),
        checkpoints: taught.issues.iter().map(checkpoint).collect(),
        evaluations: taught.evaluations.iter().map(evaluation).collect(),
        expectations: Vec::new(),
    }
}

fn window(report: &WindowReport, seen: &Seen, taught: &Taught) -> WindowPoint {
    let id = report.checkpoint.to_string();
    let sequence =
        taught.issues.iter().find(|issue| issue.checkpoint == id).map_or(0, |issue| issue.sequence);
    let (mut accepted, mut right, mut rewards) = (0u64, 0u64, 0.0);
    let mut refused: BTreeMap<String, u64> = BTreeMap::new();
    for entry in &report.miners {
        let FileOutcome::Judged(judged) = &entry.outcome else { continue };
        let tally = &judged.tally;
        accepted += tally.accepted;
        right += tally.successful;
        rewards += tally.mean_reward.unwrap_or(0.0) * tally.accepted as f64;
        for (code, count) in &tally.rejected {
            *refused.entry(code.clone()).or_default() += count;
        }
    }
    let mean = |sum: f64| (accepted > 0).then(|| sum / accepted as f64);
    let honest = CAST.iter().filter(|actor| actor.part == Part::Miner);
    let speeds: Vec<f64> =
        honest.filter_map(|actor| seen.speeds.get(actor.name)?.get(&report.window.0).copied()).collect();
    WindowPoint {
        window: report.window.0,
        env: report.env.as_str().split(':').next().unwrap_or_default().to_owned(),
        checkpoint: sequence,
        rollouts: accepted,
        mean_reward: mean(rewards),
        pass_rate: mean(right as f64),
        refused,
        tokens_per_second: (!speeds.is_empty()).then(|| speeds.iter().sum()),
    }
}

fn miner(row: &Row, seen: &Seen, hotkeys: &BTreeMap<&'static str, Hotkey>) -> MinerLine {
    let share = |weights: &BTreeMap<Hotkey, u16>| {
        let total: f64 = weights.values().map(|weight| f64::from(*weight)).sum();
        let own = hotkeys.get(row.name.as_str()).and_then(|hotkey| weights.get(hotkey)).copied();
        if total > 0.0 { f64::from(own.unwrap_or(0)) / total } else { 0.0 }
    };
    let speeds = seen.speeds.get(row.name.as_str()).into_iter().flatten();
    MinerLine {
        name: row.name.clone(),
        part: row.part.clone(),
        weights: seen.weights.iter().map(|(window, weights)| (*window, share(weights))).collect(),
        tokens_per_second: speeds.map(|(window, speed)| (*window, *speed)).collect(),
        verified: row.verified,
        refused: row.refused.clone(),
    }
}

fn checkpoint(issue: &IssueRecord) -> CheckpointPoint {
    CheckpointPoint {
        sequence: issue.sequence,
        window: issue.window.0,
        kind: issue.kind.clone(),
        whole_bytes: issue.whole_bytes,
        sent_bytes: issue.sent_bytes,
    }
}

fn evaluation(evaluation: &Evaluation) -> EvaluationPoint {
    EvaluationPoint {
        sequence: evaluation.sequence,
        window: evaluation.window.0,
        problems: u64::from(evaluation.problems),
        answers: u64::from(evaluation.answers),
        pass_at_1: evaluation.pass_at_1,
        pass_at_k: evaluation.pass_at_k,
        k: u64::from(evaluation.k),
        mean_reward: evaluation.mean_reward,
        components: evaluation.components.clone(),
    }
}

/// What the trainer brought, from the windows' own numbers.
pub(super) fn learning(story: &Story) -> Learning {
    let windows: Vec<&WindowPoint> = story.windows.iter().filter(|window| window.rollouts > 0).collect();
    // As the page has it: of fewer than three windows, each is a third.
    let third = (windows.len() / 3).max(1).min(windows.len());
    let share = |windows: &[&WindowPoint]| {
        let rollouts: f64 = windows.iter().map(|window| window.rollouts as f64).sum();
        let right: f64 =
            windows.iter().map(|window| window.pass_rate.unwrap_or(0.0) * window.rollouts as f64).sum();
        (rollouts > 0.0).then(|| right / rollouts)
    };
    Learning {
        published: story.checkpoints.len(),
        followed: windows.iter().filter(|window| window.checkpoint > 0).count(),
        first_third: share(windows.get(..third).unwrap_or_default()),
        last_third: share(windows.get(windows.len() - third..).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(window: u64, rollouts: u64, pass_rate: f64) -> WindowPoint {
        WindowPoint {
            window,
            env: "arith/1".into(),
            checkpoint: window / 40,
            rollouts,
            mean_reward: Some(pass_rate),
            pass_rate: Some(pass_rate),
            refused: BTreeMap::new(),
            tokens_per_second: None,
        }
    }

    #[test]
    fn thirds_are_weighed_by_rollouts_and_empty_windows_do_not_count() {
        let points = [
            (0, 16, 0.0),
            (8, 48, 0.4),
            (16, 0, 0.9),
            (24, 16, 0.5),
            (32, 16, 0.6),
            (40, 32, 0.7),
            (48, 16, 1.0),
        ];
        let mut story = story(&Seen::default(), &Taught::default(), &[], &BTreeMap::new());
        story.windows = points.map(|(window, rollouts, rate)| point(window, rollouts, rate)).to_vec();
        let learning = learning(&story);
        assert_eq!(learning.followed, 2);
        assert!((learning.first_third.unwrap() - 0.3).abs() < 1e-12);
        assert!((learning.last_third.unwrap() - 0.8).abs() < 1e-12);
        story.windows.clear();
        assert_eq!(super::learning(&story).last_third, None);
    }
}

//! What came of the rehearsal: facts from the validator's reports and the chain, the table, and whether everything is
//! as it should be. Pure over those facts.

use super::cast::{Actor, CAST};
use grail_protocol::words::Hotkey;
use grail_roles::reports::{FileOutcome as Found, WindowReport};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use tabled::{builder::Builder, settings::Style};

/// One participant's facts, all windows together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Row {
    /// Name.
    pub(super) name: String,
    /// What it does.
    pub(super) part: String,
    /// Hotkey.
    pub(super) hotkey: Hotkey,
    /// Windows in which it had a file in time.
    pub(super) windows: u32,
    /// Rollouts in its files.
    pub(super) rollouts: u64,
    /// Rollouts that were verified and count.
    pub(super) verified: u64,
    /// Refused rollouts by code.
    pub(super) refused: BTreeMap<String, u64>,
    /// Accepted by themselves, in a group with a refused one.
    pub(super) spoiled: u64,
    /// Rollouts without a verdict.
    pub(super) undecided: u64,
    /// Distinct right solutions.
    pub(super) unique_solutions: usize,
    /// Mean reward of verified rollouts; absent without any.
    pub(super) mean_reward: Option<f64>,
    /// Weight on the chain, `0..=65535`.
    pub(super) weight: u16,
    /// Share of all weight, `0..=1`.
    pub(super) weight_share: f64,
}

/// What the trainer brought.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub(super) struct Learning {
    /// Checkpoints published.
    pub(super) published: usize,
    /// Windows that were answered by one of them, with accepted rollouts.
    pub(super) followed: usize,
    /// Share of right answers among accepted rollouts in the first third of windows.
    pub(super) first_third: Option<f64>,
    /// The same in the last third.
    pub(super) last_third: Option<f64>,
}

/// Something that must hold in the end.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Expectation {
    /// The statement.
    pub(super) statement: String,
    /// Whether it holds.
    pub(super) holds: bool,
}

/// Facts of each miner of the cast, in its order.
///
/// `weights` are those on the chain by hotkey.
pub(super) fn rows(
    hotkeys: &BTreeMap<&'static str, Hotkey>,
    reports: &[WindowReport],
    weights: &BTreeMap<Hotkey, u16>,
) -> Vec<Row> {
    let total: f64 = weights.values().map(|weight| f64::from(*weight)).sum();
    let mut rows = Vec::new();
    for actor in CAST.iter().filter(|actor| actor.mines()) {
        let Some(hotkey) = hotkeys.get(actor.name) else { continue };
        let weight = weights.get(hotkey).copied().unwrap_or(0);
        let share = if total > 0.0 { f64::from(weight) / total } else { 0.0 };
        rows.push(row(actor, hotkey, reports, weight, share));
    }
    rows
}

fn row(actor: &Actor, hotkey: &Hotkey, reports: &[WindowReport], weight: u16, weight_share: f64) -> Row {
    let mut row = Row {
        name: actor.name.into(),
        part: actor.description().into(),
        hotkey: *hotkey,
        windows: 0,
        rollouts: 0,
        verified: 0,
        refused: BTreeMap::new(),
        spoiled: 0,
        undecided: 0,
        unique_solutions: 0,
        mean_reward: None,
        weight,
        weight_share,
    };
    let mut solutions = BTreeSet::new();
    let mut rewards = 0.0;
    for entry in reports.iter().flat_map(|report| &report.miners).filter(|entry| entry.hotkey == *hotkey) {
        let Found::Judged(report) = &entry.outcome else { continue };
        row.windows += 1;
        row.rollouts += report.tally.claimed;
        row.verified += report.tally.accepted;
        row.spoiled += report.tally.spoiled;
        row.undecided += report.tally.undecided_total();
        for (code, count) in &report.tally.rejected {
            *row.refused.entry(code.clone()).or_default() += count;
        }
        rewards += report.tally.mean_reward.unwrap_or(0.0) * report.tally.accepted as f64;
        solutions.extend(report.solutions().into_iter().map(str::to_owned));
    }
    row.unique_solutions = solutions.len();
    row.mean_reward = (row.verified > 0).then(|| rewards / row.verified as f64);
    row
}

/// What must hold for the rehearsal to count as passed.
///
/// `learning` is what the trainer brought, and `rise` by how much the share of right answers must have risen.
pub(super) fn expectations(
    rows: &[Row],
    judged: usize,
    wanted: u32,
    learning: &Learning,
    rise: Option<f64>,
) -> Vec<Expectation> {
    let mut list = Vec::new();
    let mut expect = |statement: String, holds: bool| list.push(Expectation { statement, holds });
    expect(format!("{wanted} windows were judged"), judged >= wanted as usize);
    expect("the trainer published checkpoints".into(), learning.published > 0);
    expect("miners and validator followed them".into(), learning.followed > 0);
    if let Some(rise) = rise {
        let (first, last) = (learning.first_third, learning.last_third);
        let rose = matches!((first, last), (Some(first), Some(last)) if last >= first + rise);
        let percent =
            |share: Option<f64>| share.map_or("–".into(), |share| format!("{:.0} %", 100.0 * share));
        expect(
            format!(
                "right answers rose by {:.0} points or more from the first third of windows to the last ({} → {})",
                100.0 * rise,
                percent(first),
                percent(last)
            ),
            rose,
        );
    }
    for row in rows {
        let name = &row.name;
        expect(format!("{name} uploaded rollouts"), row.rollouts > 0);
        if row.part == "honest" {
            expect(format!("no rollout of {name} was refused"), row.refused.is_empty() && row.spoiled == 0);
            expect(format!("{name} has verified rollouts"), row.verified > 0);
            expect(format!("{name} has a solution that counts"), row.unique_solutions > 0);
            expect(format!("{name} has weight on the chain"), row.weight > 0);
        } else {
            expect(format!("no rollout of {name} counts"), row.verified == 0);
            expect(format!("{name} was refused with a reason"), row.refused.values().sum::<u64>() > 0);
            expect(format!("{name} has no weight on the chain"), row.weight == 0);
        }
    }
    list
}

/// The table a person understands.
pub(super) fn table(rows: &[Row]) -> String {
    let mut builder = Builder::default();
    builder.push_record([
        "miner",
        "what it does",
        "rollouts",
        "verified",
        "refused, with reasons",
        "unique solutions",
        "mean reward",
        "weight",
    ]);
    for row in rows {
        let mut reasons: Vec<String> =
            row.refused.iter().map(|(code, count)| format!("{count} {code}")).collect();
        if row.spoiled > 0 {
            reasons.push(format!("{} in a refused group", row.spoiled));
        }
        if row.undecided > 0 {
            reasons.push(format!("{} undecided", row.undecided));
        }
        builder.push_record([
            row.name.clone(),
            row.part.clone(),
            row.rollouts.to_string(),
            row.verified.to_string(),
            if reasons.is_empty() { "–".into() } else { reasons.join("\n") },
            row.unique_solutions.to_string(),
            row.mean_reward.map_or("–".into(), |mean| format!("{mean:.3}")),
            format!("{:.0} %", 100.0 * row.weight_share),
        ]);
    }
    builder.build().with(Style::modern_rounded()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(name: &str, part: &str) -> Row {
        let honest = part == "honest";
        Row {
            name: name.into(),
            part: part.into(),
            hotkey: Hotkey::from_bytes([1; 32]),
            windows: 3,
            rollouts: 48,
            verified: if honest { 48 } else { 0 },
            refused: if honest { BTreeMap::new() } else { BTreeMap::from([("sketch-rms".into(), 48)]) },
            spoiled: 0,
            undecided: 0,
            unique_solutions: if honest { 2 } else { 0 },
            mean_reward: honest.then_some(0.25),
            weight: if honest { 65_535 } else { 0 },
            weight_share: if honest { 1.0 } else { 0.0 },
        }
    }

    fn failed(rows: &[Row], judged: usize) -> Vec<String> {
        let learning = Learning { published: 2, followed: 1, first_third: Some(0.2), last_third: Some(0.5) };
        let list = expectations(rows, judged, 3, &learning, Some(0.1));
        list.into_iter().filter(|e| !e.holds).map(|e| e.statement).collect()
    }

    #[test]
    fn everything_as_it_should_be_passes() {
        let rows = [fact("honest", "honest"), fact("liar", "cheats")];
        assert_eq!(failed(&rows, 3), Vec::<String>::new());
    }

    #[test]
    fn each_failure_is_named() {
        let good = [fact("honest", "honest"), fact("liar", "cheats")];
        assert_eq!(failed(&good, 2), ["3 windows were judged"]);
        type Change = fn(&mut [Row; 2]);
        let changes: [(&str, Change); 6] = [
            ("no rollout of honest was refused", |r| r[0].refused = BTreeMap::from([("reward".into(), 1)])),
            ("honest has a solution that counts", |r| r[0].unique_solutions = 0),
            ("honest has weight on the chain", |r| r[0].weight = 0),
            ("no rollout of liar counts", |r| r[1].verified = 1),
            ("liar was refused with a reason", |r| r[1].refused.clear()),
            ("liar has no weight on the chain", |r| r[1].weight = 1),
        ];
        for (want, change) in changes {
            let mut rows = good.clone();
            change(&mut rows);
            assert_eq!(failed(&rows, 3), [want]);
        }
    }

    #[test]
    fn a_model_that_did_not_learn_is_named() {
        let named = |learning: Learning| {
            let list = expectations(&[], 3, 3, &learning, Some(0.1));
            list.into_iter().filter(|e| !e.holds).map(|e| e.statement).collect::<Vec<_>>().join("; ")
        };
        let good = Learning { published: 1, followed: 1, first_third: Some(0.2), last_third: Some(0.31) };
        assert_eq!(named(good), "");
        assert!(named(Learning { published: 0, ..good }).contains("published"));
        assert!(named(Learning { followed: 0, ..good }).contains("followed"));
        assert!(named(Learning { last_third: Some(0.29), ..good }).contains("20 % → 29 %"));
        assert!(named(Learning { last_third: None, ..good }).contains("20 % → –"));
    }

    #[test]
    fn the_table_tells_who_was_refused_and_why() {
        let table = table(&[fact("honest", "honest"), fact("liar", "cheats")]);
        assert!(table.contains("48 sketch-rms") && table.contains("100 %"), "{table}");
    }
}

//! `grail score explain`: what a validator counted for and against a miner, from the validator's own files.

pub(crate) mod public;
mod window;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use grail_config::{Flags, offer, table};
use grail_fs::FolderJournal;
use grail_node::local::Networks;
use grail_protocol::words::{CheckpointId, Hotkey, WindowStart};
use grail_roles::{
    evidence::{EvidenceJournal, Exclusion, Point},
    reports::{FileOutcome, Reports, WindowReport},
    validate::remember,
};
use grail_verify::score::{Alarm, History, Standing, WeightRule};
use grail_verify::{DrawStatistics, Sampling, Verdict};
use serde::Serialize;
use std::{collections::BTreeMap, path::Path, sync::Arc};

/// What to ask about a score.
#[derive(Debug, Subcommand)]
pub(crate) enum ScoreCommand {
    /// A miner's windows, evidence, sampling rate and weight, with the reasons.
    Explain(ExplainArgs),
    /// The weight that window files of this disk would earn, beside what validators published of everyone else.
    ///
    /// Exit code 1 when it is none.
    Window(Box<window::ScoreWindowArgs>),
}

offer! { ScoreFlags: REPORTS, DEVNET, HISTORY }

/// Whose score, and by which validator.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The miner.
    hotkey: Hotkey,
    /// The validator's, as it was told. A development network's reports are those in its folder `reports`.
    #[command(flatten)]
    settings: Flags<ScoreFlags>,
}

/// The answer.
#[derive(Debug, Serialize)]
struct Explanation {
    hotkey: Hotkey,
    /// The network's rule, in words.
    rule: String,
    /// Share of all weight, by the reports alone.
    weight: f64,
    /// What it is made of.
    standing: Option<Standing>,
    /// Decimal logarithm of the evidence under the checkpoint in use.
    evidence_log10: f64,
    /// The largest so far under it.
    evidence_peak_log10: f64,
    /// Under which checkpoint.
    checkpoint: Option<CheckpointId>,
    /// Draws proven under it, how many were lost, and how many honest drift explains at most on average.
    draws: u64,
    lost: u64,
    expected: f64,
    /// What follows from the evidence.
    alarm: Alarm,
    /// How many groups of its next file are proven.
    sampling: Option<Sampling>,
    /// The exclusion that holds.
    excluded: Option<Exclusion>,
    /// Its windows, oldest first.
    windows: Vec<Window>,
    /// How the evidence came about.
    history: Vec<Point>,
}

/// One window.
#[derive(Debug, Serialize)]
struct Window {
    window: WindowStart,
    /// `absent`, `excluded`, `accepted`, `refused` or `undecided`.
    file: &'static str,
    groups: [u32; 2],
    accepted: u64,
    spoiled: u64,
    right: u64,
    unique: u64,
    refused: BTreeMap<String, u64>,
    undecided: BTreeMap<String, u64>,
    /// What its draws come to.
    draws: Option<DrawStatistics>,
    /// Rollouts whose draws honest drift would explain once in a thousand.
    noted: usize,
    /// A sentence for each code, of its first rollout.
    reasons: Vec<String>,
}

/// Explains.
pub(crate) async fn run(networks: &dyn Networks, command: ScoreCommand, json: bool) -> anyhow::Result<bool> {
    let args = match command {
        ScoreCommand::Explain(args) => args,
        ScoreCommand::Window(args) => return window::run(networks, &args, json).await,
    };
    let config = args.settings.config()?;
    let folder = match (config.path(&table::REPORTS), config.path(&table::DEVNET)) {
        (Some(reports), _) => reports,
        (None, Some(devnet)) => devnet.join("reports"),
        (None, None) => bail!("name the validator's folder of verdicts with --reports"),
    };
    let explanation = explain(&args.hotkey, config.count(&table::HISTORY), &folder)?;
    show(&explanation, json)?;
    Ok(true)
}

fn explain(hotkey: &Hotkey, kept: Option<usize>, folder: &Path) -> anyhow::Result<Explanation> {
    let reports = Reports::new(Arc::new(FolderJournal::new(folder)));
    let all = reports.windows()?;
    let newest = all.last().with_context(|| format!("there are no verdicts in {}", folder.display()))?;
    // What the network states about weights stands in its reports, where it states anything.
    let policy = reports.load(*newest)?.and_then(|report| report.weights).unwrap_or_default();
    let rule = WeightRule::of(&policy);
    let kept = kept.unwrap_or(policy.interval as usize);
    let mut history = History::new(kept);
    let (mut windows, mut network, mut usual) = (Vec::new(), None, None);
    for start in all.iter().rev().take(kept.max(1)).rev() {
        let Some(report) = reports.load(*start)? else { continue };
        remember(&mut history, &report);
        windows.extend(window_of(&report, hotkey));
        network = Some(report.network.clone());
        usual = report.sampling.or(usual);
    }
    let network = network.with_context(|| format!("the verdicts in {} are gone", folder.display()))?;
    let journal = EvidenceJournal::load(&reports, &network)?;
    let miner = journal.miners.get(hotkey).cloned().unwrap_or_default();
    if windows.is_empty() && miner.history.is_empty() {
        bail!("{} appears in none of the {} newest verdicts", hotkey, kept.max(1));
    }
    let counts = |hotkey: &Hotkey| journal.exclusion(hotkey, *newest).is_none();
    let weights = history.weights_among(rule, counts);
    let alarm = miner.evidence.alarm();
    Ok(Explanation {
        hotkey: *hotkey,
        rule: rule.describe(),
        weight: weights.map_or(0.0, |weights| weights.share(hotkey)),
        standing: history.standings(rule).remove(hotkey),
        evidence_log10: (miner.evidence.log10() * 1e3).round() / 1e3,
        evidence_peak_log10: miner.evidence.peak_log10(),
        checkpoint: journal.checkpoint,
        draws: miner.evidence.draws(),
        lost: miner.evidence.lost(),
        expected: miner.evidence.expected(),
        alarm,
        sampling: usual.map(|usual| if alarm >= Alarm::LookCloser { usual.raised() } else { usual }),
        excluded: journal.exclusion(hotkey, *newest).cloned(),
        windows,
        history: miner.history,
    })
}

fn window_of(report: &WindowReport, hotkey: &Hotkey) -> Option<Window> {
    let entry = report.miners.iter().find(|entry| entry.hotkey == *hotkey)?;
    let empty = |file| Window {
        window: report.window,
        file,
        groups: [0; 2],
        accepted: 0,
        spoiled: 0,
        right: 0,
        unique: 0,
        refused: BTreeMap::new(),
        undecided: BTreeMap::new(),
        draws: None,
        noted: 0,
        reasons: Vec::new(),
    };
    let judged = match &entry.outcome {
        FileOutcome::Absent => return Some(empty("absent")),
        FileOutcome::Excluded(exclusion) => {
            return Some(Window { reasons: vec![exclusion.to_string()], ..empty("excluded") });
        }
        FileOutcome::Judged(judged) => judged,
    };
    let (file, tally) = (
        match &judged.file {
            Verdict::Accepted => "accepted",
            Verdict::Rejected(_) => "refused",
            Verdict::Undecided(_) => "undecided",
        },
        &judged.tally,
    );
    let mut reasons = BTreeMap::new();
    for (place, rejection) in judged.rejections() {
        let place = place
            .map_or("the file".to_owned(), |(group, rollout)| format!("group {group} rollout {rollout}"));
        reasons
            .entry(rejection.code())
            .or_insert_with(|| format!("{place}: [{}] {}", rejection.code(), rejection.explain()));
    }
    let drift = report.numeric.map(grail_protocol::profile::NumericProfile::drift);
    let rollouts = judged.groups.iter().flat_map(|group| &group.rollouts);
    let draws = rollouts.filter_map(|rollout| rollout.measured.as_ref()?.draws);
    let noted = draws.filter(|draws| drift.is_some_and(|drift| draws.is_rarer_than(drift.noted))).count();
    Some(Window {
        groups: [tally.groups_claimed, tally.groups_checked],
        accepted: tally.accepted,
        spoiled: tally.spoiled,
        right: tally.successful,
        unique: tally.unique_solutions,
        refused: tally.rejected.clone(),
        undecided: tally.undecided.clone(),
        draws: tally.draws,
        noted,
        reasons: reasons.into_values().collect(),
        ..empty(file)
    })
}

#[expect(clippy::print_stdout, reason = "the result of a program for people")]
fn show(explanation: &Explanation, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string_pretty(explanation)?);
    } else {
        print!("{}", describe(explanation));
    }
    Ok(())
}

fn describe(explanation: &Explanation) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{}", explanation.hotkey);
    let _ = match &explanation.standing {
        None => writeln!(text, "  weight     0: no file was judged"),
        Some(standing) => writeln!(
            text,
            "  weight     {:.4} of 1: {} with {:.1} unique solutions and {:.0} verified rollouts in {} windows",
            explanation.weight, explanation.rule, standing.unique, standing.valid, standing.windows
        ),
    };
    let _ = writeln!(
        text,
        "  evidence   10^{:.2} now, 10^{:.2} at most: {} of {} proven draws were lost, honest drift explains {:.3} on average",
        explanation.evidence_log10,
        explanation.evidence_peak_log10,
        explanation.lost,
        explanation.draws,
        explanation.expected
    );
    if let Some(Sampling { all_up_to, share_percent, min, max }) = explanation.sampling {
        let raised =
            if explanation.alarm >= Alarm::LookCloser { ", raised by evidence of 10^2 or more" } else { "" };
        let _ = writeln!(
            text,
            "  sampling   files of up to {all_up_to} groups whole, of larger ones {share_percent} %, {min} to {max} groups{raised}"
        );
    }
    match &explanation.excluded {
        Some(exclusion) => drop(writeln!(text, "  left out   {exclusion}")),
        None => drop(writeln!(text, "  left out   no")),
    }
    let mut table = tabled::builder::Builder::default();
    table.push_record([
        "window",
        "file",
        "proven",
        "accepted",
        "refused",
        "undecided",
        "right",
        "lost",
        "explained",
        "noted",
        "slack bits",
        "evidence",
    ]);
    for window in &explanation.windows {
        let after = explanation.history.iter().find(|point| point.window == window.window);
        let draws =
            |value: fn(&DrawStatistics) -> String| window.draws.as_ref().map(value).unwrap_or_default();
        table.push_record([
            window.window.to_string(),
            window.file.to_owned(),
            format!("{} of {}", window.groups[1], window.groups[0]),
            window.accepted.to_string(),
            window.refused.values().sum::<u64>().to_string(),
            window.undecided.values().sum::<u64>().to_string(),
            format!("{} ({} unique)", window.right, window.unique),
            draws(|draws| format!("{} of {}", draws.lost, draws.draws)),
            draws(|draws| format!("{:.3}", draws.expected)),
            window.noted.to_string(),
            draws(|draws| format!("{:.1}", draws.slack_bits)),
            after.map(|point| format!("10^{:.2}", point.log10)).unwrap_or_default(),
        ]);
    }
    let _ = writeln!(text, "{}", table.build().with(tabled::settings::Style::modern_rounded()));
    for window in explanation.windows.iter().filter(|window| !window.reasons.is_empty()) {
        for reason in &window.reasons {
            let _ = writeln!(text, "  window {}: {reason}", window.window);
        }
    }
    text
}

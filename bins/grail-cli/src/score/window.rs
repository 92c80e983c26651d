//! `grail score window`: the weight that files on this disk would earn, were they accepted, beside what validators have
//! published of everyone else.

use super::public;
use crate::verdicts::read::{Judge, VerdictLook, judges, look, windows_back};
use anyhow::{Context as _, bail, ensure};
use clap::Args;
use grail_config::{
    Flags,
    args::{self, SightFlags},
};
use grail_node::{
    check::{self, Exhibit},
    local::Networks,
    network::{self, View},
};
use grail_ports::model::Tokenize as _;
use grail_protocol::words::{Hotkey, WindowStart};
use grail_tokenize::Tokenizer;
use grail_verify::{
    MinerReport, Verdict,
    score::{History, Standing, Tally, WeightRule},
    verify_on_paper,
};
use serde::Serialize;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// Which files, and whose verdicts stand beside them.
#[derive(Debug, Args)]
pub(crate) struct ScoreWindowArgs {
    /// Window files of one miner, .parquet or .json, one a window.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The validator whose published counts are taken for everyone else; without it the one with the most stake that
    /// published any.
    #[arg(long, value_name = "HOTKEY")]
    validator: Option<Hotkey>,

    /// Windows that count for weights; without it as many as the network states.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=200))]
    windows: Option<u32>,

    /// The windows were seeded by their block hashes alone.
    #[arg(long)]
    no_drand: bool,

    /// The network, and the folder of the model for its tokenizer.
    #[command(flatten)]
    settings: Flags<SightFlags>,
}

/// A file of this disk, counted on paper.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CountedFile {
    file: PathBuf,
    window: WindowStart,
    hotkey: Hotkey,
    /// Groups in it, and those that paper finds nothing against.
    groups: u32,
    clean: u32,
    /// Rollouts and different right answers in these.
    valid: u64,
    unique: u64,
    /// What paper finds, by code.
    refused: std::collections::BTreeMap<String, u64>,
    #[serde(skip)]
    solutions: BTreeSet<[u8; 32]>,
}

/// The answer.
#[derive(Debug, Serialize)]
struct ExpectedWeight {
    version: u32,
    hotkey: Hotkey,
    /// Share of all weight, if everything in the files is accepted.
    expected: f64,
    /// Share by what is published alone.
    now: f64,
    standing: Option<Standing>,
    /// Whose counts stand for the others; none where nobody published.
    validator: Option<Hotkey>,
    /// Miners beside this one that have published counts.
    others: usize,
    windows: u32,
    files: Vec<CountedFile>,
}

/// Computes; whether any weight is to be expected.
pub(super) async fn run(networks: &dyn Networks, args: &ScoreWindowArgs, json: bool) -> anyhow::Result<bool> {
    let config = args.settings.config().context("read the configuration")?;
    let model = args::model(&config)?;
    let view = network::look(networks, &config, args.no_drand).await?;
    let tokenizer = Tokenizer::open(&model)?;
    let context_length = crate::window::context_length(&model)?;
    let mut files = Vec::new();
    for path in &args.files {
        files.push(count(&view, path, &model, &tokenizer, context_length).await?);
    }
    let hotkey = files.first().context("no file was given")?.hotkey;
    ensure!(
        files.iter().all(|file| file.hotkey == hotkey),
        "the files belong to different hotkeys; give one miner's"
    );
    let policy = view.sources.network.params.weights;
    let windows = args.windows.unwrap_or(policy.interval);
    let looks = published(&view, args.validator.as_ref(), windows).await?;
    let answer = expect(hotkey, files, &looks, windows, WeightRule::of(&policy));
    if json {
        say(&serde_json::to_string_pretty(&answer)?);
    } else {
        say(&describe(&answer));
    }
    Ok(answer.expected > 0.0)
}

/// Everything that can be said of a file without the model.
async fn count(
    view: &View,
    path: &Path,
    model: &Path,
    tokenizer: &Tokenizer,
    context_length: u32,
) -> anyhow::Result<CountedFile> {
    let exhibit: Exhibit = check::exhibit(view, path, model).await?;
    let case = exhibit.case(tokenizer, tokenizer.vocabulary(), context_length);
    let report = verify_on_paper(exhibit.fetched.clone(), &case);
    if let Verdict::Rejected(rejection) = &report.file {
        bail!("{} would be refused whole: [{}] {}", path.display(), rejection.code(), rejection.explain());
    }
    Ok(counted(path, &report))
}

fn counted(path: &Path, report: &MinerReport) -> CountedFile {
    let clean = || report.groups.iter().filter(|group| group.verdict.rejection().is_none());
    let solutions: BTreeSet<[u8; 32]> = clean()
        .flat_map(|group| &group.rollouts)
        .filter_map(|rollout| rollout.judgement.as_ref())
        .filter(|judgement| judgement.success)
        .filter_map(|judgement| {
            judgement.solution.as_deref()?.parse::<grail_protocol::words::CheckpointId>().ok()
        })
        .map(|digest| *digest.as_bytes())
        .collect();
    CountedFile {
        file: path.to_owned(),
        window: report.window,
        hotkey: report.hotkey,
        groups: report.tally.groups_claimed,
        clean: u32::try_from(clean().count()).unwrap_or(u32::MAX),
        valid: clean().map(|group| group.rollouts.len() as u64).sum(),
        unique: solutions.len() as u64,
        refused: report.tally.rejected.clone(),
        solutions,
    }
}

/// Verdict files of the validator that stands for the others.
async fn published(
    view: &View,
    validator: Option<&Hotkey>,
    windows: u32,
) -> anyhow::Result<Vec<VerdictLook>> {
    let graph = view.sources.chain.metagraph().await?;
    let head = view.sources.chain.head().await?;
    let windows = windows_back(&view.sources.network.params, head.number, windows);
    let candidates = match validator {
        Some(hotkey) => vec![Judge::of(&graph, hotkey)],
        None => judges(&graph),
    };
    for judge in candidates {
        let asked: Vec<_> = windows.iter().map(|window| (judge, *window)).collect();
        let looks = look(view, &asked).await;
        if looks.iter().any(|look| look.file().is_some()) {
            return Ok(looks);
        }
    }
    Ok(Vec::new())
}

fn expect(
    hotkey: Hotkey,
    files: Vec<CountedFile>,
    looks: &[VerdictLook],
    windows: u32,
    rule: WeightRule,
) -> ExpectedWeight {
    let kept = usize::try_from(windows).unwrap_or(usize::MAX);
    let history = || public::history(looks.iter().filter_map(VerdictLook::file), kept);
    let share = |history: &History| history.weights(rule).map_or(0.0, |weights| weights.share(&hotkey));
    let (now, mut then) = (share(&history()), history());
    for file in &files {
        let tally = Tally { valid: file.valid, solutions: file.solutions.clone(), extrapolation: 1.0 };
        then.record(file.window, hotkey, tally);
    }
    let mut standings = then.standings(rule);
    ExpectedWeight {
        version: 1,
        hotkey,
        expected: share(&then),
        now,
        standing: standings.remove(&hotkey),
        validator: looks.iter().find(|look| look.file().is_some()).map(|look| look.judge.hotkey),
        others: standings.len(),
        windows,
        files,
    }
}

fn describe(answer: &ExpectedWeight) -> String {
    let mut text = format!("{}\n", answer.hotkey);
    for file in &answer.files {
        text.push_str(&format!(
            "  window {}: {} of {} groups clean on paper, {} rollouts, {} different right answers ({})\n",
            file.window,
            file.clean,
            file.groups,
            file.valid,
            file.unique,
            file.file.display()
        ));
        for (code, count) in &file.refused {
            text.push_str(&format!("    refused: {code} ({count})\n"));
        }
    }
    match &answer.validator {
        Some(validator) => text.push_str(&format!(
            "  others: {} miners, as {validator} counted the last {} windows\n",
            answer.others, answer.windows
        )),
        None => text.push_str("  others: no validator has published counts; alone it gets everything\n"),
    }
    text.push_str(&format!(
        "  expected weight {:.4} of 1 if the model confirms what paper finds; {:.4} by what is published now",
        answer.expected, answer.now
    ));
    text
}

#[expect(clippy::print_stdout, reason = "the result of a program for people and scripts")]
fn say(text: &str) {
    println!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdicts::read::tests::{on, pair, publish, stage, verdicts};
    use grail_artifact::verdict::FileVerdict;

    fn looks(files: Vec<FileVerdict>) -> Vec<VerdictLook> {
        let judge = Judge { uid: Some(0), hotkey: pair(1).hotkey(), stake: 1.0 };
        let file = verdicts(1, 40, files);
        vec![VerdictLook {
            judge,
            window: WindowStart(40),
            found: Ok(Some((file, grail_protocol::words::UnixMillis(0)))),
        }]
    }

    fn own(window: u64, unique: u8) -> CountedFile {
        CountedFile {
            file: "window.parquet".into(),
            window: WindowStart(window),
            hotkey: pair(9).hotkey(),
            groups: 2,
            clean: 2,
            valid: 32,
            unique: unique.into(),
            refused: Default::default(),
            solutions: (0..unique).map(|i| [i; 32]).collect(),
        }
    }

    #[test]
    fn a_file_is_weighed_beside_what_is_published_and_in_place_of_what_was_published_of_it() {
        let answer =
            expect(pair(9).hotkey(), vec![own(60, 4)], &looks(vec![on(8, None, 4)]), 12, WeightRule::IN_USE);
        assert_eq!((answer.expected, answer.now, answer.others), (0.5, 0.0, 1));
        // What was refused then, and would be right now.
        let refused = on(9, Some("sketch-rms"), 0);
        let answer = expect(
            pair(9).hotkey(),
            vec![own(40, 4)],
            &looks(vec![on(8, None, 4), refused]),
            12,
            WeightRule::IN_USE,
        );
        assert_eq!((answer.expected, answer.standing.unwrap().windows), (0.5, 1));
        let alone = expect(pair(9).hotkey(), vec![own(40, 4)], &[], 12, WeightRule::IN_USE);
        assert_eq!((alone.expected, alone.validator), (1.0, None));
        assert_eq!(expect(pair(9).hotkey(), vec![own(40, 0)], &[], 12, WeightRule::IN_USE).expected, 0.0);
    }

    #[tokio::test]
    async fn the_validator_with_the_most_stake_that_published_stands_for_the_others() {
        let stage = stage();
        publish(&stage, &verdicts(1, 40, vec![on(8, None, 4)]));
        let looks = published(&stage.view, None, 3).await.unwrap();
        assert!(looks.iter().all(|look| look.judge.hotkey == pair(1).hotkey()), "{looks:?}");
    }
}

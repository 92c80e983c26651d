//! `grail-devnet demo`: a whole network rehearsed on this machine, watched by a person, judged by its outcome.

mod cast;
mod gather;
mod outcome;
mod page;
mod screen;
mod story;
mod troupe;

use crate::devnet;
use anyhow::{Context as _, bail};
use cast::{CAST, Stage, TRAINER};
use clap::Args;
use gather::{Seen, Taught};
use grail_devnet::{Devnet, Founder};
use grail_fs::FolderJournal;
use grail_node::describe::{MakeArgs, describe_model};
use grail_node::network::read_manifest;
use grail_ports::{chain::ChainView, clock::Clock};
use grail_programs::ready::Libtorch;
use grail_protocol::words::Hotkey;
use grail_roles::{clock::SystemClock, reports::Reports, train::Records};
use screen::Screen;
use serde::Serialize;
use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};
use story::{Statement, Story};
use troupe::Troupe;

/// Windows that are added while the honest miner has not earned anything.
const MORE_WINDOWS: u32 = 4;

/// Arguments of the rehearsal.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    #[command(flatten)]
    make: MakeArgs,

    /// Folder with the program `grail-devnet` that takes every part; by default that of this one.
    #[arg(long, value_name = "DIR")]
    bin_dir: Option<PathBuf>,

    /// Where everything goes: the network, logs, verdicts, checkpoints, `report.json` and `report.html`. Its old content is
    /// replaced.
    #[arg(long, value_name = "DIR", default_value = "target/demo")]
    out: PathBuf,

    /// Windows to judge before the rehearsal ends; up to four more while the honest miner has not earned anything,
    /// since a small model on random problems may be right nowhere in a few windows.
    #[arg(long, default_value_t = 4)]
    windows: u32,

    /// Groups of 16 rollouts that each miner answers in a window.
    #[arg(long, default_value_t = 1)]
    groups: u32,

    /// CPU threads of each participant; five of them share the machine.
    #[arg(long, default_value_t = 1)]
    threads: usize,

    /// The trainer's settings (TOML); by default ones for a model of a million parameters.
    #[arg(long, value_name = "FILE")]
    lessons: Option<PathBuf>,

    /// By how much the share of right answers must rise from the first third of windows to the last for the rehearsal to
    /// pass, for instance 0.1; not asked by default.
    #[arg(long, value_name = "SHARE")]
    rise: Option<f64>,

    /// Give up after so many minutes.
    #[arg(long, default_value_t = 20)]
    minutes: u64,
}

/// What the trainer of a tiny model is told.
const LESSONS: &str = include_str!("lessons.toml");

/// The facts, as `report.json` holds them.
#[derive(Debug, Serialize)]
struct Report {
    passed: bool,
    miners: Vec<outcome::Row>,
    learning: outcome::Learning,
    story: Story,
    /// Where each window's verdicts are.
    reports: Vec<String>,
}

/// Runs the rehearsal. `Ok(false)`: it ran, and something was not as it should be.
pub(crate) async fn run(args: DemoArgs) -> anyhow::Result<bool> {
    let clock = Arc::new(SystemClock);
    let model = args.make.model()?;
    let folder = |name: &str| args.out.join(name);
    let (net_dir, reports_dir, state) = (folder("net"), folder("reports"), folder("trainer"));
    for stale in [&net_dir, &reports_dir, &state, &folder("logs")] {
        if stale.exists() {
            std::fs::remove_dir_all(stale).with_context(|| format!("clear {}", stale.display()))?;
        }
    }
    let founders = CAST.iter().filter(|actor| actor.name != TRAINER).map(|actor| Founder {
        name: actor.name.into(),
        stake: if actor.mines() { 1.0 } else { 1_000.0 },
        validator_permit: !actor.mines(),
    });
    args.make.of_development()?;
    let manifest = describe_model(&args.make)?;
    manifest.require(&args.make, &Libtorch)?;
    let net = devnet::make(&net_dir, &args.make, manifest, founders.collect(), Some(TRAINER), clock.now())?;
    let program = match &args.bin_dir {
        Some(dir) => dir.join("grail-devnet"),
        None => std::env::current_exe().context("find this program")?,
    };
    let lessons = match &args.lessons {
        Some(path) => path.clone(),
        None => {
            let path = folder("lessons.toml");
            grail_fs::write(&path, LESSONS.as_bytes())?;
            path
        }
    };
    let stage = Stage {
        devnet: &net_dir,
        model: &model,
        reports: &reports_dir,
        state: &state,
        lessons: &lessons,
        program: &program,
        threads: args.threads,
        groups: args.groups,
    };
    let began = clock.now();
    let troupe = Troupe::start(&CAST, &stage, &folder("logs"))?;
    let reports = Reports::new(Arc::new(FolderJournal::new(&reports_dir)));
    let seen = watch(&args, &net, troupe, &reports, clock.clone()).await?;

    let (hotkeys, weights) = on_chain(&net, clock.clone()).await?;
    let records = Records::new(Arc::new(FolderJournal::new(state.join("records"))));
    let taught = Taught { issues: records.issues()?, evaluations: records.evaluations()? };
    let rows = outcome::rows(&hotkeys, &seen.judged, &weights);
    let mut story = gather::story(&seen, &taught, &rows, &hotkeys);
    let learning = gather::learning(&story);
    let expectations = outcome::expectations(&rows, seen.judged.len(), args.windows, &learning, args.rise);
    story.network = net.network().id.to_string();
    story.model = model.file_name().unwrap_or_default().to_string_lossy().into_owned();
    story.seconds = screen::seconds(began, clock.now());
    story.passed = expectations.iter().all(|expectation| expectation.holds);
    story.expectations = expectations
        .into_iter()
        .map(|outcome::Expectation { statement, holds }| Statement { statement, holds })
        .collect();
    let report = Report {
        passed: story.passed,
        miners: rows,
        learning,
        reports: seen.judged.iter().map(|report| reports.place(report.window)).collect(),
        story,
    };
    let (json, html) = (folder("report.json"), folder("report.html"));
    grail_fs::write(&json, &serde_json::to_vec_pretty(&report)?)?;
    grail_fs::write(&html, page::page(&report.story)?.as_bytes())?;
    tell(&report, &json, &html);
    Ok(report.passed)
}

/// Shows progress until enough windows are judged and weights are set for them.
async fn watch(
    args: &DemoArgs,
    net: &Devnet,
    mut troupe: Troupe,
    reports: &Reports,
    clock: Arc<SystemClock>,
) -> anyhow::Result<Seen> {
    let screen = Screen::new(&CAST);
    let chain = net.chain(clock.clone())?;
    let manifest = read_manifest(net.dir(), &net.network().params)?;
    let params = net.network().params;
    let give_up = clock.now().plus(args.minutes * 60_000);
    let mut last_words = BTreeMap::new();
    let mut seen = Seen::default();
    let result = loop {
        tokio::select! {
            Some(line) = troupe.lines.recv() => {
                match line.event.get("event").and_then(serde_json::Value::as_str) {
                    Some("weights") => {
                        if let Some(window) = reports.windows()?.last() {
                            seen.weights.insert(window.0, on_chain(net, clock.clone()).await?.1);
                        }
                    }
                    Some("uploaded") => {
                        let number = |key: &str| line.event.get(key);
                        let window = number("window").and_then(serde_json::Value::as_u64);
                        let speed = number("tokens_per_second").and_then(serde_json::Value::as_f64);
                        if let (Some(window), Some(speed)) = (window, speed) {
                            seen.speeds.entry(line.actor).or_default().insert(window, speed);
                        }
                    }
                    _ => {}
                }
                screen.show(&line);
                last_words.insert(line.actor, line.event.to_string());
            }
            _ = tokio::signal::ctrl_c() => break Err(anyhow::anyhow!("stopped by hand")),
            () = tokio::time::sleep(Duration::from_millis(250)) => {}
        }
        let head = chain.head().await?;
        let judged = reports.windows()?;
        let env = manifest.environment(params.window_of(head.number), &params);
        let env = env.map_or("", |env| env.as_str().split('/').next().unwrap_or_default());
        screen.at(&params, head.number, env, judged.len(), args.windows);
        let (windows, most) = (args.windows as usize, (args.windows + MORE_WINDOWS) as usize);
        let weighed = seen.weights.keys().next_back() >= judged.last().map(|window| &window.0);
        let enough = judged.len() >= windows && weighed && !seen.weights.is_empty();
        if enough && (judged.len() >= most || honest_earned(net, clock.clone()).await?) {
            let load = |window| {
                reports.load(window)?.with_context(|| format!("the report of window {window} is gone"))
            };
            let loaded: anyhow::Result<_> = judged.into_iter().map(load).collect();
            break loaded.map(|judged| seen.judged = judged);
        }
        if let Some((name, status)) = troupe.fallen()? {
            let words = last_words.get(name).map_or("nothing", String::as_str);
            let log = args.out.join("logs").join(format!("{name}.jsonl"));
            break Err(anyhow::anyhow!(
                "{name} ended with {status}; it last said {words}; its log is {}",
                log.display()
            ));
        }
        if clock.now() > give_up {
            break Err(anyhow::anyhow!(
                "{} windows were not judged within {} minutes",
                args.windows,
                args.minutes
            ));
        }
    };
    screen.clear();
    troupe.end().await;
    result.map(|()| seen)
}

/// Whether every honest miner has weight on the chain.
async fn honest_earned(net: &Devnet, clock: Arc<SystemClock>) -> anyhow::Result<bool> {
    let (hotkeys, weights) = on_chain(net, clock).await?;
    let weight = |actor: &cast::Actor| hotkeys.get(actor.name).and_then(|hotkey| weights.get(hotkey));
    let mut honest = CAST.iter().filter(|actor| actor.part == cast::Part::Miner);
    Ok(honest.all(|actor| weight(actor).is_some_and(|weight| *weight > 0)))
}

/// Hotkeys of the cast, and the weights that the chain holds.
async fn on_chain(
    net: &Devnet,
    clock: Arc<SystemClock>,
) -> anyhow::Result<(BTreeMap<&'static str, Hotkey>, BTreeMap<Hotkey, u16>)> {
    let mut hotkeys = BTreeMap::new();
    for actor in CAST {
        hotkeys.insert(actor.name, net.key(actor.name)?.hotkey());
    }
    let chain = net.chain(clock)?;
    let metagraph = chain.metagraph().await?;
    let Some(validator) = hotkeys.get("validator").and_then(|hotkey| metagraph.find(hotkey)) else {
        bail!("the validator is not registered");
    };
    let row = chain.weights(validator.uid).await?.unwrap_or_default();
    let of = |uid| metagraph.neurons.iter().find(|neuron| neuron.uid == uid).map(|neuron| neuron.hotkey);
    let weights = row.into_iter().filter_map(|(uid, weight)| Some((of(uid)?, weight))).collect();
    Ok((hotkeys, weights))
}

#[expect(clippy::print_stdout, reason = "the result of a program for people")]
fn tell(report: &Report, json: &std::path::Path, html: &std::path::Path) {
    println!("{}", outcome::table(&report.miners));
    for expectation in &report.story.expectations {
        let mark =
            if expectation.holds { console::style("✓").green() } else { console::style("✗").red() };
        println!("  {mark} {}", expectation.statement);
    }
    let verdict = if report.passed { "passed" } else { "FAILED" };
    println!("\nrehearsal {verdict} after {:.0} s; look at {}", report.story.seconds, html.display());
    println!("the same facts for programs are in {}", json.display());
}

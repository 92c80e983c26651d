//! `grail devnet demo`: a whole network rehearsed on this machine, watched by a person, judged by its outcome.

mod cast;
mod outcome;
mod screen;
mod troupe;

use crate::devnet::{self, MakeArgs};
use anyhow::{Context as _, bail};
use cast::{CAST, Stage};
use clap::Args;
use grail_devnet::{Devnet, Founder};
use grail_ports::{chain::ChainView, clock::Clock};
use grail_protocol::words::Hotkey;
use grail_roles::{
    clock::SystemClock,
    disk::write_atomic,
    reports::{ReportFolder, WindowReport},
};
use screen::Screen;
use serde::Serialize;
use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};
use troupe::Troupe;

/// Windows that are added while the honest miner has not earned anything.
const MORE_WINDOWS: u32 = 4;

/// Arguments of the rehearsal.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    #[command(flatten)]
    make: MakeArgs,

    /// Folder with the programs `grail-miner`, `grail-validator` and `grail-adversary`; by default that of this one.
    #[arg(long, value_name = "DIR")]
    bin_dir: Option<PathBuf>,

    /// Where everything goes: the network, logs, verdicts, and `report.json`. Its old content is replaced.
    #[arg(long, value_name = "DIR", default_value = "target/demo")]
    out: PathBuf,

    /// Windows to judge before the rehearsal ends; up to four more while the honest miner has not earned anything,
    /// since a small model on random problems may be right nowhere in a few windows.
    #[arg(long, default_value_t = 4)]
    windows: u32,

    /// Groups of 16 rollouts that each miner answers in a window.
    #[arg(long, default_value_t = 1)]
    groups: u32,

    /// CPU threads of each participant; four of them share the machine.
    #[arg(long, default_value_t = 1)]
    threads: usize,

    /// Give up after so many minutes.
    #[arg(long, default_value_t = 20)]
    minutes: u64,
}

/// The facts, as `report.json` holds them.
#[derive(Debug, Serialize)]
struct Report {
    network: String,
    model: String,
    windows: Vec<WindowFacts>,
    miners: Vec<outcome::Row>,
    expectations: Vec<outcome::Expectation>,
    seconds: f64,
    passed: bool,
}

#[derive(Debug, Serialize)]
struct WindowFacts {
    window: u64,
    env: String,
    report: PathBuf,
}

/// Runs the rehearsal. `Ok(false)`: it ran, and something was not as it should be.
pub(crate) async fn run(args: DemoArgs) -> anyhow::Result<bool> {
    let clock = Arc::new(SystemClock);
    let net_dir = args.out.join("net");
    let reports_dir = args.out.join("reports");
    for stale in [&net_dir, &reports_dir, &args.out.join("logs")] {
        if stale.exists() {
            std::fs::remove_dir_all(stale).with_context(|| format!("clear {}", stale.display()))?;
        }
    }
    let founders = CAST.map(|actor| Founder {
        name: actor.name.into(),
        stake: if actor.mines() { 1.0 } else { 1_000.0 },
        validator_permit: !actor.mines(),
    });
    let manifest = devnet::describe_model(&args.make)?;
    let net = devnet::make(&net_dir, &args.make, manifest, founders.to_vec(), clock.now())?;
    let programs = match &args.bin_dir {
        Some(dir) => dir.clone(),
        None => std::env::current_exe()?.parent().context("this program has no folder")?.to_owned(),
    };
    let stage = Stage {
        devnet: &net_dir,
        model: &args.make.model,
        reports: &reports_dir,
        programs: &programs,
        threads: args.threads,
        groups: args.groups,
    };
    let began = clock.now();
    let troupe = Troupe::start(&CAST, &stage, &args.out.join("logs"))?;
    let reports = ReportFolder::new(&reports_dir);
    let watched = watch(&args, &net, troupe, &reports, clock.clone()).await;
    let judged = watched?;

    let (hotkeys, weights) = on_chain(&net, clock.clone()).await?;
    let rows = outcome::rows(&hotkeys, &judged, &weights);
    let expectations = outcome::expectations(&rows, judged.len(), args.windows);
    let passed = expectations.iter().all(|expectation| expectation.holds);
    let windows = judged.iter().map(|report| WindowFacts {
        window: report.window.0,
        env: report.env.to_string(),
        report: reports.path(report.window),
    });
    let report = Report {
        network: net.network().id.to_string(),
        model: args.make.model.display().to_string(),
        windows: windows.collect(),
        miners: rows,
        expectations,
        seconds: screen::seconds(began, clock.now()),
        passed,
    };
    let path = args.out.join("report.json");
    write_atomic(&path, &serde_json::to_vec_pretty(&report)?)?;
    tell(&report, &path);
    Ok(passed)
}

/// Shows progress until enough windows are judged and weights are set for them.
async fn watch(
    args: &DemoArgs,
    net: &Devnet,
    mut troupe: Troupe,
    reports: &ReportFolder,
    clock: Arc<SystemClock>,
) -> anyhow::Result<Vec<WindowReport>> {
    let screen = Screen::new(&CAST);
    let chain = net.chain(clock.clone())?;
    let manifest = devnet::read_manifest(net)?;
    let params = net.network().params;
    let give_up = clock.now().plus(args.minutes * 60_000);
    let mut last_words = BTreeMap::new();
    let mut weighed = 0usize;
    let result = loop {
        tokio::select! {
            Some(line) = troupe.lines.recv() => {
                if line.event.get("event").and_then(serde_json::Value::as_str) == Some("weights") {
                    weighed += 1;
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
        let seen = judged.len() >= windows && weighed >= windows;
        if seen && (judged.len() >= most || honest_earned(net, clock.clone()).await?) {
            break judged
                .iter()
                .map(|window| {
                    reports.load(*window)?.with_context(|| format!("the report of window {window} is gone"))
                })
                .collect();
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
    result
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
fn tell(report: &Report, path: &std::path::Path) {
    println!("{}", outcome::table(&report.miners));
    for expectation in &report.expectations {
        let mark =
            if expectation.holds { console::style("✓").green() } else { console::style("✗").red() };
        println!("  {mark} {}", expectation.statement);
    }
    let verdict = if report.passed { "passed" } else { "FAILED" };
    println!("\nrehearsal {verdict} after {:.0} s; the same facts are in {}", report.seconds, path.display());
}

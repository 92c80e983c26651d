//! What is typed, and what is printed.

pub(crate) mod info;
pub(crate) mod make;
pub(crate) mod run;

use anyhow::{Result, bail};
use clap::Args;
use grail_devchain::{Info, NodeConfig, Origin, Start};
use serde_json::{Value, json};
use std::path::PathBuf;
use tracing_subscriber::EnvFilter;

/// What a chain begins with, as it is typed.
#[derive(Debug, Args)]
pub(crate) struct ChainArgs {
    /// Chain spec in JSON, plain or raw.
    #[arg(long, value_name = "FILE", env = "GRAIL_SUBTENSOR_SPEC")]
    spec: Option<PathBuf>,

    /// Go on from a snapshot; goes before any spec.
    #[arg(long, value_name = "FILE")]
    snapshot: Option<PathBuf>,

    /// Time of the first block in milliseconds since 1970; each further one is a slot later, however long that takes.
    /// Without it the chain's time keeps up with the clock of this machine.
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(..=253_402_300_799_999))]
    genesis_time: Option<u64>,
}

impl ChainArgs {
    /// A node with everything else as usual.
    pub(crate) fn config(&self) -> Result<NodeConfig> {
        let origin = match (&self.snapshot, &self.spec) {
            (Some(snapshot), _) => Origin::Snapshot(snapshot.clone()),
            (None, Some(spec)) => Origin::Spec(spec.clone()),
            (None, None) => bail!(
                "no chain is named: give --spec FILE (or GRAIL_SUBTENSOR_SPEC), or --snapshot FILE; \
                 docs/book/devchain.md says where subtensor's spec is published"
            ),
        };
        Ok(NodeConfig { start: self.genesis_time.map(Start::At), ..NodeConfig::new(origin) })
    }
}

/// Starts logging to standard error.
pub(crate) fn log(verbose: u8, json: bool) {
    let filter = match verbose {
        0 => "warn",
        1 => "warn,grail=info",
        _ => "warn,grail=debug",
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        // A file gets none, and nobody who set NO_COLOR.
        .with_ansi(console::colors_enabled_stderr())
        .with_target(verbose > 1);
    if json { builder.json().flatten_event(true).init() } else { builder.compact().init() }
}

/// Called first: where nobody reads the output any more, the program ends, and nothing is said. Printing would panic. The exit
/// code is that of a shell for a program which the system ends for it (128 + SIGPIPE).
pub(crate) fn end_quietly() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let closed =
            |told: &str| told.starts_with("failed printing to std") && told.contains("(os error 32)");
        let told = info.payload();
        let told = told.downcast_ref::<String>().map(String::as_str).or(told.downcast_ref::<&str>().copied());
        if told.is_some_and(closed) {
            std::process::exit(141);
        }
        usual(info);
    }));
}

/// A line of the program's result.
#[expect(clippy::print_stdout, reason = "the answer of a program")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}

pub(crate) fn info_json(info: &Info) -> Value {
    json!({
        "name": info.name,
        "id": info.id,
        "genesis": info.genesis.to_string(),
        "best": {"number": info.best.number, "hash": info.best.hash.to_string()},
        "finalized": info.finalized,
        "time": info.time,
        "slot": info.slot,
        "runtime": info.runtime,
        "specVersion": info.spec_version,
        "items": info.items,
        "codeHash": info.code_hash.to_string(),
        "codeBytes": info.code_bytes,
    })
}

pub(crate) fn say_info(info: &Info) {
    for (name, value) in info.lines() {
        say(&format!("{name:<11} {value}"));
    }
}

//! `grail-adversary`: the honest miner with one part exchanged, so that a rehearsal shows lies being caught.

use clap::{Args, Parser, Subcommand};
use grail_config::args::LogArgs;
use grail_node::devnets::Devnets;
use grail_ports::model::Generator;
use grail_programs::{mine, program};
use grail_verify::lies::{Lying, MiningLie};
use std::{process::ExitCode, sync::Arc};

/// A miner that lies on purpose, to rehearse that it is caught. It earns nothing anywhere.
#[derive(Debug, Parser)]
#[command(name = "grail-adversary", version)]
struct Cli {
    #[command(flatten)]
    log: LogArgs,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Mine window after window, and lie in each.
    Run(LyingArgs),
}

#[derive(Debug, Args)]
struct LyingArgs {
    #[command(flatten)]
    run: mine::RunArgs,

    /// What to lie about: a name of the table of lies, among those that an exchanged generator can tell.
    #[arg(long, value_parser = lie)]
    lie: MiningLie,
}

fn lie(name: &str) -> Result<MiningLie, String> {
    MiningLie::named(name).ok_or_else(|| {
        let names: Vec<&str> = MiningLie::all().map(MiningLie::name).collect();
        format!("no miner tells that lie; there are {}", names.join(", "))
    })
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let Command::Run(LyingArgs { run, lie }) = cli.command;
    let alter = move |generator| -> Box<dyn Generator> { Box::new(Lying::new(generator, lie)) };
    program::start(cli.log, async move { mine::work(&Devnets, &run, Some(Arc::new(alter))).await })
}

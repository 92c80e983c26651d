//! `grail-devnet`, the program for development networks on one machine. It makes them, looks at them, rehearses on them, and runs every role
//! and every command of `grail` on them.
//!
//! The programs of participants know subnets alone; whatever names a development network is handed to this one. It is
//! linked with SQLite, a chain that anybody can foretell, and a miner that can lie: for rehearsals, and never installed where
//! anything of value is.

mod devnet;
mod network;
#[cfg(feature = "tools")]
mod papers;
mod rehearsal;

use clap::{Args, Parser, Subcommand};
use grail_config::args::LogArgs;
use grail_ports::model::Generator;
use grail_programs::{mine, program, train, validate};
use grail_verify::lies::{Lying, MiningLie};
pub use network::Devnets;
#[cfg(feature = "tools")]
pub use papers::programs;
use std::{ffi::OsString, path::PathBuf, process::ExitCode, sync::Arc};

/// Networks on this machine: make one, look at it, take part in it, rehearse on it.
///
/// Begin with `grail-devnet demo --model DIR`: a whole network, watched and judged.
#[derive(Debug, Parser)]
#[command(name = "grail-devnet", version, after_help = OTHERS)]
struct Cli {
    #[command(flatten)]
    log: LogArgs,

    #[command(subcommand)]
    command: Command,
}

const OTHERS: &str = "\
Every command of `grail` is here too, and opens development networks: grail-devnet inspect seed --devnet DIR …
`grail --help` lists them.";

#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one value of it, parsed once")]
enum Command {
    #[command(flatten)]
    Own(Own),
    #[command(external_subcommand)]
    #[cfg_attr(
        feature = "tools",
        expect(dead_code, reason = "`grail` reads the command line again, by itself")
    )]
    Grail(Vec<OsString>),
}

#[derive(Debug, Subcommand)]
enum Own {
    /// Make a network: chain, beacon, keys, object store and manifest in one folder.
    Init(devnet::InitArgs),
    /// Show a network: its clock, who is registered, and the weights.
    Status {
        /// Folder of the network.
        dir: PathBuf,
    },
    /// Rehearse a whole network: two honest miners, one that cheats, a validator, a trainer; ends by itself with a table.
    Demo(rehearsal::DemoArgs),
    /// Be a miner (`grail-miner`), honest or not.
    Mine(MineArgs),
    /// Be a validator (`grail-validator`).
    #[command(subcommand)]
    Validate(validate::ValidateCommand),
    /// Be a trainer (`grail-trainer`).
    #[command(subcommand)]
    Train(train::TrainCommand),
    /// Write man pages and completions of every program into a folder.
    #[cfg(feature = "tools")]
    #[command(hide = true)]
    Papers {
        /// The folder; it gets `man/`, `bash/`, `zsh/` and `fish/`.
        dir: PathBuf,
    },
}

#[derive(Debug, Args)]
struct MineArgs {
    /// Lie in every window, to rehearse that it is caught: it earns nothing anywhere. A name of the table of lies, among those
    /// that an exchanged generator can tell.
    #[arg(long, value_name = "NAME", value_parser = lie)]
    lie: Option<MiningLie>,

    #[command(subcommand)]
    command: mine::MineCommand,
}

fn lie(name: &str) -> Result<MiningLie, String> {
    MiningLie::named(name).ok_or_else(|| {
        let names: Vec<&str> = MiningLie::all().map(MiningLie::name).collect();
        format!("no miner tells that lie; there are {}", names.join(", "))
    })
}

/// The program, over the arguments of this process.
pub fn run() -> ExitCode {
    grail_node::terminal::begin();
    let cli = Cli::parse();
    match cli.command {
        Command::Own(command) => program::start(cli.log, answer(command)),
        #[cfg(feature = "tools")]
        Command::Grail(_) => grail_cli::run(&Devnets),
        #[cfg(not(feature = "tools"))]
        Command::Grail(words) => program::start(cli.log, async move {
            anyhow::bail!(
                "{words:?} is no command of this build; `cargo build --locked --package grail-demo` makes one with those of `grail`"
            )
        }),
    }
}

/// Whether the answer is yes.
async fn answer(command: Own) -> anyhow::Result<bool> {
    match command {
        Own::Init(args) => devnet::init(&args).map(|()| true),
        Own::Status { dir } => devnet::status(&dir).await.map(|()| true),
        Own::Demo(args) => rehearsal::run(args).await,
        Own::Mine(MineArgs { lie: Some(lie), command: mine::MineCommand::Run(args) }) => {
            let alter = move |generator| -> Box<dyn Generator> { Box::new(Lying::new(generator, lie)) };
            mine::work(&Devnets, &args, Some(Arc::new(alter))).await
        }
        Own::Mine(MineArgs { command, .. }) => mine::run(&Devnets, command).await,
        Own::Validate(command) => validate::run(&Devnets, command).await,
        Own::Train(command) => train::run(&Devnets, command).await,
        #[cfg(feature = "tools")]
        Own::Papers { dir } => papers::write(&dir).map(|()| true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_is_no_command_of_its_own_is_one_of_the_tools() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' ')).unwrap().command;
        assert!(matches!(parse("grail-devnet status net"), Command::Own(Own::Status { .. })));
        assert!(matches!(parse("grail-devnet --json inspect seed --devnet net"), Command::Grail(_)));
        let lying = parse("grail-devnet mine --lie wrong-seed run --devnet net --key me --model m --json");
        assert!(matches!(lying, Command::Own(Own::Mine(MineArgs { lie: Some(_), .. }))));
    }
}

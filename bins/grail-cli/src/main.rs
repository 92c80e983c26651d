//! `grail`: the operator's tool. Makes and rehearses networks, looks at seeds, problems and window files, looks
//! after checkpoints, and starts the programs of the roles under the names that people type.

mod checkpoint;
mod demo;
mod devnet;
mod inspect;
mod sibling;
mod window;

use clap::{Parser, Subcommand};
use grail_settings::args::LogArgs;
use std::process::ExitCode;

/// GRAIL: rollouts that prove which model made them.
///
/// Begin with `grail devnet demo --model DIR`: a whole network on this machine.
#[derive(Debug, Parser)]
#[command(name = "grail", version)]
struct Cli {
    #[command(flatten)]
    log: LogArgs,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// A network on this machine: make it, look at it, rehearse on it.
    #[command(subcommand)]
    Devnet(devnet::DevnetCommand),
    /// Look inside: window files, seeds, problems, rejection codes.
    #[command(subcommand)]
    Inspect(inspect::InspectCommand),
    /// Window files: what would a validator say?
    #[command(subcommand)]
    Window(window::WindowCommand),
    /// A trainer's checkpoints: list, fetch, verify, clear away.
    #[command(subcommand)]
    Checkpoint(checkpoint::CheckpointCommand),
    /// Start the miner (`grail-miner run`).
    #[command(disable_help_flag = true)]
    Mine(sibling::Passed),
    /// Start the validator (`grail-validator run`).
    #[command(disable_help_flag = true)]
    Validate(sibling::Passed),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    grail_settings::logging::start(cli.log);
    match run(cli.command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            tell(&error);
            ExitCode::from(2)
        }
    }
}

/// `Ok(false)`: done, and the answer is no.
fn run(command: Command) -> anyhow::Result<bool> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match command {
        Command::Devnet(command) => runtime.block_on(devnet::run(command)),
        Command::Inspect(command) => runtime.block_on(inspect::run(command)).map(|()| true),
        Command::Window(command) => runtime.block_on(window::run(command)),
        Command::Checkpoint(command) => runtime.block_on(checkpoint::run(command)),
        Command::Mine(passed) => sibling::become_program("grail-miner", "run", &passed),
        Command::Validate(passed) => sibling::become_program("grail-validator", "run", &passed),
    }
}

#[expect(clippy::print_stderr, reason = "the error of a program for people")]
fn tell(error: &anyhow::Error) {
    eprintln!("{} {error:#}", console::style("error:").red().bold());
}

//! `grail-trainer`: learns from rollouts that the court accepted, and publishes checkpoints that everyone follows.

mod check;
mod config;
mod run;
mod settings;
mod teach;

use clap::{Parser, Subcommand};
use grail_settings::{args::LogArgs, logging};
use std::process::ExitCode;

/// Learns from verified rollouts with GRPO, and publishes signed checkpoints.
///
/// Begin with `grail-trainer check`: it looks at everything that training needs.
#[derive(Debug, Parser)]
#[command(name = "grail-trainer", version)]
struct Cli {
    #[command(flatten)]
    log: LogArgs,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Learn from window after window, and publish. May be killed and started again at any moment.
    Run(run::RunArgs),
    /// Look at everything that training needs, one line a check, each failure with its remedy.
    Check(run::RunArgs),
    /// Settings: what can be chosen, what it means, and what holds.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Make a tiny model from nothing: its own tokenizer, taught by heart on worked examples of an environment.
    Teach(teach::TeachArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(cli.log);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return tell(&error.into()),
    };
    let result = match cli.command {
        Command::Run(args) => runtime.block_on(run::run(&args)).map(|()| true),
        Command::Check(args) => Ok(runtime.block_on(check::run(&args))),
        Command::Config(command) => config::run(&command).map(|()| true),
        Command::Teach(args) => teach::run(&args).map(|()| true),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => tell(&error),
    }
}

#[expect(clippy::print_stderr, reason = "the error of a program for people")]
fn tell(error: &anyhow::Error) -> ExitCode {
    eprintln!("{} {error:#}", console::style("error:").red().bold());
    ExitCode::from(2)
}

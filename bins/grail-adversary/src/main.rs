//! `grail-adversary`: the honest miner with one part exchanged, so that a rehearsal shows lies being caught.

mod lies;

use clap::{Args, Parser, Subcommand};
use grail_miner::{RunArgs, wire};
use grail_ports::model::Generator;
use grail_settings::{args::LogArgs, logging, network};
use lies::{Liar, Lie};
use std::process::ExitCode;

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
    run: RunArgs,

    /// What to lie about.
    #[arg(long, value_enum)]
    lie: Lie,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(cli.log);
    let Command::Run(args) = cli.command;
    match tokio::runtime::Runtime::new()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(run(&args)))
    {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => tell(&error),
    }
}

async fn run(args: &LyingArgs) -> anyhow::Result<()> {
    // It says the name of the honest program: a liar would.
    let program = concat!("grail-miner ", env!("CARGO_PKG_VERSION"));
    let lie = args.lie;
    let told = args.run.role.read()?;
    let joined = network::join(&told).await?;
    joined.registered().await?;
    joined.publish().await?;
    let alter = move |generator| -> Box<dyn Generator> { Box::new(Liar::new(generator, lie)) };
    let mut miner = wire(&args.run, &told, joined, program, false, alter)?;
    tokio::select! {
        result = miner.run() => Ok(result?),
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

#[expect(clippy::print_stderr, reason = "the error of a program for people")]
fn tell(error: &anyhow::Error) -> ExitCode {
    eprintln!("{} {error:#}", console::style("error:").red().bold());
    ExitCode::from(2)
}

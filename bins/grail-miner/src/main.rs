//! `grail-miner`: answers problems with a model, proves each token, uploads windows.

use clap::{Parser, Subcommand};
use grail_miner::{RunArgs, check, wire};
use grail_settings::{args::LogArgs, logging, network};
use std::process::ExitCode;

/// Mines windows: answers problems with a model, proves each token, uploads.
#[derive(Debug, Parser)]
#[command(name = "grail-miner", version)]
struct Cli {
    #[command(flatten)]
    log: LogArgs,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Mine window after window.
    Run(RunArgs),
    /// Look at everything that mining needs, one line a check, each failure with its remedy.
    Check(RunArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(cli.log);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return tell(&error.into()),
    };
    let result = match cli.command {
        Command::Run(args) => runtime.block_on(run(&args)),
        Command::Check(args) => return runtime.block_on(check::run(&args)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => tell(&error),
    }
}

async fn run(args: &RunArgs) -> anyhow::Result<()> {
    let program = concat!("grail-miner ", env!("CARGO_PKG_VERSION"));
    let told = args.role.read()?;
    let joined = network::join(&told).await?;
    joined.registered().await?;
    joined.publish().await?;
    let mut miner = wire(args, &told, joined, program, true, |generator| Box::new(generator))?;
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

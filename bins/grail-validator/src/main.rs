//! `grail-validator`: fetches windows, recomputes everything, says why, sets weights.

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use grail_engine::{Follower, Loader};
use grail_infer::TorchOracle;
use grail_parquet::ParquetCodec;
use grail_ports::model::Oracle as _;
use grail_roles::{
    reports::ReportFolder,
    validate::{Parts, Settings, Validator, Verdicts},
};
use grail_settings::{
    args::{LogArgs, ModelArgs, NetworkArgs},
    check, logging, network,
};
use grail_verify::verify_file;
use std::{path::PathBuf, process::ExitCode, sync::Arc};

/// Verifies windows and sets weights.
#[derive(Debug, Parser)]
#[command(name = "grail-validator", version)]
struct Cli {
    #[command(flatten)]
    log: LogArgs,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Judge window after window, and set weights.
    Run(RunArgs),
    /// The verdict on one file on this disk, with reasons. Exit code 1 when something is refused.
    CheckFile(CheckFileArgs),
}

#[derive(Debug, Args)]
struct RunArgs {
    #[command(flatten)]
    network: NetworkArgs,

    #[command(flatten)]
    model: ModelArgs,

    /// Folder for verdicts, one file a window. They are the validator's memory: keep them over a restart.
    #[arg(long, env = "GRAIL_REPORTS", value_name = "DIR")]
    reports: PathBuf,

    /// Windows that count for weights.
    #[arg(long, default_value_t = 12)]
    history: usize,

    /// Set weights after every so many windows.
    #[arg(long, default_value_t = 1)]
    weights_every: u32,

    /// Stop after so many windows.
    #[arg(long, value_name = "N")]
    windows: Option<u32>,
}

#[derive(Debug, Args)]
struct CheckFileArgs {
    /// The file, .parquet or .json.
    file: PathBuf,

    /// Folder of the network.
    #[arg(long, env = "GRAIL_DEVNET", value_name = "DIR")]
    devnet: PathBuf,

    /// The window was seeded by its block hash alone.
    #[arg(long)]
    no_drand: bool,

    #[command(flatten)]
    model: ModelArgs,

    /// The whole report as JSON.
    #[arg(long)]
    report: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(cli.log);
    let work = async {
        match cli.command {
            Command::Run(args) => run(&args).await.map(|()| true),
            Command::CheckFile(args) => check_file(&args).await,
        }
    };
    let runtime = tokio::runtime::Runtime::new().context("start the runtime");
    match runtime.and_then(|runtime| runtime.block_on(work)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => tell(&error),
    }
}

async fn run(args: &RunArgs) -> anyhow::Result<()> {
    let joined = network::join(&args.network)?;
    let follower = Follower::new(&joined, &args.network, &args.model)?;
    tracing::info!(
        target: "grail::validate", network = %joined.sources.network.id, hotkey = %joined.pair.hotkey(),
        "joined the network"
    );
    let parts = Parts {
        sources: joined.sources,
        writer: Arc::new(joined.chain.as_hotkey(joined.pair.hotkey())),
        directory: joined.directory,
        clock: joined.clock,
        models: grail_engine::models(follower, Loader::new(&args.model).judging()),
        environments: joined.environments,
        codec: Arc::new(ParquetCodec),
        reports: ReportFolder::new(&args.reports),
        verdicts: Some(Verdicts { shelf: joined.shelf, pair: joined.pair }),
    };
    let settings = Settings {
        history: args.history,
        weights_every: args.weights_every,
        windows: args.windows,
        ..Settings::default()
    };
    let mut validator = Validator::new(parts, settings)?;
    tokio::select! {
        result = validator.run() => Ok(result?),
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

#[expect(clippy::print_stdout, reason = "the result of a program for people")]
async fn check_file(args: &CheckFileArgs) -> anyhow::Result<bool> {
    let folder = &args.model.model;
    let exhibit = check::exhibit(&args.devnet, &args.file, args.no_drand, folder).await?;
    let manifest = network::look(&args.devnet, args.no_drand)?.manifest_of(folder)?;
    let engine = grail_engine::load(&args.model.model, &manifest, &args.model)?;
    let mut oracle = TorchOracle::new(engine.model);
    let (vocabulary, context_length) = (oracle.card().vocabulary, oracle.card().context_length);
    let case = exhibit.case(engine.tokenizer.as_ref(), vocabulary, context_length);
    let report = verify_file(exhibit.fetched.clone(), &case, &mut oracle, &mut |_| true);
    if args.report {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", check::describe(&exhibit, &report));
    }
    Ok(report.rejections().next().is_none())
}

#[expect(clippy::print_stderr, reason = "the error of a program for people")]
fn tell(error: &anyhow::Error) -> ExitCode {
    eprintln!("{} {error:#}", console::style("error:").red().bold());
    ExitCode::from(2)
}

//! The validator: fetches windows, recomputes everything, says why, sets weights.

mod audit;

use crate::{
    engine::{Loader, load},
    program::{enter, until_stopped},
};
use clap::{Args, Parser, Subcommand};
use grail_config::{
    args::{LogArgs, ModelArgs, RoleArgs},
    table,
};
use grail_engine::{Follower, models};
use grail_fs::FolderJournal;
use grail_node::{check, local::Networks, network};
use grail_parquet::ParquetCodec;
use grail_ports::model::Oracle as _;
use grail_roles::{
    bundle::{Bundles, KEPT_BUNDLES},
    reports::Reports,
    validate::{Parts, Settings, Validator, Verdicts},
};
use grail_torch::TorchOracle;
use grail_verify::verify_file;
use std::{path::PathBuf, sync::Arc};

/// Verifies windows and sets weights.
#[derive(Debug, Parser)]
#[command(name = "grail-validator", version)]
pub struct Cli {
    /// What to log.
    #[command(flatten)]
    pub log: LogArgs,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What a validator can be asked for.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Judge window after window, and set weights.
    Run(RunArgs),
    /// The verdict on one file on this disk, with reasons. Exit code 1 when something is refused.
    CheckFile(CheckFileArgs),
    /// Write the replay bundle of a window that was judged: a verdict with everything that it rests on.
    Bundle(Box<audit::BundleArgs>),
    /// Judge a replay bundle again, on this machine. Exit code 1 when the verdict is another one.
    Audit(audit::AuditArgs),
}

/// What a validator is told.
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    role: RoleArgs,

    /// Windows that count for weights.
    #[arg(long, default_value_t = 12)]
    history: usize,

    /// Set weights after every so many windows.
    #[arg(long, default_value_t = 1)]
    weights_every: u32,

    /// Folder for replay bundles: verdicts with everything that they rest on, for `grail audit`.
    #[arg(long, value_name = "DIR")]
    bundles: Option<PathBuf>,

    /// Whose bundles are kept.
    #[arg(long, value_enum, default_value = "refused", requires = "bundles")]
    bundles_of: BundlesOf,

    /// Most bundles that are kept; the oldest windows go first.
    #[arg(long, value_name = "N", default_value_t = KEPT_BUNDLES, requires = "bundles")]
    bundles_keep: usize,

    /// Stop after so many windows.
    #[arg(long, value_name = "N")]
    windows: Option<u32>,
}

/// Whose bundles a validator keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum BundlesOf {
    /// Of miners that something speaks against.
    Refused,
    /// Of every miner with a file.
    Everyone,
}

/// Which file to judge.
#[derive(Debug, Args)]
pub struct CheckFileArgs {
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

/// Runs the command; whether the answer is yes.
pub async fn run(networks: &dyn Networks, command: Command) -> anyhow::Result<bool> {
    match command {
        Command::Run(args) => work(networks, &args).await,
        Command::CheckFile(args) => check_file(networks, &args).await,
        Command::Bundle(args) => audit::bundle(networks, &args).await.map(|()| true),
        Command::Audit(args) => audit::audit(&args),
    }
}

async fn work(networks: &dyn Networks, args: &RunArgs) -> anyhow::Result<bool> {
    let told = args.role.read()?;
    let reports = told.path(&table::REPORTS)?;
    let joined = enter(networks, &told).await?;
    let follower = Follower::new(&joined, &told)?;
    if joined.shelf.is_none() {
        tracing::warn!(target: "grail::validate", "no bucket is set, so verdicts stay on this machine");
    }
    let bundles = args.bundles.as_ref().map(|folder| Bundles {
        journal: Arc::new(FolderJournal::new(folder)),
        keep: args.bundles_keep,
        everyone: args.bundles_of == BundlesOf::Everyone,
        signer: Arc::clone(&joined.signer),
    });
    let verdicts = joined.shelf.map(|shelf| Verdicts { shelf, signer: joined.signer });
    let parts = Parts {
        sources: joined.sources,
        writer: joined.writer,
        directory: joined.directory,
        clock: joined.clock,
        models: models(follower, Loader::new(&told.model).judging()),
        environments: joined.environments,
        codec: Arc::new(ParquetCodec),
        reports: Reports::new(Arc::new(FolderJournal::new(reports))),
        verdicts,
    };
    let settings = Settings {
        history: args.history,
        weights_every: args.weights_every,
        bundles,
        windows: args.windows,
        ..Settings::default()
    };
    let mut validator = Validator::new(parts, settings)?;
    until_stopped(validator.run()).await
}

#[expect(clippy::print_stdout, reason = "the result of a program for people")]
async fn check_file(networks: &dyn Networks, args: &CheckFileArgs) -> anyhow::Result<bool> {
    let folder = &args.model.model;
    let exhibit = check::exhibit(networks, &args.devnet, &args.file, args.no_drand, folder).await?;
    let manifest = network::look(networks, &args.devnet, args.no_drand)?.manifest_of(folder)?;
    let engine = load(&args.model.model, &manifest, &args.model)?;
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

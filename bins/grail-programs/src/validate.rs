//! The validator: fetches windows, recomputes everything, says why, sets weights.

mod adopt;
mod audit;
mod check;

use crate::{
    engine::{Loader, follower, load, models},
    program::{enter, until_stopped},
    ready::{self, Libtorch, LookArgs},
};
use anyhow::ensure;
use clap::{Args, Parser, Subcommand};
use grail_config::{
    Config, Flags, Origin, Role,
    args::{LogArgs, ModelArgs, RoleArgs, SightModelFlags},
    table,
};
use grail_fs::FolderJournal;
use grail_node::{
    check as exhibits,
    local::Networks,
    network,
    ready::{look, require},
};
use grail_parquet::ParquetCodec;
use grail_ports::{model::Oracle as _, sign::Sign};
use grail_roles::{
    bundle::{Bundles, KEPT_BUNDLES},
    context::Sources,
    reports::Reports,
    validate::{Validator, ValidatorParts, ValidatorSettings, Verdicts},
};
use grail_torch::TorchOracle;
use grail_verify::verify_file;
use std::{path::PathBuf, sync::Arc};

/// Verifies windows and sets weights.
#[derive(Debug, Parser)]
#[command(name = "grail-validator", version)]
pub struct ValidateCli {
    /// What to log.
    #[command(flatten)]
    pub log: LogArgs,

    /// What to do.
    #[command(subcommand)]
    pub command: ValidateCommand,
}

/// What a validator can be asked for.
#[derive(Debug, Subcommand)]
pub enum ValidateCommand {
    /// Judge window after window, and set weights.
    Run(ValidateArgs),
    /// Look at everything that judging needs, one line a check, each failure with its remedy.
    Check(ValidateArgs),
    /// What libtorch says of a model's folder, for `grail doctor`.
    #[command(hide = true)]
    Look(LookArgs),
    /// The verdict on one file on this disk, with reasons: of a development network, or of a subnet. Needs no key.
    ///
    /// Exit code 1 when something is refused.
    CheckFile(CheckFileArgs),
    /// Write the replay bundle of a window that was judged: a verdict with everything that it rests on.
    Bundle(Box<audit::BundleArgs>),
    /// Judge a replay bundle again, on this machine. Exit code 1 when the verdict is another one.
    Audit(audit::AuditArgs),
}

/// What a validator is told.
#[derive(Debug, Args)]
pub struct ValidateArgs {
    #[command(flatten)]
    role: RoleArgs,

    /// Stop after so many windows.
    #[arg(long, value_name = "N")]
    windows: Option<u32>,
}

/// Which file to judge.
#[derive(Debug, Args)]
pub struct CheckFileArgs {
    /// The file, .parquet or .json.
    file: PathBuf,

    /// The window was seeded by its block hash alone.
    #[arg(long)]
    no_drand: bool,

    #[command(flatten)]
    settings: Flags<SightModelFlags>,

    /// The whole report as JSON.
    #[arg(long)]
    report: bool,
}

/// Runs the command; whether the answer is yes.
pub async fn run(networks: &dyn Networks, command: ValidateCommand) -> anyhow::Result<bool> {
    match command {
        ValidateCommand::Run(args) => work(networks, &args).await,
        ValidateCommand::Check(args) => check::run(networks, &args).await,
        ValidateCommand::Look(args) => ready::answer(&args),
        ValidateCommand::CheckFile(args) => check_file(networks, &args).await,
        ValidateCommand::Bundle(args) => audit::bundle(networks, &args).await.map(|()| true),
        ValidateCommand::Audit(args) => audit::audit(&args),
    }
}

async fn work(networks: &dyn Networks, args: &ValidateArgs) -> anyhow::Result<bool> {
    let told = args.role.read()?;
    let reports = told.path(&table::REPORTS)?;
    require(&look(networks, Role::Validator, &told.config, &Libtorch))?;
    let joined = enter(networks, &told).await?;
    if !told.config.list(&table::FOLLOW_VERDICTS).is_empty() {
        return adopt::run(joined, &told, reports, args.windows).await;
    }
    let follower = follower(&joined, &told)?;
    if joined.shelf.is_none() {
        tracing::warn!(target: "grail::validate", "no bucket is set, so verdicts stay on this machine");
    }
    let bundles = bundles(&told.config, &joined.signer)?;
    let verdicts = joined.shelf.map(|shelf| Verdicts { shelf, signer: joined.signer });
    let parts = ValidatorParts {
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
    let usual = ValidatorSettings::default();
    let settings = ValidatorSettings {
        history: history(&told.config, &parts.sources),
        weights_every: told.config.count(&table::WEIGHTS_EVERY).unwrap_or(usual.weights_every),
        budget_ms: told.config.number(&table::WINDOW_BUDGET).map(|seconds| seconds.saturating_mul(1_000)),
        bundles,
        windows: args.windows,
        ..usual
    };
    let mut validator = Validator::new(parts, settings)?;
    until_stopped(validator.run()).await
}

/// Windows that count for weights: what the network states, unless the operator says something else.
fn history(config: &Config, sources: &Sources) -> usize {
    let stated = sources.network.params.weights.interval;
    match config.count::<u32>(&table::HISTORY) {
        Some(own) if own != stated => {
            tracing::warn!(
                target: "grail::validate", own, stated,
                "{} is {own}, the network's interval is {stated}: other validators will weigh otherwise",
                table::HISTORY.variable
            );
            own as usize
        }
        _ => stated as usize,
    }
}

/// Where replay bundles are kept, and which, where that is asked for.
fn bundles(config: &Config, signer: &Arc<dyn Sign>) -> anyhow::Result<Option<Bundles>> {
    let Some(folder) = config.path(&table::BUNDLES) else {
        for setting in [&table::BUNDLES_OF, &table::BUNDLES_KEEP] {
            let is_default = config.get(setting).is_none_or(|(_, origin)| *origin == Origin::Default);
            ensure!(is_default, "--{} says which bundles are kept; say where with --bundles", setting.flag);
        }
        return Ok(None);
    };
    Ok(Some(Bundles {
        journal: Arc::new(FolderJournal::new(folder)),
        keep: config.count(&table::BUNDLES_KEEP).unwrap_or(KEPT_BUNDLES),
        everyone: config.text(&table::BUNDLES_OF) == Some("everyone"),
        signer: Arc::clone(signer),
    }))
}

#[expect(clippy::print_stdout, reason = "the result of a program for people")]
async fn check_file(networks: &dyn Networks, args: &CheckFileArgs) -> anyhow::Result<bool> {
    let config = args.settings.config()?;
    let model = ModelArgs::of(&config)?;
    let view = network::look(networks, &config, args.no_drand).await?;
    let exhibit = exhibits::exhibit(&view, &args.file, &model.model).await?;
    let manifest = view.manifest_of(&model.model)?;
    let engine = load(&model.model, &manifest, &model)?;
    let mut oracle = TorchOracle::new(engine.model);
    let (vocabulary, context_length) = (oracle.card().vocabulary, oracle.card().context_length);
    let case = exhibit.case(engine.tokenizer.as_ref(), vocabulary, context_length);
    let report = verify_file(exhibit.fetched.clone(), &case, &mut oracle, &mut |_| true);
    if args.report {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{}", exhibits::describe(&exhibit, &report));
    }
    Ok(report.rejections().next().is_none())
}

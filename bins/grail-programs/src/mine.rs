//! The miner: answers problems with a model, proves each token, uploads windows.

mod check;

use crate::{
    engine::{Alter, Loader, follower, models},
    program::{enter, until_stopped},
    ready::{self, Libtorch, LookArgs},
};
use clap::{Args, Parser, Subcommand};
use grail_config::{
    Role,
    args::{LogArgs, RoleArgs, Told},
    table,
};
use grail_node::{
    local::Networks,
    network::Joined,
    ready::{look, require},
};
use grail_parquet::ParquetCodec;
use grail_roles::mine::{Miner, MinerParts, MinerSettings};
use std::sync::Arc;

/// Mines windows: answers problems with a model, proves each token, uploads.
#[derive(Debug, Parser)]
#[command(name = "grail-miner", version)]
pub struct MineCli {
    /// What to log.
    #[command(flatten)]
    pub log: LogArgs,

    /// What to do.
    #[command(subcommand)]
    pub command: MineCommand,
}

/// What a miner can be asked for.
#[derive(Debug, Subcommand)]
pub enum MineCommand {
    /// Mine window after window.
    Run(MineArgs),
    /// Look at everything that mining needs, one line a check, each failure with its remedy.
    Check(MineArgs),
    /// What libtorch says of a model's folder, for `grail doctor`.
    #[command(hide = true)]
    Look(LookArgs),
}

/// What a miner is told.
#[derive(Debug, Clone, Args)]
pub struct MineArgs {
    /// Where, as whom, and with which model.
    #[command(flatten)]
    pub role: RoleArgs,

    /// Stop after so many windows.
    #[arg(long, value_name = "N")]
    pub windows: Option<u32>,
}

/// What the program says it is, in the header of every file.
const PROGRAM: &str = concat!("grail-miner ", env!("CARGO_PKG_VERSION"));

/// Runs the command; whether the answer is yes.
pub async fn run(networks: &dyn Networks, command: MineCommand) -> anyhow::Result<bool> {
    match command {
        MineCommand::Run(args) => work(networks, &args, None).await,
        MineCommand::Check(args) => check::run(networks, &args).await,
        MineCommand::Look(args) => ready::answer(&args),
    }
}

/// Mines until stopped. With `alter`, which exchanges the generator, the miner does not look at its own file before
/// upload, and still says the name of the honest program: a liar would.
pub async fn work(networks: &dyn Networks, args: &MineArgs, alter: Option<Alter>) -> anyhow::Result<bool> {
    let told = args.role.read()?;
    require(&look(networks, Role::Miner, &told.config, &Libtorch))?;
    let joined = enter(networks, &told).await?;
    let mut miner = wire(args, &told, joined, alter)?;
    until_stopped(miner.run()).await
}

fn wire(args: &MineArgs, told: &Told, joined: Joined, alter: Option<Alter>) -> anyhow::Result<Miner> {
    let follower = follower(&joined, told)?;
    let loader = Loader::new(&told.model);
    let loader = match alter {
        None => loader.answering(told.batch_size()).judging(),
        Some(alter) => loader.answering(told.batch_size()).altered(alter),
    };
    let shelf = joined.own_shelf()?;
    let parts = MinerParts {
        sources: joined.sources,
        shelf,
        clock: joined.clock,
        models: models(follower, loader),
        environments: joined.environments,
        codec: Arc::new(ParquetCodec),
        signer: joined.signer,
    };
    let usual = MinerSettings::default();
    let settings = MinerSettings {
        max_groups: told.config.count(&table::MAX_GROUPS),
        self_check_groups: told.config.count(&table::SELF_CHECK).unwrap_or(usual.self_check_groups),
        windows: args.windows,
        program: PROGRAM.to_owned(),
        ..usual
    };
    Ok(Miner::new(parts, settings))
}

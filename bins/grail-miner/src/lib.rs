//! Wiring of a miner, shared by `grail-miner` and by the adversary that exchanges one part of it.

pub mod check;

use clap::Args;
use grail_engine::{Follower, Loader};
use grail_parquet::ParquetCodec;
use grail_ports::model::Generator;
use grail_roles::mine::{Miner, Parts, Settings};
use grail_settings::{
    args::{RoleArgs, Told},
    network::Joined,
};
use grail_torch::TorchGenerator;
use std::sync::Arc;

/// What a miner is told.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Where, as whom, and with which model.
    #[command(flatten)]
    pub role: RoleArgs,

    /// Most groups in a window; by default as many as fit before the deadline.
    #[arg(long, value_name = "N")]
    pub max_groups: Option<u32>,

    /// Groups of the own file that are proven again before upload.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub self_check: u32,

    /// Stop after so many windows.
    #[arg(long, value_name = "N")]
    pub windows: Option<u32>,
}

/// Builds a miner on a network that was joined. `alter` may exchange the generator; an honest miner returns it as it is.
///
/// `looks` says whether the miner looks at its own file before upload.
pub fn wire(
    args: &RunArgs,
    told: &Told,
    joined: Joined,
    program: &str,
    looks: bool,
    alter: impl Fn(TorchGenerator) -> Box<dyn Generator> + Send + Sync + 'static,
) -> anyhow::Result<Miner> {
    let follower = Follower::new(&joined, told)?;
    let loader = Loader::new(&told.model).answering(told.batch_size(), Arc::new(alter));
    let loader = if looks { loader.judging() } else { loader };
    tracing::info!(
        target: "grail::mine", network = %joined.sources.network.id, hotkey = %joined.signer.hotkey(),
        "joined the network"
    );
    let shelf = joined.own_shelf()?;
    let parts = Parts {
        sources: joined.sources,
        shelf,
        clock: joined.clock,
        models: grail_engine::models(follower, loader),
        environments: joined.environments,
        codec: Arc::new(ParquetCodec),
        signer: joined.signer,
    };
    let settings = Settings {
        max_groups: args.max_groups,
        self_check_groups: args.self_check,
        windows: args.windows,
        program: program.to_owned(),
        ..Settings::default()
    };
    Ok(Miner::new(parts, settings))
}

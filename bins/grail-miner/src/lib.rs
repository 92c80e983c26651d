//! Wiring of a miner, shared by `grail-miner` and by the adversary that exchanges one part of it.

pub mod check;

use clap::Args;
use grail_engine::{Follower, Loader};
use grail_infer::TorchGenerator;
use grail_parquet::ParquetCodec;
use grail_ports::model::Generator;
use grail_roles::mine::{Miner, Parts, Settings};
use grail_settings::{
    args::{BatchSize, ModelArgs, NetworkArgs},
    network,
};
use std::sync::Arc;

/// What a miner is told.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Where and as whom.
    #[command(flatten)]
    pub network: NetworkArgs,

    /// With which model.
    #[command(flatten)]
    pub model: ModelArgs,

    /// Rollouts decoded at once: 1, 2, 4, 8 or 16. Less memory, less speed. Halved by itself when memory runs out.
    #[arg(long, env = "GRAIL_GENERATION_BATCH_SIZE", default_value = "16")]
    pub batch_size: BatchSize,

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

/// Builds a miner from its arguments. `alter` may exchange the generator; an honest miner returns it as it is.
///
/// `looks` says whether the miner looks at its own file before upload.
pub fn wire(
    args: &RunArgs,
    program: &str,
    looks: bool,
    alter: impl Fn(TorchGenerator) -> Box<dyn Generator> + Send + Sync + 'static,
) -> anyhow::Result<Miner> {
    let joined = network::join(&args.network)?;
    let follower = Follower::new(&joined, &args.network, &args.model)?;
    let loader = Loader::new(&args.model).answering(args.batch_size.0, Arc::new(alter));
    let loader = if looks { loader.judging() } else { loader };
    tracing::info!(
        target: "grail::mine", network = %joined.sources.network.id, hotkey = %joined.pair.hotkey(),
        "joined the network"
    );
    let parts = Parts {
        sources: joined.sources,
        shelf: joined.shelf,
        clock: joined.clock,
        models: grail_engine::models(follower, loader),
        environments: joined.environments,
        codec: Arc::new(ParquetCodec),
        pair: joined.pair,
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

//! Arguments, one struct a subject, flattened into each program.

use crate::{
    Config, ConfigFlags, offer,
    table::{self, Setting},
};
use anyhow::Context as _;
use clap::Args;
use std::{ffi::OsString, path::PathBuf};

/// What a role is told about network, wallet, store and model: every setting as a flag, with its variable and its place in
/// `grail.toml` and `.env`.
#[derive(Debug, Clone, Args)]
pub struct RoleArgs {
    /// The settings.
    #[command(flatten)]
    pub config: ConfigFlags,

    /// Seed windows by block hashes alone. Only networks whose parameters allow it accept such windows.
    #[arg(long)]
    pub no_drand: bool,
}

/// What a role was told, checked; nothing is opened yet.
#[derive(Debug, Clone)]
pub struct Told {
    /// Every setting with its origin.
    pub config: Config,
    /// Whether windows are seeded by block hashes alone.
    pub no_drand: bool,
    /// The model, and where to compute.
    pub model: ModelArgs,
}

impl RoleArgs {
    /// Reads files, environment and flags.
    ///
    /// Errors: everything that is wrong with them; no model is named.
    pub fn read(&self) -> anyhow::Result<Told> {
        let config = self.config.config()?;
        let model = ModelArgs::of(&config)?;
        Ok(Told { config, no_drand: self.no_drand, model })
    }
}

impl Told {
    /// A path that the role cannot do without.
    ///
    /// Errors: it is not set.
    pub fn path(&self, setting: &'static Setting) -> anyhow::Result<PathBuf> {
        self.config.path(setting).with_context(|| {
            format!("{} is not set (--{}): {}", setting.variable, setting.flag, setting.meaning)
        })
    }

    /// Where this participant keeps checkpoints: as set, else in the development network's folder, else in the cache.
    pub fn checkpoint_folder(&self) -> PathBuf {
        let config = &self.config;
        if let Some(folder) = config.path(&table::CHECKPOINTS) {
            return folder;
        }
        match (config.path(&table::DEVNET), config.text(&table::KEY)) {
            (Some(devnet), Some(key)) => devnet.join("cache").join(key),
            _ => config.cache_dir().join("checkpoints").join(config.wallet().hot),
        }
    }

    /// Rollouts decoded at once.
    pub fn batch_size(&self) -> usize {
        // The table allows divisors of 16 alone.
        self.config.count(&table::GENERATION_BATCH_SIZE).unwrap_or(16)
    }
}

offer! {
    /// Flags of a command that looks at a network without taking part: no key, no bucket of its own.
    pub SightFlags: NETWORK, NETUID, CHAIN_ENDPOINT, PROFILE, BEACON_RELAYS, BEACON_CHAIN, NETWORK_POLICY, DEVNET, TRAINER, MODEL,
        CACHE_DIR, R2_ENDPOINT_URL, R2_REGION, R2_ALLOW_HTTP
}

offer! {
    /// Flags of a command that loads a model to look at a network.
    pub SightModelFlags: NETWORK, NETUID, CHAIN_ENDPOINT, PROFILE, BEACON_RELAYS, BEACON_CHAIN, NETWORK_POLICY, DEVNET, TRAINER, MODEL,
        CACHE_DIR, R2_ENDPOINT_URL, R2_REGION, R2_ALLOW_HTTP, DEVICE, THREADS, DTYPE, KERNELS
}

offer! {
    /// Flags of a command that loads a model and needs nothing else of the settings.
    pub ModelFlags: MODEL, DEVICE, THREADS, DTYPE, KERNELS
}

/// Which model to load, and where to.
#[derive(Debug, Clone)]
pub struct ModelArgs {
    /// Folder of the model that the network starts with, in Hugging Face layout; must match its manifest. Later checkpoints
    /// are fetched from the trainer's shelf.
    pub model: PathBuf,
    /// Where to compute: `cpu`, `cuda` or `cuda:N`.
    pub device: String,
    /// Threads for arithmetic on the CPU; 0 takes all cores.
    pub threads: usize,
    /// How weights are held: `auto` or `f32`.
    pub dtype: String,
    /// Who computes on a CPU: `auto`, a path, or `libtorch`.
    pub kernels: String,
}

impl ModelArgs {
    /// A folder with the table's own values for the rest.
    pub fn defaults(model: PathBuf) -> Self {
        Self {
            model,
            device: "cpu".to_owned(),
            threads: 0,
            dtype: "auto".to_owned(),
            kernels: "auto".to_owned(),
        }
    }

    /// Those of the settings.
    ///
    /// Errors: no model is named.
    pub fn of(config: &Config) -> anyhow::Result<Self> {
        Ok(Self {
            model: model(config)?,
            device: config.text(&table::DEVICE).unwrap_or("cpu").to_owned(),
            threads: config.count(&table::THREADS).unwrap_or(0),
            dtype: config.text(&table::DTYPE).unwrap_or("auto").to_owned(),
            kernels: config.text(&table::KERNELS).unwrap_or("auto").to_owned(),
        })
    }
}

/// Folder of the model that the network starts with.
///
/// Errors: none is named.
pub fn model(config: &Config) -> anyhow::Result<PathBuf> {
    config.path(&table::MODEL).context(
        "which model? name its folder with --model or GRAIL_MODEL; `grail join` fetches the network's newest",
    )
}

/// Folder of the development network that a command is about.
///
/// Errors: none is named.
pub fn devnet(config: &Config) -> anyhow::Result<PathBuf> {
    config.path(&table::DEVNET).context("which network? name its folder with --devnet or GRAIL_DEVNET")
}

/// How much to say, and in which form.
#[derive(Debug, Clone, Copy, Args)]
pub struct LogArgs {
    /// Say more: -v for the progress of each group, -vv for its result and every reason.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,

    /// Log lines, and results where a command has them, as JSON, for machines.
    #[arg(long, global = true)]
    pub json: bool,
}

impl LogArgs {
    /// The same flags as typed, for a program that goes on with this one's command.
    pub fn typed(self) -> impl Iterator<Item = OsString> {
        let json = self.json.then(|| "--json".into());
        std::iter::repeat_n("-v".into(), self.verbose.into()).chain(json)
    }
}

//! `grail devnet`: make a network on this machine, look at it, rehearse on it.

use crate::demo;
use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use grail_artifact::manifest::{MANIFEST_FILE, Manifest};
use grail_devnet::{Devnet, Founder, Options};
use grail_ports::chain::ChainView;
use grail_protocol::{
    draw::SamplingPolicy,
    params::{self, Params},
    profile::NumericProfile,
    words::UnixMillis,
};
use grail_roles::{
    checkpoint::{self, Terms},
    clock::SystemClock,
    disk::{read_bounded, write_atomic},
};
use grail_settings::network::{self, DATASET_BYTES, ENVIRONMENTS, GSM8K_FILE};
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Problems of our own writing, for a network whose maker names no data set.
const GSM8K_MINI: &[u8] = include_bytes!("../../../fixtures/datasets/gsm8k-mini.jsonl");

/// What to do with a network on this machine.
#[derive(Debug, Subcommand)]
pub(crate) enum DevnetCommand {
    /// Make a network: chain, beacon, keys, object store and manifest in one folder.
    Init(InitArgs),
    /// Show a network: its clock, who is registered, and the weights.
    Status {
        /// Folder of the network.
        dir: PathBuf,
    },
    /// Rehearse a whole network: one honest miner, two that cheat, one validator; ends by itself with a table.
    Demo(demo::DemoArgs),
}

/// What a network is made of.
#[derive(Debug, Clone, Args)]
pub(crate) struct MakeArgs {
    /// Folder of the model in Hugging Face layout.
    #[arg(long, env = "GRAIL_MODEL", value_name = "DIR")]
    pub(crate) model: PathBuf,

    /// Clock of the network: `dev` has windows of a minute, `dev-fast` of eight seconds.
    #[arg(long, default_value = "dev", value_parser = profile)]
    pub(crate) profile: Params,

    /// Completion cap in tokens.
    #[arg(long, default_value_t = 96)]
    pub(crate) max_new_tokens: u32,

    /// Environments that take turns, window by window; one may come more than once. Numbers of `arith-1` go to 9,
    /// of `arith-2` to 19, of `arith-3` to 99, of `arith-4` to 999.
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = "sat,gsm8k",
        value_parser = ENVIRONMENTS
    )]
    pub(crate) environments: Vec<String>,

    /// GSM8K rows (jsonl as published); by default a dozen problems of our own writing.
    #[arg(long, value_name = "FILE")]
    pub(crate) gsm8k: Option<PathBuf>,
}

/// A network and its first participants.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Folder to make; must not exist or be empty.
    dir: PathBuf,

    #[command(flatten)]
    make: MakeArgs,

    /// Names of miners to register.
    #[arg(long, value_delimiter = ',', default_value = "miner")]
    miners: Vec<String>,

    /// Name of the trainer, whose checkpoints everyone follows; without one the first model stays.
    #[arg(long, value_name = "NAME")]
    trainer: Option<String>,

    /// Names of validators to register.
    #[arg(long, value_delimiter = ',', default_value = "validator")]
    validators: Vec<String>,
}

fn profile(name: &str) -> Result<Params, String> {
    match Params::by_name(name) {
        Some(found) if found.profile != params::MAIN.profile => Ok(found),
        _ => Err(format!("{name:?} is not a development profile; use dev or dev-fast")),
    }
}

/// Runs the command; `Ok(false)` when a rehearsal did not pass.
pub(crate) async fn run(command: DevnetCommand) -> anyhow::Result<bool> {
    match command {
        DevnetCommand::Init(args) => init(&args).map(|()| true),
        DevnetCommand::Status { dir } => status(&dir).await.map(|()| true),
        DevnetCommand::Demo(args) => demo::run(args).await,
    }
}

/// A model folder with what a manifest and an environment need.
pub(crate) struct Described {
    pub(crate) manifest: Manifest,
    /// Rows of GSM8K, where it is among the environments.
    pub(crate) gsm8k: Option<Vec<u8>>,
}

/// Reads the model folder and the data set; shows a progress bar, since a model is large.
pub(crate) fn describe_model(args: &MakeArgs) -> anyhow::Result<Described> {
    if !args.model.is_dir() {
        bail!(
            "{} is not a folder; `cargo xtask model smollm2` makes one and prints where",
            args.model.display()
        );
    }
    let gsm8k = match (args.environments.iter().any(|name| name == "gsm8k"), &args.gsm8k) {
        (true, None) => Some(GSM8K_MINI.to_vec()),
        (true, Some(path)) => Some(
            read_bounded(path, DATASET_BYTES)?
                .with_context(|| format!("there is no data set at {}", path.display()))?,
        ),
        (false, None) => None,
        (false, Some(_)) => bail!("--gsm8k names rows, but --environments does not name gsm8k"),
    };
    let id = |name: &String| anyhow::Ok(network::environment(name, gsm8k.as_deref())?.id()?);
    let terms = Terms {
        environments: args.environments.iter().map(id).collect::<Result<_, _>>()?,
        policy: SamplingPolicy::DEFAULT,
        max_new_tokens: args.max_new_tokens,
        numeric: NumericProfile::StrictF32,
    };
    let total = std::fs::read_dir(&args.model)
        .with_context(|| format!("list {}", args.model.display()))?
        .filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len()))
        .sum();
    let bar = ProgressBar::new(total);
    if let Ok(style) = ProgressStyle::with_template("{msg} [{bar:40}] {bytes}/{total_bytes}") {
        bar.set_style(style);
    }
    bar.set_message("hashing the model");
    let manifest = checkpoint::describe(&args.model, terms, &mut |done| bar.set_position(done))?;
    bar.finish_and_clear();
    manifest.check(&args.profile).context("the manifest of this model")?;
    Ok(Described { manifest, gsm8k })
}

/// Makes the network's folder, with manifest and data set.
pub(crate) fn make(
    dir: &Path,
    args: &MakeArgs,
    described: Described,
    founders: Vec<Founder>,
    trainer: Option<&str>,
    genesis: UnixMillis,
) -> anyhow::Result<Devnet> {
    if let Some(parent) = dir.parent() {
        std::fs::create_dir_all(parent).with_context(|| format!("make the folder {}", parent.display()))?;
    }
    let trainer = trainer.map(str::to_owned);
    let net = grail_devnet::init(dir, &Options { params: args.profile, genesis, founders, trainer })?;
    if let Some(rows) = &described.gsm8k {
        write_atomic(&dir.join(GSM8K_FILE), rows)?;
    }
    write_atomic(&dir.join(MANIFEST_FILE), &described.manifest.to_json()?)?;
    Ok(net)
}

/// The manifest of a network on this machine.
pub(crate) fn read_manifest(net: &Devnet) -> anyhow::Result<Manifest> {
    network::read_manifest(net)
}

#[expect(clippy::print_stdout, reason = "the result of a program for people")]
fn init(args: &InitArgs) -> anyhow::Result<()> {
    let founder = |stake, validator_permit| {
        move |name: &String| Founder { name: name.clone(), stake, validator_permit }
    };
    let founders: Vec<Founder> = args
        .validators
        .iter()
        .map(founder(1_000.0, true))
        .chain(args.miners.iter().map(founder(1.0, false)))
        .collect();
    let described = describe_model(&args.make)?;
    let now = grail_ports::clock::Clock::now(&SystemClock);
    let net = make(&args.dir, &args.make, described, founders, args.trainer.as_deref(), now)?;
    let (id, dir, model) = (&net.network().id, args.dir.display(), args.make.model.display());
    println!("network {id} is in {dir} and its clock runs. Join it with\n");
    for name in &args.validators {
        println!("  grail-validator run --devnet {dir} --key {name} --model {model} --reports {dir}/reports");
    }
    if let Some(name) = &args.trainer {
        println!("  grail-trainer run --devnet {dir} --key {name} --model {model} --state {dir}/trainer");
    }
    for name in &args.miners {
        println!("  grail-miner run --devnet {dir} --key {name} --model {model}");
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the result of a program for people")]
async fn status(dir: &Path) -> anyhow::Result<()> {
    let net = grail_devnet::open(dir)?;
    let chain = net.chain(Arc::new(SystemClock))?;
    let (network, head) = (net.network(), chain.head().await?);
    let window = network.params.window_of(head.number);
    println!("network {} ({}), block {}, window {window}", network.id, network.params.profile, head.number);
    let mut table = tabled::builder::Builder::default();
    table.push_record(["uid", "hotkey", "stake", "permit", "incentive", "weights set at", "weights"]);
    for neuron in chain.metagraph().await?.neurons {
        let row = chain.weights(neuron.uid).await?.unwrap_or_default();
        let row: Vec<String> = row.iter().map(|(uid, weight)| format!("{uid}:{weight}")).collect();
        table.push_record([
            neuron.uid.to_string(),
            neuron.hotkey.to_string(),
            neuron.stake.to_string(),
            if neuron.validator_permit { "yes" } else { "no" }.into(),
            neuron.incentive.to_string(),
            neuron.last_update.to_string(),
            row.join(" "),
        ]);
    }
    println!("{}", table.build().with(tabled::settings::Style::modern_rounded()));
    Ok(())
}

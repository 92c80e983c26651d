//! Making a network on this machine, and looking at it.

use anyhow::Context as _;
use clap::Args;
use grail_artifact::manifest::MANIFEST_FILE;
use grail_devnet::{Devnet, DevnetOptions, Founder};
use grail_node::describe::{Described, MakeArgs, describe_model};
use grail_node::network::GSM8K_FILE;
use grail_ports::chain::ChainView;
use grail_programs::ready::Libtorch;
use grail_protocol::{policy::Seeding, words::UnixMillis};
use grail_roles::clock::SystemClock;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Most bytes of what a network states about weights.
const POLICY_BYTES: u64 = 16 << 10;

/// A network and its first participants.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Folder to make; must not exist or be empty.
    dir: PathBuf,

    #[command(flatten)]
    make: MakeArgs,

    /// Seed windows by their block hashes alone. The network says so in its parameters, and everybody on it follows.
    #[arg(long)]
    no_drand: bool,

    /// How weights are made, as a JSON file: exponent_percent, unique_cap, burn with uid and permille, interval.
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,

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
    // A network that is made now says what seeds its windows.
    let mut params = args.profile;
    if params.seeding == Seeding::Unsaid {
        params.seeding = Seeding::Beacon;
    }
    let net = grail_devnet::init(dir, &DevnetOptions { params, genesis, founders, trainer })?;
    if let Some(rows) = &described.gsm8k {
        grail_fs::write(&dir.join(GSM8K_FILE), rows)?;
    }
    grail_fs::write(&dir.join(MANIFEST_FILE), &described.manifest.to_json()?)?;
    Ok(net)
}

/// Makes a network, and tells how to join it.
#[expect(clippy::print_stdout, reason = "the result of a program for people")]
pub(crate) fn init(args: &InitArgs) -> anyhow::Result<()> {
    args.make.of_development()?;
    let founder = |stake, validator_permit| {
        move |name: &String| Founder { name: name.clone(), stake, validator_permit }
    };
    let founders: Vec<Founder> = args
        .validators
        .iter()
        .map(founder(1_000.0, true))
        .chain(args.miners.iter().map(founder(1.0, false)))
        .collect();
    let mut make_args = args.make.clone();
    if args.no_drand {
        make_args.profile.seeding = Seeding::BlockHash;
    }
    if let Some(path) = &args.weights {
        let bytes = grail_fs::read(path, POLICY_BYTES)?
            .with_context(|| format!("there is no file {}", path.display()))?;
        make_args.profile.weights =
            serde_json::from_slice(&bytes).with_context(|| format!("read {}", path.display()))?;
    }
    let described = describe_model(&make_args)?;
    described.require(&make_args, &Libtorch)?;
    let now = grail_ports::clock::Clock::now(&SystemClock);
    let net = make(&args.dir, &make_args, described, founders, args.trainer.as_deref(), now)?;
    let model = args.make.model()?;
    let (id, dir, model) = (&net.network().id, args.dir.display(), model.display());
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

/// Prints a network's clock, participants and weights.
#[expect(clippy::print_stdout, reason = "the result of a program for people")]
pub(crate) async fn status(dir: &Path) -> anyhow::Result<()> {
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

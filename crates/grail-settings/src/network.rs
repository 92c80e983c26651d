//! The network that an operator joins, as live objects.

use crate::args::NetworkArgs;
use anyhow::Context as _;
use grail_artifact::manifest::{MANIFEST_BYTES, MANIFEST_FILE, Manifest};
use grail_devnet::{DevChain, Devnet};
use grail_env::{
    Environment,
    gsm8k::{Gsm8k, JsonlRows},
};
use grail_ports::clock::Clock;
use grail_protocol::sign::HotkeyPair;
use grail_roles::{
    clock::SystemClock,
    context::{Network, Randomness, Sources},
    disk::read_bounded,
    environments::Environments,
};
use grail_store::{FolderDirectory, FolderShelf, Transfer};
use std::{path::Path, sync::Arc};

/// Most bytes of a data set.
pub const DATASET_BYTES: u64 = 256 << 20;
/// Where a development network keeps its GSM8K rows.
pub const GSM8K_FILE: &str = "datasets/gsm8k.jsonl";

/// A network, joined.
#[derive(Debug)]
pub struct Joined {
    /// Chain, randomness, constants.
    pub sources: Sources,
    /// The chain itself, for writing.
    pub chain: Arc<DevChain>,
    /// Where windows are uploaded.
    pub shelf: Arc<FolderShelf>,
    /// Where others' windows are found.
    pub directory: Arc<FolderDirectory>,
    /// The machine's clock.
    pub clock: Arc<SystemClock>,
    /// The checkpoint's manifest.
    pub manifest: Manifest,
    /// Environments at hand.
    pub environments: Environments,
    /// Who we are.
    pub pair: HotkeyPair,
}

/// A network, looked at without taking part.
#[derive(Debug)]
pub struct View {
    /// Chain, randomness, constants.
    pub sources: Sources,
    /// The checkpoint's manifest.
    pub manifest: Manifest,
    /// Environments at hand.
    pub environments: Environments,
}

/// Opens a network to look at it; needs no key.
pub fn look(devnet: &Path, no_drand: bool) -> anyhow::Result<View> {
    let net = grail_devnet::open(devnet)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let chain = Arc::new(net.chain(clock.clone())?);
    Ok(View {
        sources: sources(&net, chain, clock, no_drand)?,
        manifest: read_manifest(&net)?,
        environments: environments(net.dir())?,
    })
}

fn sources(
    net: &Devnet,
    chain: Arc<DevChain>,
    clock: Arc<dyn Clock>,
    no_drand: bool,
) -> anyhow::Result<Sources> {
    let randomness =
        if no_drand { Randomness::BlockHashOnly } else { Randomness::Beacon(Arc::new(net.beacon(clock)?)) };
    let network = Network { id: net.network().id.clone(), params: net.network().params };
    Ok(Sources::new(network, chain, randomness)?)
}

/// Opens everything that a role needs but the model.
///
/// Errors: each names the file or value, and what to do about it.
pub fn join(args: &NetworkArgs) -> anyhow::Result<Joined> {
    let net = grail_devnet::open(&args.devnet)?;
    let pair = net.key(&args.key)?;
    let clock = Arc::new(SystemClock);
    let door: Arc<dyn Clock> = clock.clone();
    let chain = Arc::new(net.chain(door.clone())?);
    let sources = sources(&net, chain.clone(), door, args.no_drand)?;
    let shelf = FolderShelf::open(net.shelf(), Transfer::default())?;
    let directory = Arc::new(FolderDirectory::new(shelf.clone()));
    let manifest = read_manifest(&net)?;
    let environments = environments(net.dir())?;
    Ok(Joined { sources, chain, shelf: Arc::new(shelf), directory, clock, manifest, environments, pair })
}

/// The manifest that a development network was made with.
pub fn read_manifest(net: &Devnet) -> anyhow::Result<Manifest> {
    let path = net.dir().join(MANIFEST_FILE);
    let bytes = read_bounded(&path, MANIFEST_BYTES)?.with_context(|| {
        format!("there is no {}; was the network made by `grail devnet init`?", path.display())
    })?;
    Manifest::from_json(&bytes, &net.network().params).with_context(|| format!("read {}", path.display()))
}

/// `sat`, and `gsm8k` where the folder holds its rows.
fn environments(dir: &Path) -> anyhow::Result<Environments> {
    let mut list = vec![Environment::Sat];
    let path = dir.join(GSM8K_FILE);
    if let Some(bytes) = read_bounded(&path, DATASET_BYTES)? {
        list.push(gsm8k(&bytes).with_context(|| format!("read {}", path.display()))?);
    }
    Ok(Environments::new(list)?)
}

/// The environment of GSM8K rows (jsonl as published).
pub fn gsm8k(jsonl: &[u8]) -> anyhow::Result<Environment> {
    let rows = JsonlRows::read(jsonl)?;
    Ok(Environment::Gsm8k(Gsm8k::new(Arc::new(rows))?))
}

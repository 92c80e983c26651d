//! A subnet of the Bittensor chain, as live objects: node, wallet, own bucket, others' buckets, drand.

use crate::{
    btcli,
    network::{Joined, View, by_block_hash, environments, first_manifest_bytes},
    signer::signer,
    store::{self, StoreChoice},
};
use anyhow::{Context as _, bail, ensure};
use grail_artifact::{
    checkpoint::{Trust, verify_manifest},
    manifest::Manifest,
};
use grail_beacon::{DrandClient, QUICKNET_RELAYS, Timing};
use grail_chain::Subnet;
use grail_config::{Config, args::Told, networks::NetworkChoice, table};
use grail_ports::{
    chain::{ChainView, Metagraph},
    checkpoint::CheckpointShelf,
    clock::Clock,
    shelf::WindowShelf,
    sign::Sign,
};
use grail_protocol::{
    beacon::{BeaconChain, quicknet},
    params::Params,
    policy::{Seeding, WeightPolicy},
    words::{Hotkey, NetworkId},
};
use grail_roles::{
    clock::SystemClock,
    context::{Network, Randomness, Sources},
    environments::Environments,
};
use grail_store::{CommittedCheckpoints, CommittedDirectory, Shelf, Transfer};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// A beacon chain's description has a few hundred bytes.
const BEACON_BYTES: u64 = 16 << 10;
/// So has what a network states.
const POLICY_BYTES: u64 = 16 << 10;

/// What is read, and may be wrong, before anything is asked of the network.
pub(crate) struct Own {
    clock: Arc<SystemClock>,
    choice: NetworkChoice,
    settings: grail_chain::ChainSettings,
    trainer: Option<Hotkey>,
    randomness: Randomness,
    first: FirstManifest,
    environments: Environments,
    store: Option<StoreChoice>,
    commitment: Option<Vec<u8>>,
    signer: Arc<dyn Sign>,
}

impl Own {
    /// Errors: each names the setting or the file.
    pub(crate) fn read(told: &Told) -> anyhow::Result<Self> {
        let clock = Arc::new(SystemClock);
        let config = &told.config;
        let (choice, settings) = chain_settings(config)?;
        let store = config.names_a_store().then(|| store::choose(config)).transpose()?;
        let commitment = match &store {
            Some(store) => Some(store.read.commitment(&store.write)?.to_vec()),
            None => None,
        };
        Ok(Self {
            trainer: named_trainer(config)?,
            randomness: randomness(config, told.no_drand, &choice, clock.clone())?,
            first: FirstManifest::read(&told.model.model, &choice.params)?,
            environments: environments(&config.cache_dir())?,
            // Last, since a person may have to type a password.
            signer: Arc::new(signer(config)?),
            clock,
            choice,
            settings,
            store,
            commitment,
        })
    }
}

/// Reads what is needed and opens a subnet, once; see [`open`].
pub(crate) async fn join(told: &Told) -> anyhow::Result<Joined> {
    open(&Own::read(told)?, told).await
}

/// Opens everything that a role on a subnet needs but the model.
///
/// Reads the chain and writes nothing to it; [`Joined::publish`] does, where the read credentials differ from the chain's.
pub(crate) async fn open(own: &Own, told: &Told) -> anyhow::Result<Joined> {
    let config = &told.config;
    let Own { choice, store, first, signer, .. } = own;
    let hotkey = signer.hotkey();
    let subnet = Subnet::connect(own.settings.clone()).await?;
    let chain: Arc<dyn ChainView> = Arc::new(subnet.clone());
    let trainer = match own.trainer {
        Some(named) => named,
        None => named_by_network(choice, &subnet.metagraph().await?)?,
    };
    let directory = Arc::new(directory(config, chain.clone())?);
    let bucket = match store {
        Some(store) => {
            Some(Shelf::own_bucket(&store.location, &store.read, &store.write, Transfer::default())?)
        }
        None => None,
    };
    let checkpoints: Arc<dyn CheckpointShelf> = match (&bucket, trainer == hotkey) {
        (Some(bucket), true) => Arc::new(bucket.clone()),
        (None, true) => {
            bail!("the trainer publishes checkpoints and needs a bucket; `grail setup` asks for one")
        }
        (_, false) => Arc::new(CommittedCheckpoints::new(CommittedDirectory::clone(&directory), trainer)),
    };
    let network = Network { id: network_id(choice, &subnet)?, params: choice.params };
    Ok(Joined {
        sources: Sources::new(network, Arc::clone(&chain), own.randomness.clone())?,
        chain,
        writer: Arc::new(subnet.writer(Arc::clone(signer))?),
        shelf: bucket.map(|bucket| Arc::new(bucket) as Arc<dyn WindowShelf>),
        directory,
        checkpoints,
        trainer: Some(trainer),
        clock: Arc::clone(&own.clock),
        manifest: first.trusted(&choice.params, &trainer)?,
        environments: own.environments.clone(),
        how_to_register: btcli::register(&config.wallet(), choice),
        commitment: own.commitment.clone(),
        signer: Arc::clone(signer),
    })
}

/// Opens a subnet to look at it; needs no key, no bucket and no model.
///
/// Errors: the settings; the chain is out of reach; the model's folder holds a manifest that is not the trainer's.
pub(crate) async fn look(config: &Config, no_drand: bool) -> anyhow::Result<View> {
    let (choice, mut settings) = chain_settings(config)?;
    // Whoever only looks leaves no journal.
    settings.journal = None;
    let randomness = randomness(config, no_drand, &choice, Arc::new(SystemClock))?;
    let environments = environments(&config.cache_dir())?;
    let subnet = Subnet::connect(settings).await?;
    let chain: Arc<dyn ChainView> = Arc::new(subnet.clone());
    let directory = directory(config, Arc::clone(&chain))?;
    // Commands that need the trainer say what is missing; others do without.
    let trainer = match named_trainer(config)? {
        Some(named) => Some(named),
        None => named_by_network(&choice, &chain.metagraph().await?).ok(),
    };
    let checkpoints = trainer.map(|trainer| {
        Arc::new(CommittedCheckpoints::new(directory.clone(), trainer)) as Arc<dyn CheckpointShelf>
    });
    let network = Network { id: network_id(&choice, &subnet)?, params: choice.params };
    Ok(View {
        sources: Sources::new(network, chain, randomness)?,
        first: None,
        trainer,
        environments,
        directory: Arc::new(directory),
        checkpoints,
    })
}

/// How the subnet of the settings is reached, with the journal of weights where `grail chain intents` looks for it.
///
/// Errors: no netuid.
pub fn chain_settings(config: &Config) -> anyhow::Result<(NetworkChoice, grail_chain::ChainSettings)> {
    let choice = config.network();
    let netuid = choice
        .netuid
        .with_context(|| format!("which subnet of {}? give --netuid N (or NETUID)", choice.name))?;
    let choice = stated(config, choice)?;
    let settings = grail_chain::ChainSettings {
        block_time_ms: choice.params.block_time_ms,
        journal: Some(journal(config)),
        ..grail_chain::ChainSettings::new(choice.endpoints.clone(), netuid)
    };
    Ok((choice, settings))
}

/// What a chain that has no name here states for itself, in a file.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Stated {
    #[serde(default)]
    weights: WeightPolicy,
    #[serde(default)]
    seeding: Seeding,
}

/// The choice with what its network states. Errors: a network with a name, which fixes it; a file that is none.
fn stated(config: &Config, choice: NetworkChoice) -> anyhow::Result<NetworkChoice> {
    let Some(path) = config.path(&table::NETWORK_POLICY) else { return Ok(choice) };
    ensure!(
        !matches!(choice.name.as_str(), "finney" | "test"),
        "{} fixes what it states for itself; unset {}",
        choice.name,
        table::NETWORK_POLICY.variable
    );
    let bytes = grail_fs::read(&path, POLICY_BYTES)?.with_context(|| {
        format!("there is no file {} ({})", path.display(), table::NETWORK_POLICY.variable)
    })?;
    let Stated { weights, seeding } =
        serde_json::from_slice(&bytes).with_context(|| format!("read {}", path.display()))?;
    let params = Params { weights, seeding, ..choice.params };
    Ok(NetworkChoice { params, ..choice })
}

/// Folder of the journals of weights, a file each hotkey and subnet.
pub fn journal(config: &Config) -> PathBuf {
    config.cache_dir().join("intents")
}

/// The subnet's name: that of a known network and its number; for any other, the chain's first block tells it apart from
/// all others.
fn network_id(choice: &NetworkChoice, subnet: &Subnet) -> anyhow::Result<NetworkId> {
    let netuid = subnet.place().netuid;
    let text = match choice.name.as_str() {
        name @ ("finney" | "test") => format!("{name}-{netuid}"),
        _ => {
            let genesis = subnet.genesis().context("the node has not said which chain it serves")?;
            let short: String = genesis.to_string().trim_start_matches("0x").chars().take(8).collect();
            format!("chain-{short}-{netuid}")
        }
    };
    Ok(NetworkId::new(text)?)
}

/// What seeds windows: block hashes alone, or the relays of the settings. Nothing is sent to them yet.
fn randomness(
    config: &Config,
    no_drand: bool,
    choice: &NetworkChoice,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Randomness> {
    if by_block_hash(&choice.params, no_drand)? {
        return Ok(Randomness::BlockHashOnly);
    }
    let relays = config.relays();
    let relays = relays.unwrap_or_else(|| QUICKNET_RELAYS.map(str::to_owned).to_vec());
    let chain = beacon_chain(config, choice)?;
    Ok(Randomness::Beacon(Arc::new(DrandClient::new(chain, relays, clock, Timing::default())?)))
}

/// The beacon whose rounds seed the windows of the settings' network; `None` where block hashes alone seed them.
///
/// Errors: files of the settings that cannot be used.
pub fn beacon_of(config: &Config) -> anyhow::Result<Option<BeaconChain>> {
    let choice = stated(config, config.network())?;
    Ok(match choice.params.seeding {
        Seeding::BlockHash => None,
        Seeding::Beacon | Seeding::Unsaid => Some(beacon_chain(config, &choice)?),
    })
}

/// quicknet, or what a file says where the network has no name here.
fn beacon_chain(config: &Config, choice: &NetworkChoice) -> anyhow::Result<BeaconChain> {
    let Some(path) = config.path(&table::BEACON_CHAIN) else { return Ok(quicknet()) };
    ensure!(
        !matches!(choice.name.as_str(), "finney" | "test"),
        "{} fixes its beacon, which is drand quicknet; unset {}",
        choice.name,
        table::BEACON_CHAIN.variable
    );
    let bytes = grail_fs::read(&path, BEACON_BYTES)?
        .with_context(|| format!("there is no file {} ({})", path.display(), table::BEACON_CHAIN.variable))?;
    let chain: BeaconChain =
        serde_json::from_slice(&bytes).with_context(|| format!("read {}", path.display()))?;
    ensure!(chain.period_ms > 0, "{}: rounds are zero milliseconds apart", path.display());
    Ok(chain)
}

/// Whose windows lie where: at R2 under each account, or all at the service that this participant's bucket is at.
///
/// Errors: an address that is more than that of a service; strangers' buckets would be looked for in the own one.
pub(crate) fn directory(config: &Config, chain: Arc<dyn ChainView>) -> anyhow::Result<CommittedDirectory> {
    Ok(match config.text(&table::R2_ENDPOINT_URL) {
        None => CommittedDirectory::r2(chain, Transfer::default()),
        Some(url) => {
            let account = config.text(&table::R2_ACCOUNT_ID).unwrap_or_default();
            let url = grail_store::service_address(url, account)
                .with_context(|| format!("{} cannot be used", table::R2_ENDPOINT_URL.variable))?;
            let region = config.text(&table::R2_REGION).unwrap_or("us-east-1");
            let plain = config.is_set(&table::R2_ALLOW_HTTP);
            CommittedDirectory::at(chain, url, region, plain, Transfer::default())
        }
    })
}

/// Whose checkpoints are followed: the one that the settings name, else the one that the network's parameters name.
///
/// Errors: neither names one, or nobody has the uid that they name.
pub fn trainer(config: &Config, metagraph: &Metagraph) -> anyhow::Result<Hotkey> {
    named_trainer(config)?.map_or_else(|| named_by_network(&config.network(), metagraph), Ok)
}

fn named_trainer(config: &Config) -> anyhow::Result<Option<Hotkey>> {
    let Some(named) = config.text(&table::TRAINER) else { return Ok(None) };
    let hotkey = named.parse().with_context(|| format!("{} is {named:?}", table::TRAINER.variable))?;
    Ok(Some(hotkey))
}

fn named_by_network(choice: &NetworkChoice, metagraph: &Metagraph) -> anyhow::Result<Hotkey> {
    let uid = choice.trainer_uid.with_context(|| {
        let netuid = choice.netuid.unwrap_or_default();
        format!(
            "nothing names the trainer of subnet {netuid} on {}; ask its owner, and set GRAIL_TRAINER (--trainer SS58)",
            choice.name
        )
    })?;
    let found = metagraph.neurons.iter().find(|neuron| neuron.uid == uid);
    let found = found.with_context(|| {
        format!(
            "{} names uid {uid} as its trainer, and nobody has it; set GRAIL_TRAINER (--trainer SS58)",
            choice.name
        )
    })?;
    tracing::info!(target: "grail::network", uid, trainer = %found.hotkey, "the trainer that the network names");
    Ok(found.hotkey)
}

/// The manifest of the model that the network starts with, which lies in the model's folder: one that the trainer signed, or
/// the unsigned one that every participant makes alike.
struct FirstManifest {
    path: PathBuf,
    bytes: Vec<u8>,
    is_signed: bool,
}

impl FirstManifest {
    fn read(model: &Path, params: &Params) -> anyhow::Result<Self> {
        let (path, bytes) = first_manifest_bytes(model)?;
        let manifest =
            Manifest::from_json(&bytes, params).with_context(|| format!("read {}", path.display()))?;
        Ok(Self { is_signed: manifest.publication.is_some(), path, bytes })
    }

    fn trusted(&self, params: &Params, trainer: &Hotkey) -> anyhow::Result<Manifest> {
        let trust = if self.is_signed { Trust::Trainer(trainer) } else { Trust::Genesis };
        verify_manifest(&self.bytes, params, trust, None)
            .with_context(|| format!("read {}", self.path.display()))
    }
}

#[cfg(test)]
mod tests;

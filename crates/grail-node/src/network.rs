//! The network that an operator joins, as live objects.

use crate::local::{LocalNetwork, Networks};
use anyhow::{Context as _, bail};
use grail_artifact::{
    checkpoint::{CheckpointPlace, Moment, Trust, verify_manifest},
    manifest::{MANIFEST_BYTES, MANIFEST_FILE, Manifest},
};
use grail_config::{Config, args::Told, table};
use grail_env::{
    Environment,
    arith::Arith,
    gsm8k::{Gsm8k, JsonlRows},
};
use grail_ports::{
    Door, Fault, Retry,
    chain::{ChainView, ChainWrite, Inclusion, Uid},
    checkpoint::CheckpointShelf,
    clock::Clock,
    shelf::{ShelfDirectory, WindowShelf},
    sign::Sign,
};
use grail_protocol::{
    params::Params,
    policy::Seeding,
    words::{Hotkey, WindowStart},
};
use grail_roles::{
    clock::SystemClock,
    context::{Network, Randomness, Sources},
    environments::Environments,
};
use grail_store::{
    FolderDirectory, Shelf, Transfer,
    checkpoint::{Audit, ConsumerLimits},
};
use grail_wallet::signer::Signer;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// What a program says that was built without the feature `subnets`.
#[cfg(not(feature = "subnets"))]
pub(crate) const NO_SUBNETS: &str = "this build of the program knows development networks alone: name one with --devnet DIR, or build it with all its features";
/// Most bytes of a data set.
pub const DATASET_BYTES: u64 = 256 << 20;
/// Where a development network keeps its GSM8K rows.
pub const GSM8K_FILE: &str = "datasets/gsm8k.jsonl";
/// The environments that a network can ask, as operators type them; [`environment`] makes them.
pub const ENVIRONMENTS: [&str; 6] = ["sat", "gsm8k", "arith-1", "arith-2", "arith-3", "arith-4"];

/// A network, joined.
pub struct Joined {
    /// Chain, randomness, constants.
    pub sources: Sources,
    /// The chain, read.
    pub chain: Arc<dyn ChainView>,
    /// The chain, written to as our hotkey.
    pub writer: Arc<dyn ChainWrite>,
    /// Our own shelf, where windows and verdicts are uploaded; a validator may do without.
    pub shelf: Option<Arc<dyn WindowShelf>>,
    /// Where others' windows are found.
    pub directory: Arc<dyn ShelfDirectory>,
    /// Where checkpoints are published.
    pub checkpoints: Arc<dyn CheckpointShelf>,
    /// Whose checkpoints are followed; without one the first model stays.
    pub trainer: Option<Hotkey>,
    /// The machine's clock.
    pub clock: Arc<SystemClock>,
    /// The checkpoint's manifest.
    pub manifest: Manifest,
    /// Environments at hand.
    pub environments: Environments,
    /// What to type to register, for people.
    pub how_to_register: String,
    /// What the chain should say of where our shelf is, in the 128 bytes of the commitment; `None` where nothing is to be said.
    pub commitment: Option<Vec<u8>>,
    /// Who we are, and how we sign.
    pub signer: Arc<dyn Sign>,
}

impl Joined {
    /// Our number on the subnet.
    ///
    /// Errors: not registered, with the command that registers.
    pub async fn registered(&self) -> anyhow::Result<Uid> {
        let hotkey = self.signer.hotkey();
        let metagraph = self.chain.metagraph().await?;
        let neuron = metagraph.find(&hotkey).with_context(|| {
            format!(
                "hotkey {hotkey} is not registered on {}; register it: {}",
                self.sources.network.id, self.how_to_register
            )
        })?;
        Ok(neuron.uid)
    }

    /// Publishes where our shelf is, if the chain does not say it already.
    ///
    /// `Ok(true)`: it was published now. Errors: the chain is out of reach, or refuses.
    pub async fn publish(&self) -> anyhow::Result<bool> {
        Ok(self.publisher().publish().await?)
    }

    /// What publishes where our shelf is, for work beside the role's own.
    pub fn publisher(&self) -> CommitmentPublisher {
        CommitmentPublisher {
            chain: Arc::clone(&self.chain),
            writer: Arc::clone(&self.writer),
            commitment: self.commitment.clone(),
        }
    }

    /// Our own shelf.
    ///
    /// Errors: there is none.
    pub fn own_shelf(&self) -> anyhow::Result<Arc<dyn WindowShelf>> {
        self.shelf.clone().context("no bucket is set; `grail setup` asks for one, `grail doctor` tries it")
    }
}

/// Publishes where a shelf is.
#[derive(Clone)]
pub struct CommitmentPublisher {
    chain: Arc<dyn ChainView>,
    writer: Arc<dyn ChainWrite>,
    commitment: Option<Vec<u8>>,
}

impl std::fmt::Debug for CommitmentPublisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CommitmentPublisher").field("hotkey", &self.writer.hotkey()).finish_non_exhaustive()
    }
}

impl CommitmentPublisher {
    /// As [`Joined::publish`]. Errors: the chain is out of reach, refuses, or asks to wait, which passes.
    pub async fn publish(&self) -> Result<bool, Fault> {
        let Some(ours) = &self.commitment else { return Ok(false) };
        let theirs = self.chain.commitment(&self.writer.hotkey()).await?;
        if theirs.as_ref() == Some(ours) {
            return Ok(false);
        }
        match self.writer.commit(ours).await? {
            Inclusion::Included { block } => {
                tracing::info!(target: "grail::chain", %block, "published the read credentials");
                Ok(true)
            }
            Inclusion::TooSoon { not_before } => {
                let doing = format!(
                    "the chain takes no commitment of ours before block {not_before}; the read credentials wait until then"
                );
                Err(Fault::plain(Door::Chain, Retry::Later, doing))
            }
        }
    }
}

impl std::fmt::Debug for Joined {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Joined")
            .field("network", &self.sources.network.id)
            .field("hotkey", &self.signer.hotkey())
            .finish_non_exhaustive()
    }
}

/// A network, looked at without taking part.
pub struct View {
    /// Chain, randomness, constants.
    pub sources: Sources,
    /// The manifest of the model that a development network started with; a subnet's lies in the model's folder.
    pub first: Option<Manifest>,
    /// Whose checkpoints are followed; `None` where nothing names a trainer.
    pub trainer: Option<Hotkey>,
    /// Environments at hand.
    pub environments: Environments,
    /// Whose windows and verdicts lie where.
    pub directory: Arc<dyn ShelfDirectory>,
    /// The trainer's checkpoints, where there is one.
    pub checkpoints: Option<Arc<dyn CheckpointShelf>>,
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View")
            .field("sources", &self.sources)
            .field("trainer", &self.trainer)
            .finish_non_exhaustive()
    }
}

impl View {
    /// The manifest of a model's folder: its own, signed by the network's trainer, where one lies in it, as in the folders
    /// that roles follow checkpoints into; an unsigned one on a subnet; else that of the model which the network started
    /// with.
    ///
    /// Errors: a manifest that somebody else signed, or none at all.
    pub fn manifest_of(&self, model: &Path) -> anyhow::Result<Manifest> {
        let path = model.join(MANIFEST_FILE);
        let params = &self.sources.network.params;
        let bytes = grail_fs::read(&path, MANIFEST_BYTES)?;
        let first = || {
            self.first.clone().with_context(|| {
                format!(
                    "there is no {} signed by a known trainer; `grail join` fetches model and manifest, --trainer names \
                     whose it is",
                    path.display()
                )
            })
        };
        let Some(bytes) = bytes else { return first() };
        // A subnet's first model carries no signature; a development network's first manifest lies in its own folder.
        let unsigned = self.first.is_none()
            && Manifest::from_json(&bytes, params).is_ok_and(|manifest| manifest.publication.is_none());
        let trust = match &self.trainer {
            _ if unsigned => Trust::Genesis,
            Some(trainer) => Trust::Trainer(trainer),
            None => return first(),
        };
        verify_manifest(&bytes, params, trust, None).with_context(|| format!("read {}", path.display()))
    }

    /// The manifest of the checkpoint that answers a window, as the trainer's shelf has it; where none lies there, that
    /// of the model which the network started with.
    ///
    /// Errors: nobody is the trainer; its shelf is out of reach; none was published and no first one is known.
    pub async fn manifest_at(&self, window: WindowStart) -> anyhow::Result<Manifest> {
        if let (Some(trainer), Some(shelf)) = (self.trainer, &self.checkpoints) {
            let params = self.sources.network.params;
            let first = self.sources.chain.block(params.first_block(window)).await?;
            let first = first.with_context(|| format!("window {window} has not begun"))?;
            let genesis = self.first.as_ref().map(Manifest::id);
            let audit =
                Audit::of(Arc::clone(shelf), trainer, params, ConsumerLimits::default(), genesis).await?;
            let moment = Moment::of(&params, window, first.time);
            let places: Vec<WindowStart> = audit.inventory().ready_for(moment).collect();
            for place in places {
                let looked = audit.look(CheckpointPlace::Window(place)).await?;
                if let (Some(manifest), true) = (looked.manifest, looked.problems.is_empty()) {
                    return Ok(manifest);
                }
            }
        }
        self.first.clone().with_context(|| {
            format!(
                "no checkpoint for window {window} lies on a known trainer's shelf; name the folder of the model with --model"
            )
        })
    }
}

/// Opens a network to look at it; needs no key, no bucket and no model.
///
/// Errors: the settings, or the chain is out of reach.
pub async fn look(networks: &dyn Networks, config: &Config, no_drand: bool) -> anyhow::Result<View> {
    match config.path(&table::DEVNET) {
        Some(devnet) => look_local(networks, &devnet, no_drand),
        #[cfg(feature = "subnets")]
        None => crate::subnet::look(config, no_drand).await,
        #[cfg(not(feature = "subnets"))]
        None => bail!("{NO_SUBNETS}"),
    }
}

/// Opens a development network to look at it.
///
/// Errors: there is none in that folder, or its first manifest is gone.
pub fn look_local(networks: &dyn Networks, devnet: &Path, no_drand: bool) -> anyhow::Result<View> {
    let net = networks.local(devnet)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let chain = net.chain(clock.clone())?;
    let seeding = net.facts().params.seeding;
    let shelf = Shelf::folder(net.shelf(), Transfer::default())?;
    Ok(View {
        sources: sources(net.as_ref(), chain, clock, no_drand || seeding == Seeding::BlockHash)?,
        first: Some(read_manifest(net.dir(), &net.facts().params)?),
        trainer: net.facts().trainer,
        environments: environments(net.dir())?,
        directory: Arc::new(FolderDirectory::new(shelf.clone())),
        checkpoints: Some(Arc::new(shelf)),
    })
}

fn sources(
    net: &dyn LocalNetwork,
    chain: Arc<dyn ChainView>,
    clock: Arc<dyn Clock>,
    by_block_hash: bool,
) -> anyhow::Result<Sources> {
    let randomness =
        if by_block_hash { Randomness::BlockHashOnly } else { Randomness::Beacon(net.beacon(clock)?) };
    let network = Network { id: net.facts().id.clone(), params: net.facts().params };
    Ok(Sources::new(network, chain, randomness)?)
}

/// Whether block hashes alone seed the windows of a network, where an operator asks for that or does not.
///
/// Errors: the network states a beacon. Files of windows that are seeded otherwise are refused by everybody else.
pub fn by_block_hash(params: &Params, asked: bool) -> anyhow::Result<bool> {
    match (params.seeding, asked) {
        (Seeding::BlockHash, _) => Ok(true),
        (Seeding::Beacon | Seeding::Unsaid, false) => Ok(false),
        (Seeding::Beacon, true) => bail!(
            "the parameters of this network say that its beacon seeds windows, so everybody else would refuse what \
             --no-drand makes; leave it out, or make a network with `grail devnet init --no-drand`"
        ),
        (Seeding::Unsaid, true) => {
            tracing::warn!(
                target: "grail::network",
                "the parameters of this network do not say what seeds its windows: --no-drand works where everybody is \
                 started with it"
            );
            Ok(true)
        }
    }
}

/// A network whose settings were read, before anything is asked of it.
pub struct PreparedNetwork<'a> {
    told: &'a Told,
    way: Way,
}

enum Way {
    Local(Box<dyn LocalNetwork>),
    #[cfg(feature = "subnets")]
    Subnet(Box<crate::subnet::Own>),
}

impl std::fmt::Debug for PreparedNetwork<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PreparedNetwork").finish_non_exhaustive()
    }
}

/// Reads all that a role says of itself: settings, wallet, manifest, data. A password is asked for here, once.
///
/// Errors: each names the file or value, and what to do about it.
pub fn prepare<'a>(networks: &dyn Networks, told: &'a Told) -> anyhow::Result<PreparedNetwork<'a>> {
    let way = match told.config.path(&table::DEVNET) {
        Some(devnet) => Way::Local(networks.local(&devnet)?),
        #[cfg(feature = "subnets")]
        None => Way::Subnet(Box::new(crate::subnet::Own::read(told)?)),
        #[cfg(not(feature = "subnets"))]
        None => bail!("{NO_SUBNETS}"),
    };
    Ok(PreparedNetwork { told, way })
}

impl PreparedNetwork<'_> {
    /// Opens everything that a role needs but the model: of a development network where one is named, else of a subnet.
    ///
    /// May be called again after a failure. Errors: the network is out of reach, which may pass, or is not as the
    /// settings say.
    pub async fn join(&self) -> anyhow::Result<Joined> {
        match &self.way {
            Way::Local(net) => join_local(net.as_ref(), self.told),
            #[cfg(feature = "subnets")]
            Way::Subnet(own) => crate::subnet::open(own, self.told).await,
        }
    }
}

/// [`prepare`] and [`PreparedNetwork::join`] in one.
pub async fn join(networks: &dyn Networks, told: &Told) -> anyhow::Result<Joined> {
    match told.config.path(&table::DEVNET) {
        Some(devnet) => join_local(networks.local(&devnet)?.as_ref(), told),
        #[cfg(feature = "subnets")]
        None => crate::subnet::join(told).await,
        #[cfg(not(feature = "subnets"))]
        None => bail!("{NO_SUBNETS}"),
    }
}

fn join_local(net: &dyn LocalNetwork, told: &Told) -> anyhow::Result<Joined> {
    let key = told
        .config
        .text(&table::KEY)
        .context("as whom? name a hotkey of the network's `keys` folder with --key or GRAIL_KEY")?;
    let pair = net.key(key)?;
    let clock = Arc::new(SystemClock);
    let door: Arc<dyn Clock> = clock.clone();
    let chain = net.chain(door.clone())?;
    let shelf = Shelf::folder(net.shelf(), Transfer::default())?;
    Ok(Joined {
        sources: sources(
            net,
            chain.clone(),
            door.clone(),
            by_block_hash(&net.facts().params, told.no_drand)?,
        )?,
        writer: net.writer(door, pair.hotkey())?,
        chain,
        directory: Arc::new(FolderDirectory::new(shelf.clone())),
        shelf: Some(Arc::new(shelf.clone())),
        checkpoints: Arc::new(shelf),
        trainer: net.facts().trainer,
        clock,
        manifest: read_manifest(net.dir(), &net.facts().params)?,
        environments: environments(net.dir())?,
        how_to_register: "name it with --miners when the network is made by `grail devnet init`".to_owned(),
        commitment: None,
        signer: Arc::new(Signer::Pair(pair)),
    })
}

/// The manifest that a development network was made with.
pub fn read_manifest(net: &Path, params: &Params) -> anyhow::Result<Manifest> {
    let path = net.join(MANIFEST_FILE);
    let bytes = grail_fs::read(&path, MANIFEST_BYTES)?.with_context(|| {
        format!("there is no {}; was the network made by `grail devnet init`?", path.display())
    })?;
    Manifest::from_json(&bytes, params).with_context(|| format!("read {}", path.display()))
}

/// The manifest that lies beside the model which a subnet starts with, as bytes, with its path.
///
/// Errors: there is none.
pub(crate) fn first_manifest_bytes(model: &Path) -> anyhow::Result<(PathBuf, Vec<u8>)> {
    let path = model.join(MANIFEST_FILE);
    let bytes = grail_fs::read(&path, MANIFEST_BYTES)?.with_context(|| {
        format!(
            "there is no {}; `grail join` fetches the newest checkpoint with its manifest, `grail checkpoint \
             describe` makes that of a network's first model",
            path.display()
        )
    })?;
    Ok((path, bytes))
}

/// The same, read. Whose it is is asked where a network is joined.
pub(crate) fn first_manifest(model: &Path, params: &Params) -> anyhow::Result<Manifest> {
    let (path, bytes) = first_manifest_bytes(model)?;
    Manifest::from_json(&bytes, params).with_context(|| format!("read {}", path.display()))
}

/// `sat`, every level of `arith`, and `gsm8k` where the folder holds its rows.
pub(crate) fn environments(dir: &Path) -> anyhow::Result<Environments> {
    let mut list = vec![Environment::Sat];
    list.extend(Arith::all()?.into_iter().map(Environment::Arith));
    let path = dir.join(GSM8K_FILE);
    if let Some(bytes) = grail_fs::read(&path, DATASET_BYTES)? {
        list.push(gsm8k(&bytes).with_context(|| format!("read {}", path.display()))?);
    }
    Ok(Environments::new(list)?)
}

/// The environment that an operator calls `name`; `rows` are those of GSM8K (jsonl as published), for `gsm8k` alone.
///
/// Errors: a name that is not in [`ENVIRONMENTS`]; `gsm8k` without rows or with rows that are none.
pub fn environment(name: &str, rows: Option<&[u8]>) -> anyhow::Result<Environment> {
    match (name, rows) {
        ("sat", _) => Ok(Environment::Sat),
        ("gsm8k", Some(rows)) => gsm8k(rows).context("read the GSM8K rows"),
        ("gsm8k", None) => bail!("gsm8k needs its rows"),
        ("arith-1", _) => arith(1),
        ("arith-2", _) => arith(2),
        ("arith-3", _) => arith(3),
        ("arith-4", _) => arith(4),
        _ => bail!("there is no environment {name:?}; there are {}", ENVIRONMENTS.join(", ")),
    }
}

fn arith(level: u8) -> anyhow::Result<Environment> {
    Ok(Environment::Arith(Arith::new(level)?))
}

/// The environment of GSM8K rows (jsonl as published).
fn gsm8k(jsonl: &[u8]) -> anyhow::Result<Environment> {
    let rows = JsonlRows::read(jsonl)?;
    Ok(Environment::Gsm8k(Gsm8k::new(Arc::new(rows))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: &[u8] = b"{\"question\": \"How many?\", \"answer\": \"#### 1\"}";

    fn id(name: &str) -> String {
        environment(name, Some(ROW)).unwrap().id().unwrap().to_string()
    }

    #[test]
    fn every_name_is_an_environment_of_its_own_and_another_is_refused_with_the_list() {
        let ids: Vec<_> = ENVIRONMENTS.into_iter().map(id).collect();
        assert_eq!([&ids[0], &ids[2], &ids[5]], ["sat/1", "arith/1:1", "arith/1:4"]);
        assert!(ids[1].starts_with("gsm8k/1:"), "{ids:?}");
        for name in ["", "arith", "arith-0", "arith-5", "arith-01", "SAT", "chess"] {
            let error = environment(name, Some(ROW)).unwrap_err().to_string();
            assert!(error.contains(&format!("{name:?}")) && error.contains("arith-3, arith-4"), "{error}");
        }
        assert!(environment("gsm8k", None).unwrap_err().to_string().contains("rows"));
        assert!(environment("gsm8k", Some(b"{}")).is_err());
    }

    #[test]
    fn a_network_folder_holds_every_environment_but_gsm8k_until_its_rows_are_there() {
        let dir = tempfile::tempdir().unwrap();
        let held = || environments(dir.path()).unwrap().ids();
        let expected = |names: &[&str]| {
            let mut ids: Vec<_> = names.iter().map(|name| id(name).parse().unwrap()).collect();
            ids.sort();
            ids
        };
        assert_eq!(held(), expected(&["sat", "arith-1", "arith-2", "arith-3", "arith-4"]));
        grail_fs::write(&dir.path().join(GSM8K_FILE), ROW).unwrap();
        assert_eq!(held(), expected(&ENVIRONMENTS));
    }
}

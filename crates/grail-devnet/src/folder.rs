use crate::{
    DevBeacon, DevChain, DevNetwork, DevnetError,
    bls::BeaconKey,
    chain::Registration,
    files,
    keys::{self, KeyError},
    network::development_profile,
};
use grail_fs::Readers;
use grail_ports::clock::Clock;
use grail_protocol::{
    hash::digest,
    params::Params,
    sign::HotkeyPair,
    words::{Hotkey, NetworkId, UnixMillis},
};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};
use zeroize::Zeroizing;

const NETWORK: &str = "network.json";
const CHAIN: &str = "chain.sqlite";
const BEACON_KEY: &str = "beacon.key";
const KEYS: &str = "keys";
const SHELF: &str = "shelf";

/// A participant to register at genesis.
#[derive(Debug, Clone, PartialEq)]
pub struct Founder {
    /// Name of its key file, 1 to 32 characters of `a-z`, `0-9` and `-`.
    pub name: String,
    /// Stake in whole tokens.
    pub stake: f64,
    /// Whether it may set weights.
    pub validator_permit: bool,
}

/// How to make a network.
#[derive(Debug, Clone)]
pub struct DevnetOptions {
    /// Constants: [`grail_protocol::params::DEV`] or [`grail_protocol::params::DEV_FAST`].
    pub params: Params,
    /// Time of block 0 and of beacon round 1.
    pub genesis: UnixMillis,
    /// Who is registered from the start, in the order of their uids.
    pub founders: Vec<Founder>,
    /// Name of the key whose checkpoints everyone follows; a founder's, or one that is made and not registered.
    pub trainer: Option<String>,
}

/// The folder of a development network.
///
/// ```text
/// network.json       what everyone agrees on
/// chain.sqlite       the chain
/// beacon.key         seed of the beacon's key, 32 bytes, mode 600
/// keys/{name}.json   hotkeys, mode 600
/// shelf/             the object store
/// ```
///
/// Whoever reads the folder holds every secret of the network, the beacon's future included. That is the point of a
/// rehearsal, and why its network id and profile can never pass for a real one's.
#[derive(Debug, Clone)]
pub struct Devnet {
    dir: PathBuf,
    network: DevNetwork,
}

/// Makes a network in `dir`, which must not exist or be empty.
///
/// It is made beside the place and moved there whole, so a failure or a kill leaves no half-made network.
/// Errors: the place is taken, a name is unusable, the disk refuses.
pub fn init(dir: &Path, options: &DevnetOptions) -> Result<Devnet, DevnetError> {
    development_profile(options.params.profile)?;
    for name in options.founders.iter().map(|founder| &founder.name).chain(&options.trainer) {
        check_name(dir, name)?;
    }
    let taken = match fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(source) => return Err(file("read", dir)(source)),
    };
    if taken {
        return Err(DevnetError::Occupied { path: dir.to_owned() });
    }

    let mut salt = [0; 4];
    getrandom::fill(&mut salt).map_err(DevnetError::Entropy)?;
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    name.push(format!(".new-{}", hex::encode(salt)));
    let draft = dir.with_file_name(name);
    let made = furnish(&draft, options).and_then(|network| {
        // An empty folder is replaced; one that filled up in the meantime is not.
        fs::rename(&draft, dir).map_err(|source| match source.kind() {
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists => {
                DevnetError::Occupied { path: dir.to_owned() }
            }
            _ => file("make", dir)(source),
        })?;
        Ok(Devnet { dir: dir.to_owned(), network })
    });
    if made.is_err() && draft.exists() {
        // The draft holds nothing that anybody needs; its removal must not hide why it failed.
        let _ = fs::remove_dir_all(&draft);
    }
    made
}

/// Opens a network that [`init`] made.
pub fn open(dir: &Path) -> Result<Devnet, DevnetError> {
    let path = dir.join(NETWORK);
    if !path.exists() {
        return Err(DevnetError::NoNetwork { path: dir.to_owned() });
    }
    Ok(Devnet { dir: dir.to_owned(), network: DevNetwork::read(&path)? })
}

fn furnish(dir: &Path, options: &DevnetOptions) -> Result<DevNetwork, DevnetError> {
    for folder in [dir.to_owned(), dir.join(KEYS), dir.join(SHELF)] {
        fs::create_dir_all(&folder).map_err(file("make", &folder))?;
    }
    let beacon_seed = fresh_seed()?;
    let beacon = BeaconKey::from_seed(&beacon_seed).chain(options.genesis, beacon_period(&options.params));
    files::write_new(&dir.join(BEACON_KEY), beacon_seed.as_ref(), Readers::Owner)?;

    let tag = digest("grail/dev network", &[beacon.hash.as_bytes(), options.params.profile.as_bytes()]);
    let name = format!("dev-{}", hex::encode(tag.get(..4).unwrap_or_default()));
    let id =
        NetworkId::new(name).map_err(|_| DevnetError::Profile { profile: options.params.profile.into() })?;
    let mut registrations = Vec::new();
    let mut trainer = None;
    for founder in &options.founders {
        let seed = fresh_seed()?;
        let hotkey = keys::write_key(&key_file(dir, &founder.name), &founder.name, &seed)?;
        if options.trainer.as_ref() == Some(&founder.name) {
            trainer = Some(hotkey);
        }
        registrations.push(Registration {
            hotkey,
            stake: founder.stake,
            validator_permit: founder.validator_permit,
        });
    }
    if let (Some(name), None) = (&options.trainer, trainer) {
        trainer = Some(keys::write_key(&key_file(dir, name), name, &*fresh_seed()?)?);
    }
    let network = DevNetwork {
        id,
        params: options.params,
        genesis: options.genesis,
        // A quarter of a window: a validator may correct itself, and cannot flood the chain.
        weights_rate_limit: (options.params.window_length / 4).max(1),
        beacon,
        trainer,
    };
    network.write(&dir.join(NETWORK))?;
    DevChain::create(&dir.join(CHAIN), &network, &registrations)?;
    Ok(network)
}

/// The beacon keeps pace with the blocks: one round a block.
const fn beacon_period(params: &Params) -> u64 {
    params.block_time_ms
}

fn fresh_seed() -> Result<Zeroizing<[u8; 32]>, DevnetError> {
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut()).map_err(DevnetError::Entropy)?;
    Ok(seed)
}

fn key_file(dir: &Path, name: &str) -> PathBuf {
    dir.join(KEYS).join(format!("{name}.json"))
}

fn check_name(dir: &Path, name: &str) -> Result<(), DevnetError> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if (1..=32).contains(&name.len()) && name.chars().all(allowed) {
        Ok(())
    } else {
        Err(DevnetError::File {
            doing: "name a key",
            path: key_file(dir, name),
            source: io::Error::new(
                io::ErrorKind::InvalidInput,
                "a name has 1 to 32 characters of a-z, 0-9 and -",
            ),
        })
    }
}

fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DevnetError {
    let path = path.to_owned();
    move |source| DevnetError::File { doing, path, source }
}

impl Devnet {
    /// What everyone agrees on.
    pub const fn network(&self) -> &DevNetwork {
        &self.network
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The object store of everyone.
    pub fn shelf(&self) -> PathBuf {
        self.dir.join(SHELF)
    }

    /// Where the key of that name is kept.
    pub fn key_path(&self, name: &str) -> PathBuf {
        key_file(&self.dir, name)
    }

    /// The key of that name.
    pub fn key(&self, name: &str) -> Result<HotkeyPair, KeyError> {
        keys::load_key(&self.key_path(name))
    }

    /// Makes and keeps a key without registering it. Errors: the name is unusable or taken.
    pub fn new_key(&self, name: &str) -> Result<Hotkey, DevnetError> {
        check_name(&self.dir, name)?;
        keys::write_key(&self.key_path(name), name, &*fresh_seed()?)
    }

    /// The chain, whose newest block is `clock`'s.
    pub fn chain(&self, clock: Arc<dyn Clock>) -> Result<DevChain, DevnetError> {
        DevChain::open(&self.dir.join(CHAIN), &self.network, clock)
    }

    /// The beacon, whose newest round is `clock`'s. Errors: its key is gone or another network's.
    pub fn beacon(&self, clock: Arc<dyn Clock>) -> Result<DevBeacon, DevnetError> {
        let path = self.dir.join(BEACON_KEY);
        let bytes = Zeroizing::new(files::read_bounded(&path, 32)?);
        let foreign = |reason| DevnetError::Beacon { path: path.clone(), reason };
        let seed: Zeroizing<[u8; 32]> = Zeroizing::new(
            bytes.as_slice().try_into().map_err(|_| foreign("the key has less than 32 bytes"))?,
        );
        let chain = &self.network.beacon;
        let key = BeaconKey::from_seed(&seed);
        if key.chain(chain.genesis, chain.period_ms) != *chain {
            return Err(foreign("network.json names another key"));
        }
        Ok(DevBeacon::new(key, chain.genesis, chain.period_ms, clock))
    }
}

use crate::{DevnetError, files};
use grail_fs::Readers;
use grail_protocol::{
    beacon::BeaconChain,
    params::Params,
    policy::{Seeding, WeightPolicy},
    words::{Hotkey, NetworkId, UnixMillis},
};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Version of `network.json` that this program writes and reads.
const VERSION: u32 = 1;
const MOST_BYTES: u64 = 64 << 10;

/// What every participant of a development network agrees on: the content of `network.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct DevNetwork {
    /// Its name, made at genesis: `dev-` and eight hexadecimal digits.
    pub id: NetworkId,
    /// Its constants: the profile `dev` or `dev-fast`.
    pub params: Params,
    /// Time of block 0.
    pub genesis: UnixMillis,
    /// Blocks between two weight rows of one validator, and between registration and the first.
    pub weights_rate_limit: u64,
    /// Its beacon.
    pub beacon: BeaconChain,
    /// Whose checkpoints everyone follows; without one the first model stays.
    pub trainer: Option<Hotkey>,
}

/// The file as it stands; the profile by name, since its numbers are not configuration.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NetworkFile {
    version: u32,
    network: NetworkId,
    profile: String,
    genesis_ms: UnixMillis,
    weights_rate_limit: u64,
    beacon: BeaconChain,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trainer: Option<Hotkey>,
    /// How weights are made; absent in files of older programs, and where it is as everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weights: Option<WeightPolicy>,
    /// What seeds windows; absent in files of older programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seeding: Option<Seeding>,
}

impl DevNetwork {
    /// Reads `network.json`. Errors: missing, damaged, another version, a profile that no development network has.
    pub(crate) fn read(path: &Path) -> Result<Self, DevnetError> {
        let bytes = files::read_bounded(path, MOST_BYTES)?;
        let damaged = |source| DevnetError::Damaged { path: path.to_owned(), source };
        let file: NetworkFile = serde_json::from_slice(&bytes).map_err(damaged)?;
        if file.version != VERSION {
            return Err(DevnetError::Version {
                path: path.to_owned(),
                found: file.version,
                expected: VERSION,
            });
        }
        if file.beacon.period_ms == 0 {
            return Err(DevnetError::Beacon {
                path: path.to_owned(),
                reason: "its rounds are zero milliseconds apart",
            });
        }
        Ok(Self {
            params: Params {
                weights: file.weights.unwrap_or_default(),
                seeding: file.seeding.unwrap_or_default(),
                ..development_profile(&file.profile)?
            },
            id: file.network,
            genesis: file.genesis_ms,
            weights_rate_limit: file.weights_rate_limit,
            beacon: file.beacon,
            trainer: file.trainer,
        })
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), DevnetError> {
        let file = NetworkFile {
            version: VERSION,
            network: self.id.clone(),
            profile: self.params.profile.to_owned(),
            genesis_ms: self.genesis,
            weights_rate_limit: self.weights_rate_limit,
            beacon: self.beacon.clone(),
            trainer: self.trainer,
            weights: Some(self.params.weights).filter(|weights| *weights != WeightPolicy::DEFAULT),
            seeding: Some(self.params.seeding).filter(|seeding| *seeding != Seeding::Unsaid),
        };
        let damaged = |source| DevnetError::Damaged { path: path.to_owned(), source };
        let mut text = serde_json::to_string_pretty(&file).map_err(damaged)?;
        text.push('\n');
        files::write_new(path, text.as_bytes(), Readers::Everyone)
    }
}

/// The constants of a profile that a development network may have. `main` is refused: its files must never come
/// from a rehearsal.
pub(crate) fn development_profile(name: &str) -> Result<Params, DevnetError> {
    match Params::by_name(name) {
        Some(params) if params.profile != grail_protocol::params::MAIN.profile => Ok(params),
        _ => Err(DevnetError::Profile { profile: name.to_owned() }),
    }
}

//! Hotkey files of a development network: JSON with the seed in plain hexadecimal, readable by their owner alone.
//!
//! ```json
//! { "name": "miner", "hotkey": "5Grw…", "seed": "64 hexadecimal digits" }
//! ```
//!
//! These are keys of rehearsals. A wallet on a real network is kept by the wallet's own format.

use grail_fs::Readers;
use grail_protocol::{
    sign::HotkeyPair,
    words::{Hotkey, HotkeyError},
};
use serde::{Deserialize, Serialize};
use std::{
    io,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

use crate::{DevnetError, files};

/// Most bytes of a key file.
const MOST_BYTES: u64 = 4_096;

/// Why a key file gives no key. Nothing of the secret is in any message.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// There is no such file.
    #[error("there is no key file {}", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// It cannot be read.
    #[error("cannot read the key file {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is not the JSON described in [this module](self).
    #[error(
        "the key file {} is not of the form {{\"name\", \"hotkey\", \"seed\"}} (line {line}, column {column})",
        path.display()
    )]
    Form {
        /// The file.
        path: PathBuf,
        /// Line of the first mistake.
        line: usize,
        /// Column of the first mistake.
        column: usize,
    },
    /// The seed is not 64 hexadecimal digits.
    #[error("the seed in {} has {got} characters, expected are 64 hexadecimal digits", path.display())]
    Seed {
        /// The file.
        path: PathBuf,
        /// Characters found.
        got: usize,
    },
    /// The address is not SS58.
    #[error("the hotkey in {} is not an address", path.display())]
    Address {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: HotkeyError,
    },
    /// Seed and address are of two keys.
    #[error("{} says hotkey {stated}, but its seed makes {derived}", path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// Address in the file.
        stated: Hotkey,
        /// Address of the seed.
        derived: Hotkey,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    name: String,
    hotkey: String,
    seed: Zeroizing<String>,
}

/// Reads a hotkey. Warns when others may read the file too.
pub fn load_key(path: &Path) -> Result<HotkeyPair, KeyError> {
    let bytes = match files::read_bounded(path, MOST_BYTES) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(DevnetError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Err(KeyError::Missing { path: path.to_owned() });
        }
        Err(DevnetError::File { source, .. }) => {
            return Err(KeyError::Unreadable { path: path.to_owned(), source });
        }
        Err(other) => {
            return Err(KeyError::Unreadable { path: path.to_owned(), source: io::Error::other(other) });
        }
    };
    if let Some(mode) = open_to_others(path) {
        tracing::warn!(path = %path.display(), mode = %format_args!("{mode:o}"),
            "others on this machine may read this key; run `chmod 600` on it");
    }
    // serde's own message would quote the text, and the text holds the seed.
    let file: KeyFile = serde_json::from_slice(&bytes).map_err(|error| KeyError::Form {
        path: path.to_owned(),
        line: error.line(),
        column: error.column(),
    })?;
    let wrong_seed = || KeyError::Seed { path: path.to_owned(), got: file.seed.chars().count() };
    let mut seed = Zeroizing::new([0; 32]);
    hex::decode_to_slice(file.seed.as_str(), seed.as_mut()).map_err(|_| wrong_seed())?;
    let pair = HotkeyPair::from_seed(&seed).ok_or_else(wrong_seed)?;
    let stated: Hotkey =
        file.hotkey.parse().map_err(|source| KeyError::Address { path: path.to_owned(), source })?;
    if stated != pair.hotkey() {
        return Err(KeyError::Mismatch { path: path.to_owned(), stated, derived: pair.hotkey() });
    }
    Ok(pair)
}

/// The permission bits, where they let anyone but the owner in.
#[cfg(unix)]
fn open_to_others(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = path.metadata().ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

#[cfg(not(unix))]
fn open_to_others(_: &Path) -> Option<u32> {
    None
}

/// Writes a new key file with mode 600. Errors: the file exists, or cannot be written.
pub(crate) fn write_key(path: &Path, name: &str, seed: &[u8; 32]) -> Result<Hotkey, DevnetError> {
    let seed_text = Zeroizing::new(hex::encode(seed));
    let pair =
        HotkeyPair::from_seed(seed).ok_or_else(|| KeyError::Seed { path: path.to_owned(), got: 64 })?;
    let hotkey = pair.hotkey();
    let file = KeyFile { name: name.to_owned(), hotkey: hotkey.to_ss58(), seed: seed_text };
    let text = serde_json::to_string_pretty(&file)
        .map(Zeroizing::new)
        .map_err(|source| DevnetError::Damaged { path: path.to_owned(), source })?;
    files::write_new(path, text.as_bytes(), Readers::Owner)?;
    Ok(hotkey)
}

#[cfg(test)]
mod tests;

//! Where objects lie in a bucket.

use grail_protocol::words::{EnvId, Hotkey, WindowStart};
use std::fmt;

/// Encodings of a window file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WindowEncoding {
    /// The canonical one.
    Parquet,
    /// The same record as JSON, for networks that choose it.
    Json,
}

impl WindowEncoding {
    /// File name extension, without the dot.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Json => "json",
        }
    }
}

/// Key of a window file: `windows/{hotkey ss58}-window-{window}.{extension}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowKey {
    /// The miner that signs the file, SS58 in the key.
    pub hotkey: Hotkey,
    /// The window that it answers.
    pub window: WindowStart,
    /// Its encoding, which the extension names.
    pub encoding: WindowEncoding,
}

impl fmt::Display for WindowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "windows/{}-window-{}.{}", self.hotkey, self.window, self.encoding.extension())
    }
}

/// Key of a validator's verdicts on a window: `verdicts/{hotkey ss58}-window-{window}.json`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VerdictKey {
    /// The validator that signs the verdicts, SS58 in the key.
    pub validator: Hotkey,
    /// The window that was judged.
    pub window: WindowStart,
}

impl fmt::Display for VerdictKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "verdicts/{}-window-{}.json", self.validator, self.window)
    }
}

/// Key of the rows that an environment asks, on the trainer's shelf: `datasets/{name}-{digest}.jsonl`.
///
/// The environment's id holds a digest of the rows, so whoever fetches them knows whether they are the right ones.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DatasetKey {
    trainer: Hotkey,
    name: String,
    digest: String,
}

impl DatasetKey {
    /// The rows of an environment on a trainer's shelf; `None` for an environment that draws its problems from nothing.
    ///
    /// Ids of environments with rows are a name, a version, and 32 hexadecimal digits: `gsm8k/1:{digest}`.
    pub fn of(trainer: Hotkey, env: &EnvId) -> Option<Self> {
        let (versioned, digest) = env.as_str().split_once(':')?;
        let (name, _) = versioned.split_once('/')?;
        let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        (plain && digest.len() == 32 && digest.chars().all(hex)).then(|| Self {
            trainer,
            name: name.to_owned(),
            digest: digest.to_owned(),
        })
    }
}

impl fmt::Display for DatasetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "datasets/{}-{}.jsonl", self.name, self.digest)
    }
}

/// Key of anything that a participant publishes beside checkpoints.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ShelfKey {
    /// A miner's rollouts.
    Window(WindowKey),
    /// A validator's verdicts.
    Verdict(VerdictKey),
    /// The rows of an environment, by its trainer.
    Dataset(DatasetKey),
}

impl ShelfKey {
    /// The hotkey on whose shelf it lies.
    pub const fn owner(&self) -> &Hotkey {
        match self {
            Self::Window(key) => &key.hotkey,
            Self::Verdict(key) => &key.validator,
            Self::Dataset(key) => &key.trainer,
        }
    }
}

impl fmt::Display for ShelfKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Window(key) => key.fmt(f),
            Self::Verdict(key) => key.fmt(f),
            Self::Dataset(key) => key.fmt(f),
        }
    }
}

impl From<WindowKey> for ShelfKey {
    fn from(key: WindowKey) -> Self {
        Self::Window(key)
    }
}

impl From<VerdictKey> for ShelfKey {
    fn from(key: VerdictKey) -> Self {
        Self::Verdict(key)
    }
}

impl From<DatasetKey> for ShelfKey {
    fn from(key: DatasetKey) -> Self {
        Self::Dataset(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_as_the_book_says() {
        let key = WindowKey {
            hotkey: "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY".parse().unwrap(),
            window: WindowStart(71_950),
            encoding: WindowEncoding::Parquet,
        };
        assert_eq!(
            key.to_string(),
            "windows/5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY-window-71950.parquet"
        );
        let verdict = VerdictKey { validator: key.hotkey, window: key.window };
        assert_eq!(
            ShelfKey::from(verdict).to_string(),
            "verdicts/5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY-window-71950.json"
        );
        assert_eq!(ShelfKey::from(key.clone()).to_string(), key.to_string());
        let rows = |env: &str| DatasetKey::of(key.hotkey, &env.parse().unwrap()).map(|key| key.to_string());
        let digest = "0123456789abcdef".repeat(2);
        assert_eq!(rows(&format!("gsm8k/1:{digest}")), Some(format!("datasets/gsm8k-{digest}.jsonl")));
        for without in ["sat/1", "arith/1:4", "gsm8k/1:0123", "gsm8k/1:../../../../../../../../../../aaaa"] {
            if let Ok(env) = without.parse::<EnvId>() {
                assert_eq!(DatasetKey::of(key.hotkey, &env), None, "{without}");
            }
        }
    }
}

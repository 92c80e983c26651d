//! The manifest of a checkpoint: which files it consists of, and the terms under which it answers.
//!
//! A checkpoint's identity is the digest of its manifest, so files, environments, sampling policy and numeric profile
//! are all part of every window seed.
//!
//! Version 1 is the model that a network starts with: whole, and signed by nobody, since it comes with the network.
//! Version 2 is what a trainer publishes: it has a [`Publication`] with the trainer's signature, and is read through
//! [`crate::checkpoint::verify_manifest`].

use crate::{
    checkpoint::{Publication, READY_FILE, is_plain, is_sha256},
    delta::DELTA_ENDING,
};
use grail_protocol::{
    draw::SamplingPolicy,
    hash::Hasher,
    params::Params,
    profile::NumericProfile,
    words::{CheckpointId, EnvId, Hotkey, WindowStart},
};
use serde::{Deserialize, Serialize};

/// File name of the manifest in a checkpoint folder.
pub const MANIFEST_FILE: &str = "manifest.json";
/// Version of the manifest of a model that a network starts with.
pub const MANIFEST_VERSION: u16 = 1;
/// Version of a manifest that a trainer publishes.
pub const PUBLISHED_VERSION: u16 = 2;
/// Most bytes of a manifest.
pub const MANIFEST_BYTES: u64 = 1 << 20;
/// Most files of a checkpoint.
const MOST_FILES: usize = 1_024;
/// Most environments of a checkpoint.
const MOST_ENVIRONMENTS: usize = 64;

/// One file of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Plain file name, without a folder.
    pub name: String,
    /// Size of the whole file in bytes, also where it travels as a delta.
    pub size: u64,
    /// SHA-256 of the whole file, 64 lower-case hexadecimal digits.
    pub sha256: String,
}

/// A checkpoint's manifest: the files of a model in Hugging Face layout, and the terms under which it answers windows.
///
/// JSON of at most 1 MiB; its digest is the checkpoint's id. Every field is described in the book, "Checkpoints".
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the format: 1 for the model that a network starts with, 2 for what a trainer published.
    pub version: u16,
    /// The window after which it was published; 0 for the model a network starts with.
    pub window: WindowStart,
    /// Rises by one with each checkpoint of a trainer.
    pub sequence: u64,
    /// Environments that take turns, window by window.
    pub environments: Vec<EnvId>,
    /// Temperature and top-p with which tokens are drawn; the model's own `generation_config.json` is not asked.
    pub policy: SamplingPolicy,
    /// Completion cap in tokens, at most the network's.
    pub max_new_tokens: u32,
    /// The numeric profile, which decides format of weights and tolerances of the court.
    pub numeric: NumericProfile,
    /// The files, by name: all that the model consists of, whether they travel whole or as deltas.
    pub files: Vec<FileEntry>,
    /// Who published it, and how; with version 2, and only with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publication: Option<Publication>,
}

/// Just enough to tell versions apart.
#[derive(Deserialize)]
struct VersionOnly {
    version: u16,
}

/// Why a manifest is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Not JSON, or not this format.
    #[error("the manifest cannot be read: {detail}")]
    Malformed {
        /// What the reader stumbled over.
        detail: String,
    },
    /// A version that this program does not read.
    #[error(
        "the manifest has version {got}, this program reads {MANIFEST_VERSION} and {PUBLISHED_VERSION}; a newer \
         program may read it"
    )]
    UnknownVersion {
        /// The version.
        got: u16,
    },
    /// No signature, where one is asked for.
    #[error("the manifest is not signed")]
    Unsigned,
    /// A published manifest where the model that a network starts with was expected.
    #[error(
        "the manifest was published by {trainer}, expected was the unsigned one of a network's first model"
    )]
    Unexpected {
        /// Who published it.
        trainer: Hotkey,
    },
    /// Published by somebody else.
    #[error("the manifest names {got} as its trainer, expected is {expected}")]
    WrongKey {
        /// Who should have.
        expected: Hotkey,
        /// Who did.
        got: Hotkey,
    },
    /// The trainer did not sign this.
    #[error("the signature on the manifest is not by {trainer}")]
    BadSignature {
        /// Whose it should be.
        trainer: Hotkey,
    },
    /// An older manifest, or the same once more.
    #[error("the manifest has sequence number {got}, {last} was already seen")]
    OldSequence {
        /// Its number.
        got: u64,
        /// The newest accepted so far.
        last: u64,
    },
    /// A value outside its range.
    #[error("the manifest's {field} is not usable: {detail}")]
    Field {
        /// Which value.
        field: &'static str,
        /// What is wrong with it.
        detail: String,
    },
}

impl Manifest {
    /// Reads and checks a manifest.
    pub fn from_json(bytes: &[u8], params: &Params) -> Result<Self, ManifestError> {
        if bytes.len() as u64 > MANIFEST_BYTES {
            let detail = format!("{} bytes, at most {MANIFEST_BYTES} are allowed", bytes.len());
            return Err(ManifestError::Malformed { detail });
        }
        let malformed = |error: serde_json::Error| ManifestError::Malformed { detail: error.to_string() };
        // A later version may hold anything, so the version is looked at before the rest.
        let VersionOnly { version } = serde_json::from_slice(bytes).map_err(malformed)?;
        if ![MANIFEST_VERSION, PUBLISHED_VERSION].contains(&version) {
            return Err(ManifestError::UnknownVersion { got: version });
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(malformed)?;
        manifest.check(params)?;
        Ok(manifest)
    }

    /// Readable JSON, one value a line.
    pub fn to_json(&self) -> Result<Vec<u8>, ManifestError> {
        serde_json::to_vec_pretty(self)
            .map_err(|error| ManifestError::Malformed { detail: error.to_string() })
    }

    /// Checks every range. Names must be plain, sorted and distinct.
    pub fn check(&self, params: &Params) -> Result<(), ManifestError> {
        let refuse = |field, detail: String| Err(ManifestError::Field { field, detail });
        match (self.version, &self.publication) {
            (MANIFEST_VERSION, None) => {}
            (PUBLISHED_VERSION, Some(publication)) => publication.check(self.window, &self.files)?,
            (MANIFEST_VERSION | PUBLISHED_VERSION, _) => {
                return refuse("version", format!("{} does not go with what it holds", self.version));
            }
            (got, _) => return Err(ManifestError::UnknownVersion { got }),
        }
        if self.environments.is_empty() || self.environments.len() > MOST_ENVIRONMENTS {
            return refuse("environments", format!("{} of them", self.environments.len()));
        }
        if let Err(error) = self.policy.check() {
            return refuse("policy", error.to_string());
        }
        if self.max_new_tokens == 0 || self.max_new_tokens > params.max_new_tokens {
            return refuse(
                "max_new_tokens",
                format!("{}, allowed are 1 to {}", self.max_new_tokens, params.max_new_tokens),
            );
        }
        if self.files.is_empty() || self.files.len() > MOST_FILES {
            return refuse("files", format!("{} of them", self.files.len()));
        }
        for file in &self.files {
            if !is_plain(&file.name) {
                return refuse("files", format!("the name {:?} is not a plain file name", file.name));
            }
            if [MANIFEST_FILE, READY_FILE].contains(&file.name.as_str()) || file.name.ends_with(DELTA_ENDING)
            {
                return refuse("files", format!("the name {} has a meaning of its own", file.name));
            }
            if !is_sha256(&file.sha256) {
                return refuse(
                    "files",
                    format!("the digest of {} is not 64 lower-case hex digits", file.name),
                );
            }
        }
        if self.files.windows(2).any(|pair| matches!(pair, [a, b] if a.name >= b.name)) {
            return refuse("files", "names must be sorted and distinct".into());
        }
        Ok(())
    }

    /// The checkpoint's identity: `H("grail/1 checkpoint", version, window, sequence, environments, temperature bits,
    /// top-p bits, cap, profile, then name, size and digest of each file)`, numbers as eight little-endian bytes. With
    /// version 2 follow: kind (`full`, `delta`); `no step`, or `step`, base, base window, number of deltas, and name of
    /// what it makes, size and digest of each; tensor root; digest of windows; trainer. The signature is no part of it.
    pub fn id(&self) -> CheckpointId {
        let mut hasher = Hasher::new("grail/1 checkpoint");
        let number = |hasher: &mut Hasher, n: u64| hasher.field(&n.to_le_bytes());
        number(&mut hasher, u64::from(self.version));
        number(&mut hasher, self.window.0);
        number(&mut hasher, self.sequence);
        number(&mut hasher, self.environments.len() as u64);
        for env in &self.environments {
            hasher.field(env.as_str().as_bytes());
        }
        number(&mut hasher, u64::from(self.policy.temperature.to_bits()));
        number(&mut hasher, u64::from(self.policy.top_p.to_bits()));
        number(&mut hasher, u64::from(self.max_new_tokens));
        hasher.field(self.numeric.name().as_bytes());
        for file in &self.files {
            hasher.field(file.name.as_bytes());
            number(&mut hasher, file.size);
            hasher.field(file.sha256.as_bytes());
        }
        if let Some(publication) = &self.publication {
            publication.add_to(&mut hasher);
        }
        CheckpointId::from_bytes(hasher.finish())
    }

    /// The environment that asks in a window: they take turns in the order of the list.
    pub fn environment(&self, window: WindowStart, params: &Params) -> Option<&EnvId> {
        let turn = window.0 / params.window_length.max(1);
        let count = self.environments.len() as u64;
        let index = turn.checked_rem(count)?;
        self.environments.get(usize::try_from(index).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use grail_protocol::params::DEV;

    fn manifest() -> Manifest {
        let file = |name: &str| FileEntry { name: name.into(), size: 5, sha256: "ab".repeat(32) };
        Manifest {
            version: MANIFEST_VERSION,
            window: WindowStart(0),
            sequence: 0,
            environments: vec!["sat/1".parse().unwrap(), "gsm8k/1:ab".parse().unwrap()],
            policy: SamplingPolicy::DEFAULT,
            max_new_tokens: 128,
            numeric: NumericProfile::StrictF32,
            files: vec![file("config.json"), file("model.safetensors")],
            publication: None,
        }
    }

    #[test]
    fn json_round_trips_and_keeps_the_identity() {
        let manifest = manifest();
        let read = Manifest::from_json(&manifest.to_json().unwrap(), &DEV).unwrap();
        assert_eq!(read, manifest);
        assert_eq!(read.id(), manifest.id());
    }

    #[test]
    fn every_value_is_part_of_the_identity() {
        type Change = fn(&mut Manifest);
        let changes: [Change; 9] = [
            |m| m.window.0 += 1,
            |m| m.sequence += 1,
            |m| m.environments.swap(0, 1),
            |m| m.policy.temperature = 0.9,
            |m| m.policy.top_p = 0.9,
            |m| m.max_new_tokens = 64,
            |m| m.numeric = NumericProfile::StrictBf16,
            |m| m.files[0].size += 1,
            |m| m.files[1].sha256 = "cd".repeat(32),
        ];
        for (index, change) in changes.into_iter().enumerate() {
            let mut other = manifest();
            change(&mut other);
            assert_ne!(other.id(), manifest().id(), "change {index}");
        }
    }

    #[test]
    fn bad_values_are_named() {
        type Change = fn(&mut Manifest);
        let changes: [(&str, Change); 11] = [
            ("version", |m| m.version = PUBLISHED_VERSION),
            ("files", |m| m.files[1].name = "model.safetensors.delta".into()),
            ("files", |m| m.files[0].name = "READY".into()),
            ("environments", |m| m.environments.clear()),
            ("policy", |m| m.policy.top_p = 2.0),
            ("max_new_tokens", |m| m.max_new_tokens = 4_096),
            ("files", |m| m.files.clear()),
            ("files", |m| m.files[0].name = "../config.json".into()),
            ("files", |m| m.files[0].name = ".hidden".into()),
            ("files", |m| m.files[0].sha256 = "AB".repeat(32)),
            ("files", |m| m.files.swap(0, 1)),
        ];
        for (want, change) in changes {
            let mut bad = manifest();
            change(&mut bad);
            match bad.check(&DEV) {
                Err(ManifestError::Field { field, .. }) => assert_eq!(field, want),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn environments_take_turns() {
        let manifest = manifest();
        let names: Vec<&str> = (0..4)
            .map(|turn| manifest.environment(WindowStart(turn * DEV.window_length), &DEV).unwrap().as_str())
            .collect();
        assert_eq!(names, ["sat/1", "gsm8k/1:ab", "sat/1", "gsm8k/1:ab"]);
    }
}

//! The window file: what a miner claims about one window, under one signature.

mod digest;
mod json;

pub use digest::{file_message, file_statement, header_digest, rollout_digest};
pub use json::JsonCodec;

use crate::limits::Limits;
use grail_protocol::{
    beacon::WindowRandomness,
    hash::Digest,
    merkle,
    profile::NumericProfile,
    sign::{Signature, Statement},
    words::{CheckpointId, EnvId, GroupIndex, Hotkey, NetworkId, RolloutIndex, TokenId, WindowStart},
};
use serde::{Deserialize, Serialize};

/// Version of protocol and file.
pub const VERSION: u16 = 1;

/// What the miner says about the file as a whole. Every field is a claim.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowHeader {
    /// Version of protocol and file: [`VERSION`].
    pub version: u16,
    /// Network in which the file is to count.
    pub network: NetworkId,
    /// The window that it answers, by its first block.
    pub window: WindowStart,
    /// The miner that signs it.
    pub hotkey: Hotkey,
    /// The checkpoint that is said to have answered.
    pub checkpoint: CheckpointId,
    /// The environment that is said to have asked.
    pub env: EnvId,
    /// Public randomness, with its beacon.
    pub randomness: WindowRandomness,
    /// Numeric profile of the proof.
    pub numeric: NumericProfile,
    /// What made the file: program and version, at most 256 bytes of printable ASCII.
    pub generator: String,
}

/// One rollout. Every field is a claim.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RolloutRecord {
    /// The problem, by its number in the miner's window, from 0.
    pub group: GroupIndex,
    /// The rollout of that problem, 0 to 15; rows stand by group, then rollout.
    pub rollout: RolloutIndex,
    /// Completion token ids, the end token included where one was drawn. The prompt is derived, not uploaded.
    pub tokens: Vec<TokenId>,
    /// One sketch byte a token.
    pub sketch: Vec<i8>,
    /// One log-probability a token, in 1/1024 nat.
    pub logprobs: Vec<i16>,
    /// Claimed reward, 0 to 0.815; the court derives it and compares bit for bit.
    pub reward: f32,
}

/// A window file, decoded. Nothing in it has been checked but sizes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowFile {
    /// What the miner says about the file as a whole; its digest is signed.
    pub header: WindowHeader,
    /// Number of groups that the miner signed.
    pub groups: u32,
    /// Number of rollouts that the miner signed.
    pub rollout_count: u32,
    /// Root over the rollouts' digests that the miner signed.
    pub root: RootHex,
    /// The hotkey's sr25519 signature over [`file_message`].
    pub signature: Signature,
    /// The rollouts, in file order.
    pub rollouts: Vec<RolloutRecord>,
}

/// A Merkle root; 64 hexadecimal digits in text.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RootHex(pub Digest);

impl TryFrom<String> for RootHex {
    type Error = hex::FromHexError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

impl From<RootHex> for String {
    fn from(root: RootHex) -> Self {
        hex::encode(root.0)
    }
}

impl std::fmt::Debug for RootHex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// Root over the digests of rollouts, in file order.
pub fn root_of(rollouts: &[RolloutRecord]) -> Digest {
    let digests: Vec<Digest> = rollouts.iter().map(rollout_digest).collect();
    merkle::root(&digests)
}

impl WindowFile {
    /// Seals rollouts under a header: counts, root, and the signature that `sign` makes over the message it is given.
    ///
    /// Groups are counted as distinct group numbers; whether they are 0, 1, 2, … is the court's question.
    pub fn seal(
        header: WindowHeader,
        rollouts: Vec<RolloutRecord>,
        sign: impl FnOnce(&Digest) -> Signature,
    ) -> Self {
        let signed = |statement: &Statement| Ok::<_, std::convert::Infallible>(sign(&statement.digest()));
        match Self::seal_with(header, rollouts, signed) {
            Ok(file) => file,
            Err(never) => match never {},
        }
    }

    /// [`Self::seal`] with a signer that hashes for itself, and may fail.
    ///
    /// Errors: those of `sign`.
    pub fn seal_with<E>(
        header: WindowHeader,
        rollouts: Vec<RolloutRecord>,
        sign: impl FnOnce(&Statement) -> Result<Signature, E>,
    ) -> Result<Self, E> {
        let distinct: std::collections::BTreeSet<GroupIndex> = rollouts.iter().map(|r| r.group).collect();
        let groups = u32::try_from(distinct.len()).unwrap_or(u32::MAX);
        let rollout_count = u32::try_from(rollouts.len()).unwrap_or(u32::MAX);
        let root = root_of(&rollouts);
        let signature = sign(&file_statement(&header, &root, groups, rollout_count))?;
        Ok(Self { header, groups, rollout_count, root: RootHex(root), signature, rollouts })
    }
}

/// Why bytes are not a window file. The sender's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum DecodeError {
    /// Not the encoding at all, cut off, or damaged.
    #[error("not a readable window file: {detail}")]
    Malformed {
        /// What the reader stumbled over.
        detail: String,
    },
    /// A bound of [`Limits`] would be exceeded; nothing beyond it was read.
    #[error("{what} is {got}, at most {most} is allowed")]
    TooLarge {
        /// Which bound.
        what: &'static str,
        /// Size found or declared.
        got: u64,
        /// The bound.
        most: u64,
    },
    /// A column or field is missing, surplus, or of another type.
    #[error("field {field}: {detail}")]
    Field {
        /// Its name.
        field: String,
        /// What is wrong with it.
        detail: String,
    },
}

/// One encoding of window files. `decode(encode(file)) == file` for every file within the limits.
pub trait WindowCodec: Send + Sync {
    /// Which encoding this is.
    fn encoding(&self) -> crate::keys::WindowEncoding;

    /// Canonical bytes.
    ///
    /// Errors: a text for values that the encoding cannot hold; none occur for files made by [`WindowFile::seal`].
    fn encode(&self, file: &WindowFile) -> Result<Vec<u8>, String>;

    /// Reads bytes of a stranger. Memory stays within the limits whatever the bytes declare.
    fn decode(&self, bytes: &[u8], limits: &Limits) -> Result<WindowFile, DecodeError>;
}

/// [`DecodeError::TooLarge`] unless `got ≤ most`.
pub fn check_size(what: &'static str, got: u64, most: u64) -> Result<(), DecodeError> {
    if got > most { Err(DecodeError::TooLarge { what, got, most }) } else { Ok(()) }
}

/// The bounds that every codec applies to what it decoded.
pub fn check_limits(file: &WindowFile, limits: &Limits) -> Result<(), DecodeError> {
    check_size("number of groups", u64::from(file.groups), u64::from(limits.groups))?;
    check_size("number of rollouts", file.rollouts.len() as u64, u64::from(limits.rollouts))?;
    check_size("length of the generator text", file.header.generator.len() as u64, limits.text_bytes as u64)?;
    if let Some(odd) = file.header.generator.chars().find(|c| !(' '..='~').contains(c)) {
        return Err(DecodeError::Field {
            field: "generator".into(),
            detail: format!("holds {odd:?}, which is not printable ASCII"),
        });
    }
    let mut tokens = 0u64;
    for record in &file.rollouts {
        let longest = record.tokens.len().max(record.sketch.len()).max(record.logprobs.len()) as u64;
        check_size("length of a rollout", longest, u64::from(limits.tokens_per_rollout))?;
        tokens = tokens.saturating_add(longest);
    }
    check_size("number of tokens", tokens, limits.tokens)
}

#[cfg(test)]
mod tests;

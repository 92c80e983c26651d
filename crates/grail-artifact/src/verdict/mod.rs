//! The verdict file: what a validator found in a window, signed, for trainers and for whoever was judged.
//!
//! It lies at `verdicts/{validator ss58}-window-{window}.json` on the validator's shelf. Of each miner's file it names
//! the root that the miner signed, so a verdict speaks of exactly one file, and every group that counts with the
//! rewards that the court derived. A trainer needs nothing else: what a miner claims about rewards is never used.
//!
//! Version 2 says beside that what was counted of each file, from which anybody can compute the score again, and the
//! first reason of each refused rollout. Version 1 is read as it was.

mod read;
mod reason;
mod statement;

pub use reason::{RefusalReason, TOLD_BYTES, VALUE_BYTES, reasons_for_each};
pub use statement::{verdict_message, verdict_statement};

use crate::window::RootHex;
use grail_protocol::{
    sign::Signature,
    words::{CheckpointId, EnvId, GroupIndex, Hotkey, NetworkId, WindowStart},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of the format that is written.
pub const VERDICT_VERSION: u16 = 2;
/// The oldest that is read.
pub const OLDEST_VERDICT_VERSION: u16 = 1;
/// Most bytes of a verdict file: a few hundred miners with a few hundred groups each.
pub const VERDICT_BYTES: u64 = 64 << 20;
/// Hundred-thousandths in a reward of 1.
pub const REWARD_UNIT: u32 = 100_000;

/// Verdicts on every file of a window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerdictFile {
    /// Version of the format, from [`OLDEST_VERDICT_VERSION`] to [`VERDICT_VERSION`].
    pub version: u16,
    /// Network of the window.
    pub network: NetworkId,
    /// The window, by its first block.
    pub window: WindowStart,
    /// The checkpoint that answered in it.
    pub checkpoint: CheckpointId,
    /// The environment that asked in it.
    pub env: EnvId,
    /// The validator that judged and signs.
    pub validator: Hotkey,
    /// Randomness that decided what was sampled.
    pub challenge: RootHex,
    /// Every file that was judged, rising by hotkey.
    pub files: Vec<FileVerdict>,
    /// The validator's, over [`verdict_message`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
}

/// The verdict on one miner's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileVerdict {
    /// The miner whose file was judged.
    pub hotkey: Hotkey,
    /// The root that its miner signed; absent where the file could not be read that far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<RootHex>,
    /// Groups in which every rollout was accepted, rising by number.
    pub groups: Vec<GroupVerdict>,
    /// How many rollouts were refused, by rejection code.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refused: BTreeMap<String, u64>,
    /// Rollouts left undecided, by reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub undecided: BTreeMap<String, u64>,
    /// What a score is made of; absent where the file was not looked at, and in version 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<FileCounts>,
    /// The first reason against each refused rollout, or against the file, by rising place; at most
    /// [`reasons_for_each`], so a file with many refused rollouts names the first ones. None in version 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<RefusalReason>,
}

/// What was counted of a file: the numbers that a score is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileCounts {
    /// Groups in the file.
    pub groups: u32,
    /// Groups that were held against the model.
    pub checked: u32,
    /// Rollouts that count.
    pub valid: u64,
    /// Of these, right.
    pub right: u64,
    /// Distinct solutions among them.
    pub unique: u64,
    /// What the counts are multiplied by when the sample speaks for the file, in millionths; at least 1,000,000.
    pub extrapolation: u64,
}

/// An accepted group: what its rollouts earned, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupVerdict {
    /// Its number in the file, from 0.
    pub group: GroupIndex,
    /// The court's rewards in hundred-thousandths, one per rollout in their order.
    pub rewards: Vec<u32>,
    /// Whether each answer is right.
    pub right: Vec<bool>,
}

/// Why a verdict file is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerdictError {
    /// Not JSON, or not this format.
    #[error("the verdict file cannot be read: {detail}")]
    Malformed {
        /// What the reader stumbled over.
        detail: String,
    },
    /// A version that this program does not read.
    #[error(
        "the verdict file has version {got}, this program reads {OLDEST_VERDICT_VERSION} to {VERDICT_VERSION}; a newer program may read it"
    )]
    UnknownVersion {
        /// The version.
        got: u16,
    },
    /// About something else than was asked for.
    #[error("the verdict file says {field} {got}, expected is {expected}")]
    Foreign {
        /// Which field.
        field: &'static str,
        /// What it says.
        got: String,
        /// What it should say.
        expected: String,
    },
    /// No signature.
    #[error("the verdict file is not signed")]
    Unsigned,
    /// The validator did not sign this.
    #[error("the signature on the verdict file is not by {validator}")]
    BadSignature {
        /// Whose it should be.
        validator: Hotkey,
    },
    /// Files or groups out of order or twice, or a group with impossible rewards.
    #[error("the verdict file contradicts itself: {detail}")]
    Contradiction {
        /// What is wrong.
        detail: String,
    },
}

/// What a reader derived for itself and expects the file to be about.
#[derive(Debug, Clone, Copy)]
pub struct ExpectedWindow<'a> {
    /// Network that the reader is in.
    pub network: &'a NetworkId,
    /// The window, by its first block.
    pub window: WindowStart,
    /// The checkpoint that answered there by the reader's own account.
    pub checkpoint: CheckpointId,
    /// The environment that asked there by the reader's own account.
    pub env: &'a EnvId,
    /// The validator whose verdicts are trusted.
    pub validator: &'a Hotkey,
    /// Rollouts of a group, as the network's parameters say.
    pub rollouts_per_group: u8,
}

/// What a reader knows who derived nothing and only wants to know what a validator said: [`VerdictFile::open`].
#[derive(Debug, Clone, Copy)]
pub struct SaidBy<'a> {
    /// Network that the reader is in.
    pub network: &'a NetworkId,
    /// The window that was asked for.
    pub window: WindowStart,
    /// The validator on whose shelf it lies.
    pub validator: &'a Hotkey,
    /// Rollouts of a group, as the network's parameters say.
    pub rollouts_per_group: u8,
}

#[cfg(test)]
mod tests;

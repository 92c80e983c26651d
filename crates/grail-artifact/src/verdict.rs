//! The verdict file: what a validator found in a window, signed, for trainers and for whoever was judged.
//!
//! It lies at `verdicts/{validator ss58}-window-{window}.json` on the validator's shelf. Of each miner's file it names
//! the root that the miner signed, so a verdict speaks of exactly one file, and every group that counts with the
//! rewards that the court derived. A trainer needs nothing else: what a miner claims about rewards is never used.

use crate::window::RootHex;
use grail_protocol::{
    hash::Digest,
    sign::{self, HotkeyPair, Signature, Statement},
    words::{CheckpointId, EnvId, GroupIndex, Hotkey, NetworkId, WindowStart},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of the format; readers refuse any other.
pub const VERDICT_VERSION: u16 = 1;
/// Most bytes of a verdict file: a few hundred miners with a few hundred groups each.
pub const VERDICT_BYTES: u64 = 64 << 20;
/// Hundred-thousandths in a reward of 1.
pub const REWARD_UNIT: u32 = 100_000;

/// Verdicts on every file of a window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerdictFile {
    /// Version of the format: [`VERDICT_VERSION`].
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
        "the verdict file has version {got}, this program reads {VERDICT_VERSION}; a newer program may read it"
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

/// Just enough to tell versions apart.
#[derive(Deserialize)]
struct VersionOnly {
    version: u16,
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

impl VerdictFile {
    /// Signs; an older signature is replaced. The file names the signer as its validator.
    pub fn sign(&mut self, pair: &HotkeyPair, entropy: [u8; 32]) {
        self.validator = pair.hotkey();
        self.signature = Some(pair.sign(&verdict_message(self), entropy));
    }

    /// [`Self::sign`] with a signer that hashes for itself, and may fail.
    ///
    /// Errors: those of `sign`.
    pub fn sign_with<E>(
        &mut self,
        validator: Hotkey,
        sign: impl FnOnce(&Statement) -> Result<Signature, E>,
    ) -> Result<(), E> {
        self.validator = validator;
        self.signature = Some(sign(&verdict_statement(self))?);
        Ok(())
    }

    /// Readable JSON.
    ///
    /// Errors: [`VerdictError::Malformed`], which no value of this type causes.
    pub fn to_json(&self) -> Result<Vec<u8>, VerdictError> {
        serde_json::to_vec(self).map_err(malformed)
    }

    /// Reads a file of at most [`VERDICT_BYTES`] bytes and checks everything about it: what it is about, who signed it,
    /// and that it does not contradict itself.
    ///
    /// Errors: each variant of [`VerdictError`], in the order of their declaration.
    pub fn verify(bytes: &[u8], expected: &ExpectedWindow<'_>) -> Result<Self, VerdictError> {
        if bytes.len() as u64 > VERDICT_BYTES {
            let detail = format!("{} bytes, at most {VERDICT_BYTES} are allowed", bytes.len());
            return Err(VerdictError::Malformed { detail });
        }
        let VersionOnly { version } = serde_json::from_slice(bytes).map_err(malformed)?;
        if version != VERDICT_VERSION {
            return Err(VerdictError::UnknownVersion { got: version });
        }
        let file: Self = serde_json::from_slice(bytes).map_err(malformed)?;
        file.is_about(expected)?;
        let signature = file.signature.as_ref().ok_or(VerdictError::Unsigned)?;
        if !sign::verify(expected.validator, &verdict_message(&file), signature) {
            return Err(VerdictError::BadSignature { validator: *expected.validator });
        }
        file.is_consistent(expected.rollouts_per_group)?;
        Ok(file)
    }

    fn is_about(&self, expected: &ExpectedWindow<'_>) -> Result<(), VerdictError> {
        let pairs = [
            ("network", self.network.to_string(), expected.network.to_string()),
            ("window", self.window.to_string(), expected.window.to_string()),
            ("checkpoint", self.checkpoint.to_string(), expected.checkpoint.to_string()),
            ("environment", self.env.to_string(), expected.env.to_string()),
            ("validator", self.validator.to_string(), expected.validator.to_string()),
        ];
        match pairs.into_iter().find(|(_, got, want)| got != want) {
            Some((field, got, expected)) => Err(VerdictError::Foreign { field, got, expected }),
            None => Ok(()),
        }
    }

    fn is_consistent(&self, rollouts: u8) -> Result<(), VerdictError> {
        let refuse = |detail: String| Err(VerdictError::Contradiction { detail });
        if self.files.windows(2).any(|pair| matches!(pair, [a, b] if a.hotkey >= b.hotkey)) {
            return refuse("files are not sorted by distinct hotkeys".into());
        }
        for file in &self.files {
            let of = |group: &GroupVerdict| format!("group {} of {}", group.group, file.hotkey);
            if file.root.is_none() && !file.groups.is_empty() {
                return refuse(format!("the file of {} has groups and no root", file.hotkey));
            }
            if file.groups.windows(2).any(|pair| matches!(pair, [a, b] if a.group >= b.group)) {
                return refuse(format!("groups of {} are not sorted and distinct", file.hotkey));
            }
            for group in &file.groups {
                let sizes = [group.rewards.len(), group.right.len()];
                if sizes != [usize::from(rollouts); 2] {
                    return refuse(format!("{} has {} rewards for {rollouts} rollouts", of(group), sizes[0]));
                }
                if let Some(reward) = group.rewards.iter().find(|reward| **reward > REWARD_UNIT) {
                    return refuse(format!("{} has a reward of {reward} hundred-thousandths", of(group)));
                }
            }
        }
        Ok(())
    }
}

fn malformed(error: serde_json::Error) -> VerdictError {
    VerdictError::Malformed { detail: error.to_string() }
}

/// What the validator signs: `H("grail/1 verdicts", version, network, window, checkpoint, environment, validator,
/// challenge, number of files; of each: hotkey, root or nothing, number of groups; of each of these: number, rewards as u32 LE,
/// right or not as one byte each; then number of codes, code and count of each for what was refused, and the same for
/// what is undecided)`. Numbers are eight little-endian bytes where nothing else is said.
pub fn verdict_message(file: &VerdictFile) -> Digest {
    verdict_statement(file).digest()
}

/// The statement whose digest is [`verdict_message`], for a signer that hashes for itself.
pub fn verdict_statement(file: &VerdictFile) -> Statement {
    let mut statement = Statement::new("grail/1 verdicts");
    let number = |statement: &mut Statement, n: u64| statement.push(&n.to_le_bytes());
    number(&mut statement, u64::from(file.version));
    statement.push(file.network.as_str().as_bytes());
    number(&mut statement, file.window.0);
    statement.push(file.checkpoint.as_bytes());
    statement.push(file.env.as_str().as_bytes());
    statement.push(file.validator.as_bytes());
    statement.push(&file.challenge.0);
    number(&mut statement, file.files.len() as u64);
    for one in &file.files {
        statement.push(one.hotkey.as_bytes());
        statement.push(one.root.as_ref().map_or(&[][..], |root| &root.0[..]));
        number(&mut statement, one.groups.len() as u64);
        for group in &one.groups {
            number(&mut statement, u64::from(group.group.0));
            let rewards: Vec<u8> = group.rewards.iter().flat_map(|reward| reward.to_le_bytes()).collect();
            statement.push(&rewards);
            statement.push(&group.right.iter().map(|right| u8::from(*right)).collect::<Vec<u8>>());
        }
        for counts in [&one.refused, &one.undecided] {
            number(&mut statement, counts.len() as u64);
            for (name, count) in counts {
                statement.push(name.as_bytes());
                number(&mut statement, *count);
            }
        }
    }
    statement
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(byte: u8) -> HotkeyPair {
        HotkeyPair::from_seed(&[byte; 32]).unwrap()
    }

    fn file() -> VerdictFile {
        let group = |index: u32| GroupVerdict {
            group: GroupIndex(index),
            rewards: vec![81_500, 0],
            right: vec![true, false],
        };
        let of = |byte: u8, groups: Vec<GroupVerdict>| FileVerdict {
            hotkey: Hotkey::from_bytes([byte; 32]),
            root: Some(RootHex([byte; 32])),
            groups,
            refused: BTreeMap::from([("sketch-rms".into(), 2)]),
            undecided: BTreeMap::new(),
        };
        let mut file = VerdictFile {
            version: VERDICT_VERSION,
            network: "dev-1".parse().unwrap(),
            window: WindowStart(40),
            checkpoint: CheckpointId::from_bytes([5; 32]),
            env: "sat/1".parse().unwrap(),
            validator: pair(9).hotkey(),
            challenge: RootHex([6; 32]),
            files: vec![of(1, vec![group(0), group(2)]), of(2, vec![])],
            signature: None,
        };
        file.sign(&pair(9), [0; 32]);
        file
    }

    fn verify(file: &VerdictFile) -> Result<VerdictFile, VerdictError> {
        let (network, env, validator) =
            ("dev-1".parse().unwrap(), "sat/1".parse().unwrap(), pair(9).hotkey());
        let expected = ExpectedWindow {
            network: &network,
            window: WindowStart(40),
            checkpoint: CheckpointId::from_bytes([5; 32]),
            env: &env,
            validator: &validator,
            rollouts_per_group: 2,
        };
        VerdictFile::verify(&file.to_json().unwrap(), &expected)
    }

    #[test]
    fn what_was_signed_reads_back() {
        let file = file();
        assert_eq!(verify(&file), Ok(file));
    }

    #[test]
    fn no_value_can_change_under_the_signature() {
        type Change = fn(&mut VerdictFile);
        let changes: [Change; 9] = [
            |f| f.challenge.0[0] += 1,
            |f| f.files[0].hotkey = Hotkey::from_bytes([0; 32]),
            |f| f.files[0].root = Some(RootHex([7; 32])),
            |f| f.files[0].groups[0].group = GroupIndex(1),
            |f| f.files[0].groups[0].rewards[1] = 81_500,
            |f| f.files[0].groups[0].right[1] = true,
            |f| f.files[0].refused.clear(),
            |f| f.files[1].undecided = BTreeMap::from([("not-proven".into(), 1)]),
            |f| f.files.truncate(1),
        ];
        for (index, change) in changes.into_iter().enumerate() {
            let mut other = file();
            change(&mut other);
            let refused = verify(&other);
            assert_eq!(
                refused,
                Err(VerdictError::BadSignature { validator: pair(9).hotkey() }),
                "change {index}"
            );
        }
    }

    #[test]
    fn verdicts_about_something_else_are_named() {
        type Change = fn(&mut VerdictFile);
        let changes: [(&str, Change); 4] = [
            ("network", |f| f.network = "dev-2".parse().unwrap()),
            ("window", |f| f.window = WindowStart(20)),
            ("checkpoint", |f| f.checkpoint = CheckpointId::from_bytes([4; 32])),
            ("environment", |f| f.env = "sat/2".parse().unwrap()),
        ];
        for (want, change) in changes {
            let mut other = file();
            change(&mut other);
            other.sign(&pair(9), [0; 32]);
            assert!(
                matches!(verify(&other), Err(VerdictError::Foreign { field, .. }) if field == want),
                "{want}"
            );
        }
        let mut stranger = file();
        stranger.sign(&pair(8), [0; 32]);
        assert!(matches!(verify(&stranger), Err(VerdictError::Foreign { field: "validator", .. })));
        stranger.validator = pair(9).hotkey();
        assert!(matches!(verify(&stranger), Err(VerdictError::BadSignature { .. })));
        stranger.signature = None;
        assert_eq!(verify(&stranger), Err(VerdictError::Unsigned));
        stranger.version = 2;
        assert_eq!(verify(&stranger), Err(VerdictError::UnknownVersion { got: 2 }));
    }

    #[test]
    fn contradictions_are_refused_even_when_signed() {
        type Change = fn(&mut VerdictFile);
        let changes: [Change; 5] = [
            |f| f.files.swap(0, 1),
            |f| f.files[0].groups.swap(0, 1),
            |f| f.files[0].groups[0].rewards.push(0),
            |f| f.files[0].groups[0].rewards[0] = 100_001,
            |f| f.files[0].root = None,
        ];
        for (index, change) in changes.into_iter().enumerate() {
            let mut other = file();
            change(&mut other);
            other.sign(&pair(9), [0; 32]);
            let refused = verify(&other);
            assert!(
                matches!(refused, Err(VerdictError::Contradiction { .. })),
                "change {index}: {refused:?}"
            );
        }
    }
}

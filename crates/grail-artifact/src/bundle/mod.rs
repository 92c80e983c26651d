//! The replay bundle: one file with everything that a validator's verdict on one miner's window depends on, signed by
//! the validator, so that anybody can come to the same verdict on another machine.
//!
//! ```text
//! bundle  = "grail bundle\n" ‖ version u16 ‖ raw u64 ‖ one zstd frame of exactly `raw` bytes, and nothing after it
//! raw     = head ‖ manifest ‖ profile ‖ verdict ‖ file, each as length u64 ‖ bytes; then 64 bytes of signature
//! signed  = H("grail/1 bundle", version u64, validator, SHA-256 of each of the five parts)
//! ```
//! Integers are little-endian. The head is canonical JSON ([`BundleHead`], compact, fields in order), so that two heads with the
//! same content are the same bytes; manifest and file are the bytes that the validator read, the profile is
//! [`profile_text`], the verdict is the court's report in JSON. Compression is not part of what is signed.
//!
//! What a bundle says is the validator's word. Which parts of it follow from others, and which must be taken from the
//! validator or from the chain, is the auditor's question (`grail_verify::audit`).

mod format;

use crate::{keys::WindowEncoding, window::RootHex};
use grail_protocol::{
    beacon::{Beacon, BeaconChain, WindowRandomness},
    profile::NumericProfile,
    sign::{HotkeyPair, Signature, Statement},
    words::{BlockHash, BlockNumber, Hotkey, NetworkId, UnixMillis, WindowStart},
};
use serde::{Deserialize, Serialize};

/// Version of the format, two bytes behind the line `grail bundle`.
pub const BUNDLE_VERSION: u16 = 1;
/// File name extension, without the dot.
pub const BUNDLE_ENDING: &str = "bundle";
/// Most bytes of a bundle, as it is stored.
pub const BUNDLE_BYTES: u64 = 512 << 20;

/// Most bytes of each part: head, manifest, profile, verdict, window file.
const MOST_BYTES: [(&str, u64); 5] = [
    ("head", 64 << 10),
    ("manifest", crate::manifest::MANIFEST_BYTES),
    ("profile", 4 << 10),
    ("verdict", 96 << 20),
    ("window file", crate::limits::LIMITS.file_bytes),
];

/// A replay bundle: everything that a verdict on one miner's window rests on, signed by the validator.
///
/// Its bytes are described at the top of this module; `grail audit` walks the court again over it.
#[derive(Debug, Clone, PartialEq)]
pub struct Bundle {
    /// What the verdict was about, and under which circumstances.
    pub head: BundleHead,
    /// The checkpoint's manifest, as it was read.
    pub manifest: Vec<u8>,
    /// The tolerances that were applied: [`profile_text`].
    pub profile: String,
    /// The court's report on the miner's window (`grail_verify::MinerReport`), JSON; at most 96 MiB.
    pub verdict: Vec<u8>,
    /// The window file as it lay on the shelf; empty where none was read.
    pub file: Vec<u8>,
    /// The validator's, over `H("grail/1 bundle", …)` of the SHA-256 of each part; absent until it is signed.
    pub signature: Option<Signature>,
}

/// Circumstances of a verdict: what a validator derived or was told, and what an auditor must take on trust or derive again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BundleHead {
    /// The network whose window was judged.
    pub network: NetworkId,
    /// Name of the network's parameters.
    pub params: String,
    /// Their digest, as it enters the window seed.
    pub params_digest: RootHex,
    /// The window that was judged, by its first block.
    pub window: WindowStart,
    /// The miner whose file was judged.
    pub miner: Hotkey,
    /// The validator that judged, whose signature the bundle carries.
    pub validator: Hotkey,
    /// The window's first block: its hash and time seed the window.
    pub first_block: BlockFact,
    /// The window's last block: its time sets the upload deadline.
    pub last_block: BlockFact,
    /// The beacon network, where there is one.
    pub beacon: Option<BeaconChain>,
    /// The window's randomness, with the beacon that it comes from.
    pub randomness: WindowRandomness,
    /// What decided which groups were proven.
    pub challenge: Challenge,
    /// How many groups were proven.
    pub sampling: SamplingFact,
    /// The checkpoint's model.
    pub model: ModelFact,
    /// The file on the shelf, as the store spoke of it; absent where the store was not reached.
    pub file: Option<FileFact>,
}

/// A block as the validator's node gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockFact {
    /// Number on the chain.
    pub number: BlockNumber,
    /// Hash, taken on trust from the validator's node.
    pub hash: BlockHash,
    /// The timestamp that it carries.
    pub time: UnixMillis,
}

/// Where the challenge came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Challenge {
    /// The first round after upload deadline and challenge delay.
    Beacon(Beacon),
    /// The first block after both, where a window has no beacon.
    Block(BlockFact),
}

impl Challenge {
    /// The randomness: SHA-256 of the round's signature, or of the block's hash.
    pub fn randomness(&self) -> [u8; 32] {
        match self {
            Self::Beacon(beacon) => grail_protocol::hash::sha256(&beacon.signature),
            Self::Block(block) => grail_protocol::hash::sha256(block.hash.as_bytes()),
        }
    }
}

/// The rule by which groups were sampled; `grail_verify::Sampling` says what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SamplingFact {
    /// Files of at most this many groups are proven whole.
    pub all_up_to: u32,
    /// Share of larger files, in percent.
    pub share_percent: u32,
    /// Fewest groups of a larger file.
    pub min: u32,
    /// Most groups of a file.
    pub max: u32,
}

/// What the court asks of a model's card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFact {
    /// Number of logits; token ids of a file are below it.
    pub vocabulary: u32,
    /// Most positions, prompt and completion together.
    pub context_length: u32,
}

/// The window file as its store spoke of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileFact {
    /// The encoding that was read, Parquet or JSON.
    pub encoding: Encoding,
    /// When the store says it was written.
    pub stored_at: UnixMillis,
    /// Size of the stored object in bytes.
    pub size: u64,
    /// Whether its bytes are part of the bundle; those of a file that is too large are not.
    pub carried: bool,
}

/// Encoding of a window file, as the head spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// Parquet.
    Parquet,
    /// JSON.
    Json,
}

impl From<WindowEncoding> for Encoding {
    fn from(encoding: WindowEncoding) -> Self {
        match encoding {
            WindowEncoding::Parquet => Self::Parquet,
            WindowEncoding::Json => Self::Json,
        }
    }
}

/// Why bytes are not a bundle. Each has a stable name, [`BundleError::name`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Not the format, cut off, or damaged.
    #[error("not a readable bundle: {detail}")]
    Malformed {
        /// What the reader stumbled over.
        detail: String,
    },
    /// A bound would be exceeded; nothing beyond it was read.
    #[error("the bundle's {what} has {got} bytes, at most {most} are read")]
    TooLarge {
        /// Which part.
        what: &'static str,
        /// Size found or declared.
        got: u64,
        /// The bound.
        most: u64,
    },
    /// A version that this program does not read.
    #[error("the bundle has version {got}, this program reads {BUNDLE_VERSION}; a newer program may read it")]
    UnknownVersion {
        /// The version.
        got: u16,
    },
    /// A head with other spaces, orders or spellings than the canonical ones.
    #[error("the bundle's head is not written canonically")]
    NotCanonical,
    /// The validator did not sign this.
    #[error("the signature on the bundle is not by {validator}, whom it names as its validator")]
    BadSignature {
        /// Whose it should be.
        validator: Hotkey,
    },
    /// There is no signature yet.
    #[error("the bundle is not signed")]
    Unsigned,
}

impl BundleError {
    /// The stable name: what scripts and tests look for.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "malformed",
            Self::TooLarge { .. } => "too-large",
            Self::UnknownVersion { .. } => "unknown-version",
            Self::NotCanonical => "not-canonical",
            Self::BadSignature { .. } => "bad-signature",
            Self::Unsigned => "unsigned",
        }
    }
}

impl Bundle {
    /// Signs; an older signature is replaced. The head names the signer as its validator.
    pub fn sign(&mut self, pair: &HotkeyPair, entropy: [u8; 32]) -> Result<(), BundleError> {
        self.sign_with(pair.hotkey(), |statement| Ok(pair.sign(&statement.digest(), entropy)))
    }

    /// [`Self::sign`] with a signer that hashes for itself, and may fail.
    ///
    /// Errors: those of `sign`, and [`BundleError::Malformed`], which no head of this type causes.
    pub fn sign_with<E: From<BundleError>>(
        &mut self,
        validator: Hotkey,
        sign: impl FnOnce(&Statement) -> Result<Signature, E>,
    ) -> Result<(), E> {
        self.head.validator = validator;
        self.signature = Some(sign(&self.statement()?)?);
        Ok(())
    }

    /// What the validator signs.
    ///
    /// Errors: [`BundleError::Malformed`], which no head of this type causes.
    pub fn statement(&self) -> Result<Statement, BundleError> {
        let head = self.head_bytes()?;
        let parts = [&head, &self.manifest, self.profile.as_bytes(), &self.verdict, &self.file];
        let statement = Statement::new("grail/1 bundle")
            .with(&u64::from(BUNDLE_VERSION).to_le_bytes())
            .with(self.head.validator.as_bytes());
        Ok(parts
            .iter()
            .fold(statement, |statement, part| statement.with(&grail_protocol::hash::sha256(part))))
    }

    fn head_bytes(&self) -> Result<Vec<u8>, BundleError> {
        serde_json::to_vec(&self.head)
            .map_err(|error| BundleError::Malformed { detail: format!("encode the head: {error}") })
    }
}

/// Tolerances of a numeric profile as text, one a line: what the verdict was measured by. A program with other numbers
/// under the same name sees that by comparing.
pub fn profile_text(profile: NumericProfile) -> String {
    let (limits, drift) = (profile.thresholds(), profile.drift());
    // Each in the shortest digits of its own type.
    let lines = [
        format!("profile {}", profile.name()),
        format!("margin-hard {:e}", limits.margin_hard),
        format!("margin-soft {:e}", limits.margin_soft),
        format!("nucleus-slack {:e}", limits.nucleus_slack),
        format!("sketch-hard {:e}", limits.sketch_hard),
        format!("sketch-rms {:e}", limits.sketch_rms),
        format!("logprob {:e}", limits.logprob),
        format!("lost-per-gini {:e}", drift.lost_per_gini),
        format!("clip {:e}", drift.clip),
        format!("clipped-share {:e}", drift.clipped_share),
        format!("changed-digits {:e}", drift.changed_digits),
        format!("changed-digits-floor {:e}", drift.changed_digits_floor),
        format!("changed-digits-chance {:e}", drift.changed_digits_chance),
        format!("noted {:e}", drift.noted),
        format!("withheld {:e}", drift.withheld),
        format!("calibrated {}", drift.calibrated),
    ];
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests;

use super::is_plain;
use crate::{
    delta::DELTA_ENDING,
    manifest::{FileEntry, ManifestError},
    tensors::TensorRoot,
    window::RootHex,
};
use grail_protocol::{
    hash::{Digest, Hasher},
    sign::Signature,
    words::{CheckpointId, Hotkey, WindowStart},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What lies in the checkpoint's folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PublicationKind {
    /// Every file, whole. Deltas may lie beside them.
    Full,
    /// Deltas; of the other files those that differ from the base's.
    Delta,
}

impl PublicationKind {
    /// Text form, as manifests carry it: `full`, `delta`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Delta => "delta",
        }
    }
}

/// The delta that makes one of the checkpoint's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeltaFile {
    /// The file that it makes; the delta itself has this name with `.delta` behind it.
    pub makes: String,
    /// Size of the delta in bytes.
    pub size: u64,
    /// SHA-256 of the delta, 64 hexadecimal digits.
    pub sha256: String,
}

impl DeltaFile {
    /// Name of the delta: that of the file it makes, and `.delta`.
    pub fn name(&self) -> String {
        format!("{}{DELTA_ENDING}", self.makes)
    }
}

/// The way from another checkpoint to this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeltaStep {
    /// The checkpoint that the deltas apply to, with all its files.
    pub base: CheckpointId,
    /// The window after which the base was published, before this one's.
    pub base_window: WindowStart,
    /// The deltas, in order of the files that they make.
    pub deltas: Vec<DeltaFile>,
}

/// Who published a checkpoint, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publication {
    /// What lies in the folder.
    pub kind: PublicationKind,
    /// The way from the checkpoint before; a delta must have it, a full one may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<DeltaStep>,
    /// Root over the tensors of all files.
    pub tensors: TensorRoot,
    /// [`windows_digest`] of the window files that the model was trained on since the checkpoint before.
    pub trained_on: RootHex,
    /// The trainer's hotkey, SS58 in JSON; whoever follows compares it with the one that it was told.
    pub trainer: Hotkey,
    /// The trainer's, over `H("grail/1 manifest", id)`; not part of the id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
}

/// The digest of verified window files: `H("grail/1 windows", then window as u64 LE, hotkey and root of each)`, in order of windows,
/// then hotkeys.
pub fn windows_digest(files: &BTreeSet<(WindowStart, Hotkey, Digest)>) -> Digest {
    let mut hasher = Hasher::new("grail/1 windows");
    for (window, hotkey, root) in files {
        hasher.field(&window.0.to_le_bytes());
        hasher.field(hotkey.as_bytes());
        hasher.field(root);
    }
    hasher.finish()
}

impl Publication {
    /// Checks it against the manifest that it stands in.
    pub(crate) fn check(&self, window: WindowStart, files: &[FileEntry]) -> Result<(), ManifestError> {
        let refuse = |detail: String| Err(ManifestError::Field { field: "publication", detail });
        let Some(step) = &self.step else {
            return match self.kind {
                PublicationKind::Full => Ok(()),
                PublicationKind::Delta => refuse("a delta names no base".into()),
            };
        };
        if step.base_window >= window {
            return refuse(format!("the base's window {} is not before {window}", step.base_window));
        }
        if step.deltas.is_empty() {
            return refuse("it names a base and no delta".into());
        }
        for delta in &step.deltas {
            if !files.iter().any(|file| file.name == delta.makes) {
                return refuse(format!("a delta makes {:?}, which is not listed", delta.makes));
            }
            if !is_plain(&delta.name()) {
                return refuse(format!("{:?} is not a plain file name", delta.name()));
            }
            if !is_sha256(&delta.sha256) {
                return refuse(format!("the digest of {} is not 64 lower-case hex digits", delta.name()));
            }
        }
        if step.deltas.windows(2).any(|pair| matches!(pair, [a, b] if a.makes >= b.makes)) {
            return refuse("deltas must be sorted and distinct".into());
        }
        Ok(())
    }

    /// Adds everything but the signature to a checkpoint's identity: kind; base, base window, and name, size and digest
    /// of each delta, where there is a step; tensor root; digest of windows; trainer.
    pub(crate) fn add_to(&self, hasher: &mut Hasher) {
        hasher.field(self.kind.name().as_bytes());
        match &self.step {
            None => hasher.field(b"no step"),
            Some(step) => {
                hasher.field(b"step");
                hasher.field(step.base.as_bytes());
                hasher.field(&step.base_window.0.to_le_bytes());
                hasher.field(&(step.deltas.len() as u64).to_le_bytes());
                for delta in &step.deltas {
                    hasher.field(delta.makes.as_bytes());
                    hasher.field(&delta.size.to_le_bytes());
                    hasher.field(delta.sha256.as_bytes());
                }
            }
        }
        hasher.field(&self.tensors.0);
        hasher.field(&self.trained_on.0);
        hasher.field(self.trainer.as_bytes());
    }
}

pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
}

//! Replay bundles on disk: which verdicts are kept with everything that they rest on, and for how long.

use crate::{
    context::{Sources, fact},
    disk::write_atomic,
};
use bytes::Bytes;
use grail_artifact::{
    bundle::{BUNDLE_ENDING, Bundle, BundleHead, Challenge, FileFact, ModelFact, profile_text},
    manifest::Manifest,
    window::RootHex,
};
use grail_ports::{Door, Fault, Retry, chain::Block, sign::Sign};
use grail_protocol::{
    seed::WindowContext,
    words::{Hotkey, WindowStart},
};
use grail_verify::{MinerReport, Sampling, Verdict};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Bundles that are kept, by default. The oldest windows go first.
pub const KEPT_BUNDLES: usize = 256;

/// A window's circumstances that are the same for every miner.
#[derive(Debug, Clone)]
pub struct Circumstances {
    /// The window.
    pub context: WindowContext,
    /// The checkpoint's manifest.
    pub manifest: Manifest,
    /// The window's first block.
    pub first: Block,
    /// Its last block.
    pub last: Block,
    /// What decided which groups were proven.
    pub challenge: Challenge,
    /// The checkpoint's model.
    pub model: ModelFact,
}

/// What a verdict on one miner rests on beside them.
#[derive(Debug)]
pub struct Matter<'a> {
    /// The court's report.
    pub report: &'a MinerReport,
    /// How many of its groups were proven.
    pub sampling: Sampling,
    /// What the store said of the file; absent where it was not reached.
    pub file: Option<FileFact>,
    /// The file's bytes, where it is carried.
    pub body: Bytes,
}

impl Circumstances {
    /// The bundle of one miner as this validator would sign it; see [`signed`].
    ///
    /// Errors: a report that cannot be encoded, which none of ours is.
    pub fn bundle(&self, sources: &Sources, matter: &Matter<'_>, validator: Hotkey) -> Result<Bundle, Fault> {
        let context = &self.context;
        let head = BundleHead {
            network: context.network.clone(),
            params: context.params.profile.to_owned(),
            params_digest: RootHex(context.params.digest()),
            window: context.window,
            miner: matter.report.hotkey,
            validator,
            first_block: fact(self.first),
            last_block: fact(self.last),
            beacon: sources.beacon_chain().cloned(),
            randomness: context.randomness.clone(),
            challenge: self.challenge.clone(),
            sampling: matter.sampling.into(),
            model: self.model,
            file: matter.file,
        };
        let verdict = serde_json::to_vec(matter.report)
            .map_err(|error| Fault::new(Door::Inside, Retry::Never, "encode a report", error))?;
        let manifest = self
            .manifest
            .to_json()
            .map_err(|error| Fault::new(Door::Inside, Retry::Never, "encode a manifest", error))?;
        Ok(Bundle {
            head,
            manifest,
            profile: profile_text(context.numeric),
            verdict,
            file: matter.body.to_vec(),
            signature: None,
        })
    }
}

/// The bundle with its validator's signature. A signer may be slow: loops call this beside themselves.
///
/// Errors: those of the signer.
pub fn signed(mut bundle: Bundle, signer: &dyn Sign) -> Result<Bundle, Fault> {
    let statement = bundle
        .statement()
        .map_err(|error| Fault::new(Door::Inside, Retry::Never, "encode a bundle", error))?;
    bundle.signature = Some(signer.sign(&statement)?);
    Ok(bundle)
}

/// Bundles that a validator keeps while it judges.
#[derive(Debug, Clone)]
pub struct Bundles {
    /// Which, and where.
    pub folder: BundleFolder,
    /// Who signs them: the validator's hotkey.
    pub signer: Arc<dyn Sign>,
}

/// Which bundles a validator keeps, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleFolder {
    /// Where.
    pub folder: PathBuf,
    /// Most of them.
    pub keep: usize,
    /// Of everyone that has a file, and not of those alone whom something speaks against.
    pub everyone: bool,
}

impl BundleFolder {
    /// Of refused miners, [`KEPT_BUNDLES`] at most.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), keep: KEPT_BUNDLES, everyone: false }
    }

    /// Whether a report's bundle is kept.
    pub fn wants(&self, report: &MinerReport) -> bool {
        self.everyone
            || matches!(report.file, Verdict::Rejected(_))
            || !report.tally.rejected.is_empty()
            || report.tally.undecided.contains_key("unlikely")
    }

    /// Where a bundle lies.
    pub fn path(&self, window: WindowStart, miner: &Hotkey) -> PathBuf {
        self.folder.join(format!("window-{window}-{miner}.{BUNDLE_ENDING}"))
    }

    /// Writes a bundle, whole or not at all, and lets the oldest go where there are too many.
    pub fn save(&self, bundle: &Bundle) -> Result<PathBuf, Fault> {
        let bytes = bundle
            .to_bytes()
            .map_err(|error| Fault::new(Door::Inside, Retry::Never, "encode a bundle", error))?;
        let path = self.path(bundle.head.window, &bundle.head.miner);
        write_atomic(&path, &bytes)?;
        self.prune()?;
        Ok(path)
    }

    fn prune(&self) -> Result<(), Fault> {
        let fault = |error: std::io::Error| {
            Fault::new(Door::Disk, Retry::Never, format!("clear out {}", self.folder.display()), error)
        };
        let mut found: Vec<(u64, PathBuf)> = Vec::new();
        for entry in std::fs::read_dir(&self.folder).map_err(fault)? {
            let path = entry.map_err(fault)?.path();
            found.extend(window_of(&path).map(|window| (window, path)));
        }
        // Newest first; of one window by name, so that what goes does not depend on the disk's order.
        found.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        for (_, path) in found.into_iter().skip(self.keep.max(1)) {
            std::fs::remove_file(&path).map_err(fault)?;
        }
        Ok(())
    }
}

/// The window in a bundle's name; `None` for other files.
fn window_of(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    let (window, rest) = name.strip_prefix("window-")?.split_once('-')?;
    rest.strip_suffix(BUNDLE_ENDING)?.strip_suffix('.')?;
    window.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_windows_go_first_and_other_files_stay() {
        let dir = tempfile::tempdir().unwrap();
        let folder = BundleFolder { keep: 3, ..BundleFolder::new(dir.path()) };
        let miner = |byte| Hotkey::from_bytes([byte; 32]);
        for (window, byte) in [(8, 1), (1_000, 1), (16, 2), (16, 1), (24, 1)] {
            std::fs::write(folder.path(WindowStart(window), &miner(byte)), "x").unwrap();
        }
        std::fs::write(dir.path().join("window-0.json"), "a report").unwrap();
        folder.prune().unwrap();
        let mut left: Vec<String> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left.len(), 4, "{left:?}");
        for gone in ["window-8-", "window-1-"] {
            assert!(!left.iter().any(|name| name.starts_with(gone)), "{left:?}");
        }
        for kept in ["window-0.json", "window-1000-", "window-24-", "window-16-"] {
            assert!(left.iter().any(|name| name.starts_with(kept)), "{left:?}");
        }
    }
}

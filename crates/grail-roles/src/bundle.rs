//! Replay bundles in a journal: which verdicts are kept with everything that they rest on, and for how long.

use crate::context::{Sources, fact};
use bytes::Bytes;
use grail_artifact::{
    bundle::{BUNDLE_ENDING, Bundle, BundleHead, Challenge, FileFact, ModelFact, profile_text},
    manifest::Manifest,
    window::RootHex,
};
use grail_ports::{Door, Fault, Retry, chain::Block, journal::Journal, sign::Sign};
use grail_protocol::{
    seed::WindowContext,
    words::{Hotkey, WindowStart},
};
use grail_verify::{MinerReport, Sampling, Verdict};
use std::sync::Arc;

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

/// Which bundles a validator keeps while it judges, and where.
#[derive(Debug, Clone)]
pub struct Bundles {
    /// Where; other entries of the journal are left alone.
    pub journal: Arc<dyn Journal>,
    /// Most of them; one at least stays.
    pub keep: usize,
    /// Of everyone that has a file, and not of those alone whom something speaks against.
    pub everyone: bool,
    /// Who signs them: the validator's hotkey.
    pub signer: Arc<dyn Sign>,
}

impl Bundles {
    /// Of refused miners, [`KEPT_BUNDLES`] at most.
    pub fn new(journal: Arc<dyn Journal>, signer: Arc<dyn Sign>) -> Self {
        Self { journal, keep: KEPT_BUNDLES, everyone: false, signer }
    }

    /// Whether a report's bundle is kept.
    pub fn wants(&self, report: &MinerReport) -> bool {
        self.everyone
            || matches!(report.file, Verdict::Rejected(_))
            || !report.tally.rejected.is_empty()
            || report.tally.undecided.contains_key("unlikely")
    }

    /// Signs a bundle, writes it whole or not at all, and lets the oldest go where there are too many. Returns where it
    /// lies.
    pub fn save(&self, bundle: Bundle) -> Result<String, Fault> {
        let bundle = signed(bundle, self.signer.as_ref())?;
        let bytes = bundle
            .to_bytes()
            .map_err(|error| Fault::new(Door::Inside, Retry::Never, "encode a bundle", error))?;
        let name = entry_name(bundle.head.window, &bundle.head.miner);
        self.journal.write(&name, &bytes)?;
        self.prune()?;
        Ok(self.journal.place(&name))
    }

    fn prune(&self) -> Result<(), Fault> {
        let names = self.journal.list()?;
        let mut found: Vec<(u64, &String)> =
            names.iter().filter_map(|name| Some((window_of(name)?, name))).collect();
        // Newest first; of one window by name.
        found.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        found.into_iter().skip(self.keep.max(1)).try_for_each(|(_, name)| self.journal.remove(name))
    }
}

/// What the bundle of a miner's window is called.
pub fn entry_name(window: WindowStart, miner: &Hotkey) -> String {
    format!("window-{window}-{miner}.{BUNDLE_ENDING}")
}

/// The window in a bundle's name; `None` for other entries.
fn window_of(name: &str) -> Option<u64> {
    let (window, rest) = name.strip_prefix("window-")?.split_once('-')?;
    rest.strip_suffix(BUNDLE_ENDING)?.strip_suffix('.')?;
    window.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use grail_protocol::sign::HotkeyPair;
    use grail_testkit::doors::{HeldKey, MemJournal};

    #[test]
    fn the_oldest_windows_go_first_and_other_entries_stay() {
        let kept = MemJournal::default();
        let signer = Arc::new(HeldKey(HotkeyPair::from_seed(&[9; 32]).unwrap()));
        let bundles = Bundles { keep: 3, ..Bundles::new(Arc::new(kept.clone()), signer) };
        let miner = |byte| Hotkey::from_bytes([byte; 32]);
        for (window, byte) in [(8, 1), (1_000, 1), (16, 2), (16, 1), (24, 1)] {
            kept.lay(entry_name(WindowStart(window), &miner(byte)), "x");
        }
        kept.lay("window-0.json", "a report");
        bundles.prune().unwrap();
        let left = kept.list().unwrap();
        assert_eq!(left.len(), 4, "{left:?}");
        for gone in ["window-8-", "window-1-"] {
            assert!(!left.iter().any(|name| name.starts_with(gone)), "{left:?}");
        }
        for kept in ["window-0.json", "window-1000-", "window-24-", "window-16-"] {
            assert!(left.iter().any(|name| name.starts_with(kept)), "{left:?}");
        }
    }
}

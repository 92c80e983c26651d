//! Publishing for a trainer: weights become a signed checkpoint on this disk, and then on the shelf.
//!
//! ```text
//! window-{W}.draft/    being made; of no worth to anybody, removed and made again
//! window-{W}/          finished and signed, never written to again
//! window-{W}.deltas/   the deltas that go with it
//! full-next            the next one has to be whole: what the shelf gave back was not what was sent
//! ```

use super::{
    Cache, Found, Outgoing, PublishError, Published, Publisher, Terms, describe, files::later, make_deltas,
    tensor_root,
};
use async_trait::async_trait;
use grail_artifact::{
    checkpoint::{
        CheckpointKey, CheckpointPlace, DeltaStep, FileName, Publication, PublicationKind, Retention,
    },
    delta::DeltaOptions,
    manifest::{MANIFEST_FILE, Manifest, ManifestError, PUBLISHED_VERSION},
};
use grail_ports::{
    Door, Fault, Retry,
    checkpoint::CheckpointShelf,
    publish::{Export, Issued, Press, PublicationPlan},
    sign::Sign,
};
use grail_protocol::{params::Params, words::WindowStart};
use sha2::{Digest as _, Sha256};
use std::{error::Error, fs, io, path::PathBuf, sync::Arc};

/// What can be chosen about publishing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PressSettings {
    /// One checkpoint in so many is whole, the others are deltas; 1 makes all whole, up to 32.
    pub full_every: u64,
    /// Checkpoints kept on the shelf beside milestones; 2 to 1,000.
    pub keep: usize,
    /// One window in so many is a milestone, kept for ever; 0 none.
    pub milestone_every: u64,
    /// Threads for hashing and for deltas; 1 to 256.
    pub workers: usize,
}

impl Default for PressSettings {
    fn default() -> Self {
        Self { full_every: 10, keep: 10, milestone_every: 100, workers: 1 }
    }
}

impl PressSettings {
    /// Checks every range. Errors: a sentence about the first that does not hold.
    pub fn check(&self) -> Result<(), String> {
        let within = |name: &str, value: u64, low: u64, high: u64| {
            if (low..=high).contains(&value) {
                Ok(())
            } else {
                Err(format!("publish.{name} is {value}, {low} to {high} is possible"))
            }
        };
        within("full_every", self.full_every, 1, 32)?;
        within("keep", self.keep as u64, 2, 1_000)?;
        within("workers", self.workers as u64, 1, 256)
    }
}

/// A press over a folder of this machine and a shelf.
#[derive(Clone)]
pub struct StorePress {
    root: PathBuf,
    cache: Cache,
    shelf: Arc<dyn CheckpointShelf>,
    publisher: Publisher,
    signer: Arc<dyn Sign>,
    params: Params,
    genesis: Found,
    settings: PressSettings,
}

impl std::fmt::Debug for StorePress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StorePress").field("root", &self.root).finish_non_exhaustive()
    }
}

/// Checkpoints kept on this machine.
const KEPT_HERE: usize = 4;

impl StorePress {
    /// A press that works in `root` and signs as `signer`.
    ///
    /// Errors: the first model's numeric profile is retired; the folder cannot be made.
    pub fn new(
        root: impl Into<PathBuf>,
        shelf: Arc<dyn CheckpointShelf>,
        signer: Arc<dyn Sign>,
        params: Params,
        genesis: Found,
        settings: PressSettings,
    ) -> Result<Self, Fault> {
        if let Some(why) = genesis.manifest.numeric.retired() {
            let doing = format!(
                "publish checkpoints of a network of that numeric profile: {why}; make the network anew from its newest \
                 weights with `grail checkpoint describe`"
            );
            return Err(Fault::plain(Door::Model, Retry::Never, doing));
        }
        let root = root.into();
        let cache = Cache::open(&root)?;
        let publisher = Publisher::new(Arc::clone(&shelf), signer.hotkey(), params);
        Ok(Self { root, cache, shelf, publisher, signer, params, genesis, settings })
    }

    fn finished(&self) -> Result<Vec<Found>, Fault> {
        self.cache.finished(&self.signer.hotkey(), &self.params)
    }

    fn beside(&self, window: WindowStart, ending: &str) -> PathBuf {
        self.root.join(format!("{}{ending}", CheckpointPlace::Window(window)))
    }

    fn full_next(&self) -> PathBuf {
        self.root.join("full-next")
    }

    fn is_milestone(&self, window: WindowStart) -> bool {
        self.retention().is_milestone(window)
    }

    fn retention(&self) -> Retention {
        let PressSettings { keep, milestone_every, .. } = self.settings;
        Retention { last: keep, milestone_every, window_length: self.params.window_length }
    }

    /// Makes the checkpoint of a plan on this disk. Blocks.
    fn make(&self, plan: &PublicationPlan, base: &Found, export: Export) -> Result<Found, MakeError> {
        let (draft, deltas) = (self.beside(plan.window, ".draft"), self.beside(plan.window, ".deltas"));
        for folder in [&draft, &deltas] {
            grail_fs::remove_folder(folder)?;
            grail_fs::make_folder(folder)?;
        }
        export(&draft)?;
        // Everything but the weights is the first model's, for ever.
        for file in self.genesis.manifest.files.iter().filter(|file| !is_weights(&file.name)) {
            grail_fs::copy(&self.genesis.folder.join(&file.name), &draft.join(&file.name))?;
        }
        let first = &self.genesis.manifest;
        let terms = Terms {
            environments: first.environments.clone(),
            policy: first.policy,
            max_new_tokens: first.max_new_tokens,
            numeric: first.numeric,
        };
        let mut manifest = describe(&draft, terms, &mut |_| {})?;
        let options = DeltaOptions { workers: self.settings.workers, ..DeltaOptions::default() };
        let old = (base.folder.as_path(), &base.manifest.files[..]);
        let made = make_deltas(old, &draft, &manifest.files, &deltas, options, &mut |_| {})
            .map_err(|error| disk_fault("make the deltas", error))?;
        let whole = plan.sequence % self.settings.full_every == 1 % self.settings.full_every
            || self.is_milestone(plan.window)
            || self.full_next().exists()
            || made.is_empty();
        let step = DeltaStep { base: base.manifest.id(), base_window: base.manifest.window, deltas: made };
        manifest.version = PUBLISHED_VERSION;
        manifest.window = plan.window;
        manifest.sequence = plan.sequence;
        manifest.publication = Some(Publication {
            kind: if whole { PublicationKind::Full } else { PublicationKind::Delta },
            step: (!step.deltas.is_empty()).then_some(step),
            tensors: tensor_root(&draft, &manifest.files, options, &mut |_| {})
                .map_err(|error| disk_fault("hash the weights", error))?,
            trained_on: plan.trained_on,
            trainer: self.signer.hotkey(),
            signature: None,
        });
        manifest.sign_with(&self.signer.hotkey(), |statement| {
            self.signer.sign(statement).map_err(MakeError::from)
        })?;
        manifest.check(&self.params)?;
        grail_fs::write_synced(&draft.join(MANIFEST_FILE), &manifest.to_json()?)?;
        grail_fs::sync_folder(&draft)?;
        let folder = self.beside(plan.window, "");
        grail_fs::remove_folder(&folder)?;
        grail_fs::publish(&draft, &folder)?;
        Ok(Found { folder, manifest })
    }

    /// The checkpoint of a plan on this disk, made where it is not there, and its base.
    fn ready(&self, plan: &PublicationPlan, export: Export) -> Result<(Found, Found), Fault> {
        let finished = self.finished()?;
        let older = finished.iter().rev().find(|one| one.manifest.sequence < plan.sequence);
        let base = older.unwrap_or(&self.genesis).clone();
        let same =
            |one: &&Found| one.manifest.sequence == plan.sequence && one.manifest.window == plan.window;
        let local = match finished.iter().find(same) {
            Some(local) => local.clone(),
            None => self.make(plan, &base, export).map_err(|error| {
                let full = is_full(&error);
                let advice = if full { "; free some space on that disk" } else { "" };
                let retry = if full { Retry::Later } else { Retry::Never };
                let doing = format!("make checkpoint {} in {}{advice}", plan.sequence, self.root.display());
                Fault::new(Door::Disk, retry, doing, error)
            })?,
        };
        Ok((local, base))
    }

    async fn send(&self, place: CheckpointPlace, outgoing: &Outgoing) -> Result<u64, Fault> {
        let sent = self.publisher.publish(place, outgoing, Arc::new(|_| {})).await;
        match sent {
            Ok(Published::Now { bytes }) => Ok(bytes),
            Ok(Published::Before) => Ok(0),
            Err(PublishError::Fault { source }) => Err(source),
            Err(error @ PublishError::Incomplete { .. }) => {
                Err(Fault::new(Door::Shelf, Retry::Later, format!("publish {place}"), error))
            }
            Err(error) => Err(Fault::new(Door::Shelf, Retry::Never, format!("publish {place}"), error)),
        }
    }

    /// Reads deltas back. A delta that cannot be followed would keep everyone on the checkpoint before, so the next one is
    /// then whole.
    async fn read_back(&self, local: &Found) -> Result<(), Fault> {
        let step = local.manifest.publication.as_ref().and_then(|publication| publication.step.as_ref());
        let mut sound = true;
        for delta in step.into_iter().flat_map(|step| &step.deltas) {
            // A checked manifest has plain names only.
            let Ok(name) = FileName::new(delta.name()) else { continue };
            let key = CheckpointPlace::Window(local.manifest.window).file(name);
            sound &= digest_on_shelf(self.shelf.as_ref(), &key, delta.size).await?.as_deref()
                == Some(delta.sha256.as_str());
        }
        if sound {
            return grail_fs::remove_file(&self.full_next()).map_err(later);
        }
        tracing::error!(
            target: "grail::train", window = local.manifest.window.0,
            "the shelf does not give back what was sent; the next checkpoint will be whole"
        );
        Ok(grail_fs::write(&self.full_next(), b"")?)
    }

    /// Forgets what need not be kept, here and on the shelf. Trouble with it is told, and tried again next time.
    async fn tidy(&self) {
        let tidied = async {
            let plan = self.publisher.plan(self.retention()).await?;
            self.publisher.prune(&plan).await?;
            self.cache.prune(KEPT_HERE, &self.signer.hotkey(), &self.params)?;
            let kept: Vec<WindowStart> = self.finished()?.iter().map(|one| one.manifest.window).collect();
            self.remove_leftovers(&kept)
                .map_err(|error| Fault::new(Door::Disk, Retry::Later, "remove old deltas", error))
        };
        if let Err(fault) = tidied.await {
            tracing::warn!(target: "grail::train", fault = %fault.chain(), "could not tidy up after publishing");
        }
    }

    /// Deltas and drafts of windows whose checkpoint is not kept here.
    fn remove_leftovers(&self, kept: &[WindowStart]) -> io::Result<()> {
        for entry in fs::read_dir(&self.root)? {
            let name = entry?.file_name();
            let stem = name.to_str().and_then(|name| name.rsplit_once('.'));
            let Some((place, "deltas" | "draft")) = stem else { continue };
            if place.parse::<CheckpointPlace>().is_ok_and(|place| !kept.contains(&place.window())) {
                fs::remove_dir_all(self.root.join(&name))?;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Press for StorePress {
    fn issued(&self) -> Result<Vec<Manifest>, Fault> {
        Ok(self.finished()?.into_iter().map(|local| local.manifest).collect())
    }

    async fn publish(&self, plan: &PublicationPlan, export: Export) -> Result<Issued, Fault> {
        let (press, own) = (self.clone(), *plan);
        let made = tokio::task::spawn_blocking(move || press.ready(&own, export)).await;
        let (local, base) = made.map_err(|error| {
            Fault::new(Door::Inside, Retry::Later, "make a checkpoint: the work broke off", error)
        })??;
        let outgoing = Outgoing {
            manifest: local.manifest.clone(),
            folder: local.folder.clone(),
            deltas: self.beside(plan.window, ".deltas"),
            base: Some(base.manifest),
        };
        let mut sent_bytes = self.send(CheckpointPlace::Window(plan.window), &outgoing).await?;
        if self.is_milestone(plan.window) {
            sent_bytes += self.send(CheckpointPlace::Milestone(plan.window), &outgoing).await?;
        }
        self.read_back(&local).await?;
        self.tidy().await;
        Ok(Issued { manifest: local.manifest, folder: local.folder, sent_bytes })
    }
}

/// SHA-256 of an object of that size; `None` where it is absent or of another size.
async fn digest_on_shelf(
    shelf: &dyn CheckpointShelf,
    key: &CheckpointKey,
    size: u64,
) -> Result<Option<String>, Fault> {
    const RANGE: u64 = 16 << 20;
    let (mut hasher, mut at) = (Sha256::new(), 0);
    while at < size {
        match shelf.fetch(key, at, RANGE.min(size - at)).await? {
            Some(part) if part.size == size && !part.body.is_empty() => {
                hasher.update(&part.body);
                at += part.body.len() as u64;
            }
            _ => return Ok(None),
        }
    }
    Ok(Some(hex::encode(hasher.finalize())))
}

fn is_weights(name: &str) -> bool {
    name.ends_with(".safetensors") || name.ends_with(".safetensors.index.json")
}

/// Why a checkpoint was not made.
#[derive(Debug, thiserror::Error)]
enum MakeError {
    #[error(transparent)]
    Disk(#[from] grail_fs::DiskError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Fault(#[from] Fault),
}

fn disk_fault(doing: &str, source: impl Error + Send + Sync + 'static) -> Fault {
    Fault::new(Door::Disk, Retry::Never, doing, source)
}

/// Whether a full disk is the cause, however deep.
fn is_full(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(cause) = next {
        if cause.downcast_ref().is_some_and(grail_fs::is_full) {
            return true;
        }
        next = cause.source();
    }
    false
}

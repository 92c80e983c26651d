use super::{
    Found,
    download::{Meter, Tell, blocking},
    error::PublishError,
    files::disk,
    manifest::marker_of,
};
use bytes::Bytes;
use grail_artifact::{
    checkpoint::{
        CheckpointKey, CheckpointPlace, FileName, Held, Inventory, Moment, PublicationKind, Retention,
        RetentionPlan, Trust, plan, verify_manifest,
    },
    manifest::{MANIFEST_BYTES, Manifest, ManifestError},
};
use grail_ports::{Door, Fault, Retry, checkpoint::CheckpointShelf};
use grail_protocol::{params::Params, words::Hotkey};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A checkpoint that is to be published.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// Its manifest, signed.
    pub manifest: Manifest,
    /// Where its files lie.
    pub folder: PathBuf,
    /// Where its deltas lie; of a manifest without deltas nobody looks there.
    pub deltas: PathBuf,
    /// The base of its deltas: of a delta, files that are the same there are not sent.
    pub base: Option<Manifest>,
}

/// What publishing came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// It is there now.
    Now {
        /// Bytes sent.
        bytes: u64,
    },
    /// This very checkpoint was there, ready; nothing was sent.
    Before,
}

/// Publishes one trainer's checkpoints, and forgets old ones.
#[derive(Clone)]
pub struct Publisher {
    shelf: Arc<dyn CheckpointShelf>,
    trainer: Hotkey,
    params: Params,
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publisher").field("trainer", &self.trainer).finish_non_exhaustive()
    }
}

impl Publisher {
    /// A publisher of what `trainer` signs.
    pub const fn new(shelf: Arc<dyn CheckpointShelf>, trainer: Hotkey, params: Params) -> Self {
        Self { shelf, trainer, params }
    }

    /// Sends files, then the manifest, looks at what the shelf then holds, and marks it ready.
    ///
    /// The list of what is sent comes from the manifest alone, and whatever an earlier attempt left beside it is removed, so
    /// a retry is as good as a first try. Nobody reads what is not marked.
    pub async fn publish(
        &self,
        place: CheckpointPlace,
        outgoing: &Outgoing,
        tell: Tell,
    ) -> Result<Published, PublishError> {
        let manifest = &outgoing.manifest;
        let json = manifest.to_json()?;
        verify_manifest(&json, &self.params, Trust::Trainer(&self.trainer), None)?;
        if manifest.window != place.window() {
            let detail = format!("{} is not the place of window {}", place, manifest.window);
            return Err(ManifestError::Field { field: "window", detail }.into());
        }
        let kind = manifest.publication.as_ref().map(|publication| publication.kind);
        if matches!(place, CheckpointPlace::Milestone(_)) && kind != Some(PublicationKind::Full) {
            let detail = "a milestone is whole, for what it is made from is not kept".to_owned();
            return Err(ManifestError::Field { field: "kind", detail }.into());
        }
        let marker = marker_of(manifest);
        let inventory = Inventory::new(self.shelf.list().await?);
        if inventory.is_ready(place) {
            let holds = self.small(&place.file(FileName::ready()), 128).await?.unwrap_or_default();
            return if holds == marker.as_bytes() {
                Ok(Published::Before)
            } else {
                Err(PublishError::Taken { place, holds: String::from_utf8_lossy(&holds).trim().to_owned() })
            };
        }

        let files = content(outgoing);
        let sizes = files.clone();
        let looked = blocking((), "look at the checkpoint's files", move || sizes_are_right(&sizes)).await?;
        looked?;
        let mut kept: BTreeSet<FileName> = files.iter().map(|file| file.name.clone()).collect();
        kept.insert(FileName::manifest());
        let left: Vec<CheckpointKey> =
            inventory.keys_to_delete(place).into_iter().filter(|key| !kept.contains(&key.name)).collect();
        self.shelf.delete(&left).await?;

        let total = files.iter().map(|file| file.size).fold(0, u64::saturating_add);
        let meter = Meter::new(total, tell);
        for file in &files {
            let key = place.file(file.name.clone());
            self.shelf.put_file(&key, &file.path, &|bytes| meter.add(bytes)).await?;
        }
        self.shelf.put(&place.file(FileName::manifest()), Bytes::from(json)).await?;
        self.look_again(place, &files).await?;
        self.shelf.put(&place.file(FileName::ready()), Bytes::from(marker)).await?;
        Ok(Published::Now { bytes: total })
    }

    /// What was sent must be what lies there, before anybody is told.
    async fn look_again(&self, place: CheckpointPlace, files: &[Content]) -> Result<(), PublishError> {
        let inventory = Inventory::new(self.shelf.list().await?);
        let listing = inventory.listing(place).cloned().unwrap_or_default();
        let mut wrong: BTreeSet<String> = files
            .iter()
            .filter(|file| listing.get(&file.name) != Some(&file.size))
            .map(|file| file.name.to_string())
            .collect();
        if !listing.contains_key(&FileName::manifest()) {
            wrong.insert(FileName::manifest().to_string());
        }
        if wrong.is_empty() { Ok(()) } else { Err(PublishError::Incomplete { files: wrong }) }
    }

    /// Reads the shelf and decides what to keep. Deletes nothing.
    pub async fn plan(&self, retention: Retention) -> Result<RetentionPlan, Fault> {
        let inventory = Inventory::new(self.shelf.list().await?);
        let mut manifests = BTreeMap::new();
        for (place, _) in inventory.places().filter(|(place, _)| inventory.is_ready(*place)) {
            let json =
                self.small(&place.file(FileName::manifest()), MANIFEST_BYTES).await?.unwrap_or_default();
            match verify_manifest(&json, &self.params, Trust::Trainer(&self.trainer), None) {
                Ok(manifest) => {
                    manifests.insert(place, manifest);
                }
                Err(error) => {
                    tracing::warn!(%place, %error, "a manifest cannot be read; what it may need is kept")
                }
            }
        }
        Ok(plan(&Held::all(&inventory, &manifests), retention))
    }

    /// Deletes what the plan deletes, file by file, each marker first. Returns how many files went.
    ///
    /// The shelf is looked at again before: a plan that would delete what is now the newest ready one is refused.
    pub async fn prune(&self, plan: &RetentionPlan) -> Result<u64, Fault> {
        let inventory = Inventory::new(self.shelf.list().await?);
        let newest = inventory.ready_for(Moment::ANY).next();
        let guarded = |place: &&CheckpointPlace| {
            Some(**place) == newest.map(CheckpointPlace::Window) || plan.keep.contains_key(place)
        };
        if let Some(place) = plan.delete.iter().find(guarded) {
            let doing = format!("delete {place}, which is the newest that is ready; make a new plan");
            return Err(Fault::plain(Door::Inside, Retry::Never, doing));
        }
        let mut gone = 0;
        for place in &plan.delete {
            let keys = inventory.keys_to_delete(*place);
            self.shelf.delete(&keys).await?;
            gone += keys.len() as u64;
        }
        Ok(gone)
    }

    async fn small(&self, key: &CheckpointKey, most: u64) -> Result<Option<Bytes>, Fault> {
        Ok(self.shelf.fetch(key, 0, most).await?.map(|part| part.body))
    }
}

impl Outgoing {
    /// A checkpoint of this machine as it is, with every file whole.
    pub fn whole(local: &Found) -> Self {
        Self {
            manifest: local.manifest.clone(),
            folder: local.folder.clone(),
            deltas: local.folder.clone(),
            base: None,
        }
    }
}

/// A file to send.
#[derive(Debug, Clone)]
struct Content {
    name: FileName,
    path: PathBuf,
    size: u64,
}

/// What lies in the folder on the shelf, but for manifest and marker.
fn content(outgoing: &Outgoing) -> Vec<Content> {
    let publication = outgoing.manifest.publication.as_ref();
    let deltas: Vec<_> =
        publication.and_then(|p| p.step.as_ref()).into_iter().flat_map(|s| &s.deltas).collect();
    let full = publication.is_none_or(|publication| publication.kind == PublicationKind::Full);
    let lent = |file| outgoing.base.as_ref().is_some_and(|base| base.files.contains(file));
    let whole = outgoing
        .manifest
        .files
        .iter()
        .filter(|file| full || !(lent(*file) || deltas.iter().any(|delta| delta.makes == file.name)));
    let entry = |folder: &Path, name: &str, size: u64| {
        // A checked manifest has plain names only.
        Some(Content { name: FileName::new(name).ok()?, path: folder.join(name), size })
    };
    let whole = whole.filter_map(|file| entry(&outgoing.folder, &file.name, file.size));
    whole
        .chain(deltas.iter().filter_map(|delta| entry(&outgoing.deltas, &delta.name(), delta.size)))
        .collect()
}

fn sizes_are_right(files: &[Content]) -> Result<(), PublishError> {
    for Content { name, path, size } in files {
        let got = fs::metadata(path).map_err(|error| disk("read", path, error))?.len();
        if got != *size {
            return Err(PublishError::Size { file: name.to_string(), got, want: *size });
        }
    }
    Ok(())
}

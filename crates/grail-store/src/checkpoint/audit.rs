use super::{
    consume::ConsumerLimits,
    download::{Meter, Tell},
    error::{CheckpointRefusal, Stop},
    manifest::{marker_trouble, signed_manifest, step_of},
};
use futures::{StreamExt as _, stream};
use grail_artifact::{
    checkpoint::{
        CheckpointKey, CheckpointPlace, DeltaStep, FileName, Inventory, Listing, PublicationKind, Readiness,
    },
    manifest::{Manifest, ManifestError},
};
use grail_ports::{Door, Fault, Retry, checkpoint::CheckpointShelf};
use grail_protocol::{
    params::Params,
    words::{CheckpointId, Hotkey, UnixMillis},
};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// One look at a shelf, to say what lies there and what is wrong with it. Takes nothing, changes nothing.
#[derive(Clone)]
pub struct Audit {
    shelf: Arc<dyn CheckpointShelf>,
    trainer: Hotkey,
    params: Params,
    limits: ConsumerLimits,
    genesis: Option<CheckpointId>,
    inventory: Inventory,
    written: BTreeMap<CheckpointPlace, UnixMillis>,
}

/// A place on the shelf, looked at.
#[derive(Debug)]
pub struct Looked {
    /// Which.
    pub place: CheckpointPlace,
    /// Its files and their sizes.
    pub files: Listing,
    /// When the youngest of them was written, by the store's clock. None where nothing is there.
    pub written_at: Option<UnixMillis>,
    /// Its manifest, where that is the trainer's.
    pub manifest: Option<Manifest>,
    /// Everything that is wrong; nothing where a consumer may take it.
    pub problems: Vec<CheckpointRefusal>,
}

impl std::fmt::Debug for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Audit").field("trainer", &self.trainer).finish_non_exhaustive()
    }
}

impl Audit {
    /// Lists the shelf. `genesis` is the model that the network started with, where it is known: deltas may lean on it
    /// although it lies on no shelf.
    pub async fn of(
        shelf: Arc<dyn CheckpointShelf>,
        trainer: Hotkey,
        params: Params,
        limits: ConsumerLimits,
        genesis: Option<CheckpointId>,
    ) -> Result<Self, Fault> {
        let listed = shelf.list().await?;
        let mut written = BTreeMap::new();
        for one in &listed {
            let at = written.entry(one.key.place).or_insert(one.stored_at);
            *at = one.stored_at.max(*at);
        }
        Ok(Self { shelf, trainer, params, limits, genesis, inventory: Inventory::new(listed), written })
    }

    /// What lies on the shelf.
    pub const fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// Every place of which anything is there, the newest window first.
    pub fn places(&self) -> Vec<CheckpointPlace> {
        let mut places: Vec<CheckpointPlace> = self.inventory.places().map(|(place, _)| place).collect();
        places.sort_by_key(|place| std::cmp::Reverse((place.window(), *place)));
        places
    }

    /// Looks at one place by itself: manifest, marker, and the sizes of its files. Errors: the store's.
    pub async fn look(&self, place: CheckpointPlace) -> Result<Looked, Fault> {
        let files = self.inventory.listing(place).cloned().unwrap_or_default();
        let written_at = self.written.get(&place).copied();
        let mut looked = Looked { place, files, written_at, manifest: None, problems: Vec::new() };
        let ready = self.inventory.is_ready(place);
        if looked.files.is_empty() {
            looked.problems.push(CheckpointRefusal::Absent);
        } else if !ready {
            looked.problems.push(CheckpointRefusal::NotReady);
        }
        if looked.files.contains_key(&FileName::manifest()) {
            let signed = signed_manifest(&*self.shelf, place, &self.trainer, &self.params, None).await;
            looked.manifest = keep(signed, &mut looked.problems)?;
        }
        let Some(manifest) = looked.manifest.as_ref().filter(|_| ready) else { return Ok(looked) };
        let marker = marker_trouble(&*self.shelf, place, manifest).await;
        let trouble = keep(marker, &mut looked.problems)?.flatten();
        looked.problems.extend(trouble);
        if let Readiness::Broken { files } = self.inventory.readiness(place, manifest) {
            looked.problems.push(CheckpointRefusal::Broken { files });
        }
        Ok(looked)
    }

    /// Looks at one place and, where it is a delta, at everything that it is made from, down to a whole checkpoint.
    pub async fn trace(&self, place: CheckpointPlace) -> Result<Looked, Fault> {
        let looked = self.look(place).await?;
        let Some(mut manifest) = looked.manifest.clone() else { return Ok(looked) };
        let Looked { mut problems, .. } = looked;
        let mut chain = 0;
        while let Some(step) = needed(&manifest).cloned() {
            if self.genesis == Some(step.base) {
                break;
            }
            chain += 1;
            if chain > self.limits.chain {
                problems.push(CheckpointRefusal::ChainTooLong { most: self.limits.chain });
                break;
            }
            let window = step.base_window;
            let places = [CheckpointPlace::Window(window), CheckpointPlace::Milestone(window)];
            let Some(base) = places.into_iter().find(|place| self.inventory.is_ready(*place)) else {
                problems.push(CheckpointRefusal::NoBase { window });
                break;
            };
            let base = self.look(base).await?;
            let of_base = |source| CheckpointRefusal::Base { window, source: Box::new(source) };
            problems.extend(base.problems.into_iter().map(of_base));
            let Some(base) = base.manifest else { break };
            if base.id() != step.base {
                problems.push(CheckpointRefusal::WrongBase { window, want: step.base, got: base.id() });
                break;
            }
            if base.sequence >= manifest.sequence {
                let source = ManifestError::OldSequence { got: manifest.sequence, last: base.sequence };
                problems.push(CheckpointRefusal::Manifest { source });
            }
            if chain == 1 {
                let files = not_to_be_had(&manifest, &looked.files, &base);
                problems.extend((!files.is_empty()).then_some(CheckpointRefusal::Broken { files }));
            }
            manifest = base;
        }
        Ok(Looked { problems, ..looked })
    }

    /// Reads every byte of the files that the manifest names and that lie there, and compares their digests. Keeps nothing.
    ///
    /// Returns what is wrong. Errors: the store's.
    pub async fn digests(&self, looked: &Looked, tell: Tell) -> Result<Vec<CheckpointRefusal>, Fault> {
        let Some(manifest) = &looked.manifest else { return Ok(Vec::new()) };
        let deltas = step_of(manifest).into_iter().flat_map(|step| &step.deltas);
        let deltas = deltas.map(|delta| (delta.name(), delta.size, &delta.sha256));
        let whole = manifest.files.iter().map(|file| (file.name.clone(), file.size, &file.sha256));
        // What is absent or has another size is named by the look already.
        let there: Vec<(FileName, u64, &String)> = deltas
            .chain(whole)
            .filter_map(|(name, size, sha256)| Some((FileName::new(name).ok()?, size, sha256)))
            .filter(|(name, size, _)| looked.files.get(name) == Some(size))
            .collect();
        let meter = Meter::new(there.iter().map(|(_, size, _)| *size).fold(0, u64::saturating_add), tell);
        let mut wrong = Vec::new();
        for (name, size, want) in there {
            let file = name.to_string();
            match keep(self.digest(&looked.place.file(name), size, &meter).await, &mut wrong)? {
                Some(got) if got != *want => {
                    wrong.push(CheckpointRefusal::Digest { file, got, want: want.clone() })
                }
                _ => {}
            }
        }
        Ok(wrong)
    }

    /// The SHA-256 of an object, read in ranges, a few at once.
    async fn digest(&self, key: &CheckpointKey, size: u64, meter: &Meter) -> Result<String, Stop> {
        let range = self.limits.range_bytes.max(1);
        let fetch = |number: u64| {
            let offset = number.saturating_mul(range);
            let bytes = range.min(size.saturating_sub(offset));
            async move { (bytes, self.shelf.fetch(key, offset, bytes).await) }
        };
        let mut parts = stream::iter(0..size.div_ceil(range)).map(fetch).buffered(self.limits.ranges.max(1));
        let mut hasher = Sha256::new();
        while let Some((bytes, part)) = parts.next().await {
            let file = || key.name.to_string();
            let part = part?.ok_or_else(|| CheckpointRefusal::Gone { file: file() })?;
            if part.size != size {
                return Err(CheckpointRefusal::Size { file: file(), got: part.size, want: size }.into());
            }
            if part.body.len() as u64 != bytes {
                let doing = format!("fetch {key}: {} of {bytes} bytes came", part.body.len());
                return Err(Fault::plain(Door::Shelf, Retry::Later, doing).into());
            }
            hasher.update(&part.body);
            meter.add(bytes);
        }
        Ok(hex::encode(hasher.finalize()))
    }
}

impl Looked {
    /// Bytes that lie there.
    pub fn stored_bytes(&self) -> u64 {
        self.files.values().copied().fold(0, u64::saturating_add)
    }

    /// Bytes of the whole model, where the manifest is known.
    pub fn whole_bytes(&self) -> Option<u64> {
        let manifest = self.manifest.as_ref()?;
        Some(manifest.files.iter().map(|file| file.size).fold(0, u64::saturating_add))
    }
}

/// The step that a delta cannot do without; a full checkpoint needs none.
fn needed(manifest: &Manifest) -> Option<&DeltaStep> {
    let publication =
        manifest.publication.as_ref().filter(|publication| publication.kind == PublicationKind::Delta)?;
    publication.step.as_ref()
}

/// Files of a delta that are neither made by a delta, nor there, nor lent by the base.
fn not_to_be_had(manifest: &Manifest, there: &Listing, base: &Manifest) -> BTreeSet<String> {
    let made: BTreeSet<&String> =
        step_of(manifest).into_iter().flat_map(|step| &step.deltas).map(|delta| &delta.makes).collect();
    let lies = |name: &str, size| FileName::new(name).is_ok_and(|name| there.get(&name) == Some(&size));
    let missing = manifest.files.iter().filter(|file| {
        !made.contains(&file.name) && !base.files.contains(file) && !lies(&file.name, file.size)
    });
    missing.map(|file| file.name.clone()).collect()
}

/// Keeps a refusal among the problems; lets a fault through.
fn keep<T>(done: Result<T, Stop>, problems: &mut Vec<CheckpointRefusal>) -> Result<Option<T>, Fault> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(Stop::Refused(refusal)) => {
            problems.push(refusal);
            Ok(None)
        }
        Err(Stop::Fault(fault)) => Err(fault),
    }
}

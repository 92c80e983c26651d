use super::{
    Found,
    cache::{Cache, CacheLock},
    download::{Line, Meter, Tell, Wanted, blocking, download},
    error::{CheckpointRefusal, Stop},
    files::{apply_deltas, disk, is_entry, later, tensor_root},
    manifest::{marker_trouble, signed_manifest, step_of},
};
use futures::{FutureExt as _, future::BoxFuture};
use grail_artifact::{
    checkpoint::{
        CheckpointPlace, DeltaFile, DeltaStep, FileName, Inventory, Moment, PublicationKind, Readiness,
    },
    delta::DeltaOptions,
    manifest::{FileEntry, Manifest, ManifestError},
    tensors::TensorError,
};
use grail_ports::{Fault, checkpoint::CheckpointShelf};
use grail_protocol::{
    params::Params,
    words::{CheckpointId, Hotkey, WindowStart},
};
use std::{path::Path, sync::Arc};

/// Bounds on what a consumer takes, and how it fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsumerLimits {
    /// Most bytes of a checkpoint, deltas on the way included.
    pub checkpoint_bytes: u64,
    /// Most deltas in a row.
    pub chain: usize,
    /// Bytes of a request.
    pub range_bytes: u64,
    /// Requests under way at once.
    pub ranges: usize,
    /// Threads for hashing and for deltas.
    pub workers: usize,
}

impl Default for ConsumerLimits {
    /// 64 GiB, 32 deltas, 16 MiB a request by fours, one thread.
    fn default() -> Self {
        Self { checkpoint_bytes: 64 << 30, chain: 32, range_bytes: 16 << 20, ranges: 4, workers: 1 }
    }
}

/// What following the shelf came to.
#[derive(Debug)]
pub struct Followed {
    /// The checkpoint to use: a new one, or the one that was in use. `None` when there never was one.
    pub current: Option<Found>,
    /// Whether it is new.
    pub is_new: bool,
    /// Newer ones that were looked at and not taken, newest first.
    pub refused: Vec<(CheckpointPlace, CheckpointRefusal)>,
}

/// Follows one trainer's checkpoints.
#[derive(Clone)]
pub struct Consumer {
    shelf: Arc<dyn CheckpointShelf>,
    cache: Cache,
    trainer: Hotkey,
    params: Params,
    limits: ConsumerLimits,
    genesis: Option<Found>,
}

impl std::fmt::Debug for Consumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consumer")
            .field("cache", &self.cache)
            .field("trainer", &self.trainer)
            .finish_non_exhaustive()
    }
}

impl Consumer {
    /// A consumer of what `trainer` signs. `genesis` is the model that the network started with, where it lies here: the
    /// first delta may lean on it.
    pub const fn new(
        shelf: Arc<dyn CheckpointShelf>,
        cache: Cache,
        trainer: Hotkey,
        params: Params,
        limits: ConsumerLimits,
        genesis: Option<Found>,
    ) -> Self {
        Self { shelf, cache, trainer, params, limits, genesis }
    }

    /// The newest checkpoint that is here: the one in use. Asks nobody.
    pub fn current(&self) -> Result<Option<Found>, Fault> {
        let finished = self.cache.finished(&self.trainer, &self.params)?;
        Ok(finished.into_iter().next_back().or_else(|| self.genesis.clone()))
    }

    /// The checkpoint of a moment: the newest acceptable one that the shelf holds for it, fetched where it is not here.
    ///
    /// What is not acceptable is named in the answer, and the next older one is tried. Where the shelf has none left, the
    /// newest one that is here and older than the moment stays in use. Errors: a fault of ours, the store out of reach
    /// among them; what was fetched is gone on with next time.
    pub async fn follow(&self, moment: Moment, tell: Tell) -> Result<Followed, Fault> {
        let lock = self.cache.lock()?;
        let here = self.cache.finished(&self.trainer, &self.params)?;
        let inventory = Inventory::new(self.shelf.list().await?);
        let in_time = |one: &Found| {
            let marked = inventory.marked_at(CheckpointPlace::Window(one.manifest.window));
            one.manifest.window < moment.before && marked.is_none_or(|at| at <= moment.marked_by)
        };
        let newest = here.iter().rev().find(|one| in_time(one)).cloned().or_else(|| self.genesis.clone());
        let newer = |window: &WindowStart| newest.as_ref().is_none_or(|one| *window > one.manifest.window);
        let windows: Vec<WindowStart> = inventory.ready_for(moment).take_while(newer).collect();
        let mut refused = Vec::new();
        let unfinished = inventory.places().map(|(place, _)| place).filter(|place| {
            matches!(place, CheckpointPlace::Window(window) if *window < moment.before && newer(window))
                && !inventory.is_ready(*place)
        });
        refused.extend(unfinished.map(|place| (place, CheckpointRefusal::NotReady)));
        let attempt = self.attempt(&inventory, lock, tell);
        for window in windows {
            let place = CheckpointPlace::Window(window);
            match attempt.take(place, newest.as_ref()).await {
                Ok(local) => {
                    refused.sort_by_key(|(place, _)| std::cmp::Reverse(place.window()));
                    return Ok(Followed { current: Some(local), is_new: true, refused });
                }
                Err(Stop::Refused(refusal)) => {
                    tracing::warn!(%place, error = &refusal as &dyn std::error::Error, "checkpoint refused");
                    refused.push((place, refusal));
                }
                Err(Stop::Fault(fault)) => return Err(fault),
            }
        }
        refused.sort_by_key(|(place, _)| std::cmp::Reverse(place.window()));
        Ok(Followed { current: newest, is_new: false, refused })
    }

    /// The checkpoint of one place, whatever its age, fetched where it is not here. `Ok(Err(…))` where it is refused.
    ///
    /// Errors: a fault of ours, as with [`Self::follow`].
    pub async fn take(
        &self,
        place: CheckpointPlace,
        tell: Tell,
    ) -> Result<Result<Found, CheckpointRefusal>, Fault> {
        let lock = self.cache.lock()?;
        let inventory = Inventory::new(self.shelf.list().await?);
        match self.attempt(&inventory, lock, tell).take(place, None).await {
            Ok(local) => Ok(Ok(local)),
            Err(Stop::Refused(refusal)) => Ok(Err(refusal)),
            Err(Stop::Fault(fault)) => Err(fault),
        }
    }

    fn attempt<'a>(&'a self, inventory: &'a Inventory, lock: Arc<CacheLock>, tell: Tell) -> Attempt<'a> {
        let ConsumerLimits { range_bytes, ranges, .. } = self.limits;
        let line = Line { shelf: Arc::clone(&self.shelf), range_bytes, ranges, lock };
        Attempt { consumer: self, inventory, line, tell }
    }

    /// A checkpoint that is here, whichever it is.
    fn find(&self, id: CheckpointId) -> Result<Option<Found>, Fault> {
        let finished = self.cache.finished(&self.trainer, &self.params)?;
        Ok(finished.into_iter().chain(self.genesis.clone()).find(|one| one.manifest.id() == id))
    }

    fn options(&self) -> DeltaOptions {
        DeltaOptions { workers: self.limits.workers, ..DeltaOptions::default() }
    }
}

/// One look at the shelf, and what comes of it.
struct Attempt<'a> {
    consumer: &'a Consumer,
    inventory: &'a Inventory,
    line: Line,
    tell: Tell,
}

impl Attempt<'_> {
    /// Held by work that goes on alone when this is dropped.
    fn lock(&self) -> Arc<CacheLock> {
        Arc::clone(&self.line.lock)
    }

    async fn take(&self, place: CheckpointPlace, current: Option<&Found>) -> Result<Found, Stop> {
        let last = current.map(|one| one.manifest.sequence);
        let manifest = self.manifest(place, last).await?;
        self.obtain(place, manifest, self.consumer.limits.chain).await
    }

    /// Reads a manifest and everything that says whether to go on; no file of the checkpoint is touched.
    async fn manifest(&self, place: CheckpointPlace, last_sequence: Option<u64>) -> Result<Manifest, Stop> {
        if self.inventory.listing(place).is_none() {
            return Err(CheckpointRefusal::Absent.into());
        }
        if !self.inventory.is_ready(place) {
            return Err(CheckpointRefusal::NotReady.into());
        }
        let (shelf, consumer) = (&*self.line.shelf, self.consumer);
        let manifest =
            signed_manifest(shelf, place, &consumer.trainer, &consumer.params, last_sequence).await?;
        if let Some(refusal) = marker_trouble(shelf, place, &manifest).await? {
            return Err(refusal.into());
        }
        if let Readiness::Broken { files } = self.inventory.readiness(place, &manifest) {
            return Err(CheckpointRefusal::Broken { files }.into());
        }
        let deltas = step_of(&manifest).into_iter().flat_map(|step| &step.deltas).map(|delta| delta.size);
        let bytes = manifest.files.iter().map(|file| file.size).chain(deltas).fold(0u64, u64::saturating_add);
        if bytes > self.consumer.limits.checkpoint_bytes {
            return Err(CheckpointRefusal::TooLarge {
                got: bytes,
                most: self.consumer.limits.checkpoint_bytes,
            }
            .into());
        }
        Ok(manifest)
    }

    fn obtain(
        &self,
        place: CheckpointPlace,
        manifest: Manifest,
        chain: usize,
    ) -> BoxFuture<'_, Result<Found, Stop>> {
        async move {
            if let Some(local) = self.consumer.find(manifest.id())? {
                return Ok(local);
            }
            let full = manifest
                .publication
                .as_ref()
                .is_none_or(|publication| publication.kind == PublicationKind::Full);
            if let Some(step) = step_of(&manifest) {
                let base = match self.consumer.find(step.base)? {
                    Some(base) => Some(base),
                    None if full => None,
                    None => Some(self.base(step, &manifest, chain).await?),
                };
                if let Some(base) = base {
                    match self.by_step(place, &manifest, step, &base).await {
                        Err(Stop::Refused(refusal)) if full => {
                            let error = &refusal as &dyn std::error::Error;
                            tracing::warn!(%place, error, "delta refused; fetching the whole checkpoint");
                        }
                        done => return done,
                    }
                }
            }
            self.whole(place, &manifest).await
        }
        .boxed()
    }

    /// Fetches the base of a delta, which may be one itself.
    async fn base(&self, step: &DeltaStep, manifest: &Manifest, chain: usize) -> Result<Found, Stop> {
        let window = step.base_window;
        let Some(chain) = chain.checked_sub(1) else {
            return Err(CheckpointRefusal::ChainTooLong { most: self.consumer.limits.chain }.into());
        };
        let places = [CheckpointPlace::Window(window), CheckpointPlace::Milestone(window)];
        let Some(place) = places.into_iter().find(|place| self.inventory.is_ready(*place)) else {
            return Err(CheckpointRefusal::NoBase { window }.into());
        };
        let refused = |stop| match stop {
            Stop::Refused(source) => CheckpointRefusal::Base { window, source: Box::new(source) }.into(),
            fault => fault,
        };
        let base = self.manifest(place, None).await.map_err(refused)?;
        if base.id() != step.base {
            return Err(CheckpointRefusal::WrongBase { window, want: step.base, got: base.id() }.into());
        }
        if base.sequence >= manifest.sequence {
            let source = ManifestError::OldSequence { got: manifest.sequence, last: base.sequence };
            return Err(source.into());
        }
        self.obtain(place, base, chain).await.map_err(refused)
    }

    /// Every file as it lies on the shelf.
    async fn whole(&self, place: CheckpointPlace, manifest: &Manifest) -> Result<Found, Stop> {
        let draft = self.consumer.cache.draft(place, manifest.id())?;
        let total = manifest.files.iter().map(|file| file.size).fold(0, u64::saturating_add);
        let meter = Meter::new(total, Arc::clone(&self.tell));
        for file in &manifest.files {
            self.fetch(place, &draft, &file.name, (file.size, &file.sha256), &meter).await?;
        }
        self.finish(place, &draft, manifest).await
    }

    /// Weights from deltas and a base that is here; other files from the base where it has the same.
    async fn by_step(
        &self,
        place: CheckpointPlace,
        manifest: &Manifest,
        step: &DeltaStep,
        base: &Found,
    ) -> Result<Found, Stop> {
        let draft = self.consumer.cache.draft(place, manifest.id())?;
        let of = |file: &FileEntry| step.deltas.iter().find(|delta| delta.makes == file.name);
        let total = manifest.files.iter().fold(0u64, |total, file| {
            total.saturating_add(file.size).saturating_add(of(file).map_or(0, |delta| delta.size))
        });
        let meter = Meter::new(total, Arc::clone(&self.tell));
        let mut wanted: Vec<(FileEntry, DeltaFile)> = Vec::new();
        for file in &manifest.files {
            let (path, own) = (draft.join(&file.name), file.clone());
            let there =
                blocking(self.lock(), "look at a file", move || is_entry(&path, own.size, &own.sha256))
                    .await?;
            if there.map_err(later)? {
                meter.add(file.size);
            } else if let Some(delta) = of(file) {
                self.fetch(place, &draft, &delta.name(), (delta.size, &delta.sha256), &meter).await?;
                wanted.push((file.clone(), delta.clone()));
            } else if base.manifest.files.contains(file) {
                let (from, to) = (base.folder.join(&file.name), draft.join(&file.name));
                let linked =
                    blocking(self.lock(), "copy a file", move || grail_fs::link_or_copy(&from, &to)).await?;
                linked.map_err(later)?;
                meter.add(file.size);
            } else {
                self.fetch(place, &draft, &file.name, (file.size, &file.sha256), &meter).await?;
            }
        }
        if !wanted.is_empty() {
            let (base, draft, options) = (base.clone(), draft.clone(), self.consumer.options());
            let apply = move || {
                let base = (base.folder.as_path(), &base.manifest.files[..]);
                apply_deltas(base, &draft, &wanted, options, &mut |bytes| meter.add(bytes))
            };
            blocking(self.lock(), "apply deltas", apply).await??;
        }
        self.finish(place, &draft, manifest).await
    }

    async fn fetch(
        &self,
        place: CheckpointPlace,
        draft: &Path,
        name: &str,
        (size, sha256): (u64, &str),
        meter: &Meter,
    ) -> Result<(), Stop> {
        // A verified manifest has plain names only.
        let file =
            FileName::new(name).map_err(|error| ManifestError::Malformed { detail: error.to_string() })?;
        let wanted =
            Wanted { key: place.file(file), path: draft.join(name), size, sha256: sha256.to_owned() };
        download(&self.line, &wanted, meter).await
    }

    /// Compares the weights with their root, and puts the folder into place.
    async fn finish(&self, place: CheckpointPlace, draft: &Path, manifest: &Manifest) -> Result<Found, Stop> {
        if let Some(publication) = &manifest.publication {
            let (folder, files, options) =
                (draft.to_owned(), manifest.files.clone(), self.consumer.options());
            let root = move || tensor_root(&folder, &files, options, &mut |_| {});
            let got = match blocking(self.lock(), "hash the weights", root).await? {
                Ok(got) => got,
                Err(TensorError::Read { source }) => return Err(disk("read", draft, source).into()),
                Err(source) => return Err(CheckpointRefusal::Tensors { source }.into()),
            };
            if got != publication.tensors {
                return Err(CheckpointRefusal::Root { got, want: publication.tensors }.into());
            }
        }
        let (cache, draft, manifest) = (self.consumer.cache.clone(), draft.to_owned(), manifest.clone());
        blocking(self.lock(), "put a checkpoint into place", move || cache.finish(place, &draft, manifest))
            .await?
    }
}

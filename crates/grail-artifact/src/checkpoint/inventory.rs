use super::{CheckpointKey, CheckpointPlace, FileName, PublicationKind};
use crate::manifest::Manifest;
use grail_protocol::{
    params::Params,
    words::{UnixMillis, WindowStart},
};
use std::collections::{BTreeMap, BTreeSet};

/// What lies on the shelf, by checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    places: BTreeMap<CheckpointPlace, Listing>,
    /// When each marker was written.
    marked: BTreeMap<CheckpointPlace, UnixMillis>,
}

/// A file as a store lists it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Key of the file, of which everything else is read.
    pub key: CheckpointKey,
    /// Size of the object in bytes, as the store lists it.
    pub size: u64,
    /// When the store says it was written; stores count in whole seconds, cut off.
    pub stored_at: UnixMillis,
}

/// The files of one checkpoint and their sizes in bytes.
pub type Listing = BTreeMap<FileName, u64>;

/// For which window a checkpoint is looked for. Whoever asks, and however late, gets the same answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Checkpoints of this window and of later ones do not count.
    pub before: WindowStart,
    /// Neither do those whose marker is younger than this.
    pub marked_by: UnixMillis,
}

impl Moment {
    /// The moment at which the checkpoint of a window is settled: it was published in an earlier window, and its marker is at
    /// least one nominal block older than the window's first block, which took place at `first_block`.
    ///
    /// The block's time in between covers stores that count in whole seconds, and clocks that differ a little: nobody
    /// who looks after the first block can see less than somebody who looks later.
    pub const fn of(params: &Params, window: WindowStart, first_block: UnixMillis) -> Self {
        Self { before: window, marked_by: UnixMillis(first_block.0.saturating_sub(params.block_time_ms)) }
    }

    /// Whatever is there: no window and no time excludes a checkpoint.
    pub const ANY: Self = Self { before: WindowStart(u64::MAX), marked_by: UnixMillis(u64::MAX) };
}

/// Whether a checkpoint's files are all there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// The marker, the manifest, and every file with its size.
    Complete,
    /// The marker is not there: the upload is under way, or was given up.
    NotReady,
    /// Marked ready, and yet files are absent or of a wrong size.
    Broken {
        /// Their names.
        files: BTreeSet<String>,
    },
}

impl Inventory {
    /// From what a store lists.
    pub fn new(objects: impl IntoIterator<Item = Listed>) -> Self {
        let mut inventory = Self::default();
        for Listed { key, size, stored_at } in objects {
            if key.name == FileName::ready() {
                inventory.marked.insert(key.place, stored_at);
            }
            inventory.places.entry(key.place).or_default().insert(key.name, size);
        }
        inventory
    }

    /// Every checkpoint of which anything is there.
    pub fn places(&self) -> impl Iterator<Item = (CheckpointPlace, &Listing)> {
        self.places.iter().map(|(place, listing)| (*place, listing))
    }

    /// The files of a checkpoint; none when nothing is there.
    pub fn listing(&self, place: CheckpointPlace) -> Option<&Listing> {
        self.places.get(&place)
    }

    /// Whether marker and manifest are there. [`Self::readiness`] says more once the manifest is read.
    pub fn is_ready(&self, place: CheckpointPlace) -> bool {
        self.listing(place).is_some_and(|files| {
            files.contains_key(&FileName::ready()) && files.contains_key(&FileName::manifest())
        })
    }

    /// When the marker was written; none where there is no marker.
    pub fn marked_at(&self, place: CheckpointPlace) -> Option<UnixMillis> {
        self.marked.get(&place).copied()
    }

    /// Windows with a ready checkpoint that may be used by `moment`, the newest first: by window, and never by the time
    /// of writing.
    pub fn ready_for(&self, moment: Moment) -> impl Iterator<Item = WindowStart> {
        let in_time =
            move |place: CheckpointPlace| self.marked_at(place).is_some_and(|at| at <= moment.marked_by);
        let windows = self.places.keys().rev().filter_map(move |place| match place {
            CheckpointPlace::Window(window) if self.is_ready(*place) && in_time(*place) => Some(*window),
            _ => None,
        });
        windows.filter(move |window| *window < moment.before)
    }

    /// Compares what lies at a place with its manifest. For a delta, files that the base may lend are not asked for.
    pub fn readiness(&self, place: CheckpointPlace, manifest: &Manifest) -> Readiness {
        let Some(listing) = self.listing(place).filter(|_| self.is_ready(place)) else {
            return Readiness::NotReady;
        };
        let size = |name: &str| FileName::new(name).ok().and_then(|name| listing.get(&name).copied());
        let publication = manifest.publication.as_ref();
        let mut wrong = BTreeSet::new();
        if publication.is_none_or(|publication| publication.kind == PublicationKind::Full) {
            for file in manifest.files.iter().filter(|file| size(&file.name) != Some(file.size)) {
                wrong.insert(file.name.clone());
            }
        }
        for delta in
            publication.and_then(|publication| publication.step.as_ref()).iter().flat_map(|s| &s.deltas)
        {
            if size(&delta.name()) != Some(delta.size) {
                wrong.insert(delta.name());
            }
        }
        if wrong.is_empty() { Readiness::Complete } else { Readiness::Broken { files: wrong } }
    }

    /// The keys at a place in the order in which they are to be deleted: the marker first, so that nobody begins to read
    /// what is going away, then the manifest, then the rest.
    pub fn keys_to_delete(&self, place: CheckpointPlace) -> Vec<CheckpointKey> {
        let mut names: Vec<FileName> =
            self.listing(place).into_iter().flat_map(|files| files.keys().cloned()).collect();
        names.sort_by_key(|name| (*name != FileName::ready(), *name != FileName::manifest()));
        names.into_iter().map(|name| place.file(name)).collect()
    }
}

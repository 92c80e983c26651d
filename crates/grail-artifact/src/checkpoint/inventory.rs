use super::{CheckpointKey, FileName, Kind, Place};
use crate::manifest::Manifest;
use grail_protocol::words::WindowStart;
use std::collections::{BTreeMap, BTreeSet};

/// What lies on the shelf, by checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    places: BTreeMap<Place, Listing>,
}

/// The files of one checkpoint and their sizes in bytes.
pub type Listing = BTreeMap<FileName, u64>;

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
    /// From keys and sizes as a store lists them.
    pub fn new(objects: impl IntoIterator<Item = (CheckpointKey, u64)>) -> Self {
        let mut places: BTreeMap<Place, Listing> = BTreeMap::new();
        for (key, size) in objects {
            places.entry(key.place).or_default().insert(key.name, size);
        }
        Self { places }
    }

    /// Every checkpoint of which anything is there.
    pub fn places(&self) -> impl Iterator<Item = (Place, &Listing)> {
        self.places.iter().map(|(place, listing)| (*place, listing))
    }

    /// The files of a checkpoint; none when nothing is there.
    pub fn listing(&self, place: Place) -> Option<&Listing> {
        self.places.get(&place)
    }

    /// Whether marker and manifest are there. [`Self::readiness`] says more once the manifest is read.
    pub fn is_ready(&self, place: Place) -> bool {
        self.listing(place).is_some_and(|files| {
            files.contains_key(&FileName::ready()) && files.contains_key(&FileName::manifest())
        })
    }

    /// Windows below `before` with a ready checkpoint, the newest first: by window, never by the time of writing.
    pub fn ready_before(&self, before: WindowStart) -> impl Iterator<Item = WindowStart> {
        let windows = self.places.keys().rev().filter_map(|place| match place {
            Place::Window(window) if self.is_ready(*place) => Some(*window),
            _ => None,
        });
        windows.filter(move |window| *window < before)
    }

    /// Compares what lies at a place with its manifest. For a delta, files that the base may lend are not asked for.
    pub fn readiness(&self, place: Place, manifest: &Manifest) -> Readiness {
        let Some(listing) = self.listing(place).filter(|_| self.is_ready(place)) else {
            return Readiness::NotReady;
        };
        let size = |name: &str| FileName::new(name).ok().and_then(|name| listing.get(&name).copied());
        let publication = manifest.publication.as_ref();
        let mut wrong = BTreeSet::new();
        if publication.is_none_or(|publication| publication.kind == Kind::Full) {
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
    pub fn keys_to_delete(&self, place: Place) -> Vec<CheckpointKey> {
        let mut names: Vec<FileName> =
            self.listing(place).into_iter().flat_map(|files| files.keys().cloned()).collect();
        names.sort_by_key(|name| (*name != FileName::ready(), *name != FileName::manifest()));
        names.into_iter().map(|name| place.file(name)).collect()
    }
}

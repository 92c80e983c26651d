use super::{CheckpointPlace, Inventory, PublicationKind};
use crate::manifest::Manifest;
use grail_protocol::{params::Params, words::WindowStart};
use std::collections::{BTreeMap, BTreeSet};

/// How long checkpoints are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// This many of the newest ready ones.
    pub last: usize,
    /// Those of every so many windows, for ever; 0 for none.
    pub milestone_every: u64,
    /// Blocks of a window, as the network's parameters say.
    pub window_length: u64,
}

impl Retention {
    /// The last 10, and one in 100 windows for ever.
    pub const fn of(params: &Params) -> Self {
        Self { last: 10, milestone_every: 100, window_length: params.window_length }
    }

    /// Whether a window's checkpoint is kept for ever.
    pub const fn is_milestone(&self, window: WindowStart) -> bool {
        let every = self.milestone_every.saturating_mul(self.window_length);
        every > 0 && window.0.is_multiple_of(every)
    }
}

/// What a checkpoint cannot be made without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: it is whole.
    Nothing,
    /// The checkpoint of this window.
    Base(WindowStart),
    /// Not known: its manifest could not be read.
    Unknown,
}

/// A checkpoint on the shelf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// The folder that it lies in.
    pub place: CheckpointPlace,
    /// Whether marker and manifest are there.
    pub ready: bool,
    /// What it cannot be made without.
    pub needs: Needs,
}

impl Held {
    /// Everything of an inventory. `manifests` are those that could be read.
    pub fn all(inventory: &Inventory, manifests: &BTreeMap<CheckpointPlace, Manifest>) -> Vec<Self> {
        let held = |place| {
            let needs = match manifests.get(&place) {
                None => Needs::Unknown,
                Some(manifest) => match &manifest.publication {
                    Some(publication) if publication.kind == PublicationKind::Delta => {
                        publication.step.as_ref().map_or(Needs::Unknown, |step| Needs::Base(step.base_window))
                    }
                    _ => Needs::Nothing,
                },
            };
            Self { place, ready: inventory.is_ready(place), needs }
        };
        inventory.places().map(|(place, _)| held(place)).collect()
    }
}

/// Why a checkpoint is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Among the newest.
    Newest,
    /// One in so many, for ever.
    Milestone,
    /// Another that is kept is made from it.
    Base {
        /// The other.
        of: CheckpointPlace,
    },
    /// Not ready, and newer than all that are: its upload may be under way.
    UnderWay,
    /// A newer one that is kept may be made from it; that one's manifest could not be read.
    PerhapsBase {
        /// The newer one.
        of: CheckpointPlace,
    },
}

/// What to keep and what to delete. Every place is in one of the two.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RetentionPlan {
    /// What is kept, and why.
    pub keep: BTreeMap<CheckpointPlace, Reason>,
    /// What goes, oldest first.
    pub delete: BTreeSet<CheckpointPlace>,
}

/// Decides what is kept. Deletes nothing, and does not look at a clock: age is counted in windows.
///
/// Kept are the newest ready ones, milestones, and everything that a kept delta is made from, down to a whole one. A
/// manifest that cannot be read keeps everything older than itself. Where nothing is ready, nothing is deleted.
pub fn plan(held: &[Held], retention: Retention) -> RetentionPlan {
    let by_place: BTreeMap<CheckpointPlace, Held> = held.iter().map(|one| (one.place, *one)).collect();
    let is_ready = |place: &CheckpointPlace| by_place.get(place).is_some_and(|one| one.ready);
    let windows = by_place.keys().filter(|place| matches!(place, CheckpointPlace::Window(_)));
    let ready: Vec<CheckpointPlace> = windows.filter(|place| is_ready(place)).copied().collect();
    let newest = ready.last().map(|place| place.window());

    let mut keep: BTreeMap<CheckpointPlace, Reason> = BTreeMap::new();
    for place in ready.iter().rev().take(retention.last.max(1)) {
        keep.insert(*place, Reason::Newest);
    }
    for (place, one) in &by_place {
        let for_ever = match place {
            CheckpointPlace::Milestone(_) => true,
            CheckpointPlace::Window(window) => {
                let copied = is_ready(&CheckpointPlace::Milestone(*window));
                one.ready && retention.is_milestone(*window) && !copied
            }
        };
        if for_ever {
            keep.entry(*place).or_insert(Reason::Milestone);
        } else if !one.ready && newest.is_none_or(|newest| place.window() > newest) {
            keep.entry(*place).or_insert(Reason::UnderWay);
        }
    }

    let mut open: Vec<CheckpointPlace> = keep.keys().copied().collect();
    while let Some(place) = open.pop() {
        let Some(one) = by_place.get(&place) else { continue };
        let bases: Vec<(CheckpointPlace, Reason)> = match one.needs {
            Needs::Base(window) => vec![(CheckpointPlace::Window(window), Reason::Base { of: place })],
            Needs::Nothing => Vec::new(),
            // Nobody can follow what is not ready, so it needs nothing yet.
            Needs::Unknown if !one.ready => Vec::new(),
            Needs::Unknown => {
                let older = by_place.keys().filter(|other| other.window() < place.window());
                older.map(|other| (*other, Reason::PerhapsBase { of: place })).collect()
            }
        };
        for (base, reason) in bases {
            if by_place.contains_key(&base) && !keep.contains_key(&base) {
                keep.insert(base, reason);
                open.push(base);
            }
        }
    }
    let delete = by_place.keys().filter(|place| !keep.contains_key(place)).copied().collect();
    RetentionPlan { keep, delete }
}

//! What a trainer must know again after a restart, beside weights and moments.

use crate::kept;
use grail_artifact::window::RootHex;
use grail_ports::{Door, Fault, Retry, publish::PublicationPlan};
use grail_protocol::{
    hash::Digest,
    words::{Hotkey, NetworkId, WindowStart},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

/// Version of the format.
const VERSION: u16 = 1;

/// A trainer's memory. It is saved with the learner's state in one step, so the two always agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TrainerJournal {
    version: u16,
    network: NetworkId,
    /// The newest window that was learned from or given up.
    pub trained: Option<WindowStart>,
    /// The newest publication that was decided on. Carrying it out again makes the same checkpoint.
    pub plan: Option<PublicationPlan>,
    /// Whether the weights moved since then.
    pub moved: bool,
    /// Files learned from since then.
    pub used: BTreeSet<UsedFile>,
}

/// A window file that was learned from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UsedFile {
    /// Of which window.
    pub window: WindowStart,
    /// Whose.
    pub hotkey: Hotkey,
    /// Which, by its root.
    pub root: RootHex,
}

impl UsedFile {
    const fn key(&self) -> (WindowStart, Hotkey, Digest) {
        (self.window, self.hotkey, self.root.0)
    }
}

impl PartialOrd for UsedFile {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for UsedFile {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl TrainerJournal {
    /// A journal without entries.
    pub(super) const fn new(network: NetworkId) -> Self {
        Self { version: VERSION, network, trained: None, plan: None, moved: false, used: BTreeSet::new() }
    }

    /// Reads a saved one. Errors: not a journal, or another network's.
    pub(super) fn read(value: Value, network: &NetworkId) -> Result<Self, Fault> {
        let journal: Self = serde_json::from_value(value)
            .map_err(|error| Fault::new(Door::Disk, Retry::Never, "read the trainer's journal", error))?;
        kept::of_version("the trainer's journal", journal.version, VERSION)?;
        kept::of_network("the saved state", &journal.network, network, " for it")?;
        Ok(journal)
    }

    pub(super) fn to_value(&self) -> Result<Value, Fault> {
        serde_json::to_value(self)
            .map_err(|error| Fault::new(Door::Inside, Retry::Never, "encode the trainer's journal", error))
    }

    /// Sequence number of the newest checkpoint, published or decided on; 0 before the first.
    pub(super) fn sequence(&self) -> u64 {
        self.plan.map_or(0, |plan| plan.sequence)
    }

    pub(super) fn digests(&self) -> BTreeSet<(WindowStart, Hotkey, Digest)> {
        self.used.iter().map(UsedFile::key).collect()
    }
}

//! What happens on a chain, for whoever watches.

use crate::text::Hash;
use serde_json::Value;
use std::sync::Arc;

/// A block, as far as watchers need it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) hash: Hash,
    /// The header in JSON.
    pub(crate) header: Value,
    /// Hashes of its extrinsics.
    pub(crate) included: Vec<Hash>,
}

/// One thing that happened.
#[derive(Debug)]
pub(crate) enum Event {
    /// A block was made, on the best chain or beside it.
    Imported(Arc<Notice>),
    /// A block belongs to the best chain now; `tip`: and is its head.
    Joined { notice: Arc<Notice>, tip: bool },
    /// A block no longer belongs to the best chain.
    Retracted(Arc<Notice>),
    /// A block is final.
    Finalized(Arc<Notice>),
    /// An extrinsic that waited will not fit any more.
    Invalid(Hash),
    /// An extrinsic that waited was replaced.
    Usurped { old: Hash, new: Hash },
    /// The best chain has another runtime.
    Version(Value),
}

//! Making checkpoints of trained weights, and publishing them.

use crate::Fault;
use async_trait::async_trait;
use grail_artifact::{manifest::Manifest, window::RootHex};
use grail_protocol::words::WindowStart;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A publication that was decided on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicationPlan {
    /// The window that was under way when it was decided on; names its place on the shelf.
    pub window: WindowStart,
    /// Its sequence number; the first has 1.
    pub sequence: u64,
    /// Digest of the window files learned from since the one before.
    pub trained_on: RootHex,
}

/// Writes the weights into a folder; called at most once, from a thread that may block.
pub type Export = Box<dyn FnOnce(&Path) -> Result<(), Fault> + Send>;

/// What publishing came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Issued {
    /// The signed manifest, as it lies on the shelf.
    pub manifest: Manifest,
    /// Where its files lie on this machine.
    pub folder: PathBuf,
    /// Bytes that were sent; 0 where everything lay there already.
    pub sent_bytes: u64,
}

/// Makes checkpoints of weights, and publishes them.
#[async_trait]
pub trait Press: Send + Sync {
    /// Manifests of earlier checkpoints that are still kept here, oldest first.
    fn issued(&self) -> Result<Vec<Manifest>, Fault>;

    /// Publishes the checkpoint of a plan, then forgets what need not be kept.
    ///
    /// To be asked again after a failure or a kill at any point, with the same plan and the same weights: the same
    /// checkpoint comes of it, and what was done is not done twice.
    async fn publish(&self, plan: &PublicationPlan, export: Export) -> Result<Issued, Fault>;
}

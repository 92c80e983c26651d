//! Publishing, as the trainer's loop asks for it.

use super::Plan;
use async_trait::async_trait;
use grail_artifact::manifest::Manifest;
use grail_ports::Fault;
use std::path::{Path, PathBuf};

/// Writes the weights into a folder; called at most once, from a thread that may block.
pub type Export = Box<dyn FnOnce(&Path) -> Result<(), Fault> + Send>;

/// What was published.
#[derive(Debug, Clone, PartialEq)]
pub struct Issued {
    /// The signed manifest.
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
    async fn publish(&self, plan: &Plan, export: Export) -> Result<Issued, Fault>;
}

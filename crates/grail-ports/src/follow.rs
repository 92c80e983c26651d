//! Which checkpoint answers a window, and its model.

use crate::{
    Fault,
    model::{Generator, Oracle, Tokenize},
};
use async_trait::async_trait;
use grail_artifact::{checkpoint::Moment, manifest::Manifest};
use grail_protocol::words::WindowStart;
use std::{fmt, path::PathBuf, sync::Arc};

/// A checkpoint on this machine, whole and verified.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The folder on this machine that holds its files, whole and checked.
    pub folder: PathBuf,
    /// Its manifest, whose id the role works under.
    pub manifest: Manifest,
}

/// Finds checkpoints.
#[async_trait]
pub trait Checkpoints: Send + Sync {
    /// The checkpoint of a moment, fetched where it is not here.
    ///
    /// Everyone who asks about the same moment finds the same one, and whoever asks again finds it again. A moment knows
    /// no checkpoint whose window lies at or after its own. Errors: whoever cannot see the shelf does not know which
    /// checkpoint answers, and waits.
    async fn find(&self, moment: Moment) -> Result<Found, Fault>;

    /// Fetches ahead what may become the checkpoint of the windows from `before` on. Decides nothing.
    async fn prefetch(&self, before: WindowStart) -> Result<(), Fault> {
        self.find(Moment { before, ..Moment::ANY }).await.map(drop)
    }
}

/// A loaded checkpoint.
pub struct Loaded {
    /// Its tokenizer and chat template.
    pub tokenizer: Arc<dyn Tokenize>,
    /// Answers; where the role asked for it.
    pub generator: Option<Box<dyn Generator>>,
    /// Recomputes; where the role asked for it.
    pub oracle: Option<Box<dyn Oracle>>,
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("generator", &self.generator.is_some())
            .field("oracle", &self.oracle.is_some())
            .finish_non_exhaustive()
    }
}

/// Loads checkpoints. Called from a thread that may block.
pub trait Load: Send + Sync {
    /// Loads what the role needs of a checkpoint. Its cards name the checkpoint of the manifest, and its tokenizer fits
    /// into the model's vocabulary.
    ///
    /// Errors: a file that is not the manifest's, or a model that this machine cannot hold.
    fn load(&self, found: &Found) -> Result<Loaded, Fault>;
}

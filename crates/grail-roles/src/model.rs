//! Which checkpoint answers a window, and its model: the same steps for every role.
//!
//! At a window's first block its checkpoint is settled ([`Moment`]). A role asks [`Checkpoints`] for it, loads it once
//! by [`Load`], and keeps it until another one is settled.

use crate::{court::Court, work::blocking};
use async_trait::async_trait;
use grail_artifact::{checkpoint::Moment, manifest::Manifest, window::WindowCodec};
use grail_ports::{
    Door, Fault, Retry,
    follow::{Checkpoints, Found, Load},
    model::{Generator, Tokenize},
};
use grail_protocol::words::WindowStart;
use std::sync::{Arc, Mutex};

/// The model that a network starts with, where nobody publishes another.
#[derive(Debug, Clone)]
pub struct Fixed(pub Found);

#[async_trait]
impl Checkpoints for Fixed {
    async fn find(&self, _: Moment) -> Result<Found, Fault> {
        Ok(self.0.clone())
    }
}

/// Where a role gets its models.
#[derive(Clone)]
pub struct Models {
    /// Finds checkpoints.
    pub checkpoints: Arc<dyn Checkpoints>,
    /// Loads them.
    pub loader: Arc<dyn Load>,
}

impl std::fmt::Debug for Models {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Models").finish_non_exhaustive()
    }
}

/// The checkpoint in use.
pub(crate) struct Held {
    pub(crate) manifest: Manifest,
    pub(crate) tokenizer: Arc<dyn Tokenize>,
    pub(crate) generator: Option<Arc<Mutex<Box<dyn Generator>>>>,
    pub(crate) court: Option<Court>,
}

/// A role's place for the checkpoint in use.
pub(crate) struct Desk {
    models: Models,
    codec: Arc<dyn WindowCodec>,
    held: Option<Held>,
    /// Whether a checkpoint was in use before: then this machine can hold one.
    begun: bool,
}

impl Desk {
    pub(crate) fn new(models: Models, codec: Arc<dyn WindowCodec>) -> Self {
        Self { models, codec, held: None, begun: false }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.held.is_none()
    }

    /// The checkpoint in use. Errors: none was settled yet, which is a mistake of ours.
    pub(crate) fn held(&self) -> Result<&Held, Fault> {
        self.held
            .as_ref()
            .ok_or_else(|| Fault::plain(Door::Inside, Retry::Later, "use a model before one is loaded"))
    }

    /// Makes the checkpoint of a moment the one in use. Returns whether another one had to be loaded.
    ///
    /// The one before is let go first, since two may not fit the device. Errors: it cannot be fetched or loaded; then
    /// none is in use, and the next call tries again. Where one was in use before, the machine is not to blame: another
    /// checkpoint may be usable, so such a fault may pass.
    pub(crate) async fn settle(&mut self, moment: Moment) -> Result<bool, Fault> {
        let found = self.models.checkpoints.find(moment).await?;
        if self.held.as_ref().is_some_and(|held| held.manifest.id() == found.manifest.id()) {
            return Ok(false);
        }
        self.held = None;
        let loader = Arc::clone(&self.models.loader);
        let (manifest, work) = (found.manifest.clone(), found);
        let loaded = blocking("load a checkpoint", move |_| loader.load(&work)).await;
        let loaded =
            loaded.map_err(|fault| if self.begun { fault.with_retry(Retry::Later) } else { fault })?;
        tracing::info!(
            target: "grail::model", event = "checkpoint", sequence = manifest.sequence, window = manifest.window.0,
            "checkpoint {} of window {} is in use", manifest.sequence, manifest.window
        );
        let court = loaded.oracle.map(|oracle| Court {
            oracle: Arc::new(Mutex::new(oracle)),
            tokenizer: Arc::clone(&loaded.tokenizer),
            codec: Arc::clone(&self.codec),
        });
        let generator = loaded.generator.map(|generator| Arc::new(Mutex::new(generator)));
        self.begun = true;
        self.held = Some(Held { manifest, tokenizer: loaded.tokenizer, generator, court });
        Ok(true)
    }

    /// Fetches ahead, and says nothing where it cannot: the moment itself will.
    pub(crate) async fn prefetch(&self, before: WindowStart) {
        if let Err(fault) = self.models.checkpoints.prefetch(before).await {
            tracing::debug!(target: "grail::model", fault = %fault.chain(), "could not fetch ahead");
        }
    }
}

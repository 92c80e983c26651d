//! The manifest of a moment, for whoever needs to know what answers a window and loads no model.

use super::{
    Found,
    error::Stop,
    manifest::{marker_trouble, signed_manifest},
};
use async_trait::async_trait;
use grail_artifact::{
    checkpoint::{CheckpointPlace, Inventory, Moment, Readiness},
    manifest::Manifest,
};
use grail_ports::{Fault, checkpoint::CheckpointShelf, follow::Checkpoints};
use grail_protocol::{params::Params, words::Hotkey};
use std::{fmt, sync::Arc};

/// Finds manifests alone: a few kilobytes a window where a follower fetches a model.
///
/// The folder of what it finds is that of the model which the network starts with; nothing of a checkpoint lies here.
pub struct ManifestFollower {
    genesis: Found,
    followed: Option<(Arc<dyn CheckpointShelf>, Hotkey, Params)>,
}

impl fmt::Debug for ManifestFollower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trainer = self.followed.as_ref().map(|(_, trainer, _)| trainer);
        f.debug_struct("ManifestFollower").field("trainer", &trainer).finish_non_exhaustive()
    }
}

impl ManifestFollower {
    /// A network that nobody trains: the first manifest answers every window.
    pub const fn staying(genesis: Found) -> Self {
        Self { genesis, followed: None }
    }

    /// A follower of what `trainer` signs on a shelf.
    pub const fn of(
        shelf: Arc<dyn CheckpointShelf>,
        trainer: Hotkey,
        params: Params,
        genesis: Found,
    ) -> Self {
        Self { genesis, followed: Some((shelf, trainer, params)) }
    }

    fn found(&self, manifest: Manifest) -> Found {
        Found { folder: self.genesis.folder.clone(), manifest }
    }
}

#[async_trait]
impl Checkpoints for ManifestFollower {
    async fn find(&self, moment: Moment) -> Result<Found, Fault> {
        let Some((shelf, trainer, params)) = &self.followed else { return Ok(self.genesis.clone()) };
        let shelf = shelf.as_ref();
        let inventory = Inventory::new(shelf.list().await?);
        let newer = |window: &_| *window > self.genesis.manifest.window;
        for window in inventory.ready_for(moment).take_while(newer) {
            let place = CheckpointPlace::Window(window);
            let last = Some(self.genesis.manifest.sequence);
            let looked = async {
                let manifest = signed_manifest(shelf, place, trainer, params, last).await?;
                let trouble = marker_trouble(shelf, place, &manifest).await?;
                Ok::<_, Stop>((manifest, trouble))
            };
            match looked.await {
                Ok((manifest, None))
                    if !matches!(inventory.readiness(place, &manifest), Readiness::Broken { .. }) =>
                {
                    return Ok(self.found(manifest));
                }
                Ok(_) => tracing::debug!(target: "grail::model", %place, "not taken"),
                Err(Stop::Refused(refusal)) => {
                    tracing::debug!(target: "grail::model", %place, %refusal, "not taken")
                }
                Err(Stop::Fault(fault)) => return Err(fault),
            }
        }
        Ok(self.genesis.clone())
    }
}

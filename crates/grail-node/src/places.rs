//! Where participants publish, as anybody sees it: windows by their owner, and the trainer's checkpoints.

use crate::local::Networks;
use grail_config::{Config, table};
use grail_ports::{chain::ChainView, checkpoint::CheckpointShelf, shelf::ShelfDirectory};
use grail_protocol::{params::Params, words::Hotkey};
use grail_store::{FolderDirectory, Shelf, Transfer};
use std::sync::Arc;

/// The places of a network.
pub struct Places {
    /// Its constants.
    pub params: Params,
    /// Whose windows lie where.
    pub directory: Arc<dyn ShelfDirectory>,
    /// Whose checkpoints are followed; a development network may have no trainer.
    pub trainer: Option<Hotkey>,
    /// Where they lie.
    pub checkpoints: Arc<dyn CheckpointShelf>,
}

impl Places {
    /// Those of the network that the settings name. Needs no key and no model, and reads the chain alone.
    ///
    /// Errors: no such development network; the chain is out of reach; nobody to take for the trainer.
    pub async fn of(
        networks: &dyn Networks,
        config: &Config,
        chain: Arc<dyn ChainView>,
    ) -> anyhow::Result<Self> {
        if let Some(dir) = config.path(&table::DEVNET) {
            let net = networks.local(&dir)?;
            let shelf = Shelf::folder(net.shelf(), Transfer::default())?;
            return Ok(Self {
                params: net.facts().params,
                directory: Arc::new(FolderDirectory::new(shelf.clone())),
                trainer: net.facts().trainer,
                checkpoints: Arc::new(shelf),
            });
        }
        #[cfg(not(feature = "subnets"))]
        {
            drop(chain);
            anyhow::bail!("{}", crate::network::NO_SUBNETS)
        }
        #[cfg(feature = "subnets")]
        Self::of_subnet(config, chain).await
    }

    #[cfg(feature = "subnets")]
    async fn of_subnet(config: &Config, chain: Arc<dyn ChainView>) -> anyhow::Result<Self> {
        use crate::subnet;
        let trainer = subnet::trainer(config, &chain.metagraph().await?)?;
        let directory = subnet::directory(config, chain)?;
        Ok(Self {
            params: config.network().params,
            checkpoints: Arc::new(grail_store::CommittedCheckpoints::new(directory.clone(), trainer)),
            directory: Arc::new(directory),
            trainer: Some(trainer),
        })
    }
}

impl std::fmt::Debug for Places {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Places").field("trainer", &self.trainer).finish_non_exhaustive()
    }
}

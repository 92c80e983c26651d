//! The checkpoint of a moment, as a role asks for it.

use super::{Cache, Consumer, ConsumerLimits, Found, Tell};
use async_trait::async_trait;
use grail_artifact::checkpoint::Moment;
use grail_ports::{Fault, checkpoint::CheckpointShelf, follow::Checkpoints};
use grail_protocol::{params::Params, words::Hotkey};
use std::{fmt, path::PathBuf, sync::Arc};

/// Checkpoints kept on this machine: a validator may lag three windows behind.
const KEPT: usize = 5;

/// Whoever wants to see a checkpoint come is asked once for each.
pub type Watch = Arc<dyn Fn() -> Tell + Send + Sync>;

/// Follows a trainer's checkpoints, or stays with the model that the network starts with.
pub struct Follower {
    genesis: Found,
    followed: Option<Followed>,
}

struct Followed {
    consumer: Consumer,
    cache: Cache,
    trainer: Hotkey,
    params: Params,
    watch: Watch,
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trainer = self.followed.as_ref().map(|followed| followed.trainer);
        f.debug_struct("Follower").field("trainer", &trainer).finish_non_exhaustive()
    }
}

impl Follower {
    /// A network that nobody trains: the first model answers every window.
    pub const fn staying(genesis: Found) -> Self {
        Self { genesis, followed: None }
    }

    /// A follower of what `trainer` signs on a shelf; it keeps checkpoints in the folder `here`.
    ///
    /// Errors: the folder cannot be made.
    pub fn of(
        shelf: Arc<dyn CheckpointShelf>,
        here: impl Into<PathBuf>,
        (trainer, params): (Hotkey, Params),
        genesis: Found,
        watch: Watch,
    ) -> Result<Self, Fault> {
        let cache = Cache::open(here)?;
        let first = Some(genesis.clone());
        let consumer = Consumer::new(shelf, cache.clone(), trainer, params, ConsumerLimits::default(), first);
        Ok(Self { genesis, followed: Some(Followed { consumer, cache, trainer, params, watch }) })
    }
}

#[async_trait]
impl Checkpoints for Follower {
    async fn find(&self, moment: Moment) -> Result<Found, Fault> {
        let Some(Followed { consumer, cache, trainer, params, watch }) = &self.followed else {
            return Ok(self.genesis.clone());
        };
        let followed = consumer.follow(moment, watch()).await?;
        for (place, refusal) in &followed.refused {
            tracing::debug!(target: "grail::model", %place, %refusal, "not taken");
        }
        if followed.is_new {
            cache.prune(KEPT, trainer, params)?;
        }
        Ok(followed.current.unwrap_or_else(|| self.genesis.clone()))
    }
}

//! The checkpoint of a moment, from the trainer's shelf to a loaded model.

use async_trait::async_trait;
use grail_artifact::checkpoint::Moment;
use grail_config::args::Told;
use grail_node::network::Joined;
use grail_ports::{
    Fault,
    follow::{Checkpoints, Found, Load},
};
use grail_protocol::{params::Params, words::Hotkey};
use grail_roles::model::Models;
use grail_store::checkpoint::{Cache, Consumer, Limits, LocalCheckpoint, Progress, Tell};
use indicatif::{ProgressBar, ProgressStyle};
use std::sync::{Arc, Mutex};

/// Checkpoints kept on this machine: a validator may lag three windows behind.
const KEPT: usize = 5;

/// Follows a trainer's checkpoints, or stays with the model that the network starts with.
#[derive(Debug)]
pub struct Follower {
    genesis: Found,
    followed: Option<Followed>,
}

#[derive(Debug)]
struct Followed {
    consumer: Consumer,
    cache: Cache,
    trainer: Hotkey,
    params: Params,
}

impl Follower {
    /// A follower of the network's trainer, where it has one.
    ///
    /// Errors: the folder for checkpoints cannot be made.
    pub fn new(joined: &Joined, told: &Told) -> Result<Self, Fault> {
        let genesis = Found { folder: told.model.model.clone(), manifest: joined.manifest.clone() };
        let followed = match joined.trainer {
            None => None,
            Some(trainer) => {
                let cache = Cache::open(told.checkpoint_folder())?;
                let params = joined.sources.network.params;
                let local =
                    LocalCheckpoint { folder: genesis.folder.clone(), manifest: genesis.manifest.clone() };
                let shelf = Arc::clone(&joined.checkpoints);
                let consumer =
                    Consumer::new(shelf, cache.clone(), trainer, params, Limits::default(), Some(local));
                Some(Followed { consumer, cache, trainer, params })
            }
        };
        Ok(Self { genesis, followed })
    }
}

#[async_trait]
impl Checkpoints for Follower {
    async fn find(&self, moment: Moment) -> Result<Found, Fault> {
        let Some(Followed { consumer, cache, trainer, params }) = &self.followed else {
            return Ok(self.genesis.clone());
        };
        let followed = consumer.follow(moment, tell()).await?;
        for (place, refusal) in &followed.refused {
            tracing::debug!(target: "grail::model", %place, %refusal, "not taken");
        }
        if followed.is_new {
            cache.prune(KEPT, trainer, params)?;
        }
        let local = followed.current.map(|LocalCheckpoint { folder, manifest }| Found { folder, manifest });
        Ok(local.unwrap_or_else(|| self.genesis.clone()))
    }
}

/// A bar for whoever watches, made when the first bytes come.
fn tell() -> Tell {
    let bar: Mutex<Option<ProgressBar>> = Mutex::new(None);
    Arc::new(move |Progress { done, total }| {
        let mut bar = bar.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let bar = bar.get_or_insert_with(|| {
            let bar = ProgressBar::new(total);
            let template = "{msg} [{bar:40}] {bytes}/{total_bytes} {bytes_per_sec} {eta}";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.set_message("fetching a checkpoint");
            bar
        });
        bar.set_position(done);
        if done >= total {
            bar.finish_and_clear();
        }
    })
}

/// Follower and loader as a role takes them.
pub fn models(follower: Follower, loader: impl Load + 'static) -> Models {
    Models { checkpoints: Arc::new(follower), loader: Arc::new(loader) }
}

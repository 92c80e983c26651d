//! The rows that environments ask, on the trainer's shelf: whoever joins fetches them there, by the digest in the id.

use grail_artifact::keys::DatasetKey;
use grail_config::{Config, table};
use grail_node::network::{DATASET_BYTES, GSM8K_FILE, Joined, environment};

/// Publishes the rows of the manifest's environments that do not lie there yet. What does not work is told: training
/// goes on, since those who have the rows need nothing.
pub(super) async fn publish(joined: &Joined, config: &Config) {
    for env in &joined.manifest.environments {
        let Some(key) = DatasetKey::of(joined.signer.hotkey(), env) else { continue };
        match one(joined, config, env.as_str(), key.clone()).await {
            Ok(true) => tracing::info!(target: "grail::train", rows = %key, "published the rows of {env}"),
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(target: "grail::train", "could not publish the rows of {env}: {error:#}; newcomers must get them elsewhere");
            }
        }
    }
}

/// Whether they were published now.
async fn one(joined: &Joined, config: &Config, env: &str, key: DatasetKey) -> anyhow::Result<bool> {
    let Some(shelf) = &joined.shelf else { return Ok(false) };
    let key = key.into();
    if shelf.look(&key).await?.is_some() {
        return Ok(false);
    }
    let path = config.path(&table::DEVNET).unwrap_or_else(|| config.cache_dir()).join(GSM8K_FILE);
    let Some(rows) = grail_fs::read(&path, DATASET_BYTES)? else { return Ok(false) };
    // Rows of another data set under this name would be refused by everybody who fetches them.
    if environment("gsm8k", Some(&rows))?.id()?.as_str() != env {
        return Ok(false);
    }
    shelf.put(&key, rows.into()).await?;
    Ok(true)
}

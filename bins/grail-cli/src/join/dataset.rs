//! `grail dataset`: the rows that an environment asks, from the trainer's bucket or from a file, taken only where their
//! digest is the one in the environment's id.

use super::{named, newest_manifest, trainer_of};
use anyhow::{Context as _, bail, ensure};
use clap::Args;
use grail_artifact::keys::DatasetKey;
use grail_config::{Config, Flags, args::SightFlags, table};
use grail_node::{
    local::Networks,
    network::{self, DATASET_BYTES, GSM8K_FILE, View, environment},
};
use grail_ports::shelf::Fetch;
use grail_protocol::words::{EnvId, Hotkey};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Which rows, and where from.
#[derive(Debug, Args)]
pub(crate) struct DatasetArgs {
    /// The environment: gsm8k.
    name: String,

    /// Take this file (jsonl as published) in place of the trainer's bucket.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,

    /// The environment's id, gsm8k/1:DIGEST; without it the one of the trainer's newest checkpoint.
    #[arg(long, value_name = "ID")]
    id: Option<EnvId>,

    /// The network.
    #[command(flatten)]
    settings: Flags<SightFlags>,
}

/// Rows at hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct RowsAt {
    pub(crate) environment: String,
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    /// `here already`, `the trainer's bucket` or `a file`.
    pub(crate) from: &'static str,
}

/// Fetches; whether the rows are there.
#[expect(clippy::print_stdout, reason = "the result of a program for people and scripts")]
pub(crate) async fn run(networks: &dyn Networks, args: &DatasetArgs, json: bool) -> anyhow::Result<bool> {
    named(&args.name)?;
    let config = args.settings.config().context("read the configuration")?;
    let view = network::look(networks, &config, false).await?;
    let env = match &args.id {
        Some(id) => id.clone(),
        None => {
            let manifest = newest_manifest(&view).await?;
            let asks = |env: &&EnvId| env.as_str().starts_with("gsm8k/");
            let found = manifest.environments.iter().find(asks);
            found.context("the newest checkpoint asks no gsm8k; no rows are needed")?.clone()
        }
    };
    let from = args.from.as_deref();
    // A file needs no trainer.
    let trainer = match from {
        Some(_) => view.trainer.unwrap_or(Hotkey::from_bytes([0; 32])),
        None => trainer_of(&view)?,
    };
    let rows = fetch_rows(&view, trainer, &env, from, &config).await?;
    let rows = rows.with_context(|| format!("{env} draws its problems from nothing"))?;
    if json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        println!(
            "rows of {} ({} bytes, from {}): {}",
            rows.environment,
            rows.bytes,
            rows.from,
            rows.path.display()
        );
    }
    Ok(true)
}

/// Where roles of the network look for rows.
fn place(config: &Config) -> PathBuf {
    config.path(&table::DEVNET).unwrap_or_else(|| config.cache_dir()).join(GSM8K_FILE)
}

/// Sees to it that the rows of an environment are here; `Ok(None)` for one without rows.
///
/// Errors: the bucket is out of reach or has none, or what is there is not what the id says.
pub(super) async fn fetch_rows(
    view: &View,
    trainer: Hotkey,
    env: &EnvId,
    from: Option<&Path>,
    config: &Config,
) -> anyhow::Result<Option<RowsAt>> {
    let Some(key) = DatasetKey::of(trainer, env) else { return Ok(None) };
    let path = place(config);
    let at = |bytes: usize, from| {
        Some(RowsAt { environment: env.to_string(), path: path.clone(), bytes: bytes as u64, from })
    };
    if let (Some(here), None) = (grail_fs::read(&path, DATASET_BYTES)?, from)
        && are_those(&here, env).is_ok()
    {
        return Ok(at(here.len(), "here already"));
    }
    let (rows, source) = match from {
        Some(file) => {
            let bytes = grail_fs::read(file, DATASET_BYTES)?
                .with_context(|| format!("there is no file {}", file.display()))?;
            are_those(&bytes, env).with_context(|| format!("{}", file.display()))?;
            (bytes, "a file")
        }
        None => {
            let shelf = view.directory.shelf_of(&trainer).await?;
            let shelf = shelf.with_context(|| format!("the trainer {trainer} has committed no bucket"))?;
            let bytes = match shelf.fetch(&key.clone().into(), DATASET_BYTES).await? {
                Fetch::Found(found) => found.body.to_vec(),
                Fetch::Absent => bail!(
                    "the trainer's bucket has no {key}; take a copy from elsewhere and name it: `grail dataset gsm8k --from FILE`"
                ),
                Fetch::TooLarge { meta } => {
                    bail!("{key} has {} bytes, at most {DATASET_BYTES} are read", meta.size)
                }
            };
            are_those(&bytes, env).with_context(|| format!("{key} in the trainer's bucket"))?;
            (bytes, "the trainer's bucket")
        }
    };
    if let Some(folder) = path.parent() {
        grail_fs::make_folder(folder)?;
    }
    grail_fs::write(&path, &rows)?;
    Ok(at(rows.len(), source))
}

/// Whether bytes are the rows that the id names. Errors: they are none, or others.
fn are_those(bytes: &[u8], env: &EnvId) -> anyhow::Result<()> {
    let found = environment("gsm8k", Some(bytes))?.id()?;
    ensure!(found == *env, "these are the rows of {found}, the checkpoint asks {env}");
    Ok(())
}

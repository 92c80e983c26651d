//! `grail join`: from nothing but a subnet's number to everything that a role needs of its network: who the trainer is,
//! its bucket, the newest checkpoint with its manifest, and the rows that its environments ask. Needs no key.
//!
//! What a broken attempt left is gone on with, so the command is simply given again.

pub(crate) mod dataset;

use crate::checkpoint::{show, workers};
use anyhow::{Context as _, bail};
use clap::Args;
use dataset::{RowsAt, fetch_rows};
use grail_artifact::checkpoint::Moment;
use grail_config::{Config, Flags, args::SightFlags, table};
use grail_node::{
    local::Networks,
    network::{self, View},
};
use grail_protocol::words::Hotkey;
use grail_store::checkpoint::{Cache, Consumer, ConsumerLimits, Followed, Found};
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Which network, and where to.
#[derive(Debug, Args)]
pub(crate) struct JoinArgs {
    /// Folder for checkpoints; by default one in the cache folder, beside those that roles keep and clear away.
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,

    /// The rows of gsm8k (jsonl as published), where the trainer's bucket is not to be asked for them.
    #[arg(long, value_name = "FILE")]
    rows: Option<PathBuf>,

    /// The network. Of a subnet the trainer is the one that --trainer names, else the one that the network's parameters
    /// name.
    #[command(flatten)]
    settings: Flags<SightFlags>,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub(crate) struct JoinOutcome {
    version: u32,
    network: String,
    trainer: Hotkey,
    /// Folder of the checkpoint: what GRAIL_MODEL names.
    pub(crate) model: Option<PathBuf>,
    window: Option<u64>,
    sequence: Option<u64>,
    checkpoint: Option<String>,
    environments: Vec<String>,
    datasets: Vec<RowsAt>,
    /// Newer checkpoints that were not taken, and why.
    refused: Vec<String>,
    /// What is still missing.
    missing: Vec<String>,
}

/// Joins; whether everything is there.
pub(crate) async fn run(networks: &dyn Networks, args: &JoinArgs, json: bool) -> anyhow::Result<bool> {
    let config = args.settings.config().context("read the configuration")?;
    let outcome = fetch(networks, &config, args.to.clone(), args.rows.as_deref()).await?;
    if json {
        show::json(&outcome)?;
    } else {
        tell_people(&outcome);
    }
    Ok(outcome.missing.is_empty())
}

/// Fetches what is not here; says what came of it.
///
/// Errors: nothing names the trainer, or its bucket is out of reach.
pub(crate) async fn fetch(
    networks: &dyn Networks,
    config: &Config,
    to: Option<PathBuf>,
    rows: Option<&Path>,
) -> anyhow::Result<JoinOutcome> {
    let view = network::look(networks, config, false).await?;
    let trainer = trainer_of(&view)?;
    let shelf = view.checkpoints.clone().context("the trainer has no shelf")?;
    let folder =
        to.unwrap_or_else(|| config.cache_dir().join("models").join(view.sources.network.id.as_str()));
    // The first delta may lean on the model that the network started with, where that is here already.
    let genesis = config.path(&table::MODEL).and_then(|folder| {
        Some(Found {
            manifest: view.manifest_of(&folder).ok().filter(|one| one.publication.is_none())?,
            folder,
        })
    });
    let limits = ConsumerLimits { workers: workers(), ..ConsumerLimits::default() };
    let params = view.sources.network.params;
    let consumer = Consumer::new(shelf, Cache::open(&folder)?, trainer, params, limits, genesis);
    let (bar, tell) = show::bar("fetching");
    let Followed { current, refused, .. } = consumer
        .follow(Moment::ANY, tell)
        .await
        .context("fetch the newest checkpoint; what came is kept, and the same command goes on with it")?;
    bar.finish_and_clear();
    let refused: Vec<String> =
        refused.iter().map(|(place, refusal)| format!("{place}: {}", show::reason(refusal))).collect();
    finish(&view, trainer, rows, config, current, refused).await
}

/// Who the trainer is.
///
/// Errors: nothing names one.
pub(crate) fn trainer_of(view: &View) -> anyhow::Result<Hotkey> {
    view.trainer.with_context(|| {
        format!(
            "nothing names the trainer of {}; ask its owner, and say --trainer SS58 (or GRAIL_TRAINER)",
            view.sources.network.id
        )
    })
}

async fn finish(
    view: &View,
    trainer: Hotkey,
    rows: Option<&Path>,
    config: &Config,
    current: Option<Found>,
    refused: Vec<String>,
) -> anyhow::Result<JoinOutcome> {
    let (mut missing, mut datasets) = (Vec::new(), Vec::new());
    let manifest = current.as_ref().map(|found| found.manifest.clone()).or_else(|| view.first.clone());
    for env in manifest.iter().flat_map(|manifest| &manifest.environments) {
        match fetch_rows(view, trainer, env, rows, config).await {
            Ok(None) => {}
            Ok(Some(rows)) if datasets.contains(&rows) => {}
            Ok(Some(rows)) => datasets.push(rows),
            Err(error) => missing.push(format!("the rows of {env}: {error:#}")),
        }
    }
    if current.is_none() {
        missing.push(
            "a checkpoint: the trainer's bucket holds none that can be taken. Before the first is published every \
             participant starts with the model that the subnet's owner names: put it into a folder, make its manifest with \
             `grail checkpoint describe`, and name it in GRAIL_MODEL"
                .to_owned(),
        );
    }
    missing.dedup();
    let taken = current.as_ref();
    Ok(JoinOutcome {
        version: 1,
        network: view.sources.network.id.to_string(),
        trainer,
        model: taken.map(|found| found.folder.clone()),
        window: taken.map(|found| found.manifest.window.0),
        sequence: taken.map(|found| found.manifest.sequence),
        checkpoint: taken.map(|found| found.manifest.id().to_string()),
        environments: manifest.iter().flat_map(|one| &one.environments).map(ToString::to_string).collect(),
        datasets,
        refused,
        missing,
    })
}

#[expect(clippy::print_stdout, reason = "the result of a program for people")]
pub(crate) fn tell_people(outcome: &JoinOutcome) {
    println!("network {}, trainer {}", outcome.network, outcome.trainer);
    for refused in &outcome.refused {
        println!("  not taken: {refused}");
    }
    if let (Some(model), Some(window), Some(sequence)) = (&outcome.model, outcome.window, outcome.sequence) {
        if sequence == 0 {
            println!(
                "  no checkpoint is published that can be taken: the first model stays, {}",
                model.display()
            );
        } else {
            println!(
                "  checkpoint of window {window} (sequence {sequence}) with its manifest: {}",
                model.display()
            );
        }
    }
    for rows in &outcome.datasets {
        println!("  rows of {}: {}", rows.environment, rows.path.display());
    }
    for missing in &outcome.missing {
        println!("  missing: {missing}");
    }
    if let Some(model) = &outcome.model {
        println!("next: set GRAIL_MODEL={} (or `grail setup`), then `grail doctor`", model.display());
    }
}

/// A manifest's environment as people type it: `gsm8k` of `gsm8k/1:…`.
pub(crate) fn named(name: &str) -> anyhow::Result<()> {
    if name == "gsm8k" {
        return Ok(());
    }
    bail!("{name:?} needs no rows; only gsm8k does")
}

/// What the trainer's newest checkpoint asks for.
///
/// Errors: none is published, and no first manifest is known.
pub(crate) async fn newest_manifest(view: &View) -> anyhow::Result<Arc<grail_artifact::manifest::Manifest>> {
    let head = view.sources.chain.head().await?;
    let window = view.sources.network.params.window_of(head.number);
    Ok(Arc::new(view.manifest_at(window).await?))
}

#[cfg(test)]
mod tests;

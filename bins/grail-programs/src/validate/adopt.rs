//! A validator without a model: weights made of verdicts that others sign.

use super::history;
use crate::program::until_stopped;
use anyhow::Context as _;
use grail_config::{args::Told, table};
use grail_fs::FolderJournal;
use grail_node::network::Joined;
use grail_parquet::ParquetCodec;
use grail_ports::follow::Found;
use grail_roles::adopt::{Adopter, AdopterParts, AdopterSettings};
use grail_store::checkpoint::ManifestFollower;
use grail_tokenize::Tokenizer;
use grail_torch::ModelConfig;
use std::{path::PathBuf, sync::Arc};

/// Runs until stopped. Of the model's folder only `manifest.json`, `config.json` and the tokenizer are read.
pub(super) async fn run(
    joined: Joined,
    told: &Told,
    reports: PathBuf,
    windows: Option<u32>,
) -> anyhow::Result<bool> {
    let config = &told.config;
    let named = config.list(&table::FOLLOW_VERDICTS);
    let validators = named.iter().map(|hotkey| Ok(hotkey.parse()?)).collect::<anyhow::Result<Vec<_>>>()?;
    let folder = &told.model.model;
    let card =
        ModelConfig::read(folder).with_context(|| format!("read the model in {}", folder.display()))?;
    let tokenizer =
        Tokenizer::open(folder).with_context(|| format!("load the tokenizer in {}", folder.display()))?;
    let genesis = Found { folder: folder.clone(), manifest: joined.manifest.clone() };
    let params = joined.sources.network.params;
    let manifests = match joined.trainer {
        None => ManifestFollower::staying(genesis),
        Some(trainer) => ManifestFollower::of(Arc::clone(&joined.checkpoints), trainer, params, genesis),
    };
    let settings = AdopterSettings {
        validators,
        history: history(config, &joined.sources),
        weights_every: config.count(&table::WEIGHTS_EVERY).unwrap_or(1),
        windows,
    };
    let parts = AdopterParts {
        sources: joined.sources,
        writer: joined.writer,
        directory: joined.directory,
        clock: joined.clock,
        manifests: Arc::new(manifests),
        tokenizer: Arc::new(tokenizer),
        vocabulary: u32::try_from(card.vocab_size).context("the vocabulary of the model")?,
        context_length: u32::try_from(card.max_position_embeddings).context("the context of the model")?,
        environments: joined.environments,
        codec: Arc::new(ParquetCodec),
        journal: Arc::new(FolderJournal::new(reports)),
    };
    tracing::info!(target: "grail::validate", "no model is loaded: weights are made of others' verdicts, audited on paper");
    until_stopped(Adopter::new(parts, settings)?.run()).await
}

//! `grail checkpoint gc`: clears a folder of fetched checkpoints.

use super::show;
use anyhow::{Context as _, bail};
use clap::Args;
use grail_config::Flags;
use grail_node::{
    checkpoint_shelf::{TrainerChoice, TrainerFlags},
    local::Networks,
};
use grail_store::checkpoint::Cache;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Which folder, and what stays in it.
#[derive(Debug, Args)]
pub(crate) struct GcArgs {
    /// Folder of fetched checkpoints, as `get --to` and the roles fill it.
    dir: PathBuf,

    #[command(flatten)]
    whose: Flags<TrainerFlags>,

    /// Keep this many of the newest finished ones.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    keep: u32,

    /// Show what would go, and remove nothing.
    #[arg(long)]
    dry_run: bool,

    /// The outcome as a JSON object.
    #[arg(long = "as-json")]
    pub(super) as_json: bool,
}

/// The outcome.
#[derive(Debug, Serialize)]
struct Outcome {
    dry_run: bool,
    folders: Vec<Gone>,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct Gone {
    folder: PathBuf,
    /// Of its files. Checkpoints may share files, whose room becomes free with the last of them.
    bytes: u64,
}

/// Removes, or shows what would go.
#[expect(clippy::print_stdout, reason = "the result of a program for people")]
pub(super) async fn run(networks: &dyn Networks, args: &GcArgs) -> anyhow::Result<()> {
    let dir = args.dir.display();
    // Opening a cache would make the folder.
    if !args.dir.is_dir() {
        bail!("there is no folder {dir}; `grail checkpoint get --to {dir}` would make it");
    }
    let whose = TrainerChoice::of(networks, &args.whose.config()?).await?;
    let (cache, keep) = (Cache::open(&args.dir)?, usize::try_from(args.keep)?);
    let (trainer, params) = (&whose.trainer, &whose.params);
    let planned = cache.prunable(keep, trainer, params)?;
    let mut folders = planned
        .into_iter()
        .map(|folder| Ok(Gone { bytes: size(&folder)?, folder }))
        .collect::<anyhow::Result<Vec<Gone>>>()?;
    if !args.dry_run {
        let gone = cache.prune(keep, trainer, params)?;
        folders.retain(|one| gone.contains(&one.folder));
    }
    let bytes = folders.iter().map(|one| one.bytes).fold(0, u64::saturating_add);
    let outcome = Outcome { dry_run: args.dry_run, folders, bytes };
    if args.as_json {
        return show::json(&outcome);
    }
    let verb = if args.dry_run { "would go" } else { "is gone" };
    for one in &outcome.folders {
        println!("{} {verb}, {}", one.folder.display(), show::bytes(one.bytes));
    }
    match outcome.folders.len() {
        0 => println!("nothing to remove in {dir}: it has at most {keep} finished checkpoints of {trainer}"),
        count => println!("{count} folders, {}", show::bytes(bytes)),
    }
    Ok(())
}

/// Bytes of the files in a folder.
fn size(folder: &Path) -> anyhow::Result<u64> {
    let unlisted = || format!("list {}", folder.display());
    let mut bytes = 0u64;
    for entry in std::fs::read_dir(folder).with_context(unlisted)? {
        let metadata = entry.and_then(|entry| entry.metadata()).with_context(unlisted)?;
        bytes = bytes.saturating_add(metadata.len());
    }
    Ok(bytes)
}

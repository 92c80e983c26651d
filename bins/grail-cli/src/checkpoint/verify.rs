//! `grail checkpoint verify`: a folder, or a place on the shelf, against its signed manifest.

use super::{Which, audit, show, workers};
use anyhow::{Context as _, bail};
use clap::Args;
use grail_artifact::{
    checkpoint::{CheckpointPlace, Moment},
    delta::DeltaOptions,
};
use grail_node::{
    checkpoint_shelf::{Access, ShelfArgs, TrainerChoice},
    local::Networks,
};
use grail_store::checkpoint::{CheckpointRefusal, check_published};
use serde::Serialize;
use std::path::Path;

/// What to verify.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// A folder with a manifest.json, or a place on the shelf: latest, a window's number, window-N, milestone-N. What can
    /// be a place is one; `./window-40` is a folder.
    #[arg(value_name = "PATH_OR_PLACE")]
    what: String,

    #[command(flatten)]
    shelf: ShelfArgs,

    /// Of a place, read every byte and compare digests too; nothing of it is kept. Of a folder this is always done.
    #[arg(long)]
    deep: bool,

    /// The verdict as a JSON object.
    #[arg(long = "as-json")]
    pub(super) as_json: bool,
}

/// The verdict.
#[derive(Debug, Serialize)]
struct Verdict {
    what: String,
    /// Whether every byte was read.
    deep: bool,
    good: bool,
    problems: Vec<String>,
}

/// Verifies; whether everything is right.
#[expect(clippy::print_stdout, reason = "the result of a program for people")]
pub(super) async fn run(networks: &dyn Networks, args: &VerifyArgs) -> anyhow::Result<bool> {
    let verdict = match args.what.parse() {
        Ok(which) => place(networks, args, which).await?,
        Err(_) => folder(networks, args, Path::new(&args.what)).await?,
    };
    if args.as_json {
        show::json(&verdict)?;
        return Ok(verdict.good);
    }
    for problem in &verdict.problems {
        println!("{}: {problem}", verdict.what);
    }
    match (verdict.good, verdict.deep) {
        (true, true) => println!("{} is good, every byte of it", verdict.what),
        (true, false) => {
            println!("{} is good; its bytes were counted and not read, --deep reads them", verdict.what);
        }
        (false, _) => println!("{} is not good", verdict.what),
    }
    Ok(verdict.good)
}

async fn place(networks: &dyn Networks, args: &VerifyArgs, which: Which) -> anyhow::Result<Verdict> {
    let open = args.shelf.open(networks, Access::Read).await?;
    let audit = audit(&open).await?;
    let place = match which {
        Which::At(place) => place,
        Which::Latest => audit
            .inventory()
            .ready_for(Moment::ANY)
            .next()
            .map(CheckpointPlace::Window)
            .with_context(|| format!("no checkpoint in {} is marked ready", open.name))?,
    };
    let looked = audit.trace(place).await?;
    let mut problems = looked.problems.iter().map(show::reason).collect::<Vec<String>>();
    if args.deep {
        let (bar, tell) = show::bar("reading");
        let wrong = audit.digests(&looked, tell).await?;
        bar.finish_and_clear();
        problems.extend(wrong.iter().map(show::reason));
    }
    Ok(Verdict { what: place.to_string(), deep: args.deep, good: problems.is_empty(), problems })
}

async fn folder(networks: &dyn Networks, args: &VerifyArgs, path: &Path) -> anyhow::Result<Verdict> {
    if !path.is_dir() {
        bail!(
            "{:?} is neither a folder nor a place; a place is latest, a window's number, window-N or milestone-N",
            args.what
        );
    }
    let whose = TrainerChoice::of(networks, &args.shelf.config()?).await?;
    let (bar, tell) = show::bar("reading");
    let options = DeltaOptions { workers: workers(), ..DeltaOptions::default() };
    let (_, wrong): (_, Vec<CheckpointRefusal>) =
        check_published(path, &whose.trainer, &whose.params, options, tell)?;
    bar.finish_and_clear();
    let problems: Vec<String> = wrong.iter().map(show::reason).collect();
    Ok(Verdict { what: path.display().to_string(), deep: true, good: problems.is_empty(), problems })
}

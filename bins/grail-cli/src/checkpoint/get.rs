//! `grail checkpoint get`: a checkpoint from the shelf into a folder of this machine.

use super::{Which, limits, show};
use clap::Args;
use grail_artifact::checkpoint::{CheckpointPlace, Moment};
use grail_config::table;
use grail_node::{
    checkpoint_shelf::{Access, ShelfArgs},
    local::Networks,
};
use grail_store::checkpoint::{Cache, CheckpointRefusal, Consumer, Followed, Found};
use serde::Serialize;
use std::{path::PathBuf, sync::Arc};

/// Which checkpoint, and where to.
#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// Which: latest (the newest that is acceptable), a window's number, window-N or milestone-N.
    #[arg(default_value = "latest", value_name = "WHICH")]
    which: Which,

    /// Folder for checkpoints, made where it is not there; each gets a folder of its own in it. What a broken attempt left
    /// there is gone on with.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,

    #[command(flatten)]
    shelf: ShelfArgs,

    /// The outcome as a JSON object.
    #[arg(long = "as-json")]
    pub(super) as_json: bool,
}

/// The outcome, for scripts.
#[derive(Debug, Serialize)]
struct Outcome {
    folder: Option<PathBuf>,
    window: Option<u64>,
    sequence: Option<u64>,
    id: Option<String>,
    refused: Vec<Refused>,
}

#[derive(Debug, Serialize)]
struct Refused {
    place: String,
    reason: String,
}

/// Fetches; whether there is something to use.
pub(super) async fn run(networks: &dyn Networks, args: &GetArgs) -> anyhow::Result<bool> {
    let open = args.shelf.open(networks, Access::Read).await?;
    let whose = &open.whose;
    let genesis = whose.genesis.clone().zip(args.shelf.config()?.path(&table::MODEL));
    let genesis = genesis.map(|(manifest, folder)| Found { folder, manifest });
    let cache = Cache::open(&args.to)?;
    let consumer =
        Consumer::new(Arc::clone(&open.shelf), cache, whose.trainer, whose.params, limits(), genesis);
    let (bar, tell) = show::bar("fetching");
    let taken = match args.which {
        Which::Latest => {
            let Followed { current, refused, .. } = consumer.follow(Moment::ANY, tell).await?;
            (current, refused)
        }
        Which::At(place) => match consumer.take(place, tell).await? {
            Ok(local) => (Some(local), Vec::new()),
            Err(refusal) => (None, vec![(place, refusal)]),
        },
    };
    bar.finish_and_clear();
    let (local, refused) = taken;
    if args.as_json {
        show::json(&outcome(local.as_ref(), &refused))?;
    } else {
        tell_people(local.as_ref(), &refused, &open.name);
    }
    Ok(local.is_some())
}

#[expect(clippy::print_stdout, reason = "the result of a program for people")]
fn tell_people(local: Option<&Found>, refused: &[(CheckpointPlace, CheckpointRefusal)], shelf: &str) {
    for (place, refusal) in refused {
        println!("{place} is refused: {}", show::reason(refusal));
    }
    match local {
        Some(Found { folder, manifest }) => {
            let (window, sequence) = (manifest.window, manifest.sequence);
            println!("the checkpoint of window {window} (sequence {sequence}) lies in {}", folder.display());
        }
        None => println!("nothing was taken; `grail checkpoint list` shows what lies in {shelf}"),
    }
}

fn outcome(local: Option<&Found>, refused: &[(CheckpointPlace, CheckpointRefusal)]) -> Outcome {
    let refused = refused
        .iter()
        .map(|(place, refusal)| Refused { place: place.to_string(), reason: show::reason(refusal) });
    Outcome {
        folder: local.map(|local| local.folder.clone()),
        window: local.map(|local| local.manifest.window.0),
        sequence: local.map(|local| local.manifest.sequence),
        id: local.map(|local| local.manifest.id().to_string()),
        refused: refused.collect(),
    }
}

//! `grail checkpoint prune`: deletes from the shelf what nobody needs any more.

use super::show;
use anyhow::bail;
use clap::Args;
use grail_artifact::checkpoint::{CheckpointPlace, Inventory, Reason, Retention, RetentionPlan};
use grail_node::{
    checkpoint_shelf::{Access, ShelfArgs},
    local::Networks,
};
use grail_store::checkpoint::Publisher;
use serde::Serialize;
use std::{
    io::{self, IsTerminal as _},
    sync::Arc,
};

/// What to keep.
#[derive(Debug, Args)]
pub(crate) struct PruneArgs {
    #[command(flatten)]
    shelf: ShelfArgs,

    /// Keep this many of the newest ready ones, and everything that they are made from.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    keep: u32,

    /// Keep those of every so many windows for ever; 0 for none.
    #[arg(long, value_name = "N", default_value_t = 100)]
    milestone_every: u64,

    /// Delete without asking.
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,

    /// Show the plan and delete nothing; needs no keys that may write.
    #[arg(long)]
    dry_run: bool,

    /// Plan and outcome as a JSON object; goes with --yes or --dry-run.
    #[arg(long = "as-json")]
    pub(super) as_json: bool,
}

/// Plan and outcome, for scripts.
#[derive(Debug, Serialize)]
struct Outcome {
    keep: Vec<Kept>,
    delete: Vec<Going>,
    delete_bytes: u64,
    /// Files deleted; none where nothing was to be done, or only to be shown.
    deleted_files: u64,
}

#[derive(Debug, Serialize)]
struct Kept {
    place: String,
    reason: String,
}

#[derive(Debug, Serialize)]
struct Going {
    place: String,
    files: usize,
    bytes: u64,
}

/// Plans, shows, asks, deletes. Whether the plan was carried out, or was only to be shown.
#[expect(clippy::print_stdout, reason = "the result of a program for people")]
pub(super) async fn run(networks: &dyn Networks, args: &PruneArgs) -> anyhow::Result<bool> {
    if args.as_json && !args.yes && !args.dry_run {
        bail!("--as-json asks nobody; add --yes to delete, or --dry-run to see the plan");
    }
    let open = args.shelf.open(networks, if args.dry_run { Access::Read } else { Access::Write }).await?;
    let whose = &open.whose;
    let retention = Retention {
        last: usize::try_from(args.keep)?,
        milestone_every: args.milestone_every,
        window_length: whose.params.window_length,
    };
    let publisher = Publisher::new(Arc::clone(&open.shelf), whose.trainer, whose.params);
    let plan = publisher.plan(retention).await?;
    let inventory = Inventory::new(open.shelf.list().await?);
    let mut outcome = outcome(&plan, &inventory);
    if !args.as_json {
        tell(&outcome, &open.name);
    }
    if !args.dry_run && !plan.delete.is_empty() {
        if !args.yes && !agreed()? {
            println!("nothing was deleted");
            return Ok(false);
        }
        outcome.deleted_files = publisher.prune(&plan).await?;
        if !args.as_json {
            println!("{} files were deleted", outcome.deleted_files);
        }
    }
    if args.as_json {
        show::json(&outcome)?;
    }
    Ok(true)
}

fn outcome(plan: &RetentionPlan, inventory: &Inventory) -> Outcome {
    // The newest first, as in a list.
    let kept = |(place, reason): (&CheckpointPlace, &Reason)| Kept {
        place: place.to_string(),
        reason: why(*reason),
    };
    let mut keep: Vec<(&CheckpointPlace, &Reason)> = plan.keep.iter().collect();
    keep.sort_by_key(|(place, _)| std::cmp::Reverse((place.window(), **place)));
    let delete: Vec<Going> = plan
        .delete
        .iter()
        .map(|place| {
            let files = inventory.listing(*place);
            let bytes = files.into_iter().flat_map(|files| files.values()).copied();
            Going {
                place: place.to_string(),
                files: files.map_or(0, |files| files.len()),
                bytes: bytes.fold(0, u64::saturating_add),
            }
        })
        .collect();
    let delete_bytes = delete.iter().map(|going| going.bytes).fold(0, u64::saturating_add);
    Outcome { keep: keep.into_iter().map(kept).collect(), delete, delete_bytes, deleted_files: 0 }
}

fn why(reason: Reason) -> String {
    match reason {
        Reason::Newest => "among the newest".to_owned(),
        Reason::Milestone => "a milestone, kept for ever".to_owned(),
        Reason::Base { of } => format!("{of} is made from it"),
        Reason::UnderWay => "not ready; its upload may be under way".to_owned(),
        Reason::PerhapsBase { of } => {
            format!("{of} may be made from it: the manifest there is not readable as the trainer's")
        }
    }
}

#[expect(clippy::print_stdout, reason = "the result of a program for people")]
fn tell(outcome: &Outcome, shelf: &str) {
    for Kept { place, reason } in &outcome.keep {
        println!("keep    {place:24} {reason}");
    }
    for Going { place, files, bytes } in &outcome.delete {
        println!("delete  {place:24} {files} files, {}", show::bytes(*bytes));
    }
    let (count, bytes) = (outcome.delete.len(), show::bytes(outcome.delete_bytes));
    println!("{count} checkpoints with {bytes} go from {shelf}, {} stay", outcome.keep.len());
}

/// Asks on the terminal. Errors: there is none.
#[expect(clippy::print_stdout, reason = "a question to people")]
fn agreed() -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() {
        bail!("nobody is here to be asked; add --yes to delete this, or --dry-run to see the plan only");
    }
    println!("Delete these? [y/N]");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
}

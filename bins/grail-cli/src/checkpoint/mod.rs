//! `grail checkpoint`: what lies on a trainer's shelf, and what an operator does with it by hand.

mod describe;
mod gc;
mod get;
mod list;
mod prune;
pub(crate) mod show;
mod verify;

use clap::Subcommand;
use grail_artifact::checkpoint::CheckpointPlace;
use grail_node::{checkpoint_shelf::OpenShelf, local::Networks};
use grail_protocol::words::WindowStart;
use grail_store::checkpoint::{Audit, ConsumerLimits};
use std::{str::FromStr, sync::Arc};

/// What to do with checkpoints.
#[derive(Debug, Subcommand)]
pub(crate) enum CheckpointCommand {
    /// What lies on the shelf, newest first, and whether a consumer may take it.
    List(Box<list::ListArgs>),
    /// Fetch a checkpoint, with everything that it is made from. Exit code 1 when it is refused.
    Get(Box<get::GetArgs>),
    /// Hold a folder, or a place on the shelf, against its signed manifest. Exit code 1 when anything is wrong.
    Verify(Box<verify::VerifyArgs>),
    /// Delete old checkpoints from the shelf; shows its plan and asks before.
    Prune(Box<prune::PruneArgs>),
    /// Write the manifest of the model that a network starts with. Every participant who does so over the same files and with
    /// the same terms has the same checkpoint.
    Describe(Box<describe::DescribeArgs>),
    /// Remove old checkpoints and leftovers from a folder of fetched ones.
    Gc(gc::GcArgs),
}

/// Runs the command; `Ok(false)` when a checkpoint is refused or wrong, or the operator declined.
pub(crate) async fn run(
    networks: &dyn Networks,
    mut command: CheckpointCommand,
    json: bool,
) -> anyhow::Result<bool> {
    // `--json` before or behind the command means what `--as-json` meant alone.
    if json {
        match &mut command {
            CheckpointCommand::List(args) => args.as_json = true,
            CheckpointCommand::Get(args) => args.as_json = true,
            CheckpointCommand::Verify(args) => args.as_json = true,
            CheckpointCommand::Prune(args) => args.as_json = true,
            CheckpointCommand::Describe(args) => args.as_json = true,
            CheckpointCommand::Gc(args) => args.as_json = true,
        }
    }
    match command {
        CheckpointCommand::List(args) => list::run(networks, &args).await.map(|()| true),
        CheckpointCommand::Get(args) => Box::pin(get::run(networks, &args)).await,
        CheckpointCommand::Verify(args) => Box::pin(verify::run(networks, &args)).await,
        CheckpointCommand::Prune(args) => prune::run(networks, &args).await,
        CheckpointCommand::Describe(args) => describe::run(&args).map(|()| true),
        CheckpointCommand::Gc(args) => gc::run(networks, &args).await.map(|()| true),
    }
}

/// Which checkpoint, as people type it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    /// The newest that is acceptable.
    Latest,
    /// The one of a place.
    At(CheckpointPlace),
}

impl FromStr for Which {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "latest" {
            return Ok(Self::Latest);
        }
        let place =
            text.parse().ok().or_else(|| Some(CheckpointPlace::Window(text.parse::<WindowStart>().ok()?)));
        place.map(Self::At).ok_or_else(|| {
            format!("{text:?} names no checkpoint; use latest, a window's number, window-N or milestone-N")
        })
    }
}

/// Bounds of this program: the usual ones, on all cores.
fn limits() -> ConsumerLimits {
    ConsumerLimits { workers: workers(), ..ConsumerLimits::default() }
}

pub(crate) fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Lists the shelf.
async fn audit(open: &OpenShelf) -> anyhow::Result<Audit> {
    let genesis = open.whose.genesis.as_ref().map(|manifest| manifest.id());
    let (shelf, whose) = (Arc::clone(&open.shelf), &open.whose);
    Ok(Audit::of(shelf, whose.trainer, whose.params, limits(), genesis).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_named_by_window_place_or_latest() {
        let at = |place| Ok(Which::At(place));
        assert_eq!("latest".parse(), Ok(Which::Latest));
        assert_eq!("100".parse(), at(CheckpointPlace::Window(WindowStart(100))));
        assert_eq!("window-100".parse(), at(CheckpointPlace::Window(WindowStart(100))));
        assert_eq!("milestone-100".parse(), at(CheckpointPlace::Milestone(WindowStart(100))));
        for bad in ["", "newest", "window-", "window-0100", "windows-1", "-1", "./window-100"] {
            assert!(bad.parse::<Which>().unwrap_err().contains("milestone-N"), "{bad}");
        }
    }
}

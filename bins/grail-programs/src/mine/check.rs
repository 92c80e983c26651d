//! `grail-miner check`: everything that mining needs, looked at before a window is lost.

use super::MineArgs;
use crate::checks::{begin, model, randomness, registered, store};
use grail_config::Role;
use grail_node::local::Networks;

/// Runs every check; whether all went well.
pub(super) async fn run(networks: &dyn Networks, args: &MineArgs) -> anyhow::Result<bool> {
    let (mut checks, opened) = begin(networks, Role::Miner, &args.role).await?;
    if let Some((told, joined)) = opened {
        checks.lines([
            ("registration", registered(&joined).await),
            ("randomness", randomness(&joined).await),
            ("object store: write, read back", store(&joined).await),
            ("model and tokenizer, every byte", model(&told, &joined)),
        ]);
    }
    Ok(checks.are_good())
}

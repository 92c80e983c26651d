//! `grail-validator check`: everything that judging needs, looked at before a window is lost.

use super::ValidateArgs;
use crate::checks::{begin, model, randomness, store};
use anyhow::{Context as _, ensure};
use grail_config::Role;
use grail_node::{local::Networks, network::Joined};

/// Runs every check; whether all went well.
pub(super) async fn run(networks: &dyn Networks, args: &ValidateArgs) -> anyhow::Result<bool> {
    let (mut checks, opened) = begin(networks, Role::Validator, &args.role).await?;
    if let Some((told, joined)) = opened {
        checks.lines([
            ("registration and permit", permitted(&joined).await),
            ("randomness", randomness(&joined).await),
        ]);
        if joined.shelf.is_some() {
            checks.line("object store: write, read back", store(&joined).await);
        }
        checks.line("model and tokenizer, every byte", model(&told, &joined));
    }
    Ok(checks.are_good())
}

async fn permitted(joined: &Joined) -> anyhow::Result<String> {
    let uid = joined.registered().await?;
    let hotkey = joined.signer.hotkey();
    let metagraph = joined.chain.metagraph().await?;
    let neuron = metagraph.find(&hotkey).with_context(|| format!("{hotkey} was registered a moment ago"))?;
    ensure!(
        neuron.validator_permit,
        "{hotkey} has uid {uid} and no validator permit, so its weights do not count; add stake until it is among the subnet's \
         validators"
    );
    Ok(format!("{hotkey} has uid {uid}, a permit and a stake of {:.3}", neuron.stake))
}

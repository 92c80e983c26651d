//! `grail-miner check`: everything that mining needs, looked at before a window is lost.

use super::MineArgs;
use crate::{
    checks::{Checks, randomness, registered, store},
    engine::load,
};
use grail_config::{Role, args::Told};
use grail_node::{
    local::Networks,
    network::{self, Joined},
};

/// Runs every check; whether all went well.
pub(super) async fn run(networks: &dyn Networks, args: &MineArgs) -> anyhow::Result<bool> {
    let mut checks = Checks::default();
    let config = args.role.config.config()?;
    checks.ready(networks, Role::Miner, &config);
    let opened = async {
        let told = args.role.read()?;
        let joined = network::join(networks, &told).await?;
        anyhow::Ok((told, joined))
    };
    match opened.await {
        Err(error) => checks.line("network, key and data sets", Err(error)),
        Ok((told, joined)) => {
            let network = format!("network {}", joined.sources.network.id);
            checks.lines([
                ("network, key and data sets", Ok(network)),
                ("registration", registered(&joined).await),
                ("randomness", randomness(&joined).await),
                ("object store: write, read back", store(&joined).await),
                ("model and tokenizer, every byte", model(&told, &joined)),
            ]);
        }
    }
    Ok(checks.are_good())
}

fn model(told: &Told, joined: &Joined) -> anyhow::Result<String> {
    let engine = load(&told.model.model, &joined.manifest, &told.model)?;
    Ok(engine.model.card().description.clone())
}

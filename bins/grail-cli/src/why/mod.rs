//! `grail why`: from what the chain pays a miner, back through weights, score, verdicts, refusals and uploads, to the first
//! thing that went wrong, with its remedy. One screen; needs no key.

mod diagnose;
mod facts;
mod show;

use anyhow::Context as _;
use clap::Args;
use grail_config::{Flags, args::SightFlags};
use grail_node::{local::Networks, network};
use grail_protocol::words::Hotkey;

/// Whose pay.
#[derive(Debug, Args)]
pub(crate) struct WhyArgs {
    /// The miner.
    hotkey: Hotkey,

    /// Windows to go back from the one under way.
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=50))]
    windows: u32,

    /// The network: a development network, or a subnet.
    #[command(flatten)]
    settings: Flags<SightFlags>,
}

/// Says why; whether nothing went wrong.
pub(crate) async fn run(networks: &dyn Networks, args: &WhyArgs, json: bool) -> anyhow::Result<bool> {
    let config = args.settings.config().context("read the configuration")?;
    let view = network::look(networks, &config, false).await?;
    let facts = facts::gather(&view, &args.hotkey, args.windows).await?;
    let diagnosis = diagnose::diagnose(&facts);
    show::tell(&facts, &diagnosis, json)?;
    Ok(diagnosis.code.is_none())
}

#[cfg(test)]
mod tests;

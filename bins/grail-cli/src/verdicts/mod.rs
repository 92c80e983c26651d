//! `grail verdicts`: what validators publish about miners' files, read from their buckets and checked against their
//! signatures. Needs no key.

pub(crate) mod read;
pub(crate) mod show;

use anyhow::Context as _;
use clap::Args;
use grail_config::{Flags, args::SightFlags};
use grail_node::{
    local::Networks,
    network::{self, View},
};
use grail_protocol::words::{Hotkey, WindowStart};
use read::{Judge, VerdictLook, judges, look, windows_back};
use std::{collections::BTreeSet, time::Duration};

/// Most windows that are gone back.
const MOST_WINDOWS: u32 = 200;

/// Whose verdicts, on whom, in which windows.
#[derive(Debug, Args)]
pub(crate) struct VerdictArgs {
    /// On this miner's files alone, with the reasons.
    #[arg(long, value_name = "HOTKEY")]
    hotkey: Option<Hotkey>,

    /// Of this validator alone; without it of every validator with a permit.
    #[arg(long, value_name = "HOTKEY")]
    validator: Option<Hotkey>,

    /// Windows to go back from the one under way.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_WINDOWS)))]
    windows: u32,

    /// Go on, and tell each verdict file when it appears. With --json one object a line.
    #[arg(long)]
    follow: bool,

    /// The network: a development network, or a subnet.
    #[command(flatten)]
    settings: Flags<SightFlags>,
}

/// Reads; whether any verdict file was found.
pub(crate) async fn run(networks: &dyn Networks, args: &VerdictArgs, json: bool) -> anyhow::Result<bool> {
    let config = args.settings.config().context("read the configuration")?;
    let view = network::look(networks, &config, false).await?;
    let mut told = BTreeSet::new();
    let any = one_look(&view, args, json, &mut told).await?;
    if !args.follow {
        return Ok(any);
    }
    loop {
        tokio::time::sleep(Duration::from_millis(view.sources.network.params.block_time_ms)).await;
        // A node that stumbles ends no watching.
        if let Err(error) = one_look(&view, args, json, &mut told).await {
            tracing::warn!(target: "grail::verdicts", "{error:#}; looking again");
        }
    }
}

/// What is new since the last look.
async fn one_look(
    view: &View,
    args: &VerdictArgs,
    json: bool,
    told: &mut BTreeSet<(WindowStart, Hotkey)>,
) -> anyhow::Result<bool> {
    let graph = view.sources.chain.metagraph().await?;
    let judges: Vec<Judge> = match args.validator {
        None => judges(&graph),
        Some(hotkey) => vec![Judge::of(&graph, &hotkey)],
    };
    let head = view.sources.chain.head().await?;
    let windows = windows_back(&view.sources.network.params, head.number, args.windows);
    let asked: Vec<(Judge, WindowStart)> = windows
        .iter()
        .flat_map(|window| judges.iter().map(move |judge| (*judge, *window)))
        .filter(|(judge, window)| !told.contains(&(*window, judge.hotkey)))
        .collect();
    let looks = look(view, &asked).await;
    told.extend(
        looks.iter().filter(|look| look.file().is_some()).map(|look| (look.window, look.judge.hotkey)),
    );
    let any = looks.iter().any(|look| look.file().is_some());
    if args.follow {
        let found: Vec<VerdictLook> = looks.into_iter().filter(|look| look.file().is_some()).collect();
        show::follow(&found, args.hotkey.as_ref(), json)?;
    } else {
        show::all(&looks, &judges, args.hotkey.as_ref(), json)?;
    }
    Ok(any)
}

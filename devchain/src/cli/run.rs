//! `grail-devchain run`.

use super::{ChainArgs, info_json, say, say_info};
use anyhow::{Context, Result};
use clap::Args;
use grail_devchain::{Head, Node, NodeConfig, Seal};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::{net::SocketAddr, path::PathBuf, time::Duration};

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    chain: ChainArgs,

    /// When blocks are sealed: `instant` (one for each extrinsic), `manual` (by dev_newBlock), or every so many
    /// milliseconds. dev_newBlock works with each.
    #[arg(long, value_name = "instant|manual|MS", default_value = "instant")]
    seal: Seal,

    /// Address to listen on; port 0 takes a free one and prints it.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9944")]
    listen: SocketAddr,

    /// Blocks whose whole state can be asked for.
    #[arg(long, value_name = "BLOCKS", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    keep_states: u32,

    /// Blocks by which the finalized head is behind the best one.
    #[arg(long, value_name = "BLOCKS", default_value_t = 0)]
    finality_lag: u32,

    /// Write a snapshot here at the end, to go on from with --snapshot.
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
}

pub(crate) async fn run(args: &RunArgs, json: bool) -> Result<()> {
    let config = NodeConfig {
        seal: args.seal,
        listen: args.listen,
        keep_states: args.keep_states,
        finality_lag: args.finality_lag,
        ..args.chain.config()?
    };
    if !args.listen.ip().is_loopback() {
        tracing::warn!(
            target: "grail::devchain", address = %args.listen,
            "everybody who reaches this address can write storage and files"
        );
    }
    let node = Node::start(config).await?;
    let info = node.info().await?;
    // Before anybody hears where it listens: every block after this one is told.
    let head = node.head().await?;
    if json {
        let started = json!({"url": node.url(), "seal": args.seal.to_string(), "chain": info_json(&info)});
        say(&started.to_string());
    } else {
        say_info(&info);
        say(&format!("{:<11} {}, sealing {}", "listening", node.url(), args.seal));
    }
    tokio::select! {
        result = show(&node, head, json) => result?,
        signal = tokio::signal::ctrl_c() => signal.context("cannot listen for ctrl-c")?,
    }
    let last = node.head().await?;
    let saved = match &args.save {
        Some(path) => Some((path, node.snapshot(path).await?)),
        None => None,
    };
    node.stop().await;
    if json {
        let saved = saved.map(|(path, bytes)| json!({"path": path, "bytes": bytes}));
        say(&json!({"stopped": {"number": last.number, "hash": last.hash.to_string()}, "saved": saved})
            .to_string());
    } else {
        say(&format!("stopped at block {} {}", last.number, last.hash));
        if let Some((path, bytes)) = saved {
            say(&format!("{}: {bytes} bytes; go on with --snapshot", path.display()));
        }
    }
    Ok(())
}

/// One line that shows the head; each new head as an object where machines read.
async fn show(node: &Node, mut head: Head, json: bool) -> Result<()> {
    let line = if json { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
        line.set_style(style);
    }
    line.enable_steady_tick(Duration::from_millis(250));
    loop {
        line.set_message(format!("block {} {}", head.number, head.hash));
        head = node.reached(head.number.saturating_add(1)).await?;
        if json {
            say(&json!({"number": head.number, "hash": head.hash.to_string()}).to_string());
        }
    }
}

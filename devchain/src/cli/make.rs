//! `grail-devchain snapshot`.

use super::{ChainArgs, info_json, say};
use anyhow::{Context, Result, anyhow};
use clap::Args;
use grail_devchain::{Node, NodeConfig, Seal};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct SnapshotArgs {
    /// File to write. A snapshot there is replaced, anything else is left alone.
    output: PathBuf,

    #[command(flatten)]
    chain: ChainArgs,

    /// Blocks to seal before it is written.
    #[arg(long, default_value_t = 0)]
    blocks: u32,

    /// Storage to write after these blocks, in hex; without a value the item is removed. May be repeated.
    #[arg(long, value_name = "KEY=[VALUE]", value_parser = storage)]
    set: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// `KEY=VALUE` in hex.
fn storage(text: &str) -> Result<(Vec<u8>, Option<Vec<u8>>)> {
    let (key, value) = text.split_once('=').ok_or_else(|| anyhow!("{text:?} is not KEY=VALUE"))?;
    let bytes = |text: &str| {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        hex::decode(digits).with_context(|| format!("{text:?} is not hex"))
    };
    let value = if value.is_empty() { None } else { Some(bytes(value)?) };
    Ok((bytes(key)?, value))
}

pub(crate) async fn run(args: &SnapshotArgs, json: bool) -> Result<()> {
    let node = Node::start(NodeConfig { seal: Seal::Manual, ..args.chain.config()? }).await?;
    let bar = if json { ProgressBar::hidden() } else { ProgressBar::new(args.blocks.into()) };
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos} of {len} blocks, {eta} left") {
        bar.set_style(style);
    }
    for _ in 0..args.blocks {
        node.new_blocks(1).await?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    node.set_storage(args.set.clone()).await?;
    let bytes = node.snapshot(&args.output).await?;
    let info = node.info().await?;
    node.stop().await;
    if json {
        let written = json!({"path": args.output, "bytes": bytes, "chain": info_json(&info)});
        say(&written.to_string());
    } else {
        say(&format!(
            "{}: block {} of {}, {bytes} bytes",
            args.output.display(),
            info.best.number,
            info.name
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_is_typed_in_hex() {
        assert_eq!(storage("0x01=02ff").unwrap(), (vec![1], Some(vec![2, 255])));
        assert_eq!(storage("01=").unwrap(), (vec![1], None));
        for bad in ["01", "0=", "zz=00", "01=0"] {
            assert!(storage(bad).is_err(), "{bad}");
        }
    }
}

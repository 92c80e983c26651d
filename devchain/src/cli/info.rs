//! `grail-devchain info`.

use super::{ChainArgs, info_json, say, say_info};
use anyhow::Result;
use clap::Args;
use grail_devchain::{Node, NodeConfig, Seal};

#[derive(Debug, Args)]
pub(crate) struct InfoArgs {
    #[command(flatten)]
    chain: ChainArgs,
}

pub(crate) async fn run(args: &InfoArgs, json: bool) -> Result<()> {
    let node = Node::start(NodeConfig { seal: Seal::Manual, ..args.chain.config()? }).await?;
    let info = node.info().await?;
    node.stop().await;
    if json {
        say(&info_json(&info).to_string());
    } else {
        say_info(&info);
    }
    Ok(())
}

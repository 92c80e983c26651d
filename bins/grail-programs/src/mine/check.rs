//! `grail-miner check`: everything that mining needs, looked at before a window is lost.

use super::MineArgs;
use crate::{checks::Checks, engine::load};
use bytes::Bytes;
use grail_artifact::keys::{ShelfKey, WindowEncoding, WindowKey};
use grail_config::args::Told;
use grail_node::{
    local::Networks,
    network::{self, Joined},
};
use grail_ports::shelf::Fetch;
use grail_protocol::words::WindowStart;

/// Runs every check; whether all went well.
pub(super) async fn run(networks: &dyn Networks, args: &MineArgs) -> bool {
    let mut checks = Checks::default();
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
                ("model and tokenizer", model(&told, &joined)),
            ]);
        }
    }
    checks.are_good()
}

async fn registered(joined: &Joined) -> anyhow::Result<String> {
    let uid = joined.registered().await?;
    Ok(format!("{} has uid {uid}", joined.signer.hotkey()))
}

async fn randomness(joined: &Joined) -> anyhow::Result<String> {
    let params = joined.sources.network.params;
    let head = joined.chain.head().await?;
    let window = params.window_of(head.number);
    let context = joined.sources.window(&joined.manifest, window).await?;
    Ok(match context {
        Some(context) => format!("window {window} asks {}, seeded by {:?}", context.env, context.randomness),
        None => format!("window {window} has just begun; its beacon round is not out yet"),
    })
}

/// Writes, reads and compares an object under a key that no window uses.
async fn store(joined: &Joined) -> anyhow::Result<String> {
    let key = ShelfKey::from(WindowKey {
        hotkey: joined.signer.hotkey(),
        window: WindowStart(u64::MAX),
        encoding: WindowEncoding::Json,
    });
    let body = Bytes::from_static(b"grail-miner check");
    let shelf = joined.own_shelf()?;
    shelf.put(&key, body.clone()).await?;
    match shelf.fetch(&key, 1_024).await? {
        Fetch::Found(fetched) if fetched.body == body => Ok("as written".into()),
        other => anyhow::bail!("wrote an object and read back {other:?}"),
    }
}

fn model(told: &Told, joined: &Joined) -> anyhow::Result<String> {
    let engine = load(&told.model.model, &joined.manifest, &told.model)?;
    Ok(engine.model.card().description.clone())
}

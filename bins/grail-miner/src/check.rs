//! `grail-miner check`: everything that mining needs, looked at before a window is lost.

use crate::RunArgs;
use bytes::Bytes;
use console::style;
use grail_artifact::keys::{ShelfKey, WindowEncoding, WindowKey};
use grail_ports::shelf::Fetch;
use grail_protocol::words::WindowStart;
use grail_settings::{
    args::Told,
    network::{self, Joined},
};
use std::process::ExitCode;

/// Runs every check; fails when one does.
pub async fn run(args: &RunArgs) -> ExitCode {
    let opened = async {
        let told = args.role.read()?;
        let joined = network::join(&told).await?;
        anyhow::Ok((told, joined))
    };
    let (told, joined) = match opened.await {
        Ok(opened) => opened,
        Err(error) => {
            line("network, key and data sets", Err(error));
            return ExitCode::from(1);
        }
    };
    line("network, key and data sets", Ok(format!("network {}", joined.sources.network.id)));
    let results = [
        ("registration", registered(&joined).await),
        ("randomness", randomness(&joined).await),
        ("object store: write, read back", store(&joined).await),
        ("model and tokenizer", model(&told, &joined)),
    ];
    let mut failed = false;
    for (name, result) in results {
        failed |= result.is_err();
        line(name, result);
    }
    if failed { ExitCode::from(1) } else { ExitCode::SUCCESS }
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
    let engine = grail_engine::load(&told.model.model, &joined.manifest, &told.model)?;
    Ok(engine.model.card().description.clone())
}

#[expect(clippy::print_stdout, reason = "the result of a program for people")]
fn line(name: &str, result: anyhow::Result<String>) {
    match result {
        Ok(detail) => println!("{} {name}: {detail}", style("✓").green()),
        Err(error) => println!("{} {name}: {error:#}", style("✗").red()),
    }
}

//! The development chain as its users meet it, on the genuine runtime of subtensor.
//!
//! Its chain spec is not part of the project: these tests say so loudly where `GRAIL_SUBTENSOR_SPEC` does not name it.

mod flow;
mod forks;
mod genesis;
mod grail;
mod program;
mod requests;
mod sealing;
mod snapshots;
mod stage;
mod whole;

use grail_devchain::{Node, NodeConfig, Origin, Seal, Start};
use serde_json::Value;
use std::{io::Write as _, path::PathBuf, time::Duration};
use subxt_rpcs::client::{RpcClient, RpcParams};

/// Within a second of round 1000 of drand's quicknet.
const TIME: u64 = 1_692_806_364_000;
/// Beyond any honest wait; a test that comes here has failed.
const PATIENCE: Duration = Duration::from_secs(120);

/// The spec that the person who runs the tests has named.
#[expect(clippy::disallowed_methods, reason = "a test looks for data that its user has")]
fn spec() -> Option<PathBuf> {
    let named = std::env::var_os("GRAIL_SUBTENSOR_SPEC").filter(|path| !path.is_empty()).map(PathBuf::from);
    if named.is_none() {
        // Straight to the process's stream, so that the harness does not swallow it.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: no real runtime, GRAIL_SUBTENSOR_SPEC does not name a chain spec (docs/book/devchain.md)"
        );
    }
    named
}

/// A node on that spec whose runs can be repeated; none where there is no spec.
async fn node(seal: Seal) -> Option<Node> {
    Some(start(config(spec()?, seal)).await)
}

fn config(spec: PathBuf, seal: Seal) -> NodeConfig {
    NodeConfig { seal, start: Some(Start::At(TIME)), ..NodeConfig::new(Origin::Spec(spec)) }
}

async fn start(config: NodeConfig) -> Node {
    Node::start(config).await.expect("the node starts")
}

async fn client(node: &Node) -> RpcClient {
    RpcClient::from_insecure_url(node.url()).await.expect("the node listens")
}

/// Asks and expects an answer.
#[track_caller]
fn ask<'a>(
    client: &'a RpcClient,
    method: &'a str,
    params: RpcParams,
) -> impl Future<Output = Value> + use<'a> {
    let place = std::panic::Location::caller();
    async move {
        match client.request::<Value>(method, params).await {
            Ok(value) => value,
            Err(error) => panic!("{method} at {place}: {error}"),
        }
    }
}

/// Asks and expects an error: its code, message and data.
async fn refused(client: &RpcClient, method: &str, params: RpcParams) -> (i32, String, String) {
    match client.request::<Value>(method, params).await {
        Ok(value) => panic!("{method} answered {value}"),
        Err(subxt_rpcs::Error::User(error)) => {
            let data = error.data.map(|data| data.get().to_owned()).unwrap_or_default();
            (error.code, error.message, data)
        }
        Err(error) => panic!("{method}: {error}"),
    }
}

/// Waits, but not for ever.
async fn patiently<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("this does not take minutes")
}

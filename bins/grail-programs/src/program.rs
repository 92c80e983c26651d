//! What every program of a role does alike: start, enter the network, stop when asked.

use anyhow::Context as _;
use grail_config::args::{LogArgs, Told};
use grail_node::{
    local::Networks,
    logging,
    network::{self, Joined},
};
use std::{future::Future, process::ExitCode};

/// Runs a command. Exit code 0: done, and the answer is yes; 1: the answer is no; 2: it could not be done, with why.
pub fn start(log: LogArgs, work: impl Future<Output = anyhow::Result<bool>>) -> ExitCode {
    logging::start(log);
    let runtime = tokio::runtime::Runtime::new().context("start the runtime");
    match runtime.and_then(|runtime| runtime.block_on(work)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => tell(&error),
    }
}

#[expect(clippy::print_stderr, reason = "the error of a program for people")]
fn tell(error: &anyhow::Error) -> ExitCode {
    eprintln!("{} {error:#}", console::style("error:").red().bold());
    ExitCode::from(2)
}

/// Joins a network as a participant that must be registered, and publishes where its shelf is.
pub async fn enter(networks: &dyn Networks, told: &Told) -> anyhow::Result<Joined> {
    let joined = network::join(networks, told).await?;
    joined.registered().await?;
    joined.publish().await?;
    tracing::info!(
        target: "grail::network", network = %joined.sources.network.id, hotkey = %joined.signer.hotkey(),
        "joined the network"
    );
    Ok(joined)
}

/// Works until it ends by itself, or somebody asks it to stop.
pub async fn until_stopped<E>(work: impl Future<Output = Result<(), E>>) -> anyhow::Result<bool>
where
    anyhow::Error: From<E>,
{
    tokio::select! {
        result = work => result?,
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(true)
}

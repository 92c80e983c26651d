//! What every program of a role does alike: start, enter the network, stop when asked.

use anyhow::Context as _;
use grail_config::args::{LogArgs, Told};
use grail_node::{
    local::Networks,
    logging,
    network::{self, CommitmentPublisher, Joined},
    terminal, trouble,
};
use grail_ports::{Retry, clock::Clock};
use grail_roles::{clock::SystemClock, patience::Endurance};
use std::{future::Future, process::ExitCode, sync::Arc};
use tokio::signal::unix::{SignalKind, signal};

/// Runs a command. Exit code 0: done, and the answer is yes; 1: the answer is no; 2: it cannot be done, and waiting does
/// not mend it; 75: it could not be done, and another start may do better. Both say why.
pub fn start(log: LogArgs, work: impl Future<Output = anyhow::Result<bool>>) -> ExitCode {
    terminal::begin();
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
    eprintln!("{} {error:#}", terminal::error_mark());
    ExitCode::from(trouble::exit_code(error))
}

/// Joins a network as a participant that must be registered, and publishes where its shelf is. A network that is out of
/// reach is waited for, as it is later on.
pub async fn enter(networks: &dyn Networks, told: &Told) -> anyhow::Result<Joined> {
    let joined = join(networks, told).await?;
    registered(&joined).await?;
    publish(joined.publisher()).await?;
    tracing::info!(
        target: "grail::network", network = %joined.sources.network.id, hotkey = %joined.signer.hotkey(),
        "joined the network"
    );
    Ok(joined)
}

/// Joins a network, and waits for it where it is out of reach.
pub async fn join(networks: &dyn Networks, told: &Told) -> anyhow::Result<Joined> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let prepared = patiently(Arc::clone(&clock), async || network::prepare(networks, told)).await?;
    patiently(clock, async || prepared.join().await).await
}

/// Our number on the subnet, asked for until the chain answers.
///
/// Errors: we have none.
pub async fn registered(joined: &Joined) -> anyhow::Result<u16> {
    patiently(joined.clock.clone(), async || joined.registered().await).await
}

/// Publishes where a shelf is. Where the chain is away, or takes nothing of ours yet, the role goes on and this is done
/// beside it.
///
/// Errors: the chain refuses for good.
pub async fn publish(publisher: CommitmentPublisher) -> anyhow::Result<()> {
    let first = match publisher.publish().await {
        Err(fault) if fault.retry == Retry::Later => fault,
        done => return Ok(done.map(|_| ())?),
    };
    tokio::spawn(async move {
        let mut patience = Endurance::new(Arc::new(SystemClock));
        let mut waiting = first;
        while patience.wait_out(waiting).await.is_ok() {
            match publisher.publish().await {
                Ok(_) => return,
                Err(fault) => waiting = fault,
            }
        }
    });
    Ok(())
}

/// Does it again and again while what stands against it may pass.
async fn patiently<T>(
    clock: Arc<dyn Clock>,
    mut work: impl AsyncFnMut() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let mut patience = Endurance::new(clock);
    loop {
        match work().await {
            Err(error) if trouble::may_pass(&error) => patience.wait_out(trouble::fault(&error)).await?,
            done => {
                patience.went_well();
                return done;
            }
        }
    }
}

/// Works until it ends by itself, or somebody asks it to stop: an interrupt from a terminal, or the signal by which
/// services and containers are stopped.
pub async fn until_stopped<E>(work: impl Future<Output = Result<(), E>>) -> anyhow::Result<bool>
where
    anyhow::Error: From<E>,
{
    let mut terminate = signal(SignalKind::terminate()).context("listen for signals")?;
    tokio::select! {
        result = work => result?,
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use grail_ports::{Door, Fault};
    use grail_protocol::words::UnixMillis;
    use grail_testkit::doors::ManualClock;

    /// Tries until `fault` has come so many times; how many tries it took, and what came of it.
    async fn tries(times: u32, fault: impl Fn() -> anyhow::Error) -> (u32, anyhow::Result<()>) {
        let clock = ManualClock::at(UnixMillis(0));
        let tries = std::cell::Cell::new(0);
        let work = patiently(Arc::new(clock.clone()), async || {
            tries.set(tries.get() + 1);
            if tries.get() <= times { Err(fault()) } else { Ok(()) }
        });
        let mut work = std::pin::pin!(work);
        let done = loop {
            tokio::select! {
                biased;
                done = &mut work => break done,
                _ = clock.turn_to_next() => {}
            }
        };
        (tries.get(), done)
    }

    #[tokio::test]
    async fn a_start_waits_for_what_may_pass_and_for_nothing_else() {
        let refused = || anyhow::Error::new(Fault::plain(Door::Chain, Retry::Later, "connect to the chain"));
        let (times, done) = tries(40, || refused().context("join the network")).await;
        assert_eq!(times, 41);
        done.unwrap();
        let (times, done) = tries(40, || anyhow::anyhow!("which subnet? give --netuid N")).await;
        assert_eq!((times, trouble::exit_code(&done.unwrap_err())), (1, 2));
        let no_subnet = || anyhow::Error::new(Fault::plain(Door::Chain, Retry::Never, "no subnet 7"));
        let (times, done) = tries(40, no_subnet).await;
        assert_eq!((times, trouble::exit_code(&done.unwrap_err())), (1, 2));
    }
}

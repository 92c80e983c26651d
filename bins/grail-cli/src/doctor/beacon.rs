//! The beacon's relays: who serves, who lags, who lies.

use super::check::Finding;
use grail_beacon::{DrandClient, QUICKNET_RELAYS, RelayTrouble, Standing as Relay, Timing};
use grail_ports::{beacon::BeaconSource as _, clock::Clock};
use grail_protocol::beacon::{BeaconChain, quicknet};
use grail_settings::config::{Config, table};
use std::sync::Arc;

/// Rounds to go back, so that a round is out at every relay in order.
const ROUNDS_BACK: u64 = 3;

/// Asks every relay for a recent round.
pub(crate) async fn look(config: &Config, clock: Arc<dyn Clock>) -> Vec<Finding> {
    if let Some(dir) = config.path(&table::DEVNET) {
        return vec![local(&dir, clock).await];
    }
    let relays = config.relays().unwrap_or_else(|| QUICKNET_RELAYS.map(str::to_owned).to_vec());
    survey(quicknet(), &relays, clock).await
}

async fn local(dir: &std::path::Path, clock: Arc<dyn Clock>) -> Finding {
    let read = async {
        let beacon = grail_devnet::open(dir)?.beacon(clock.clone())?;
        let round = recent(beacon.chain(), clock.as_ref());
        anyhow::Ok((round, beacon.round(round).await?))
    };
    match read.await {
        Ok((round, Some(_))) => {
            Finding::good("beacon", format!("round {round} of the network's own beacon, verified"))
        }
        Ok((round, None)) => Finding::warning(
            "beacon",
            "beacon-late",
            format!("round {round} is not out yet"),
            "look again in a moment",
        ),
        Err(error) => Finding::bad(
            "beacon",
            "beacon-unreachable",
            format!("{error:#}"),
            "make the network again with `grail devnet init`",
        ),
    }
}

fn recent(chain: &BeaconChain, clock: &dyn Clock) -> u64 {
    chain.round_after(clock.now()).saturating_sub(1 + ROUNDS_BACK).max(1)
}

async fn survey(chain: BeaconChain, relays: &[String], clock: Arc<dyn Clock>) -> Vec<Finding> {
    let round = recent(&chain, clock.as_ref());
    let client = match DrandClient::new(chain, relays, clock, Timing::default()) {
        Ok(client) => client,
        Err(error) => {
            return vec![Finding::bad(
                "beacon",
                "beacon-setting",
                error.to_string(),
                "correct GRAIL_BEACON_RELAYS",
            )];
        }
    };
    let (mut serving, mut lines) = (0usize, Vec::new());
    let mut fastest = u64::MAX;
    for report in client.survey(round).await {
        match report.standing {
            Ok(Relay::Serves) => {
                serving += 1;
                fastest = fastest.min(report.took_ms);
            }
            Ok(Relay::NotYet) => lines.push(Finding::warning(
                "beacon-relay",
                "relay-lags",
                format!("{} does not have round {round} yet", report.relay),
                "compare this machine's clock with another; if it is right, name another relay",
            )),
            Err(trouble) => {
                let (code, remedy) = class(&trouble);
                let told = format!("{} {}", report.relay, super::store::chain(&trouble));
                lines.push(Finding::warning("beacon-relay", code, told, remedy));
            }
        }
    }
    let total = relays.len();
    let found = if serving == 0 {
        let remedy = "check the way to the internet and GRAIL_BEACON_RELAYS; without the beacon a window waits, unless its network \
                      accepts --no-drand";
        Finding::bad(
            "beacon",
            "beacon-unreachable",
            format!("none of {total} relays gives round {round}"),
            remedy,
        )
    } else {
        Finding::good(
            "beacon",
            format!(
                "{serving} of {total} relays serve round {round}, verified; the first after {fastest} ms"
            ),
        )
    };
    lines.insert(0, found);
    lines
}

/// The word for machines, and what to do.
fn class(trouble: &RelayTrouble) -> (&'static str, &'static str) {
    match trouble {
        RelayTrouble::Unreachable(_) => {
            ("relay-unreachable", "one relay is enough; name another in its place")
        }
        RelayTrouble::Hangs { .. } => ("relay-hangs", "one relay is enough; name another in its place"),
        RelayTrouble::Lags { .. } => ("relay-lags", "one relay is enough; name another in its place"),
        RelayTrouble::OtherChain { .. } => {
            ("relay-other-chain", "take it out of GRAIL_BEACON_RELAYS: it serves another beacon")
        }
        RelayTrouble::OtherRound { .. } | RelayTrouble::Forged(_) => {
            ("relay-lies", "take it out of GRAIL_BEACON_RELAYS; its answers are never used")
        }
        RelayTrouble::Status { .. } | RelayTrouble::TooLong { .. } | RelayTrouble::Unreadable(_) => {
            ("relay-odd", "check its address; it may be no drand relay")
        }
    }
}

//! The beacon's relays: who serves, who lags, who lies.

use super::check::Finding;
use grail_beacon::{DrandClient, QUICKNET_RELAYS, RelayReport, RelayStanding as Relay, RelayTrouble, Timing};
use grail_config::{Config, table};
use grail_node::{local::Networks, subnet};
use grail_ports::clock::Clock;
use grail_protocol::{beacon::BeaconChain, words::UnixMillis};
use std::sync::Arc;

/// Milliseconds given to a relay here: more than a role gives, so that a slow one is told from one that hangs.
const PATIENCE_MS: u64 = 6_000;

/// Asks every relay for a recent round.
pub(crate) async fn look(networks: &dyn Networks, config: &Config, clock: Arc<dyn Clock>) -> Vec<Finding> {
    if let Some(dir) = config.path(&table::DEVNET) {
        return vec![local(networks, &dir, clock).await];
    }
    match subnet::beacon_of(config) {
        Ok(Some(chain)) => {
            let relays = config.relays().unwrap_or_else(|| QUICKNET_RELAYS.map(str::to_owned).to_vec());
            survey(chain, &relays, clock).await
        }
        Ok(None) => vec![Finding::skipped("beacon", "block hashes alone seed the windows of this network")],
        Err(error) => vec![Finding::bad(
            "beacon",
            "beacon-setting",
            format!("{error:#}"),
            "correct GRAIL_BEACON_CHAIN or GRAIL_NETWORK_POLICY",
        )],
    }
}

async fn local(networks: &dyn Networks, dir: &std::path::Path, clock: Arc<dyn Clock>) -> Finding {
    let read = async {
        let beacon = networks.local(dir)?.beacon(clock.clone())?;
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

/// The newest round so old that a relay without it lags, whatever the moment of asking.
fn recent(chain: &BeaconChain, clock: &dyn Clock) -> u64 {
    let late = UnixMillis(clock.now().0.saturating_sub(Timing::default().late_ms));
    // The round after that moment, less two: one whose time came before it.
    chain.round_after(late).saturating_sub(2).max(1)
}

async fn survey(chain: BeaconChain, relays: &[String], clock: Arc<dyn Clock>) -> Vec<Finding> {
    let round = recent(&chain, clock.as_ref());
    let timing = Timing { deadline_ms: PATIENCE_MS, ..Timing::default() };
    let client = match DrandClient::new(chain, relays, clock, timing) {
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
        if matches!(report.standing, Ok(Relay::Serves)) {
            serving += 1;
            fastest = fastest.min(report.took_ms);
        }
        lines.extend(warning(&report, round));
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

/// What there is to say about one relay; nothing of one in good order.
fn warning(report: &RelayReport, round: u64) -> Option<Finding> {
    let patience_of_roles = Timing::default().deadline_ms;
    let (code, told, remedy) = match &report.standing {
        Ok(Relay::Serves) if report.took_ms <= patience_of_roles => return None,
        Ok(Relay::Serves) => (
            "relay-slow",
            format!("{} took {} ms; a role waits {patience_of_roles}", report.relay, report.took_ms),
            "one relay is enough; if all are slow, look at this machine's network",
        ),
        Ok(Relay::NotYet) => (
            "relay-lags",
            format!("{} does not have round {round} yet", report.relay),
            "compare this machine's clock with another; if it is right, name another relay",
        ),
        Err(trouble) => {
            let (code, remedy) = class(trouble);
            (code, format!("{} {}", report.relay, super::store::chain(trouble)), remedy)
        }
    };
    Some(Finding::warning("beacon-relay", code, told, remedy))
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

#[cfg(test)]
mod tests {
    use super::*;
    use grail_protocol::beacon::quicknet;
    use grail_testkit::doors::ManualClock;

    #[test]
    fn a_relay_without_the_round_asked_for_lags_at_any_moment() {
        let chain = quicknet();
        let late = Timing::default().late_ms;
        for millisecond in 0..2 * chain.period_ms {
            let now = chain.time_of(1_000).plus(millisecond);
            let overdue = now.since(chain.time_of(recent(&chain, &ManualClock::at(now))));
            assert!(overdue > late && overdue <= late + 2 * chain.period_ms, "{overdue} at {millisecond}");
        }
    }

    #[test]
    fn a_relay_slower_than_a_role_waits_is_named() {
        let told = |took_ms| {
            let report = RelayReport {
                relay: "https://relay.example".to_owned(),
                standing: Ok(Relay::Serves),
                took_ms,
            };
            warning(&report, 7).map(|finding| finding.told)
        };
        assert_eq!(told(2_000), None);
        assert_eq!(told(2_001).as_deref(), Some("https://relay.example took 2001 ms; a role waits 2000"));
    }
}

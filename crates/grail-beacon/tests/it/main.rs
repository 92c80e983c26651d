//! The client against relays on this machine, good and bad.

mod relay;

use grail_beacon::{DrandClient, RelayStanding, RelayTrouble, RelaysFailed, SetupError, Timing};
use grail_ports::{Door, Fault, Retry, beacon::BeaconSource as _};
use grail_protocol::{
    beacon::{Beacon, quicknet},
    words::UnixMillis,
};
use grail_testkit::doors::{FakeBeacon, ManualClock, conformance};
use relay::{Behaviour, Relay, serve};
use std::{error::Error as _, fs, path::Path, sync::Arc};

const GENESIS: UnixMillis = UnixMillis(1_700_000_000_000);
const PERIOD: u64 = 3_000;

fn timing() -> Timing {
    Timing { deadline_ms: 500, early_ms: 1_000, late_ms: 10_000 }
}

fn beacon(clock: &ManualClock) -> FakeBeacon {
    FakeBeacon::new([5; 32], GENESIS, PERIOD, Arc::new(clock.clone()))
}

/// A clock at which round `round` is out for a minute.
fn clock_after(round: u64) -> ManualClock {
    ManualClock::at(GENESIS.plus((round - 1) * PERIOD + 60_000))
}

fn client(beacon: &FakeBeacon, relays: &[&Relay], clock: &ManualClock) -> DrandClient {
    let urls = relays.iter().map(|relay| relay.url.clone());
    DrandClient::new(beacon.chain().clone(), urls, Arc::new(clock.clone()), timing()).unwrap()
}

/// What is wrong with the only relay.
fn trouble(fault: &Fault) -> &RelayTrouble {
    assert_eq!(fault.door, Door::Beacon);
    let failed: &RelaysFailed = fault.source().and_then(|source| source.downcast_ref()).unwrap();
    let [(_, trouble)] = failed.troubles.as_slice() else { panic!("{failed}") };
    trouble
}

#[tokio::test]
async fn the_client_keeps_the_promises_of_its_door() {
    let clock = clock_after(10);
    let beacon = beacon(&clock);
    let relay = serve(Behaviour::Honest, &beacon).await;
    // One minute after round 10 is round 30.
    conformance::beacon(&client(&beacon, &[&relay], &clock), 30, 31).await;
}

#[tokio::test]
async fn recorded_rounds_of_quicknet_pass_and_altered_ones_do_not() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/beacon/quicknet.json");
    let text = fs::read_to_string(path).unwrap();
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    let rounds = file["rounds"].as_array().unwrap();
    assert!(!rounds.is_empty());
    for recorded in rounds {
        let round = recorded["round"].as_u64().unwrap();
        let clock = Arc::new(ManualClock::at(quicknet().time_of(round)));
        let relay = relay::recorded(recorded.to_string()).await;
        let client = DrandClient::new(quicknet(), [&relay.url], clock.clone(), timing()).unwrap();
        let beacon = client.round(round).await.unwrap().unwrap();
        let randomness = quicknet().verify(&beacon).unwrap();
        assert_eq!(hex::encode(randomness), recorded["randomness"].as_str().unwrap());

        let mut altered: Beacon = serde_json::from_value(recorded.clone()).unwrap();
        altered.signature[40] ^= 1;
        let relay = relay::recorded(serde_json::to_string(&altered).unwrap()).await;
        let client = DrandClient::new(quicknet(), [&relay.url], clock, timing()).unwrap();
        let fault = client.round(round).await.unwrap_err();
        assert!(matches!(trouble(&fault), RelayTrouble::Forged(_)), "{fault:?}");
    }
}

#[tokio::test]
async fn each_bad_relay_is_told_apart() {
    let clock = clock_after(10);
    let beacon = beacon(&clock);
    let ask = async |behaviour| {
        let relay = serve(behaviour, &beacon).await;
        client(&beacon, &[&relay], &clock).round(10).await.unwrap_err()
    };
    let fault = ask(Behaviour::Forges).await;
    assert!(matches!(trouble(&fault), RelayTrouble::Forged(_)), "{fault:?}");
    let fault = ask(Behaviour::SendsLatest).await;
    assert!(matches!(trouble(&fault), RelayTrouble::OtherRound { asked: 10, .. }), "{fault:?}");
    let fault = ask(Behaviour::Lags).await;
    assert!(matches!(trouble(&fault), RelayTrouble::Lags { overdue_ms: 60_000 }), "{fault:?}");
    let fault = ask(Behaviour::Hangs).await;
    assert!(matches!(trouble(&fault), RelayTrouble::Hangs { deadline_ms: 500 }), "{fault:?}");
    let fault = ask(Behaviour::Stalls).await;
    assert!(matches!(trouble(&fault), RelayTrouble::Hangs { .. }), "{fault:?}");
    let fault = ask(Behaviour::Fails).await;
    assert!(matches!(trouble(&fault), RelayTrouble::Status { status: 500 }), "{fault:?}");
    let fault = ask(Behaviour::Redirects).await;
    assert!(matches!(trouble(&fault), RelayTrouble::Status { status: 302 }), "{fault:?}");
    let fault = ask(Behaviour::Babbles).await;
    assert!(matches!(trouble(&fault), RelayTrouble::Unreadable(_)), "{fault:?}");
    let fault = ask(Behaviour::NeverEnds).await;
    assert!(matches!(trouble(&fault), RelayTrouble::TooLong { .. }), "{fault:?}");
    assert_eq!(fault.retry, Retry::Later);
    for behaviour in [Behaviour::OtherChain, Behaviour::OtherChainUnderOurName] {
        let fault = ask(behaviour).await;
        let RelayTrouble::OtherChain { serves } = trouble(&fault) else { panic!("{fault:?}") };
        assert_eq!(serves.as_deref(), Some(relay::OTHER_HASH));
        assert_eq!(fault.retry, Retry::Never, "no waiting makes it ours");
    }

    let relay = serve(Behaviour::Honest, &beacon).await;
    let gone = relay.url.clone();
    relay.stop().await;
    let client = DrandClient::new(beacon.chain().clone(), [gone], Arc::new(clock), timing()).unwrap();
    let fault = client.round(10).await.unwrap_err();
    assert!(matches!(trouble(&fault), RelayTrouble::Unreachable(_)), "{fault:?}");
}

#[tokio::test]
async fn one_honest_relay_is_enough() {
    let clock = clock_after(10);
    let beacon = beacon(&clock);
    let mut relays = Vec::new();
    for behaviour in
        [Behaviour::Forges, Behaviour::Hangs, Behaviour::Lags, Behaviour::OtherChain, Behaviour::Honest]
    {
        relays.push(serve(behaviour, &beacon).await);
    }
    let all: Vec<&Relay> = relays.iter().collect();
    let client = client(&beacon, &all, &clock);
    assert_eq!(client.round(10).await.unwrap(), Some(beacon.sign(10)));
}

#[tokio::test]
async fn a_survey_tells_every_relay_apart() {
    let clock = clock_after(10);
    let beacon = beacon(&clock);
    let behaviours =
        [Behaviour::Honest, Behaviour::Forges, Behaviour::Lags, Behaviour::Hangs, Behaviour::OtherChain];
    let mut relays = Vec::new();
    for behaviour in behaviours {
        relays.push(serve(behaviour, &beacon).await);
    }
    let all: Vec<&Relay> = relays.iter().collect();
    let survey = client(&beacon, &all, &clock).survey(10).await;
    let urls: Vec<&String> = relays.iter().map(|relay| &relay.url).collect();
    assert_eq!(survey.iter().map(|report| &report.relay).collect::<Vec<_>>(), urls);
    let found: Vec<&str> = survey
        .iter()
        .map(|report| match &report.standing {
            Ok(RelayStanding::Serves) => "serves",
            Err(RelayTrouble::Forged(_)) => "forges",
            Err(RelayTrouble::Lags { .. }) => "lags",
            Err(RelayTrouble::Hangs { .. }) => "hangs",
            Err(RelayTrouble::OtherChain { .. }) => "other chain",
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(found, ["serves", "forges", "lags", "hangs", "other chain"]);
}

#[tokio::test]
async fn when_all_fail_each_is_named_in_order() {
    let clock = clock_after(10);
    let beacon = beacon(&clock);
    let forger = serve(Behaviour::Forges, &beacon).await;
    let failing = serve(Behaviour::Fails, &beacon).await;
    let fault = client(&beacon, &[&forger, &failing], &clock).round(10).await.unwrap_err();
    let line = fault.chain();
    let (first, second) = (line.find(&forger.url).unwrap(), line.find(&failing.url).unwrap());
    assert!(first < second, "{line}");
    assert!(line.contains("lies: the signature does not verify") && line.contains("status 500"), "{line}");
}

#[tokio::test]
async fn a_round_that_is_not_due_is_absent_without_asking() {
    let clock = ManualClock::at(GENESIS);
    let beacon = beacon(&clock);
    let relay = serve(Behaviour::Honest, &beacon).await;
    let client = client(&beacon, &[&relay], &clock);
    assert_eq!(client.round(3).await.unwrap(), None);
    assert_eq!(client.round(0).await.unwrap(), None);
    assert_eq!(relay.requests(), 0);
    // Due soon: asked for, in case our clock is slow, and not there.
    clock.turn_to(UnixMillis(beacon.chain().time_of(3).0 - 500));
    assert_eq!(client.round(3).await.unwrap(), None);
    assert_eq!(relay.requests(), 1);
    clock.advance(500);
    assert_eq!(client.round(3).await.unwrap(), Some(beacon.sign(3)));
}

#[tokio::test]
async fn a_relay_that_keeps_the_line_open_until_the_round_is_no_trouble() {
    let clock = ManualClock::at(GENESIS.plus(2_500));
    let beacon = beacon(&clock);
    let relay = serve(Behaviour::Hangs, &beacon).await;
    assert_eq!(client(&beacon, &[&relay], &clock).round(2).await.unwrap(), None);
}

#[tokio::test]
async fn a_known_round_is_not_asked_for_again() {
    let clock = clock_after(10);
    let beacon = beacon(&clock);
    let relay = serve(Behaviour::Honest, &beacon).await;
    let client = client(&beacon, &[&relay], &clock);
    let first = client.round(10).await.unwrap();
    relay.stop().await;
    assert_eq!(client.round(10).await.unwrap(), first);
}

#[test]
fn unusable_relays_are_refused_at_once() {
    let make = |relays: &[&str]| {
        let clock = Arc::new(ManualClock::at(GENESIS));
        DrandClient::new(quicknet(), relays, clock, Timing::default()).map(drop)
    };
    assert!(matches!(make(&[]), Err(SetupError::NoRelays)));
    for relay in ["api.drand.sh", "ftp://api.drand.sh", ""] {
        assert!(matches!(make(&[relay]), Err(SetupError::Address { .. })), "{relay:?}");
    }
    make(&grail_beacon::QUICKNET_RELAYS).unwrap();
}

//! The connection against nodes and wires that misbehave: every call returns inside its deadline, the next works.

use super::node::{FakeNode, Proxy, Weather};
use crate::{
    link::{Link, Trouble},
    settings::ChainSettings,
};
use grail_protocol::words::{BlockHash, BlockNumber};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

/// What a call may take beyond its deadline on a machine that is busy with other things.
const SLACK: Duration = Duration::from_secs(10);

/// Deadlines small enough for a test and large enough for a busy machine.
fn settings(endpoints: &[String]) -> ChainSettings {
    let millis = Duration::from_millis;
    ChainSettings {
        call_deadline: millis(2_500),
        attempt_deadline: millis(600),
        connect_deadline: millis(1_500),
        stall_after: Duration::from_secs(60),
        backoff_first: millis(20),
        backoff_most: millis(100),
        ..ChainSettings::new(endpoints.to_vec(), 1)
    }
}

async fn echo(link: &Link, text: &str) -> Result<Value, Trouble> {
    let started = Instant::now();
    let answer = link.ask("test_echo", &[json!(text)]).await;
    assert!(started.elapsed() < Duration::from_millis(2_500) + SLACK, "a call outlived its deadline");
    if let Ok(answer) = &answer {
        assert_eq!(answer, text, "the answer of another call");
    }
    answer
}

/// Asks until it works; the machine may be slow, the connection must not stay broken.
async fn works_again(link: &Link) {
    for _ in 0..20 {
        if echo(link, "again").await.is_ok() {
            return;
        }
    }
    panic!("the connection never came back: {:?}", link.health());
}

async fn survives(weather: Weather) {
    let node = FakeNode::start(1).await;
    let proxy = Proxy::before(&node).await;
    let link = Link::start(&settings(&[proxy.url()]));
    echo(&link, "before").await.unwrap();
    proxy.weather(weather);
    for _ in 0..2 {
        let trouble = echo(&link, "during").await.unwrap_err();
        assert!(matches!(trouble, Trouble::Deadline { .. }), "{weather:?}: {trouble}");
        assert!(trouble.to_string().contains("ws://"), "it says which node and what: {trouble}");
    }
    proxy.weather(Weather::Fine);
    works_again(&link).await;
    let health = link.health();
    assert!(health.connections >= 2, "{weather:?}: the connection was replaced: {health:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_answering() {
    survives(Weather::Silent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_closes() {
    survives(Weather::Closed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_is_half_open() {
    survives(Weather::HalfOpen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_take_a_minute() {
    survives(Weather::Slow(Duration::from_secs(60))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_nobody_sent() {
    survives(Weather::Garbage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_node_takes_over_within_the_same_call() {
    for weather in [Weather::Silent, Weather::Closed, Weather::HalfOpen, Weather::Garbage] {
        let (first, second) = (FakeNode::start(1).await, FakeNode::start(1).await);
        let proxy = Proxy::before(&first).await;
        // Time enough for one attempt to fail and another to succeed, on any machine.
        let patient = ChainSettings {
            call_deadline: Duration::from_secs(60),
            ..settings(&[proxy.url(), second.url()])
        };
        let link = Link::start(&patient);
        assert_eq!(link.ask::<Value>("test_echo", &[json!(1)]).await.unwrap(), 1);
        assert_eq!(second.asked("test_echo"), 0, "the first named is used first");
        proxy.weather(weather);
        let answers = (0..20).map(|n| {
            let link = &link;
            async move { (n, link.ask::<Value>("test_echo", &[json!(n)]).await) }
        });
        for (n, answer) in futures::future::join_all(answers).await {
            assert_eq!(answer.unwrap(), n, "{weather:?}");
        }
        assert_eq!(link.health().connected, Some(second.url()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_no_json() {
    let node = FakeNode::start(1).await;
    let link = Link::start(&settings(&[node.url()]));
    echo(&link, "before").await.unwrap();
    node.change(|behaviour| behaviour.gibberish = true);
    echo(&link, "during").await.unwrap_err();
    node.change(|behaviour| behaviour.gibberish = false);
    works_again(&link).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_another_form_is_told_apart() {
    let node = FakeNode::start(1).await;
    let link = Link::start(&settings(&[node.url()]));
    let trouble = link.ask::<u64>("test_echo", &[json!("seven")]).await.unwrap_err();
    assert!(matches!(trouble, Trouble::Form { .. }), "{trouble}");
    echo(&link, "after").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_is_never_answered_does_not_hold_up_others() {
    let node = FakeNode::start(1).await;
    node.change(|behaviour| behaviour.mute.push("test_mute".into()));
    let link = Link::start(&settings(&[node.url()]));
    let mute = link.ask::<Value>("test_mute", &[]);
    let (mute, echoed) = tokio::join!(mute, echo(&link, "beside"));
    assert!(matches!(mute.unwrap_err(), Trouble::Deadline { .. }));
    echoed.unwrap();
    works_again(&link).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_not_be_repeated_is_sent_once() {
    let node = FakeNode::start(1).await;
    node.change(|behaviour| behaviour.mute.push("test_send".into()));
    let link = Link::start(&settings(&[node.url()]));
    let trouble = link.ask_once::<Value>("test_send", &[json!(1)]).await.unwrap_err();
    assert!(matches!(trouble, Trouble::Broken { .. } | Trouble::Deadline { .. }), "{trouble}");
    works_again(&link).await;
    assert_eq!(node.asked("test_send"), 1);
}

/// The first value that the condition takes, however long the machine needs.
async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..600 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("never: {what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_without_new_blocks_is_replaced_however_alive_it_looks() {
    let node = FakeNode::start(1).await;
    let stalling = ChainSettings { stall_after: Duration::from_millis(300), ..settings(&[node.url()]) };
    let link = Link::start(&stalling);
    until("the connection is replaced", || link.health().connections >= 3).await;
    let trouble = link.health().endpoints[0].trouble.clone().unwrap();
    assert!(trouble.contains("no new block"), "{trouble}");
    works_again(&link).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn announcements_that_end_are_begun_again() {
    let node = FakeNode::start(1).await;
    node.change(|behaviour| behaviour.ends_announcements = true);
    let link = Link::start(&settings(&[node.url()]));
    until("the connection is replaced", || link.health().connections >= 2).await;
    node.change(|behaviour| behaviour.ends_announcements = false);
    works_again(&link).await;
    node.announce(70);
    until("blocks are seen again", || link.heads().borrow().is_some_and(|seen| seen.number.0 == 70)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_out_of_order_and_reorganised_never_count_down() {
    let node = FakeNode::start(1).await;
    let link = Link::start(&settings(&[node.url()]));
    echo(&link, "connected").await.unwrap();
    let mut heads = link.heads();
    let watching = tokio::spawn(async move {
        let mut seen = Vec::new();
        while seen.last() != Some(&BlockNumber(12)) {
            heads.changed().await.unwrap();
            seen.extend(heads.borrow_and_update().map(|seen| seen.number));
        }
        seen
    });
    for number in [5, 7, 6, 8, 3, 7, 8, 9, 2, 12] {
        node.announce(number);
    }
    let seen = watching.await.unwrap();
    assert!(seen.is_sorted_by(|a, b| a < b), "{seen:?}");
    echo(&link, "after").await.unwrap();
    assert_eq!(link.health().connections, 1, "disorder alone is no reason to leave a node");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_another_network_is_never_used() {
    let (ours, other) = (FakeNode::start(1).await, FakeNode::start(2).await);
    let genesis = Some(BlockHash::from_bytes([1; 32]));
    let link = Link::start(&ChainSettings { genesis, ..settings(&[other.url(), ours.url()]) });
    for _ in 0..3 {
        echo(&link, "ours").await.unwrap();
    }
    assert_eq!(other.asked("test_echo"), 0);
    let health = link.health();
    assert!(health.endpoints[0].foreign && !health.endpoints[1].foreign, "{health:?}");
    let alone = Link::start(&ChainSettings { genesis, ..settings(&[other.url()]) });
    let trouble = echo(&alone, "nobody").await.unwrap_err().to_string();
    assert!(trouble.contains("another network"), "{trouble}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_node_the_answer_says_what_is_wrong_with_each() {
    // A port that was free a moment ago, and a name that nobody has.
    let gone = FakeNode::start(1).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = format!("ws://{}", listener.local_addr().unwrap());
    drop((listener, gone));
    let link = Link::start(&settings(&[closed.clone(), "ws://node.invalid:9944".into()]));
    let asked = Instant::now();
    let trouble = echo(&link, "nobody").await.unwrap_err();
    // Said as soon as each was tried, and not at the deadline.
    assert!(matches!(trouble, Trouble::Unreachable { .. }), "{trouble} after {:?}", asked.elapsed());
    let told = trouble.to_string();
    assert!(
        told.contains(&closed) && told.contains("node.invalid") && told.contains("BT_CHAIN_ENDPOINT"),
        "{told}"
    );
    // A node that comes up later is found all the same.
    let node = FakeNode::start(1).await;
    let late = Link::start(&settings(&[closed, node.url()]));
    works_again(&late).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_comes_up_later_is_found() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let link = Link::start(&settings(&[format!("ws://{address}")]));
    assert!(matches!(echo(&link, "nobody").await, Err(Trouble::Unreachable { .. })));
    assert!(matches!(echo(&link, "still nobody").await, Err(Trouble::Unreachable { .. })));
    FakeNode::start_at(1, address).await;
    works_again(&link).await;
}

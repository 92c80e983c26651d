//! When blocks are made, and which time they have.

use crate::{TIME, ask, client, config, node, patiently, spec, start};
use grail_devchain::{NodeConfig, Seal, Start};
use serde_json::{Value, json};
use std::time::Duration;
use subxt_rpcs::rpc_params;

/// Timestamp.Now.
const NOW: &str = "f0c365c3cf59d671eb72da0e7a4113c49f1f0515f462cdcf84e0f1d6045dfcbb";

async fn time(node: &grail_devchain::Node) -> u64 {
    let value = node.storage(&hex::decode(NOW).unwrap()).await.unwrap().unwrap();
    u64::from_le_bytes(value.try_into().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_come_when_asked_and_time_moves_by_slots() {
    let Some(node) = node(Seal::Manual).await else { return };
    let client = client(&node).await;
    assert_eq!(node.head().await.unwrap().number, 1);
    let head = node.new_blocks(5).await.unwrap();
    assert_eq!((head.number, time(&node).await), (6, TIME + 5_000));
    // The same over the wire, in both forms.
    let hash = ask(&client, "dev_newBlock", rpc_params![json!({"count": 3})]).await;
    assert_eq!(ask(&client, "chain_getHead", rpc_params![]).await, hash);
    ask(&client, "dev_newBlock", rpc_params![]).await;
    assert_eq!(node.head().await.unwrap().number, 10);
    // A block can be asked to be later.
    ask(&client, "dev_newBlock", rpc_params![json!({"timestamp": TIME + 100_700})]).await;
    assert_eq!(time(&node).await, TIME + 100_000);
    let late = node.new_block_at(TIME + 200_000).await.unwrap();
    assert_eq!((late.number, time(&node).await), (12, TIME + 200_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_repeated_gives_the_same_hashes() {
    let Some(one) = node(Seal::Manual).await else { return };
    let Some(two) = node(Seal::Manual).await else { return };
    assert_eq!(one.new_blocks(4).await.unwrap(), two.new_blocks(4).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_come_by_themselves_and_are_told() {
    let Some(node) = node(Seal::Every(Duration::from_millis(20))).await else { return };
    let client = client(&node).await;
    let mut numbers = Vec::new();
    for (subscribe, unsubscribe) in [
        ("chain_subscribeNewHeads", "chain_unsubscribeNewHeads"),
        ("chain_subscribeAllHeads", "chain_unsubscribeAllHeads"),
        ("chain_subscribeFinalizedHeads", "chain_unsubscribeFinalizedHeads"),
    ] {
        let mut heads = client.subscribe::<Value>(subscribe, rpc_params![], unsubscribe).await.unwrap();
        for _ in 0..4 {
            let head = patiently(heads.next()).await.unwrap().unwrap();
            let number = head["number"].as_str().unwrap().trim_start_matches("0x").to_owned();
            numbers.push(u32::from_str_radix(&number, 16).unwrap());
        }
    }
    for told in numbers.chunks(4) {
        assert!(told.windows(2).all(|pair| pair[1] == pair[0] + 1), "{told:?}");
    }
    let head = patiently(node.reached(numbers[3] + 5)).await.unwrap();
    assert!(head.number >= numbers[3] + 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_start_time_keeps_up_with_the_clock() {
    let Some(spec) = spec() else { return };
    let node = start(NodeConfig { start: None, ..config(spec.clone(), Seal::Instant) }).await;
    let first = time(&node).await;
    assert!(first > 1_700_000_000_000, "{first}");
    node.new_blocks(3).await.unwrap();
    assert!(time(&node).await >= first + 3_000);
    let fixed = start(NodeConfig { start: Some(Start::At(TIME)), ..config(spec, Seal::Instant) }).await;
    assert_eq!(time(&fixed).await, TIME);
}

#[tokio::test(flavor = "multi_thread")]
async fn storage_is_written_and_removed() {
    let Some(node) = node(Seal::Manual).await else { return };
    let client = client(&node).await;
    let key = b"a key of nobody".to_vec();
    node.set_storage([(key.clone(), Some(vec![1, 2]))]).await.unwrap();
    assert_eq!(ask(&client, "state_getStorage", rpc_params![hex::encode(&key)]).await, "0x0102");
    // It is part of the state that the next block is built on.
    node.new_blocks(1).await.unwrap();
    assert_eq!(node.storage(&key).await.unwrap(), Some(vec![1, 2]));
    ask(&client, "dev_setStorage", rpc_params![json!([[hex::encode(&key), null]])]).await;
    assert_eq!(node.storage(&key).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_a_node_frees_its_port() {
    let Some(node) = node(Seal::Every(Duration::from_millis(50))).await else { return };
    let address = node.address();
    let client = client(&node).await;
    drop(node);
    // Who was connected learns of it.
    let gone = async { while client.request::<Value>("chain_getHead", rpc_params![]).await.is_ok() {} };
    patiently(gone).await;
    let free = async {
        while tokio::net::TcpListener::bind(address).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    patiently(free).await;
}

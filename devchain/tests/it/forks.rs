//! Heads that reorganise, finality that lags, states that are forgotten.

use crate::{ask, client, config, node, patiently, refused, spec, start};
use grail_devchain::{NodeConfig, Seal};
use serde_json::{Value, json};
use subxt::{OnlineClient, config::SubstrateConfig, dynamic};
use subxt_rpcs::rpc_params;
use subxt_signer::sr25519::dev;

#[tokio::test(flavor = "multi_thread")]
async fn heads_reorganise_when_asked() {
    let Some(node) = node(Seal::Manual).await else { return };
    let client = client(&node).await;
    node.new_blocks(4).await.unwrap();
    let before = ask(&client, "chain_getBlockHash", rpc_params![[2, 3, 4, 5]]).await;
    let mut heads = client
        .subscribe::<Value>("chain_subscribeNewHeads", rpc_params![], "chain_unsubscribeNewHeads")
        .await
        .unwrap();
    assert_eq!(patiently(heads.next()).await.unwrap().unwrap()["number"], "0x5");

    // A fork that is not longer changes nothing.
    let short = ask(&client, "dev_reorg", rpc_params![json!({"depth": 2, "blocks": 2})]).await;
    assert_eq!(ask(&client, "chain_getHead", rpc_params![]).await, before[3]);
    assert_eq!(ask(&client, "chain_getHeader", rpc_params![&short]).await["number"], "0x5");

    let fork = ask(&client, "dev_reorg", rpc_params![json!({"depth": 2})]).await;
    assert_eq!(ask(&client, "chain_getHead", rpc_params![]).await, fork);
    let told = patiently(heads.next()).await.unwrap().unwrap();
    assert_eq!(told["number"], "0x6");
    let after = ask(&client, "chain_getBlockHash", rpc_params![[2, 3, 4, 5]]).await;
    assert_eq!((&after[0], &after[1]), (&before[0], &before[1]));
    assert!(after[2] != before[2] && after[3] != before[3]);
    assert_eq!(told["parentHash"], after[3]);
    // What was left can still be asked for, and be returned to.
    assert_eq!(ask(&client, "chain_getHeader", rpc_params![&before[3]]).await["number"], "0x5");
    ask(&client, "dev_setHead", rpc_params![&before[3]]).await;
    assert_eq!(ask(&client, "chain_getHead", rpc_params![]).await, before[3]);
    assert_eq!(patiently(heads.next()).await.unwrap().unwrap()["number"], "0x5");
    // The head goes back where it is told to.
    ask(&client, "dev_setHead", rpc_params![3]).await;
    assert_eq!(node.head().await.unwrap().number, 3);
    assert_eq!(node.new_blocks(1).await.unwrap().number, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extrinsic_outlives_the_block_it_was_in() {
    let Some(node) = node(Seal::Manual).await else { return };
    let client = client(&node).await;
    let api = OnlineClient::<SubstrateConfig>::from_rpc_client(client.clone()).await.unwrap();
    node.new_blocks(2).await.unwrap();
    let call = dynamic::tx("System", "remark", vec![dynamic::Value::from_bytes(b"x")]);
    let at = api.at_current_block().await.unwrap();
    let signed = at.transactions().create_signed(&call, &dev::dave(), Default::default()).await.unwrap();
    let bytes = format!("0x{}", hex::encode(signed.encoded()));
    let mut watched = client
        .subscribe::<Value>("author_submitAndWatchExtrinsic", rpc_params![&bytes], "author_unwatchExtrinsic")
        .await
        .unwrap();
    assert_eq!(patiently(watched.next()).await.unwrap().unwrap(), "ready");
    let first = node.new_blocks(1).await.unwrap();
    assert_eq!(patiently(watched.next()).await.unwrap().unwrap(), json!({"inBlock": first.hash.to_string()}));
    node.reorganise(1, 2).await.unwrap();
    let pending = ask(&client, "author_pendingExtrinsics", rpc_params![]).await;
    assert_eq!(pending, json!([bytes]));
    let second = node.new_blocks(1).await.unwrap();
    let block = ask(&client, "chain_getBlock", rpc_params![second.hash.to_string()]).await;
    assert!(block["block"]["extrinsics"].as_array().unwrap().contains(&json!(bytes)));
}

#[tokio::test(flavor = "multi_thread")]
async fn finality_lags_by_as_many_blocks_as_asked() {
    let Some(spec) = spec() else { return };
    let node = start(NodeConfig { finality_lag: 3, ..config(spec, Seal::Manual) }).await;
    let client = client(&node).await;
    let mut finals = client
        .subscribe::<Value>("chain_subscribeFinalizedHeads", rpc_params![], "chain_unsubscribeFinalizedHeads")
        .await
        .unwrap();
    assert_eq!(patiently(finals.next()).await.unwrap().unwrap()["number"], "0x0");
    let api = OnlineClient::<SubstrateConfig>::from_rpc_client(client.clone()).await.unwrap();
    let call = dynamic::tx("System", "remark", vec![dynamic::Value::from_bytes(b"x")]);
    let at = api.at_current_block().await.unwrap();
    let signed = at.transactions().create_signed(&call, &dev::dave(), Default::default()).await.unwrap();
    let bytes = format!("0x{}", hex::encode(signed.encoded()));
    let mut watched = client
        .subscribe::<Value>("author_submitAndWatchExtrinsic", rpc_params![&bytes], "author_unwatchExtrinsic")
        .await
        .unwrap();
    let first = node.new_blocks(1).await.unwrap().hash.to_string();
    // Turned over while it is not final, included again, and then final.
    node.reorganise(1, 2).await.unwrap();
    let second = node.new_blocks(1).await.unwrap().hash.to_string();
    node.new_blocks(3).await.unwrap();
    for expected in [
        json!("ready"),
        json!({"inBlock": first}),
        json!({"retracted": first}),
        json!({"inBlock": second}),
        json!({"finalized": second}),
    ] {
        assert_eq!(patiently(watched.next()).await.unwrap().unwrap(), expected);
    }
    for number in 1..=4 {
        let head = patiently(finals.next()).await.unwrap().unwrap();
        assert_eq!(head["number"], format!("{number:#x}"));
    }
    let head = ask(&client, "chain_getFinalizedHead", rpc_params![]).await;
    assert_eq!(ask(&client, "chain_getBlockHash", rpc_params![4]).await, head);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_states_are_forgotten_and_said_to_be() {
    let Some(spec) = spec() else { return };
    let config = NodeConfig { keep_states: 3, keep_blocks: 6, ..config(spec, Seal::Manual) };
    let node = start(config).await;
    let client = client(&node).await;
    node.new_blocks(9).await.unwrap();
    let hash = async |number: u32| ask(&client, "chain_getBlockHash", rpc_params![number]).await;
    // Number of System at the last three blocks.
    let key = "26aa394eea5630e07c48ae0c9558cef702a5c1b19ab7a04f536c519aca4983ac";
    for number in 8..=10u32 {
        let value = ask(&client, "state_getStorage", rpc_params![key, hash(number).await]).await;
        assert_eq!(value, format!("0x{}", hex::encode(number.to_le_bytes())));
    }
    let (code, message, _) = refused(&client, "state_getStorage", rpc_params![key, hash(7).await]).await;
    assert!(code == 4003 && message.contains("State already discarded"), "{code} {message}");
    assert_eq!(ask(&client, "chain_getHeader", rpc_params![hash(5).await]).await["number"], "0x5");
    assert_eq!(ask(&client, "chain_getHeader", rpc_params![hash(4).await]).await, Value::Null);
    assert!(hash(0).await.is_string());
}

//! The genesis of the published spec is the one that nodes make of it.

use crate::{TIME, ask, client, config, node, spec, start};
use grail_devchain::{Origin, Seal};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use subxt_rpcs::rpc_params;

fn sha(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn unhex(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap().trim_start_matches("0x")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_spec_becomes_the_genesis_that_nodes_make_of_it() {
    let Some(path) = spec() else { return };
    let file = sha(&std::fs::read(&path).unwrap());
    assert!(
        file.starts_with("c321edb1") && file.ends_with("ba2d"),
        "GRAIL_SUBTENSOR_SPEC names another spec ({file}) than the one that these tests know; see docs/book/devchain.md"
    );
    let node = start(config(path, Seal::Manual)).await;
    let info = node.info().await.unwrap();
    assert_eq!((info.runtime.as_str(), info.spec_version, info.slot), ("node-subtensor", 293, 1_000));
    assert_eq!((info.name.as_str(), info.best.number), ("Bittensor", 1));

    let client = client(&node).await;
    let genesis = ask(&client, "chain_getBlockHash", rpc_params![0]).await;
    let keys = ask(&client, "state_getKeysPaged", rpc_params!["0x", 1000, Value::Null, &genesis]).await;
    let mut top = serde_json::Map::new();
    for key in keys.as_array().unwrap() {
        let value = ask(&client, "state_getStorage", rpc_params![key, &genesis]).await;
        top.insert(key.as_str().unwrap().to_owned(), value);
    }
    assert_eq!(top.len(), 111);
    let code = unhex(&top["0x3a636f6465"]);
    assert_eq!((code.len(), info.code_bytes), (1_410_126, 1_410_126));
    let code = sha(&code);
    assert!(code.starts_with("8d168cc0") && code.ends_with("88fb"), "{code}");

    // The block before any: no parent, no slot, and the root of these very items.
    let header = ask(&client, "chain_getHeader", rpc_params![&genesis]).await;
    assert_eq!(header["number"], "0x0");
    assert_eq!(header["parentHash"], format!("0x{}", "0".repeat(64)));
    assert_eq!(header["digest"]["logs"], json!([]));

    // The same chain from the raw form.
    let dir = tempfile::tempdir().unwrap();
    let raw = dir.path().join("raw.json");
    let spec = json!({
        "name": info.name, "id": info.id, "chainType": "Development",
        "genesis": {"raw": {"top": top, "childrenDefault": {}}},
    });
    std::fs::write(&raw, spec.to_string()).unwrap();
    let again = start(config(raw, Seal::Manual)).await;
    let second = again.info().await.unwrap();
    assert_eq!((second.genesis, second.best), (info.genesis, info.best));
    again.stop().await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_block_holds_the_genesis_hash_and_the_time_that_was_asked_for() {
    let Some(node) = node(Seal::Manual).await else { return };
    let client = client(&node).await;
    let genesis = ask(&client, "chain_getBlockHash", rpc_params![0]).await;
    // System.BlockHash(0) and Timestamp.Now, by their keys.
    let block_hash =
        "26aa394eea5630e07c48ae0c9558cef7a44704b568d21667356a5a050c118746b4def25cfda6ef3a00000000";
    assert_eq!(ask(&client, "state_getStorage", rpc_params![block_hash]).await, genesis);
    let now = "f0c365c3cf59d671eb72da0e7a4113c49f1f0515f462cdcf84e0f1d6045dfcbb";
    let now = unhex(&ask(&client, "state_getStorage", rpc_params![now]).await);
    assert_eq!(u64::from_le_bytes(now.try_into().unwrap()), TIME);
    // The slot is the time in slots, which Aura insists on.
    let header = ask(&client, "chain_getHeader", rpc_params![]).await;
    let slot = hex::encode((TIME / 1_000).to_le_bytes());
    assert_eq!(header["digest"]["logs"][0], format!("0x066175726120{slot}"));
}

#[tokio::test]
async fn an_origin_that_cannot_be_used_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spec.json");
    std::fs::write(&path, "{\"name\": \"A\", \"id\": \"a\", \"genesis\": {\"raw\": {\"top\": {}}}}").unwrap();
    for (origin, expected) in [
        (Origin::Spec(path.clone()), "no runtime"),
        (Origin::Spec(dir.path().join("absent")), "cannot read the chain spec"),
        (Origin::Snapshot(path), "not a snapshot"),
        (Origin::Snapshot(dir.path().join("absent")), "cannot read"),
    ] {
        let error = grail_devchain::Node::start(grail_devchain::NodeConfig::new(origin)).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

//! A chain is put away and taken up again.

use crate::{TIME, ask, client, node, refused, spec, start};
use grail_devchain::{NodeConfig, Origin, Seal, Start};
use serde_json::{Value, json};
use subxt_rpcs::rpc_params;

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_goes_on_from_its_snapshot() {
    let Some(one) = node(Seal::Manual).await else { return };
    one.new_blocks(4).await.unwrap();
    one.set_storage([(b"mark".to_vec(), Some(b"here".to_vec()))]).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("net.snapshot");
    let bytes = one.snapshot(&path).await.unwrap();
    assert_eq!(bytes, std::fs::metadata(&path).unwrap().len());

    let config = NodeConfig { seal: Seal::Manual, ..NodeConfig::new(Origin::Snapshot(path.clone())) };
    let two = start(config.clone()).await;
    assert_eq!(two.info().await.unwrap(), one.info().await.unwrap());
    assert_eq!(two.storage(b"mark").await.unwrap(), Some(b"here".to_vec()));
    let client = client(&two).await;
    for number in 0..=5 {
        let hash = ask(&client, "chain_getBlockHash", rpc_params![number]).await;
        assert_eq!(
            ask(&client, "chain_getHeader", rpc_params![&hash]).await["number"],
            format!("{number:#x}")
        );
        let block = ask(&client, "chain_getBlock", rpc_params![&hash]).await;
        assert_eq!(block["block"]["extrinsics"].as_array().unwrap().len(), usize::from(number > 0));
    }
    // Storage before the snapshot is not in it.
    let old = ask(&client, "chain_getBlockHash", rpc_params![3]).await;
    let (code, ..) = refused(&client, "state_getStorage", rpc_params!["00", old]).await;
    assert_eq!(code, 4003);
    // Both go on alike, time included.
    assert_eq!(two.new_blocks(3).await.unwrap(), one.new_blocks(3).await.unwrap());
    assert_eq!(two.info().await.unwrap().time, TIME + 7_000);

    // A chain that was taken up can be put away again, and given another time.
    two.snapshot(&path).await.unwrap();
    let later = start(NodeConfig { start: Some(Start::At(TIME + 1_000_000)), ..config }).await;
    assert_eq!(later.head().await.unwrap(), two.head().await.unwrap());
    later.new_blocks(1).await.unwrap();
    assert_eq!(later.info().await.unwrap().time, TIME + 1_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_may_ask_for_one_and_overwrites_nothing_else() {
    if spec().is_none() {
        return;
    }
    let Some(node) = node(Seal::Manual).await else { return };
    let client = client(&node).await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.snapshot").to_string_lossy().into_owned();
    let written = ask(&client, "dev_snapshot", rpc_params![json!({"path": path})]).await;
    assert_eq!(written["path"], json!(path));
    assert_eq!(written["bytes"], std::fs::metadata(&path).unwrap().len());
    ask(&client, "dev_snapshot", rpc_params![&path]).await;

    let notes = dir.path().join("notes.txt");
    std::fs::write(&notes, "mine").unwrap();
    let (code, _, data) = refused(&client, "dev_snapshot", rpc_params![notes.to_string_lossy()]).await;
    assert!(code == -32000 && data.contains("not overwritten"), "{code} {data}");
    assert_eq!(std::fs::read_to_string(&notes).unwrap(), "mine");
    let (code, ..) = refused(&client, "dev_snapshot", rpc_params![Value::Null]).await;
    assert_eq!(code, -32602);
}

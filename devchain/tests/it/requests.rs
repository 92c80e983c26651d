//! What is asked wrongly, too much of, or by the wrong people.

use crate::{ask, client, config, node, patiently, refused, spec, start};
use grail_devchain::{Bounds, Node, NodeConfig, Seal};
use serde_json::{Value, json};
use subxt_rpcs::{client::RpcParams, rpc_params};

async fn post(node: &Node, body: impl Into<reqwest::Body>) -> reqwest::Response {
    let url = format!("http://{}", node.address());
    let request = reqwest::Client::new().post(url).header("content-type", "application/json").body(body);
    patiently(request.send()).await.unwrap()
}

async fn answer(node: &Node, body: impl Into<reqwest::Body>) -> Value {
    post(node, body).await.json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_requests_are_told_what_is_wrong() {
    let Some(node) = node(Seal::Manual).await else { return };
    let client = client(&node).await;
    let cases: [(&str, RpcParams, i32, &str); 16] = [
        ("no_such_method", rpc_params![], -32601, "rpc_methods"),
        ("chainHead_v1_follow", rpc_params![false], -32601, "chainHead_v1_follow"),
        ("state_getStorage", rpc_params![], -32602, "the key"),
        ("state_getStorage", rpc_params!["0x0"], -32602, "not hex"),
        ("state_getStorage", rpc_params![7], -32602, "no text"),
        ("state_getStorage", rpc_params!["0x", "0x01"], -32602, "1 bytes, not 32"),
        ("state_getKeysPaged", rpc_params!["0x"], -32602, "the count"),
        ("state_queryStorageAt", rpc_params!["0x00"], -32602, "no list"),
        ("chain_getBlockHash", rpc_params!["seven"], -32602, "seven"),
        ("system_accountNextIndex", rpc_params!["alice"], -32602, "alice"),
        ("dev_newBlock", rpc_params![json!({"count": 0})], -32602, "1 to 100000"),
        ("dev_newBlock", rpc_params![json!({"number": 1})], -32602, "number"),
        ("dev_setStorage", rpc_params![json!([["0x00"]])], -32602, "[key, value]"),
        ("dev_setHead", rpc_params![99], -32602, "no block 99"),
        ("dev_reorg", rpc_params![json!({"depth": 9})], -32602, "9 below block 1"),
        ("author_submitExtrinsic", rpc_params!["0xzz"], -32602, "not hex"),
    ];
    for (method, params, code, part) in cases {
        let (got, message, data) = refused(&client, method, params).await;
        assert!(got == code && data.contains(part), "{method}: {got} {message} {data}");
    }
    let (code, message, _) = refused(&client, "state_getKeysPaged", rpc_params!["0x", 1001]).await;
    assert_eq!((code, message.as_str()), (4002, "count exceeds maximum value. value: 1001, max: 1000"));
    let (code, message, _) = refused(&client, "state_call", rpc_params!["No_such_function", "0x"]).await;
    assert!(code == 4003 && message.contains("No_such_function"), "{code} {message}");
    let nobody = format!("0x{}", "11".repeat(32));
    let (code, message, _) = refused(&client, "state_getStorage", rpc_params!["0x00", &nobody]).await;
    assert!(code == 4003 && message.contains("UnknownBlock"), "{code} {message}");
    // Blocks that are not there are no error, as with any node.
    assert_eq!(ask(&client, "chain_getHeader", rpc_params![&nobody]).await, Value::Null);
    assert_eq!(ask(&client, "chain_getBlock", rpc_params![&nobody]).await, Value::Null);
    assert_eq!(ask(&client, "chain_getBlockHash", rpc_params![99]).await, Value::Null);
    // And the node is as it was.
    assert_eq!(node.new_blocks(1).await.unwrap().number, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn extrinsics_that_are_none_are_refused() {
    let Some(node) = node(Seal::Instant).await else { return };
    let client = client(&node).await;
    // Not as long as it says.
    let (code, ..) = refused(&client, "author_submitExtrinsic", rpc_params!["0x10ff"]).await;
    assert_eq!(code, 1001);
    // The right length, and nonsense: the runtime panics over it, and goes on.
    let (code, ..) = refused(&client, "author_submitExtrinsic", rpc_params!["0x08ffff"]).await;
    assert!(code == 1002 || code == 1010, "{code}");
    // An inherent from outside: Timestamp.set, unsigned.
    let (code, message, _) =
        refused(&client, "author_submitExtrinsic", rpc_params!["0x280402000b010203040506"]).await;
    assert!((1002..=1011).contains(&code), "{code} {message}");
    assert_eq!(ask(&client, "author_pendingExtrinsics", rpc_params![]).await, json!([]));
    assert_eq!(node.head().await.unwrap().number, 1);
    assert_eq!(node.new_blocks(1).await.unwrap().number, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn single_questions_can_be_posted() {
    let Some(node) = node(Seal::Manual).await else { return };
    let chain = json!({"jsonrpc": "2.0", "id": "a", "method": "system_chain"});
    assert_eq!(
        answer(&node, chain.to_string()).await,
        json!({"jsonrpc": "2.0", "id": "a", "result": "Bittensor"})
    );
    // A batch is answered in order; what has no id has no answer.
    let batch = json!([chain, {"jsonrpc": "2.0", "method": "system_name"}, 7]);
    let answers = answer(&node, batch.to_string()).await;
    assert_eq!(answers.as_array().unwrap().len(), 2);
    assert_eq!((&answers[0]["id"], &answers[1]["error"]["code"]), (&json!("a"), &json!(-32600)));
    let silent = post(&node, json!({"jsonrpc": "2.0", "method": "system_name"}).to_string()).await;
    assert_eq!(silent.status(), 204);

    for (body, code) in [
        ("{".to_owned(), -32700),
        ("[".repeat(10_000), -32700),
        ("[]".to_owned(), -32600),
        (json!(vec![1; 65]).to_string(), -32600),
        (json!({"jsonrpc": "2.0", "id": 1, "method": "chain_subscribeNewHeads"}).to_string(), -32005),
    ] {
        assert_eq!(answer(&node, body).await["error"]["code"], code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_hosts_and_forms_are_kept_out() {
    let Some(node) = node(Seal::Manual).await else { return };
    let url = format!("http://{}", node.address());
    let send = |name: &'static str, value: &'static str| {
        let request = reqwest::Client::new().post(&url).header("content-type", "application/json");
        let request = request.header(name, value).body(json!({"jsonrpc": "2.0"}).to_string());
        async move { patiently(request.send()).await.unwrap().status().as_u16() }
    };
    assert_eq!(send("origin", "https://example.com").await, 403);
    assert_eq!(send("origin", "http://localhost:3000").await, 200);
    let plain = reqwest::Client::new().post(&url).header("content-type", "text/plain").body("{}");
    assert_eq!(patiently(plain.send()).await.unwrap().status(), 415);
    let page = patiently(reqwest::get(&url)).await.unwrap().text().await.unwrap();
    assert!(page.contains("WebSocket"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_cannot_have_more_than_its_share() {
    let Some(spec) = spec() else { return };
    let bounds = Bounds { connections: 2, request: 4_096, subscriptions: 2, ..Bounds::default() };
    let node = start(NodeConfig { bounds, ..config(spec, Seal::Manual) }).await;
    let one = client(&node).await;
    let heads =
        || one.subscribe::<Value>("chain_subscribeNewHeads", rpc_params![], "chain_unsubscribeNewHeads");
    let first = heads().await.unwrap();
    let _second = heads().await.unwrap();
    let Err(subxt_rpcs::Error::User(error)) = heads().await else { panic!("a third subscription") };
    assert!(error.code == -32005 && error.message.contains("2 subscriptions"), "{error:?}");
    // One that ended makes room; the client tells the node when it drops it.
    drop(first);
    let room = async {
        while heads().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    patiently(room).await;

    // A request beyond the bound ends the connection, and not the node.
    let large = "00".repeat(8_192);
    assert!(one.request::<Value>("state_getStorage", rpc_params![&large]).await.is_err());
    let two = client(&node).await;
    assert_eq!(ask(&two, "system_chain", rpc_params![]).await, "Bittensor");
    assert_eq!(post(&node, format!("\"{large}\"")).await.status(), 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_that_is_listed_is_known() {
    let Some(node) = node(Seal::Manual).await else { return };
    let client = client(&node).await;
    let listed = ask(&client, "rpc_methods", rpc_params![]).await;
    let listed: Vec<&str> = listed["methods"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(listed.len() > 35, "{listed:?}");
    for method in &listed {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": [null]});
        assert_ne!(answer(&node, body.to_string()).await["error"]["code"], -32601, "{method}");
    }
    // What clients look at before they choose how to speak, and before they sign.
    assert!(listed.contains(&"account_nextIndex"));
    assert!(!listed.iter().any(|method| method.starts_with("chainHead") || method.starts_with("archive")));
    assert_eq!(ask(&client, "system_chainType", rpc_params![]).await, "Development");
    assert_eq!(ask(&client, "system_properties", rpc_params![]).await["tokenSymbol"], "TAO");
    assert_eq!(ask(&client, "system_health", rpc_params![]).await["isSyncing"], false);
    let version = ask(&client, "state_getRuntimeVersion", rpc_params![]).await;
    assert_eq!((&version["specVersion"], &version["transactionVersion"]), (&json!(293), &json!(1)));
    let metadata = ask(&client, "state_getMetadata", rpc_params![]).await;
    assert!(metadata.as_str().unwrap().starts_with("0x6d657461"));
    // Hex without its prefix, as the Python SDK sends it.
    let slot = ask(&client, "state_call", rpc_params!["AuraApi_slot_duration", ""]).await;
    assert_eq!(slot, "0xe803000000000000");
}

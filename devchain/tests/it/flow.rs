//! A client's whole way through subxt: register a subnet and keys, commit, read back, set weights.

use crate::{ask, node, patiently, refused};
use grail_devchain::{Node, Seal};
use serde_json::{Value as Json, json};
use subxt::{
    OnlineClient,
    config::{SubstrateConfig, substrate::SubstrateExtrinsicParamsBuilder},
    dynamic::{self, Value},
    ext::scale_value::Composite,
};
use subxt_rpcs::{client::RpcClient, rpc_params};
use subxt_signer::sr25519::{Keypair, dev};

type Api = OnlineClient<SubstrateConfig>;

async fn connect(node: &Node) -> (RpcClient, Api) {
    let client = crate::client(node).await;
    let api = Api::from_rpc_client(client.clone()).await.expect("subxt understands the node");
    (client, api)
}

fn account(key: &Keypair) -> Value {
    Value::from_bytes(key.public_key().0)
}

/// Signs, submits, and waits until it is final. The error is the chain's, in its words.
async fn submit(
    api: &Api,
    signer: &Keypair,
    pallet: &str,
    call: &str,
    arguments: Vec<Value>,
) -> Result<(), String> {
    let at = api.at_current_block().await.map_err(|error| error.to_string())?;
    let parameters = SubstrateExtrinsicParamsBuilder::new().mortal(32).build();
    let call = dynamic::tx(pallet, call, arguments);
    let mut transactions = at.transactions();
    let watched = patiently(transactions.sign_and_submit_then_watch(&call, signer, parameters)).await;
    let watched = watched.map_err(|error| format!("{error:?}"))?;
    let block = patiently(watched.wait_for_finalized()).await.map_err(|error| format!("{error:?}"))?;
    block.wait_for_success().await.map(|_| ()).map_err(|error| error.to_string())
}

async fn sudo(api: &Api, call: &str, arguments: Vec<Value>) {
    let inner = dynamic::tx("AdminUtils", call, Composite::Unnamed(arguments)).into_value();
    submit(api, &dev::alice(), "Sudo", "sudo", vec![inner]).await.expect(call);
}

/// Bytes of a storage item.
async fn item(api: &Api, pallet: &str, name: &str, keys: Vec<Value>) -> Option<Vec<u8>> {
    let at = api.at_current_block().await.unwrap();
    let address = dynamic::storage::<Vec<Value>, Value>(pallet, name);
    at.storage().try_fetch(address, keys).await.unwrap().map(|value| value.bytes().to_vec())
}

/// A subnet of Alice's with two neurons: uid 1 is Bob's hotkey, uid 2 is Charlie's.
async fn subnet(api: &Api) -> u16 {
    let alice = dev::alice();
    sudo(api, "sudo_set_network_rate_limit", vec![Value::u128(0)]).await;
    submit(api, &alice, "SubtensorModule", "register_network", vec![account(&dev::eve())]).await.unwrap();
    let netuid = 2;
    for hotkey in [dev::bob(), dev::charlie()] {
        let arguments = vec![Value::u128(netuid.into()), account(&hotkey)];
        submit(api, &alice, "SubtensorModule", "burned_register", arguments).await.unwrap();
    }
    netuid
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_registers_commits_and_sets_weights() {
    let Some(node) = node(Seal::Instant).await else { return };
    let (client, api) = connect(&node).await;
    let netuid = subnet(&api).await;
    let n = || Value::u128(netuid.into());
    let bob = dev::bob();
    assert_eq!(
        item(&api, "SubtensorModule", "Keys", vec![n(), Value::u128(1)]).await,
        Some(bob.public_key().0.to_vec())
    );

    // A commitment of 128 characters comes back byte for byte.
    let text: String = ('a'..='z').cycle().take(128).collect();
    let field = Value::unnamed_variant("Raw128", [Value::from_bytes(text.as_bytes())]);
    let info = Value::named_composite([("fields", Value::unnamed_composite([field]))]);
    submit(&api, &bob, "Commitments", "set_commitment", vec![n(), info.clone()]).await.unwrap();
    let stored = item(&api, "Commitments", "CommitmentOf", vec![n(), account(&bob)]).await.unwrap();
    // Deposit and block, one field, of 128 raw bytes.
    assert_eq!(stored.len(), 142);
    assert_eq!((&stored[12..14], &stored[14..]), (&[4, 0x81][..], text.as_bytes()));

    // Who is not registered is told so by the chain, in a block.
    let error = submit(&api, &dev::ferdie(), "Commitments", "set_commitment", vec![n(), info]).await;
    assert!(error.as_ref().is_err_and(|error| error.contains("AccountNotAllowedCommit")), "{error:?}");

    // Weights to oneself need no permit.
    sudo(&api, "sudo_set_weights_set_rate_limit", vec![n(), Value::u128(0)]).await;
    let list = |values: &[u128]| Value::unnamed_composite(values.iter().copied().map(Value::u128));
    let weights = vec![n(), list(&[1]), list(&[65_535]), Value::u128(0)];
    submit(&api, &bob, "SubtensorModule", "set_weights", weights).await.unwrap();
    let stored = item(&api, "SubtensorModule", "Weights", vec![n(), Value::u128(1)]).await.unwrap();
    assert_eq!(stored, [4, 1, 0, 255, 255]);

    // With a permit, written by hand, to others too.
    let key = {
        let at = api.at_current_block().await.unwrap();
        let address = dynamic::storage::<Vec<Value>, Value>("SubtensorModule", "ValidatorPermit");
        let entry = at.storage().entry(address).unwrap();
        entry.fetch_key(vec![n()]).unwrap()
    };
    ask(&client, "dev_setStorage", rpc_params![json!([[hex::encode(key), "0c000100"]])]).await;
    let weights = vec![n(), list(&[1, 2]), list(&[30_000, 60_000]), Value::u128(0)];
    submit(&api, &bob, "SubtensorModule", "set_weights", weights).await.unwrap();
    let stored = item(&api, "SubtensorModule", "Weights", vec![n(), Value::u128(1)]).await.unwrap();
    // The chain scales the largest up.
    assert_eq!(stored, [8, 1, 0, 0xff, 0x7f, 2, 0, 255, 255]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pool_refuses_as_a_node_does() {
    let Some(node) = node(Seal::Instant).await else { return };
    let (client, api) = connect(&node).await;
    let netuid = subnet(&api).await;
    // Too little stake: refused before any block, with the runtime's own code.
    sudo(&api, "sudo_set_stake_threshold", vec![Value::u128(1_000_000)]).await;
    let list = Value::unnamed_composite([Value::u128(1)]);
    let weights = vec![Value::u128(netuid.into()), list.clone(), list, Value::u128(0)];
    let error = submit(&api, &dev::bob(), "SubtensorModule", "set_weights", weights).await.unwrap_err();
    assert!(error.contains("1010") && error.contains("Custom error: 1"), "{error}");

    // The same extrinsic twice: the second is of the past.
    let at = api.at_current_block().await.unwrap();
    let call = dynamic::tx("System", "remark", vec![Value::from_bytes(b"once")]);
    let signed = at.transactions().create_signed(&call, &dev::dave(), Default::default()).await.unwrap();
    let bytes = format!("0x{}", hex::encode(signed.encoded()));
    ask(&client, "author_submitExtrinsic", rpc_params![&bytes]).await;
    let (code, message, data) = refused(&client, "author_submitExtrinsic", rpc_params![&bytes]).await;
    assert_eq!(
        (code, message.as_str(), data.as_str()),
        (1010, "Invalid Transaction", "\"Transaction is outdated\"")
    );
    // A signature that was tampered with.
    let mut forged = signed.encoded().to_vec();
    let at = forged.len() / 2;
    forged[at] ^= 1;
    let (code, ..) = refused(&client, "author_submitExtrinsic", rpc_params![hex::encode(forged)]).await;
    assert!(code == 1010 || code == 1002, "{code}");
}

#[tokio::test(flavor = "multi_thread")]
async fn extrinsics_wait_where_nobody_seals() {
    let Some(node) = node(Seal::Manual).await else { return };
    let (client, api) = connect(&node).await;
    let dave = dev::dave();
    let address = dave.public_key().to_account_id().to_string();
    let at = api.at_current_block().await.unwrap();
    let mut signed = Vec::new();
    for nonce in 0..3 {
        let call = dynamic::tx("System", "remark", vec![Value::from_bytes([nonce])]);
        let parameters = SubstrateExtrinsicParamsBuilder::new().nonce(nonce.into()).build();
        let one = at.transactions().create_signed(&call, &dave, parameters).await.unwrap();
        signed.push(format!("0x{}", hex::encode(one.encoded())));
    }
    // In the wrong order: the later ones wait for the first.
    let mut watched = client
        .subscribe::<Json>(
            "author_submitAndWatchExtrinsic",
            rpc_params![&signed[2]],
            "author_unwatchExtrinsic",
        )
        .await
        .unwrap();
    assert_eq!(patiently(watched.next()).await.unwrap().unwrap(), "future");
    ask(&client, "author_submitExtrinsic", rpc_params![&signed[1]]).await;
    assert_eq!(ask(&client, "system_accountNextIndex", rpc_params![&address]).await, 0);
    ask(&client, "author_submitExtrinsic", rpc_params![&signed[0]]).await;
    // Those that wait count, as with any node.
    assert_eq!(ask(&client, "account_nextIndex", rpc_params![&address]).await, 3);
    let (code, ..) = refused(&client, "author_submitExtrinsic", rpc_params![&signed[0]]).await;
    assert_eq!(code, 1013);
    let pending = ask(&client, "author_pendingExtrinsics", rpc_params![]).await;
    assert_eq!(pending, json!([signed[2], signed[1], signed[0]]));

    let head = node.new_blocks(1).await.unwrap();
    let block = ask(&client, "chain_getBlock", rpc_params![head.hash.to_string()]).await;
    let included = block["block"]["extrinsics"].as_array().unwrap();
    // After the inherents, in the order of their nonces.
    assert_eq!(included[included.len() - 3..], [json!(signed[0]), json!(signed[1]), json!(signed[2])]);
    let hash = head.hash.to_string();
    assert_eq!(patiently(watched.next()).await.unwrap().unwrap(), json!({"inBlock": hash}));
    assert_eq!(patiently(watched.next()).await.unwrap().unwrap(), json!({"finalized": hash}));
    assert_eq!(ask(&client, "author_pendingExtrinsics", rpc_params![]).await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_can_be_followed_and_the_past_asked_about() {
    let Some(node) = node(Seal::Manual).await else { return };
    let (client, api) = connect(&node).await;
    let mut blocks = api.stream_blocks().await.unwrap();
    let before = node.head().await.unwrap();
    // The stream begins when it is first asked.
    let mut numbers = vec![patiently(blocks.next()).await.unwrap().unwrap().number()];
    node.new_blocks(3).await.unwrap();
    for _ in 0..3 {
        numbers.push(patiently(blocks.next()).await.unwrap().unwrap().number());
    }
    assert_eq!(numbers, [1, 2, 3, 4]);
    // Storage of the past is what it was.
    let address = dynamic::storage::<Vec<Value>, Value>("System", "Number");
    let then = api.at_block(before.number).await.unwrap();
    let number = then.storage().try_fetch(address, vec![]).await.unwrap().unwrap();
    assert_eq!(number.bytes(), 1u32.to_le_bytes());
    let hash = before.hash.to_string();
    let slot = ask(&client, "state_call", rpc_params!["AuraApi_slot_duration", "0x", &hash]).await;
    assert_eq!(slot, "0xe803000000000000");
}

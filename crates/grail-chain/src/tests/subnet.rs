//! A subnet whose node says what a test wants: upgrades, values that make no sense, and old blocks.

use super::{
    node::FakeNode,
    recorded::{metadata, newest},
};
use crate::{ChainSettings, Subnet, keys};
use grail_ports::{
    Door, Retry,
    chain::{ChainView as _, Neuron},
};
use grail_protocol::words::{BlockHash, BlockNumber, Hotkey, UnixMillis};
use parity_scale_codec::{Compact, Encode as _};
use serde_json::{Value, json};
use std::time::Duration;

fn hex0x(bytes: &[u8]) -> Value {
    json!(format!("0x{}", hex::encode(bytes)))
}

/// A node that answers as one with this runtime; `None` where the metadata is not at hand.
async fn node(file: &str, spec: u32) -> Option<FakeNode> {
    Some(node_of(metadata(file)?, spec).await)
}

async fn node_of(metadata: Vec<u8>, spec: u32) -> FakeNode {
    let node = FakeNode::start(1).await;
    upgrade(&node, metadata, spec);
    node.change(|behaviour| {
        behaviour.answers.insert("chain_getHeader".into(), json!({ "number": "0x64" }));
        behaviour.answers.insert("state_getStorage".into(), hex0x(&3u16.encode()));
    });
    node
}

fn upgrade(node: &FakeNode, metadata: Vec<u8>, spec: u32) {
    node.change(|behaviour| {
        let version = json!({ "specVersion": spec, "transactionVersion": 1 });
        behaviour.answers.insert("state_getRuntimeVersion".into(), version);
        behaviour.answers.insert("state_call".into(), hex0x(&Some(metadata).encode()));
    });
}

fn answer(node: &FakeNode, method: &str, value: Value) {
    node.change(|behaviour| {
        behaviour.answers.insert(method.into(), value);
    });
}

async fn connect(node: &FakeNode) -> Subnet {
    let mut settings = ChainSettings::new(vec![node.url()], 81);
    settings.stall_after = Duration::from_secs(600);
    settings.call_deadline = Duration::from_secs(60);
    settings.attempt_deadline = Duration::from_secs(60);
    Subnet::connect(settings).await.unwrap()
}

const V293: &str = "subtensor-v293.metadata-v15.scale.xz";
const V365: &str = "subtensor-finney-v365.metadata-v16.scale.xz";

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_of_the_runtime_is_followed_and_a_strange_one_refused() {
    let (Some(node), Some(newer)) = (node(V293, 293).await, metadata(V365)) else { return };
    let subnet = connect(&node).await;
    answer(&node, "state_getStorage", hex0x(&vec![(7u16, 65_535u16)].encode()));
    assert_eq!(subnet.weights(0).await.unwrap(), Some(vec![(7, 65_535)]));
    let before = node.asked("state_call");
    assert_eq!(subnet.weights(0).await.unwrap(), Some(vec![(7, 65_535)]));
    assert_eq!(node.asked("state_call"), before, "metadata is read once a runtime");

    upgrade(&node, newer.clone(), 365);
    assert_eq!(subnet.weights(0).await.unwrap(), Some(vec![(7, 65_535)]));
    assert!(node.asked("state_call") > before, "the new runtime's metadata was read");

    let mut strange = newer;
    let place = strange.windows(16).position(|some| some == b"<ValidatorPermit").unwrap() + 1;
    strange[place] = b'W';
    upgrade(&node, strange, 999);
    let fault = subnet.weights(0).await.unwrap_err();
    assert_eq!((fault.door, fault.retry), (Door::Chain, Retry::Never));
    assert!(fault.chain().contains("ValidatorPermit") && fault.chain().contains("update"), "{fault:?}");
}

/// The answer of `state_queryStorageAt` to the keys of a metagraph.
fn changes(items: &[(Vec<u8>, Vec<u8>)]) -> Value {
    let changes: Vec<_> = items.iter().map(|(key, value)| json!([hex0x(key), hex0x(value)])).collect();
    json!([{ "block": BlockHash::from_bytes([1; 32]), "changes": changes }])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_metagraph_is_put_together_from_its_columns() {
    let Some(node) = node(V293, 293).await else { return };
    let subnet = connect(&node).await;
    let who = |n: u8| Hotkey::from_bytes([n; 32]);
    let mut items: Vec<_> =
        (0..3u16).map(|uid| (keys::KEYS.of_uid(81, uid), who(uid as u8).as_bytes().to_vec())).collect();
    items.push((keys::LAST_UPDATE.of(81), vec![5u64, 6, 7].encode()));
    items.push((keys::VALIDATOR_PERMIT.of(81), vec![true, false].encode()));
    items.push((keys::INCENTIVE.of(81), vec![0u16, 9, 65_535].encode()));
    for n in 0..3u8 {
        let key = keys::HOTKEY_ALPHA.key(&[who(n).as_bytes(), &81u16.to_le_bytes()]);
        items.push((key, (u64::from(n) * 1_500_000_000).encode()));
    }
    answer(&node, "state_queryStorageAt", changes(&items));
    // `None`: this runtime knows no such subnet, so stake is taken from storage.
    answer(&node, "state_call", json!("0x00"));
    let graph = subnet.metagraph().await.unwrap();
    assert_eq!(graph.block, BlockNumber(100));
    let last = Neuron {
        uid: 2,
        hotkey: who(2),
        stake: 3.0,
        validator_permit: false,
        last_update: BlockNumber(7),
        incentive: 65_535,
    };
    assert_eq!(graph.neurons[2], last);
    assert!(graph.neurons[0].validator_permit && graph.neurons[1].stake == 1.5);
    let (kept, _) = subnet.last_metagraph().unwrap();
    assert_eq!(kept, graph);

    items.remove(1);
    answer(&node, "state_queryStorageAt", changes(&items));
    let fault = subnet.metagraph().await.unwrap_err();
    assert!(fault.chain().contains("uid 1 has no hotkey"), "{fault:?}");
    assert_eq!(subnet.last_metagraph().unwrap().0, graph, "the last whole one is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_make_no_sense_are_faults_and_cost_little() {
    let Some(node) = node(V293, 293).await else { return };
    let subnet = connect(&node).await;
    let refused = async |value: Value, what: &str| {
        answer(&node, "state_getStorage", value);
        for fault in [subnet.weights(1).await.map(|_| ()), subnet.metagraph().await.map(|_| ())] {
            let fault = fault.unwrap_err();
            assert_eq!((fault.door, fault.retry), (Door::Chain, Retry::Later), "{what}: {fault:?}");
        }
    };
    refused(hex0x(&u16::MAX.encode()), "more participants than are read").await;
    refused(json!("0xzz"), "no hexadecimal digits").await;
    refused(json!([1, 2]), "no text").await;
    refused(json!(format!("0x{}", "00".repeat(2 << 20))), "two mebibytes").await;

    // What a stranger committed and cannot be read is as good as absent.
    answer(&node, "state_getStorage", json!("0x0102"));
    assert_eq!(subnet.commitment(&Hotkey::from_bytes([1; 32])).await.unwrap(), None);
    answer(&node, "state_getStorage", Value::Null);
    assert_eq!(subnet.weights(1).await.unwrap(), None);
    answer(&node, "chain_getHeader", json!({ "number": "seven" }));
    assert!(subnet.head().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_the_state_of_an_old_block_still_tells_its_moment() {
    let Some(node) = node(V293, 293).await else { return };
    let subnet = connect(&node).await;
    answer(&node, "state_getStorage", Value::Null);
    let set = "0x280402000b00207c458e01";
    answer(&node, "chain_getBlock", json!({ "block": { "header": {}, "extrinsics": ["0x0404", set] } }));
    let block = subnet.block(BlockNumber(7)).await.unwrap().unwrap();
    assert_eq!((block.number, block.time), (BlockNumber(7), UnixMillis(0x018e_457c_2000)));
    answer(&node, "chain_getBlock", json!({ "block": { "header": {}, "extrinsics": [] } }));
    assert!(subnet.block(BlockNumber(7)).await.unwrap_err().chain().contains("states no moment"));
    assert_eq!(subnet.block(BlockNumber(u64::MAX)).await.unwrap(), None);
}

/// A whole subnet in four requests: the head, the runtime's version, its description, and one query of many values.
#[tokio::test(flavor = "multi_thread")]
async fn everything_about_everyone_is_four_requests() {
    // The description has the same form in the oldest and in the newest runtime that is known.
    let runtimes = [Some((newest(), 461)), metadata(V293).map(|metadata| (metadata, 293))];
    for (metadata, spec) in runtimes.into_iter().flatten() {
        four_requests(&node_of(metadata, spec).await).await;
    }
}

async fn four_requests(node: &FakeNode) {
    let subnet = connect(node).await;
    let count = 256u16;
    let who = |uid: u16| [uid.to_le_bytes(); 16].concat();
    let hotkeys: Vec<[u8; 32]> = (0..count).map(|uid| who(uid).try_into().unwrap()).collect();
    let compact = |value: fn(u16) -> u64| (0..count).map(|uid| Compact(value(uid))).collect::<Vec<_>>();
    let shares = |value: fn(u16) -> u16| (0..count).map(|uid| Compact(value(uid))).collect::<Vec<_>>();
    let none: Vec<bool> = (0..count).map(|uid| uid % 4 == 0).collect();
    // Fields in the runtime's order, up to the last that is read; what follows is not looked at.
    let state = [
        vec![1],
        Compact(81u16).encode(),
        hotkeys.encode(),
        hotkeys.encode(),
        none.encode(),
        none.encode(),
        shares(|_| 0).encode(),
        compact(|uid| 1_000 + u64::from(uid)).encode(),
        compact(|_| 0).encode(),
        shares(|_| 0).encode(),
        shares(|uid| uid).encode(),
        shares(|_| 0).encode(),
        shares(|_| 0).encode(),
        shares(|_| 0).encode(),
        compact(|_| 5).encode(),
        compact(|_| 6).encode(),
        compact(|_| 7).encode(),
        compact(|uid| u64::from(uid) * 1_000_000_000).encode(),
    ]
    .concat();
    answer(node, "state_call", hex0x(&state));
    let mut items = vec![(keys::NUMBER.prefix(), 4_321u32.encode())];
    items.push((keys::LAST_UPDATE.of(81), (0..count).map(u64::from).collect::<Vec<_>>().encode()));
    items.push((keys::INCENTIVE.of(81), (0..count).collect::<Vec<_>>().encode()));
    for uid in (0..count).step_by(4) {
        items.push((keys::WEIGHTS.of_uid(81, uid), vec![(uid, 65_535u16)].encode()));
    }
    for hotkey in &hotkeys[1..] {
        let info = crate::commitment::encode_info(&[b'r'; 128]).unwrap();
        let stored = [&(0u64, 9u32).encode()[..], &info].concat();
        items.push((keys::COMMITMENT_OF.of_hotkey(81, &Hotkey::from_bytes(*hotkey)), stored));
    }
    answer(node, "state_queryStorageAt", changes(&items));
    let methods = [
        "chain_getBlockHash",
        "chain_getHeader",
        "state_getRuntimeVersion",
        "state_call",
        "state_getStorage",
        "state_getKeysPaged",
        "state_queryStorageAt",
    ];
    let asked = || methods.iter().map(|method| node.asked(method)).sum::<u32>();
    let before = asked();
    let seen = subnet.snapshot().await.unwrap();
    assert_eq!(asked() - before, 4);
    assert_eq!((seen.graph.block, seen.graph.neurons.len()), (BlockNumber(4_321), 256));
    let last = &seen.graph.neurons[255];
    assert_eq!(
        (last.stake, last.validator_permit, last.last_update.0, last.incentive),
        (255.0, false, 255, 255)
    );
    assert_eq!((seen.weights.len(), seen.weights[&252].clone()), (64, vec![(252, 65_535)]));
    assert_eq!((seen.commitments.len(), seen.commitments[&last.hotkey].len()), (255, 128));

    // Everybody's commitment, one by one, is one query, and one question for the head each.
    subnet.metagraph().await.unwrap();
    let before = (node.asked("state_queryStorageAt"), node.asked("state_getStorage"));
    for hotkey in &hotkeys {
        let found = subnet.commitment(&Hotkey::from_bytes(*hotkey)).await.unwrap();
        assert_eq!(found.is_some(), *hotkey != hotkeys[0]);
    }
    assert_eq!(
        (node.asked("state_queryStorageAt"), node.asked("state_getStorage")),
        (before.0 + 1, before.1)
    );

    // The metagraph alone needs no query at all.
    let before = (asked(), node.asked("state_queryStorageAt"));
    let graph = subnet.metagraph().await.unwrap();
    assert_eq!((asked() - before.0, node.asked("state_queryStorageAt") - before.1), (4, 0));
    assert_eq!((graph.neurons[9].stake, graph.neurons[9].last_update.0), (9.0, 1_009));
}

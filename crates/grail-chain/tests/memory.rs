//! Following the chain for long costs no memory. A binary of its own, so that what the process holds is the follower's and
//! that of a node that keeps nothing.

#[path = "../src/tests/node.rs"]
#[allow(dead_code, reason = "the tests of the connection use the rest")]
mod node;
#[path = "it/recorded.rs"]
#[allow(dead_code, reason = "the other test binary reads the rest")]
mod recorded;

use grail_chain::{ChainSettings, Subnet, commitment, keys};
use grail_ports::chain::ChainView as _;
use grail_protocol::words::{BlockHash, BlockNumber, Hotkey};
use node::FakeNode;
use parity_scale_codec::Encode as _;
use serde_json::{Value, json};
use std::time::Duration;

const PARTICIPANTS: u16 = 256;
/// Blocks after which connection, buffers and allocator have what they need.
const WARM: u64 = 1_000;
/// Blocks that are followed then.
const FOLLOWED: u64 = 10_000;
/// Blocks between two looks at everybody.
const LOOKS: u64 = 100;
/// Most that may be added.
const MOST_KIB: u64 = 5_000_000 / 1_024;

/// Resident memory of this process in KiB, where the system tells.
fn resident_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

fn hex0x(bytes: &[u8]) -> Value {
    json!(format!("0x{}", hex::encode(bytes)))
}

fn who(uid: u16) -> Hotkey {
    Hotkey::from_bytes([uid.to_le_bytes(); 16].concat().try_into().unwrap())
}

/// A subnet of 256 by storage, every one with a commitment and a row of weights.
async fn node() -> FakeNode {
    let node = FakeNode::start(1).await;
    let everybody = 0..PARTICIPANTS;
    let mut items = vec![(keys::NUMBER.prefix(), 1u32.encode())];
    items.push((keys::LAST_UPDATE.of(81), everybody.clone().map(u64::from).collect::<Vec<_>>().encode()));
    items.push((keys::VALIDATOR_PERMIT.of(81), everybody.clone().map(|_| true).collect::<Vec<_>>().encode()));
    items.push((keys::INCENTIVE.of(81), everybody.clone().collect::<Vec<_>>().encode()));
    let info = commitment::encode_info(&[b'r'; 128]).unwrap();
    for uid in everybody.clone() {
        let hotkey = who(uid);
        items.push((keys::KEYS.of_uid(81, uid), hotkey.as_bytes().to_vec()));
        items.push((keys::HOTKEY_ALPHA.key(&[hotkey.as_bytes(), &81u16.to_le_bytes()]), 5u64.encode()));
        items.push((keys::WEIGHTS.of_uid(81, uid), vec![(uid, 65_535u16); 64].encode()));
        let stored = [&(0u64, 9u32).encode()[..], &info].concat();
        items.push((keys::COMMITMENT_OF.of_hotkey(81, &hotkey), stored));
    }
    let changes: Vec<_> = items.iter().map(|(key, value)| json!([hex0x(key), hex0x(value)])).collect();
    let keys: Vec<_> = everybody.map(|uid| hex0x(&keys::COMMITMENT_OF.of_hotkey(81, &who(uid)))).collect();
    let version = json!({ "specVersion": 461, "transactionVersion": 1 });
    node.change(|behaviour| {
        let metadata = hex0x(&Some(recorded::newest()).encode());
        for (method, answer) in [
            ("state_getRuntimeVersion", version),
            ("state_call", metadata),
            ("chain_getHeader", json!({ "number": "0x1" })),
            ("state_getStorage", hex0x(&PARTICIPANTS.encode())),
            (
                "state_queryStorageAt",
                json!([{ "block": format!("0x{}", "01".repeat(32)), "changes": changes }]),
            ),
            ("state_getKeysPaged", json!(keys)),
        ] {
            behaviour.answers.insert(method.into(), answer);
        }
    });
    node
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "the figure of the page comes from here, with --nocapture")]
async fn following_ten_thousand_blocks_adds_less_than_five_megabytes() {
    let node = node().await;
    let mut settings = ChainSettings::new(vec![node.url()], 81);
    settings.stall_after = Duration::from_secs(600);
    let subnet = Subnet::connect(settings).await.unwrap();
    // It does not describe the subnet, so everything is read from storage.
    node.change(|behaviour| {
        behaviour.answers.insert("state_call".into(), json!("0x00"));
    });
    let mut looks = 0;
    let mut before = None;
    for number in 1..=WARM + FOLLOWED {
        if number == WARM + 1 {
            before = resident_kib();
        }
        node.change(|behaviour| {
            // What this node says of every block's hash; block 0 was asked for before.
            behaviour.genesis = BlockHash::from_bytes([number.to_le_bytes(); 4].concat().try_into().unwrap());
            behaviour.answers.insert("chain_getHeader".into(), json!({ "number": format!("{number:#x}") }));
            behaviour.answers.insert("state_getStorage".into(), hex0x(&number.encode()));
        });
        node.announce(number);
        assert!(subnet.wait_beyond(BlockNumber(number - 1), Duration::from_secs(60)).await, "block {number}");
        assert_eq!(subnet.head().await.unwrap().number, BlockNumber(number));
        if number % LOOKS == 0 {
            node.change(|behaviour| {
                behaviour.answers.insert("state_getStorage".into(), hex0x(&PARTICIPANTS.encode()));
            });
            let seen = subnet.snapshot().await.unwrap();
            assert_eq!((seen.weights.len(), seen.commitments.len()), (256, 256));
            assert_eq!(subnet.metagraph().await.unwrap().neurons.len(), 256);
            assert_eq!(subnet.commitments().await.unwrap().len(), 256);
            assert!(subnet.commitment(&who(7)).await.unwrap().is_some());
            looks += 1;
        }
    }
    let (Some(before), Some(after)) = (before, resident_kib()) else {
        println!("SKIPPED: this system does not tell what a process holds");
        return;
    };
    let grown = after.saturating_sub(before);
    println!("{FOLLOWED} blocks followed, everybody looked at {looks} times: {before} KiB, then {after} KiB");
    assert!(grown < MOST_KIB, "{grown} KiB were added by {FOLLOWED} blocks");
}

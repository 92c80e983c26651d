//! 256 miners' windows are found in a handful of rounds, each file by one request.

use super::house::{self, Rules};
use grail_artifact::keys::{ShelfKey, WindowEncoding, WindowKey};
use grail_ports::chain::ChainWrite as _;
use grail_protocol::words::{Hotkey, UnixMillis, WindowStart};
use grail_roles::discover::{AT_ONCE, discover};
use grail_store::{CommittedDirectory, ReadCredentials, Transfer, WriteCredentials};
use grail_testkit::doors::MemChain;
use std::{
    fs,
    sync::{Arc, atomic::Ordering},
};

const MINERS: usize = 256;
const LATENCY_MS: u64 = 100;

#[tokio::test(flavor = "multi_thread")]
async fn windows_of_256_miners_are_found_in_a_handful_of_rounds() {
    let house = house::open(Rules { latency_ms: LATENCY_MS, ..Rules::default() }).await;
    let chain = MemChain::by_hand("test", UnixMillis(0), 1_000);
    let write = WriteCredentials::new("writer", "writer-secret").unwrap();
    let mut keys = Vec::new();
    for i in 0..MINERS {
        let hotkey = Hotkey::from_bytes([u8::try_from(i).unwrap(); 32]);
        chain.register(hotkey, 0.0, false);
        let account = format!("{i:032x}");
        let read = ReadCredentials::new(&account, "reader", "reader-secret").unwrap();
        chain.as_hotkey(hotkey).commit(&read.commitment(&write).unwrap()).await.unwrap();
        let key: ShelfKey =
            WindowKey { hotkey, window: WindowStart(40), encoding: WindowEncoding::Parquet }.into();
        // Every other miner has a file.
        let path = house.dir.path().join(account).join(key.to_string());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if i % 2 == 0 {
            fs::write(path, b"window").unwrap();
        }
        keys.push(key);
    }
    let directory =
        CommittedDirectory::at(Arc::new(chain), &house.url, "us-east-1", true, Transfer::default());
    let sightings = discover(Arc::new(directory), keys, AT_ONCE).await;
    for (i, sighting) in sightings.iter().enumerate() {
        let seen = sighting.as_ref().unwrap_or_else(|fault| panic!("miner {i}: {fault:?}"));
        assert_eq!(seen.as_ref().map(|meta| meta.size), (i % 2 == 0).then_some(6), "miner {i}");
    }
    let seen = |count: &std::sync::atomic::AtomicUsize| count.load(Ordering::SeqCst);
    assert_eq!(seen(&house.seen.requests), MINERS, "one request a miner");
    let at_once = seen(&house.seen.most_at_once);
    // At this width all are asked in eight rounds of the latency: under a second, where nothing else is slow.
    assert!(at_once <= AT_ONCE && at_once * 2 > AT_ONCE, "{at_once} at once");
}

use super::{
    FakeBeacon, ManualClock, MemChain, MemDirectory, MemShelf,
    conformance::{self, ChainStage},
};
use async_trait::async_trait;
use bytes::Bytes;
use grail_artifact::keys::{ShelfKey, WindowEncoding, WindowKey};
use grail_ports::{
    Retry,
    beacon::BeaconSource as _,
    chain::{ChainView, ChainWrite, Uid},
    clock::Clock,
    shelf::{Fetch, ShelfDirectory as _, WindowShelf as _},
};
use grail_protocol::words::{Hotkey, UnixMillis, WindowStart};
use std::{future::Future, pin::pin, sync::Arc, task::Poll};

const GENESIS: UnixMillis = UnixMillis(1_000_000);

fn clock() -> ManualClock {
    ManualClock::at(GENESIS)
}

fn key() -> ShelfKey {
    key_of(Hotkey::from_bytes([1; 32]))
}

fn key_of(hotkey: Hotkey) -> ShelfKey {
    WindowKey { hotkey, window: WindowStart(20), encoding: WindowEncoding::Parquet }.into()
}

/// Asks a future once, without waiting.
async fn is_ready(future: &mut (impl Future + Unpin)) -> bool {
    std::future::poll_fn(|context| Poll::Ready(pin!(&mut *future).poll(context).is_ready())).await
}

struct ByHand(MemChain);

#[async_trait]
impl ChainStage for ByHand {
    fn view(&self) -> Arc<dyn ChainView> {
        Arc::new(self.0.clone())
    }
    fn writer(&self, hotkey: Hotkey) -> Arc<dyn ChainWrite> {
        Arc::new(self.0.as_hotkey(hotkey))
    }
    fn hotkeys(&self) -> [Hotkey; 3] {
        [1, 2, 3].map(|byte| Hotkey::from_bytes([byte; 32]))
    }
    async fn register(&self, hotkey: Hotkey, stake: f64, validator_permit: bool) -> Uid {
        self.0.register(hotkey, stake, validator_permit)
    }
    async fn pass_blocks(&self, count: u64) {
        self.0.make_blocks(count);
    }
    fn weights_rate_limit(&self) -> u64 {
        5
    }
}

#[tokio::test]
async fn the_memory_chain_keeps_the_promises_of_its_door() {
    let chain = MemChain::by_hand("test", GENESIS, 3_000);
    chain.set_rate_limit(5);
    conformance::chain(&ByHand(chain)).await;
}

#[tokio::test]
async fn the_memory_shelf_keeps_the_promises_of_its_door() {
    conformance::shelf(&MemShelf::new(Arc::new(clock()))).await;
}

#[tokio::test]
async fn the_fake_beacon_keeps_the_promises_of_its_door() {
    let clock = clock();
    let beacon = FakeBeacon::new([5; 32], GENESIS, 1_000, Arc::new(clock.clone()));
    clock.advance(9_999);
    conformance::beacon(&beacon, 10, 11).await;
    clock.advance(1);
    assert_eq!(beacon.round(11).await.unwrap(), Some(beacon.sign(11)), "it appears on time");
    beacon.withhold(11);
    assert_eq!(beacon.round(11).await.unwrap(), None);
}

#[tokio::test]
async fn blocks_follow_the_clock_where_asked() {
    let clock = clock();
    let chain = MemChain::by_clock("test", GENESIS, 3_000, Arc::new(clock.clone()));
    clock.advance(8_999);
    assert_eq!(chain.head().await.unwrap().number.0, 2);
    clock.advance(1);
    let head = chain.head().await.unwrap();
    assert_eq!((head.number.0, head.time), (3, GENESIS.plus(9_000)));
}

#[tokio::test]
async fn sleepers_wake_when_the_hand_passes_and_not_before() {
    let clock = clock();
    let mut sleep = clock.sleep_until(GENESIS.plus(10));
    assert!(!is_ready(&mut sleep).await);
    clock.advance(9);
    assert!(!is_ready(&mut sleep).await);
    clock.advance(1);
    sleep.await;
    clock.sleep_until(GENESIS).await;
    clock.turn_to(GENESIS);
    assert_eq!(clock.now(), GENESIS.plus(10), "the hand does not go back");
}

#[tokio::test]
async fn the_hand_turns_to_the_earliest_sleeper() {
    let clock = clock();
    let mut late = clock.sleep_until(GENESIS.plus(500));
    assert!(!is_ready(&mut late).await);
    {
        let mut dropped = clock.sleep_until(GENESIS.plus(5));
        assert!(!is_ready(&mut dropped).await);
    }
    let early = clock.sleep_until(GENESIS.plus(20));
    let ((), reached) = tokio::join!(early, clock.turn_to_next());
    assert_eq!(reached, GENESIS.plus(20), "who gave up sleeping is not waited for");
    let (reached, ()) = tokio::join!(clock.turn_to_next(), late);
    assert_eq!(reached, GENESIS.plus(500));
}

#[tokio::test]
async fn ordered_trouble_comes_and_goes() {
    let shelf = MemShelf::new(Arc::new(clock()));
    shelf.trouble().fail(2);
    for _ in 0..2 {
        let fault = shelf.put(&key(), Bytes::from_static(b"x")).await.unwrap_err();
        assert_eq!(fault.retry, Retry::Later);
    }
    assert_eq!(shelf.keys(), [], "a failed put leaves nothing");
    shelf.put(&key(), Bytes::from_static(b"x")).await.unwrap();
    assert_eq!(shelf.trouble().calls(), 3);

    shelf.trouble().hold();
    let held = key();
    let mut fetch = shelf.fetch(&held, 10);
    assert!(!is_ready(&mut fetch).await);
    shelf.trouble().release();
    assert!(matches!(fetch.await.unwrap(), Fetch::Found(_)));
    assert!(shelf.lose(key()));
    assert_eq!(shelf.fetch(&key(), 10).await.unwrap(), Fetch::Absent);
}

#[tokio::test]
async fn a_directory_knows_own_shelves_and_the_shared_one() {
    let shared = MemShelf::new(Arc::new(clock()));
    let own = MemShelf::new(Arc::new(clock()));
    let [alice, bob] = [1, 2].map(|byte| Hotkey::from_bytes([byte; 32]));
    let directory = MemDirectory::default();
    assert!(directory.shelf_of(&alice).await.unwrap().is_none());
    let directory = MemDirectory::shared(Arc::new(shared.clone()));
    directory.assign(alice, Arc::new(own.clone()));
    let put = |hotkey: Hotkey| {
        let directory = directory.clone();
        async move {
            let shelf = directory.shelf_of(&hotkey).await.unwrap().unwrap();
            shelf.put(&key_of(hotkey), Bytes::new()).await.unwrap();
        }
    };
    put(alice).await;
    put(bob).await;
    assert_eq!(own.keys().iter().map(|key| *key.owner()).collect::<Vec<_>>(), [alice]);
    assert_eq!(shared.keys().iter().map(|key| *key.owner()).collect::<Vec<_>>(), [bob]);
}

#[tokio::test]
async fn the_memory_checkpoints_keep_the_promises_of_their_door() {
    // Any file of known bytes will do; this one is at hand wherever the test is.
    let content = include_bytes!("tests.rs");
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/doors/tests.rs");
    conformance::checkpoints(&super::MemCheckpoints::default(), &file, content).await;
}

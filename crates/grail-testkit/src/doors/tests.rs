use super::{
    FakeBeacon, FakeFollower, FakeLearner, FakeLoader, FakePress, HeldKey, ManualClock, MemChain,
    MemDirectory, MemJournal, MemShelf,
    conformance::{self, ChainStage},
};
use crate::model::{FakeModel, FakeTokenizer};
use async_trait::async_trait;
use bytes::Bytes;
use grail_artifact::{
    checkpoint::Moment,
    keys::{ShelfKey, WindowEncoding, WindowKey},
    manifest::{FileEntry, MANIFEST_VERSION, Manifest},
};
use grail_ports::{
    Retry,
    beacon::BeaconSource as _,
    chain::{ChainView, ChainWrite, Uid},
    clock::Clock,
    follow::Checkpoints as _,
    journal::Journal as _,
    learn::Learner as _,
    publish::Export,
    shelf::{Fetch, ShelfDirectory as _, WindowShelf as _},
    sign::ChainCall,
};
use grail_protocol::{
    draw::SamplingPolicy,
    profile::NumericProfile,
    sign::{HotkeyPair, Statement},
    words::{CheckpointId, Hotkey, UnixMillis, WindowStart},
};
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

#[test]
fn the_memory_journal_keeps_the_promises_of_its_door() {
    let journal = MemJournal::default();
    conformance::journal(&journal);
    journal.trouble().fail(1);
    assert_eq!(journal.write("x", b"x").unwrap_err().retry, Retry::Later);
    assert_eq!(journal.read("x", 10).unwrap(), None, "a failed write leaves nothing");
}

#[tokio::test]
async fn the_manual_clock_keeps_the_promises_of_its_door() {
    let hand = clock();
    conformance::clock(&hand, async |moment| hand.turn_to(moment)).await;
}

#[tokio::test]
async fn the_directory_keeps_the_promises_of_its_door() {
    let shelf = Arc::new(MemShelf::new(Arc::new(clock())));
    let [alice, bob] = [1, 2].map(|byte| Hotkey::from_bytes([byte; 32]));
    let directory = MemDirectory::default();
    directory.assign(alice, shelf.clone());
    conformance::directory(&directory, &[alice], &[bob]).await;
    conformance::directory(&MemDirectory::shared(shelf), &[alice, bob], &[]).await;
}

#[test]
fn a_held_key_keeps_the_promises_of_a_signer() {
    let signer = HeldKey(HotkeyPair::from_seed(&[7; 32]).unwrap());
    let call = |length| ChainCall {
        name: "set_weights".into(),
        call: vec![7; length],
        extra: vec![0; 4],
        additional: vec![2; 73],
    };
    let statements = ["grail/1 one", "grail/1 other"].map(Statement::new);
    conformance::sign(&signer, &statements, &[call(20), call(300)]);
}

#[test]
fn the_fake_model_keeps_the_promises_of_its_doors() {
    conformance::tokenize(&FakeTokenizer);
    let mut model = FakeModel::new(CheckpointId::from_bytes([1; 32]), 7);
    let prompt = [261, 65, 66, 263];
    conformance::generator(&mut model, &prompt);
    conformance::oracle(&mut model.clone().with_noise(1e-5, 3), &mut model, &prompt);
}

#[test]
fn the_fake_learner_keeps_the_promises_of_its_door() {
    let (machine, folder) = (FakeLearner::default(), tempfile::tempdir().unwrap());
    let start = || {
        machine.kill();
        machine.clone()
    };
    conformance::learn(start, folder.path());
}

fn genesis() -> Manifest {
    Manifest {
        version: MANIFEST_VERSION,
        window: WindowStart(0),
        sequence: 0,
        environments: vec!["sat/1".parse().unwrap()],
        policy: SamplingPolicy::DEFAULT,
        max_new_tokens: 16,
        numeric: NumericProfile::StrictF32,
        files: vec![FileEntry { name: "model.safetensors".into(), size: 1, sha256: "ab".repeat(32) }],
        publication: None,
    }
}

#[tokio::test]
async fn the_fake_press_keeps_the_promises_of_its_door() {
    let press = FakePress::new(genesis(), HotkeyPair::from_seed(&[20; 32]).unwrap());
    let export = |sequence| -> Export {
        let mut learner = FakeLearner::default();
        learner.state().weights = sequence;
        Box::new(move |folder| learner.export(folder))
    };
    conformance::publish(&press, export, 8).await;
    let [(_, first), _] = &press.carried_out()[..] else { panic!("two were published") };
    assert_eq!(std::fs::read(first.folder.join("model.safetensors")).unwrap(), b"1");
}

#[tokio::test]
async fn the_fake_follower_and_loader_keep_the_promises_of_their_doors() {
    let later = |sequence, window| Manifest { sequence, window: WindowStart(window), ..genesis() };
    let follower = FakeFollower::new(vec![genesis(), later(1, 8), later(2, 24)]);
    let at = |window| Moment { before: WindowStart(window), marked_by: UnixMillis(0) };
    let moments = [(at(0), 0), (at(8), 0), (at(16), 1), (at(24), 1), (at(32), 2), (Moment::ANY, 2)];
    conformance::follow(&follower, &moments).await;
    let found = follower.find(Moment::ANY).await.unwrap();
    let loader = FakeLoader::default();
    conformance::load(&loader, &found, (true, true));
    assert_eq!(loader.loads(), 2);
}

use super::{GENESIS, make};
use async_trait::async_trait;
use grail_devnet::{DevChain, Devnet, DevnetError, Registration};
use grail_ports::chain::{ChainView, ChainWrite, Inclusion, Uid};
use grail_protocol::words::{BlockNumber, Hotkey};
use grail_testkit::doors::{
    ManualClock,
    conformance::{self, ChainStage},
};
use std::{fs, sync::Arc};

struct Stage {
    chain: DevChain,
    clock: Arc<ManualClock>,
    net: Devnet,
}

impl Stage {
    fn new(net: Devnet) -> Self {
        let clock = Arc::new(ManualClock::at(GENESIS));
        Self { chain: net.chain(clock.clone()).unwrap(), clock, net }
    }
}

#[async_trait]
impl ChainStage for Stage {
    fn view(&self) -> Arc<dyn ChainView> {
        Arc::new(self.chain.clone())
    }
    fn writer(&self, hotkey: Hotkey) -> Arc<dyn ChainWrite> {
        Arc::new(self.chain.as_hotkey(hotkey))
    }
    fn hotkeys(&self) -> [Hotkey; 3] {
        [71, 72, 73].map(|byte| Hotkey::from_bytes([byte; 32]))
    }
    async fn register(&self, hotkey: Hotkey, stake: f64, validator_permit: bool) -> Uid {
        self.chain.register(Registration { hotkey, stake, validator_permit }).await.unwrap()
    }
    async fn pass_blocks(&self, count: u64) {
        self.clock.advance(count * self.net.network().params.block_time_ms);
    }
    fn weights_rate_limit(&self) -> u64 {
        self.net.network().weights_rate_limit
    }
}

#[tokio::test]
async fn the_chain_keeps_the_promises_of_its_door() {
    let dir = tempfile::tempdir().unwrap();
    conformance::chain(&Stage::new(make(dir.path()))).await;
}

#[tokio::test]
async fn what_was_written_is_there_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let stage = Stage::new(make(dir.path()));
    stage.pass_blocks(10).await;
    let validator = stage.net.key("validator").unwrap().hotkey();
    let writer = stage.writer(validator);
    writer.commit(b"here").await.unwrap();
    writer.set_weights(&vec![(1, 3), (2, 1)]).await.unwrap();
    let before = stage.chain.metagraph().await.unwrap();
    let net = stage.net.clone();
    drop((writer, stage));

    let stage = Stage::new(net);
    stage.pass_blocks(10).await;
    assert_eq!(stage.chain.metagraph().await.unwrap(), before);
    assert_eq!(stage.chain.commitment(&validator).await.unwrap().as_deref(), Some(&b"here"[..]));
    assert_eq!(stage.chain.weights(0).await.unwrap(), Some(vec![(1, 65_535), (2, 21_845)]));
    assert_eq!(before.neurons[1].incentive, 49_151);
    assert_eq!(before.neurons[0].last_update, BlockNumber(10));
}

#[tokio::test]
async fn who_is_registered_keeps_the_uid() {
    let dir = tempfile::tempdir().unwrap();
    let stage = Stage::new(make(dir.path()));
    let [new, ..] = stage.hotkeys();
    assert_eq!(stage.register(new, 1.0, false).await, 3);
    assert_eq!(stage.register(new, 5.0, true).await, 3);
    let graph = stage.chain.metagraph().await.unwrap();
    let neuron = graph.find(&new).unwrap();
    assert_eq!((neuron.stake, neuron.validator_permit), (5.0, true));
    assert_eq!(graph.neurons.len(), 4);
}

#[tokio::test]
async fn several_writers_share_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let net = make(dir.path());
    let writers = ["validator", "miner-1", "miner-2"].map(|name| {
        let stage = Stage::new(net.clone());
        let hotkey = net.key(name).unwrap().hotkey();
        tokio::spawn(async move {
            for round in 0..20u8 {
                let done = stage.writer(hotkey).commit(&[round; 300]).await.unwrap();
                assert!(matches!(done, Inclusion::Included { .. }));
                // Readers see whole states while others write.
                assert_eq!(stage.chain.metagraph().await.unwrap().neurons.len(), 3);
            }
            hotkey
        })
    });
    let stage = Stage::new(net.clone());
    for writer in writers {
        let hotkey = writer.await.unwrap();
        assert_eq!(stage.chain.commitment(&hotkey).await.unwrap(), Some(vec![19; 300]));
    }
}

#[test]
fn a_foreign_chain_file_is_refused_by_name_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let net = make(&dir.path().join("one"));
    let other = make(&dir.path().join("two"));
    let clock = Arc::new(ManualClock::at(GENESIS));
    let path = net.dir().join("chain.sqlite");
    let foreign = other.dir().join("chain.sqlite");
    let open = |path| DevChain::open(path, net.network(), clock.clone()).map(drop);

    let before = fs::read(&foreign).unwrap();
    let error = open(&foreign).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, DevnetError::OtherNetwork { .. }));
    assert!(text.contains(other.network().id.as_str()) && text.contains(net.network().id.as_str()), "{text}");
    assert_eq!(fs::read(&foreign).unwrap(), before, "nothing was written to it");

    let missing = dir.path().join("missing.sqlite");
    assert!(matches!(open(&missing), Err(DevnetError::File { .. })));
    assert!(!missing.exists(), "opening makes no file");

    let garbage = dir.path().join("garbage.sqlite");
    fs::write(&garbage, "certainly no database, but long enough to be taken for one".repeat(100)).unwrap();
    assert!(matches!(open(&garbage), Err(DevnetError::NotAChain { .. })));
    fs::write(&garbage, "").unwrap();
    assert!(matches!(open(&garbage), Err(DevnetError::NotAChain { .. })));

    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert!(open(&path).is_err(), "a chain file that was cut is refused");
    fs::write(&path, &bytes).unwrap();
    open(&path).unwrap();
}

#[test]
fn a_chain_file_of_a_newer_program_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let net = make(dir.path());
    let path = net.dir().join("chain.sqlite");
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 7).unwrap();
    let opened = net.chain(Arc::new(ManualClock::at(GENESIS)));
    assert!(matches!(opened, Err(DevnetError::Version { found: 7, expected: 1, .. })));
}

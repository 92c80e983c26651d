//! Roles that change their checkpoint at the same window, and only there.

use super::stage::Stage;
use async_trait::async_trait;
use grail_artifact::{
    checkpoint::Moment,
    keys::{WindowEncoding, WindowKey},
    limits::LIMITS,
    manifest::Manifest,
    window::{JsonCodec, WindowCodec as _},
};
use grail_ports::{
    Door, Fault, Retry,
    follow::{Checkpoints, Found, Load, Loaded},
};
use grail_protocol::words::WindowStart;
use grail_roles::model::Models;
use grail_testkit::model::{FakeModel, FakeTokenizer};
use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

const HONEST: u8 = 1;
const VALIDATOR: u8 = 9;
/// The first window of the second checkpoint.
const CHANGE: WindowStart = WindowStart(8);

/// Two checkpoints, and a shelf that is out of reach for so many calls.
struct Two {
    manifests: [Manifest; 2],
    out_of_reach: AtomicU32,
}

#[async_trait]
impl Checkpoints for Two {
    async fn find(&self, moment: Moment) -> Result<Found, Fault> {
        let out =
            self.out_of_reach.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if out.is_ok() {
            return Err(Fault::plain(Door::Shelf, Retry::Later, "list checkpoints"));
        }
        let [first, second] = &self.manifests;
        let manifest = if moment.before >= CHANGE { second } else { first };
        Ok(Found { folder: "nowhere".into(), manifest: manifest.clone() })
    }

    async fn prefetch(&self, _: WindowStart) -> Result<(), Fault> {
        Ok(())
    }
}

/// Makes a model whose weights are the checkpoint's sequence number.
struct Maker {
    loads: AtomicU32,
}

impl Load for Maker {
    fn load(&self, found: &Found) -> Result<Loaded, Fault> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        let model = FakeModel::new(found.manifest.id(), found.manifest.sequence);
        Ok(Loaded {
            tokenizer: Arc::new(FakeTokenizer),
            generator: Some(Box::new(model.clone())),
            oracle: Some(Box::new(model)),
        })
    }
}

fn models(stage: &Stage, out_of_reach: u32) -> (Models, Arc<Maker>) {
    let second = Manifest { sequence: 1, ..stage.manifest.clone() };
    let checkpoints = Two { manifests: [stage.manifest.clone(), second], out_of_reach: out_of_reach.into() };
    let loader = Arc::new(Maker { loads: 0.into() });
    (Models { checkpoints: Arc::new(checkpoints), loader: loader.clone() }, loader)
}

#[tokio::test]
async fn miner_and_validator_change_checkpoints_at_the_same_window() {
    let stage = Stage::new();
    let reports = tempfile::tempdir().unwrap();
    let hotkey = stage.register(HONEST, false);
    stage.register(VALIDATOR, true);
    let (mining, loader) = models(&stage, 0);
    let mut miner = stage.miner_with(HONEST, mining);
    let mut used = Vec::new();
    for window in [0, 8, 16] {
        assert_eq!(stage.mine(&mut miner).await.window, WindowStart(window));
        let key = WindowKey { hotkey, window: WindowStart(window), encoding: WindowEncoding::Json };
        let file = JsonCodec.decode(&stage.shelf.peek(key).unwrap().body, &LIMITS).unwrap();
        used.push(file.header.checkpoint);
    }
    assert!(used[0] != used[1] && used[1] == used[2], "{used:?}");
    assert_eq!(loader.loads.load(Ordering::SeqCst), 2, "a checkpoint in use is not loaded again");

    // The validator comes later, after a while without the shelf, and sees the same.
    let (judging, _) = models(&stage, 3);
    let mut validator = stage.validator_with(VALIDATOR, judging, reports.path());
    for checkpoint in &used[1..] {
        let (window, _) = stage.judge_through_faults(&mut validator).await;
        assert_eq!(window.report.checkpoint, *checkpoint);
        let grail_roles::reports::Outcome::Judged(report) = &window.report.miners[0].outcome else {
            panic!("{:?}", window.report)
        };
        assert_eq!((report.tally.accepted, report.tally.rejected_total()), (32, 0), "{report:?}");
    }
}

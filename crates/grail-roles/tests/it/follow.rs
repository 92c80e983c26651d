//! Roles that change their checkpoint at the same window, and only there.

use super::stage::Stage;
use grail_artifact::{
    keys::{WindowEncoding, WindowKey},
    limits::LIMITS,
    manifest::Manifest,
    window::{JsonCodec, WindowCodec as _},
};
use grail_protocol::words::WindowStart;
use grail_roles::{model::Models, reports::FileOutcome};
use grail_testkit::doors::{FakeFollower, FakeLoader, MemJournal};
use std::sync::Arc;

const HONEST: u8 = 1;
const VALIDATOR: u8 = 9;
fn models(stage: &Stage, out_of_reach: u32) -> (Models, FakeLoader) {
    let second = Manifest { sequence: 1, ..stage.manifest.clone() };
    let follower = FakeFollower::new(vec![stage.manifest.clone(), second]);
    follower.trouble().fail(out_of_reach);
    let loader = FakeLoader::default();
    (Models { checkpoints: Arc::new(follower), loader: Arc::new(loader.clone()) }, loader)
}

#[tokio::test]
async fn miner_and_validator_change_checkpoints_at_the_same_window() {
    let stage = Stage::new();
    let reports = MemJournal::default();
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
    assert_eq!(loader.loads(), 2, "a checkpoint in use is not loaded again");

    // The validator comes later, after a while without the shelf, and sees the same.
    let (judging, _) = models(&stage, 3);
    let mut validator = stage.validator_with(VALIDATOR, judging, &reports);
    for checkpoint in &used[1..] {
        let (window, _) = stage.judge_through_faults(&mut validator).await;
        assert_eq!(window.report.checkpoint, *checkpoint);
        let FileOutcome::Judged(report) = &window.report.miners[0].outcome else {
            panic!("{:?}", window.report)
        };
        assert_eq!((report.tally.accepted, report.tally.rejected_total()), (32, 0), "{report:?}");
    }
}

use crate::stage::{GENESIS, Stage};
use grail_artifact::keys::{ShelfKey, WindowEncoding, WindowKey};
use grail_ports::{
    Door, Fault, Retry,
    chain::ChainView as _,
    model::{Answer, GenerationProgress, GenerationRule, Generator, GroupRequest, ModelCard},
};
use grail_protocol::{
    params::DEV_FAST,
    words::{Hotkey, WindowStart},
};
use grail_roles::{
    mine::Upload,
    reports::{FileOutcome, WindowReport},
    validate::{ValidatorStep, WeightsSet},
};
use grail_testkit::{
    doors::{ManualClock, MemJournal},
    model::{CheatingGenerator, FakeModel, Habit},
};
use grail_verify::MinerReport;
use std::sync::Arc;

const HONEST: u8 = 1;
const HOT: u8 = 2;
const LATE: u8 = 3;
const ABSENT: u8 = 4;
const VALIDATOR: u8 = 9;

fn outcome<'a>(report: &'a WindowReport, hotkey: &Hotkey) -> &'a FileOutcome {
    &report
        .miners
        .iter()
        .find(|entry| entry.hotkey == *hotkey)
        .expect("everyone registered is listed")
        .outcome
}

fn judged<'a>(report: &'a WindowReport, hotkey: &Hotkey) -> &'a MinerReport {
    match outcome(report, hotkey) {
        FileOutcome::Judged(report) => report,
        FileOutcome::Absent => panic!("{hotkey} has no file"),
        FileOutcome::Excluded(exclusion) => panic!("{exclusion}"),
    }
}

fn key(hotkey: Hotkey, window: u64) -> ShelfKey {
    WindowKey { hotkey, window: WindowStart(window), encoding: WindowEncoding::Json }.into()
}

#[tokio::test]
async fn one_window_tells_the_honest_from_the_lying_the_late_and_the_absent() {
    let stage = Stage::new();
    let reports = MemJournal::default();
    let [honest, hot, late, absent] = [HONEST, HOT, LATE, ABSENT].map(|id| stage.register(id, false));
    let validator_key = stage.register(VALIDATOR, true);
    // What the model knows by heart it says at any temperature; the liar's problems are new to it.
    let model = stage.model(&[HONEST, LATE]).await;

    let mined = stage.mine(&mut stage.miner(HONEST, model.clone(), Some(model.clone()))).await;
    assert!(matches!(mined.upload, Upload::Stored { margin_ms: 1.., .. }), "{mined:?}");
    assert!(mined.successes > 0 && mined.self_check.is_some_and(|report| report.is_clean()));
    let liar = CheatingGenerator { model: model.clone(), habit: Habit::Temperature(1.5) };
    stage.mine(&mut stage.miner(HOT, liar, None)).await;
    stage.mine(&mut stage.miner(LATE, model.clone(), None)).await;
    // The same bytes, stored a millisecond after the deadline.
    let deadline = GENESIS.plus(7 * DEV_FAST.block_time_ms + DEV_FAST.upload_grace_ms);
    let body = stage.shelf.peek(key(late, 0)).unwrap().body;
    stage.shelf.place(key(late, 0), body, deadline.plus(1));

    let mut validator = stage.validator(VALIDATOR, model, &reports);
    let (window, weights) = stage.judge(&mut validator).await;
    let report = &window.report;
    assert_eq!(report.window, WindowStart(0));
    assert_eq!(report.validator, validator_key);

    let tally = &judged(report, &honest).tally;
    assert_eq!((tally.claimed, tally.accepted), (32, 32));
    assert!(tally.unique_solutions >= 2, "{tally:?}");
    let lies = &judged(report, &hot).tally;
    assert_eq!(lies.accepted, 0);
    assert!(lies.rejected_total() >= 16, "{lies:?}");
    let codes: Vec<&String> = judged(report, &late).tally.rejected.keys().collect();
    assert_eq!(codes, ["late-upload"]);
    assert_eq!(outcome(report, &absent), &FileOutcome::Absent);

    let uid = stage.chain.metagraph().await.unwrap().find(&honest).unwrap().uid;
    match weights {
        WeightsSet::Set { row, .. } => assert_eq!(row, [(uid, u16::MAX)]),
        WeightsSet::Nobody => panic!("the honest miner has solutions"),
    }
    // The validator judges everyone but itself.
    assert_eq!(report.miners.len(), 4);
}

#[tokio::test]
async fn trouble_of_ours_lowers_nobody() {
    let stage = Stage::new();
    let reports = MemJournal::default();
    let honest = stage.register(HONEST, false);
    stage.register(VALIDATOR, true);
    let model = stage.model(&[HONEST]).await;
    let mut miner = stage.miner(HONEST, model.clone(), None);
    stage.mine(&mut miner).await;
    stage.mine(&mut miner).await;
    let mut validator = stage.validator(VALIDATOR, model, &reports);

    // Trouble that passes costs nobody anything; trouble that stays leaves the miner undecided.
    stage.directory.trouble().fail(u32::MAX);
    let (window, weights) = stage.judge(&mut validator).await;
    stage.directory.trouble().fail(1);
    let report = judged(&window.report, &honest);
    assert!(report.rejections().next().is_none());
    assert_eq!(report.tally.accepted, 0);
    assert_eq!(weights, WeightsSet::Nobody);

    // The next window is judged as if nothing had happened.
    let (window, weights) = stage.judge(&mut validator).await;
    assert_eq!(judged(&window.report, &honest).tally.accepted, 32);
    assert!(matches!(weights, WeightsSet::Set { .. }));
}

#[tokio::test]
async fn a_restarted_validator_remembers_and_judges_no_window_twice() {
    let stage = Stage::new();
    let reports = MemJournal::default();
    stage.register(HONEST, false);
    stage.register(VALIDATOR, true);
    let model = stage.model(&[HONEST]).await;
    let mut miner = stage.miner(HONEST, model.clone(), None);
    stage.mine(&mut miner).await;
    let first = stage.judge(&mut stage.validator(VALIDATOR, model.clone(), &reports)).await;

    // A window without a file: the memory of the first one still earns weight.
    let (second, weights) = stage.judge(&mut stage.validator(VALIDATOR, model, &reports)).await;
    assert_eq!((first.0.report.window, second.report.window), (WindowStart(0), WindowStart(8)));
    match (first.1, weights) {
        (WeightsSet::Set { row: before, .. }, WeightsSet::Set { row: after, .. }) => {
            assert_eq!(before, after)
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_damaged_memory_is_named_at_start() {
    let stage = Stage::new();
    let reports = MemJournal::default();
    stage.register(VALIDATOR, true);
    reports.lay("window-0.json", "{");
    let model = stage.model(&[]).await;
    let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        stage.validator(VALIDATOR, model, &reports);
    }));
    let message = *failed.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("window-0.json"), "{message}");
}

#[tokio::test]
async fn a_memory_ahead_of_the_chain_ends_the_validator_and_says_why() {
    let stage = Stage::new();
    let reports = MemJournal::default();
    stage.register(VALIDATOR, true);
    let model = stage.model(&[]).await;
    let mut report =
        WindowReport::new(&stage.foresee(WindowStart(8)).await, Hotkey::from_bytes([9; 32]), &[0; 32]);
    report.window = WindowStart(800);
    grail_roles::reports::Reports::new(Arc::new(reports.clone())).save(&report).unwrap();
    let fault = stage.validator(VALIDATOR, model, &reports).step().await.unwrap_err();
    assert_eq!(fault.retry, Retry::Never);
    assert!(fault.doing.contains("window 800"), "{fault:?}");
}

#[tokio::test]
async fn a_miner_keeps_back_what_a_validator_would_refuse() {
    let stage = Stage::new();
    let hotkey = stage.register(HONEST, false);
    let model = stage.model(&[HONEST]).await;
    let broken = CheatingGenerator { model: model.clone(), habit: Habit::OwnNoise(1) };
    let mined = stage.mine(&mut stage.miner(HONEST, broken, Some(model))).await;
    assert!(matches!(mined.upload, Upload::KeptBack));
    assert!(mined.self_check.unwrap().rejections().count() > 0);
    assert_eq!(stage.shelf.peek(key(hotkey, 0)), None);
}

#[tokio::test]
async fn without_its_beacon_a_window_is_waited_for_and_not_invented() {
    let stage = Stage::new();
    stage.register(HONEST, false);
    let model = stage.model(&[HONEST]).await;
    // The round that seeds window 0.
    stage.beacon.withhold(2);
    let mined = stage.mine(&mut stage.miner(HONEST, model, None)).await;
    assert_eq!(mined.window, WindowStart(8));
}

#[tokio::test]
async fn chain_trouble_is_a_fault_that_passes() {
    let stage = Stage::new();
    stage.register(HONEST, false);
    let model = stage.model(&[HONEST]).await;
    let mut miner = stage.miner(HONEST, model, None);
    stage.chain.trouble().fail(1);
    let fault = miner.step().await.unwrap_err();
    assert_eq!(fault.retry, Retry::Later);
    assert!(matches!(stage.mine(&mut miner).await.upload, Upload::Stored { .. }));
}

#[tokio::test]
async fn a_shelf_that_stumbles_costs_nothing_and_one_that_stays_away_the_window() {
    let stage = Stage::new();
    let hotkey = stage.register(HONEST, false);
    let model = stage.model(&[HONEST]).await;
    let mut miner = stage.miner(HONEST, model, None);
    stage.mine(&mut miner).await;

    stage.shelf.trouble().fail(2);
    let mined = stage.mine(&mut miner).await;
    assert_eq!(mined.window, WindowStart(8));
    assert!(matches!(mined.upload, Upload::Stored { margin_ms: 1.., .. }), "{mined:?}");

    stage.shelf.trouble().fail(u32::MAX);
    let fault = stage
        .play(async {
            loop {
                match miner.step().await {
                    Ok(Some(mined)) => panic!("{mined:?}"),
                    Ok(None) => {}
                    Err(fault) => return fault,
                }
            }
        })
        .await;
    assert!(fault.doing.contains(&hotkey.to_string()), "{fault:?}");
    assert_eq!(stage.shelf.peek(key(hotkey, 16)), None);
}

#[tokio::test]
async fn a_restarted_miner_leaves_the_file_of_its_window_as_it_is() {
    let stage = Stage::new();
    let hotkey = stage.register(HONEST, false);
    let model = stage.model(&[HONEST]).await;
    stage.mine(&mut stage.miner(HONEST, model.clone(), None)).await;
    let stored = stage.shelf.peek(key(hotkey, 0)).unwrap();

    let mined = stage.mine(&mut stage.miner(HONEST, model, None)).await;
    assert_eq!(mined.window, WindowStart(8));
    assert_eq!(stage.shelf.peek(key(hotkey, 0)).unwrap(), stored);
}

/// A generator whose second group never ends: each token turns the clock by a second.
struct Slow {
    model: FakeModel,
    clock: ManualClock,
    groups: u32,
}

impl Generator for Slow {
    fn card(&self) -> &ModelCard {
        self.model.card()
    }

    fn generate(
        &mut self,
        groups: &[GroupRequest],
        rule: &GenerationRule,
        progress: &mut dyn FnMut(GenerationProgress) -> bool,
    ) -> Result<Vec<Vec<Answer>>, Fault> {
        self.groups += 1;
        if self.groups < 2 {
            return self.model.generate(groups, rule, progress);
        }
        while progress(GenerationProgress { tokens: 0, live_rows: 16 }) {
            self.clock.advance(1_000);
        }
        Err(Fault::plain(Door::Model, Retry::Later, "the generation was stopped"))
    }
}

#[tokio::test]
async fn a_group_without_end_does_not_make_the_others_late() {
    let stage = Stage::new();
    stage.register(HONEST, false);
    let model = stage.model(&[HONEST]).await;
    let slow = Slow { model, clock: stage.clock.clone(), groups: 0 };
    let mined = stage.mine(&mut stage.miner(HONEST, slow, None)).await;
    assert_eq!(mined.groups, 1);
    assert!(matches!(mined.upload, Upload::Stored { margin_ms: 0.., .. }), "{mined:?}");
}

#[tokio::test]
async fn weights_that_cannot_be_set_keep_no_window_from_being_judged() {
    let stage = Stage::new();
    let reports = MemJournal::default();
    stage.register(HONEST, false);
    stage.register(VALIDATOR, true);
    let model = stage.model(&[HONEST]).await;
    stage.mine(&mut stage.miner(HONEST, model.clone(), None)).await;
    let mut validator = stage.validator(VALIDATOR, model, &reports);
    let first = stage
        .play(async {
            loop {
                if let ValidatorStep::Judged(window) = validator.step().await.unwrap() {
                    return window;
                }
            }
        })
        .await;
    assert_eq!(first.report.window, WindowStart(0));

    // The next window is over, its challenge known, and the chain stumbles over the weights.
    stage.clock.advance(2 * DEV_FAST.window_length * DEV_FAST.block_time_ms);
    stage.chain.trouble().fail(1);
    let second = stage.play(validator.step()).await.unwrap();
    assert!(matches!(second, ValidatorStep::Judged(window) if window.report.window == WindowStart(8)));
}

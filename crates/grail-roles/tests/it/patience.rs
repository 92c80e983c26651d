//! What may pass never ends a role: node, store, disk, permit, and problems that nobody can answer.

use crate::stage::Stage;
use grail_artifact::keys::{ShelfKey, WindowEncoding, WindowKey};
use grail_ports::{
    Door, Fault, Retry,
    model::{
        Answer, GenerationProgress, GenerationRule, Generator, GroupRequest, ModelCard, prompt_of, room,
    },
};
use grail_protocol::words::{GroupIndex, Hotkey, WindowStart};
use grail_roles::{mine::Upload, reports::FileOutcome, validate::ValidatorStep};
use grail_testkit::{
    doors::{ManualClock, MemJournal},
    model::{FakeModel, FakeTokenizer},
};

const MINER: u8 = 1;
const VALIDATOR: u8 = 9;

fn key(hotkey: Hotkey, window: u64) -> ShelfKey {
    WindowKey { hotkey, window: WindowStart(window), encoding: WindowEncoding::Json }.into()
}

/// Tokens of the prompts of a miner's first groups in a window.
async fn prompts(stage: &Stage, window: u64, groups: u32) -> Vec<usize> {
    let context = stage.foresee(WindowStart(window)).await;
    let environment = grail_env::Environment::Sat;
    let length = |group| {
        let seed = context.seed().problem(&Stage::pair(MINER).hotkey(), GroupIndex(group));
        let problem = environment.generate(&seed).unwrap();
        prompt_of(&problem, &FakeTokenizer).unwrap().len()
    };
    (0..groups).map(length).collect()
}

#[tokio::test]
async fn a_window_whose_first_prompt_has_no_room_is_left_out_and_the_next_one_mined() {
    let stage = Stage::new();
    let hotkey = stage.register(MINER, false);
    // A context in which the first problem of one window has no room and that of another has.
    let mut lengths = Vec::new();
    for window in [0, 8, 16, 24] {
        lengths.push((prompts(&stage, window, 1).await[0], window));
    }
    let (longest, without) = *lengths.iter().max().unwrap();
    let positions = u32::try_from(longest).unwrap() + stage.manifest.max_new_tokens - 1;
    assert!(lengths.iter().any(|(length, _)| *length < longest), "{lengths:?}");

    let model = stage.model(&[MINER]).await.with_context(positions);
    let mut miner = stage.miner(MINER, model.clone(), Some(model));
    let mut left_out = Vec::new();
    for _ in 0..4 {
        let mined = stage.mine(&mut miner).await;
        match &mined.upload {
            Upload::LeftOut { why } => {
                assert!(why.contains(&format!("do not fit the model's context of {positions}")), "{why}");
                left_out.push(mined.window.0);
                assert_eq!(stage.shelf.peek(key(hotkey, mined.window.0)), None);
            }
            Upload::Stored { .. } => assert!(stage.shelf.peek(key(hotkey, mined.window.0)).is_some()),
            other => panic!("{other:?}"),
        }
    }
    assert!(left_out.contains(&without), "{left_out:?}");
    assert!(left_out.len() < 4, "{left_out:?}");
}

#[tokio::test]
async fn a_file_ends_before_the_first_group_without_room_and_validators_agree() {
    let stage = Stage::new();
    let hotkey = stage.register(MINER, false);
    stage.register(VALIDATOR, true);
    // A window and a context in which the first group has room and the second has none.
    let cap = stage.manifest.max_new_tokens;
    let mut found = None;
    for window in [0, 8, 16, 24, 32, 40] {
        let lengths = prompts(&stage, window, 2).await;
        if lengths[0] < lengths[1] {
            found = Some((window, u32::try_from(lengths[1]).unwrap() + cap - 1));
            break;
        }
    }
    let (window, positions) = found.expect("six windows, each with two prompts");
    let model = stage.model(&[MINER]).await.with_context(positions);
    let mut miner = stage.miner(MINER, model.clone(), Some(model.clone()));
    let mined = loop {
        let mined = stage.mine(&mut miner).await;
        if mined.window == WindowStart(window) {
            break mined;
        }
    };
    assert_eq!(mined.groups, 1);
    assert!(matches!(mined.upload, Upload::Stored { .. }), "{mined:?}");
    let reports = MemJournal::default();
    let mut validator = stage.validator(VALIDATOR, model, &reports);
    let report = loop {
        let (judged, _) = stage.judge_through_faults(&mut validator).await;
        if judged.report.window == WindowStart(window) {
            break judged.report;
        }
    };
    let entry = report.miners.iter().find(|entry| entry.hotkey == hotkey).unwrap();
    let FileOutcome::Judged(judged) = &entry.outcome else { panic!("{entry:?}") };
    assert!(judged.is_clean() && judged.tally.accepted == 16, "{:?}", judged.tally);
}

#[test]
fn room_is_one_rule_for_miner_and_court() {
    assert!(room(6_400, 48, 512).is_err() && room(73, 1_000, 512).is_err() && room(73, 48, 512).is_ok());
}

#[tokio::test]
async fn without_a_permit_windows_are_judged_and_weights_come_back_with_it() {
    let stage = Stage::new();
    let reports = MemJournal::default();
    stage.register(MINER, false);
    let own = stage.register(VALIDATOR, true);
    let model = stage.model(&[MINER]).await;
    let mut miner = stage.miner(MINER, model.clone(), None);
    stage.mine(&mut miner).await;
    stage.mine(&mut miner).await;
    let mut validator = stage.validator(VALIDATOR, model, &reports);

    // The permit goes before the first weights.
    stage.chain.register(own, 1.0, false);
    for window in [0, 8] {
        let (judged, faults) = stage.judge_through_faults(&mut validator).await;
        assert_eq!((judged.report.window, faults), (WindowStart(window), 0));
        assert!(reports.peek(&format!("window-{window}.json")).is_some());
    }
    // It comes back, as stake does, and the weights with it.
    stage.chain.register(own, 1_000.0, true);
    let weighed = stage
        .play(async {
            loop {
                if let ValidatorStep::Weighed(weights) = validator.step().await.unwrap() {
                    return weights;
                }
            }
        })
        .await;
    assert!(matches!(weighed, grail_roles::validate::WeightsSet::Set { .. }), "{weighed:?}");
}

#[tokio::test]
async fn a_validator_without_room_for_its_report_waits_and_judges_nothing_twice() {
    let stage = Stage::new();
    let reports = MemJournal::default();
    stage.register(MINER, false);
    stage.register(VALIDATOR, true);
    let model = stage.model(&[MINER]).await;
    stage.mine(&mut stage.miner(MINER, model.clone(), None)).await;
    let mut validator = stage.validator(VALIDATOR, model, &reports);
    reports.trouble().fail(5);
    let before = stage.shelf.trouble().calls();
    let (judged, faults) = stage.judge_through_faults(&mut validator).await;
    assert_eq!((judged.report.window, faults), (WindowStart(0), 5));
    // The file was looked for and fetched once; the rest waited for the disk alone.
    assert!(stage.shelf.trouble().calls() - before <= 3, "{}", stage.shelf.trouble().calls() - before);
    assert!(reports.peek("window-0.json").is_some());
    assert!(reports.peek("evidence.json").is_some());
}

#[tokio::test]
async fn roles_run_through_a_chain_a_shelf_and_a_disk_that_are_away_for_a_while() {
    let stage = Stage::new();
    let reports = MemJournal::default();
    stage.register(MINER, false);
    stage.register(VALIDATOR, true);
    let model = stage.model(&[MINER]).await;
    let settings =
        grail_roles::mine::MinerSettings { windows: Some(2), max_groups: Some(1), ..Default::default() };
    stage.chain.trouble().fail(9);
    stage.shelf.trouble().fail(3);
    let mut miner = stage.miner_told(MINER, model.clone(), None, settings);
    stage.play(miner.run()).await.unwrap();

    let settings = grail_roles::validate::ValidatorSettings { windows: Some(2), ..Default::default() };
    let mut validator = stage.validator_told(VALIDATOR, model, &reports, settings);
    stage.chain.trouble().fail(9);
    stage.shelf.trouble().fail(4);
    reports.trouble().fail(4);
    stage.play(validator.run()).await.unwrap();
    assert_eq!(reports.all().keys().filter(|name| name.starts_with("window-")).count(), 2);
}

/// A generator that turns the clock by a second with each token, and never ends a group.
struct Endless {
    model: FakeModel,
    clock: ManualClock,
}

impl Generator for Endless {
    fn card(&self) -> &ModelCard {
        self.model.card()
    }

    fn generate(
        &mut self,
        _: &[GroupRequest],
        _: &GenerationRule,
        progress: &mut dyn FnMut(GenerationProgress) -> bool,
    ) -> Result<Vec<Vec<Answer>>, Fault> {
        let mut tokens = 0;
        while progress(GenerationProgress { tokens, live_rows: 16 }) {
            self.clock.advance(1_000);
            tokens += 16;
        }
        Err(Fault::plain(Door::Model, Retry::Later, "the generation was stopped"))
    }
}

#[tokio::test]
async fn a_miner_too_slow_for_its_first_group_says_so_and_what_to_do() {
    let stage = Stage::new();
    stage.register(MINER, false);
    let model = stage.model(&[MINER]).await;
    let mut miner = stage.miner(MINER, Endless { model, clock: stage.clock.clone() }, None);
    for _ in 0..2 {
        let mined = stage.mine(&mut miner).await;
        let Upload::TooSlow(slow) = mined.upload else { panic!("{mined:?}") };
        assert_eq!(slow.most, 256);
        assert!(slow.drawn > 0 && slow.had_ms >= 1_000, "{slow:?}");
        let told = slow.to_string();
        assert!(told.contains("of at most 256 tokens drawn"), "{told}");
        assert!(told.contains("GRAIL_GENERATION_BATCH_SIZE"), "{told}");
    }
}

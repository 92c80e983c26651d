//! The trainer's loop with a learner that only counts: what reaches it, in which order, and what a kill costs.

use super::stage::{GENESIS, Stage};
use grail_artifact::{
    keys::{VerdictKey, WindowEncoding, WindowKey},
    verdict::VerdictFile,
    window::{JsonCodec, RootHex, WindowCodec as _},
};
use grail_env::Environment;
use grail_ports::{
    Retry,
    publish::{Issued, Press, PublicationPlan},
};
use grail_protocol::{
    params::DEV_FAST,
    words::{Hotkey, WindowStart},
};
use grail_roles::{
    environments::Environments,
    train::{Records, Trainer, TrainerParts, TrainerSettings, TrainerStep, WindowRecord},
};
use grail_testkit::{
    doors::{FakeLearner, FakePress, MemJournal},
    model::FakeTokenizer,
};
use serde_json::Value;
use std::{fs, sync::Arc};

const HONEST: u8 = 1;
const OTHER: u8 = 2;
const VALIDATOR: u8 = 9;
const STRANGER: u8 = 10;

/// What a trainer is made of that lives through its kills.
struct Machine {
    learner: FakeLearner,
    press: FakePress,
    records: MemJournal,
}

impl Machine {
    fn new(stage: &Stage) -> Self {
        let press = FakePress::new(stage.manifest.clone(), Stage::pair(20));
        Self { learner: FakeLearner::default(), press, records: MemJournal::default() }
    }

    /// Plans carried out, and the weights that went out with each.
    fn published(&self) -> Vec<(PublicationPlan, String)> {
        let weights = |issued: &Issued| fs::read_to_string(issued.folder.join("model.safetensors")).unwrap();
        self.press.carried_out().into_iter().map(|(plan, issued)| (plan, weights(&issued))).collect()
    }
}

fn trainer(stage: &Stage, machine: &Machine, settings: TrainerSettings) -> Trainer {
    trainer_with(stage, &machine.learner, Arc::new(machine.press.clone()), &machine.records, settings)
}

pub(crate) fn trainer_with(
    stage: &Stage,
    learner: &FakeLearner,
    press: Arc<dyn Press>,
    records: &MemJournal,
    settings: TrainerSettings,
) -> Trainer {
    let parts = TrainerParts {
        sources: stage.sources.clone(),
        directory: Arc::new(stage.directory.clone()),
        clock: Arc::new(stage.clock.clone()),
        tokenizer: Arc::new(FakeTokenizer),
        environments: Environments::new([Environment::Sat]).unwrap(),
        codec: Arc::new(JsonCodec),
        learner: Box::new(learner.clone()),
        press,
        genesis: stage.manifest.clone(),
        examiner: None,
        records: Records::new(Arc::new(records.clone())),
    };
    Trainer::new(parts, settings).unwrap()
}

pub(crate) fn from_zero() -> TrainerSettings {
    TrainerSettings { from: Some(WindowStart(0)), ..TrainerSettings::default() }
}

/// Lets the trainer work until it has finished a window.
async fn trained(stage: &Stage, trainer: &mut Trainer) -> WindowRecord {
    stage
        .play(async {
            loop {
                if let TrainerStep::Trained(record) = trainer.step().await.unwrap() {
                    return *record;
                }
            }
        })
        .await
}

/// A stage on which an honest miner and a second one mined window 0 and a validator judged it.
async fn judged() -> (Stage, Hotkey, Hotkey) {
    let stage = Stage::new();
    let [honest, other] = [HONEST, OTHER].map(|id| stage.register(id, false));
    stage.register(VALIDATOR, true);
    let model = stage.model(&[HONEST, OTHER]).await;
    stage.mine(&mut stage.miner(HONEST, model.clone(), None)).await;
    stage.mine(&mut stage.miner(OTHER, model.clone(), None)).await;
    let mut validator = stage.validator(VALIDATOR, model, &MemJournal::default());
    stage.judge(&mut validator).await;
    (stage, honest, other)
}

fn file_key(hotkey: Hotkey) -> WindowKey {
    WindowKey { hotkey, window: WindowStart(0), encoding: WindowEncoding::Json }
}

fn verdict_key(id: u8) -> VerdictKey {
    VerdictKey { validator: Stage::pair(id).hotkey(), window: WindowStart(0) }
}

#[tokio::test]
async fn lessons_are_accepted_groups_with_the_courts_rewards() {
    let (stage, honest, other) = judged().await;
    let machine = Machine::new(&stage);
    let mut trainer = trainer(&stage, &machine, from_zero());
    let record = trained(&stage, &mut trainer).await;

    let counts = (record.window, record.files, record.groups, record.rollouts);
    assert_eq!(counts, (WindowStart(0), 2, 4, 64), "{record:?}");
    assert_eq!(record.validator, Some(Stage::pair(VALIDATOR).hotkey()));
    let state = machine.learner.state();
    let [(window, lessons)] = &state.studied[..] else { panic!("one window was studied") };
    assert_eq!(*window, WindowStart(0));
    let keys: Vec<(Hotkey, u32)> = lessons.iter().map(|lesson| (lesson.hotkey, lesson.group.0)).collect();
    for hotkey in [honest, other] {
        assert!(keys.contains(&(hotkey, 0)) && keys.contains(&(hotkey, 1)), "{keys:?}");
    }
    let file = JsonCodec
        .decode(&stage.shelf.peek(file_key(honest)).unwrap().body, &grail_artifact::limits::LIMITS)
        .unwrap();
    let own: Vec<_> = file.rollouts.iter().filter(|record| record.group.0 == 0).collect();
    let lesson = lessons.iter().find(|lesson| lesson.hotkey == honest && lesson.group.0 == 0).unwrap();
    for (record, rollout) in own.iter().zip(&lesson.rollouts) {
        assert_eq!(record.tokens, rollout.tokens);
        assert!((f64::from(record.reward) - rollout.reward).abs() < 1e-6);
        assert_eq!(rollout.right, rollout.reward > 0.7);
    }
    assert!(lesson.rollouts.iter().any(|rollout| rollout.right), "the model solves this problem");
    assert_eq!(lesson.checkpoint, 0);
}

#[tokio::test]
async fn what_a_miner_says_of_its_rewards_is_not_asked() {
    let (stage, honest, other) = judged().await;
    // After the verdict the honest miner's file is replaced by one with better claims, signed by the same key.
    let found = stage.shelf.peek(file_key(honest)).unwrap();
    let file = JsonCodec.decode(&found.body, &grail_artifact::limits::LIMITS).unwrap();
    let mut rollouts = file.rollouts;
    rollouts.iter_mut().for_each(|record| record.reward = 0.815);
    let better = grail_artifact::window::WindowFile::seal(file.header, rollouts, |message| {
        Stage::pair(HONEST).sign(message, [0; 32])
    });
    stage.shelf.place(file_key(honest), JsonCodec.encode(&better).unwrap(), GENESIS);
    let machine = Machine::new(&stage);
    let mut trainer = trainer(&stage, &machine, from_zero());
    let record = trained(&stage, &mut trainer).await;
    assert_eq!((record.files, record.groups), (1, 2));
    let why = &record.passed_over[&honest.to_string()];
    assert!(why.contains("replaced"), "{why}");
    assert!(machine.learner.state().studied[0].1.iter().all(|lesson| lesson.hotkey == other));
}

#[tokio::test]
async fn only_trusted_signatures_count_and_a_window_without_one_is_given_up() {
    let (stage, ..) = judged().await;
    // A stranger publishes the same verdicts under its own name, and under the validator's with its own signature.
    let body = stage.shelf.peek(verdict_key(VALIDATOR)).unwrap().body;
    let mut forged: VerdictFile = serde_json::from_slice(&body).unwrap();
    forged.sign(&Stage::pair(STRANGER), [0; 32]);
    stage.shelf.place(verdict_key(STRANGER), forged.to_json().unwrap(), GENESIS);
    forged.validator = Stage::pair(VALIDATOR).hotkey();
    stage.shelf.place(verdict_key(VALIDATOR), forged.to_json().unwrap(), GENESIS);

    let machine = Machine::new(&stage);
    let mut distrusting = trainer(&stage, &machine, from_zero());
    let record = trained(&stage, &mut distrusting).await;
    assert_eq!((record.validator, record.groups), (None, 0));
    // It waited as long as it was told to.
    let waited = stage.clock_ms() - GENESIS.0;
    assert!(waited >= 4 * DEV_FAST.window_length * DEV_FAST.block_time_ms, "{waited}");
    assert!(machine.published().is_empty(), "nothing moved, so nothing goes out");

    // Whoever names the stranger trusts it.
    let trusting = TrainerSettings { validators: vec![Stage::pair(STRANGER).hotkey()], ..from_zero() };
    let mut trainer = trainer(&stage, &Machine::new(&stage), trusting);
    assert_eq!(trained(&stage, &mut trainer).await.groups, 4);
}

#[tokio::test]
async fn a_kill_at_any_step_ends_at_the_same_weights_and_numbers() {
    let (stage, ..) = judged().await;
    let run = async |kills: &[usize]| {
        let machine = Machine::new(&stage);
        let mut role = trainer(&stage, &machine, from_zero());
        let mut steps = 0;
        stage
            .play(async {
                loop {
                    if kills.contains(&steps) {
                        machine.learner.kill();
                        role = trainer(&stage, &machine, from_zero());
                    }
                    steps += 1;
                    if let TrainerStep::Published(_) = role.step().await.unwrap() {
                        return;
                    }
                }
            })
            .await;
        let [(plan, weights)] = &machine.published()[..] else { panic!("one was published") };
        let saved = machine.learner.state().saved.clone().map(|(weights, ..)| weights.to_string());
        (plan.sequence, plan.trained_on, weights.clone(), saved)
    };
    let undisturbed = run(&[]).await;
    assert_eq!(undisturbed.0, 1);
    assert_ne!(undisturbed.2, "0");
    assert_eq!(undisturbed.3.as_ref(), Some(&undisturbed.2));
    for kill in 0..5 {
        assert_eq!(run(&[kill]).await, undisturbed, "killed before step {kill}");
    }
    assert_eq!(run(&[1, 2, 4, 5]).await, undisturbed);
}

#[tokio::test]
async fn a_full_disk_and_a_lost_store_are_waited_out() {
    let (stage, ..) = judged().await;
    let machine = Machine::new(&stage);
    machine.learner.saving().fail(3);
    machine.press.trouble().fail(3);
    let mut role = trainer(&stage, &machine, from_zero());
    let mut faults = Vec::new();
    stage
        .play(async {
            loop {
                match role.step().await {
                    Ok(TrainerStep::Published(_)) => return,
                    Ok(_) => {}
                    Err(fault) => {
                        assert_eq!(fault.retry, Retry::Later);
                        faults.push(fault.doing);
                    }
                }
            }
        })
        .await;
    assert_eq!(faults.len(), 6);
    assert!(faults[0].contains("free some space") && faults[5].contains("publish"), "{faults:?}");
    let studied = machine.learner.state().studied.len();
    assert_eq!((studied, machine.published().len()), (1, 1), "nothing was learned twice");
}

#[tokio::test]
async fn a_state_of_another_history_and_a_lost_state_are_told() {
    let (stage, ..) = judged().await;
    let fault_of = async |machine: &Machine| {
        let mut role = trainer(&stage, machine, from_zero());
        let fault = role.step().await.unwrap_err();
        assert_eq!(fault.retry, Retry::Never);
        fault.doing
    };
    let machine = Machine::new(&stage);
    let mut role = trainer(&stage, &machine, from_zero());
    stage.play(async { while !matches!(role.step().await.unwrap(), TrainerStep::Published(_)) {} }).await;

    let (weights, steps, journal) = machine.learner.state().saved.clone().unwrap();
    let with = |field: &str, value: Value| {
        let mut other = journal.clone();
        other[field] = value;
        machine.learner.state().saved = Some((weights, steps, other));
    };
    with("network", "dev-other".into());
    assert!(fault_of(&machine).await.contains("dev-other"));
    with("trained", 80_000.into());
    assert!(fault_of(&machine).await.contains("another history"));
    with("version", 7.into());
    assert!(fault_of(&machine).await.contains("format 7"));
    machine.learner.state().saved = None;
    assert!(fault_of(&machine).await.contains("bring the state back"));
}

#[test]
fn a_root_reads_as_what_it_is() {
    // The plan's digest travels in the journal as text.
    let plan = PublicationPlan { window: WindowStart(8), sequence: 3, trained_on: RootHex([7; 32]) };
    let text = serde_json::to_value(plan).unwrap();
    assert_eq!(text["trained_on"], "07".repeat(32));
    assert_eq!(serde_json::from_value::<PublicationPlan>(text).unwrap(), plan);
}

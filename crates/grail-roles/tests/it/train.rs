//! The trainer's loop with a learner that only counts: what reaches it, in which order, and what a kill costs.

use super::stage::{GENESIS, Stage};
use async_trait::async_trait;
use grail_artifact::{
    checkpoint::{Kind, Publication},
    keys::{VerdictKey, WindowEncoding, WindowKey},
    manifest::{Manifest, PUBLISHED_VERSION},
    tensors::TensorRoot,
    verdict::VerdictFile,
    window::{JsonCodec, RootHex, WindowCodec as _},
};
use grail_env::Environment;
use grail_ports::{
    Door, Fault, Retry,
    learn::{Learner, LearnerCard, Lesson, Study},
    model::Tokenize as _,
    publish::{Export, Issued, Plan, Press},
};
use grail_protocol::{
    params::DEV_FAST,
    words::{Hotkey, WindowStart},
};
use grail_roles::{
    environments::Environments,
    train::{Parts, Records, Settings, Step, Trainer, WindowRecord},
};
use grail_testkit::model::FakeTokenizer;
use serde_json::Value;
use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
};

const HONEST: u8 = 1;
const OTHER: u8 = 2;
const VALIDATOR: u8 = 9;
const STRANGER: u8 = 10;

/// What a learner has, in memory and on its disk. Clones are the same machine.
#[derive(Clone, Default)]
pub(crate) struct Machine(Arc<Mutex<State>>);

#[derive(Default)]
pub(crate) struct State {
    /// Windows studied, with their lessons, since the last start.
    studied: Vec<(WindowStart, Vec<Lesson>)>,
    weights: u64,
    pub(crate) saved: Option<(u64, Value)>,
    full_disk: bool,
    /// Plans carried out, and the weights that went out with each.
    published: Vec<(Plan, u64)>,
    broken_press: bool,
}

impl Machine {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Forgets what was in memory, as a kill does.
    fn kill(&self) {
        let mut state = self.state();
        state.studied.clear();
        state.weights = 0;
    }
}

impl Learner for Machine {
    fn card(&self) -> LearnerCard {
        LearnerCard { vocabulary: FakeTokenizer.vocabulary(), context_length: 16_384 }
    }

    fn study(
        &mut self,
        window: WindowStart,
        _: u64,
        lessons: Vec<Lesson>,
        _: &mut dyn FnMut() -> bool,
    ) -> Result<Study, Fault> {
        let mut state = self.state();
        let learns = !lessons.is_empty();
        state.weights += lessons.iter().map(|lesson| u64::from(lesson.group.0) + 1).sum::<u64>();
        state.studied.push((window, lessons));
        Ok(Study { steps: u32::from(learns), steps_in_all: u64::from(learns), ..Study::default() })
    }

    fn save(&mut self, journal: &Value) -> Result<(), Fault> {
        let mut state = self.state();
        if state.full_disk {
            return Err(Fault::plain(Door::Disk, Retry::Later, "save the state; free some space"));
        }
        state.saved = Some((state.weights, journal.clone()));
        Ok(())
    }

    fn restore(&mut self) -> Result<Option<Value>, Fault> {
        let mut state = self.state();
        let Some((weights, journal)) = state.saved.clone() else { return Ok(None) };
        state.weights = weights;
        Ok(Some(journal))
    }

    fn export(&mut self, _: &Path) -> Result<(), Fault> {
        Ok(())
    }
}

#[async_trait]
impl Press for Machine {
    fn issued(&self) -> Result<Vec<Manifest>, Fault> {
        Ok(self.state().published.iter().map(|(plan, _)| manifest(plan)).collect())
    }

    async fn publish(&self, plan: &Plan, export: Export) -> Result<Issued, Fault> {
        export(Path::new("nowhere"))?;
        let mut state = self.state();
        if state.broken_press {
            return Err(Fault::plain(Door::Shelf, Retry::Later, "publish; the store is out of reach"));
        }
        let entry = (*plan, state.weights);
        if state.published.last() != Some(&entry) {
            state.published.push(entry);
        }
        Ok(Issued { manifest: manifest(plan), folder: "nowhere".into(), sent_bytes: 1 })
    }
}

fn manifest(plan: &Plan) -> Manifest {
    Manifest {
        version: PUBLISHED_VERSION,
        window: plan.window,
        sequence: plan.sequence,
        publication: Some(Publication {
            kind: Kind::Full,
            step: None,
            tensors: TensorRoot([1; 32]),
            trained_on: plan.trained_on,
            trainer: Stage::pair(20).hotkey(),
            signature: None,
        }),
        ..Stage::new().manifest
    }
}

fn trainer(stage: &Stage, machine: &Machine, records: &Path, settings: Settings) -> Trainer {
    trainer_with(stage, machine, Arc::new(machine.clone()), records, settings)
}

pub(crate) fn trainer_with(
    stage: &Stage,
    machine: &Machine,
    press: Arc<dyn Press>,
    records: &Path,
    settings: Settings,
) -> Trainer {
    let parts = Parts {
        sources: stage.sources.clone(),
        directory: Arc::new(stage.directory.clone()),
        clock: Arc::new(stage.clock.clone()),
        tokenizer: Arc::new(FakeTokenizer),
        environments: Environments::new([Environment::Sat]).unwrap(),
        codec: Arc::new(JsonCodec),
        learner: Box::new(machine.clone()),
        press,
        genesis: stage.manifest.clone(),
        examiner: None,
        records: Records::new(records),
    };
    Trainer::new(parts, settings).unwrap()
}

pub(crate) fn from_zero() -> Settings {
    Settings { from: Some(WindowStart(0)), ..Settings::default() }
}

/// Lets the trainer work until it has finished a window.
async fn trained(stage: &Stage, trainer: &mut Trainer) -> WindowRecord {
    stage
        .play(async {
            loop {
                if let Step::Trained(record) = trainer.step().await.unwrap() {
                    return *record;
                }
            }
        })
        .await
}

/// A stage on which an honest miner and a second one mined window 0 and a validator judged it.
async fn judged(reports: &Path) -> (Stage, Hotkey, Hotkey) {
    let stage = Stage::new();
    let [honest, other] = [HONEST, OTHER].map(|id| stage.register(id, false));
    stage.register(VALIDATOR, true);
    let model = stage.model(&[HONEST, OTHER]).await;
    stage.mine(&mut stage.miner(HONEST, model.clone(), None)).await;
    stage.mine(&mut stage.miner(OTHER, model.clone(), None)).await;
    let mut validator = stage.validator(VALIDATOR, model, reports);
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
    let reports = tempfile::tempdir().unwrap();
    let (stage, honest, other) = judged(reports.path()).await;
    let machine = Machine::default();
    let mut trainer = trainer(&stage, &machine, reports.path(), from_zero());
    let record = trained(&stage, &mut trainer).await;

    let counts = (record.window, record.files, record.groups, record.rollouts);
    assert_eq!(counts, (WindowStart(0), 2, 4, 64), "{record:?}");
    assert_eq!(record.validator, Some(Stage::pair(VALIDATOR).hotkey()));
    let state = machine.state();
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
    let reports = tempfile::tempdir().unwrap();
    let (stage, honest, other) = judged(reports.path()).await;
    // After the verdict the honest miner's file is replaced by one with better claims, signed by the same key.
    let found = stage.shelf.peek(file_key(honest)).unwrap();
    let file = JsonCodec.decode(&found.body, &grail_artifact::limits::LIMITS).unwrap();
    let mut rollouts = file.rollouts;
    rollouts.iter_mut().for_each(|record| record.reward = 0.815);
    let better = grail_artifact::window::WindowFile::seal(file.header, rollouts, |message| {
        Stage::pair(HONEST).sign(message, [0; 32])
    });
    stage.shelf.place(file_key(honest), JsonCodec.encode(&better).unwrap(), GENESIS);
    let machine = Machine::default();
    let mut trainer = trainer(&stage, &machine, reports.path(), from_zero());
    let record = trained(&stage, &mut trainer).await;
    assert_eq!((record.files, record.groups), (1, 2));
    let why = &record.passed_over[&honest.to_string()];
    assert!(why.contains("replaced"), "{why}");
    assert!(machine.state().studied[0].1.iter().all(|lesson| lesson.hotkey == other));
}

#[tokio::test]
async fn only_trusted_signatures_count_and_a_window_without_one_is_given_up() {
    let reports = tempfile::tempdir().unwrap();
    let (stage, ..) = judged(reports.path()).await;
    // A stranger publishes the same verdicts under its own name, and under the validator's with its own signature.
    let body = stage.shelf.peek(verdict_key(VALIDATOR)).unwrap().body;
    let mut forged: VerdictFile = serde_json::from_slice(&body).unwrap();
    forged.sign(&Stage::pair(STRANGER), [0; 32]);
    stage.shelf.place(verdict_key(STRANGER), forged.to_json().unwrap(), GENESIS);
    forged.validator = Stage::pair(VALIDATOR).hotkey();
    stage.shelf.place(verdict_key(VALIDATOR), forged.to_json().unwrap(), GENESIS);

    let machine = Machine::default();
    let mut distrusting = trainer(&stage, &machine, reports.path(), from_zero());
    let record = trained(&stage, &mut distrusting).await;
    assert_eq!((record.validator, record.groups), (None, 0));
    // It waited as long as it was told to.
    let waited = stage.clock_ms() - GENESIS.0;
    assert!(waited >= 4 * DEV_FAST.window_length * DEV_FAST.block_time_ms, "{waited}");
    assert!(machine.state().published.is_empty(), "nothing moved, so nothing goes out");

    // Whoever names the stranger trusts it.
    let trusting = Settings { validators: vec![Stage::pair(STRANGER).hotkey()], ..from_zero() };
    let mut trainer = trainer(&stage, &Machine::default(), reports.path(), trusting);
    assert_eq!(trained(&stage, &mut trainer).await.groups, 4);
}

#[tokio::test]
async fn a_kill_at_any_step_ends_at_the_same_weights_and_numbers() {
    let reports = tempfile::tempdir().unwrap();
    let (stage, ..) = judged(reports.path()).await;
    let run = async |kills: &[usize]| {
        let machine = Machine::default();
        let mut role = trainer(&stage, &machine, reports.path(), from_zero());
        let mut steps = 0;
        stage
            .play(async {
                loop {
                    if kills.contains(&steps) {
                        machine.kill();
                        role = trainer(&stage, &machine, reports.path(), from_zero());
                    }
                    steps += 1;
                    if let Step::Published(_) = role.step().await.unwrap() {
                        return;
                    }
                }
            })
            .await;
        let state = machine.state();
        assert_eq!(state.published.len(), 1);
        let (plan, weights) = state.published[0];
        (plan.sequence, plan.trained_on, weights, state.saved.clone().map(|(weights, _)| weights))
    };
    let undisturbed = run(&[]).await;
    assert_eq!(undisturbed.0, 1);
    assert!(undisturbed.2 > 0);
    for kill in 0..5 {
        assert_eq!(run(&[kill]).await, undisturbed, "killed before step {kill}");
    }
    assert_eq!(run(&[1, 2, 4, 5]).await, undisturbed);
}

#[tokio::test]
async fn a_full_disk_and_a_lost_store_are_waited_out() {
    let reports = tempfile::tempdir().unwrap();
    let (stage, ..) = judged(reports.path()).await;
    let machine = Machine::default();
    machine.state().full_disk = true;
    machine.state().broken_press = true;
    let mut role = trainer(&stage, &machine, reports.path(), from_zero());
    let mut faults = Vec::new();
    stage
        .play(async {
            loop {
                match role.step().await {
                    Ok(Step::Published(_)) => return,
                    Ok(_) => {}
                    Err(fault) => {
                        assert_eq!(fault.retry, Retry::Later);
                        faults.push(fault.doing);
                        match faults.len() {
                            3 => machine.state().full_disk = false,
                            6 => machine.state().broken_press = false,
                            _ => {}
                        }
                    }
                }
            }
        })
        .await;
    assert_eq!(faults.len(), 6);
    assert!(faults[0].contains("free some space") && faults[5].contains("out of reach"), "{faults:?}");
    let state = machine.state();
    assert_eq!((state.studied.len(), state.published.len()), (1, 1), "nothing was learned twice");
}

#[tokio::test]
async fn a_state_of_another_history_and_a_lost_state_are_told() {
    let reports = tempfile::tempdir().unwrap();
    let (stage, ..) = judged(reports.path()).await;
    let fault_of = async |machine: &Machine| {
        let mut role = trainer(&stage, machine, reports.path(), from_zero());
        let fault = role.step().await.unwrap_err();
        assert_eq!(fault.retry, Retry::Never);
        fault.doing
    };
    let machine = Machine::default();
    let mut role = trainer(&stage, &machine, reports.path(), from_zero());
    stage.play(async { while !matches!(role.step().await.unwrap(), Step::Published(_)) {} }).await;

    let (weights, journal) = machine.state().saved.clone().unwrap();
    let with = |field: &str, value: Value| {
        let mut other = journal.clone();
        other[field] = value;
        machine.state().saved = Some((weights, other));
    };
    with("network", "dev-other".into());
    assert!(fault_of(&machine).await.contains("dev-other"));
    with("trained", 80_000.into());
    assert!(fault_of(&machine).await.contains("another history"));
    with("version", 7.into());
    assert!(fault_of(&machine).await.contains("format 7"));
    machine.state().saved = None;
    assert!(fault_of(&machine).await.contains("bring the state back"));
}

#[test]
fn a_root_reads_as_what_it_is() {
    // The plan's digest travels in the journal as text.
    let plan = Plan { window: WindowStart(8), sequence: 3, trained_on: RootHex([7; 32]) };
    let text = serde_json::to_value(plan).unwrap();
    assert_eq!(text["trained_on"], "07".repeat(32));
    assert_eq!(serde_json::from_value::<Plan>(text).unwrap(), plan);
}

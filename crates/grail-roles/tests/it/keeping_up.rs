//! A validator that keeps up: a budget for each window, and weights without a model.

use crate::stage::Stage;
use grail_artifact::{
    keys::{ShelfKey, VerdictKey},
    verdict::VerdictFile,
};
use grail_ports::{
    Fault,
    chain::ChainView as _,
    model::{GroupProbe, ModelCard, Oracle, Readout},
};
use grail_protocol::{
    policy::{Burn, WeightPolicy},
    words::{Hotkey, WindowStart},
};
use grail_roles::{
    adopt::AdopterStep,
    reports::{FileOutcome, MinerEntry},
    validate::{Validator, ValidatorSettings, WeightsSet},
};
use grail_testkit::{
    doors::{ManualClock, MemJournal},
    model::FakeModel,
};

const MINERS: [u8; 3] = [1, 2, 3];
const VALIDATOR: u8 = 9;
const OTHER: u8 = 8;

/// An oracle that takes a second a group.
struct Second {
    model: FakeModel,
    clock: ManualClock,
}

impl Oracle for Second {
    fn card(&self) -> &ModelCard {
        Oracle::card(&self.model)
    }

    fn read(&mut self, probe: &GroupProbe) -> Result<Vec<Readout>, Fault> {
        self.clock.advance(1_000);
        self.model.read(probe)
    }
}

/// Groups proven of each miner's file, by uid.
fn proven(entries: &[MinerEntry]) -> Vec<usize> {
    let of = |entry: &MinerEntry| match &entry.outcome {
        FileOutcome::Judged(report) => report.groups.iter().filter(|group| group.draws.is_some()).count(),
        other => panic!("{other:?}"),
    };
    entries.iter().map(of).collect()
}

fn row(weights: WeightsSet) -> Vec<(u16, u16)> {
    match weights {
        WeightsSet::Set { row, .. } => row,
        WeightsSet::Nobody => panic!("somebody has solutions"),
    }
}

#[tokio::test]
async fn what_time_does_not_allow_is_carried_and_everyone_gets_a_turn() {
    let stage = Stage::new();
    let reports = MemJournal::default();
    let hotkeys = MINERS.map(|id| stage.register(id, false));
    stage.register(VALIDATOR, true);
    let model = stage.model(&MINERS).await;
    let mut miners = MINERS.map(|id| stage.miner(id, model.clone(), None));
    for miner in &mut miners {
        stage.mine(miner).await;
    }
    // Three seconds: two groups, or one of each of two files.
    let settings = ValidatorSettings { budget_ms: Some(3_000), ..ValidatorSettings::default() };
    let slow = Second { model: model.clone(), clock: stage.clock.clone() };
    let mut validator = stage.validator_reading(VALIDATOR, slow, &reports, settings);
    let (first, weights) = stage.judge(&mut validator).await;
    let groups = proven(&first.report.miners);
    assert_eq!((groups.iter().sum::<usize>(), first.on_paper), (2, 2), "{groups:?}");
    assert_eq!(row(weights).len(), 1, "nothing speaks for the others yet");

    for miner in &mut miners {
        stage.mine(miner).await;
    }
    let (second, weights) = stage.judge(&mut validator).await;
    assert_eq!(second.report.window, WindowStart(8));
    let then = proven(&second.report.miners);
    for ((before, after), hotkey) in groups.iter().zip(&then).zip(&hotkeys) {
        assert!(before + after > 0, "{hotkey} had no turn in two windows: {groups:?}, {then:?}");
        assert!(*after == 0 || *before == 0, "the one that was proven is carried: {groups:?}, {then:?}");
    }
    assert_eq!(row(weights).len(), 3, "carried or proven, all have earned something");
}

#[tokio::test]
async fn with_time_enough_everything_is_proven_as_before() {
    let stage = Stage::new();
    let reports = MemJournal::default();
    for id in MINERS {
        stage.register(id, false);
    }
    stage.register(VALIDATOR, true);
    let model = stage.model(&MINERS).await;
    for id in MINERS {
        stage.mine(&mut stage.miner(id, model.clone(), None)).await;
    }
    let settings = ValidatorSettings { budget_ms: Some(600_000), ..ValidatorSettings::default() };
    let oracle = Second { model, clock: stage.clock.clone() };
    let mut validator = stage.validator_reading(VALIDATOR, oracle, &reports, settings);
    let (judged, _) = stage.judge(&mut validator).await;
    assert_eq!((proven(&judged.report.miners), judged.on_paper), (vec![2, 2, 2], 0));
    assert!(judged.report.miners.iter().all(|entry| entry.sampling.is_none()));
}

#[tokio::test]
async fn a_network_that_burns_states_it_and_its_validators_set_it() {
    let mut stage = Stage::new();
    let reports = MemJournal::default();
    let miner = stage.register(MINERS[0], false);
    stage.register(VALIDATOR, true);
    stage.sources.network.params.weights =
        WeightPolicy { burn: Some(Burn { uid: 1, permille: 800 }), ..WeightPolicy::DEFAULT };
    let model = stage.model(&MINERS[..1]).await;
    // Nobody has a file: all of it is burnt.
    let mut validator = stage.validator(VALIDATOR, model.clone(), &reports);
    let (judged, weights) = stage.judge(&mut validator).await;
    assert_eq!(judged.report.weights.and_then(|weights| weights.burn).map(|burn| burn.permille), Some(800));
    assert_eq!(row(weights), [(1, u16::MAX)]);
    let uid = stage.chain.metagraph().await.unwrap().find(&miner).unwrap().uid;
    stage.mine(&mut stage.miner(MINERS[0], model, None)).await;
    let (_, weights) = stage.judge(&mut validator).await;
    // A fifth beside four.
    assert_eq!(row(weights), [(uid, 16_384), (1, u16::MAX)]);
}

fn verdict_key(validator: Hotkey) -> ShelfKey {
    VerdictKey { validator, window: WindowStart(0) }.into()
}

/// A stage on which a validator has judged window 0 and published its verdicts; its weights.
async fn judged() -> (Stage, Hotkey, Vec<(u16, u16)>) {
    let stage = Stage::new();
    let reports = MemJournal::default();
    for id in MINERS {
        stage.register(id, false);
    }
    let validator = stage.register(VALIDATOR, true);
    stage.register(OTHER, true);
    let model = stage.model(&MINERS[..2]).await;
    for id in &MINERS[..2] {
        stage.mine(&mut stage.miner(*id, model.clone(), None)).await;
    }
    let mut running: Validator = stage.validator(VALIDATOR, model, &reports);
    let (_, weights) = stage.judge(&mut running).await;
    assert!(stage.shelf.peek(verdict_key(validator)).is_some());
    (stage, validator, row(weights))
}

async fn first_weights(
    stage: &Stage,
    adopter: &mut grail_roles::adopt::Adopter,
    steps: usize,
) -> Option<Vec<(u16, u16)>> {
    stage
        .play(async {
            for _ in 0..steps {
                if let AdopterStep::Weighed(weights) = adopter.step().await.unwrap() {
                    return Some(row(weights));
                }
            }
            None
        })
        .await
}

#[tokio::test]
async fn weights_without_a_model_are_those_of_the_validator_whose_verdicts_hold() {
    let (stage, validator, theirs) = judged().await;
    let kept = MemJournal::default();
    let nobody = Hotkey::from_bytes([77; 32]);
    let mut adopter = stage.adopter(OTHER, vec![nobody, validator], &kept);
    assert_eq!(first_weights(&stage, &mut adopter, 20).await, Some(theirs));
    let text = String::from_utf8(kept.peek("adopted-0.json").unwrap().to_vec()).unwrap();
    assert!(text.contains(&validator.to_string()), "{text}");
    // The memory survives a restart, and a full disk costs nothing.
    let again = stage.adopter(OTHER, vec![validator], &kept);
    assert!(format!("{again:?}").contains("adopted: Some"), "{again:?}");
}

#[tokio::test]
async fn a_verdict_that_does_not_hold_on_paper_is_not_adopted() {
    // A reward that the text does not earn; another challenge; and, to see that the rest is right, nothing.
    let inflate = |verdict: &mut VerdictFile| {
        for reward in
            verdict.files.iter_mut().flat_map(|file| &mut file.groups).flat_map(|group| &mut group.rewards)
        {
            *reward = if *reward == 81_500 { 0 } else { 81_500 };
        }
    };
    let redraw = |verdict: &mut VerdictFile| verdict.challenge.0[0] ^= 1;
    type Lie<'a> = &'a dyn Fn(&mut VerdictFile);
    let lies: [(Lie<'_>, bool); 3] = [(&inflate, false), (&redraw, false), (&|_| {}, true)];
    for (lie, holds) in lies {
        let (stage, validator, _) = judged().await;
        let laid = stage.shelf.peek(verdict_key(validator)).unwrap();
        let mut verdict: VerdictFile = serde_json::from_slice(&laid.body).unwrap();
        lie(&mut verdict);
        verdict.sign(&Stage::pair(VALIDATOR), [5; 32]);
        stage.shelf.place(verdict_key(validator), verdict.to_json().unwrap(), laid.meta.stored_at);
        let kept = MemJournal::default();
        let mut adopter = stage.adopter(OTHER, vec![validator], &kept);
        assert_eq!(first_weights(&stage, &mut adopter, 2).await.is_some(), holds);
        assert_eq!(kept.all().is_empty(), !holds, "{:?}", kept.all().keys());
    }
}

#[tokio::test]
async fn a_file_that_was_replaced_after_the_verdict_counts_nothing() {
    let (stage, validator, _) = judged().await;
    let key = |id: u8| -> ShelfKey {
        grail_artifact::keys::WindowKey {
            hotkey: Stage::pair(id).hotkey(),
            window: WindowStart(0),
            encoding: grail_artifact::keys::WindowEncoding::Json,
        }
        .into()
    };
    // The first miner's file makes room for the second's, which is another's.
    let other = stage.shelf.peek(key(MINERS[1])).unwrap();
    stage.shelf.place(key(MINERS[0]), other.body, other.meta.stored_at);
    let mut adopter = stage.adopter(OTHER, vec![validator], &MemJournal::default());
    let weights = first_weights(&stage, &mut adopter, 20).await.unwrap();
    assert_eq!(weights.len(), 1, "{weights:?}");
}

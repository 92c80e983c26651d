//! What roles leave behind, byte for byte: the same clock, chain, beacon, model and keys leave the files that they left at
//! the first version of these programs. A digest here changes with a format, and with nothing else.

use crate::{
    stage::Stage,
    train::{from_zero, trainer_with},
};
use async_trait::async_trait;
use grail_artifact::{
    checkpoint::{Publication, PublicationKind},
    manifest::{Manifest, PUBLISHED_VERSION},
    tensors::TensorRoot,
};
use grail_ports::{
    Fault,
    publish::{Export, Issued, Press, PublicationPlan},
};
use grail_protocol::hash::sha256;
use grail_roles::{
    bundle::Bundles,
    mine::MinerSettings,
    train::TrainerStep,
    validate::{ValidatorSettings, WeightsSet},
};
use grail_testkit::{
    doors::{FakeLearner, HeldKey, MemJournal},
    model::{CheatingGenerator, Habit},
};
use std::{collections::BTreeMap, sync::Arc};

const HONEST: u8 = 1;
const LIAR: u8 = 2;
const VALIDATOR: u8 = 9;

/// Publishes nothing, and says that it did.
struct Paper(Manifest);

#[async_trait]
impl Press for Paper {
    fn issued(&self) -> Result<Vec<Manifest>, Fault> {
        Ok(Vec::new())
    }

    async fn publish(&self, plan: &PublicationPlan, _: Export) -> Result<Issued, Fault> {
        let publication = Publication {
            kind: PublicationKind::Full,
            step: None,
            tensors: TensorRoot([1; 32]),
            trained_on: plan.trained_on,
            trainer: Stage::pair(20).hotkey(),
            signature: None,
        };
        let manifest = Manifest {
            version: PUBLISHED_VERSION,
            window: plan.window,
            sequence: plan.sequence,
            publication: Some(publication),
            ..self.0.clone()
        };
        Ok(Issued { manifest, folder: "nowhere".into(), sent_bytes: 1 })
    }
}

/// What each thing comes to: its size and the head of its SHA-256.
const EVER: &[(&str, &str)] = &[
    (
        "bundles/window-0-5CcyqxXnJucaCnQQvvUg5EPzj1uoNAxACZvzArHw5aVDvgNH.bundle",
        "3475 58a47c3e65d00843c66d0eef40a658d8",
    ),
    (
        "bundles/window-0-5CfCr47V5Dte6bwxNBE8K9oNnQd9fiay6aDEEkgYtFv7w4Fq.bundle",
        "6590 54f9c25d61fdeec6344c5a73b02a9a51",
    ),
    ("records/checkpoint-1.json", "193 8cefd3905f2a14f3ab2ccfb8a8409cad"),
    ("records/window-0.json", "444 c8b5f25ce6341ef5d7d56aaf6ad72bba"),
    ("reports/evidence.json", "1128 bca8b644c010767f5796c3040751e3f2"),
    ("reports/window-0.json", "91966 689cce66b94509fa380d8eea3614fad4"),
    ("trainer's journal", "184 c706e012443bb629170b15a9ee35c8e8"),
    // Version 2 of verdict files, which say what was counted and why. Version 1 of the same window had 1,215 bytes.
    (
        "verdicts/5ETmuXSyBiDHwabzdAxmbyj1A25asAmNXm5gtzf7edxxQYaq-window-0.json",
        "6821 290031c5cbc49d26686675fd54e8fc5a",
    ),
    ("weights", "11 [(0, 65535)]"),
    (
        "windows/5CcyqxXnJucaCnQQvvUg5EPzj1uoNAxACZvzArHw5aVDvgNH-window-0.json",
        "5702 7388cc2174ca411c1ae9945908779b3a",
    ),
    (
        "windows/5CfCr47V5Dte6bwxNBE8K9oNnQd9fiay6aDEEkgYtFv7w4Fq-window-0.json",
        "6808 ca608564a29cc3075669e1489c490790",
    ),
];

fn sum(bytes: &[u8]) -> String {
    format!("{} {}", bytes.len(), hex::encode(&sha256(bytes)[..16]))
}

#[tokio::test]
async fn a_window_leaves_the_same_bytes_as_ever() {
    let stage = Stage::new();
    let [reports, bundles, records] = [(); 3].map(|()| MemJournal::default());
    stage.register(HONEST, false);
    stage.register(LIAR, false);
    stage.register(VALIDATOR, true);
    let model = stage.model(&[HONEST]).await;
    let settings =
        || MinerSettings { max_groups: Some(2), program: "golden 1".into(), ..MinerSettings::default() };
    let liar = CheatingGenerator { model: model.clone(), habit: Habit::Temperature(1.5) };
    let mut honest = stage.miner_told(HONEST, model.clone(), Some(model.clone()), settings());
    let mut lying = stage.miner_told(LIAR, liar, None, settings());
    stage.mine(&mut honest).await;
    stage.mine(&mut lying).await;

    let signer = Arc::new(HeldKey(Stage::pair(VALIDATOR)));
    let bundles_of_all = Bundles { everyone: true, ..Bundles::new(Arc::new(bundles.clone()), signer) };
    let settings = ValidatorSettings { bundles: Some(bundles_of_all), ..ValidatorSettings::default() };
    let mut validator = stage.validator_told(VALIDATOR, model, &reports, settings);
    let (_, weights) = stage.judge(&mut validator).await;
    let WeightsSet::Set { block, row } = weights else { panic!("the honest miner has solutions") };

    let learner = FakeLearner::default();
    let press = Arc::new(Paper(stage.manifest.clone()));
    let mut trainer = trainer_with(&stage, &learner, press, &records, from_zero());
    stage.play(async { while !matches!(trainer.step().await.unwrap(), TrainerStep::Published(_)) {} }).await;
    let (.., journal) = learner.state().saved.clone().unwrap();

    let mut left: BTreeMap<String, String> = BTreeMap::new();
    left.insert("weights".into(), format!("{block} {row:?}"));
    left.insert("trainer's journal".into(), sum(journal.to_string().as_bytes()));
    for key in stage.shelf.keys() {
        left.insert(key.to_string(), sum(&stage.shelf.peek(key).unwrap().body));
    }
    for (folder, journal) in [("reports", reports), ("bundles", bundles), ("records", records)] {
        let entries = journal.all();
        left.extend(entries.iter().map(|(name, bytes)| (format!("{folder}/{name}"), sum(bytes))));
    }
    let ever: BTreeMap<String, String> =
        EVER.iter().map(|(what, sum)| ((*what).to_owned(), (*sum).to_owned())).collect();
    assert_eq!(left, ever);
}

//! Evidence over windows, and the bundles of those that it speaks against.

use crate::stage::Stage;
use grail_artifact::{
    bundle::Bundle,
    keys::{ShelfKey, VerdictKey},
    limits::LIMITS,
    window::JsonCodec,
};
use grail_env::Environment;
use grail_ports::journal::Journal as _;
use grail_protocol::words::{Hotkey, WindowStart};
use grail_roles::{
    bundle::{Bundles, entry_name},
    evidence::{EVIDENCE_FILE, EvidenceJournal},
    reports::{FileOutcome, Reports, WindowReport},
    validate::{ValidatorSettings, WeightsSet},
};
use grail_testkit::{
    doors::{HeldKey, MemJournal},
    model::{CheatingGenerator, FakeTokenizer, Habit},
};
use grail_verify::audit::{Tools, audit_on_paper};
use std::sync::Arc;

const HONEST: u8 = 1;
const LIAR: u8 = 2;
const VALIDATOR: u8 = 9;

fn outcome<'a>(report: &'a WindowReport, hotkey: &Hotkey) -> &'a FileOutcome {
    &report.miners.iter().find(|entry| entry.hotkey == *hotkey).expect("everyone is listed").outcome
}

#[tokio::test]
async fn whoever_draws_by_other_keys_is_left_out_and_stays_out_over_a_restart() {
    let stage = Stage::new();
    let reports = MemJournal::default();
    let [honest, liar] = [HONEST, LIAR].map(|id| stage.register(id, false));
    let validator_key = stage.register(VALIDATOR, true);
    let model = stage.model(&[HONEST]).await;
    let mut miner = stage.miner(HONEST, model.clone(), None);
    let mut lying =
        stage.miner(LIAR, CheatingGenerator { model: model.clone(), habit: Habit::OwnNoise(1) }, None);
    stage.mine_together(&mut miner, &mut lying).await;
    stage.mine_together(&mut miner, &mut lying).await;

    let mut validator = stage.validator(VALIDATOR, model.clone(), &reports);
    let (first, _) = stage.judge(&mut validator).await;
    assert!(
        matches!(outcome(&first.report, &liar), FileOutcome::Judged(judged) if judged.tally.accepted == 0)
    );
    let kept = Reports::new(Arc::new(reports.clone()));
    let network = first.report.network.clone();
    let journal = EvidenceJournal::load(&kept, &network).unwrap();
    assert!(journal.exclusion(&liar, WindowStart(8)).is_some());
    let drawn = journal.miners[&honest].evidence;
    assert!(drawn.draws() > 100 && drawn.lost() == 0, "{drawn:?}");

    // Killed between the report and the journal, or before the journal was ever written: it is made again.
    drop(validator);
    reports.remove(EVIDENCE_FILE).unwrap();
    let mut validator = stage.validator(VALIDATOR, model, &reports);
    assert_eq!(EvidenceJournal::load(&kept, &network).unwrap(), journal);

    let (second, weights) = stage.judge(&mut validator).await;
    assert_eq!(second.report.window, WindowStart(8));
    let FileOutcome::Excluded(exclusion) = outcome(&second.report, &liar) else {
        panic!("{:?}", outcome(&second.report, &liar))
    };
    assert_eq!(exclusion.since, WindowStart(0));
    assert!(exclusion.to_string().contains("left out until window 200"), "{exclusion}");
    assert!(
        matches!(outcome(&second.report, &honest), FileOutcome::Judged(judged) if judged.tally.accepted == 32)
    );
    assert!(matches!(weights, WeightsSet::Set { .. }));

    // Whoever is left out can read it.
    let (third, _) = stage.judge(&mut validator).await;
    assert_eq!(third.report.window, WindowStart(16));
    let key = ShelfKey::from(VerdictKey { validator: validator_key, window: WindowStart(8) });
    let published = String::from_utf8(stage.shelf.peek(key).unwrap().body.to_vec()).unwrap();
    assert!(published.contains("\"excluded\":1"), "{published}");
}

#[tokio::test]
async fn the_bundle_of_a_refused_miner_is_kept_and_holds_on_another_machine() {
    let stage = Stage::new();
    let (reports, bundles) = (MemJournal::default(), MemJournal::default());
    let [honest, liar] = [HONEST, LIAR].map(|id| stage.register(id, false));
    let validator_key = stage.register(VALIDATOR, true);
    let model = stage.model(&[HONEST]).await;
    let mut miner = stage.miner(HONEST, model.clone(), None);
    let mut lying =
        stage.miner(LIAR, CheatingGenerator { model: model.clone(), habit: Habit::Temperature(1.5) }, None);
    stage.mine_together(&mut miner, &mut lying).await;

    let signer = Arc::new(HeldKey(Stage::pair(VALIDATOR)));
    let keeping = Bundles::new(Arc::new(bundles.clone()), signer);
    let settings = ValidatorSettings { bundles: Some(keeping), ..ValidatorSettings::default() };
    let mut validator = stage.validator_told(VALIDATOR, model.clone(), &reports, settings);
    let (window, _) = stage.judge(&mut validator).await;
    let of = |miner| bundles.peek(&entry_name(WindowStart(0), miner));
    assert_eq!(of(&honest), None, "{:?}", window.report.miners.len());
    let bundle = Bundle::read(&of(&liar).unwrap()).unwrap();
    assert_eq!((bundle.head.validator, bundle.head.miner), (validator_key, liar));
    let audited = audit_on_paper(bundle, &[&JsonCodec], &LIMITS).unwrap();
    assert_eq!(audited.context, stage.foresee(WindowStart(0)).await);
    let tools = Tools {
        codec: &JsonCodec,
        limits: &LIMITS,
        environment: &Environment::Sat,
        tokenizer: &FakeTokenizer,
    };
    let mut oracle = model.with_noise(1e-5, 5);
    let found = audited.replay(&tools, &mut oracle, &mut |_| true).unwrap();
    assert!(found.tally.rejected_total() >= 16 && found.tally.accepted == 0, "{:?}", found.tally);
}

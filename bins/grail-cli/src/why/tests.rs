use super::{
    diagnose::{Diagnosis, diagnose},
    facts::{BucketState, WhyFacts, gather},
    show::screen,
};
use crate::{
    explain::next_step,
    verdicts::read::tests::{Stage, on, pair, publish, stage, verdicts},
};
use grail_artifact::keys::{WindowEncoding, WindowKey};
use grail_ports::chain::ChainWrite as _;
use grail_protocol::{
    params::DEV,
    words::{Hotkey, UnixMillis, WindowStart},
};
use grail_testkit::doors::MemDirectory;

async fn why(stage: &Stage, byte: u8) -> (WhyFacts, Diagnosis) {
    let facts = gather(&stage.view, &pair(byte).hotkey(), 3).await.unwrap();
    let diagnosis = diagnose(&facts);
    (facts, diagnosis)
}

fn upload(stage: &Stage, window: u64, after_deadline_ms: u64) {
    let key = WindowKey {
        hotkey: pair(9).hotkey(),
        window: WindowStart(window),
        encoding: WindowEncoding::Parquet,
    };
    let last = DEV.last_block(WindowStart(window)).0 * DEV.block_time_ms;
    let deadline = DEV.upload_deadline(UnixMillis(last)).0;
    let at = if after_deadline_ms == 0 { deadline - 2_000 } else { deadline + after_deadline_ms };
    stage.shelf.place(key, "rollouts", UnixMillis(at));
}

#[tokio::test]
async fn the_first_thing_that_went_wrong_is_named_step_by_step() {
    let mut stage = stage();
    let code = |diagnosis: &Diagnosis| diagnosis.code.clone().unwrap();
    assert_eq!(code(&why(&stage, 33).await.1), "not-registered");

    // Registered, and it has committed nothing.
    let directory =
        std::mem::replace(&mut stage.view.directory, std::sync::Arc::new(MemDirectory::default()));
    assert_eq!(code(&why(&stage, 9).await.1), "not-committed");
    stage.view.directory = directory;
    assert_eq!(code(&why(&stage, 9).await.1), "no-file");

    upload(&stage, 40, 1_500);
    let (facts, diagnosis) = why(&stage, 9).await;
    assert_eq!(code(&diagnosis), "late-upload");
    assert!(diagnosis.told.contains("1.5 s after"), "{diagnosis:?}");
    assert_eq!(facts.uploads[0].margin_ms, Some(-1_500));

    upload(&stage, 20, 0);
    assert_eq!(code(&why(&stage, 9).await.1), "no-verdicts");
    publish(&stage, &verdicts(1, 40, vec![on(8, None, 3)]));
    assert_eq!(code(&why(&stage, 9).await.1), "not-judged");

    let mut refused = on(9, Some("sketch-rms"), 0);
    refused.groups.clear();
    refused.counts.as_mut().unwrap().valid = 0;
    publish(&stage, &verdicts(1, 20, vec![refused]));
    let (facts, diagnosis) = why(&stage, 9).await;
    assert_eq!(code(&diagnosis), "sketch-rms");
    for word in ["window 20", "group 1 rollout 0 token 6", "measured 0.97, allowed 0.02"] {
        assert!(diagnosis.told.contains(word), "{diagnosis:?}");
    }
    assert_eq!(diagnosis.remedy, next_step("sketch-rms"));
    let shown = screen(&facts, &diagnosis);
    for word in [
        "incentive",
        "weights",
        "score",
        "verdicts",
        "refusals",
        "uploads",
        "first wrong",
        "grail explain sketch-rms",
    ] {
        assert!(shown.contains(word), "{shown}");
    }
    assert!(shown.lines().count() < 30, "one screen: {shown}");

    publish(&stage, &verdicts(1, 20, vec![on(9, None, 0)]));
    assert_eq!(code(&why(&stage, 9).await.1), "nothing-right");
    publish(&stage, &verdicts(1, 20, vec![on(9, None, 5)]));
    assert_eq!(code(&why(&stage, 9).await.1), "no-weight-yet");

    let signer = stage.chain.as_hotkey(pair(1).hotkey());
    signer.set_weights(&vec![(2, 65_535)]).await.unwrap();
    let (facts, diagnosis) = why(&stage, 9).await;
    assert_eq!(facts.weights.iter().map(|given| given.share).fold(0.0, f64::max), 1.0);
    if facts.incentive == 0 {
        assert_eq!(code(&diagnosis), "weight-without-incentive");
    }
    assert_eq!(facts.score.as_ref().unwrap().by, pair(1).hotkey());

    let paid = WhyFacts { incentive: 9, ..facts };
    let diagnosis = diagnose(&paid);
    assert_eq!(diagnosis.code, None);
    assert!(diagnosis.told.contains("nothing went wrong") && diagnosis.told.contains("9 of 65535"));
}

#[tokio::test]
async fn a_bucket_that_does_not_answer_is_told_with_its_reason() {
    let stage = stage();
    let (facts, _) = why(&stage, 9).await;
    let facts = WhyFacts { bucket: BucketState::Unreachable("403 Forbidden".to_owned()), ..facts };
    let diagnosis = diagnose(&facts);
    assert_eq!(diagnosis.code.as_deref(), Some("bucket-unreachable"));
    assert!(diagnosis.told.contains("403") && screen(&facts, &diagnosis).contains("403"));
}

#[tokio::test]
async fn every_code_of_a_diagnosis_has_a_remedy_and_the_facts_are_json() {
    for code in [
        "not-registered",
        "not-committed",
        "bucket-unreachable",
        "no-file",
        "late-upload",
        "no-verdicts",
        "not-judged",
        "refused",
        "undecided-only",
        "nothing-right",
        "no-weight-yet",
        "weight-without-incentive",
    ] {
        assert!(next_step(code).is_some(), "{code}");
    }
    let stage = stage();
    publish(&stage, &verdicts(1, 20, vec![on(9, Some("draw-margin"), 2)]));
    let (facts, _) = why(&stage, 9).await;
    let json = serde_json::to_value(&facts).unwrap();
    assert_eq!(json["verdicts"][0]["verdict"]["reasons"][0]["code"], "draw-margin");
    assert_eq!(json["hotkey"].as_str().unwrap(), Hotkey::to_string(&pair(9).hotkey()));
}

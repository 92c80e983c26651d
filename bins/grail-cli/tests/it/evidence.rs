//! What a validator counted and decided, as others see it.

use crate::{fixture, grail, refuses, text, works};
use serde_json::{Value, json};
use std::fs;

fn audited(arguments: &[&str]) -> (Option<i32>, Value) {
    let output = grail(&[&["audit"], arguments, &["--json"]].concat());
    let value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), value)
}

#[test]
fn a_bundle_that_holds_is_told_from_one_that_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let (honest, refused) = (fixture("bundles/honest.bundle"), fixture("bundles/refused.bundle"));
    let (code, account) = audited(&[text(&honest)]);
    assert_eq!(
        (code, &account["good"], &account["by_model"]),
        (Some(0), &json!(true), &json!(false)),
        "{account}"
    );
    assert_eq!(account["about"]["rollouts"], json!([16, 0, 0]));
    assert!(account["on_trust"].as_array().is_some_and(|list| list.len() >= 4), "{account}");
    let (code, account) = audited(&[text(&refused)]);
    assert_eq!(
        (code, &account["good"]),
        (Some(0), &json!(true)),
        "a refusal that holds is a good bundle: {account}"
    );
    assert!(account["about"]["rollouts"][1].as_u64().is_some_and(|refused| refused > 8), "{account}");
    let told = works(&["audit", text(&refused)]);
    assert!(told.contains("draw-margin") && told.contains("holds on paper"), "{told}");

    let signer = account["about"]["validator"].as_str().unwrap();
    assert_eq!(audited(&[text(&honest), "--validator", signer]).0, Some(0));
    let stranger = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
    let (code, account) = audited(&[text(&honest), "--validator", stranger]);
    assert_eq!((code, &account["problems"][0]["name"]), (Some(1), &json!("signer")));

    let bytes = fs::read(&honest).unwrap();
    for (name, damaged) in [
        ("malformed", bytes[..bytes.len() / 2].to_vec()),
        ("malformed", b"grail".to_vec()),
        ("unknown-version", [&bytes[..13], &[9, 0], &bytes[15..]].concat()),
    ] {
        let path = dir.path().join("damaged.bundle");
        fs::write(&path, damaged).unwrap();
        let (code, account) = audited(&[text(&path)]);
        assert_eq!((code, &account["problems"][0]["name"]), (Some(1), &json!(name)), "{account}");
    }
    refuses(&["audit", text(&dir.path().join("missing"))], &["missing"]);
}

#[test]
fn a_score_is_explained_from_the_validators_files() {
    let dir = tempfile::tempdir().unwrap();
    let judged: Value = serde_json::from_slice(
        &fs::read(fixture("windows/good/two-groups-with-solutions/report.json")).unwrap(),
    )
    .unwrap();
    let hotkey = judged["hotkey"].as_str().unwrap().to_owned();
    let absent = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
    let report = json!({
        "version": 1, "network": "dev-0001", "window": judged["window"], "checkpoint": judged["checkpoint"],
        "env": judged["env"], "validator": absent, "challenge": "00".repeat(32), "numeric": "strict-f32",
        "sampling": { "all_up_to": 16, "share_percent": 25, "min": 16, "max": 64 },
        "miners": [
            { "uid": 1, "hotkey": hotkey, "outcome": { "judged": judged } },
            { "uid": 2, "hotkey": absent, "outcome": "absent" },
        ],
    });
    fs::write(dir.path().join("window-40.json"), report.to_string()).unwrap();
    let folder = text(dir.path());
    let told = works(&["score", "explain", &hotkey, "--reports", folder]);
    assert!(told.contains("1.0000 of 1") && told.contains("10^0.00 now"), "{told}");
    assert!(told.contains("up to 16 groups whole"), "{told}");
    let value: Value =
        serde_json::from_str(&works(&["score", "explain", &hotkey, "--reports", folder, "--json"])).unwrap();
    assert_eq!((&value["weight"], &value["alarm"]), (&json!(1.0), &json!("none")));
    assert_eq!(value["windows"][0]["accepted"], json!(32));
    assert!(value["windows"][0]["draws"]["draws"].as_u64().is_some_and(|draws| draws > 100), "{value}");
    let told = works(&["score", "explain", absent, "--reports", folder]);
    assert!(told.contains("no file was judged") && told.contains("absent"), "{told}");

    let nobody = "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty";
    refuses(&["score", "explain", nobody, "--reports", folder], &[nobody, "none of the"]);
    let empty = tempfile::tempdir().unwrap();
    refuses(&["score", "explain", &hotkey, "--reports", text(empty.path())], &["no verdicts"]);
}

//! What anybody learns of a miner's pay, and what a newcomer fetches, on a development network whose windows lie behind it.

use super::{devnet, fixture, refuses, text, works};
use crate::trained::{publish, train};
use grail_artifact::{
    keys::{DatasetKey, VerdictKey, WindowEncoding, WindowKey},
    verdict::{FileCounts, FileVerdict, RefusalReason, VERDICT_VERSION, VerdictFile},
    window::RootHex,
};
use grail_devnet::{Devnet, DevnetOptions, Founder};
use grail_ports::clock::Clock as _;
use grail_protocol::{
    params::DEV,
    words::{CheckpointId, GroupIndex, Hotkey, RolloutIndex, UnixMillis, WindowStart},
};
use grail_roles::clock::SystemClock;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
};

/// A network with three windows behind it: a miner, a validator, a trainer.
fn network(dir: &Path) -> Devnet {
    let founder =
        |name: &str, stake, validator_permit| Founder { name: name.into(), stake, validator_permit };
    let behind = 3 * DEV.window_length * DEV.block_time_ms + 10_000;
    let genesis = UnixMillis(SystemClock.now().0 - behind);
    let founders =
        vec![founder("alice", 1.0, false), founder("victor", 1_000.0, true), founder("tina", 1.0, false)];
    let options = DevnetOptions { params: DEV, genesis, founders, trainer: Some("tina".into()) };
    let net = grail_devnet::init(dir, &options).unwrap();
    let first = train(&net.key("tina").unwrap(), 0, 0, None);
    let manifest =
        grail_artifact::manifest::Manifest { version: 1, publication: None, ..first.manifest.clone() };
    fs::write(dir.join("manifest.json"), manifest.to_json().unwrap()).unwrap();
    net
}

fn put(net: &Devnet, key: &str, bytes: &[u8]) {
    let path = net.shelf().join(key);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Victor's verdicts on alice's file: refused for another arithmetic.
fn verdicts(net: &Devnet, window: u64) -> VerdictFile {
    let reason = RefusalReason {
        group: Some(GroupIndex(0)),
        rollout: Some(RolloutIndex(3)),
        token: Some(17),
        code: "sketch-rms".into(),
        measured: Some("1.19".into()),
        allowed: Some("0.02".into()),
        told: "the sketch is 1.19 spreads from the recomputed one".into(),
    };
    let file = FileVerdict {
        hotkey: net.key("alice").unwrap().hotkey(),
        root: Some(RootHex([1; 32])),
        groups: Vec::new(),
        refused: BTreeMap::from([("sketch-rms".into(), 16)]),
        undecided: BTreeMap::new(),
        counts: Some(FileCounts { groups: 1, checked: 1, extrapolation: 1_000_000, ..FileCounts::default() }),
        reasons: vec![reason],
    };
    let victor = net.key("victor").unwrap();
    let mut verdicts = VerdictFile {
        version: VERDICT_VERSION,
        network: net.network().id.clone(),
        window: WindowStart(window),
        checkpoint: CheckpointId::from_bytes([5; 32]),
        env: "sat/1".parse().unwrap(),
        validator: victor.hotkey(),
        challenge: RootHex([6; 32]),
        files: vec![file],
        signature: None,
    };
    verdicts.sign(&victor, [0; 32]);
    verdicts
}

fn publish_verdicts(net: &Devnet, window: u64) {
    let file = verdicts(net, window);
    let key = VerdictKey { validator: file.validator, window: file.window };
    put(net, &key.to_string(), &file.to_json().unwrap());
}

#[track_caller]
fn json(arguments: &[&str]) -> (Value, i32) {
    let output = devnet(arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    let value = serde_json::from_slice(&output.stdout).unwrap_or_else(|odd| panic!("{odd}: {error}"));
    (value, output.status.code().unwrap())
}

#[test]
fn a_miner_without_pay_learns_the_first_thing_that_went_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let net = network(&dir.path().join("net"));
    let alice = net.key("alice").unwrap().hotkey();
    let (hotkey, dir) = (alice.to_string(), text(net.dir()));
    let (screen, object) = (["why", &hotkey, "--devnet", dir], ["why", &hotkey, "--devnet", dir, "--json"]);
    let (value, code) = json(&object);
    assert_eq!((&value["diagnosis"]["code"], code), (&"no-file".into(), 1), "{value}");

    let key = WindowKey { hotkey: alice, window: WindowStart(20), encoding: WindowEncoding::Parquet };
    put(&net, &key.to_string(), b"rollouts");
    // The folder's own time is that of this moment, which is long after window 20: late, unless somebody judged it.
    let (value, _) = json(&object);
    assert_eq!(value["diagnosis"]["code"], "late-upload", "{value}");
    let late = fs::File::options().write(true).open(net.shelf().join(key.to_string())).unwrap();
    let in_time = std::time::UNIX_EPOCH
        + std::time::Duration::from_millis(net.network().genesis.0 + 20 * DEV.block_time_ms + 1_000);
    late.set_modified(in_time).unwrap();
    let (value, _) = json(&object);
    assert_eq!(value["diagnosis"]["code"], "no-verdicts", "{value}");

    publish_verdicts(&net, 20);
    let told = devnet(&screen);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    for word in [
        "incentive",
        "window 20",
        "group 0 rollout 3 token 17",
        "measured 1.19, allowed 0.02",
        "grail explain sketch-rms",
    ] {
        assert!(told.contains(word), "{told}");
    }
}

#[test]
fn verdict_files_are_read_from_the_validators_shelf_and_followed() {
    let dir = tempfile::tempdir().unwrap();
    let net = network(&dir.path().join("net"));
    let own = ["--devnet", text(net.dir())];
    let (alice, victor) =
        (net.key("alice").unwrap().hotkey().to_string(), net.key("victor").unwrap().hotkey());
    let (value, code) = json(&[&["verdicts", "--json"][..], &own].concat());
    assert_eq!((value["verdicts"].as_array().unwrap().len(), code), (0, 1));
    publish_verdicts(&net, 20);
    let (value, code) = json(&[&["verdicts", "--hotkey", &alice, "--json"][..], &own].concat());
    assert_eq!(code, 0, "{value}");
    let reason = &value["verdicts"][0]["files"][0]["reasons"][0];
    assert_eq!((&reason["code"], &reason["token"]), (&"sketch-rms".into(), &17.into()));
    assert_eq!(value["verdicts"][0]["validator"], victor.to_string());
    let told = works(&[&["verdicts"][..], &own].concat());
    assert!(told.contains("sketch-rms 16") && told.contains(&alice), "{told}");
    // What somebody else wrote there is named, not believed.
    let mut forged = verdicts(&net, 40);
    forged.files.clear();
    let key = VerdictKey { validator: victor, window: WindowStart(40) };
    put(&net, &key.to_string(), &forged.to_json().unwrap());
    let (value, _) = json(&[&["verdicts", "--json"][..], &own].concat());
    assert!(value["unread"][0]["reason"].as_str().unwrap().contains("signature"), "{value}");

    let mut follow = Command::new(env!("CARGO_BIN_EXE_grail-devnet"))
        .args([&["verdicts", "--follow", "--json"][..], &own].concat())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(follow.stdout.take().unwrap()).lines();
    let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(first["window"], 20);
    publish_verdicts(&net, 40);
    let second: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(second["window"], 40, "each is told once, when it appears");
    follow.kill().unwrap();
    follow.wait().unwrap();
}

#[test]
fn a_newcomer_fetches_checkpoint_and_rows_and_is_told_what_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let net = network(&dir.path().join("net"));
    let tina = net.key("tina").unwrap();
    let own = ["--devnet", text(net.dir())];
    let to = dir.path().join("models");
    let join = [&["join", "--to", text(&to), "--json"][..], &own].concat();
    let (value, code) = json(&join);
    assert_eq!((code, value["model"].is_null()), (1, true), "{value}");
    assert!(value["missing"][0].as_str().unwrap().contains("grail checkpoint describe"), "{value}");

    publish(&net.shelf(), &tina, &train(&tina, 20, 1, None), None);
    let (value, code) = json(&join);
    assert_eq!(
        (code, &value["window"], &value["trainer"]),
        (0, &20.into(), &tina.hotkey().to_string().into())
    );
    assert!(Path::new(value["model"].as_str().unwrap()).join("manifest.json").exists());
    let window = ["inspect", "seed", "--window", "40", "--no-drand", "--hotkey"];
    let seeds = works(&[&window[..], &[&Hotkey::from_bytes([9; 32]).to_string()], &own].concat());
    assert!(seeds.contains("problem seed"), "{seeds}");

    let rows = fs::read(fixture("datasets/gsm8k-mini.jsonl")).unwrap();
    let env = grail_node::network::environment("gsm8k", Some(&rows)).unwrap().id().unwrap().clone();
    let get = [&["dataset", "gsm8k", "--id", env.as_str()][..], &own].concat();
    refuses(&get, &["has no datasets/gsm8k-", "--from FILE"]);
    put(&net, &DatasetKey::of(tina.hotkey(), &env).unwrap().to_string(), &rows);
    assert!(works(&get).contains("from the trainer's bucket"));
    assert_eq!(fs::read(net.dir().join("datasets/gsm8k.jsonl")).unwrap(), rows);
    refuses(&[&["dataset", "gsm8k"][..], &own].concat(), &["asks no gsm8k"]);
}

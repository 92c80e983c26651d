//! Ten wrong inputs and more, each named.

use crate::stage::{model, network, run, text};
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

/// The program refuses, with exit code 2, and its message holds each of the words.
#[track_caller]
fn refuses(command: &mut Command, words: &[&str]) {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{command:?}: {error}");
    for word in words {
        assert!(error.contains(word), "{command:?} says {error:?}, without {word:?}");
    }
    assert!(!error.contains("panicked"), "{error}");
}

fn trainer(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_grail-devnet"));
    command.arg("train").args(arguments);
    command
}

#[test]
fn wrong_networks_keys_and_folders_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let (net, bare) = (dir.path().join("net"), dir.path().join("bare"));
    network(&net, Some("trainer"), 2);
    network(&bare, None, 2);
    let state = dir.path().join("state");
    let as_key = |net: &Path, key: &str, model: &Path| {
        let mut command = trainer(&["run", "--devnet", text(net), "--key", key, "--model", text(model)]);
        command.args(["--state", text(&state)]);
        command
    };
    refuses(&mut as_key(&net, "miner", &model()), &["trainer of network", "nobody would follow"]);
    refuses(&mut as_key(&net, "nobody", &model()), &["nobody"]);
    refuses(&mut as_key(&bare, "validator", &model()), &["has no trainer", "--trainer validator"]);
    refuses(&mut as_key(&dir.path().join("void"), "trainer", &model()), &["void"]);
    refuses(&mut as_key(&net, "trainer", &dir.path().join("no-model")), &["no-model"]);
    // Another model than the network began with.
    let other = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/models/hf/qwen2");
    refuses(&mut as_key(&net, "trainer", &other), &["the manifest says"]);
    refuses(
        as_key(&net, "trainer", &model()).args(["--device", "tpu"]),
        &["tpu", "expected cpu, cuda or cuda:N"],
    );
    refuses(as_key(&net, "trainer", &model()).args(["--validator", "5Gxx"]), &["5Gxx"]);
    refuses(as_key(&net, "trainer", &model()).args(["--from", "3"]), &["3 is not the first block"]);
    refuses(
        as_key(&net, "trainer", &model()).args(["--settings", "nowhere.toml"]),
        &["cannot read nowhere.toml"],
    );
    let settings = dir.path().join("settings.toml");
    fs::write(&settings, "[learner.schedule]\nrate = 5.0\n").unwrap();
    refuses(
        as_key(&net, "trainer", &model()).args(["--settings", text(&settings)]),
        &["rate is 5", "at most 1"],
    );
}

#[test]
fn two_trainers_do_not_share_a_state() {
    let dir = tempfile::tempdir().unwrap();
    let (net, state) = (dir.path().join("net"), dir.path().join("state"));
    network(&net, Some("trainer"), 2);
    let mut first = run(&net, &state, &[]).stderr(Stdio::null()).spawn().unwrap();
    for _ in 0..200 {
        if state.join(".lock").exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    // The lock file is made a moment before it is locked.
    std::thread::sleep(Duration::from_millis(200));
    refuses(&mut run(&net, &state, &[]), &["another trainer works in", "--state"]);
    first.kill().unwrap();
    first.wait().unwrap();
}

#[test]
fn check_says_what_is_well_and_what_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let (net, state) = (dir.path().join("net"), dir.path().join("state"));
    network(&net, Some("trainer"), 2);
    let model = model();
    let arguments = [
        "check",
        "--devnet",
        text(&net),
        "--key",
        "trainer",
        "--model",
        text(&model),
        "--state",
        text(&state),
    ];
    let well = trainer(&arguments).output().unwrap();
    let said = String::from_utf8_lossy(&well.stdout);
    assert!(well.status.success(), "{said}");
    assert!(said.contains("whose trainer this is") && said.contains("1 with a permit"), "{said}");

    fs::remove_dir_all(net.join("shelf")).unwrap();
    let broken = trainer(&arguments).output().unwrap();
    assert_eq!(broken.status.code(), Some(1));
    let said = String::from_utf8_lossy(&broken.stdout);
    assert!(said.contains("shelf"), "{said}");
}

#[test]
fn settings_are_shown_so_that_they_can_be_used() {
    let shown = trainer(&["config", "show"]).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("[learner.schedule]") && shown.contains("# Learning rate. (default)"), "{shown}");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("shown.toml");
    fs::write(&file, &shown).unwrap();
    let again = trainer(&["config", "show", "--settings", text(&file), "--as-json"]).output().unwrap();
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    let json: serde_json::Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(json["learner.schedule.rate"]["origin"], "file");
    assert_eq!(json["learner.schedule.rate"]["value"], 1e-6);
}

//! The miner's mistakes, as its operator makes them.

use grail_devnet::{DevnetOptions, Founder};
use grail_ports::clock::Clock as _;
use grail_roles::clock::SystemClock;
use grail_store::checkpoint::{Terms, describe};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The program refuses, with exit code 2, and its message holds each of the words.
#[track_caller]
fn refuses(arguments: &[&str], words: &[&str]) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_grail-devnet")).arg("mine").args(arguments).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
    for word in words {
        assert!(error.contains(word), "{arguments:?} says {error:?}, without {word:?}");
    }
    assert!(!error.contains("panicked"), "{error}");
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A network whose checkpoint is a copy of a tiny model, and the copy's folder.
fn network(dir: &Path) -> (PathBuf, PathBuf) {
    let (net, model) = (dir.join("net"), dir.join("model"));
    fs::create_dir(&model).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/models/tiny");
    for file in fs::read_dir(source).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), model.join(file.file_name())).unwrap();
    }
    let founder = Founder { name: "alice".into(), stake: 1.0, validator_permit: false };
    let options = DevnetOptions {
        params: grail_protocol::params::DEV_FAST,
        genesis: SystemClock.now(),
        founders: vec![founder],
        trainer: None,
    };
    grail_devnet::init(&net, &options).unwrap();
    let terms = Terms {
        environments: vec!["arith/1:1".parse().unwrap()],
        policy: grail_protocol::draw::SamplingPolicy::DEFAULT,
        max_new_tokens: 16,
        numeric: grail_protocol::profile::NumericProfile::StrictF32,
    };
    let manifest = describe(&model, terms, &mut |_| {}).unwrap();
    fs::write(net.join("manifest.json"), manifest.to_json().unwrap()).unwrap();
    (net, model)
}

#[test]
fn a_batch_that_does_not_divide_a_group_is_refused() {
    refuses(
        &["run", "--devnet", "x", "--key", "y", "--model", "z", "--batch-size", "3"],
        &["3", "expected 1, 2, 4, 8, 16"],
    );
}

#[test]
fn each_missing_piece_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (net, model) = network(dir.path());
    let run = |net: &Path, key: &str, model: &Path, words: &[&str]| {
        refuses(&["run", "--devnet", text(net), "--key", key, "--model", text(model)], words);
    };
    run(&dir.path().join("nowhere"), "alice", &model, &["nowhere"]);
    run(&net, "mallory", &model, &["mallory"]);
    run(&net, "alice", &dir.path().join("absent"), &["absent"]);

    // A checkpoint that differs from the manifest is refused before a byte of it is used.
    let weights = model.join("model.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&weights, &bytes).unwrap();
    run(&net, "alice", &model, &["model.safetensors", "digest"]);
    fs::write(&weights, &bytes[..last]).unwrap();
    run(&net, "alice", &model, &["model.safetensors", "size"]);

    fs::write(net.join("manifest.json"), "{").unwrap();
    run(&net, "alice", &model, &["manifest.json"]);
    fs::remove_file(net.join("manifest.json")).unwrap();
    run(&net, "alice", &model, &["manifest.json", "grail devnet init"]);
}

#[test]
fn a_device_that_is_not_there_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (net, model) = network(dir.path());
    let base = ["run", "--devnet", text(&net), "--key", "alice", "--model", text(&model), "--device"];
    refuses(&[&base[..], &["tpu"]].concat(), &["tpu", "cuda:N"]);
}

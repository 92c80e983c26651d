//! `grail-devnet` as its user meets it: networks are made and looked at, and the commands of `grail` open them.

mod doctor;
mod ready;
#[path = "../../../bins/grail-cli/tests/it/trained.rs"]
mod trained;
mod why;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};
use trained::{publish, train, trainer};

fn devnet(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_grail-devnet"));
    // What the tester's own shell says about a network must not answer for these.
    for name in ["DEVNET", "TRAINER", "PROFILE", "CHECKPOINT_SHELF", "S3_ENDPOINT", "R2_ACCOUNT", "MODEL"] {
        command.env_remove(format!("GRAIL_{name}"));
    }
    command.args(arguments).output().expect("the program was built")
}

#[track_caller]
fn works(arguments: &[&str]) -> String {
    let output = devnet(arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// The program refuses, with exit code 2, and its message holds each of the words.
#[track_caller]
fn refuses(arguments: &[&str], words: &[&str]) {
    let output = devnet(arguments);
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

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(path)
}

/// A copy of the tiny model, with room for longer prompts than it was taught.
fn model(dir: &Path) -> PathBuf {
    let folder = tiny(dir);
    let config = fs::read_to_string(folder.join("config.json")).unwrap();
    let longer = config.replace("\"max_position_embeddings\": 512", "\"max_position_embeddings\": 4096");
    assert_ne!(longer, config);
    fs::write(folder.join("config.json"), longer).unwrap();
    folder
}

/// A copy of the tiny model.
fn tiny(dir: &Path) -> PathBuf {
    let folder = dir.join("model");
    fs::create_dir(&folder).unwrap();
    for file in fs::read_dir(fixture("models/tiny")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), folder.join(file.file_name())).unwrap();
    }
    folder
}

#[test]
fn help_names_every_command() {
    let help = works(&["--help"]);
    for command in ["init", "status", "demo", "mine", "validate", "train", "grail --help"] {
        assert!(help.contains(command), "{help}");
    }
}

#[test]
fn a_network_is_made_looked_at_and_never_made_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (net, model) = (dir.path().join("net"), model(dir.path()));
    let told = works(&["init", text(&net), "--model", text(&model), "--miners", "alice,bob"]);
    assert!(told.contains("grail-miner run") && told.contains("--key bob"), "{told}");
    let status = works(&["status", text(&net)]);
    assert!(status.contains("dev-") && status.lines().count() > 4, "{status}");
    refuses(&["init", text(&net), "--model", text(&model)], &["net"]);
    assert!(net.join("chain.sqlite").exists());
}

#[test]
fn the_environments_of_a_network_are_those_its_maker_lists() {
    let dir = tempfile::tempdir().unwrap();
    let model = model(dir.path());
    let asked = |name: &str, more: &[&str]| {
        let net = dir.path().join(name);
        works(&[&["init", text(&net), "--model", text(&model)][..], more].concat());
        let manifest = fs::read(net.join("manifest.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
        let list = manifest["environments"].as_array().unwrap().clone();
        let list: Vec<_> = list.iter().map(|id| id.as_str().unwrap().to_owned()).collect();
        (list, net.join("datasets/gsm8k.jsonl").exists())
    };
    let (list, rows) = asked("usual", &[]);
    assert!(list[0] == "sat/1" && list[1].starts_with("gsm8k/1:") && list.len() == 2, "{list:?}");
    assert!(rows);
    let (list, rows) = asked("sums", &["--environments", "arith-1,sat,arith-4"]);
    assert_eq!(list, ["arith/1:1", "sat/1", "arith/1:4"]);
    assert!(!rows, "nobody asks for the rows");
    let net = dir.path().join("refused");
    let init = ["init", text(&net), "--model", text(&model), "--environments"];
    let refused = |more: &[&str], words: &[&str]| refuses(&[&init[..], more].concat(), words);
    for unknown in ["chess", "arith", "arith-5", "sat,", ""] {
        refused(&[unknown], &["sat", "gsm8k", "arith-1", "arith-4"]);
    }
    let file = fixture("datasets/gsm8k-mini.jsonl");
    refused(&["arith-1", "--gsm8k", text(&file)], &["--gsm8k", "--environments"]);
    assert!(!net.exists(), "a refused network leaves nothing behind");
}

#[test]
fn seeds_and_problems_can_be_followed_by_hand() {
    let dir = tempfile::tempdir().unwrap();
    let (net, model) = (dir.path().join("net"), model(dir.path()));
    works(&["init", text(&net), "--model", text(&model)]);
    let hotkey = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
    let seeds = works(&[
        "inspect",
        "seed",
        "--devnet",
        text(&net),
        "--window",
        "0",
        "--hotkey",
        hotkey,
        "--no-drand",
    ]);
    let line = seeds.lines().find(|line| line.starts_with("problem seed")).unwrap();
    let seed = line.split_whitespace().last().unwrap();
    let problem = works(&["inspect", "problem", "sat", seed]);
    assert!(problem.contains("<SOLUTION>"), "{problem}");
    let problem = works(&["inspect", "problem", "arith-2", seed]);
    assert!(problem.contains(" + ") && problem.contains("<SOLUTION>"), "{problem}");
    let rows = fixture("datasets/gsm8k-mini.jsonl");
    let problem = works(&["inspect", "problem", "gsm8k", seed, "--rows", text(&rows)]);
    assert!(problem.contains("<SOLUTION>"), "{problem}");
}

#[test]
fn mistakes_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let model = model(dir.path());
    let (missing, net) = (path("missing"), path("net"));
    refuses(&["init", text(&net), "--model", text(&missing)], &["missing", "cargo xtask model smollm2"]);
    refuses(&["init", text(&net), "--model", text(&model), "--profile", "main"], &["dev-fast"]);
    refuses(&["init", text(&net), "--model", text(&model), "--miners", "Bad Name"], &["a-z"]);
    refuses(&["init", text(&net), "--model", text(&model), "--max-new-tokens", "5000"], &["1024"]);
    let rows = path("rows.jsonl");
    fs::write(&rows, "{\"question\": 1}").unwrap();
    refuses(&["init", text(&net), "--model", text(&model), "--gsm8k", text(&rows)], &["GSM8K"]);
    assert!(!net.exists(), "a refused network leaves nothing behind");
    refuses(&["status", text(&missing)], &["missing"]);
    let list =
        ["checkpoint", "list", "--trainer", &trainer().hotkey().to_string(), "--devnet", text(&missing)];
    refuses(&list, &["missing", "grail devnet init"]);
    refuses(&["chess"], &["chess"]);
}

#[test]
fn a_network_names_shelf_trainer_and_profile() {
    let dir = tempfile::tempdir().unwrap();
    let (net, model) = (dir.path().join("net"), model(dir.path()));
    works(&["init", text(&net), "--model", text(&model), "--trainer", "tina", "--miners", "tina"]);
    let opened = grail_devnet::open(&net).unwrap();
    let pair = opened.key("tina").unwrap();
    let first = train(&pair, 20, 1, None);
    publish(&opened.shelf(), &pair, &first, None);
    let own = ["--devnet", text(&net)];
    let told = works(&[&["checkpoint", "list"], &own[..]].concat());
    assert!(told.contains("window-20") && told.contains("ready"), "{told}");
    let to = net.join("cache/me");
    works(&[&["checkpoint", "get", "--to", text(&to)], &own[..]].concat());
    works(&[&["checkpoint", "verify", text(&to.join("window-20"))], &own[..]].concat());
    works(&[&["checkpoint", "gc", text(&to)], &own[..]].concat());
    works(&[&["checkpoint", "prune", "--dry-run"], &own[..]].concat());
    let other = trainer().hotkey().to_string();
    let list = ["checkpoint", "list", "--devnet", text(&net)];
    refuses(&[&list[..], &["--trainer", &other]].concat(), &["leave --trainer out", &other]);
    refuses(&[&list[..], &["--profile", "main"]].concat(), &["leave --profile out", "main"]);
    let folder = text(dir.path());
    refuses(&[&list[..], &["--folder", folder]].concat(), &["--devnet", "--folder", "leave all but one out"]);
}

//! The program as an operator meets it: what it prints, and what it says to mistakes.

mod bucket;
mod checkpoint;
mod config;
mod discovery;
mod doctor;
mod evidence;
#[path = "../../../../crates/grail-store/tests/it/house.rs"]
#[expect(dead_code, reason = "the tests of grail-store use more of it")]
mod house;
mod keys;
mod setup;
mod streams;
mod trained;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn grail(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_grail"));
    // What the tester's own shell says about a network must not answer for these.
    for name in ["DEVNET", "TRAINER", "PROFILE", "CHECKPOINT_SHELF", "S3_ENDPOINT", "R2_ACCOUNT", "MODEL"] {
        command.env_remove(format!("GRAIL_{name}"));
    }
    command.args(arguments).output().expect("the program was built")
}

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(path)
}

#[track_caller]
fn works(arguments: &[&str]) -> String {
    let output = grail(arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// The program refuses, with exit code 2, and its message holds each of the words.
#[track_caller]
fn refuses(arguments: &[&str], words: &[&str]) {
    let output = grail(arguments);
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

#[test]
fn help_names_every_command() {
    let help = works(&["--help"]);
    for command in
        ["devnet", "inspect", "window", "checkpoint", "keys", "signer", "mine", "validate", "train"]
    {
        assert!(help.contains(command), "{help}");
    }
}

#[test]
fn problems_can_be_followed_by_hand() {
    let seed = "5".repeat(64);
    let problem = works(&["inspect", "problem", "sat", &seed]);
    assert!(problem.contains("<SOLUTION>"), "{problem}");
    let problem = works(&["inspect", "problem", "arith-2", &seed]);
    assert!(problem.contains(" + ") && problem.contains("<SOLUTION>"), "{problem}");
    let rows = fixture("datasets/gsm8k-mini.jsonl");
    let problem = works(&["inspect", "problem", "gsm8k", &seed, "--rows", text(&rows)]);
    assert!(problem.contains("<SOLUTION>"), "{problem}");
}

#[test]
fn window_files_open_in_both_encodings() {
    let mut seen = 0;
    for sample in fs::read_dir(fixture("windows/good")).unwrap() {
        for file in fs::read_dir(sample.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.starts_with("window.") {
                seen += 1;
                let told = works(&["inspect", "window", text(&path)]);
                assert!(told.contains("hotkey") && told.contains("signed root"), "{told}");
                let json = works(&["inspect", "window", text(&path), "--json"]);
                assert!(json.contains("\"rollouts\""));
            }
        }
    }
    assert!(seen >= 2, "only {seen} good samples");
}

#[test]
fn mistakes_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let (missing, rows) = (path("missing"), path("rows.jsonl"));
    fs::write(&rows, "{\"question\": 1}").unwrap();
    refuses(&["inspect", "window", text(&missing)], &["no file", "missing"]);
    refuses(&["inspect", "window", text(&rows)], &["rows.jsonl", ".parquet", ".json"]);
    let cut = path("cut.json");
    fs::write(&cut, "{\"header\":").unwrap();
    refuses(&["inspect", "window", text(&cut)], &["cut.json"]);
    let empty = path("empty.parquet");
    fs::write(&empty, "").unwrap();
    refuses(&["inspect", "window", text(&empty)], &["empty.parquet"]);
    refuses(&["inspect", "problem", "sat", "abc"], &["64 hexadecimal"]);
    refuses(&["inspect", "problem", "gsm8k", &"0".repeat(64)], &["--rows"]);
    refuses(&["inspect", "problem", "chess", "00"], &["sat", "gsm8k", "arith-1"]);
}

#[test]
fn every_code_is_listed() {
    assert_eq!(works(&["inspect", "codes"]).lines().count(), grail_verify::ALL_CODES.len());
}

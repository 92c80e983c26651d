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
#[path = "../../../../crates/grail-store/tests/it/lookalike.rs"]
#[expect(dead_code, reason = "the tests of grail-store use more of it")]
mod lookalike;
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
    for command in [
        "devnet",
        "inspect",
        "window",
        "checkpoint",
        "keys",
        "signer",
        "mine",
        "validate",
        "train",
        "join",
        "dataset",
        "verdicts",
        "why",
        "explain",
    ] {
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
fn codes_are_explained_and_an_unknown_one_is_answered_with_those_near_it() {
    let told = works(&["explain", "[draw-margin]"]);
    for word in ["means", "usual cause", "next step", "grail inspect seed"] {
        assert!(told.contains(word), "{told}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&works(&["explain", "late-upload", "--json"])).unwrap();
    assert_eq!((&json[0]["kind"], &json[0]["code"]), (&"rejection".into(), &"late-upload".into()));
    assert!(works(&["explain", "neuronnovalidatorpermit"]).contains("an error of the chain"));
    assert!(works(&["explain"]).lines().count() > grail_verify::ALL_CODES.len() + 80);
    let unknown = grail(&["explain", "late"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unknown.stdout).contains("late-upload"));
}

#[test]
fn what_looks_at_a_subnet_needs_no_key_and_names_the_node_that_does_not_answer() {
    let dir = tempfile::tempdir().unwrap();
    let node = ["--network", "ws://127.0.0.1:1", "--netuid", "2"];
    let key = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
    let cache = ["--cache-dir", text(dir.path())];
    let seed = ["inspect", "seed", "--window", "0", "--hotkey", key];
    for command in [&["why", key][..], &["verdicts"], &["join"], &["dataset", "gsm8k"], &seed] {
        refuses(&[command, &node, &cache].concat(), &["127.0.0.1:1"]);
    }
    let to = dir.path().join("to");
    for command in [&["checkpoint", "list"][..], &["checkpoint", "get", "--to", text(&to)]] {
        refuses(&[command, &node].concat(), &["127.0.0.1:1"]);
    }
    refuses(&["checkpoint", "prune", "--yes", "--netuid", "2"], &["--s3-endpoint", "only read"]);
    refuses(&["dataset", "sat"], &["only gsm8k"]);
}

#[test]
fn a_first_model_is_described_for_every_profile_and_cap() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("config.json"), "{}").unwrap();
    let describe = |more: &[&str]| {
        let own =
            ["checkpoint", "describe", "--replace", "--environments", "sat", "--model", text(dir.path())];
        [&own[..], more].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    for (profile, cap, numeric) in
        [("main", "1024", "strict-f32"), ("dev", "1", "strict-f32"), ("dev-fast", "96", "strict-f32")]
    {
        let arguments =
            describe(&["--profile", profile, "--max-new-tokens", cap, "--numeric", numeric, "--json"]);
        let told = works(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
        let json: serde_json::Value = serde_json::from_str(&told).unwrap();
        assert_eq!((&json["profile"], json["max_new_tokens"].to_string()), (&profile.into(), cap.to_owned()));
        assert_eq!(json["numeric"], numeric);
    }
    let refused = |more: &[&str], words: &[&str]| {
        let arguments = describe(more);
        refuses(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), words);
    };
    refused(&["--profile", "main", "--max-new-tokens", "1025"], &["1024"]);
    refused(&["--profile", "finney"], &["main, dev and dev-fast"]);
    refused(&["--numeric", "strict-bf16"], &["strict-bf16 is retired", "name strict-f32"]);
    refused(&["--numeric", "lax"], &["no numeric profile; there is strict-f32"]);
}

#[test]
fn every_code_is_listed() {
    assert_eq!(works(&["inspect", "codes"]).lines().count(), grail_verify::ALL_CODES.len());
}

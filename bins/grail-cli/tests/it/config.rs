//! `grail config`, and the files that are made from the table of settings.

use super::works;
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

#[test]
fn committed_copies_are_what_the_program_prints() {
    let cases: [(&str, &[&str]); 5] = [
        ("packaging/.env.example", &["config", "env"]),
        ("packaging/systemd/grail-miner.service", &["config", "unit", "miner"]),
        ("packaging/systemd/grail-validator.service", &["config", "unit", "validator"]),
        ("packaging/systemd/grail-trainer.service", &["config", "unit", "trainer"]),
        ("docs/book/configuration.md", &["config", "book"]),
    ];
    for (path, arguments) in cases {
        let committed = fs::read_to_string(repository(path)).unwrap_or_default();
        let made = works(arguments);
        assert!(committed == made, "{path} differs from the table; grail {} > {path}", arguments.join(" "));
    }
}

fn show(dir: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_grail"));
    command
        .env_clear()
        .current_dir(dir)
        .args(["config", "show"])
        .args(arguments)
        .envs(variables.iter().copied());
    command.output().unwrap()
}

#[test]
fn every_value_is_shown_with_its_origin_and_secrets_are_stars() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("grail.toml"), "[network]\nname = \"test\"\n\n[model]\ndevice = \"cuda\"\n")
        .unwrap();
    fs::write(dir.path().join(".env"), "R2_WRITE_SECRET_ACCESS_KEY=hunter2\nBT_WALLET_HOT=miner\n").unwrap();
    let variables = [("BT_WALLET_COLD", "ada")];
    let output = show(dir.path(), &["--netuid", "7", "--json"], &variables);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let pair = |name: &str| (told[name]["value"].as_str(), told[name]["origin"].as_str().unwrap().to_owned());
    assert_eq!(pair("BT_NETWORK"), (Some("test"), "grail.toml:2".to_owned()));
    assert_eq!(pair("GRAIL_DEVICE"), (Some("cuda"), "grail.toml:5".to_owned()));
    assert_eq!(pair("R2_WRITE_SECRET_ACCESS_KEY"), (Some("***"), ".env:1".to_owned()));
    assert_eq!(pair("BT_WALLET_COLD"), (Some("ada"), "environment".to_owned()));
    assert_eq!(pair("NETUID"), (Some("7"), "flag".to_owned()));
    assert_eq!(pair("GRAIL_THREADS"), (Some("0"), "default".to_owned()));
    assert_eq!(pair("GRAIL_REPORTS").0, None);
    for name in told.as_object().unwrap().keys() {
        assert!(told[name]["meaning"].as_str().is_some_and(|meaning| meaning.ends_with('.')), "{name}");
    }
    let people = String::from_utf8(show(dir.path(), &[], &variables).stdout).unwrap();
    assert!(people.contains("BT_WALLET_HOT = miner  (.env:2)") && !people.contains("hunter2"), "{people}");
}

#[test]
fn an_unknown_name_ends_it_with_the_nearest_known_one() {
    let dir = tempfile::tempdir().unwrap();
    let output = show(dir.path(), &[], &[("GRAIL_CACHEDIR", "x")]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("did you mean GRAIL_CACHE_DIR?"), "{told}");
    let output =
        show(dir.path(), &[], &[("GRAIL_PORT", "tcp://192.0.2.7:80"), ("GRAIL_SERVICE_HOST", "192.0.2.7")]);
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The source of every program and library, with strings that are broken over lines joined.
fn source() -> String {
    fn collect(folder: &Path, text: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && name != "tests" {
                collect(&path, text);
            } else if name.ends_with(".rs") {
                let file = fs::read_to_string(&path).unwrap();
                let mut lines = file.lines();
                while let Some(line) = lines.next() {
                    let mut line = line.to_owned();
                    while line.ends_with('\\') {
                        line.pop();
                        line.push_str(lines.next().unwrap_or_default().trim_start());
                    }
                    text.push_str(&line);
                    text.push('\n');
                }
            }
        }
    }
    let mut text = String::new();
    for folder in ["crates", "bins", "demo"].map(repository).into_iter().filter(|folder| folder.exists()) {
        collect(&folder, &mut text);
    }
    text
}

/// Messages between backticks in the first column of tables.
fn quoted_messages(page: &str) -> Vec<String> {
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    rows.filter_map(|row| Some(row.strip_prefix("| `")?.split_once("` |")?.0.to_owned())).collect()
}

#[test]
fn every_message_that_troubleshooting_quotes_is_in_the_code() {
    let source = source();
    let mut seen = 0;
    let page = fs::read_to_string(repository("docs/book/troubleshooting.md")).unwrap();
    for message in quoted_messages(&page).into_iter().filter(|message| message.contains(' ')) {
        seen += 1;
        let known = |part: &str| {
            // What is printed of a value begins with the setting's name.
            let (name, rest) = part.split_once(' ').unwrap_or((part, ""));
            grail_config::table::by_variable(name).is_some() && source.contains(rest)
        };
        for part in message.split('…').map(str::trim).filter(|part| part.len() > 5) {
            assert!(source.contains(part) || known(part), "{part:?} of {message:?} stands in no source");
        }
    }
    assert!(seen > 40, "{seen} messages");
}

#[test]
fn no_argument_reads_a_variable_past_the_table() {
    let source = source();
    // In pieces, so that this line is not found itself.
    let mark = concat!("env = ", "\"");
    let in_variable = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    let names = source.split(mark).skip(1).filter_map(|rest| rest.split('"').next());
    let names: Vec<&str> = names.filter(|name| name.bytes().all(in_variable)).collect();
    assert!(
        names.is_empty(),
        "{names:?} are read by an argument; declare each in crates/grail-config/src/table"
    );
}

#[test]
fn each_role_is_shown_its_own_settings_with_those_of_training() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("training.toml"), "stored = \"f32\"\n[learner.schedule]\nrate = 2e-6\n")
        .unwrap();
    fs::write(dir.path().join("grail.toml"), "[learner.loss]\nclip_low = 0.1\n").unwrap();
    let variables = [("GRAIL_TRAINER_SETTINGS", "training.toml"), ("GRAIL_LEARNER_LOSS_LEVEL", "token")];
    let shown = |role: &str| -> Value {
        let output = show(dir.path(), &["--role", role, "--json"], &variables);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let told = shown("trainer");
    let pair = |name: &str| (told[name]["value"].as_str().unwrap(), told[name]["origin"].as_str().unwrap());
    assert_eq!(pair("GRAIL_LEARNER_SCHEDULE_RATE"), ("2e-6", "training.toml:3"));
    assert_eq!(pair("GRAIL_TRAINING_STORED"), ("f32", "training.toml:1"));
    assert_eq!(pair("GRAIL_LEARNER_LOSS_CLIP_LOW"), ("0.1", "grail.toml:2"));
    assert_eq!(pair("GRAIL_LEARNER_LOSS_LEVEL"), ("token", "environment"));
    assert_eq!(pair("GRAIL_COURSE_STEPS"), ("1", "default"));
    let miner = shown("miner");
    assert!(miner.get("GRAIL_COURSE_STEPS").is_none() && miner.get("GRAIL_MAX_GROUPS").is_some(), "{miner}");

    let output = show(dir.path(), &["--role", "trainer"], &[("GRAIL_LEARNER_SCHEDUL_RATE", "1")]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("did you mean GRAIL_LEARNER_SCHEDULE_RATE?"), "{told}");
}

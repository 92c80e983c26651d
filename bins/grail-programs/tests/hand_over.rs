//! What a program does with a development network: it becomes `grail-devnet`, which lies beside it.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

/// The program, copied into a folder of its own.
fn alone(program: &str, dir: &Path, own: &[&str]) -> Command {
    let copy = dir.join("program");
    fs::copy(program, &copy).unwrap();
    let mut command = Command::new(copy);
    command
        .current_dir(dir)
        .args(["run", "--json", "--devnet", "net", "--key", "me", "--model", "m"])
        .args(own);
    command
}

/// Each program, its word there, and what it cannot do without.
const PROGRAMS: [(&str, &str, &[&str]); 3] = [
    (env!("CARGO_BIN_EXE_grail-miner"), "mine", &[]),
    (env!("CARGO_BIN_EXE_grail-validator"), "validate", &["--reports", "r"]),
    (env!("CARGO_BIN_EXE_grail-trainer"), "train", &["--state", "s"]),
];

#[test]
fn a_development_network_is_left_to_the_program_that_opens_them() {
    for (program, word, own) in PROGRAMS {
        let dir = tempfile::tempdir().unwrap();
        let mut command = alone(program, dir.path(), own);
        let opener = dir.path().join("grail-devnet");
        fs::write(&opener, "#!/bin/sh\necho \"$@\"\nexit 7\n").unwrap();
        fs::set_permissions(&opener, fs::Permissions::from_mode(0o755)).unwrap();
        let output = command.output().unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        let typed = format!("{word} run --json --devnet net --key me --model m {}", own.join(" "));
        assert_eq!(told.trim(), typed.trim());
        assert_eq!(output.status.code(), Some(7), "its exit code is the answer");
    }
}

#[test]
fn where_it_is_not_installed_the_error_says_what_to_do() {
    for (program, _, own) in PROGRAMS {
        let dir = tempfile::tempdir().unwrap();
        let output = alone(program, dir.path(), own).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        for word in ["net is a development network", "grail-devnet", "GRAIL_DEVNET"] {
            assert!(error.contains(word), "{error:?} without {word:?}");
        }
    }
}

#[test]
fn logs_in_files_have_no_colours_and_a_log_that_nobody_reads_ends_the_program_quietly() {
    for (program, _, own) in PROGRAMS {
        let dir = tempfile::tempdir().unwrap();
        let start = || {
            let mut command = alone(program, dir.path(), own);
            // A warning of the settings, before anything is opened.
            command.env("GRAIL_MONITORING_BACKEND", "wandb");
            command
        };
        let plain = |arguments: &[&str]| {
            let output = start().args(arguments).output().unwrap();
            String::from_utf8(output.stderr).unwrap()
        };
        let told = plain(&["-vv"]);
        assert!(told.contains("error") && !told.contains('\u{1b}'), "{told:?}");
        let closed = std::io::pipe().unwrap().1;
        let status = start().stderr(closed).status().unwrap();
        assert!(matches!(status.code(), Some(1 | 2 | 141)), "{status:?}");
    }
}

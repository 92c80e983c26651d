//! What goes to a pipe, a file and a terminal.

use std::{
    fs::{self, File},
    io::{PipeWriter, pipe},
    os::unix::{fs::PermissionsExt as _, process::ExitStatusExt as _},
    path::Path,
    process::{Command, Stdio},
};

const ESCAPE: char = '\u{1b}';

/// The program in a folder of its own, without the tester's variables.
fn grail(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_grail"));
    // A warning, so that something is logged whatever the command.
    command.env_clear().env("HOME", dir).env("GRAIL_MONITORING_BACKEND", "wandb");
    command.current_dir(dir).args(arguments).stdin(Stdio::null());
    command
}

/// A pipe that nobody reads.
fn closed() -> PipeWriter {
    pipe().unwrap().1
}

#[test]
fn a_closed_pipe_ends_every_command_quietly() {
    let dir = tempfile::tempdir().unwrap();
    let commands: [&[&str]; 9] = [
        &["config", "show"],
        &["config", "show", "--json"],
        &["config", "book"],
        &["inspect", "codes"],
        &["keys", "list"],
        &["doctor", "--only", "machine"],
        &["doctor", "--only", "machine", "--json"],
        &["--help"],
        &["--version"],
    ];
    for arguments in commands {
        let output = grail(dir.path(), arguments).stdout(closed()).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(
            matches!(output.status.code(), Some(0 | 1 | 141)),
            "{arguments:?}: {:?} {told}",
            output.status
        );
        assert!(!told.contains("panicked") && !told.contains("Broken pipe"), "{arguments:?}: {told}");
    }
    // The log, and an error, that nobody reads.
    for arguments in [&["config", "show"][..], &["config", "show", "--netuid", "x"], &["chess"]] {
        let status = grail(dir.path(), arguments).stderr(closed()).stdout(Stdio::null()).status().unwrap();
        assert!(matches!(status.code(), Some(0 | 1 | 2 | 141)), "{arguments:?}: {status:?}");
        assert_eq!(status.signal(), None);
    }
}

#[test]
fn no_colours_go_to_a_file_or_a_pipe() {
    let dir = tempfile::tempdir().unwrap();
    for arguments in [
        &["config", "show"][..],
        &["-vv", "config", "show"],
        &["doctor", "--only", "machine"],
        &["config", "show", "--netuid", "x"],
        &["chess"],
        &["--help"],
    ] {
        let (out, log) = (dir.path().join("out"), dir.path().join("log"));
        let mut command = grail(dir.path(), arguments);
        command.stdout(File::create(&out).unwrap()).stderr(File::create(&log).unwrap());
        command.status().unwrap();
        let told = fs::read_to_string(out).unwrap() + &fs::read_to_string(log).unwrap();
        assert!(!told.is_empty() && !told.contains(ESCAPE), "{arguments:?}: {told}");
    }
}

/// Everything that a command shows on a terminal.
fn on_a_terminal(mut command: Command) -> String {
    command.env("TERM", "xterm-256color").stdin(Stdio::inherit());
    let mut session = rexpect::session::spawn_command(command, Some(60_000)).unwrap();
    session.exp_eof().unwrap()
}

#[test]
fn a_terminal_gets_colours_unless_somebody_asks_for_none() {
    let dir = tempfile::tempdir().unwrap();
    for arguments in [&["config", "show"][..], &["doctor", "--only", "wallet"], &["chess"]] {
        assert!(on_a_terminal(grail(dir.path(), arguments)).contains("\u{1b}["), "{arguments:?}");
        let mut plain = grail(dir.path(), arguments);
        plain.env("NO_COLOR", "1");
        let told = on_a_terminal(plain);
        // A colour or weight ends in m; what moves the cursor of a progress bar does not.
        let styled = told
            .split("\u{1b}[")
            .skip(1)
            .any(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m'));
        assert!(!styled, "{arguments:?}: {told:?}");
    }
    // Each stream for itself: the log goes to a file, results to the terminal.
    let log = dir.path().join("log");
    let mut command = grail(dir.path(), &["config", "show"]);
    command.stderr(File::create(&log).unwrap());
    let mut shell = Command::new("sh");
    shell.env_clear().current_dir(dir.path()).env("HOME", dir.path()).args(["-c"]);
    shell.arg(format!(
        "GRAIL_MONITORING_BACKEND=wandb '{}' config show --netuid x 2>'{}'",
        env!("CARGO_BIN_EXE_grail"),
        log.display()
    ));
    on_a_terminal(shell);
    let told = fs::read_to_string(log).unwrap();
    assert!(told.contains("error:") && !told.contains(ESCAPE), "{told:?}");
}

/// `grail`, copied beside a program of a role that is a script.
fn beside_a_role(dir: &Path, script: &str) -> Command {
    let (copy, role) = (dir.join("grail"), dir.join("grail-miner"));
    fs::copy(env!("CARGO_BIN_EXE_grail"), &copy).unwrap();
    fs::write(&role, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&role, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(copy);
    command.current_dir(dir);
    command
}

#[test]
fn a_role_gets_its_flags_and_is_the_very_process_that_was_started() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = beside_a_role(dir.path(), "echo $$ \"$@\"\nexit 7");
    let child = command.args(["mine", "-vv", "--model", "m"]).stdout(Stdio::piped()).spawn().unwrap();
    let id = child.id();
    let output = child.wait_with_output().unwrap();
    // The same process: every signal that was meant for the one reaches the other.
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), format!("{id} run -v -v --model m"));
    assert_eq!(output.status.code(), Some(7), "its exit code is the answer");

    let mut command = beside_a_role(dir.path(), "kill -TERM $$\nsleep 60");
    let status = command.args(["mine"]).status().unwrap();
    assert_eq!(status.signal(), Some(15), "{status:?}");
}

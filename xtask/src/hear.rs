//! Runs tests and listens: what a passing test says of itself is hidden, save that it was skipped.
//!
//! A test that needs what this machine has not passes and prints `SKIPPED: why`. The test harness keeps the output of passing
//! tests to itself; with `--show-output` it tells it at the end of each program, where this module reads it.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, anyhow, bail};

use crate::cargo;

/// What a test says that did not look at what it is there for.
const MARK: &str = "SKIPPED: ";

/// Reads the output of test programs line by line.
#[derive(Debug, Default)]
pub(crate) struct Ear {
    /// Inside the output of tests that passed.
    hiding: bool,
    /// The test that speaks.
    speaker: Option<String>,
    /// Why → the tests that said so.
    heard: BTreeMap<String, Vec<String>>,
}

impl Ear {
    /// Takes in a line; returns whether it is to be shown.
    fn take(&mut self, line: &str) -> bool {
        let line = line.trim_end();
        if let Some((_, why)) = line.split_once(MARK) {
            // A program that dies with its parent's line repeated, or a child's own tests, say it twice.
            let speaker = self.speaker.clone().unwrap_or_else(|| "a test".to_owned());
            let speakers = self.heard.entry(why.to_owned()).or_default();
            if !speakers.contains(&speaker) {
                speakers.push(speaker);
            }
        }
        if line == "successes:" {
            self.hiding = true;
        } else if line == "failures:" || line.starts_with("test result:") {
            (self.hiding, self.speaker) = (false, None);
        } else if let Some(rest) = line.strip_prefix("---- ") {
            self.speaker = rest.strip_suffix(" stdout ----").map(str::to_owned);
        }
        !self.hiding
    }

    /// Everything that was skipped: the tests, and why.
    pub(crate) fn skipped(self) -> impl Iterator<Item = (String, String)> {
        self.heard.into_iter().map(|(why, tests)| (tests.join(", "), why))
    }
}

/// Runs `cargo test` to its end, its output on this terminal; what its tests skipped goes to the ear.
///
/// `test` must hand `--show-output` to the test programs.
///
/// # Errors
/// When it cannot be started, or fails.
pub(crate) fn run(test: &mut Command, ear: &mut Ear) -> Result<()> {
    let shown = cargo::shown(test);
    test.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = test.spawn().with_context(|| format!("cannot start {shown}"))?;
    let errors = child.stderr.take().context("standard error is piped")?;
    // Tests that write to standard error past the harness are heard too, without their names.
    let other = thread::spawn(move || {
        let mut ear = Ear::default();
        pass_on(errors, &mut ear, io::stderr).map(|()| ear)
    });
    let output = child.stdout.take().context("standard output is piped")?;
    pass_on(output, ear, io::stdout)?;
    let other = other.join().map_err(|_| anyhow!("the reader of standard error failed"))??;
    for (why, tests) in other.heard {
        ear.heard.entry(why).or_insert(tests);
    }
    let status = child.wait().with_context(|| format!("cannot wait for {shown}"))?;
    if !status.success() {
        bail!("`{shown}` failed ({status})");
    }
    Ok(())
}

fn pass_on<W: io::Write>(from: impl io::Read, ear: &mut Ear, to: impl Fn() -> W) -> Result<()> {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        line.clear();
        if from.read_until(b'\n', &mut line).context("cannot read what the tests say")? == 0 {
            return Ok(());
        }
        if ear.take(&String::from_utf8_lossy(&line)) {
            let mut to = to();
            to.write_all(&line).and_then(|()| to.flush()).context("cannot write")?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passing_tests_say_is_hidden_and_skips_are_heard_with_their_tests() {
        let output = "running 2 tests\ntest a ... ok\n\nsuccesses:\n\n---- room::a stdout ----\nhello\n\
            SKIPPED: no python3\n\n---- b stdout ----\nSKIPPED: no python3\n\nsuccesses:\n    a\n\n\
            failures:\n\n---- c stdout ----\nboom\n\ntest result: FAILED. 1 passed\n";
        let mut ear = Ear::default();
        let shown: Vec<&str> = output.lines().filter(|line| ear.take(line)).collect();
        assert!(!shown.contains(&"hello") && shown.contains(&"boom"), "{shown:?}");
        assert!(shown.contains(&"test a ... ok") && shown.contains(&"test result: FAILED. 1 passed"));
        let skipped: Vec<_> = ear.skipped().collect();
        assert_eq!(skipped, [("room::a, b".to_owned(), "no python3".to_owned())]);
    }

    #[test]
    fn both_streams_of_a_command_are_heard() {
        let mut ear = Ear::default();
        let said = "echo 'SKIPPED: out'; echo 'SKIPPED: err' >&2";
        run(Command::new("sh").args(["-c", said]), &mut ear).expect("it ends well");
        let whys: Vec<String> = ear.skipped().map(|(_, why)| why).collect();
        assert_eq!(whys, ["err", "out"]);
        let error = run(Command::new("sh").args(["-c", "exit 3"]), &mut Ear::default());
        assert!(error.expect_err("it fails").to_string().contains("exit status: 3"));
    }
}

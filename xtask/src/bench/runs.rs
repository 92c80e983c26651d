//! What measures share that run programs: runs in turn, the middle of several, figures out of them.
//!
//! Ours and the peer run in turn, pair by pair, and ratios are taken within a pair, so that a machine whose speed drifts
//! drifts for both.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::Figure;
use crate::config::Config;
use crate::{cargo, report};

/// How often each pair is run: the fewest of which one is in the middle.
const PAIRS: usize = 3;

/// How an example of our crates is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// As the tests and the demo: crates with libtorch are compiled once for all, and what counts in them is C++.
    Dev,
    /// As what an operator runs.
    Release,
}

/// Builds an example of one of our crates and gives the program.
///
/// # Errors
/// When it does not build.
pub(crate) fn example(
    config: &Config,
    library: Option<&Path>,
    (package, name): (&str, &str),
    profile: Profile,
) -> Result<PathBuf> {
    let mut build = cargo::command(config, library)?;
    build.args(["build", "--locked", "--example", name]);
    let folder = match profile {
        // With the features of the whole workspace, as the tests and the demo: nothing is compiled twice.
        Profile::Dev => {
            build.arg("--workspace");
            "debug"
        }
        Profile::Release => {
            build.args(["--release", "--package", package]);
            "release"
        }
    };
    cargo::run(&mut build)?;
    Ok(config.target_dir.join(folder).join("examples").join(name))
}

/// Runs a program that prints one JSON object.
///
/// # Errors
/// When it fails, or prints something else.
pub(super) fn output<T: serde::de::DeserializeOwned>(program: &mut Command) -> Result<T> {
    let shown = cargo::shown(program);
    serde_json::from_slice(&said(program)?)
        .with_context(|| format!("`{shown}` did not print what was expected"))
}

/// Runs a program that prints one JSON object on a line of its own, among other lines.
///
/// # Errors
/// When it fails, or prints no such line.
pub(super) fn printed<T: serde::de::DeserializeOwned>(program: &mut Command) -> Result<T> {
    let shown = cargo::shown(program);
    let text = said(program)?;
    let mut lines = text.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"{"));
    let line = lines.next_back().with_context(|| format!("`{shown}` printed no JSON"))?;
    serde_json::from_slice(line).with_context(|| format!("`{shown}` did not print what was expected"))
}

/// What a program prints.
fn said(program: &mut Command) -> Result<Vec<u8>> {
    let shown = cargo::shown(program);
    let done = program
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {shown}"))?;
    if !done.status.success() {
        bail!("`{shown}` failed ({})", done.status);
    }
    Ok(done.stdout)
}

/// Takes as many pairs as are needed for a middle one.
///
/// # Errors
/// At the first pair that fails.
pub(super) fn in_turn<P>(mut pair: impl FnMut() -> Result<P>) -> Result<Vec<P>> {
    (1..=PAIRS)
        .map(|number| {
            report::note(&format!("pair {number} of {PAIRS}"));
            pair()
        })
        .collect()
}

/// The runs of one measure, each with what it is compared with.
pub(super) struct Runs<'a, P> {
    /// Name of the measure.
    pub(super) measure: &'a str,
    /// What each gave.
    pub(super) all: &'a [P],
}

/// Reads a number from a run.
type Value<P> = fn(&P) -> f64;

impl<P> Runs<'_, P> {
    /// The middle of all runs. The ratio is taken in each run by itself, and of the ratios again the middle.
    pub(super) fn figure(
        &self,
        what: &str,
        unit: &str,
        value: Value<P>,
        peer: Option<(&str, Value<P>)>,
    ) -> Figure {
        let values: Vec<f64> = self.all.iter().map(value).collect();
        let middle = median(&values);
        Figure {
            name: format!("{}/{what}", self.measure),
            value: middle,
            unit: unit.into(),
            peer: peer.map(|(name, _)| name.to_owned()),
            ratio: peer.map(|(_, ratio)| median(&self.all.iter().map(ratio).collect::<Vec<_>>())),
            spread: (values.len() > 1 && middle != 0.0).then(|| half_range(&values) / middle),
            command: format!("cargo xtask bench {}", self.measure),
        }
    }
}

/// The middle of what a process measured after its first step, which pays for pages and caches of all.
///
/// # Errors
/// When there was no second step.
pub(super) fn after_warm_up(steps: impl IntoIterator<Item = f64>) -> Result<f64> {
    let rest: Vec<f64> = steps.into_iter().skip(1).collect();
    if rest.is_empty() {
        bail!("a process measured no step but its warm-up");
    }
    Ok(median(&rest))
}

/// The middle one; of an even number the larger of the two in the middle.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

/// Half the way from the smallest to the largest: of three pairs there is no better interval.
pub(super) fn half_range(values: &[f64]) -> f64 {
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let smallest = values.iter().copied().fold(f64::INFINITY, f64::min);
    (largest - smallest) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_that_of_the_middle_pair_and_not_of_the_middle_values() {
        // Ours and the peer's speed; the middle values, 20 and 9, never met.
        let pairs = [(10.0, 9.0), (20.0, 4.0), (30.0, 10.0)];
        let runs = Runs { measure: "a/b", all: &pairs };
        let figure = runs.figure("speed", "tokens/s", |pair| pair.0, Some(("them", |pair| pair.0 / pair.1)));
        assert_eq!((figure.name.as_str(), figure.value, figure.ratio), ("a/b/speed", 20.0, Some(3.0)));
        assert_eq!(figure.spread, Some(0.5));
        assert_eq!(figure.command, "cargo xtask bench a/b");
    }

    #[test]
    fn one_run_has_no_spread() {
        let figure = Runs { measure: "a", all: &[7.0] }.figure("b", "MB", |run| *run, None);
        assert_eq!((figure.value, figure.spread, figure.ratio), (7.0, None, None));
    }

    #[test]
    fn the_first_step_of_a_process_counts_for_nothing() {
        assert_eq!(after_warm_up([100.0, 3.0, 1.0, 2.0]).expect("three steps"), 2.0);
        let error = after_warm_up([100.0]).expect_err("only the warm-up").to_string();
        assert_eq!(error, "a process measured no step but its warm-up");
    }

    #[test]
    fn a_program_that_prints_no_json_is_an_error_with_its_name() {
        let error = output::<f64>(Command::new("echo").arg("hello")).expect_err("no JSON").to_string();
        assert_eq!(error, "`echo hello` did not print what was expected");
        let error = output::<f64>(&mut Command::new("false")).expect_err("fails").to_string();
        assert_eq!(error, "`false` failed (exit status: 1)");
    }
}

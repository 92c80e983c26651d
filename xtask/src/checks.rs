//! `cargo xtask test`: everything that must hold, in order of cost.

use std::process::Command;

use anyhow::Result;

use crate::config::Config;
use crate::hear::{self, Ear};
use crate::report::{self, Stopwatch};
use crate::workspace::{Workspace, root};
use crate::{cargo, deny, libtorch, model, tidy, vectors};

/// What to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Leave out the crates that need libtorch; nothing is fetched then
    #[arg(long)]
    light: bool,
    /// Run only the tests whose names contain one of these, and none of the checks before them
    filter: Vec<String>,
}

/// Runs the checks and the tests.
///
/// # Errors
/// At the first step that fails.
pub(crate) fn run(config: &Config, args: &Args) -> Result<()> {
    let watch = Stopwatch::start();
    let workspace = Workspace::load(config)?;
    let native = workspace.native();
    let mut skipped: Vec<(String, String)> = Vec::new();

    let (library, left_out) = if args.light {
        skipped.push((native.join(", "), "--light leaves out what needs libtorch".to_owned()));
        (None, native)
    } else {
        let library = libtorch::ensure(config)?;
        model::ensure_bf16(&config.cache, &model::ensure_smollm2(&config.cache)?)?;
        (Some(library), Vec::new())
    };
    let scope = scope(&left_out);

    if args.filter.is_empty() {
        timed("format", || {
            cargo::run(cargo::command(config, None)?.args(["fmt", "--all", "--check"]))?;
            cargo::run(cargo::devchain(config)?.args(["fmt", "--check"]))
        })?;
        timed("tidy", || tidy::run(config))?;
        timed("vectors", || vectors::check(root()?))?;
        if let Some(why) = timed("deny", || deny::check(config))? {
            skipped.push(("advisories".to_owned(), why));
        }
        timed("clippy", || {
            let mut clippy = cargo::command(config, library.as_deref())?;
            clippy.arg("clippy").args(&scope).args(["--all-targets", "--locked", "--", "-D", "warnings"]);
            cargo::run(&mut clippy)?;
            let mut outside = cargo::devchain(config)?;
            cargo::run(outside.args(["clippy", "--all-targets", "--locked", "--", "-D", "warnings"]))
        })?;
    } else {
        skipped.push((
            "format, tidy, vectors, deny, clippy".to_owned(),
            "only some tests were asked for".to_owned(),
        ));
    }
    for (what, why) in &skipped {
        report::skipped(what, why);
    }
    let mut ear = Ear::default();
    timed("tests", || {
        let mut test = cargo::command(config, library.as_deref())?;
        hear::run(filtered(test.arg("test").args(&scope), &args.filter), &mut ear)
    })?;
    // It needs no libtorch, so that --light runs it too.
    timed("tests of the development chain", || {
        hear::run(filtered(cargo::devchain(config)?.arg("test"), &args.filter), &mut ear)
    })?;
    skipped.extend(ear.skipped());
    report::done(&format!("all that was run passed, in {}", report::duration(watch.elapsed())));
    // Again at the end, where somebody looks.
    for (what, why) in &skipped {
        report::skipped(what, why);
    }
    Ok(())
}

/// `cargo test`, of the tests with such names alone.
fn filtered<'a>(test: &'a mut Command, filter: &[String]) -> &'a mut Command {
    // What passing tests say is heard, and shown only where they were skipped.
    test.args(["--locked", "--", "--show-output"]).args(filter)
}

/// Cargo's words for "all members but these".
fn scope(left_out: &[&str]) -> Vec<String> {
    let excluded = left_out.iter().flat_map(|name| ["--exclude".to_owned(), (*name).to_owned()]);
    std::iter::once("--workspace".to_owned()).chain(excluded).collect()
}

fn timed<T>(name: &str, step: impl FnOnce() -> Result<T>) -> Result<T> {
    report::step(name);
    let watch = Stopwatch::start();
    let found = step()?;
    report::note(&format!("{name} took {}", report::duration(watch.elapsed())));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_light_scope_names_every_crate_that_is_left_out() {
        assert_eq!(scope(&[]), ["--workspace"]);
        assert_eq!(scope(&["a", "b"]), ["--workspace", "--exclude", "a", "--exclude", "b"]);
    }
}

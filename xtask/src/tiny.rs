//! `cargo xtask tiny-model`: the model in `fixtures/models/tiny`, made from nothing.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::config::Config;
use crate::workspace::root;
use crate::{cargo, libtorch, report};

/// Where to, and what goes on to `grail-trainer teach`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder to make anew
    #[arg(long)]
    out: Option<PathBuf>,
    /// Arguments for `grail-trainer teach`, for instance `--seed 8`; see its --help
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

/// The committed model's folder.
pub(crate) fn folder(root: &Path) -> PathBuf {
    root.join("fixtures").join("models").join("tiny")
}

/// Builds the trainer, teaches a model beside its place, and puts it there.
///
/// # Errors
/// When a step fails; what lay there before stays then.
pub(crate) fn run(config: &Config, args: &Args) -> Result<()> {
    let library = libtorch::ensure(config)?;
    let mut build = cargo::command(config, Some(&library))?;
    cargo::run(build.args(["build", "--locked", "--bins", "--package", "grail-programs"]))?;
    let out = args.out.clone().map_or_else(|| root().map(folder), Ok)?;
    let draft = out.with_extension("partial");
    remove(&draft)?;
    let mut teach = std::process::Command::new(config.target_dir.join("debug").join("grail-trainer"));
    teach.envs(cargo::variables(config, Some(&library)));
    teach.arg("teach").arg("--out").arg(&draft).args(&args.rest);
    report::step(&cargo::shown(&teach));
    cargo::run(&mut teach)?;
    // What was written about the model by hand stays with it.
    let about = out.join("README.md");
    if about.is_file() {
        fs::copy(&about, draft.join("README.md"))
            .with_context(|| format!("cannot keep {}", about.display()))?;
    }
    remove(&out)?;
    fs::rename(&draft, &out).with_context(|| format!("cannot name {}", out.display()))?;
    report::done(&format!("the tiny model is in {}", out.display()));
    Ok(())
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(())
}

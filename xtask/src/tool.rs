//! Tools of others that xtask runs, each in one version, built into the cache where it is missing.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::config::Config;
use crate::{cargo, report};

/// The program of that name and version, built into the cache where it is not there yet.
///
/// # Errors
/// When it cannot be fetched or built.
pub(crate) fn ensure(config: &Config, name: &str, version: &str) -> Result<PathBuf> {
    let place = config.cache.root().join(format!("{name}-{version}"));
    let program = place.join("bin").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    if program.is_file() {
        return Ok(program);
    }
    let _lock = config.cache.lock()?;
    report::note(&format!(
        "{name} {version} is built once, into {}; that takes some minutes",
        place.display()
    ));
    let build = place.join("build");
    let mut install = Command::new(&config.cargo);
    install.args(["install", "--locked", name, "--version", version, "--root"]).arg(&place);
    install.env("CARGO_TARGET_DIR", &build).env_remove("RUSTFLAGS");
    cargo::run(&mut install)?;
    fs::remove_dir_all(&build).with_context(|| format!("cannot remove {}", build.display()))?;
    Ok(program)
}

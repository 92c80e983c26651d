//! Starting the program of a role under the name that people type.

use anyhow::Context as _;
use clap::Args;
use std::{ffi::OsString, path::PathBuf, process::Command};

/// Everything after the subcommand, handed on unread.
#[derive(Debug, Args)]
pub(crate) struct Passed {
    /// Arguments of the program; see its own --help.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Runs a sibling program with inherited streams; whether it succeeded.
pub(crate) fn become_program(name: &str, subcommand: &str, passed: &Passed) -> anyhow::Result<bool> {
    call(name, subcommand, passed.arguments.iter().cloned())
}

/// Runs a sibling program with these arguments.
pub(crate) fn call(
    name: &str,
    subcommand: &str,
    arguments: impl IntoIterator<Item = OsString>,
) -> anyhow::Result<bool> {
    let program = beside(name)?;
    let status = Command::new(&program)
        .arg(subcommand)
        .args(arguments)
        .status()
        .with_context(|| format!("start {}; it is installed beside this program", program.display()))?;
    Ok(status.success())
}

fn beside(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("find this program's own folder")?;
    let folder = own.parent().context("this program has no folder")?;
    Ok(folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX)))
}

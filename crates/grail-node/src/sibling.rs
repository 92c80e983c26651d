//! Becoming another program of this project, which is installed beside this one.

use anyhow::Context as _;
use std::{ffi::OsString, os::unix::process::CommandExt as _, path::PathBuf, process::Command};

/// Replaces this process by a sibling with these arguments, so that signals, streams and exit code are its own.
///
/// Comes back only where that fails, with why.
pub fn become_program(name: &str, arguments: impl IntoIterator<Item = OsString>) -> anyhow::Error {
    let program = match beside(name) {
        Ok(program) => program,
        Err(error) => return error,
    };
    let error = Command::new(&program).args(arguments).exec();
    anyhow::Error::new(error)
        .context(format!("start {}; it is installed beside this program", program.display()))
}

/// Where a program of that name lies, if it is installed beside this one.
pub(crate) fn beside(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("find this program's own folder")?;
    let folder = own.parent().context("this program has no folder")?;
    Ok(folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX)))
}

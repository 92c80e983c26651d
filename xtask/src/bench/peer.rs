//! The peer's Python: torch and transformers of pinned versions, in a folder of the cache, made when first needed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::config::Config;
use crate::{cargo, report, workspace};

/// What the peer runs on: the same torch as ours. llama.cpp's converter runs here too, and asks for sentencepiece.
const PACKAGES: [&str; 6] =
    ["torch==2.11.0", "transformers==4.57.6", "safetensors", "numpy", "accelerate", "sentencepiece==0.2.1"];

/// The interpreter of the peer, or why there is none.
///
/// # Errors
/// When making it fails half-way; the folder can be removed and the command repeated.
pub(crate) fn python(config: &Config) -> Result<Result<PathBuf, String>> {
    let place = config.cache.root().join("peer").join("venv");
    let python = place.join("bin/python");
    if works(&python) {
        return Ok(Ok(python));
    }
    if !works_at_all() {
        return Ok(Err("there is no python3 with venv for the peer".into()));
    }
    report::step("making the peer's Python environment (several GB, once)");
    let mut make = Command::new("python3");
    make.args(["-m", "venv"]).arg(&place);
    cargo::run(&mut make)?;
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install"]).args(PACKAGES);
    cargo::run(&mut install).with_context(|| {
        format!("could not fill {}; remove it and try again, or measure without a peer", place.display())
    })?;
    Ok(Ok(python))
}

/// One of the scripts in `xtask/peer`, over a model and with sizes, ready to run.
///
/// # Errors
/// When the root of the checkout cannot be named.
pub(super) fn script(
    python: &Path,
    name: &str,
    model: &Path,
    sizes: impl IntoIterator<Item = (&'static str, usize)>,
) -> Result<Command> {
    let mut program = Command::new(python);
    program.arg(workspace::root()?.join("xtask/peer").join(name)).arg(model);
    for (flag, size) in sizes {
        program.args([flag, &size.to_string()]);
    }
    Ok(program)
}

fn works(python: &Path) -> bool {
    quietly(Command::new(python).args(["-c", "import torch, transformers, sentencepiece"]))
}

fn works_at_all() -> bool {
    quietly(Command::new("python3").args(["-c", "import venv"]))
}

fn quietly(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

//! The peers' folders in the cache, and the model in the forms that they read.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::super::peer;
use crate::cache::{install_file, make_dir};
use crate::config::Config;
use crate::{cargo, report, workspace};

/// A peer that `xtask/peer/install.py` makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Engine {
    Llama,
    OpenVino,
    Vllm,
}

impl Engine {
    const fn name(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::OpenVino => "openvino",
            Self::Vllm => "vllm",
        }
    }

    /// Its folder in the cache.
    pub(super) fn folder(self, config: &Config) -> PathBuf {
        config.cache.root().join("peer").join(self.name())
    }

    /// Its interpreter.
    pub(super) fn python(self, config: &Config) -> PathBuf {
        self.folder(config).join("venv/bin/python")
    }

    /// Whether it can be run, after making it where that is wanted; the reason where it cannot.
    ///
    /// # Errors
    /// When the root of the checkout cannot be named or the cache cannot be written.
    pub(super) fn ensure(self, config: &Config, install: bool) -> Result<Result<(), String>> {
        let script = workspace::root()?.join("xtask/peer/install.py");
        let folder = self.folder(config);
        let command = || {
            let mut command = Command::new("python3");
            command.arg(&script).arg(self.name()).arg(&folder);
            command
        };
        let there = || {
            let mut check = command();
            check.arg("--check").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            check.status().is_ok_and(|status| status.success())
        };
        if there() {
            return Ok(Ok(()));
        }
        if !install {
            return Ok(Err("it is not installed; `--install` makes it, in minutes and gigabytes".into()));
        }
        make_dir(&folder)?;
        report::step(&format!("making {} in {}", self.name(), folder.display()));
        Ok(cargo::run(&mut command()).map_err(|error| format!("it does not install: {error:#}")))
    }
}

/// llama.cpp's benchmark.
pub(super) fn llama_program(config: &Config) -> PathBuf {
    Engine::Llama.folder(config).join("build/bin/llama-batched-bench")
}

/// The model of a Hugging Face folder as a GGUF file, converted by llama.cpp's own script, which runs in the Python of
/// transformers. `kind` is `bf16` or `f16`.
///
/// # Errors
/// When it cannot be converted, or there is no Python for it.
pub(super) fn gguf(config: &Config, folder: &Path, kind: &str) -> Result<PathBuf> {
    let name = folder.file_name().context("a model's folder has a name")?.to_string_lossy();
    let home = Engine::Llama.folder(config);
    let place = home.join(format!("{name}-{kind}.gguf"));
    if place.is_file() {
        return Ok(place);
    }
    let python = peer::python(config)?.map_err(anyhow::Error::msg)?;
    report::step(&format!("converting {name} into {}", place.display()));
    let draft = home.join(format!("{name}-{kind}.partial"));
    let mut convert = Command::new(python);
    convert.env_remove("LD_LIBRARY_PATH").arg(home.join("source/convert_hf_to_gguf.py")).arg(folder);
    convert.args(["--outtype", kind, "--outfile"]).arg(&draft);
    convert.stdout(Stdio::null()).stderr(Stdio::null());
    cargo::run(&mut convert)?;
    install_file(&draft, &place)?;
    Ok(place)
}

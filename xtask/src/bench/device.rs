//! Measures on a CUDA device, over random weights in the shape of a published model: speed depends on the shape alone.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::model::{On, Work, figures};
use super::train::{Speed, beside_the_peer};
use super::{Measure, Outcome, peer};
use crate::cache::{install, make_dir, staging};
use crate::config::Config;
use crate::{cargo, libtorch, report, workspace};

/// A measure on a CUDA device.
pub(super) struct OnDevice {
    name: &'static str,
    about: &'static str,
    /// As `xtask/peer/random_model.py` calls it.
    shape: &'static str,
    kind: Kind,
}

enum Kind {
    Infer,
    Train,
}

/// What is measured there.
pub(super) const MEASURES: [OnDevice; 2] = [
    OnDevice {
        name: "infer/cuda-7b",
        about: "16 rollouts x 128 tokens and their verification, Qwen2.5-7B's shape, bf16, on a CUDA device",
        shape: "qwen2.5-7b",
        kind: Kind::Infer,
    },
    OnDevice {
        name: "train/cuda-1.5b",
        about: "a GRPO step, 16 x (100 + 128) tokens, Qwen2.5-1.5B's shape, bf16, on a CUDA device",
        shape: "qwen2.5-1.5b",
        kind: Kind::Train,
    },
];

const ROWS: usize = 16;
const NEW: usize = 128;

impl Measure for OnDevice {
    fn name(&self) -> &str {
        self.name
    }

    fn about(&self) -> &str {
        self.about
    }

    fn run(&self, config: &Config) -> Result<Outcome> {
        if !Path::new("/dev/nvidia0").exists() {
            return Ok(Outcome::NotMeasured("no CUDA device is at hand".into()));
        }
        let library = libtorch::ensure(config)?;
        if !library.join("lib/libtorch_cuda.so").exists() {
            let place = library.display();
            let why = format!("{place} is libtorch's part for processors; export LIBTORCH=<one with CUDA>");
            return Ok(Outcome::NotMeasured(why));
        }
        let python = match peer::python(config)? {
            Ok(python) => python,
            Err(why) => return Ok(Outcome::NotMeasured(why)),
        };
        if let Err(why) = has_room(&python)? {
            return Ok(Outcome::NotMeasured(why));
        }
        let folder = self.model(config, &python)?;
        let mut figures = match self.kind {
            Kind::Infer => {
                let threads = std::thread::available_parallelism().map_or(1, usize::from);
                let work = Work { on: On::Device, rows: ROWS, new: NEW, threads };
                figures(self.name, &work.pairs(config, &library, &python, &folder)?)
            }
            Kind::Train => {
                let speed = Speed::over(config, library, folder, On::Device)?;
                beside_the_peer(self.name, &speed.pairs(config, &python)?)
            }
        };
        // Memory of the process says nothing about that of the device.
        figures.retain(|figure| figure.unit != "MB");
        Ok(Outcome::Measured(figures))
    }
}

/// Device memory that the measures need: the peer's GRPO step takes 41 GB.
const GIGABYTES: u64 = 48;

/// Whether the peer's torch sees a device that is large enough, or why not.
fn has_room(python: &Path) -> Result<Result<(), String>> {
    let script = "import torch; print(torch.cuda.get_device_properties(0).total_memory)";
    let asked = Command::new(python).args(["-c", script]).output().context("cannot start the peer")?;
    let Some(bytes) = String::from_utf8_lossy(&asked.stdout).trim().parse::<u64>().ok() else {
        return Ok(Err("the peer's torch sees no CUDA device".into()));
    };
    let (there, needed) = (bytes >> 30, GIGABYTES);
    Ok(if there < needed { Err(format!("the device has {there} GB of {needed}")) } else { Ok(()) })
}

impl OnDevice {
    /// The folder with the random weights, made when it is not there.
    fn model(&self, config: &Config, python: &Path) -> Result<PathBuf> {
        let place = config.cache.models().join(format!("random-{}", self.shape));
        let there = || place.join("generation_config.json").exists();
        if there() {
            return Ok(place);
        }
        let _lock = config.cache.lock()?;
        if there() {
            return Ok(place);
        }
        make_dir(&config.cache.models())?;
        let room = staging(&place)?;
        report::step(&format!("random weights into {}", place.display()));
        let mut script = Command::new(python);
        script.arg(workspace::root()?.join("xtask/peer/random_model.py")).arg(&room);
        cargo::run(script.args([self.shape, "--device", "cuda"]))?;
        install(&room, &place)?;
        Ok(place)
    }
}

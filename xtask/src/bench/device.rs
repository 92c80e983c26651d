//! Measures that need a CUDA device. None is written yet; each is listed, so that nobody takes silence for a figure.

use std::path::Path;

use anyhow::Result;

use super::{Measure, Outcome};
use crate::config::Config;

/// A measure on a CUDA device.
pub(super) struct OnDevice {
    name: &'static str,
    about: &'static str,
}

/// What is to be measured there.
pub(super) const MEASURES: [OnDevice; 2] = [
    OnDevice {
        name: "infer/cuda-7b",
        about: "generation and verification of a Qwen2.5-7B-shaped model in bf16 on a CUDA device",
    },
    OnDevice {
        name: "train/cuda-7b",
        about: "a GRPO step of a Qwen2.5-7B-shaped model in bf16 on a CUDA device",
    },
];

impl Measure for OnDevice {
    fn name(&self) -> &str {
        self.name
    }

    fn about(&self) -> &str {
        self.about
    }

    fn run(&self, _: &Config) -> Result<Outcome> {
        Ok(Outcome::NotMeasured(if Path::new("/dev/nvidia0").exists() {
            "the measure for a CUDA device is not written yet".into()
        } else {
            "no CUDA device is at hand".into()
        }))
    }
}

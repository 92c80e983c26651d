use grail_torch::ComputePlace;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// Where one side of an experiment computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Device {
    /// The processor.
    Cpu,
    /// The first CUDA device.
    Cuda,
}

impl Device {
    /// Where miner and validator may stand.
    pub const PAIRS: [(Self, Self); 4] =
        [(Self::Cpu, Self::Cpu), (Self::Cuda, Self::Cuda), (Self::Cuda, Self::Cpu), (Self::Cpu, Self::Cuda)];

    /// The engine's name for it.
    pub const fn place(self) -> ComputePlace {
        match self {
            Self::Cpu => ComputePlace::Cpu,
            Self::Cuda => ComputePlace::Cuda(0),
        }
    }

    /// As it is written on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
        }
    }
}

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Cpu, Self::Cuda]
            .into_iter()
            .find(|device| device.name() == text)
            .ok_or_else(|| format!("{text:?} is no device of the laboratory; it knows cpu and cuda"))
    }
}

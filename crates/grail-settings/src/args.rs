//! Arguments, one struct a subject, flattened into each program.

use clap::Args;
use std::path::PathBuf;

/// Which network to join, and as whom.
#[derive(Debug, Clone, Args)]
pub struct NetworkArgs {
    /// Folder of a development network, as `grail devnet init` makes it.
    #[arg(long, env = "GRAIL_DEVNET", value_name = "DIR")]
    pub devnet: PathBuf,

    /// Name of the hotkey in the network's `keys` folder.
    #[arg(long, env = "GRAIL_KEY", value_name = "NAME")]
    pub key: String,

    /// Folder for checkpoints that the trainer publishes; by default `cache/{key}` in the network's folder.
    #[arg(long, env = "GRAIL_CHECKPOINTS", value_name = "DIR")]
    pub checkpoints: Option<PathBuf>,

    /// Seed windows by block hashes alone. Only networks whose parameters allow it accept such windows.
    #[arg(long)]
    pub no_drand: bool,
}

impl NetworkArgs {
    /// Where this participant keeps checkpoints.
    pub fn checkpoint_folder(&self) -> PathBuf {
        self.checkpoints.clone().unwrap_or_else(|| self.devnet.join("cache").join(&self.key))
    }
}

/// Which model to load, and where to.
#[derive(Debug, Clone, Args)]
pub struct ModelArgs {
    /// Folder of the model that the network starts with, in Hugging Face layout; must match its manifest. Later checkpoints
    /// are fetched from the trainer's shelf.
    #[arg(long, env = "GRAIL_MODEL", value_name = "DIR")]
    pub model: PathBuf,

    /// Where to compute: `cpu`, `cuda` or `cuda:N`.
    #[arg(long, env = "GRAIL_DEVICE", default_value = "cpu")]
    pub device: String,

    /// Threads for arithmetic on the CPU; 0 takes all cores.
    #[arg(long, env = "GRAIL_THREADS", default_value_t = 0)]
    pub threads: usize,
}

/// How much to say, and in which form.
#[derive(Debug, Clone, Copy, Args)]
pub struct LogArgs {
    /// Say more: -v for the progress of each group, -vv for its result and every reason.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,

    /// Log lines as JSON objects, for machines.
    #[arg(long, global = true)]
    pub json: bool,
}

/// Rollouts that are decoded at once. Must divide the group of 16.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchSize(pub usize);

impl std::str::FromStr for BatchSize {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(size @ (1 | 2 | 4 | 8 | 16)) => Ok(Self(size)),
            _ => Err(format!("{text:?} does not divide a group of 16 rollouts; use 1, 2, 4, 8 or 16")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_divisors_of_a_group_are_batch_sizes() {
        for good in ["1", "2", "4", "8", "16"] {
            assert!(good.parse::<BatchSize>().is_ok());
        }
        for bad in ["3", "0", "32", "-1", "x", ""] {
            assert!(bad.parse::<BatchSize>().unwrap_err().contains("16"));
        }
    }
}

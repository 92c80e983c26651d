//! A language model that can be asked, and that proves what it answered.
//!
//! [`Model::load`] reads a Hugging Face folder of a dense Llama, Qwen2 or Qwen3. [`TorchGenerator`] answers groups of
//! rollouts by forced sampling, [`TorchOracle`] recomputes what others claim; both may share one model.

mod attention;
mod batch;
mod cache;
mod config;
mod cuda;
mod effort;
mod error;
mod generate;
mod linear;
mod model;
mod network;
mod oracle;
mod pick;
mod readout;
mod rope;
mod states;
mod weights;

#[cfg(test)]
mod tests;

pub use effort::Effort;
pub use error::{LoadError, RunError, SUPPORTED};
pub use generate::TorchGenerator;
pub use model::{CacheFormat, Dtype, Model, Options, Place};
pub use oracle::TorchOracle;
pub use pick::{Forced, Pick, Place as PickPlace};
pub use states::States;

//! A language model that can be asked, and that proves what it answered.
//!
//! [`Model::load`] reads a Hugging Face folder of a dense Llama, Qwen2 or Qwen3. [`TorchGenerator`] answers groups of
//! rollouts by forced sampling, [`TorchOracle`] recomputes what others claim; both may share one model.

mod batch;
mod effort;
mod generate;
mod model;
mod native;
mod network;
mod oracle;
mod pick;
mod readout;
mod states;
mod torch;

#[cfg(test)]
mod tests;

pub use effort::Effort;
pub use generate::TorchGenerator;
pub use model::{CacheFormat, LoadOptions, Model};
pub use oracle::TorchOracle;
pub use pick::{Forced, Pick, PickPlace};
pub use states::States;

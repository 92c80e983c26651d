//! Language models over libtorch: asked, proven, and taught.
//!
//! | module | what |
//! |---|---|
//! | `config`, `weights` | the one reader of `config.json`, the one door to safetensors |
//! | `decoder` | what both layouts of the weights share: the folder held against its config, tensor names, rotary positions |
//! | `kernels` | the arithmetic of a decoder on a processor, in 32 bits over weights of sixteen: products, attention, threads; knows no `tch` |
//! | `serve` | a model that answers: [`Model::load`] reads a Hugging Face folder of a dense Llama, Qwen2 or Qwen3, [`TorchGenerator`] answers groups of rollouts by forced sampling, [`TorchOracle`] recomputes what others claim |
//! | `learn` | a model that learns: [`LearningModel`] has a way back, [`Student`] is the whole of training behind the door [`grail_ports::learn::Learner`] |
//!
//! Inference fuses and reorders projections, training must not: `serve` and `learn` are two layouts of the same weights, and
//! accept and refuse the same folders with the same words. Only this crate names `tch`.

mod config;
mod decoder;
mod device;
mod error;
mod kernels;
mod learn;
mod numbers;
mod serve;
mod weights;

#[cfg(test)]
mod tests;

pub use config::{Family, ModelConfig, RopeScaling};
pub use decoder::names::Module;
pub use device::{ComputePlace, Dtype, HeldWeights};
pub use error::{LoadError, RunError};
pub use kernels::{KernelPath, Kernels};
pub use learn::*;
pub use serve::*;
pub use weights::FolderWeights;

//! Language models over libtorch: asked, proven, and taught.
//!
//! | module | what |
//! |---|---|
//! | `serve` | a model that answers: [`Model::load`] reads a Hugging Face folder of a dense Llama, Qwen2 or Qwen3, [`TorchGenerator`] answers groups of rollouts by forced sampling, [`TorchOracle`] recomputes what others claim |
//! | `learn` | a model that learns: [`LearningModel`] has a way back, [`Student`] is the whole of training behind the door [`grail_ports::learn::Learner`] |
//!
//! Both read the same folders. Inference fuses and reorders projections, training must not: they are two layouts of the
//! same weights. Only this crate names `tch`.

mod learn;
mod serve;

pub use learn::*;
pub use serve::*;

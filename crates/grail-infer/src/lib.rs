//! A language model that can be asked, and that proves what it answered.
//!
//! [`Model::load`] reads a Hugging Face folder of a dense Llama, Qwen2 or Qwen3.

mod attention;
mod cache;
mod config;
mod cuda;
mod error;
mod linear;
mod model;
mod network;
mod rope;
mod weights;

#[cfg(test)]
mod tests;

pub use error::{LoadError, RunError, SUPPORTED};
pub use model::{Dtype, Model, Options, Place};

//! The dense decoder that both layouts of its weights compute: a pre-norm transformer with rotary positions, grouped
//! queries and a gated feed-forward block.
//!
//! Source: `modeling_llama.py`, `modeling_qwen2.py` and `modeling_qwen3.py` of transformers; norms by the root of the mean
//! square (arXiv:1910.07467), grouped queries (arXiv:2305.13245), gates by SiLU (arXiv:2002.05202).

mod folder;
pub(crate) mod names;
pub(crate) mod rope;

pub(crate) use folder::ModelFolder;

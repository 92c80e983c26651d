//! Names and shapes of the decoder's tensors, for each family: one table for whoever reads or writes weights.
//!
//! A tensor of a layer is called `model.layers.{index}.{module}.{weight|bias}`.

use crate::config::{Family, ModelConfig};
use serde::{Deserialize, Serialize};

/// The embedding, `[vocab_size, hidden_size]`.
pub(crate) const EMBEDDING: &str = "model.embed_tokens.weight";
/// The final norm, `[hidden_size]`.
pub(crate) const NORM: &str = "model.norm.weight";
/// The output head, `[vocab_size, hidden_size]`; absent where it is the embedding.
pub(crate) const HEAD: &str = "lm_head.weight";

/// A projection of a layer: `x · weightᵀ + bias`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Module {
    /// `self_attn.q_proj`: queries, `[num_attention_heads · head_dim, hidden_size]`.
    QProj,
    /// `self_attn.k_proj`: keys, `[num_key_value_heads · head_dim, hidden_size]`.
    KProj,
    /// `self_attn.v_proj`: values, of the same shape as the keys.
    VProj,
    /// `self_attn.o_proj`: from heads back to the stream, `[hidden_size, num_attention_heads · head_dim]`.
    OProj,
    /// `mlp.gate_proj`: `[intermediate_size, hidden_size]`.
    GateProj,
    /// `mlp.up_proj`: of the same shape as the gate.
    UpProj,
    /// `mlp.down_proj`: `[hidden_size, intermediate_size]`.
    DownProj,
}

impl Module {
    /// Every projection of a layer.
    pub(crate) const ALL: [Self; 7] =
        [Self::QProj, Self::KProj, Self::VProj, Self::OProj, Self::GateProj, Self::UpProj, Self::DownProj];

    /// Those that read what attention is asked with.
    pub(crate) const ATTENTION: [Self; 3] = [Self::QProj, Self::KProj, Self::VProj];
    /// Those that read what the feed-forward block is asked with.
    pub(crate) const GATED: [Self; 2] = [Self::GateProj, Self::UpProj];

    /// Its place in a layer.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::QProj => "self_attn.q_proj",
            Self::KProj => "self_attn.k_proj",
            Self::VProj => "self_attn.v_proj",
            Self::OProj => "self_attn.o_proj",
            Self::GateProj => "mlp.gate_proj",
            Self::UpProj => "mlp.up_proj",
            Self::DownProj => "mlp.down_proj",
        }
    }

    /// `[out, in]`.
    pub(crate) fn shape(self, config: &ModelConfig) -> [i64; 2] {
        let queries = config.num_attention_heads * config.head_dim;
        let keys = config.num_key_value_heads * config.head_dim;
        match self {
            Self::QProj => [queries, config.hidden_size],
            Self::KProj | Self::VProj => [keys, config.hidden_size],
            Self::OProj => [config.hidden_size, queries],
            Self::GateProj | Self::UpProj => [config.intermediate_size, config.hidden_size],
            Self::DownProj => [config.hidden_size, config.intermediate_size],
        }
    }

    /// Whether it has a bias, `[out]`.
    pub(crate) fn has_bias(self, config: &ModelConfig) -> bool {
        match self {
            Self::QProj | Self::KProj | Self::VProj => {
                config.family == Family::Qwen2 || config.attention_bias
            }
            Self::OProj => config.attention_bias,
            Self::GateProj | Self::UpProj | Self::DownProj => config.mlp_bias,
        }
    }
}

/// A norm of a layer: the root of the mean square, without a bias.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Norm {
    /// Before attention, `[hidden_size]`.
    Input,
    /// Before the feed-forward block, `[hidden_size]`.
    PostAttention,
    /// On each query head, `[head_dim]`; Qwen3.
    Queries,
    /// On each key head, `[head_dim]`; Qwen3.
    Keys,
}

impl Norm {
    /// The norms of a layer.
    pub(crate) fn of(config: &ModelConfig) -> &'static [Self] {
        match config.family {
            Family::Llama | Family::Qwen2 => &[Self::Input, Self::PostAttention],
            Family::Qwen3 => &[Self::Input, Self::PostAttention, Self::Queries, Self::Keys],
        }
    }

    /// Its place in a layer.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Input => "input_layernorm",
            Self::PostAttention => "post_attention_layernorm",
            Self::Queries => "self_attn.q_norm",
            Self::Keys => "self_attn.k_norm",
        }
    }

    /// `[width]`.
    pub(crate) fn shape(self, config: &ModelConfig) -> [i64; 1] {
        match self {
            Self::Input | Self::PostAttention => [config.hidden_size],
            Self::Queries | Self::Keys => [config.head_dim],
        }
    }
}

/// Name of a module of a layer.
pub(crate) fn in_layer(layer: i64, path: &str) -> String {
    format!("model.layers.{layer}.{path}")
}

/// Name of a module's weight.
pub(crate) fn weight(layer: i64, path: &str) -> String {
    in_layer(layer, path) + ".weight"
}

/// Name of a module's bias.
pub(crate) fn bias(layer: i64, path: &str) -> String {
    in_layer(layer, path) + ".bias"
}

/// Weights that read the same input and are laid into one matrix, layer by layer.
pub(crate) fn joined(config: &ModelConfig) -> impl Iterator<Item = Vec<String>> {
    (0..config.num_hidden_layers).flat_map(|layer| {
        [&Module::ATTENTION[..], &Module::GATED[..]]
            .map(|modules| modules.iter().map(|module| weight(layer, module.path())).collect())
    })
}

/// Every tensor that a model of this config has, with its shape.
pub(crate) fn all(config: &ModelConfig) -> impl Iterator<Item = (String, Vec<i64>)> + '_ {
    let table = vec![config.vocab_size, config.hidden_size];
    let head = (!config.tie_word_embeddings).then(|| (HEAD.to_owned(), table.clone()));
    let layers = (0..config.num_hidden_layers).flat_map(move |index| {
        let norms = Norm::of(config)
            .iter()
            .map(move |norm| (weight(index, norm.path()), norm.shape(config).to_vec()));
        let modules = Module::ALL.into_iter().flat_map(move |module| {
            let [out, into] = module.shape(config);
            let bias = module.has_bias(config).then(|| (bias(index, module.path()), vec![out]));
            std::iter::once((weight(index, module.path()), vec![out, into])).chain(bias)
        });
        norms.chain(modules)
    });
    std::iter::once((EMBEDDING.to_owned(), table))
        .chain(layers)
        .chain([(NORM.to_owned(), vec![config.hidden_size])])
        .chain(head)
}

//! The shape of a model: what `config.json` says.

use crate::learn::{error::TrainError, files::read_json};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::Path;

/// Families that can be trained: dense decoders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Llama, and what calls itself so, like SmolLM2.
    Llama,
    /// Qwen2 and Qwen2.5: biases on queries, keys and values.
    Qwen2,
    /// Qwen3: norms on queries and keys.
    Qwen3,
}

/// How rotary frequencies are stretched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Stretch {
    /// Not at all.
    None,
    /// Llama 3's rule.
    Llama3 {
        /// Slow waves are slowed by this.
        factor: f64,
        /// Waves longer than `original / low` are slow.
        low: f64,
        /// Waves shorter than `original / high` are kept.
        high: f64,
        /// Context before stretching.
        original: f64,
    },
}

/// Sizes and features of a dense decoder.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// Its family.
    pub family: Family,
    /// Tokens.
    pub vocabulary: i64,
    /// Width of the residual stream.
    pub hidden: i64,
    /// Width of the feed-forward block.
    pub intermediate: i64,
    /// Layers.
    pub layers: i64,
    /// Query heads.
    pub heads: i64,
    /// Key and value heads; divides `heads`.
    pub key_heads: i64,
    /// Width of one head; even.
    pub head_width: i64,
    /// Positions.
    pub context: i64,
    /// Added to the mean square in norms.
    pub epsilon: f64,
    /// Base of the rotary frequencies.
    pub rope_base: f64,
    /// How they are stretched.
    pub stretch: Stretch,
    /// Whether the output head is the embedding.
    pub tied: bool,
    /// Biases on queries, keys and values.
    pub qkv_bias: bool,
    /// Bias on the attention's output projection.
    pub output_bias: bool,
    /// Biases in the feed-forward block.
    pub mlp_bias: bool,
}

#[derive(Deserialize)]
struct Raw {
    architectures: Vec<String>,
    vocab_size: i64,
    hidden_size: i64,
    intermediate_size: i64,
    num_hidden_layers: i64,
    num_attention_heads: i64,
    num_key_value_heads: Option<i64>,
    head_dim: Option<i64>,
    max_position_embeddings: i64,
    rms_norm_eps: Option<f64>,
    rope_theta: Option<f64>,
    rope_scaling: Option<RawRope>,
    rope_parameters: Option<RawRope>,
    tie_word_embeddings: Option<bool>,
    attention_bias: Option<bool>,
    mlp_bias: Option<bool>,
    hidden_act: Option<String>,
    use_sliding_window: Option<bool>,
    quantization_config: Option<Value>,
}

#[derive(Deserialize)]
struct RawRope {
    #[serde(alias = "type")]
    rope_type: Option<String>,
    rope_theta: Option<f64>,
    factor: Option<f64>,
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
    original_max_position_embeddings: Option<f64>,
}

const ARCHITECTURES: [(&str, Family); 3] = [
    ("LlamaForCausalLM", Family::Llama),
    ("Qwen2ForCausalLM", Family::Qwen2),
    ("Qwen3ForCausalLM", Family::Qwen3),
];

impl Shape {
    /// Reads `config.json` of a Hugging Face folder.
    ///
    /// Errors: [`TrainError::File`] and [`TrainError::Json`]; [`TrainError::Model`] for an architecture or a feature
    /// that this crate does not train.
    pub fn read(folder: &Path) -> Result<Self, TrainError> {
        let raw: Raw = read_json(&folder.join("config.json"))?;
        let found = raw.architectures.join(", ");
        let known = ARCHITECTURES.iter().find(|(name, _)| *name == found);
        let Some((_, family)) = known else {
            return refuse(format!("the architecture {found:?} is unknown"));
        };
        if raw.use_sliding_window == Some(true)
            || raw.quantization_config.is_some_and(|value| !value.is_null())
        {
            return refuse("sliding windows and quantised weights are not trained");
        }
        if !matches!(raw.hidden_act.as_deref(), None | Some("silu" | "swish")) {
            return refuse(format!("the activation {:?} is unknown", raw.hidden_act));
        }
        let rope = raw.rope_parameters.as_ref().or(raw.rope_scaling.as_ref());
        let biased = raw.attention_bias.unwrap_or(false);
        let shape = Self {
            family: *family,
            vocabulary: raw.vocab_size,
            hidden: raw.hidden_size,
            intermediate: raw.intermediate_size,
            layers: raw.num_hidden_layers,
            heads: raw.num_attention_heads,
            key_heads: raw.num_key_value_heads.unwrap_or(raw.num_attention_heads),
            head_width: raw.head_dim.unwrap_or(raw.hidden_size / raw.num_attention_heads.max(1)),
            context: raw.max_position_embeddings,
            epsilon: raw.rms_norm_eps.unwrap_or(1e-6),
            rope_base: rope.and_then(|rope| rope.rope_theta).or(raw.rope_theta).unwrap_or(10_000.0),
            stretch: stretch(rope)?,
            tied: raw.tie_word_embeddings.unwrap_or(false),
            qkv_bias: *family == Family::Qwen2 || biased,
            output_bias: *family != Family::Qwen2 && biased,
            mlp_bias: *family == Family::Llama && raw.mlp_bias.unwrap_or(false),
        };
        shape.check()?;
        Ok(shape)
    }

    /// Checks every number and that they agree.
    ///
    /// Errors: [`TrainError::Model`] with the first that does not hold.
    pub fn check(&self) -> Result<(), TrainError> {
        for (name, value, most) in [
            ("vocabulary", self.vocabulary, 1 << 22),
            ("hidden width", self.hidden, 1 << 17),
            ("intermediate width", self.intermediate, 1 << 20),
            ("number of layers", self.layers, 1_024),
            ("number of heads", self.heads, 4_096),
            ("number of key heads", self.key_heads, 4_096),
            ("head width", self.head_width, 4_096),
            ("context", self.context, 1 << 24),
        ] {
            if !(1..=most).contains(&value) {
                return refuse(format!("the {name} is {value}, 1 to {most} is possible"));
            }
        }
        if self.heads % self.key_heads != 0 || self.head_width % 2 != 0 {
            return refuse("key heads must divide the heads, and a head's width must be even");
        }
        if !(self.epsilon > 0.0 && self.epsilon < 1.0 && (1.0..1e12).contains(&self.rope_base)) {
            return refuse("the norms' epsilon or the rotary base is out of range");
        }
        Ok(())
    }

    /// A `config.json` that says this shape, for models made here.
    pub fn to_config(&self, end_token: u32) -> Value {
        let name = ARCHITECTURES.iter().find(|(_, family)| *family == self.family).map(|(name, _)| *name);
        let kind = match self.family {
            Family::Llama => "llama",
            Family::Qwen2 => "qwen2",
            Family::Qwen3 => "qwen3",
        };
        let rope = match self.stretch {
            Stretch::None => Value::Null,
            Stretch::Llama3 { factor, low, high, original } => json!({
                "rope_type": "llama3", "factor": factor, "low_freq_factor": low, "high_freq_factor": high,
                "original_max_position_embeddings": original as i64,
            }),
        };
        json!({
            "architectures": [name],
            "model_type": kind,
            "vocab_size": self.vocabulary,
            "hidden_size": self.hidden,
            "intermediate_size": self.intermediate,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.key_heads,
            "head_dim": self.head_width,
            "max_position_embeddings": self.context,
            "rms_norm_eps": self.epsilon,
            "rope_theta": self.rope_base,
            "rope_scaling": rope,
            "tie_word_embeddings": self.tied,
            "attention_bias": self.output_bias,
            "mlp_bias": self.mlp_bias,
            "hidden_act": "silu",
            "eos_token_id": end_token,
            "torch_dtype": "float32",
        })
    }
}

fn stretch(rope: Option<&RawRope>) -> Result<Stretch, TrainError> {
    let Some(rope) = rope else { return Ok(Stretch::None) };
    match rope.rope_type.as_deref() {
        None | Some("default") => Ok(Stretch::None),
        Some("llama3") => {
            let parts = [
                rope.factor,
                rope.low_freq_factor,
                rope.high_freq_factor,
                rope.original_max_position_embeddings,
            ];
            match parts {
                [Some(factor), Some(low), Some(high), Some(original)]
                    if factor > 0.0 && low > 0.0 && low < high && original > 0.0 =>
                {
                    Ok(Stretch::Llama3 { factor, low, high, original })
                }
                _ => refuse("the llama3 rope has missing or impossible numbers"),
            }
        }
        Some(other) => refuse(format!("the rope type {other:?} is unknown")),
    }
}

pub(crate) fn refuse<T>(problem: impl Into<String>) -> Result<T, TrainError> {
    Err(TrainError::Model { problem: problem.into() })
}

//! What a Hugging Face folder says about its model: the one reader of `config.json`, with that file's own field names.
//!
//! Meanings and defaults are those of transformers 4.57 to 5.x (`models/{llama,qwen2,qwen3}/configuration_*.py` and
//! `modeling_rope_utils.py`). What this crate cannot compute exactly, and what two of these versions compute differently, is
//! refused by name.

use crate::error::LoadError;
use grail_protocol::words::TokenId;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{fs, path::Path};

/// Most bytes of a JSON file of the folder; the index of a very large model has a few millions.
pub(crate) const JSON_BYTES: u64 = 64 << 20;

/// Family of a dense decoder, by its class in transformers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// `LlamaForCausalLM`, and what calls itself so, like SmolLM2.
    Llama,
    /// `Qwen2ForCausalLM`, Qwen2.5 too: biases on queries, keys and values.
    Qwen2,
    /// `Qwen3ForCausalLM`: norms on queries and keys.
    Qwen3,
}

/// How rotary frequencies are stretched: `rope_scaling`, or `rope_parameters` since transformers 5.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    Default,
    /// Llama 3's rule (`_compute_llama3_parameters` of `modeling_rope_utils.py`): a wave is as many positions as its
    /// frequency needs for a turn; long waves are slowed, short ones kept, those between blended.
    Llama3 {
        /// Long waves are slowed by this; above 0.
        factor: f64,
        /// Waves longer than `original_max_position_embeddings / low_freq_factor` are long.
        low_freq_factor: f64,
        /// Waves shorter than `original_max_position_embeddings / high_freq_factor` are kept.
        high_freq_factor: f64,
        /// Positions of the model before stretching.
        original_max_position_embeddings: f64,
    },
}

/// Sizes and features of a dense decoder, under the names that `config.json` has for them.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// `architectures`, which must be one.
    pub family: Family,
    /// Tokens: rows of the embedding and of the output head; 1 to 4,194,304.
    pub vocab_size: i64,
    /// Width of the residual stream; 1 to 131,072.
    pub hidden_size: i64,
    /// Width of the feed-forward block; 1 to 1,048,576.
    pub intermediate_size: i64,
    /// Layers; 1 to 1,024.
    pub num_hidden_layers: i64,
    /// Query heads of a layer; 1 to 4,096.
    pub num_attention_heads: i64,
    /// Key and value heads of a layer; divides `num_attention_heads`.
    pub num_key_value_heads: i64,
    /// Width of one head; even, 2 to 4,096.
    pub head_dim: i64,
    /// Most positions of a sequence, prompt and completion together; 1 to 16,777,216.
    pub max_position_embeddings: i64,
    /// Added to the mean square in norms; between 0 and 1.
    pub rms_norm_eps: f64,
    /// Base of the rotary frequencies; at least 1.
    pub rope_theta: f64,
    /// How they are stretched.
    pub rope_scaling: RopeScaling,
    /// Whether the output head is the embedding.
    pub tie_word_embeddings: bool,
    /// Biases on the projections of attention, in Llama and Qwen3. Qwen2 has its own rule and does not read the field.
    pub attention_bias: bool,
    /// Biases in the feed-forward block, in Llama. The others do not read the field.
    pub mlp_bias: bool,
}

/// Each family with its class in transformers and its `model_type`.
const ARCHITECTURES: [(Family, &str, &str); 3] = [
    (Family::Llama, "LlamaForCausalLM", "llama"),
    (Family::Qwen2, "Qwen2ForCausalLM", "qwen2"),
    (Family::Qwen3, "Qwen3ForCausalLM", "qwen3"),
];

impl ModelConfig {
    /// Reads and checks `config.json` of a folder.
    ///
    /// Errors: [`LoadError`] of the file, and the first field that asks for what is not computed, with its value.
    pub fn read(folder: &Path) -> Result<Self, LoadError> {
        read_raw(folder)?.into_config()
    }

    /// Checks every number and that they agree.
    ///
    /// Errors: [`LoadError::Config`] with the first that does not hold.
    pub fn check(&self) -> Result<(), LoadError> {
        for (field, value, most) in [
            ("hidden_size", self.hidden_size, 1 << 17),
            ("num_attention_heads", self.num_attention_heads, 4_096),
            ("num_key_value_heads", self.num_key_value_heads, 4_096),
            ("head_dim", self.head_dim, 4_096),
            ("intermediate_size", self.intermediate_size, 1 << 20),
            ("num_hidden_layers", self.num_hidden_layers, 1_024),
            ("vocab_size", self.vocab_size, 1 << 22),
            ("max_position_embeddings", self.max_position_embeddings, 1 << 24),
        ] {
            if !(1..=most).contains(&value) {
                return Err(wrong(field, format!("{value} is not within 1 to {most}")));
            }
        }
        let (heads, keys) = (self.num_attention_heads, self.num_key_value_heads);
        if heads % keys != 0 {
            return Err(wrong("num_key_value_heads", format!("{keys} does not divide {heads} heads")));
        }
        if self.head_dim % 2 != 0 {
            return Err(wrong("head_dim", format!("{} is odd", self.head_dim)));
        }
        let eps = self.rms_norm_eps;
        if !(eps > 0.0 && eps < 1.0) {
            return Err(wrong("rms_norm_eps", format!("{eps} is not between 0 and 1")));
        }
        if !(self.rope_theta >= 1.0 && self.rope_theta.is_finite()) {
            return Err(wrong("rope_theta", format!("{} is not at least 1", self.rope_theta)));
        }
        let RopeScaling::Llama3 {
            factor,
            low_freq_factor: low,
            high_freq_factor: high,
            original_max_position_embeddings: original,
        } = self.rope_scaling
        else {
            return Ok(());
        };
        for (field, value) in [
            ("factor", factor),
            ("low_freq_factor", low),
            ("high_freq_factor", high),
            ("original_max_position_embeddings", original),
        ] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(wrong(field, format!("of the rope is {value}, a positive number is needed")));
            }
        }
        if low >= high {
            return Err(wrong("low_freq_factor", format!("{low} is not below high_freq_factor {high}")));
        }
        Ok(())
    }

    /// A `config.json` that says this, for models made here.
    pub fn to_json(&self, eos_token_id: TokenId) -> Value {
        let rope = match self.rope_scaling {
            RopeScaling::Default => Value::Null,
            RopeScaling::Llama3 {
                factor,
                low_freq_factor,
                high_freq_factor,
                original_max_position_embeddings,
            } => {
                json!({
                    "rope_type": "llama3", "factor": factor, "low_freq_factor": low_freq_factor,
                    "high_freq_factor": high_freq_factor,
                    "original_max_position_embeddings": original_max_position_embeddings as i64,
                })
            }
        };
        let names = ARCHITECTURES.iter().find(|(family, ..)| *family == self.family);
        json!({
            "architectures": [names.map(|(_, architecture, _)| architecture)],
            "model_type": names.map(|(.., model_type)| model_type),
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.num_hidden_layers,
            "num_attention_heads": self.num_attention_heads,
            "num_key_value_heads": self.num_key_value_heads,
            "head_dim": self.head_dim,
            "max_position_embeddings": self.max_position_embeddings,
            "rms_norm_eps": self.rms_norm_eps,
            "rope_theta": self.rope_theta,
            "rope_scaling": rope,
            "tie_word_embeddings": self.tie_word_embeddings,
            "attention_bias": self.attention_bias,
            "mlp_bias": self.mlp_bias,
            "hidden_act": "silu",
            "eos_token_id": eos_token_id,
            "torch_dtype": "float32",
        })
    }
}

/// Reads `config.json` and `generation_config.json`: the config, and the tokens that end a completion in the order of the
/// file that names them, which is the second where it names any.
pub(crate) fn read(folder: &Path) -> Result<(ModelConfig, Vec<TokenId>), LoadError> {
    if !folder.is_dir() {
        return Err(LoadError::Folder { path: folder.into() });
    }
    let mut raw = read_raw(folder)?;
    let named = raw.eos_token_id.take();
    let config = raw.into_config()?;
    let path = folder.join("generation_config.json");
    let generation: RawGeneration =
        if path.is_file() { read_json(&path, JSON_BYTES)? } else { RawGeneration::default() };
    let (file, named) = match (generation.eos_token_id, named) {
        (Some(ids), _) => ("generation_config.json", ids.into_vec()),
        (None, Some(_)) if path.is_file() => {
            let words = "generation_config.json names no eos_token_id, so that transformers ends no completion, and \
                         config.json names one: name it in generation_config.json";
            return Err(LoadError::Config(words.into()));
        }
        (None, Some(ids)) => ("config.json", ids.into_vec()),
        (None, None) => return Err(no_end_token()),
    };
    let mut ends = Vec::new();
    for token in named {
        if i64::from(token) >= config.vocab_size {
            let vocabulary = config.vocab_size;
            return Err(LoadError::Config(format!(
                "{file}: the eos_token_id {token} is outside the vocabulary of {vocabulary}"
            )));
        }
        if !ends.contains(&token) {
            ends.push(token);
        }
    }
    if ends.is_empty() { Err(no_end_token()) } else { Ok((config, ends)) }
}

/// Reads a JSON file of at most so many bytes.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path, most: u64) -> Result<T, LoadError> {
    let size = fs::metadata(path).map_err(LoadError::file("read", path))?.len();
    if size > most {
        return Err(LoadError::TooLarge { path: path.into(), size, most });
    }
    let bytes = fs::read(path).map_err(LoadError::file("read", path))?;
    serde_json::from_slice(&bytes).map_err(|source| LoadError::Json { path: path.into(), source })
}

/// `config.json` as it lies in the file.
#[derive(Deserialize)]
struct Raw {
    architectures: Option<Vec<String>>,
    model_type: Option<String>,
    hidden_size: Option<i64>,
    intermediate_size: Option<i64>,
    num_hidden_layers: Option<i64>,
    num_attention_heads: Option<i64>,
    /// The outer absence is that of the field, the inner one its `null`: transformers gives them two meanings.
    #[serde(default, deserialize_with = "present")]
    num_key_value_heads: Option<Option<i64>>,
    #[serde(default, deserialize_with = "present")]
    head_dim: Option<Option<i64>>,
    vocab_size: Option<i64>,
    max_position_embeddings: Option<i64>,
    rms_norm_eps: Option<f64>,
    rope_theta: Option<f64>,
    rope_scaling: Option<RawRope>,
    rope_parameters: Option<RawRope>,
    tie_word_embeddings: Option<bool>,
    attention_bias: Option<bool>,
    mlp_bias: Option<bool>,
    hidden_act: Option<String>,
    use_sliding_window: Option<bool>,
    layer_types: Option<Vec<String>>,
    partial_rotary_factor: Option<f64>,
    quantization_config: Option<Value>,
    eos_token_id: Option<OneOrMany>,
    pad_token_id: Option<i64>,
}

#[derive(Deserialize, Clone, PartialEq)]
struct RawRope {
    rope_type: Option<String>,
    /// The name before transformers 4.43, which later versions still write beside the other.
    #[serde(rename = "type")]
    old_type: Option<String>,
    rope_theta: Option<f64>,
    partial_rotary_factor: Option<f64>,
    factor: Option<f64>,
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
    original_max_position_embeddings: Option<f64>,
}

#[derive(Deserialize, Default)]
struct RawGeneration {
    eos_token_id: Option<OneOrMany>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(TokenId),
    Many(Vec<TokenId>),
}

impl OneOrMany {
    fn into_vec(self) -> Vec<TokenId> {
        match self {
            Self::One(token) => vec![token],
            Self::Many(tokens) => tokens,
        }
    }
}

fn present<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Option<i64>>, D::Error> {
    Deserialize::deserialize(input).map(Some)
}

fn read_raw(folder: &Path) -> Result<Raw, LoadError> {
    read_json(&folder.join("config.json"), JSON_BYTES)
}

impl Raw {
    fn into_config(self) -> Result<ModelConfig, LoadError> {
        let found = self.architectures.clone().unwrap_or_default().join(", ");
        let known = ARCHITECTURES.into_iter().find(|(_, name, _)| *name == found);
        let (family, architecture, model_type) = known.ok_or_else(|| {
            let supported = ARCHITECTURES.map(|(_, name, _)| name).join(", ");
            LoadError::Config(format!(
                "config.json: the architecture {found:?} is not supported; supported are {supported}"
            ))
        })?;
        // Transformers takes the model's class by the second.
        if let Some(other) = self.model_type.as_deref().filter(|other| *other != model_type) {
            return Err(contradiction(format!(
                "the architecture {architecture:?} and the model_type {other:?}"
            )));
        }
        let rope = self.rope()?;
        self.refuse_features(rope.as_ref())?;
        let hidden_size = given("hidden_size", self.hidden_size)?;
        let num_attention_heads = given("num_attention_heads", self.num_attention_heads)?;
        let num_key_value_heads = match (self.num_key_value_heads, family) {
            (Some(Some(count)), _) => count,
            (Some(None), _) | (None, Family::Llama) => num_attention_heads,
            // The default of their classes, whatever the number of heads.
            (None, Family::Qwen2 | Family::Qwen3) => 32,
        };
        let head_dim = match (self.head_dim, family) {
            (Some(Some(width)), _) => width,
            (None, Family::Qwen3) => 128,
            (Some(None), Family::Qwen3) => return Err(wrong("head_dim", "is null".into())),
            _ => match hidden_size.checked_rem(num_attention_heads) {
                // Without heads it is their number that is refused.
                Some(0) | None => hidden_size / num_attention_heads.max(1),
                Some(_) => {
                    let problem =
                        format!("is missing and {num_attention_heads} does not divide {hidden_size}");
                    return Err(wrong("head_dim", problem));
                }
            },
        };
        let config = ModelConfig {
            family,
            vocab_size: given("vocab_size", self.vocab_size)?,
            hidden_size,
            intermediate_size: given("intermediate_size", self.intermediate_size)?,
            num_hidden_layers: given("num_hidden_layers", self.num_hidden_layers)?,
            num_attention_heads,
            num_key_value_heads,
            head_dim,
            max_position_embeddings: given("max_position_embeddings", self.max_position_embeddings)?,
            rms_norm_eps: self.rms_norm_eps.unwrap_or(1e-6),
            rope_theta: self.rope_theta(rope.as_ref())?,
            rope_scaling: rope.as_ref().map_or(Ok(RopeScaling::Default), RawRope::scaling)?,
            tie_word_embeddings: self.tie_word_embeddings.unwrap_or(false),
            attention_bias: family != Family::Qwen2 && self.attention_bias.unwrap_or(false),
            mlp_bias: family == Family::Llama && self.mlp_bias.unwrap_or(false),
        };
        config.check()?;
        if let Some(pad) = self.pad_token_id.filter(|pad| *pad >= config.vocab_size) {
            let vocabulary = config.vocab_size;
            let problem = format!(
                "{pad} is outside the vocabulary of {vocabulary}, with which transformers does not load the model; name a \
                 token within it, or null"
            );
            return Err(wrong("pad_token_id", problem));
        }
        Ok(config)
    }

    /// The rope under either of its names. Transformers 4 reads the first alone, 5 the first before the second.
    fn rope(&self) -> Result<Option<RawRope>, LoadError> {
        match (&self.rope_scaling, &self.rope_parameters) {
            (Some(old), Some(new)) if old != new => {
                Err(contradiction("rope_scaling and rope_parameters, which differ".into()))
            }
            (old, new) => Ok(old.as_ref().or(new.as_ref()).cloned()),
        }
    }

    /// Transformers 4 reads the field beside the rope, 5 the one inside it first.
    fn rope_theta(&self, rope: Option<&RawRope>) -> Result<f64, LoadError> {
        match (self.rope_theta, rope.and_then(|rope| rope.rope_theta)) {
            (Some(outer), Some(inner)) if outer != inner => {
                Err(contradiction(format!("rope_theta {outer}, and rope_theta {inner} inside the rope")))
            }
            (outer, inner) => Ok(inner.or(outer).unwrap_or(10_000.0)),
        }
    }

    fn refuse_features(&self, rope: Option<&RawRope>) -> Result<(), LoadError> {
        let refuse = |feature| Err(unsupported(feature));
        if self.use_sliding_window == Some(true) {
            return refuse("a sliding attention window (use_sliding_window)".into());
        }
        if let Some(kind) = self.layer_types.iter().flatten().find(|kind| *kind != "full_attention") {
            return refuse(format!("layers of type {kind:?}"));
        }
        match self.hidden_act.as_deref() {
            None | Some("silu" | "swish") => {}
            Some(other) => return refuse(format!("the activation {other:?}")),
        }
        let partial = [self.partial_rotary_factor, rope.and_then(|rope| rope.partial_rotary_factor)];
        if let Some(factor) = partial.into_iter().flatten().find(|factor| *factor != 1.0) {
            return refuse(format!(
                "rotary positions on a part of each head (partial_rotary_factor {factor})"
            ));
        }
        if self.quantization_config.as_ref().is_some_and(|value| !value.is_null()) {
            return refuse("quantised weights (quantization_config)".into());
        }
        Ok(())
    }
}

impl RawRope {
    fn scaling(&self) -> Result<RopeScaling, LoadError> {
        let part = |field, value: Option<f64>| {
            let missing = || wrong(field, "of the rope is None, a positive number is needed".into());
            value.ok_or_else(missing)
        };
        match (self.rope_type.as_deref(), self.old_type.as_deref()) {
            (Some(new), Some(old)) if new != old => {
                Err(contradiction(format!("the rope_type {new:?} and, by its old name, the type {old:?}")))
            }
            (new, old) => match new.or(old) {
                None | Some("default") => Ok(RopeScaling::Default),
                Some("llama3") => Ok(RopeScaling::Llama3 {
                    low_freq_factor: part("low_freq_factor", self.low_freq_factor)?,
                    high_freq_factor: part("high_freq_factor", self.high_freq_factor)?,
                    factor: part("factor", self.factor)?,
                    original_max_position_embeddings: part(
                        "original_max_position_embeddings",
                        self.original_max_position_embeddings,
                    )?,
                }),
                Some(other) => Err(unsupported(format!("the rope type {other:?}"))),
            },
        }
    }
}

fn given(field: &'static str, value: Option<i64>) -> Result<i64, LoadError> {
    value.ok_or_else(|| wrong(field, "is missing".into()))
}

fn wrong(field: &str, problem: String) -> LoadError {
    LoadError::Config(format!("config.json: {field} {problem}"))
}

fn unsupported(feature: String) -> LoadError {
    LoadError::Config(format!("config.json asks for {feature}, which is not supported"))
}

/// Two values of which programs take one or the other.
fn contradiction(both: String) -> LoadError {
    LoadError::Config(format!("config.json names {both}; programs differ in which they take: leave one"))
}

/// What `tokenizer_config.json` names ends texts; transformers ends no completion there.
fn no_end_token() -> LoadError {
    let words = "no end token: neither generation_config.json nor config.json has a usable eos_token_id; \
                 name one in generation_config.json";
    LoadError::Config(words.into())
}

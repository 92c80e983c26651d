//! What a Hugging Face folder says about its model: `config.json` and `generation_config.json`.

use crate::serve::error::{LoadError, SUPPORTED};
use grail_protocol::words::TokenId;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::{fs, path::Path};

/// Most bytes of a JSON file of the folder; the index of a very large model has a few.
const JSON_BYTES: u64 = 64 << 20;

/// Family of a dense decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Llama,
    Qwen2,
    Qwen3,
}

/// Stretching of rotary frequencies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scaling {
    None,
    Llama3 { factor: f64, low: f64, high: f64, original: f64 },
}

/// A checked config: every number is positive, bounded and agrees with the others.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Config {
    pub(crate) family: Family,
    pub(crate) hidden: i64,
    pub(crate) intermediate: i64,
    pub(crate) layers: usize,
    /// Query heads.
    pub(crate) heads: i64,
    /// Key and value heads; divides `heads`.
    pub(crate) kv_heads: i64,
    /// Width of one head; even.
    pub(crate) head_dim: i64,
    pub(crate) vocabulary: i64,
    pub(crate) context: usize,
    pub(crate) eps: f64,
    pub(crate) rope_theta: f64,
    pub(crate) scaling: Scaling,
    pub(crate) tied: bool,
    /// Biases on q, k and v.
    pub(crate) qkv_bias: bool,
    /// Bias on the attention's output projection.
    pub(crate) output_bias: bool,
    /// Biases in the feed-forward block.
    pub(crate) mlp_bias: bool,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    architectures: Option<Vec<String>>,
    hidden_size: Option<i64>,
    intermediate_size: Option<i64>,
    num_hidden_layers: Option<i64>,
    num_attention_heads: Option<i64>,
    num_key_value_heads: Option<i64>,
    head_dim: Option<i64>,
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
    quantization_config: Option<serde_json::Value>,
    eos_token_id: Option<OneOrMany>,
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

#[derive(Deserialize)]
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

/// Reads a JSON file of bounded size.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, LoadError> {
    let file = |source| LoadError::File { path: path.into(), source };
    let size = fs::metadata(path).map_err(file)?.len();
    if size > JSON_BYTES {
        return Err(LoadError::TooLarge { path: path.into(), size, most: JSON_BYTES });
    }
    let bytes = fs::read(path).map_err(file)?;
    serde_json::from_slice(&bytes).map_err(|source| LoadError::Json { path: path.into(), source })
}

/// Reads and checks both files; the tokens that end a completion come with the config.
pub(crate) fn read(folder: &Path) -> Result<(Config, Vec<TokenId>), LoadError> {
    if !folder.is_dir() {
        return Err(LoadError::Folder { path: folder.into() });
    }
    let raw: Raw = read_json(&folder.join("config.json"))?;
    let config = check(&raw)?;
    let generation = folder.join("generation_config.json");
    let mut ends = Vec::new();
    if generation.is_file() {
        let raw: RawGeneration = read_json(&generation)?;
        ends = raw.eos_token_id.map(OneOrMany::into_vec).unwrap_or_default();
    }
    if ends.is_empty() {
        ends = raw.eos_token_id.map(OneOrMany::into_vec).unwrap_or_default();
    }
    ends.retain(|token| i64::from(*token) < config.vocabulary);
    ends.sort_unstable();
    ends.dedup();
    if ends.is_empty() { Err(LoadError::NoEndToken) } else { Ok((config, ends)) }
}

fn check(raw: &Raw) -> Result<Config, LoadError> {
    let family = family(raw)?;
    refuse_features(raw)?;
    let hidden = bounded("hidden_size", raw.hidden_size, 1 << 17)?;
    let heads = bounded("num_attention_heads", raw.num_attention_heads, 4_096)?;
    let kv_heads = match raw.num_key_value_heads {
        None => heads,
        some => bounded("num_key_value_heads", some, 4_096)?,
    };
    if heads % kv_heads != 0 {
        return Err(wrong("num_key_value_heads", format!("{kv_heads} does not divide {heads} heads")));
    }
    let head_dim = match raw.head_dim {
        Some(_) => bounded("head_dim", raw.head_dim, 4_096)?,
        None if hidden % heads == 0 => hidden / heads,
        None => return Err(wrong("head_dim", format!("is missing and {heads} does not divide {hidden}"))),
    };
    if head_dim % 2 != 0 {
        return Err(wrong("head_dim", format!("{head_dim} is odd")));
    }
    let eps = raw.rms_norm_eps.unwrap_or(1e-6);
    if !(eps > 0.0 && eps < 1.0) {
        return Err(wrong("rms_norm_eps", format!("{eps} is not between 0 and 1")));
    }
    let rope = raw.rope_parameters.as_ref().or(raw.rope_scaling.as_ref());
    let rope_theta = rope.and_then(|rope| rope.rope_theta).or(raw.rope_theta).unwrap_or(10_000.0);
    if !(rope_theta >= 1.0 && rope_theta.is_finite()) {
        return Err(wrong("rope_theta", format!("{rope_theta} is not at least 1")));
    }
    let biased = raw.attention_bias.unwrap_or(false);
    Ok(Config {
        family,
        hidden,
        intermediate: bounded("intermediate_size", raw.intermediate_size, 1 << 20)?,
        layers: bounded("num_hidden_layers", raw.num_hidden_layers, 1_024)? as usize,
        heads,
        kv_heads,
        head_dim,
        vocabulary: bounded("vocab_size", raw.vocab_size, 1 << 22)?,
        context: bounded("max_position_embeddings", raw.max_position_embeddings, 1 << 24)? as usize,
        eps,
        rope_theta,
        scaling: scaling(rope)?,
        tied: raw.tie_word_embeddings.unwrap_or(false),
        qkv_bias: family == Family::Qwen2 || biased,
        output_bias: family != Family::Qwen2 && biased,
        mlp_bias: family == Family::Llama && raw.mlp_bias.unwrap_or(false),
    })
}

fn family(raw: &Raw) -> Result<Family, LoadError> {
    let found = raw.architectures.clone().unwrap_or_default().join(", ");
    let families = [Family::Llama, Family::Qwen2, Family::Qwen3];
    let known = SUPPORTED.iter().zip(families).find(|(name, _)| **name == found);
    known.map(|(_, family)| family).ok_or(LoadError::Architecture { found })
}

fn refuse_features(raw: &Raw) -> Result<(), LoadError> {
    let refuse = |feature: String| Err(LoadError::Feature { feature });
    if raw.use_sliding_window == Some(true) {
        return refuse("a sliding attention window (use_sliding_window)".into());
    }
    let kinds = raw.layer_types.iter().flatten();
    if let Some(kind) = kinds.into_iter().find(|kind| *kind != "full_attention") {
        return refuse(format!("layers of type {kind:?}"));
    }
    match raw.hidden_act.as_deref() {
        None | Some("silu" | "swish") => {}
        Some(other) => return refuse(format!("the activation {other:?}")),
    }
    if raw.partial_rotary_factor.is_some_and(|factor| factor != 1.0) {
        return refuse("rotary positions on a part of each head (partial_rotary_factor)".into());
    }
    if raw.quantization_config.as_ref().is_some_and(|value| !value.is_null()) {
        return refuse("quantised weights (quantization_config)".into());
    }
    Ok(())
}

fn scaling(rope: Option<&RawRope>) -> Result<Scaling, LoadError> {
    let Some(rope) = rope else { return Ok(Scaling::None) };
    let part = |field, value: Option<f64>| match value {
        Some(value) if value > 0.0 && value.is_finite() => Ok(value),
        other => Err(wrong(field, format!("of the rope is {other:?}, a positive number is needed"))),
    };
    match rope.rope_type.as_deref() {
        None | Some("default") => Ok(Scaling::None),
        Some("llama3") => {
            let (low, high) = (
                part("low_freq_factor", rope.low_freq_factor)?,
                part("high_freq_factor", rope.high_freq_factor)?,
            );
            if low >= high {
                return Err(wrong("low_freq_factor", format!("{low} is not below high_freq_factor {high}")));
            }
            let factor = part("factor", rope.factor)?;
            let original = part("original_max_position_embeddings", rope.original_max_position_embeddings)?;
            Ok(Scaling::Llama3 { factor, low, high, original })
        }
        Some(other) => Err(LoadError::Feature { feature: format!("the rope type {other:?}") }),
    }
}

fn bounded(field: &'static str, value: Option<i64>, most: i64) -> Result<i64, LoadError> {
    match value {
        Some(value) if (1..=most).contains(&value) => Ok(value),
        Some(value) => Err(wrong(field, format!("{value} is not within 1 to {most}"))),
        None => Err(wrong(field, "is missing".into())),
    }
}

fn wrong(field: &'static str, problem: String) -> LoadError {
    LoadError::Config { field, problem }
}

//! Llama weights and configuration, from GGUF names and layout to Hugging Face's.

use std::borrow::Cow;
use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use indicatif::ProgressBar;
use safetensors::Dtype;
use safetensors::tensor::View;
use serde_json::json;

use super::gguf::{Gguf, TensorInfo, Value};

/// The sizes of a Llama model.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) layers: usize,
    pub(crate) hidden: usize,
    pub(crate) inner: usize,
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) head_dim: usize,
    pub(crate) vocab: usize,
    pub(crate) context: usize,
    pub(crate) rope_theta: f32,
    pub(crate) rms_eps: f32,
    /// The output head is the embedding table.
    pub(crate) tied: bool,
}

/// More layers than any model this command is for; a bound on the work a damaged file can ask for.
const MAX_LAYERS: usize = 1024;
/// A bound on every other size, so that products of two stay far from overflow.
const MAX_SIZE: usize = 1 << 24;

impl Sizes {
    /// Reads and checks the sizes; refuses what a plain Llama model does not have.
    pub(crate) fn read(gguf: &Gguf<'_>) -> Result<Self> {
        let architecture = gguf.str("general.architecture")?;
        ensure!(
            architecture == "llama",
            "the model's architecture is {architecture}; only llama can be converted"
        );
        let size = |key: &str| -> Result<usize> {
            let value = gguf.uint(key)?;
            usize::try_from(value)
                .ok()
                .filter(|n| (1..=MAX_SIZE).contains(n))
                .with_context(|| format!("{key} is {value}, which no such model has"))
        };
        match gguf.get("llama.rope.scaling.type") {
            None => {}
            Some(Value::Str(kind)) if kind == "none" => {}
            Some(other) => bail!("rotary scaling {other:?} is not supported"),
        }
        let hidden = size("llama.embedding_length")?;
        let heads = size("llama.attention.head_count")?;
        let kv_heads = size("llama.attention.head_count_kv")?;
        let head_dim = size("llama.rope.dimension_count")?;
        let layers = size("llama.block_count")?;
        ensure!(layers <= MAX_LAYERS, "llama.block_count is {layers}, which no such model has");
        ensure!(heads % kv_heads == 0, "{heads} heads do not divide over {kv_heads} key heads");
        ensure!(head_dim % 2 == 0, "a head of {head_dim} values cannot be rotated in pairs");
        let embedding =
            gguf.tensors().get("token_embd.weight").context("the tensor token_embd.weight is missing")?;
        Ok(Self {
            layers,
            hidden,
            inner: size("llama.feed_forward_length")?,
            heads,
            kv_heads,
            head_dim,
            vocab: embedding.shape.first().copied().unwrap_or(0),
            context: size("llama.context_length")?,
            rope_theta: gguf.f32("llama.rope.freq_base")?,
            rms_eps: gguf.f32("llama.attention.layer_norm_rms_epsilon")?,
            tied: !gguf.tensors().contains_key("output.weight"),
        })
    }

    /// The `config.json` that says the same.
    pub(crate) fn config(&self, bos: u64, eos: u64) -> serde_json::Value {
        json!({
            "architectures": ["LlamaForCausalLM"],
            "attention_bias": false,
            "attention_dropout": 0.0,
            "bos_token_id": bos,
            "eos_token_id": eos,
            "head_dim": self.head_dim,
            "hidden_act": "silu",
            "hidden_size": self.hidden,
            "intermediate_size": self.inner,
            "max_position_embeddings": self.context,
            "mlp_bias": false,
            "model_type": "llama",
            "num_attention_heads": self.heads,
            "num_hidden_layers": self.layers,
            "num_key_value_heads": self.kv_heads,
            "rms_norm_eps": shortest(self.rms_eps),
            "rope_scaling": null,
            "rope_theta": shortest(self.rope_theta),
            "tie_word_embeddings": self.tied,
            "torch_dtype": "float32",
            "use_cache": true,
            "vocab_size": self.vocab,
        })
    }

    /// Every tensor the model has: GGUF name, Hugging Face name, shape, and for q and k the number of heads.
    fn tensors(&self) -> Vec<Wanted> {
        let Self { hidden, inner, vocab, .. } = *self;
        let (q, kv) = (self.heads * self.head_dim, self.kv_heads * self.head_dim);
        let mut all = vec![
            Wanted::new("token_embd".into(), "model.embed_tokens".into(), &[vocab, hidden]),
            Wanted::new("output_norm".into(), "model.norm".into(), &[hidden]),
        ];
        if !self.tied {
            all.push(Wanted::new("output".into(), "lm_head".into(), &[vocab, hidden]));
        }
        for layer in 0..self.layers {
            let parts: [(&str, &str, &[usize], Option<usize>); 9] = [
                ("attn_norm", "input_layernorm", &[hidden], None),
                ("attn_q", "self_attn.q_proj", &[q, hidden], Some(self.heads)),
                ("attn_k", "self_attn.k_proj", &[kv, hidden], Some(self.kv_heads)),
                ("attn_v", "self_attn.v_proj", &[kv, hidden], None),
                ("attn_output", "self_attn.o_proj", &[hidden, q], None),
                ("ffn_norm", "post_attention_layernorm", &[hidden], None),
                ("ffn_gate", "mlp.gate_proj", &[inner, hidden], None),
                ("ffn_up", "mlp.up_proj", &[inner, hidden], None),
                ("ffn_down", "mlp.down_proj", &[hidden, inner], None),
            ];
            all.extend(parts.map(|(from, to, shape, heads)| Wanted {
                heads,
                ..Wanted::new(format!("blk.{layer}.{from}"), format!("model.layers.{layer}.{to}"), shape)
            }));
        }
        all
    }
}

/// The double with the shortest decimals that means the same single: 1e-5 and not 9.999999747378752e-6.
fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

struct Wanted {
    from: String,
    to: String,
    shape: Vec<usize>,
    heads: Option<usize>,
}

impl Wanted {
    fn new(from: String, to: String, shape: &[usize]) -> Self {
        Self { from: from + ".weight", to: to + ".weight", shape: shape.to_vec(), heads: None }
    }
}

/// The model's tensors by Hugging Face name, still quantised; each is dequantised when its bytes are asked for,
/// so that one tensor at a time is in memory.
pub(crate) fn weights<'a>(
    gguf: &Gguf<'a>,
    sizes: &Sizes,
    progress: &'a ProgressBar,
) -> Result<BTreeMap<String, Weight<'a>>> {
    let wanted = sizes.tensors();
    for name in gguf.tensors().keys() {
        ensure!(
            wanted.iter().any(|w| &w.from == name),
            "the tensor {name} has no place in a plain Llama model"
        );
    }
    wanted
        .into_iter()
        .map(|Wanted { from, to, shape, heads }| {
            let info = gguf.tensors().get(&from).with_context(|| format!("the tensor {from} is missing"))?;
            ensure!(info.shape == shape, "the tensor {from} has shape {:?}, not {shape:?}", info.shape);
            Ok((to, Weight { bytes: gguf.bytes(info), info: info.clone(), heads, progress }))
        })
        .collect()
}

/// One tensor on its way into a safetensors file.
#[derive(Debug)]
pub(crate) struct Weight<'a> {
    bytes: &'a [u8],
    info: TensorInfo,
    heads: Option<usize>,
    progress: &'a ProgressBar,
}

impl Weight<'_> {
    /// The values in Hugging Face's order of rows.
    fn values(&self) -> Vec<f32> {
        let values = self.info.kind.to_f32(self.bytes);
        match (self.heads, self.info.shape.as_slice()) {
            (Some(heads), &[rows, columns]) => split_halves(&values, rows / heads, columns),
            _ => values,
        }
    }
}

impl View for Weight<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.info.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let bytes = self.values().iter().flat_map(|x| x.to_le_bytes()).collect();
        self.progress.inc(self.data_len() as u64);
        Cow::Owned(bytes)
    }

    fn data_len(&self) -> usize {
        self.info.shape.iter().product::<usize>() * size_of::<f32>()
    }
}

/// Undoes llama.cpp's order of q and k rows. It rotates neighbouring rows of a head with each other, Hugging Face the row
/// `i` with the row `i + dim/2`; so its rows 0, 2, 4… of a head are the first half here, and 1, 3, 5… the second.
fn split_halves(values: &[f32], head_dim: usize, columns: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(values.len());
    for head in values.chunks_exact(head_dim * columns) {
        for parity in 0..2 {
            for row in head.chunks_exact(columns).skip(parity).step_by(2) {
                out.extend_from_slice(row);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::split_halves;

    #[test]
    fn even_rows_of_a_head_come_first() {
        // Two heads of four rows, two columns; a value names its row.
        let rows: Vec<f32> = (0..8).flat_map(|row| [row as f32, row as f32 + 0.5]).collect();
        let order: Vec<f32> = split_halves(&rows, 4, 2).chunks(2).map(|row| row[0]).collect();
        assert_eq!(order, [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0]);
    }
}

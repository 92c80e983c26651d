//! Llama weights and configuration, from GGUF names and layout to Hugging Face's.

use std::borrow::Cow;
use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use indicatif::ProgressBar;
use safetensors::Dtype;
use safetensors::tensor::View;
use serde_json::{Value, json};

use super::gguf::{Gguf, Tensor};

/// The sizes of a Llama model.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    layers: usize,
    hidden: usize,
    inner: usize,
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
    pub(crate) vocab: usize,
    pub(crate) context: usize,
    rope_theta: f64,
    rms_eps: f64,
    /// The output head is the embedding table.
    tied: bool,
}

/// More layers than any model this command is for; a bound on the work a damaged file can ask for.
const MAX_LAYERS: usize = 1024;
/// A bound on every other size, so that products of two stay far from overflow.
const MAX_SIZE: usize = 1 << 24;

impl Sizes {
    /// Reads and checks the sizes; refuses what a plain Llama model does not have.
    pub(crate) fn read(gguf: &Gguf<'_>) -> Result<Self> {
        let architecture: String = gguf.read("general.architecture")?;
        ensure!(
            architecture == "llama",
            "the model's architecture is {architecture}; only llama can be converted"
        );
        match gguf.get("llama.rope.scaling.type") {
            None => {}
            Some(kind) if kind == "none" => {}
            Some(other) => bail!("rotary scaling {other} is not supported"),
        }
        let most = |name: &str, most: usize| -> Result<usize> {
            let key = format!("llama.{name}");
            let size = gguf.read(&key)?;
            ensure!((1..=most).contains(&size), "{key} is {size}, which no such model has");
            Ok(size)
        };
        let size = |name: &str| most(name, MAX_SIZE);
        let (heads, kv_heads) = (size("attention.head_count")?, size("attention.head_count_kv")?);
        let head_dim = size("rope.dimension_count")?;
        ensure!(heads % kv_heads == 0, "{heads} heads do not divide over {kv_heads} key heads");
        ensure!(head_dim % 2 == 0, "a head of {head_dim} values cannot be rotated in pairs");
        let embedding = gguf.tensors.get("token_embd.weight");
        let embedding = embedding.context("the tensor token_embd.weight is missing")?;
        Ok(Self {
            layers: most("block_count", MAX_LAYERS)?,
            hidden: size("embedding_length")?,
            inner: size("feed_forward_length")?,
            heads,
            kv_heads,
            head_dim,
            vocab: embedding.shape.first().copied().unwrap_or(0),
            context: size("context_length")?,
            rope_theta: gguf.read("llama.rope.freq_base")?,
            rms_eps: gguf.read("llama.attention.layer_norm_rms_epsilon")?,
            tied: !gguf.tensors.contains_key("output.weight"),
        })
    }

    /// The `config.json` that says the same.
    pub(crate) fn config(&self, bos: usize, eos: usize) -> Value {
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
            "rms_norm_eps": self.rms_eps,
            "rope_scaling": null,
            "rope_theta": self.rope_theta,
            "tie_word_embeddings": self.tied,
            "torch_dtype": "float32",
            "use_cache": true,
            "vocab_size": self.vocab,
        })
    }

    /// Every tensor the model has: GGUF name, Hugging Face name, shape, and for q and k the number of heads.
    fn tensors(&self) -> Vec<(String, String, Vec<usize>, Option<usize>)> {
        let Self { hidden, inner, vocab, .. } = *self;
        let (q, kv) = (self.heads * self.head_dim, self.kv_heads * self.head_dim);
        let mut all = Vec::new();
        let mut add = |from: &str, to: &str, shape: &[usize], heads| {
            all.push((format!("{from}.weight"), format!("{to}.weight"), shape.to_vec(), heads));
        };
        add("token_embd", "model.embed_tokens", &[vocab, hidden], None);
        add("output_norm", "model.norm", &[hidden], None);
        if !self.tied {
            add("output", "lm_head", &[vocab, hidden], None);
        }
        for layer in 0..self.layers {
            let mut add = |from: &str, to: &str, shape: &[usize], heads| {
                add(&format!("blk.{layer}.{from}"), &format!("model.layers.{layer}.{to}"), shape, heads);
            };
            add("attn_norm", "input_layernorm", &[hidden], None);
            add("attn_q", "self_attn.q_proj", &[q, hidden], Some(self.heads));
            add("attn_k", "self_attn.k_proj", &[kv, hidden], Some(self.kv_heads));
            add("attn_v", "self_attn.v_proj", &[kv, hidden], None);
            add("attn_output", "self_attn.o_proj", &[hidden, q], None);
            add("ffn_norm", "post_attention_layernorm", &[hidden], None);
            add("ffn_gate", "mlp.gate_proj", &[inner, hidden], None);
            add("ffn_up", "mlp.up_proj", &[inner, hidden], None);
            add("ffn_down", "mlp.down_proj", &[hidden, inner], None);
        }
        all
    }
}

/// The model's tensors by Hugging Face name, still quantised; each is dequantised when its bytes are asked for,
/// so that one tensor at a time is in memory.
pub(crate) fn weights<'a>(
    gguf: &Gguf<'a>,
    sizes: &Sizes,
    progress: &'a ProgressBar,
) -> Result<BTreeMap<String, Weight<'a>>> {
    let mut left = gguf.tensors.clone();
    let mut weights = BTreeMap::new();
    for (from, to, shape, heads) in sizes.tensors() {
        let tensor = left.remove(&from).with_context(|| format!("the tensor {from} is missing"))?;
        ensure!(tensor.shape == shape, "the tensor {from} has shape {:?}, not {shape:?}", tensor.shape);
        weights.insert(to, Weight { tensor, heads, progress });
    }
    if let Some((name, _)) = left.first_key_value() {
        bail!("the tensor {name} has no place in a plain Llama model");
    }
    Ok(weights)
}

/// One tensor on its way into a safetensors file.
#[derive(Debug)]
pub(crate) struct Weight<'a> {
    tensor: Tensor<'a>,
    heads: Option<usize>,
    progress: &'a ProgressBar,
}

impl View for Weight<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.tensor.shape
    }

    /// The values in Hugging Face's order of rows.
    fn data(&self) -> Cow<'_, [u8]> {
        let mut values = self.tensor.to_f32();
        if let (Some(heads), &[rows, columns]) = (self.heads, self.shape()) {
            values = split_halves(&values, rows / heads, columns);
        }
        self.progress.inc(self.data_len() as u64);
        Cow::Owned(values.iter().flat_map(|x| x.to_le_bytes()).collect())
    }

    fn data_len(&self) -> usize {
        self.shape().iter().product::<usize>() * size_of::<f32>()
    }
}

/// Undoes llama.cpp's order of q and k rows. It rotates neighbouring rows of a head with each other, Hugging Face the row
/// `i` with the row `i + dim/2`; so its rows 0, 2, 4… of a head are the first half here, and 1, 3, 5… the second.
fn split_halves(values: &[f32], head_dim: usize, columns: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(values.len());
    for head in values.chunks_exact(head_dim * columns) {
        for parity in 0..2 {
            out.extend(head.chunks_exact(columns).skip(parity).step_by(2).flatten());
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

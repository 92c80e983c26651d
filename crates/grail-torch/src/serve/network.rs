//! The decoder: weights in the shapes they are used in, and the forward pass up to the output head.

use crate::serve::{
    attention::Heads,
    config::{Config, Family},
    error::{LoadError, Named, RunError},
    linear::{Head, Kernels, Linear},
    model::CacheFormat,
    rope::Rope,
    weights::Weights,
};
use grail_protocol::words::TokenId;
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// A dense decoder of one of the supported families.
pub(crate) struct Network {
    pub(crate) config: Config,
    pub(crate) heads: Heads,
    pub(crate) device: Device,
    pub(crate) kind: Kind,
    /// How keys and values are kept.
    pub(crate) cache: CacheFormat,
    rope: Rope,
    /// `[vocabulary, hidden]`; on a CPU a view of the weight file.
    embedding: Tensor,
    layers: Vec<Layer>,
    norm: Tensor,
    head: Head,
}

struct Layer {
    input_norm: Tensor,
    qkv: Linear,
    qk_norm: Option<(Tensor, Tensor)>,
    output: Linear,
    mlp_norm: Tensor,
    gate_up: Linear,
    down: Linear,
}

/// Where the keys and values of a forward pass go, and what its queries see.
pub(crate) trait Attend {
    /// Queries `[rows, heads, width]`, new keys and values `[rows, 2, key heads, width]`; output `[rows, heads · width]`.
    fn attend(&mut self, heads: &Heads, layer: usize, q: &Tensor, kv: &Tensor) -> Result<Tensor, RunError>;
}

impl Network {
    /// Loads the weights of a folder whose config was read.
    pub(crate) fn load(folder: &Path, config: Config, device: Device, kind: Kind) -> Result<Self, LoadError> {
        let weights = Weights::open(folder)?;
        let kernels = Kernels::new(device, kind)?;
        let heads =
            Heads { members: config.heads / config.kv_heads, keys: config.kv_heads, width: config.head_dim };
        let (embed_name, head_name) = ("model.embed_tokens.weight", "lm_head.weight");
        for name in [embed_name, head_name].into_iter().filter(|name| weights.has(name)) {
            let (found, wanted) = (weights.rows(name), config.vocabulary);
            if found != wanted {
                return Err(LoadError::Vocabulary { name: name.into(), found, wanted });
            }
        }
        let table = [config.vocabulary, config.hidden];
        let embedding = match device {
            Device::Cpu => weights.map(embed_name, &table)?,
            _ => kernels.place(&weights.map(embed_name, &table)?)?,
        };
        let head = match (config.tied, device) {
            // A second map, so that the pages which packing touches are given back at once.
            (true, Device::Cpu) => Head::new(&kernels, &weights.map(embed_name, &table)?)?,
            (true, _) => Head::new(&kernels, &embedding)?,
            (false, _) => Head::new(&kernels, &weights.map(head_name, &table)?)?,
        };
        let layers = (0..config.layers)
            .map(|index| {
                Reader { weights: &weights, kernels: &kernels, config: &config, index }.layer(&heads)
            })
            .collect::<Result<_, _>>()?;
        let norm = kernels.place(&weights.map("model.norm.weight", &[config.hidden])?)?;
        let rope = Rope::new(&config, device, kind);
        let cache = CacheFormat::AsComputed;
        Ok(Self { config, heads, device, kind, cache, rope, embedding, layers, norm, head })
    }

    /// The residual stream `[tokens, hidden]` after the last layer, before the final norm.
    pub(crate) fn forward(
        &self,
        tokens: &[TokenId],
        positions: &[usize],
        attend: &mut dyn Attend,
    ) -> Result<Tensor, RunError> {
        let ids: Vec<i64> = tokens.iter().map(|token| i64::from(*token)).collect();
        let mut x = Tensor::f_from_slice(&ids)
            .and_then(|ids| ids.f_to_device(self.device))
            .and_then(|ids| self.embedding.f_index_select(0, &ids))
            .and_then(|x| x.f_to_kind(self.kind))
            .named("embed", &[&self.embedding])?;
        let angles = self.rope.angles(positions)?;
        for (index, layer) in self.layers.iter().enumerate() {
            let normed = self.normed(&x, &layer.input_norm)?;
            let qkv = layer.qkv.apply(&normed)?;
            let (q, kv) = self.heads_of(layer, &qkv, &angles)?;
            let kv = match self.cache {
                CacheFormat::AsComputed => kv,
                CacheFormat::Fp8 => through_fp8(&kv)?,
            };
            let seen = attend.attend(&self.heads, index, &q, &kv)?;
            x = layer.output.apply_onto(&seen, x)?;
            let normed = self.normed(&x, &layer.mlp_norm)?;
            let both = layer.gate_up.apply(&normed)?;
            let width = self.config.intermediate;
            let gated = both
                .f_narrow(1, 0, width)
                .and_then(|gate| gate.f_silu())
                .and_then(|mut gate| gate.f_mul_(&both.f_narrow(1, width, width)?))
                .named("gate", &[&both])?;
            x = layer.down.apply_onto(&gated, x)?;
        }
        Ok(x)
    }

    /// The final norm: what the head reads and the proof binds, `[rows, hidden]`.
    pub(crate) fn final_states(&self, x: &Tensor) -> Result<Tensor, RunError> {
        self.normed(x, &self.norm)
    }

    /// Logits `[rows, vocabulary]` of final states, in 32 bits.
    pub(crate) fn logits(&self, states: &Tensor) -> Result<Tensor, RunError> {
        self.head.apply(states)
    }

    /// Splits a projection into turned queries and keys with their values; the projection is overwritten.
    fn heads_of(
        &self,
        layer: &Layer,
        qkv: &Tensor,
        angles: &crate::serve::rope::Angles,
    ) -> Result<(Tensor, Tensor), RunError> {
        let (queries, keys, width) = (self.heads.queries(), self.heads.keys, self.heads.width);
        let all = qkv.f_view([-1, queries + 2 * keys, width]).named("split heads", &[qkv])?;
        if let Some((q_norm, k_norm)) = &layer.qk_norm {
            for (start, count, norm) in [(0, queries, q_norm), (queries, keys, k_norm)] {
                let mut part = all.f_narrow(1, start, count).named("split heads", &[&all])?;
                let normed = self.normed(&part, norm)?;
                part.f_copy_(&normed).done("store normed heads", &[&normed])?;
            }
        }
        let mut turned = all.f_narrow(1, 0, queries + keys).named("split heads", &[&all])?;
        angles.turn(&mut turned)?;
        let q = all.f_narrow(1, 0, queries).named("split heads", &[&all])?;
        let kv = all
            .f_narrow(1, queries, 2 * keys)
            .and_then(|kv| kv.f_view_([-1, 2, keys, width]))
            .named("split heads", &[&all])?;
        Ok((q, kv))
    }

    fn normed(&self, x: &Tensor, weight: &Tensor) -> Result<Tensor, RunError> {
        let width = x.size().last().copied().unwrap_or(0);
        x.f_rms_norm([width], Some(weight), self.config.eps).named("rms norm", &[x, weight])
    }
}

/// Keys and values as they come back from a cache of eight bits.
fn through_fp8(kv: &Tensor) -> Result<Tensor, RunError> {
    // The largest number of the format; what is larger would come back as no number.
    const LARGEST: f64 = 448.0;
    kv.f_clamp(-LARGEST, LARGEST)
        .and_then(|kv| kv.f_to_kind(Kind::Float8e4m3fn))
        .and_then(|kept| kept.f_to_kind(kv.f_kind()?))
        .named("keep keys in eight bits", &[kv])
}

/// Reads one layer.
struct Reader<'a> {
    weights: &'a Weights,
    kernels: &'a Kernels,
    config: &'a Config,
    index: usize,
}

impl Reader<'_> {
    fn layer(&self, heads: &Heads) -> Result<Layer, LoadError> {
        let c = self.config;
        let qk_norm = match c.family {
            Family::Qwen3 => Some((
                self.placed("self_attn.q_norm", &[c.head_dim])?,
                self.placed("self_attn.k_norm", &[c.head_dim])?,
            )),
            _ => None,
        };
        Ok(Layer {
            input_norm: self.placed("input_layernorm", &[c.hidden])?,
            qkv: self.qkv(heads)?,
            qk_norm,
            output: self.output(heads)?,
            mlp_norm: self.placed("post_attention_layernorm", &[c.hidden])?,
            gate_up: self.joined(&[("mlp.gate_proj", c.intermediate), ("mlp.up_proj", c.intermediate)])?,
            down: self.plain("mlp.down_proj", [c.hidden, c.intermediate], c.mlp_bias)?,
        })
    }

    /// Queries, keys and values in one product; query heads reordered as [`crate::serve::attention`] wants them.
    fn qkv(&self, heads: &Heads) -> Result<Linear, LoadError> {
        let (queries, keys) = (heads.queries() * heads.width, heads.keys * heads.width);
        let inner = self.config.hidden;
        let read = |suffix: &str, shape: &dyn Fn(i64) -> Vec<i64>| -> Result<Tensor, LoadError> {
            let q = self.map(&format!("self_attn.q_proj.{suffix}"), &shape(queries))?;
            let k = self.map(&format!("self_attn.k_proj.{suffix}"), &shape(keys))?;
            let v = self.map(&format!("self_attn.v_proj.{suffix}"), &shape(keys))?;
            let grouped = q
                .f_view([heads.keys, heads.members, -1])
                .and_then(|q| q.f_transpose(0, 1))
                .and_then(|q| q.f_reshape(shape(queries)))
                .named("reorder query heads", &[&q])?;
            Ok(Tensor::f_cat(&[grouped, k, v], 0).named("join projections", &[])?)
        };
        let bias = match self.config.qkv_bias {
            true => Some(read("bias", &|n| vec![n])?),
            false => None,
        };
        self.kernels.linear(&read("weight", &|n| vec![n, inner])?, bias.as_ref())
    }

    fn output(&self, heads: &Heads) -> Result<Linear, LoadError> {
        let c = self.config;
        let inner = heads.queries() * heads.width;
        let stored = self.map("self_attn.o_proj.weight", &[c.hidden, inner])?;
        let weight = stored
            .f_view([c.hidden, heads.keys, heads.members, heads.width])
            .and_then(|w| w.f_transpose(1, 2))
            .and_then(|w| w.f_reshape([c.hidden, inner]))
            .named("reorder output heads", &[&stored])?;
        let bias = self.bias("self_attn.o_proj", c.hidden, c.output_bias)?;
        self.kernels.linear(&weight, bias.as_ref())
    }

    /// Layers that read the same input, in one product.
    fn joined(&self, parts: &[(&str, i64)]) -> Result<Linear, LoadError> {
        let mut weights = Vec::with_capacity(parts.len());
        let mut biases = Vec::new();
        for (name, outer) in parts {
            weights.push(self.map(&format!("{name}.weight"), &[*outer, self.config.hidden])?);
            biases.extend(self.bias(name, *outer, self.config.mlp_bias)?);
        }
        let weight = Tensor::f_cat(&weights, 0).named("join projections", &[])?;
        let bias = match biases.is_empty() {
            true => None,
            false => Some(Tensor::f_cat(&biases, 0).named("join projections", &[])?),
        };
        self.kernels.linear(&weight, bias.as_ref())
    }

    fn plain(&self, name: &str, shape: [i64; 2], biased: bool) -> Result<Linear, LoadError> {
        let [outer, _] = shape;
        let bias = self.bias(name, outer, biased)?;
        self.kernels.linear(&self.map(&format!("{name}.weight"), &shape)?, bias.as_ref())
    }

    fn bias(&self, name: &str, outer: i64, there: bool) -> Result<Option<Tensor>, LoadError> {
        if there { self.map(&format!("{name}.bias"), &[outer]).map(Some) } else { Ok(None) }
    }

    fn placed(&self, name: &str, shape: &[i64]) -> Result<Tensor, LoadError> {
        self.kernels.place(&self.map(&format!("{name}.weight"), shape)?)
    }

    fn map(&self, name: &str, shape: &[i64]) -> Result<Tensor, LoadError> {
        self.weights.map(&format!("model.layers.{}.{name}", self.index), shape)
    }
}

//! The decoder: weights in the shapes they are used in, and the forward pass up to the output head.

use crate::{
    config::{Family, ModelConfig},
    decoder::{
        names::{self, Module, Norm},
        rope::{Angles, Rope},
    },
    error::{LoadError, Named, RunError},
    serve::{
        model::CacheFormat,
        torch::{
            attention::Heads,
            linear::{Head, Kernels, Linear},
        },
    },
    weights::FolderWeights,
};
use grail_protocol::words::TokenId;
use tch::{Device, Kind, Tensor};

/// A dense decoder of one of the supported families.
pub(crate) struct Decoder {
    pub(crate) config: ModelConfig,
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

impl Decoder {
    /// Puts weights that were checked into the shapes they are used in.
    pub(crate) fn new(
        weights: &FolderWeights,
        config: ModelConfig,
        device: Device,
        kind: Kind,
    ) -> Result<Self, LoadError> {
        let kernels = Kernels::new(device, kind)?;
        let heads = Heads {
            members: config.num_attention_heads / config.num_key_value_heads,
            keys: config.num_key_value_heads,
            width: config.head_dim,
        };
        let table = [config.vocab_size, config.hidden_size];
        let embedding = match device {
            Device::Cpu => weights.map(names::EMBEDDING, &table)?,
            _ => kernels.place(&weights.map(names::EMBEDDING, &table)?)?,
        };
        let head = match (config.tie_word_embeddings, device) {
            // A second map, so that the pages which packing touches are given back at once.
            (true, Device::Cpu) => Head::new(&kernels, &weights.map(names::EMBEDDING, &table)?)?,
            (true, _) => Head::new(&kernels, &embedding)?,
            (false, _) => Head::new(&kernels, &weights.map(names::HEAD, &table)?)?,
        };
        let layers = (0..config.num_hidden_layers)
            .map(|index| Reader { weights, kernels: &kernels, config: &config, index }.layer(&heads))
            .collect::<Result<_, _>>()?;
        let norm = kernels.place(&weights.map(names::NORM, &[config.hidden_size])?)?;
        let rope = Rope::new(&config);
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
        let angles =
            self.rope.angles(positions, self.device, self.kind).named("make the rotary angles", &[])?;
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
            let width = self.config.intermediate_size;
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
    fn heads_of(&self, layer: &Layer, qkv: &Tensor, angles: &Angles) -> Result<(Tensor, Tensor), RunError> {
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
        angles.turn(&mut turned).named("turn heads", &[&turned])?;
        let q = all.f_narrow(1, 0, queries).named("split heads", &[&all])?;
        let kv = all
            .f_narrow(1, queries, 2 * keys)
            .and_then(|kv| kv.f_view_([-1, 2, keys, width]))
            .named("split heads", &[&all])?;
        Ok((q, kv))
    }

    fn normed(&self, x: &Tensor, weight: &Tensor) -> Result<Tensor, RunError> {
        let width = x.size().last().copied().unwrap_or(0);
        x.f_rms_norm([width], Some(weight), self.config.rms_norm_eps).named("rms norm", &[x, weight])
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
    weights: &'a FolderWeights,
    kernels: &'a Kernels,
    config: &'a ModelConfig,
    index: i64,
}

impl Reader<'_> {
    fn layer(&self, heads: &Heads) -> Result<Layer, LoadError> {
        let qk_norm = match self.config.family {
            Family::Qwen3 => Some((self.norm(Norm::Queries)?, self.norm(Norm::Keys)?)),
            Family::Llama | Family::Qwen2 => None,
        };
        Ok(Layer {
            input_norm: self.norm(Norm::Input)?,
            qkv: self.qkv(heads)?,
            qk_norm,
            output: self.output(heads)?,
            mlp_norm: self.norm(Norm::PostAttention)?,
            gate_up: self.joined(
                &[self.weight(Module::GateProj)?, self.weight(Module::UpProj)?],
                &[self.bias(Module::GateProj)?, self.bias(Module::UpProj)?],
            )?,
            down: self
                .kernels
                .linear(&self.weight(Module::DownProj)?, self.bias(Module::DownProj)?.as_ref())?,
        })
    }

    /// Queries, keys and values in one product; query heads reordered as [`super::attention`] wants them.
    fn qkv(&self, heads: &Heads) -> Result<Linear, LoadError> {
        let grouped = |q: Tensor| {
            q.f_view([heads.keys, heads.members, -1])
                .and_then(|grouped| grouped.f_transpose(0, 1))
                .and_then(|grouped| grouped.f_reshape(q.size()))
                .named("reorder query heads", &[&q])
        };
        let (q, bias) = (self.weight(Module::QProj)?, self.bias(Module::QProj)?);
        self.joined(
            &[grouped(q)?, self.weight(Module::KProj)?, self.weight(Module::VProj)?],
            &[bias.map(grouped).transpose()?, self.bias(Module::KProj)?, self.bias(Module::VProj)?],
        )
    }

    fn output(&self, heads: &Heads) -> Result<Linear, LoadError> {
        let stored = self.weight(Module::OProj)?;
        let weight = stored
            .f_view([-1, heads.keys, heads.members, heads.width])
            .and_then(|w| w.f_transpose(1, 2))
            .and_then(|w| w.f_reshape(stored.size()))
            .named("reorder output heads", &[&stored])?;
        self.kernels.linear(&weight, self.bias(Module::OProj)?.as_ref())
    }

    /// Layers that read the same input, in one product; all have a bias, or none.
    fn joined(&self, weights: &[Tensor], biases: &[Option<Tensor>]) -> Result<Linear, LoadError> {
        let join = |parts: &[&Tensor]| Tensor::f_cat(parts, 0).named("join projections", &[]);
        let weight = join(&weights.iter().collect::<Vec<_>>())?;
        let biases: Vec<&Tensor> = biases.iter().flatten().collect();
        let bias = if biases.is_empty() { None } else { Some(join(&biases)?) };
        self.kernels.linear(&weight, bias.as_ref())
    }

    fn weight(&self, module: Module) -> Result<Tensor, LoadError> {
        self.weights.map(&names::weight(self.index, module.path()), &module.shape(self.config))
    }

    fn bias(&self, module: Module) -> Result<Option<Tensor>, LoadError> {
        if !module.has_bias(self.config) {
            return Ok(None);
        }
        let [out, _] = module.shape(self.config);
        self.weights.map(&names::bias(self.index, module.path()), &[out]).map(Some)
    }

    fn norm(&self, norm: Norm) -> Result<Tensor, LoadError> {
        let name = names::weight(self.index, norm.path());
        self.kernels.place(&self.weights.map(&name, &norm.shape(self.config))?)
    }
}

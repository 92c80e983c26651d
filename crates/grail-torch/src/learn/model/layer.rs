//! One decoder layer, differentiable: nothing here works in place on what autograd needs.

use super::layout::{Branches, Layout, Segment};
use crate::{
    config::ModelConfig,
    decoder::names::{Module, Norm},
};
use tch::{TchError, Tensor};

/// A tensor of the model, and its place among those that learn.
#[derive(Debug)]
pub(crate) struct Weight {
    pub(crate) tensor: Tensor,
    pub(crate) slot: Option<usize>,
}

/// A projection, with an adapter of low rank beside it in LoRA mode.
#[derive(Debug)]
pub(crate) struct Linear {
    pub(crate) weight: Weight,
    pub(crate) bias: Option<Weight>,
    pub(crate) adapter: Option<Adapter>,
}

/// `x ↦ factor · (x·downᵀ)·upᵀ`.
#[derive(Debug)]
pub(crate) struct Adapter {
    /// `[rank, in]`.
    pub(crate) down: Weight,
    /// `[out, rank]`, zeros at the start.
    pub(crate) up: Weight,
    pub(crate) factor: f64,
}

/// Whether a pass goes through the adapters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Adapters {
    Used,
    PassedBy,
}

#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) input_norm: Weight,
    pub(crate) q: Linear,
    pub(crate) k: Linear,
    pub(crate) v: Linear,
    pub(crate) qk_norm: Option<(Weight, Weight)>,
    pub(crate) output: Linear,
    pub(crate) mlp_norm: Weight,
    pub(crate) gate: Linear,
    pub(crate) up: Linear,
    pub(crate) down: Linear,
}

impl Linear {
    fn apply(&self, x: &Tensor, use_of: Adapters) -> Result<Tensor, TchError> {
        let y = x.f_linear(&self.weight.tensor, self.bias.as_ref().map(|bias| &bias.tensor))?;
        let Some(adapter) = self.adapter.as_ref().filter(|_| use_of == Adapters::Used) else { return Ok(y) };
        let none = None::<&Tensor>;
        let aside = x.f_linear(&adapter.down.tensor, none)?.f_linear(&adapter.up.tensor, none)?;
        y.f_add(&aside.f_mul_scalar(adapter.factor)?)
    }

    /// The weight with its adapter worked in, in the weight's kind.
    pub(crate) fn merged(&self) -> Result<Tensor, TchError> {
        let weight = self.weight.tensor.f_detach()?;
        let Some(adapter) = &self.adapter else { return Ok(weight) };
        let float = |tensor: &Tensor| tensor.f_detach()?.f_to_kind(tch::Kind::Float);
        let aside = float(&adapter.up.tensor)?.f_matmul(&float(&adapter.down.tensor)?)?;
        float(&weight)?.f_add(&aside.f_mul_scalar(adapter.factor)?)?.f_to_kind(weight.f_kind()?)
    }

    pub(crate) fn weights(&self) -> impl Iterator<Item = &Weight> {
        let adapter = self.adapter.iter().flat_map(|adapter| [&adapter.down, &adapter.up]);
        std::iter::once(&self.weight).chain(&self.bias).chain(adapter)
    }
}

impl Layer {
    /// The projections.
    pub(crate) fn linears(&self) -> [(Module, &Linear); 7] {
        let linears = [&self.q, &self.k, &self.v, &self.output, &self.gate, &self.up, &self.down];
        std::array::from_fn(|at| (Module::ALL[at], linears[at]))
    }

    /// The norms.
    pub(crate) fn norms(&self) -> impl Iterator<Item = (Norm, &Weight)> {
        let qk = self.qk_norm.iter();
        [(Norm::Input, &self.input_norm), (Norm::PostAttention, &self.mlp_norm)]
            .into_iter()
            .chain(qk.flat_map(|(q, k)| [(Norm::Queries, q), (Norm::Keys, k)]))
    }

    /// Every tensor that learns, with its slot.
    pub(crate) fn learning(&self) -> Vec<(usize, &Tensor)> {
        let linears = self.linears().map(|(_, linear)| linear);
        let weights = linears.iter().flat_map(|linear| linear.weights());
        let all = weights.chain(self.norms().map(|(_, weight)| weight));
        all.filter_map(|weight| weight.slot.map(|slot| (slot, &weight.tensor))).collect()
    }

    /// The residual stream `[tokens, hidden]` after this layer.
    pub(crate) fn forward(
        &self,
        config: &ModelConfig,
        layout: &Layout,
        adapters: Adapters,
        x: &Tensor,
    ) -> Result<Tensor, TchError> {
        let normed = norm(x, &self.input_norm.tensor, config)?;
        let (queries, keys, width) =
            (config.num_attention_heads, config.num_key_value_heads, config.head_dim);
        let heads = |linear: &Linear, count| linear.apply(&normed, adapters)?.f_view([-1, count, width]);
        let (mut q, mut k, v) = (heads(&self.q, queries)?, heads(&self.k, keys)?, heads(&self.v, keys)?);
        if let Some((q_norm, k_norm)) = &self.qk_norm {
            (q, k) = (norm(&q, &q_norm.tensor, config)?, norm(&k, &k_norm.tensor, config)?);
        }
        let (q, k) = (layout.angles.turned(&q)?, layout.angles.turned(&k)?);
        let members = queries / keys;
        let (k, v) = (widen(&k, members)?, widen(&v, members)?);
        let mut seen = Vec::new();
        for segment in &layout.segments {
            segment.attend(&q, &k, &v, &mut seen)?;
        }
        let seen = Tensor::f_cat(&seen, 0)?.f_reshape([-1, queries * width])?;
        let x = x.f_add(&self.output.apply(&seen, adapters)?)?;
        let normed = norm(&x, &self.mlp_norm.tensor, config)?;
        let gated =
            self.gate.apply(&normed, adapters)?.f_silu()?.f_mul(&self.up.apply(&normed, adapters)?)?;
        x.f_add(&self.down.apply(&gated, adapters)?)
    }
}

pub(crate) fn norm(x: &Tensor, weight: &Tensor, config: &ModelConfig) -> Result<Tensor, TchError> {
    x.f_rms_norm(weight.size(), Some(weight), config.rms_norm_eps)
}

/// Repeats key heads `[tokens, key heads, width]` for the queries that share them.
fn widen(heads: &Tensor, members: i64) -> Result<Tensor, TchError> {
    if members == 1 {
        Ok(heads.shallow_clone())
    } else {
        heads.f_repeat_interleave_self_int(members, 1, None)
    }
}

impl Segment {
    /// Adds what its tokens see to `seen`, `[tokens, heads, width]` in the order of the tokens.
    fn attend(&self, q: &Tensor, k: &Tensor, v: &Tensor, seen: &mut Vec<Tensor>) -> Result<(), TchError> {
        let prompt =
            |tensor: &Tensor| tensor.f_narrow(0, self.start, self.prompt)?.f_transpose(0, 1)?.f_unsqueeze(0);
        let prompts = if self.prompt > 0 { Some((prompt(k)?, prompt(v)?)) } else { None };
        if let Some((k, v)) = &prompts {
            let own = dot_product(&prompt(q)?, k, v, None)?;
            seen.push(own.f_squeeze_dim(0)?.f_transpose(0, 1)?);
        }
        if let Some(branches) = &self.branches {
            let rows = |tensor: &Tensor| branches.rows(tensor);
            let (mut k, mut v) = (rows(k)?, rows(v)?);
            if let Some((prompt_k, prompt_v)) = &prompts {
                let size = k.size();
                let joined = |prompt: &Tensor, own: &Tensor| {
                    let mut wide = size.clone();
                    if let Some(columns) = wide.get_mut(2) {
                        *columns = self.prompt;
                    }
                    Tensor::f_cat(&[&prompt.f_expand(wide, false)?, own], 2)
                };
                (k, v) = (joined(prompt_k, &k)?, joined(prompt_v, &v)?);
            }
            let own = dot_product(&rows(q)?, &k, &v, branches.mask.as_ref())?;
            seen.push(branches.tokens(&own)?);
        }
        Ok(())
    }
}

impl Branches {
    /// `[tokens, heads, width]` as `[branches, heads, places, width]`.
    fn rows(&self, tensor: &Tensor) -> Result<Tensor, TchError> {
        let size = tensor.size();
        let mut wide = vec![self.count, self.width];
        wide.extend(size.iter().skip(1));
        tensor.f_index_select(0, &self.gather)?.f_view(wide.as_slice())?.f_transpose(1, 2)
    }

    /// The way back, without what stands behind the ends.
    fn tokens(&self, rows: &Tensor) -> Result<Tensor, TchError> {
        let flat = rows.f_transpose(1, 2)?.f_flatten(0, 1)?;
        if self.tokens == self.count * self.width { Ok(flat) } else { flat.f_index_select(0, &self.scatter) }
    }
}

fn dot_product(q: &Tensor, k: &Tensor, v: &Tensor, mask: Option<&Tensor>) -> Result<Tensor, TchError> {
    Tensor::f_scaled_dot_product_attention(q, k, v, mask, 0.0, mask.is_none(), None, false)
}

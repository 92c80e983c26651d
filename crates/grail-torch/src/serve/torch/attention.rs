//! Attention in two parts that share a softmax: over a prefix that many rows have in common, and over what each row
//! has of its own.
//!
//! Source: softmax in parts (Milakov and Gimelshein, arXiv:1805.02867), a shared prefix computed once for many rows
//! (Juravsky et al., arXiv:2402.05099).
//!
//! Every part gives its output and the logarithm of its softmax's denominator; [`merge`] weighs the outputs by them.
//! Query heads lie in the order (member of the group, key head), so that all queries of a key head over a shared
//! prefix are one matrix without copying: `[rows · members, key heads, head_dim]`.

use crate::error::{Named, RunError};
use tch::{Device, Kind, Tensor};

/// Output `[rows, heads, head_dim]` and log-denominator `[rows, heads]` of one part.
pub(crate) struct Part {
    out: Tensor,
    lse: Tensor,
}

/// Sizes of an attention layer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heads {
    /// Query heads per key head.
    pub(crate) members: i64,
    /// Key heads.
    pub(crate) keys: i64,
    /// Width of a head.
    pub(crate) width: i64,
}

impl Heads {
    /// Query heads.
    pub(crate) const fn queries(&self) -> i64 {
        self.members * self.keys
    }

    /// All `rows` queries `[rows, heads, width]` over one prefix, keys and values `[positions, 2, keys, width]`.
    pub(crate) fn over_prefix(&self, q: &Tensor, prefix: &Tensor) -> Result<Part, RunError> {
        let rows = q.size().first().copied().unwrap_or(0);
        let folded = q
            .f_reshape([1, rows * self.members, self.keys, self.width])
            .and_then(|q| q.f_transpose(1, 2))
            .named("fold queries", &[q])?;
        let half = |which| {
            prefix
                .f_select(1, which)
                .and_then(|half| half.f_transpose(0, 1))
                .and_then(|half| half.f_unsqueeze(0))
                .named("view the prefix", &[prefix])
        };
        let part = attend(&folded, &half(0)?, &half(1)?, Mask::None)?;
        self.unfold(part, rows)
    }

    /// One query row per sequence `[rows, heads, width]`, over keys and values `[rows · keys, positions, width]`.
    ///
    /// `mask` is added to the scores, `[rows, 1, 1, positions]` in f32; needed where sequences differ in length.
    /// Plain batched products: with so few queries a sequence, the fused kernel spends its time on calls.
    pub(crate) fn over_own(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        mask: Option<&Tensor>,
    ) -> Result<Part, RunError> {
        let rows = q.size().first().copied().unwrap_or(0);
        let compute = || {
            let folded = q
                .f_view([rows, self.members, self.keys, self.width])?
                .f_transpose(1, 2)?
                .f_reshape([rows * self.keys, self.members, self.width])?;
            let mut scores = folded.f_bmm(&k.f_transpose(1, 2)?)?.f_to_kind(Kind::Float)?;
            let mut scores = scores.f_mul_scalar_(1.0 / (self.width as f64).sqrt())?;
            if let Some(mask) = mask {
                let _ = scores.f_view([rows, self.keys, self.members, -1])?.f_add_(mask)?;
            }
            let most = scores.f_amax([-1], true)?;
            let weights = scores.f_sub_(&most)?.f_exp_()?;
            let total = weights.f_sum_dim_intlist([-1].as_slice(), true, None::<Kind>)?;
            let mut out = weights.f_to_kind(v.f_kind()?)?.f_bmm(v)?;
            let out = out.f_div_(&total)?;
            let lse = total.f_log()?.f_add_(&most)?;
            let back =
                |t: &Tensor, width| t.f_view([rows, self.keys, self.members, width])?.f_transpose(1, 2);
            let out = back(&out, self.width)?.f_reshape([rows, self.queries(), self.width])?;
            let lse = back(&lse, 1)?.f_reshape([rows, self.queries()])?;
            Ok(Part { out, lse })
        };
        compute().named("attention", &[q, k, v])
    }

    /// A sequence over itself, each row over the rows up to it: queries `[rows, heads, width]`, keys and values
    /// `[rows, heads, width]` as [`Heads::widen`] gives them.
    pub(crate) fn over_itself(&self, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Part, RunError> {
        let rows = q.size().first().copied().unwrap_or(0);
        let lift =
            |t: &Tensor| t.f_transpose(0, 1).and_then(|t| t.f_unsqueeze(0)).named("view a sequence", &[t]);
        let part = attend(&lift(q)?, &lift(k)?, &lift(v)?, Mask::Causal)?;
        self.unfold(part, rows)
    }

    /// Keys and values `[rows, 2, keys, width]`, once for every query head: two of `[rows, heads, width]`.
    pub(crate) fn widen(&self, kv: &Tensor) -> Result<(Tensor, Tensor), RunError> {
        let rows = kv.size().first().copied().unwrap_or(0);
        let half = |which| {
            kv.f_narrow(1, which, 1)
                .and_then(|half| half.f_expand([rows, self.members, self.keys, self.width], false))
                .and_then(|half| half.f_reshape([rows, self.queries(), self.width]))
                .named("repeat keys", &[kv])
        };
        Ok((half(0)?, half(1)?))
    }

    /// From `[batch, heads, queries, width]` back to rows.
    fn unfold(&self, (out, lse): (Tensor, Tensor), rows: i64) -> Result<Part, RunError> {
        let flat = out
            .f_transpose(1, 2)
            .and_then(|out| out.f_reshape([rows, self.queries(), self.width]))
            .named("unfold", &[&out])?;
        let lse = lse
            .f_transpose(1, 2)
            .and_then(|lse| lse.f_reshape([rows, self.queries()]))
            .named("unfold", &[&lse])?;
        Ok(Part { out: flat, lse })
    }
}

impl Part {
    /// The output `[rows, heads · width]`, of this part alone.
    pub(crate) fn alone(self) -> Result<Tensor, RunError> {
        self.out.f_flatten(1, 2).named("flatten", &[&self.out])
    }
}

/// Parts of consecutive rows, as one.
pub(crate) fn stack(mut parts: Vec<Part>) -> Result<Part, RunError> {
    if parts.len() == 1 {
        return parts.pop().ok_or(RunError::Inside("no attention part"));
    }
    let (outs, lses): (Vec<Tensor>, Vec<Tensor>) = parts.into_iter().map(|part| (part.out, part.lse)).unzip();
    let out = Tensor::f_cat(&outs, 0).named("stack rows", &[])?;
    let lse = Tensor::f_cat(&lses, 0).named("stack rows", &[])?;
    Ok(Part { out, lse })
}

/// Attention over both parts at once, `[rows, heads · width]`.
pub(crate) fn merge(a: Part, b: Part) -> Result<Tensor, RunError> {
    let weight = a
        .lse
        .f_sub(&b.lse)
        .and_then(|mut d| d.f_sigmoid_())
        .and_then(|w| w.f_unsqueeze(-1))
        .and_then(|w| w.f_to_kind(a.out.f_kind()?))
        .named("weigh parts", &[&a.lse, &b.lse])?;
    let merged = b.out.f_lerp_tensor(&a.out, &weight).named("merge parts", &[&a.out, &b.out])?;
    merged.f_flatten(1, 2).named("flatten", &[&merged])
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mask {
    None,
    Causal,
}

/// `q [batch, heads, queries, width]`, `k` and `v [batch, heads, positions, width]`; output like `q`, and
/// log-denominators `[batch, heads, queries]` in f32.
fn attend(q: &Tensor, k: &Tensor, v: &Tensor, mask: Mask) -> Result<(Tensor, Tensor), RunError> {
    match q.device() {
        Device::Cpu => attend_fused(q, k, v, mask),
        _ => attend_plainly(q, k, v, mask),
    }
}

/// libtorch's fused kernel for CPUs.
fn attend_fused(q: &Tensor, k: &Tensor, v: &Tensor, mask: Mask) -> Result<(Tensor, Tensor), RunError> {
    let (causal, added) = (mask == Mask::Causal, None::<Tensor>);
    Tensor::f_internal_scaled_dot_product_flash_attention_for_cpu(q, k, v, 0.0, causal, added, None)
        .named("attention", &[q, k, v])
}

/// The same by matrix products, for every device; scores and softmax in f32.
fn attend_plainly(q: &Tensor, k: &Tensor, v: &Tensor, mask: Mask) -> Result<(Tensor, Tensor), RunError> {
    let compute = || {
        let width = *q.size().last().unwrap_or(&1) as f64;
        let scores = q.f_matmul(&k.f_transpose(-2, -1)?)?.f_to_kind(Kind::Float)?;
        let scores = scores.f_mul_scalar(1.0 / width.sqrt())?;
        let scores = match mask {
            Mask::None => scores,
            Mask::Causal => {
                let shape = [scores.size()[2], scores.size()[3]];
                let ones = Tensor::f_ones(shape, (Kind::Bool, q.device()))?;
                scores.f_masked_fill(&ones.f_triu(1)?, f64::NEG_INFINITY)?
            }
        };
        let lse = scores.f_logsumexp([-1], true)?;
        let weights = scores.f_sub(&lse)?.f_exp()?.f_to_kind(v.f_kind()?)?;
        Ok((weights.f_matmul(v)?, lse.f_squeeze_dim(-1)?))
    };
    compute().named("attention", &[q, k, v])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(shape: &[i64]) -> Tensor {
        Tensor::f_randn(shape, (Kind::Float, Device::Cpu)).unwrap()
    }

    fn close(a: &Tensor, b: &Tensor) -> bool {
        a.size() == b.size() && (a - b).abs().max().double_value(&[]) < 1e-5
    }

    #[test]
    fn both_kernels_agree() {
        let _guard = tch::no_grad_guard();
        let (q, k, v) = (random(&[3, 4, 9, 16]), random(&[3, 4, 9, 16]), random(&[3, 4, 9, 16]));
        for mask in [Mask::None, Mask::Causal] {
            let (a, a_lse) = attend_fused(&q, &k, &v, mask).unwrap();
            let (b, b_lse) = attend_plainly(&q, &k, &v, mask).unwrap();
            assert!(close(&a, &b) && close(&a_lse, &b_lse));
        }
    }

    #[test]
    fn two_parts_merge_into_the_whole() {
        let _guard = tch::no_grad_guard();
        let heads = Heads { members: 3, keys: 2, width: 8 };
        let (q, kv) = (random(&[5, 6, 8]), random(&[12, 2, 2, 8]));
        let whole = heads.over_prefix(&q, &kv).unwrap().alone().unwrap();
        let (a, b) = (kv.narrow(0, 0, 7), kv.narrow(0, 7, 5));
        let parts = merge(heads.over_prefix(&q, &a).unwrap(), heads.over_prefix(&q, &b).unwrap()).unwrap();
        assert!(close(&whole, &parts));
        // One row over its own keys is the same again.
        let half = |which| kv.select(1, which).transpose(0, 1).contiguous();
        let own = heads.over_own(&q.narrow(0, 2, 1), &half(0), &half(1), None).unwrap();
        assert!(close(&own.alone().unwrap(), &whole.narrow(0, 2, 1)));
        // And the same with three more positions that a mask hides.
        let longer = |which| Tensor::cat(&[half(which), random(&[2, 3, 8])], 1);
        let mask: Vec<f32> = (0..15).map(|at| if at < 12 { 0.0 } else { f32::NEG_INFINITY }).collect();
        let mask = Tensor::from_slice(&mask).view([1, 1, 1, 15]);
        let own = heads.over_own(&q.narrow(0, 2, 1), &longer(0), &longer(1), Some(&mask)).unwrap();
        assert!(close(&own.alone().unwrap(), &whole.narrow(0, 2, 1)));
    }
}

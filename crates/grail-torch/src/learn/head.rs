//! The output head, a chunk of rows at a time: log-probabilities, entropies, and their gradients.
//!
//! Logits of a chunk live only while it is computed, forward and backward. The gradients are written out rather than
//! recorded, with `z` the logits of a row, `p` their softmax, `H` the entropy, `g` and `e` the gradients of log-probability and
//! entropy: `dz = g·(onehot − p) − e·p·(log p + H)`.

use crate::learn::error::{Doing, TrainError, unusable, within};
use tch::{Kind, TchError, Tensor};

/// An output head: states to logits, `logits = states · weightᵀ`.
#[derive(Debug)]
pub struct Head<'a> {
    /// `[vocabulary, hidden]`.
    pub weight: &'a Tensor,
    /// Rows whose logits exist at once; 1 to 1,048,576. Memory: about three times this × vocabulary × 4 bytes.
    pub chunk: usize,
}

/// What a head says about the tokens that came.
#[derive(Debug)]
pub struct Measured {
    /// Log-probability of each token, `[rows]`, 32-bit floats.
    pub logprobs: Tensor,
    /// Entropy of each distribution, nats, `[rows]`, 32-bit floats; when it was asked for.
    pub entropy: Option<Tensor>,
}

impl Head<'_> {
    /// Log-probabilities of `targets` `[rows]` (64-bit integers) after `states` `[rows, hidden]`, at temperature 1.
    ///
    /// Softmax and logarithm are computed in 32 bits at least. Nothing is recorded for autograd.
    ///
    /// Errors: [`TrainError::Batch`] when shapes do not fit, [`TrainError::Run`] when libtorch fails.
    pub fn measure(&self, states: &Tensor, targets: &Tensor, entropy: bool) -> Result<Measured, TrainError> {
        self.check(states, targets)?;
        let all = || -> Result<Measured, TchError> {
            let states = states.f_detach()?;
            let (mut logprobs, mut entropies) = (Vec::new(), Vec::new());
            for (start, length) in self.chunks(&states) {
                let logp = self.log_softmax(&states.f_narrow(0, start, length)?)?;
                let wanted = targets.f_narrow(0, start, length)?.f_unsqueeze(1)?;
                logprobs.push(logp.f_gather(1, &wanted, false)?.f_squeeze_dim(1)?);
                if entropy {
                    entropies.push(entropy_of(&logp, &logp.f_exp()?)?);
                }
            }
            let join = |parts: &[Tensor]| match parts {
                [] => Tensor::f_zeros([0], (Kind::Float, states.device())),
                parts => Tensor::f_cat(parts, 0),
            };
            let entropy = entropy.then(|| join(&entropies)).transpose()?;
            Ok(Measured { logprobs: join(&logprobs)?, entropy })
        };
        tch::no_grad(all).doing("computing log-probabilities")
    }

    /// The gradient of `states` `[rows, hidden]` for gradients of log-probabilities and entropies, `[rows]` each.
    /// The gradient of the head's weight is added to `weight_gradient`, 32-bit floats, where one is given.
    ///
    /// Logits are computed again, a chunk at a time.
    ///
    /// Errors: those of [`Head::measure`].
    pub fn differentiate(
        &self,
        states: &Tensor,
        targets: &Tensor,
        logprob_gradient: &Tensor,
        entropy_gradient: Option<&Tensor>,
        mut weight_gradient: Option<&mut Tensor>,
    ) -> Result<Tensor, TrainError> {
        self.check(states, targets)?;
        let all = || -> Result<Tensor, TchError> {
            let states = states.f_detach()?;
            let mut parts = Vec::new();
            for (start, length) in self.chunks(&states) {
                let cut = |tensor: &Tensor| tensor.f_narrow(0, start, length);
                let rows = cut(&states)?;
                let logp = self.log_softmax(&rows)?;
                let g = cut(logprob_gradient)?.f_to_kind(logp.f_kind()?)?.f_unsqueeze(1)?;
                let slopes = match entropy_gradient {
                    None => logp.f_exp()?.f_mul_(&g.f_neg()?)?,
                    Some(entropy_gradient) => {
                        let p = logp.f_exp()?;
                        let e = cut(entropy_gradient)?.f_to_kind(logp.f_kind()?)?.f_unsqueeze(1)?;
                        let entropy = entropy_of(&logp, &p)?.f_unsqueeze(1)?;
                        // −p·(g + e·(log p + H))
                        logp.f_add(&entropy)?.f_mul_(&e)?.f_add_(&g)?.f_mul_(&p)?.f_neg_()?
                    }
                };
                let wanted = cut(targets)?.f_unsqueeze(1)?;
                let mut slopes = slopes;
                let slopes = slopes.f_scatter_add_(1, &wanted, &g)?.f_to_kind(self.weight.f_kind()?)?;
                parts.push(slopes.f_matmul(self.weight)?);
                if let Some(sum) = weight_gradient.as_deref_mut() {
                    let turned = slopes.f_transpose(0, 1)?;
                    if slopes.f_kind()? == sum.f_kind()? {
                        let _ = sum.f_addmm_(&turned, &rows)?;
                    } else {
                        let _ = sum.f_add_(&turned.f_matmul(&rows)?)?;
                    }
                }
            }
            if parts.is_empty() { states.f_zeros_like() } else { Tensor::f_cat(&parts, 0) }
        };
        tch::no_grad(all).doing("differentiating log-probabilities")
    }

    fn log_softmax(&self, rows: &Tensor) -> Result<Tensor, TchError> {
        let logits = rows.f_linear(self.weight, None::<Tensor>)?;
        let kind = if logits.f_kind()? == Kind::Double { Kind::Double } else { Kind::Float };
        logits.f_log_softmax(-1, kind)
    }

    /// Starts and lengths of the chunks.
    fn chunks(&self, states: &Tensor) -> Vec<(i64, i64)> {
        let rows = states.size().first().copied().unwrap_or(0);
        let chunk = self.chunk as i64;
        (0..rows.div_euclid(chunk) + 1)
            .map(|index| (index * chunk, chunk.min(rows - index * chunk)))
            .filter(|(_, length)| *length > 0)
            .collect()
    }

    fn check(&self, states: &Tensor, targets: &Tensor) -> Result<(), TrainError> {
        within("head_chunk", self.chunk as f64, (1.0, 1_048_576.0), "1 to 1,048,576")?;
        let (states, targets, weight) = (states.size(), targets.size(), self.weight.size());
        match (states.as_slice(), targets.as_slice(), weight.as_slice()) {
            ([rows, hidden], [tokens], [_, width]) if rows == tokens && hidden == width => Ok(()),
            _ => unusable(format!(
                "states {states:?}, tokens {targets:?} and a head {weight:?} do not fit together"
            )),
        }
    }
}

fn entropy_of(logp: &Tensor, p: &Tensor) -> Result<Tensor, TchError> {
    logp.f_mul(p)?.f_sum_dim_intlist(1, false, None)?.f_neg()
}

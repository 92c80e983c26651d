//! Between completions one after another and completions as padded rows.

use super::Rollout;
use crate::learn::{
    error::{Doing, TrainError},
    head::Measured,
    loss::{Divisors, Loss, LossRows, LossSettings},
};
use tch::{Device, TchError, Tensor};

/// How a flat list of tokens becomes rows of one width.
pub(super) struct Padding {
    /// Token of each place; behind the end of a row its last token again.
    places: Tensor,
    /// `[rows, width]`.
    mask: Tensor,
    shape: [i64; 2],
    device: Device,
}

impl Padding {
    /// For completions of these lengths, none of them zero.
    pub(super) fn new(lengths: &[usize], device: Device) -> Result<Self, TrainError> {
        let width = lengths.iter().max().copied().unwrap_or(0);
        let shape = [lengths.len() as i64, width as i64];
        let (mut places, mut mask) = (Vec::new(), Vec::new());
        let mut start = 0;
        for length in lengths {
            places.extend((0..width).map(|at| (start + at.min(length.saturating_sub(1))) as i64));
            mask.extend((0..width).map(|at| f32::from(u8::from(at < *length))));
            start += length;
        }
        let place = || -> Result<(Tensor, Tensor), TchError> {
            let places = Tensor::f_from_slice(&places)?.f_to_device(device)?;
            let mask = Tensor::f_from_slice(&mask)?.f_view(shape)?.f_to_device(device)?;
            Ok((places, mask))
        };
        let (places, mask) = place().doing("padding completions")?;
        Ok(Self { places, mask, shape, device })
    }

    /// The loss, and the flat log-probabilities and entropies as leaves of its graph.
    pub(super) fn loss(
        &self,
        settings: &LossSettings,
        measured: &Measured,
        reference: Option<&Tensor>,
        rollouts: &[&Rollout],
        (divisors, kl_coefficient): (&Divisors, f64),
    ) -> Result<(Loss, Vec<Tensor>), TrainError> {
        let behaviour: Vec<f32> =
            rollouts.iter().flat_map(|rollout| rollout.behaviour.iter().copied()).collect();
        let advantages: Vec<f32> = rollouts.iter().map(|rollout| rollout.advantage as f32).collect();
        let prepare = || -> Result<_, TchError> {
            let leaf = |tensor: &Tensor| tensor.f_detach()?.f_set_requires_grad(true);
            let leaves = [Some(&measured.logprobs), measured.entropy.as_ref()];
            let leaves = leaves.into_iter().flatten().map(leaf).collect::<Result<Vec<_>, _>>()?;
            let padded = leaves.iter().map(|leaf| self.pad(leaf)).collect::<Result<Vec<_>, _>>()?;
            let behaviour = self.pad(&Tensor::f_from_slice(&behaviour)?.f_to_device(self.device)?)?;
            let reference = match reference {
                Some(reference) => Some(self.pad(&reference.f_to_device(self.device)?)?),
                None => None,
            };
            let advantages = Tensor::f_from_slice(&advantages)?.f_to_device(self.device)?;
            Ok((leaves, padded, behaviour, reference, advantages))
        };
        let (leaves, padded, behaviour, reference, advantages) =
            tch::with_grad(prepare).doing("padding completions")?;
        let logprobs = padded.first().ok_or_else(|| TrainError::Batch { problem: "it is empty".into() })?;
        let rows = LossRows {
            logprobs,
            behaviour: &behaviour,
            reference: reference.as_ref(),
            entropy: padded.get(1),
            mask: &self.mask,
            advantages: &advantages,
        };
        Ok((settings.evaluate(&rows, divisors, kl_coefficient)?, leaves))
    }

    fn pad(&self, flat: &Tensor) -> Result<Tensor, TchError> {
        flat.f_index_select(0, &self.places)?.f_view(self.shape)
    }
}

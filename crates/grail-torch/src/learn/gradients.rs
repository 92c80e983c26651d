//! Gradients of a step, added up over its micro-batches.

use crate::learn::error::{Doing, TrainError};
use tch::{Kind, TchError, Tensor};

/// Gradients by parameter, in 32-bit floats whatever the parameters are.
#[derive(Debug)]
pub struct Gradients {
    slots: Vec<Option<Tensor>>,
}

impl Gradients {
    /// Nothing yet, for so many parameters.
    pub fn new(parameters: usize) -> Self {
        Self { slots: (0..parameters).map(|_| None).collect() }
    }

    /// Gradients as they are, one for each parameter.
    pub fn from_tensors(tensors: Vec<Tensor>) -> Self {
        Self { slots: tensors.into_iter().map(Some).collect() }
    }

    /// The gradient of a parameter, when it has one.
    pub fn get(&self, index: usize) -> Option<&Tensor> {
        self.slots.get(index).and_then(Option::as_ref)
    }

    /// Takes in a part; `part` must belong to nobody else. A part that autograd left undefined is nothing.
    pub(crate) fn take(&mut self, index: usize, part: Tensor) -> Result<(), TchError> {
        let Some(slot) = self.slots.get_mut(index).filter(|_| part.defined()) else { return Ok(()) };
        *slot = Some(match slot.take() {
            None => part.f_detach()?.f_to_kind(Kind::Float)?.f_contiguous()?,
            Some(mut sum) => sum.f_add_(&part.f_to_kind(Kind::Float)?)?,
        });
        Ok(())
    }

    /// The sum for a parameter of this shape, for adding in place; zeros when there is none yet.
    pub(crate) fn open(&mut self, index: usize, like: &Tensor) -> Result<Option<&mut Tensor>, TchError> {
        let Some(slot) = self.slots.get_mut(index) else { return Ok(None) };
        if slot.is_none() {
            *slot = Some(Tensor::f_zeros(like.size(), (Kind::Float, like.device()))?);
        }
        Ok(slot.as_mut())
    }

    /// The L2 norm over all parameters; not a finite number when any gradient is none.
    ///
    /// Errors: [`TrainError::Run`].
    pub fn norm(&self) -> Result<f64, TrainError> {
        let all = || -> Result<f64, TchError> {
            let norms = self.slots.iter().flatten().map(Tensor::f_norm).collect::<Result<Vec<_>, _>>()?;
            if norms.is_empty() {
                return Ok(0.0);
            }
            let norms: Vec<f64> = Vec::try_from(&Tensor::f_stack(&norms, 0)?.f_to_kind(Kind::Double)?)?;
            Ok(norms.iter().map(|norm| norm * norm).sum::<f64>().sqrt())
        };
        tch::no_grad(all).doing("computing the gradient's norm")
    }
}

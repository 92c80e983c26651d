//! Linear layers: prepacked for oneDNN on a CPU that can, plain elsewhere.
//!
//! On the CPU the weights are stored in the layout that oneDNN's kernels read; nothing else is kept of them. Against
//! libtorch's ordinary product (MKL) this halves to thirds the time of a decoding step, which is bound by reading the
//! weights. `kernels/packed_linear.py` makes the TorchScript module through which the operators are reached.

use crate::error::{LoadError, Named, RunError};
use std::sync::Arc;
use tch::{CModule, Device, Kind, Tensor, jit};

/// How linear layers are computed on one device.
#[derive(Clone)]
pub(crate) struct Kernels {
    packed: Option<Arc<CModule>>,
    device: Device,
    kind: Kind,
}

/// `x · Wᵀ (+ bias)`.
pub(crate) struct Linear {
    packed: Option<Arc<CModule>>,
    weight: Tensor,
    bias: Option<Tensor>,
}

const PACKED_LINEAR: &[u8] = include_bytes!("../../../kernels/packed_linear.pt");

impl Kernels {
    /// The fastest kernels of a device.
    pub(crate) fn new(device: Device, kind: Kind) -> Result<Self, LoadError> {
        let packed = match device {
            Device::Cpu => {
                // Profiling runs would only look for fusions that a single operator cannot have.
                let module = jit::f_set_profiling_mode(false)
                    .and_then(|()| CModule::load_data(&mut &PACKED_LINEAR[..]))
                    .named("load the packed kernels", &[])?;
                // oneDNN packs brain floats on some processors only; the others have libtorch's ordinary product.
                let packs = Tensor::f_zeros([16, 16], (kind, device))
                    .and_then(|weight| module.method_ts("pack", &[weight]))
                    .is_ok();
                packs.then(|| Arc::new(module))
            }
            _ => None,
        };
        Ok(Self { packed, device, kind })
    }

    /// A layer from its weight `[out, in]`, which is not kept unless it already lies where and as it is needed.
    pub(crate) fn linear(&self, weight: &Tensor, bias: Option<&Tensor>) -> Result<Linear, LoadError> {
        let bias = bias.map(|bias| self.place(bias)).transpose()?;
        let weight = match &self.packed {
            Some(module) => weight
                .f_to_kind(self.kind)
                .and_then(|weight| weight.f_contiguous())
                .and_then(|weight| module.method_ts("pack", &[weight]))
                .named("pack a weight", &[weight])?,
            None => self.place(weight)?,
        };
        Ok(Linear { packed: self.packed.clone(), weight, bias })
    }

    /// A tensor on the device in the model's type: itself when it is that already, and no view of a file.
    pub(crate) fn place(&self, tensor: &Tensor) -> Result<Tensor, LoadError> {
        let copy = self.device == Device::Cpu;
        Ok(tensor.f_to_device_(self.device, self.kind, false, copy).named("place a weight", &[tensor])?)
    }
}

impl Linear {
    /// `x · Wᵀ + bias`; shapes `[rows, in]` to `[rows, out]`.
    pub(crate) fn apply(&self, x: &Tensor) -> Result<Tensor, RunError> {
        match (&self.packed, &self.bias) {
            (Some(module), None) => module.forward_ts(&[x, &self.weight]),
            (Some(module), Some(bias)) => module.method_ts("with_bias", &[x, &self.weight, bias]),
            (None, bias) => x.f_linear(&self.weight, bias.as_ref()),
        }
        .named("linear layer", &[x])
    }

    /// `residual + x · Wᵀ + bias`; the residual may be overwritten.
    pub(crate) fn apply_onto(&self, x: &Tensor, residual: Tensor) -> Result<Tensor, RunError> {
        match (&self.packed, &self.bias) {
            (Some(module), None) => {
                module.method_ts("onto", &[x, &self.weight, &residual]).named("linear layer", &[x, &residual])
            }
            _ => {
                let mut residual = residual;
                let y = self.apply(x)?;
                residual.f_add_(&y).named("add the residual", &[&y])
            }
        }
    }
}

/// The output head: logits in 32 bits whatever the model's format.
///
/// A brain float has eight digits. Logits rounded to it lie up to 0.06 apart from what they would be, at a size of 20, and
/// a margin of that size would have to be forgiven.
pub(crate) enum Head {
    /// A product in the model's own format, which is 32 bits, or in that of a device that has no other way.
    Plain(Linear),
    /// States are widened, and the weights were.
    Widened(Linear),
    /// A product of brain floats into 32 bits; the weight `[in, out]` is a view of the one that is stored.
    Mixed(Tensor),
}

impl Head {
    /// A head from its weight `[out, in]`.
    ///
    /// Memory: with brain floats on a CPU `out · in · 4` bytes, twice what the weights take themselves.
    pub(crate) fn new(kernels: &Kernels, weight: &Tensor) -> Result<Self, LoadError> {
        match (kernels.kind, kernels.device) {
            (Kind::Float, _) => Ok(Self::Plain(kernels.linear(weight, None)?)),
            (_, Device::Cpu) => {
                Ok(Self::Widened(Kernels::new(kernels.device, Kind::Float)?.linear(weight, None)?))
            }
            (kind, device) => {
                let mixes = Tensor::f_zeros([16, 16], (kind, device))
                    .and_then(|square| square.f_mm_dtype(&square, Kind::Float))
                    .is_ok();
                if !mixes {
                    return Ok(Self::Plain(kernels.linear(weight, None)?));
                }
                let turned = kernels.place(weight)?.f_transpose(0, 1).named("turn a weight", &[weight])?;
                Ok(Self::Mixed(turned))
            }
        }
    }

    /// Logits `[rows, out]` of states `[rows, in]`.
    pub(crate) fn apply(&self, states: &Tensor) -> Result<Tensor, RunError> {
        match self {
            Self::Plain(linear) => linear.apply(states),
            Self::Widened(linear) => {
                linear.apply(&states.f_to_kind(Kind::Float).named("widen states", &[states])?)
            }
            Self::Mixed(weight) => {
                states.f_mm_dtype(weight, Kind::Float).named("output head", &[states, weight])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_layers_compute_what_plain_ones_do() {
        let _guard = tch::no_grad_guard();
        let cpu = Kernels::new(Device::Cpu, Kind::Float).unwrap();
        let plain = Kernels { packed: None, ..cpu.clone() };
        let random = |shape: &[i64]| Tensor::f_randn(shape, (Kind::Float, Device::Cpu)).unwrap();
        for (rows, inner, outer) in [(1, 64, 48), (3, 24, 17), (16, 576, 960), (130, 96, 33)] {
            let (x, bias) = (random(&[rows, inner]), random(&[outer]));
            let weight = random(&[outer, inner]) / (inner as f64).sqrt();
            let residual = random(&[rows, outer]);
            for bias in [None, Some(&bias)] {
                let (a, b) = (cpu.linear(&weight, bias).unwrap(), plain.linear(&weight, bias).unwrap());
                let far = |a: &Tensor, b: &Tensor| a.f_sub(b).unwrap().abs().max().double_value(&[]);
                let apart = far(&a.apply(&x).unwrap(), &b.apply(&x).unwrap());
                assert!(apart < 1e-4, "{rows}x{inner}x{outer}: {apart}");
                let a = a.apply_onto(&x, residual.copy()).unwrap();
                let b = b.apply_onto(&x, residual.copy()).unwrap();
                assert!(far(&a, &b) < 1e-4);
            }
        }
    }

    #[test]
    fn a_head_of_brain_floats_gives_logits_of_32_bits() {
        let _guard = tch::no_grad_guard();
        let kernels = Kernels::new(Device::Cpu, Kind::BFloat16).unwrap();
        let random = |shape: &[i64]| {
            let values = Tensor::f_randn(shape, (Kind::Float, Device::Cpu)).unwrap();
            values.f_to_kind(Kind::BFloat16).unwrap()
        };
        let (states, weight) = (random(&[3, 64]), random(&[40, 64]));
        let logits = Head::new(&kernels, &weight).unwrap().apply(&states).unwrap();
        assert_eq!(logits.kind(), Kind::Float);
        let wide = states.to_kind(Kind::Float).matmul(&weight.to_kind(Kind::Float).transpose(0, 1));
        let apart = (&logits - &wide).abs().max().double_value(&[]);
        // Rounded to brain floats, logits of this size would lie 0.03 apart.
        assert!(apart < 1e-4, "{apart}");
    }

    #[test]
    fn a_layer_names_the_shapes_it_fails_on() {
        let cpu = Kernels::new(Device::Cpu, Kind::Float).unwrap();
        let zeros = |shape: &[i64]| Tensor::f_zeros(shape, (Kind::Float, Device::Cpu)).unwrap();
        let plain = Kernels { packed: None, ..cpu };
        let error = plain.linear(&zeros(&[4, 8]), None).unwrap().apply(&zeros(&[2, 9])).err().unwrap();
        assert!(error.to_string().contains("[2, 9]"), "{error}");
    }
}

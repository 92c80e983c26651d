//! From a folder's tensors to packed matrices.

use crate::{
    config::{Family, ModelConfig},
    decoder::names::{self, Module, Norm},
    device::HeldWeights,
    error::{LoadError, Named},
    kernels::matrix::{Matrix, Source},
    serve::native::decoder::{Layer, Linear},
    weights::FolderWeights,
};
use tch::{Device, Kind, Tensor};

/// Reads a folder's tensors, one by one.
pub(super) struct Reader<'a> {
    pub(super) weights: &'a FolderWeights,
    pub(super) config: &'a ModelConfig,
    pub(super) held: HeldWeights,
}

impl Reader<'_> {
    pub(super) fn layer(&self, index: i64) -> Result<Layer, LoadError> {
        let norm = |norm: Norm| self.vector(&names::weight(index, norm.path()), &norm.shape(self.config));
        let qk_norm = match self.config.family {
            Family::Qwen3 => Some((norm(Norm::Queries)?, norm(Norm::Keys)?)),
            Family::Llama | Family::Qwen2 => None,
        };
        Ok(Layer {
            input_norm: norm(Norm::Input)?,
            qkv: self.linear(index, &[Module::QProj, Module::KProj, Module::VProj])?,
            qk_norm,
            output: self.linear(index, &[Module::OProj])?,
            mlp_norm: norm(Norm::PostAttention)?,
            gate_up: self.linear(index, &[Module::GateProj, Module::UpProj])?,
            down: self.linear(index, &[Module::DownProj])?,
        })
    }

    /// Projections that read the same input, one below the other; where one has a bias, so have all.
    fn linear(&self, index: i64, modules: &[Module]) -> Result<Linear, LoadError> {
        let names: Vec<String> = modules.iter().map(|module| names::weight(index, module.path())).collect();
        let shapes = modules.iter().map(|module| module.shape(self.config));
        let asked: Vec<(&str, [i64; 2])> = names.iter().map(String::as_str).zip(shapes).collect();
        let matrix = self.matrix(&asked)?;
        let mut bias = Vec::new();
        for module in modules {
            let [out, _] = module.shape(self.config);
            match module.has_bias(self.config) {
                true => bias.extend(self.vector(&names::bias(index, module.path()), &[out])?),
                false => bias.resize(bias.len() + out as usize, 0.0),
            }
        }
        let bias = modules.iter().any(|module| module.has_bias(self.config)).then_some(bias);
        Ok(Linear { matrix, bias })
    }

    /// Matrices of the same number of columns, packed into one.
    pub(super) fn matrix(&self, asked: &[(&str, [i64; 2])]) -> Result<Matrix, LoadError> {
        let mut tensors = Vec::with_capacity(asked.len());
        for (name, shape) in asked {
            let tensor = self.weights.map(name, shape)?;
            tensors.push(match self.held {
                HeldWeights::Wide => tensor.f_to_kind(Kind::Float).named("widen a weight", &[&tensor])?,
                HeldWeights::AsPublished => tensor,
            });
        }
        let inputs = asked.first().map_or(0, |(_, [_, inputs])| *inputs as usize);
        let mut order = Vec::new();
        let mut sources = Vec::with_capacity(tensors.len());
        for (index, ((name, [rows, _]), tensor)) in asked.iter().zip(&tensors).enumerate() {
            let source = numbers(tensor)?;
            finite(name, source)?;
            sources.push(source);
            order.extend((0..*rows as usize).map(|row| (index, row)));
        }
        Matrix::pack(&sources, inputs, &order).ok_or_else(|| {
            let kinds: Vec<String> =
                asked.iter().zip(&tensors).map(|((name, _), t)| format!("{name} in {:?}", t.kind())).collect();
            LoadError::Config(format!(
                "weights of one layer are stored in different formats ({}); convert the checkpoint to one of them",
                kinds.join(", ")
            ))
        })
    }

    /// A norm or a bias, in 32 bits.
    pub(super) fn vector(&self, name: &str, shape: &[i64]) -> Result<Vec<f32>, LoadError> {
        let tensor = self.weights.map(name, shape)?;
        let wide = tensor
            .f_to_kind(Kind::Float)
            .and_then(|wide| wide.f_contiguous())
            .named("widen a weight", &[&tensor])?;
        let mut values = vec![0.0; wide.numel()];
        wide.f_copy_data(&mut values, wide.numel()).named("copy a weight", &[&wide])?;
        finite(name, Source::F32(&values))?;
        Ok(values)
    }
}

/// The numbers of a tensor on the processor, which must outlive them.
#[allow(unsafe_code)]
pub(super) fn numbers(tensor: &Tensor) -> Result<Source<'_>, LoadError> {
    if tensor.device() != Device::Cpu || !tensor.is_contiguous() {
        return Err(LoadError::Run(crate::RunError::Inside("a weight that does not lie in a row")));
    }
    let (start, len) = (tensor.data_ptr(), tensor.numel());
    if len == 0 {
        return Ok(Source::F32(&[]));
    }
    // SAFETY: a contiguous tensor on the processor holds so many numbers of its kind from there on; the borrow keeps it,
    // and nothing writes to weights. Alignment is that of the kind, which `FolderWeights` sees to.
    unsafe {
        match tensor.kind() {
            Kind::BFloat16 => Ok(Source::Bf16(std::slice::from_raw_parts(start.cast(), len))),
            Kind::Half => Ok(Source::F16(std::slice::from_raw_parts(start.cast(), len))),
            Kind::Float => Ok(Source::F32(std::slice::from_raw_parts(start.cast(), len))),
            _ => Err(LoadError::Run(crate::RunError::Inside("a weight in a format that is not read"))),
        }
    }
}

/// Refuses a weight that is infinite or no number: whatever is computed from it would be neither.
pub(super) fn finite(name: &str, source: Source<'_>) -> Result<(), LoadError> {
    let found = match source {
        Source::Bf16(bits) => bits.iter().position(|bits| bits & 0x7f80 == 0x7f80),
        Source::F16(bits) => bits.iter().position(|bits| bits & 0x7c00 == 0x7c00),
        Source::F32(values) => values.iter().position(|value| !value.is_finite()),
    };
    match found {
        None => Ok(()),
        Some(at) => {
            Err(LoadError::tensor(name, format!("holds an infinity or no number, first at place {at}")))
        }
    }
}

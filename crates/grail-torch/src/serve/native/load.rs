//! From a folder's tensors to packed matrices.

use crate::{
    config::{Family, ModelConfig},
    decoder::names::{self, Module, Norm},
    device::HeldWeights,
    error::{LoadError, Named, RunError},
    kernels::matrix::Matrix,
    numbers::numbers,
    serve::native::decoder::{Layer, Linear},
    weights::FolderWeights,
};
use tch::Kind;

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
            qkv: self.linear(index, &Module::ATTENTION)?,
            qk_norm,
            output: self.linear(index, &[Module::OProj])?,
            mlp_norm: norm(Norm::PostAttention)?,
            gate_up: self.linear(index, &Module::GATED)?,
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
        let sources: Vec<_> = tensors.iter().map(numbers).collect::<Result<_, _>>()?;
        // `ModelFolder` has refused joined weights of several formats.
        Matrix::pack(&sources, inputs)
            .ok_or(LoadError::Run(RunError::Inside("joined weights of several formats")))
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
        Ok(values)
    }
}

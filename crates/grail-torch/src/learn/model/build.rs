//! Making a model: from a folder, or from nothing; with all weights learning, or adapters only.

use super::{
    LearningModel,
    layer::{Adapter, Layer, Linear, Weight},
};
use crate::{
    config::{Family, ModelConfig},
    decoder::{
        ModelFolder,
        names::{self, Module, Norm},
    },
    learn::{
        error::{Doing, TrainError, within},
        optimizer::Parameter,
    },
};
use grail_protocol::stream::Stream;
use serde::{Deserialize, Serialize};
use std::path::Path;
use tch::{Device, Kind, TchError, Tensor};

/// Standard deviation of fresh weights.
const SPREAD: f64 = 0.02;

/// Adapters of low rank: the weights stay, and beside each chosen projection `alpha / rank · up · down` learns.
///
/// Source: Hu et al., arXiv:2106.09685; names of the tensors as in PEFT.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Lora {
    /// Rank of the adapters; 1 to 4,096.
    pub rank: i64,
    /// The adapters' factor times their rank; above 0, at most 1,000,000.
    pub alpha: f64,
    /// Projections that get one.
    pub modules: Vec<Module>,
    /// What the fresh `down` matrices are drawn from; `up` begins at zero, so the first pass is the plain model's.
    pub seed: u64,
}

impl Default for Lora {
    fn default() -> Self {
        let modules = vec![Module::QProj, Module::KProj, Module::VProj, Module::OProj];
        Self { rank: 16, alpha: 32.0, modules, seed: 0 }
    }
}

impl Lora {
    /// Checks every range.
    ///
    /// Errors: [`TrainError::Setting`] with the first that does not hold.
    pub fn check(&self) -> Result<(), TrainError> {
        within("lora_rank", self.rank as f64, (1.0, 4_096.0), "1 to 4,096")?;
        within("lora_alpha", self.alpha, (f64::MIN_POSITIVE, 1e6), "above 0, at most 1,000,000")?;
        within("lora_modules", self.modules.len() as f64, (1.0, 7.0), "1 to 7 modules")
    }
}

impl LearningModel {
    /// Loads a Hugging Face folder. Without `lora` every weight learns.
    ///
    /// Errors: [`TrainError::Load`] for the folders that [`Model::load`](crate::Model::load) refuses too, and those of
    /// [`LearningModel::from_tensors`].
    pub fn load(folder: &Path, place: (Kind, Device), lora: Option<&Lora>) -> Result<Self, TrainError> {
        let ModelFolder { config, weights, .. } = ModelFolder::open(folder)?;
        Self::build(config, place, lora, &mut |name, size| Ok(weights.map(name, size)?))
    }

    /// A model from tensors: `find` gives each by its name and size.
    ///
    /// Errors: those of `find`; [`TrainError::Load`] for a config that [`ModelConfig::check`] refuses,
    /// [`TrainError::Setting`] for adapters out of their ranges or a kind that is not trained.
    pub fn from_tensors(
        config: ModelConfig,
        place: (Kind, Device),
        lora: Option<&Lora>,
        mut find: impl FnMut(&str, &[i64]) -> Result<Tensor, TrainError>,
    ) -> Result<Self, TrainError> {
        Self::build(config, place, lora, &mut find)
    }

    /// A model that knows nothing: matrices drawn with standard deviation 0.02, norms of one, biases of zero.
    ///
    /// The same seed gives the same bytes on every machine.
    ///
    /// Errors: those of [`LearningModel::from_tensors`].
    pub fn fresh(config: ModelConfig, place: (Kind, Device), seed: u64) -> Result<Self, TrainError> {
        let mut stream = stream(seed, b"fresh model");
        Self::build(config, place, None, &mut |name, size| {
            let count = size.iter().product::<i64>() as usize;
            let values: Vec<f32> = match (size.len(), name.ends_with("bias")) {
                (1, true) => vec![0.0; count],
                (1, false) => vec![1.0; count],
                _ => (0..count).map(|_| (SPREAD * bell(&mut stream)) as f32).collect(),
            };
            Tensor::f_from_slice(&values).and_then(|flat| flat.f_view(size)).doing("making a weight")
        })
    }

    fn build(
        config: ModelConfig,
        (kind, device): (Kind, Device),
        lora: Option<&Lora>,
        find: Find<'_>,
    ) -> Result<Self, TrainError> {
        config.check()?;
        if !matches!(kind, Kind::Float | Kind::BFloat16) {
            let found = format!("{kind:?}");
            return Err(TrainError::Setting { setting: "kind", found, range: "Float or BFloat16" });
        }
        if let Some(lora) = lora {
            lora.check()?;
        }
        let mut builder = Builder {
            config: &config,
            device,
            kind,
            lora,
            find,
            parameters: Vec::new(),
            stream: stream(lora.map_or(0, |lora| lora.seed), b"low-rank adapter"),
        };
        let table = [config.vocab_size, config.hidden_size];
        let embedding = builder.weight(names::EMBEDDING, &table)?;
        let layers =
            (0..config.num_hidden_layers).map(|index| builder.layer(index)).collect::<Result<_, _>>()?;
        let norm = builder.weight(names::NORM, &[config.hidden_size])?;
        let head = if config.tie_word_embeddings { None } else { Some(builder.weight(names::HEAD, &table)?) };
        let parameters = builder.parameters;
        Ok(Self { config, embedding, layers, norm, head, parameters })
    }
}

type Find<'a> = &'a mut dyn FnMut(&str, &[i64]) -> Result<Tensor, TrainError>;

struct Builder<'a> {
    config: &'a ModelConfig,
    device: Device,
    kind: Kind,
    lora: Option<&'a Lora>,
    find: Find<'a>,
    parameters: Vec<Parameter>,
    stream: Stream,
}

impl Builder<'_> {
    fn layer(&mut self, index: i64) -> Result<Layer, TrainError> {
        let qk_norm = match self.config.family {
            Family::Qwen3 => Some((self.norm(index, Norm::Queries)?, self.norm(index, Norm::Keys)?)),
            Family::Llama | Family::Qwen2 => None,
        };
        Ok(Layer {
            q: self.linear(index, Module::QProj)?,
            k: self.linear(index, Module::KProj)?,
            v: self.linear(index, Module::VProj)?,
            output: self.linear(index, Module::OProj)?,
            gate: self.linear(index, Module::GateProj)?,
            up: self.linear(index, Module::UpProj)?,
            down: self.linear(index, Module::DownProj)?,
            qk_norm,
            input_norm: self.norm(index, Norm::Input)?,
            mlp_norm: self.norm(index, Norm::PostAttention)?,
        })
    }

    fn norm(&mut self, layer: i64, norm: Norm) -> Result<Weight, TrainError> {
        self.weight(&names::weight(layer, norm.path()), &norm.shape(self.config))
    }

    fn linear(&mut self, layer: i64, module: Module) -> Result<Linear, TrainError> {
        let shape = module.shape(self.config);
        let weight = self.weight(&names::weight(layer, module.path()), &shape)?;
        let bias = match module.has_bias(self.config) {
            true => Some(self.weight(&names::bias(layer, module.path()), &shape[..1])?),
            false => None,
        };
        let adapter = match self.lora.filter(|lora| lora.modules.contains(&module)) {
            Some(lora) => Some(self.adapter(&names::in_layer(layer, module.path()), shape, lora)?),
            None => None,
        };
        Ok(Linear { weight, bias, adapter })
    }

    fn adapter(&mut self, path: &str, [out, into]: [i64; 2], lora: &Lora) -> Result<Adapter, TrainError> {
        let rank = lora.rank;
        let bound = 1.0 / (into as f64).sqrt();
        let values: Vec<f32> =
            (0..rank * into).map(|_| (bound * (2.0 * unit(&mut self.stream) - 1.0)) as f32).collect();
        let down = Tensor::f_from_slice(&values).and_then(|flat| flat.f_view([rank, into]));
        let up = Tensor::f_zeros([out, rank], (Kind::Float, Device::Cpu));
        Ok(Adapter {
            down: self.learning(format!("{path}.lora_A.weight"), down.doing("making an adapter")?)?,
            up: self.learning(format!("{path}.lora_B.weight"), up.doing("making an adapter")?)?,
            factor: lora.alpha / rank as f64,
        })
    }

    /// A weight of the model; it learns unless adapters do.
    fn weight(&mut self, name: &str, size: &[i64]) -> Result<Weight, TrainError> {
        let tensor = (self.find)(name, size)?;
        if self.lora.is_none() {
            return self.learning(name.to_owned(), tensor);
        }
        let tensor = self.placed(&tensor).doing("placing a weight")?;
        Ok(Weight { tensor, slot: None })
    }

    fn learning(&mut self, name: String, tensor: Tensor) -> Result<Weight, TrainError> {
        let tensor = self.placed(&tensor).and_then(|tensor| tensor.f_set_requires_grad(true));
        let tensor = tensor.doing("placing a weight")?;
        let slot = Some(self.parameters.len());
        self.parameters.push(Parameter { name, tensor: tensor.shallow_clone() });
        Ok(Weight { tensor, slot })
    }

    /// In memory of its own, on the device, in the model's kind.
    fn placed(&self, tensor: &Tensor) -> Result<Tensor, TchError> {
        tensor.f_detach()?.f_to_device_(self.device, self.kind, false, true)?.f_contiguous()
    }
}

fn stream(seed: u64, purpose: &[u8]) -> Stream {
    let mut key = [0; 32];
    for (place, byte) in key.iter_mut().zip(seed.to_le_bytes().iter().chain(purpose)) {
        *place = *byte;
    }
    Stream::new(&key, 0)
}

/// A number in [0, 1).
fn unit(stream: &mut Stream) -> f64 {
    f64::from(stream.word()) / 4_294_967_296.0
}

/// Close to a standard normal number: the sum of four even ones, scaled. Without logarithms every machine draws the same.
fn bell(stream: &mut Stream) -> f64 {
    let sum: f64 = (0..4).map(|_| unit(stream)).sum();
    (sum - 2.0) * 3f64.sqrt()
}

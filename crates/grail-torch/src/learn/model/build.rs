//! Making a model: from a folder, or from nothing; with all weights learning, or adapters only.

use super::{
    LearningModel,
    layer::{Adapter, Layer, Linear, Weight},
    shape::{Family, Shape, refuse},
};
use crate::learn::{
    error::{Doing, TrainError, within},
    files::TensorFiles,
    optimizer::Parameter,
};
use grail_protocol::stream::Stream;
use serde::{Deserialize, Serialize};
use std::path::Path;
use tch::{Device, Kind, TchError, Tensor};

pub(super) const EMBEDDING: &str = "model.embed_tokens.weight";
pub(super) const NORM: &str = "model.norm.weight";
pub(super) const HEAD: &str = "lm_head.weight";

/// Standard deviation of fresh weights.
const SPREAD: f64 = 0.02;

/// A projection that can have an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "these are the names that weight files use")]
pub enum Module {
    QProj,
    KProj,
    VProj,
    OProj,
    GateProj,
    UpProj,
    DownProj,
}

impl Module {
    fn path(self) -> &'static str {
        match self {
            Self::QProj => "self_attn.q_proj",
            Self::KProj => "self_attn.k_proj",
            Self::VProj => "self_attn.v_proj",
            Self::OProj => "self_attn.o_proj",
            Self::GateProj => "mlp.gate_proj",
            Self::UpProj => "mlp.up_proj",
            Self::DownProj => "mlp.down_proj",
        }
    }
}

/// Adapters of low rank: the weights stay, and beside each chosen projection `alpha / rank · up · down` learns.
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
    /// Errors: [`TrainError::Model`], [`TrainError::File`], [`TrainError::Tensor`] and others of files.
    pub fn load(folder: &Path, place: (Kind, Device), lora: Option<&Lora>) -> Result<Self, TrainError> {
        let shape = Shape::read(folder)?;
        let files = TensorFiles::open_folder(folder)?;
        Self::build(shape, place, lora, &mut |name, size| files.shaped(name, size))
    }

    /// A model from tensors: `find` gives each by its name and size.
    ///
    /// Errors: those of `find`, [`TrainError::Model`] and [`TrainError::Setting`].
    pub fn from_tensors(
        shape: Shape,
        place: (Kind, Device),
        lora: Option<&Lora>,
        mut find: impl FnMut(&str, &[i64]) -> Result<Tensor, TrainError>,
    ) -> Result<Self, TrainError> {
        Self::build(shape, place, lora, &mut find)
    }

    /// A model that knows nothing: matrices drawn with standard deviation 0.02, norms of one, biases of zero.
    ///
    /// The same seed gives the same bytes on every machine.
    ///
    /// Errors: [`TrainError::Model`].
    pub fn fresh(shape: Shape, place: (Kind, Device), seed: u64) -> Result<Self, TrainError> {
        let mut stream = stream(seed, b"fresh model");
        Self::build(shape, place, None, &mut |name, size| {
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
        shape: Shape,
        (kind, device): (Kind, Device),
        lora: Option<&Lora>,
        find: Find<'_>,
    ) -> Result<Self, TrainError> {
        shape.check()?;
        if !matches!(kind, Kind::Float | Kind::BFloat16) {
            return refuse(format!("weights of kind {kind:?} are not trained"));
        }
        if let Some(lora) = lora {
            lora.check()?;
        }
        let mut builder = Builder {
            shape: &shape,
            device,
            kind,
            lora,
            find,
            parameters: Vec::new(),
            stream: stream(lora.map_or(0, |lora| lora.seed), b"low-rank adapter"),
        };
        let table = [shape.vocabulary, shape.hidden];
        let embedding = builder.weight(EMBEDDING, &table)?;
        let layers = (0..shape.layers).map(|index| builder.layer(index)).collect::<Result<_, _>>()?;
        let norm = builder.weight(NORM, &[shape.hidden])?;
        let head = if shape.tied { None } else { Some(builder.weight(HEAD, &table)?) };
        let parameters = builder.parameters;
        Ok(Self { shape, embedding, layers, norm, head, parameters })
    }
}

type Find<'a> = &'a mut dyn FnMut(&str, &[i64]) -> Result<Tensor, TrainError>;

struct Builder<'a> {
    shape: &'a Shape,
    device: Device,
    kind: Kind,
    lora: Option<&'a Lora>,
    find: Find<'a>,
    parameters: Vec<Parameter>,
    stream: Stream,
}

impl Builder<'_> {
    fn layer(&mut self, index: i64) -> Result<Layer, TrainError> {
        let shape = self.shape;
        let prefix = format!("model.layers.{index}.");
        let queries = shape.heads * shape.head_width;
        let keys = shape.key_heads * shape.head_width;
        let (hidden, middle) = (shape.hidden, shape.intermediate);
        let qk_norm = if shape.family == Family::Qwen3 {
            let mut norm =
                |name: &str| self.weight(&format!("{prefix}self_attn.{name}.weight"), &[shape.head_width]);
            Some((norm("q_norm")?, norm("k_norm")?))
        } else {
            None
        };
        let mut linear = |module, size, bias| self.linear(&prefix, module, size, bias);
        Ok(Layer {
            q: linear(Module::QProj, [queries, hidden], shape.qkv_bias)?,
            k: linear(Module::KProj, [keys, hidden], shape.qkv_bias)?,
            v: linear(Module::VProj, [keys, hidden], shape.qkv_bias)?,
            output: linear(Module::OProj, [hidden, queries], shape.output_bias)?,
            gate: linear(Module::GateProj, [middle, hidden], shape.mlp_bias)?,
            up: linear(Module::UpProj, [middle, hidden], shape.mlp_bias)?,
            down: linear(Module::DownProj, [hidden, middle], shape.mlp_bias)?,
            qk_norm,
            input_norm: self.weight(&format!("{prefix}input_layernorm.weight"), &[hidden])?,
            mlp_norm: self.weight(&format!("{prefix}post_attention_layernorm.weight"), &[hidden])?,
        })
    }

    fn linear(
        &mut self,
        prefix: &str,
        module: Module,
        size: [i64; 2],
        bias: bool,
    ) -> Result<Linear, TrainError> {
        let path = format!("{prefix}{}", module.path());
        let weight = self.weight(&format!("{path}.weight"), &size)?;
        let bias = if bias { Some(self.weight(&format!("{path}.bias"), &size[..1])?) } else { None };
        let adapter = match self.lora.filter(|lora| lora.modules.contains(&module)) {
            Some(lora) => Some(self.adapter(&path, size, lora)?),
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

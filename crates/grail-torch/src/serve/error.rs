//! Why a model cannot be loaded, and why a computation failed.

use grail_ports::{Door, Fault, Retry};
use std::path::PathBuf;
use tch::{TchError, Tensor};

/// Architectures this crate computes, as `config.json` names them.
pub const SUPPORTED: [&str; 3] = ["LlamaForCausalLM", "Qwen2ForCausalLM", "Qwen3ForCausalLM"];

/// Why a model folder cannot be loaded. Always trouble on our side.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no such folder.
    #[error("there is no model folder {}", path.display())]
    Folder {
        /// The folder asked for.
        path: PathBuf,
    },
    /// A file of the folder is missing or cannot be read.
    #[error("cannot read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A JSON file or a header is larger than any honest one.
    #[error("the JSON of {} has {size} bytes, at most {most} are read", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        size: u64,
        /// The limit.
        most: u64,
    },
    /// A JSON file does not have the expected form.
    #[error("{} is not what it should be", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What the reader stumbled over.
        #[source]
        source: serde_json::Error,
    },
    /// An architecture that this crate does not compute.
    #[error("the architecture {found:?} is not supported; supported are {}", SUPPORTED.join(", "))]
    Architecture {
        /// What `config.json` names.
        found: String,
    },
    /// A feature of a supported architecture that this crate does not compute.
    #[error("config.json asks for {feature}, which is not supported")]
    Feature {
        /// The feature, with its value.
        feature: String,
    },
    /// A value of `config.json` that is missing, out of range, or contradicts another.
    #[error("config.json: {field} {problem}")]
    Config {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// Neither `generation_config.json` nor `config.json` names a token that ends a completion.
    #[error("no end token: neither generation_config.json nor config.json has a usable eos_token_id")]
    NoEndToken,
    /// The index lists a file that is not there.
    #[error("the index places {tensor} in {}, which is not in the folder", file.display())]
    IndexedFile {
        /// A tensor that should be in it.
        tensor: String,
        /// The file.
        file: PathBuf,
    },
    /// A weight file's header cannot be read.
    #[error("{} has no valid safetensors header", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// What the reader says.
        #[source]
        source: serde_json::Error,
    },
    /// A weight file does not have the length its header promises.
    #[error("{} is truncated or padded: {found} bytes, its header promises {promised}", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes it has.
        found: u64,
        /// Bytes it should have.
        promised: u64,
    },
    /// A tensor that the architecture needs is in no file.
    #[error("the tensor {name} is missing")]
    MissingTensor {
        /// Its name.
        name: String,
    },
    /// A tensor's shape contradicts the config.
    #[error("the tensor {name} has shape {found:?}, the config asks for {wanted:?}")]
    Shape {
        /// Its name.
        name: String,
        /// Shape in the file.
        found: Vec<i64>,
        /// Shape by the config.
        wanted: Vec<i64>,
    },
    /// The embedding or the head has another number of tokens than the config.
    #[error("vocabulary mismatch: {name} holds {found} tokens, config.json says {wanted}")]
    Vocabulary {
        /// Which tensor.
        name: String,
        /// Rows in the file.
        found: i64,
        /// `vocab_size`.
        wanted: i64,
    },
    /// A tensor is stored in a type this crate does not read.
    #[error("the tensor {name} is stored as {found}, supported are F32, BF16 and F16")]
    Dtype {
        /// Its name.
        name: String,
        /// Type in the file.
        found: String,
    },
    /// The device cannot be used.
    #[error("cannot use the CUDA device {index}: {problem}")]
    Device {
        /// Index asked for.
        index: usize,
        /// Why not.
        problem: String,
    },
    /// An option out of its range.
    #[error("the option {option} {problem}")]
    Option {
        /// Name of the option.
        option: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A tensor operation failed while loading.
    #[error("preparing the weights failed")]
    Run(#[from] RunError),
}

/// Why a computation failed. Always trouble on our side.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// An operation of libtorch failed.
    #[error("{op} failed on {shapes}")]
    Op {
        /// Which operation.
        op: &'static str,
        /// Shapes and types of its inputs.
        shapes: String,
        /// What libtorch says.
        #[source]
        source: TchError,
    },
    /// Device or machine has no memory left.
    #[error("out of memory in {op} on {shapes}")]
    Memory {
        /// Which operation.
        op: &'static str,
        /// Shapes and types of its inputs.
        shapes: String,
        /// What libtorch says.
        #[source]
        source: TchError,
    },
    /// Input that the model cannot take.
    #[error("{0}")]
    Input(String),
    /// The caller's progress function asked for it.
    #[error("stopped on request")]
    Stopped,
    /// Logits that cannot be sampled.
    #[error("the model gave unusable logits")]
    Draw(#[from] grail_protocol::draw::DrawError),
    /// A hidden state without a size.
    #[error("the model gave an unusable hidden state")]
    Sketch(#[from] grail_protocol::sketch::SketchError),
    /// A rule of ours that did not hold.
    #[error("internal: {0}")]
    Inside(&'static str),
}

impl RunError {
    /// The fault a caller sees, saying what was being done.
    pub(crate) fn fault(self, doing: &str) -> Fault {
        let (door, retry) = match &self {
            Self::Memory { .. } | Self::Stopped => (Door::Model, Retry::Later),
            Self::Inside(_) => (Door::Inside, Retry::Never),
            _ => (Door::Model, Retry::Never),
        };
        Fault::new(door, retry, doing, self)
    }
}

impl From<LoadError> for Fault {
    fn from(error: LoadError) -> Self {
        Self::new(Door::Model, Retry::Never, "load the model", error)
    }
}

/// Gives a failed tensor operation its name and the shapes it failed on.
pub(crate) trait Named<T> {
    /// Names the operation and its inputs; costs nothing when it worked.
    fn named(self, op: &'static str, inputs: &[&Tensor]) -> Result<T, RunError>;

    /// The same for an operation in place, whose result is its first input.
    fn done(self, op: &'static str, inputs: &[&Tensor]) -> Result<(), RunError>
    where
        Self: Sized,
    {
        self.named(op, inputs).map(drop)
    }
}

impl<T> Named<T> for Result<T, TchError> {
    fn named(self, op: &'static str, inputs: &[&Tensor]) -> Result<T, RunError> {
        self.map_err(|source| {
            let shapes: Vec<String> =
                inputs.iter().map(|t| format!("{:?} {:?}", t.f_kind(), t.size())).collect();
            let shapes = shapes.join(", ");
            let text = source.to_string();
            let memory = ["out of memory", "can't allocate memory", "not enough memory"];
            if memory.iter().any(|sign| text.contains(sign)) {
                RunError::Memory { op, shapes, source }
            } else {
                RunError::Op { op, shapes, source }
            }
        })
    }
}

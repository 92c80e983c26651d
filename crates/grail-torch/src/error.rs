//! Why a model cannot be loaded, and why a computation failed.

use grail_artifact::tensors::TensorError;
use grail_ports::{Door, Fault, Retry};
use std::path::{Path, PathBuf};
use tch::{TchError, Tensor};

/// Why a model, a folder or a file of tensors cannot be used. Always trouble on our side.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no such folder.
    #[error("there is no model folder {}", path.display())]
    Folder {
        /// The folder asked for.
        path: PathBuf,
    },
    /// A file is missing, or cannot be read or written.
    #[error("cannot {doing} {}", path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A JSON file is larger than any honest one.
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
    /// A model that this crate does not compute: an architecture, a feature, a value that is missing, out of range or in
    /// contradiction to another.
    #[error("{0}")]
    Config(String),
    /// An index and the files of a folder do not fit together.
    #[error("{problem} {}", path.display())]
    Files {
        /// What is wrong.
        problem: String,
        /// The file or folder where.
        path: PathBuf,
    },
    /// A file is not a whole safetensors file.
    #[error("{} {problem}", path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
        /// What the reader says.
        #[source]
        source: TensorError,
    },
    /// A tensor that is missing, or is not what the config asks for.
    #[error("the tensor {name} {problem}")]
    Tensor {
        /// Its name.
        name: String,
        /// What is wrong with it.
        problem: String,
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

impl LoadError {
    /// A file that could not be read, written, …
    pub(crate) fn file(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::File { doing, path, source }
    }

    /// A tensor with what is wrong with it.
    pub(crate) fn tensor(name: &str, problem: impl Into<String>) -> Self {
        Self::Tensor { name: name.into(), problem: problem.into() }
    }
}

/// Why a computation failed. Always trouble on our side.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// An operation of libtorch failed.
    #[error("{op} failed{shapes}")]
    Op {
        /// Which operation.
        op: &'static str,
        /// Shapes and types of its inputs, where they are told.
        shapes: String,
        /// What libtorch says.
        #[source]
        source: TchError,
    },
    /// Device or machine has no memory left.
    #[error("out of memory: {op}{shapes}")]
    Memory {
        /// Which operation.
        op: &'static str,
        /// Shapes and types of its inputs, where they are told.
        shapes: String,
        /// What libtorch says.
        #[source]
        source: TchError,
    },
    /// The machine has no memory left for keys, values or rows.
    #[error("out of memory: {bytes} bytes of keys and values")]
    Room {
        /// How much was asked for.
        bytes: usize,
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
            Self::Memory { .. } | Self::Room { .. } | Self::Stopped => (Door::Model, Retry::Later),
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
            let shapes = if shapes.is_empty() { String::new() } else { format!(" on {}", shapes.join(", ")) };
            // libtorch says it in words alone.
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

use grail_env::EnvError;
use grail_ports::{Door, Fault, Retry};
use grail_protocol::words::WordError;
use grail_tokenize::TokenizeError;
use grail_torch::LoadError;
use std::path::PathBuf;

/// Why an experiment could not be made. Nothing is concluded then.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The model, or the tokenizer at work.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The model's folder.
    #[error("cannot load the model")]
    Load(#[from] LoadError),
    /// The tokenizer's files.
    #[error("cannot load the tokenizer")]
    Tokenizer(#[from] TokenizeError),
    /// The environment.
    #[error("cannot pose a problem")]
    Environment(#[from] EnvError),
    /// A word of the protocol.
    #[error("a name of the laboratory is no word of the protocol")]
    Word(#[from] WordError),
    /// A file that is missing, cannot be read, or cannot be written.
    #[error("cannot use {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// Weights that cannot be changed: several files, or a form that is not known.
    #[error("cannot change the weights in {}: {problem}", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A profile file that is not what it should be, or that cannot be made of what was measured.
    #[error("no profile file: {0}")]
    Evidence(String),
    /// A rule of the laboratory that did not hold.
    #[error("internal: {0}")]
    Inside(String),
}

impl From<LabError> for Fault {
    fn from(error: LabError) -> Self {
        match error {
            LabError::Fault(fault) => fault,
            other => Self::new(Door::Inside, Retry::Never, "tell a lie", other),
        }
    }
}

impl LabError {
    pub(crate) fn inside(text: impl Into<String>) -> Self {
        Self::Inside(text.into())
    }
}

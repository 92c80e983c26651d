//! Why a training step, a file or a setting is refused.

use std::path::PathBuf;
use tch::TchError;

/// What can go wrong while training. Always trouble on our side: what miners sent was judged before it came here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A setting out of its range.
    #[error("the setting {setting} is {found}, {range} is possible")]
    Setting {
        /// Name of the setting.
        setting: &'static str,
        /// Its value.
        found: String,
        /// What it may be.
        range: &'static str,
    },
    /// A batch that cannot be trained on.
    #[error("the batch cannot be used: {problem}")]
    Batch {
        /// What is wrong with it.
        problem: String,
    },
    /// An operation of libtorch failed.
    #[error("{doing} failed")]
    Op {
        /// What was being computed.
        doing: &'static str,
        /// What libtorch says.
        #[source]
        source: TchError,
    },
    /// Device or machine has no memory left.
    #[error("out of memory while {doing}")]
    Memory {
        /// What was being computed.
        doing: &'static str,
        /// What libtorch says.
        #[source]
        source: TchError,
    },
    /// Too many steps in a row had a loss or a gradient that is not a number.
    #[error("{steps} steps in a row had a loss or gradient that is not finite; training stops")]
    NotFinite {
        /// Skipped steps in a row.
        steps: u32,
    },
    /// A file cannot be read or written.
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
    /// A JSON text that is not what it should be.
    #[error("{} is not what it should be", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What the reader stumbled over.
        #[source]
        source: serde_json::Error,
    },
    /// A file whose length contradicts its header, or whose header is out of bounds.
    #[error("{} is damaged: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A model shape that this crate does not train.
    #[error("the model cannot be trained: {problem}")]
    Model {
        /// What is missing or contradictory.
        problem: String,
    },
    /// A tensor that is missing, or has another shape than the model asks for.
    #[error("the tensor {name} {problem}")]
    Tensor {
        /// Its name.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// Gives a failed tensor operation the name of what was being computed.
pub(crate) trait Doing<T> {
    /// Names the computation; costs nothing when it worked.
    fn doing(self, doing: &'static str) -> Result<T, TrainError>;
}

impl<T> Doing<T> for Result<T, TchError> {
    fn doing(self, doing: &'static str) -> Result<T, TrainError> {
        self.map_err(|source| {
            let text = source.to_string();
            let signs = ["out of memory", "can't allocate memory", "not enough memory"];
            if signs.iter().any(|sign| text.contains(sign)) {
                TrainError::Memory { doing, source }
            } else {
                TrainError::Op { doing, source }
            }
        })
    }
}

/// Checks that a number lies in `low..=high`; not-a-number never does.
pub(crate) fn within(
    setting: &'static str,
    value: f64,
    (low, high): (f64, f64),
    range: &'static str,
) -> Result<(), TrainError> {
    if (low..=high).contains(&value) {
        Ok(())
    } else {
        Err(TrainError::Setting { setting, found: value.to_string(), range })
    }
}

/// A batch that cannot be used, in words.
pub(crate) fn unusable<T>(problem: impl Into<String>) -> Result<T, TrainError> {
    Err(TrainError::Batch { problem: problem.into() })
}

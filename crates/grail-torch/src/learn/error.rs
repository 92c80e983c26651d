//! Why a training step, a file or a setting is refused.

use crate::error::{LoadError, Named, RunError};
use std::path::{Path, PathBuf};
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
    /// Too many steps in a row had a loss or a gradient that is not a number.
    #[error("{steps} steps in a row had a loss or gradient that is not finite; training stops")]
    NotFinite {
        /// Skipped steps in a row.
        steps: u32,
    },
    /// A saved state of another format, or under another name.
    #[error("{} is damaged: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A model, a file or a device that cannot be used, in the words of whoever loads it.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A tensor operation failed, or memory ran out.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// Gives a failed tensor operation the name of what was being computed.
pub(crate) trait Doing<T> {
    /// Names the computation; costs nothing when it worked.
    fn doing(self, doing: &'static str) -> Result<T, TrainError>;
}

impl<T> Doing<T> for Result<T, TchError> {
    fn doing(self, doing: &'static str) -> Result<T, TrainError> {
        Ok(self.named(doing, &[])?)
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

/// A saved state that is not what it should be.
pub(crate) fn damaged<T>(path: &Path, problem: impl Into<String>) -> Result<T, TrainError> {
    Err(TrainError::Damaged { path: path.into(), problem: problem.into() })
}

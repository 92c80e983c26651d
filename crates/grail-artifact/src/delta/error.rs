use crate::tensors::{TensorError, TensorRoot};
use std::io;

/// Why a delta could not be made or applied.
#[derive(Debug, thiserror::Error)]
pub enum DeltaError {
    /// The base or the new file could not be read.
    #[error("cannot read the tensors")]
    Tensors {
        /// What is wrong with them.
        #[from]
        source: TensorError,
    },
    /// The delta could not be read.
    #[error("cannot read the delta")]
    Read {
        /// What the reader says.
        source: io::Error,
    },
    /// The result or the delta could not be written.
    #[error("cannot write")]
    Write {
        /// What the writer says.
        source: io::Error,
    },
    /// It does not begin as a delta does.
    #[error("this is no delta of a known version")]
    NotADelta,
    /// The delta ends before its last record.
    #[error("the delta ends early")]
    Truncated,
    /// Something follows the last record.
    #[error("the delta goes on after its end")]
    TrailingBytes,
    /// A declared size is beyond what it may be; nothing was allocated for it.
    #[error("the delta declares {got} bytes of {what}, at most {most} are allowed")]
    TooLarge {
        /// Of what.
        what: &'static str,
        /// How many.
        got: u64,
        /// How many are allowed.
        most: u64,
    },
    /// A record or a block breaks the format.
    #[error("the delta of tensor {tensor:?} {detail}")]
    Malformed {
        /// Which tensor; empty for the header.
        tensor: String,
        /// What is wrong.
        detail: &'static str,
    },
    /// A block does not unpack, or not to a block of its size.
    #[error("a block of the delta is broken")]
    Block,
    /// The delta was made against other tensors.
    #[error("the delta applies to tensors with root {expected}, the base has {got}")]
    WrongBase {
        /// What the delta names.
        expected: TensorRoot,
        /// What the base has.
        got: TensorRoot,
    },
    /// What came out is not what was promised.
    #[error("the result has the root {got}, the delta promises {expected}")]
    WrongResult {
        /// What the delta names.
        expected: TensorRoot,
        /// What came out.
        got: TensorRoot,
    },
}

impl DeltaError {
    pub(super) fn read(source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::UnexpectedEof { Self::Truncated } else { Self::Read { source } }
    }

    pub(super) const fn write(source: io::Error) -> Self {
        Self::Write { source }
    }

    pub(super) fn malformed(tensor: &str, detail: &'static str) -> Self {
        Self::Malformed { tensor: tensor.to_owned(), detail }
    }
}

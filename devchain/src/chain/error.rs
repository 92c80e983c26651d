//! What goes wrong with a chain.

use super::pool::Refusal;
use crate::{executor::RuntimeError, spec::SpecError, text::Hash};

/// Why the chain cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// The spec cannot be used.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The runtime gave no answer.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The runtime does not take an inherent of its own making, for instance because it is not one that Aura or
    /// nobody authors.
    #[error("the runtime refuses its own inherent {extrinsic} with {answer}, so no block can be made on it")]
    Inherent {
        /// The extrinsic, in hex.
        extrinsic: String,
        /// The runtime's answer, in hex.
        answer: String,
    },
    /// No block of this hash is kept.
    #[error("no block has the hash {hash}, or it is older than what is kept")]
    NoSuchBlock {
        /// The hash.
        hash: Hash,
    },
    /// The block is kept and its state no longer.
    #[error("State already discarded for {hash}")]
    Discarded {
        /// Hash of the block.
        hash: Hash,
    },
    /// A fork that cannot be made.
    #[error(
        "a fork of {blocks} blocks, {depth} below block {best}, cannot be made: it has to leave above block 0 and \
         have between 1 and {most} blocks"
    )]
    Fork {
        /// Blocks below the head where it would leave.
        depth: u32,
        /// Blocks that it would have.
        blocks: u32,
        /// Number of the best block.
        best: u32,
        /// Blocks that a fork may have.
        most: u32,
    },
}

/// Why an extrinsic was not taken.
#[derive(Debug)]
pub(crate) enum SubmitError {
    /// It is not as long as it says.
    Format { bytes: usize },
    /// The runtime or the pool refuses it.
    Refused(Refusal),
    /// It could not be told.
    Chain(ChainError),
}

impl From<Refusal> for SubmitError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<ChainError> for SubmitError {
    fn from(error: ChainError) -> Self {
        Self::Chain(error)
    }
}

//! What goes wrong with a node as a whole.

use crate::{chain::ChainError, snapshot::SnapshotError};
use std::{io, net::SocketAddr};

/// Why a node cannot start, or cannot do what its owner asks.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DevchainError {
    /// The chain cannot.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A snapshot cannot be read or written.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// Nobody can connect.
    #[error("cannot listen on {address}; name another address, or port 0 for any that is free")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// No thread for the chain.
    #[error("cannot start the thread of the chain")]
    Thread(#[source] io::Error),
    /// The chain's thread is gone or failed over this very question.
    #[error("the node did not answer: it was stopped, or failed (its log says how)")]
    Gone,
}

impl From<crate::spec::SpecError> for DevchainError {
    fn from(error: crate::spec::SpecError) -> Self {
        Self::Chain(error.into())
    }
}

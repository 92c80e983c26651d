//! The proof of the Python network's version 5, reproduced for comparison: its sketch of a hidden state, the positions
//! it challenges, and its check of log-probabilities.
//!
//! Nothing of GRAIL/1 rests on this module. It exists so that the laboratory can send the same lie through both proofs,
//! and it is held to vectors that the original wrote. Where the original accepts what it should refuse, so does this
//! module; where it raises an error, this crate refuses.
//!
//! | module | what |
//! |---|---|
//! | [`prf`] | SHAKE-256 over joined parts, and how a text becomes randomness |
//! | [`twister`] | the Mersenne Twister as CPython seeds and uses it |
//! | [`challenge`] | which positions are looked at |
//! | [`sketch`] | buckets, coefficients, sketch and tolerance |
//! | [`logprob`] | the median of 32 deviations |

pub mod challenge;
pub mod logprob;
pub mod prf;
pub mod sketch;
pub mod twister;

/// Positions looked at in a rollout, and the fewest completion tokens a rollout may have.
pub const CHALLENGED: usize = 32;

/// What cannot be computed from an input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum V5Error {
    /// A randomness that is no hexadecimal text.
    #[error("{text:?} is no hexadecimal randomness")]
    Randomness {
        /// The text.
        text: String,
    },
    /// More output than the function gives.
    #[error("{asked} bytes were asked for, at most {} are possible", prf::MOST_BYTES)]
    Output {
        /// Bytes asked for.
        asked: usize,
    },
    /// More positions than there are, none at all, or a range that ends before it begins.
    #[error("{wanted} positions cannot be chosen among {among}")]
    Positions {
        /// Positions wanted.
        wanted: usize,
        /// Positions there are.
        among: usize,
    },
    /// A hidden state with fewer values than the sketch takes.
    #[error("a hidden state of {width} values is narrower than the {wanted} a sketch takes")]
    Narrow {
        /// Its values.
        width: usize,
        /// Values that a sketch takes.
        wanted: usize,
    },
}

//! Environments: problems, prompts and verdicts as pure functions of a seed and a text.
//!
//! An environment turns a [`ProblemSeed`] into a [`Problem`]; the problem says what to put before a model
//! ([`Problem::messages`]) and what a completion is worth ([`Problem::judge`]). Judging is total: every text has an
//! outcome, in time linear in its length.
//!
//! This crate knows no file, no token, no model and no clock. Data sets come as bytes or through [`gsm8k::Rows`];
//! text is decoded before it comes here, with its end token taken off by [`strip_final_end`].
//!
//! ```
//! use grail_env::Environment;
//! use grail_protocol::seed::ProblemSeed;
//!
//! let problem = Environment::Sat.generate(&ProblemSeed::from_bytes([7; 32]))?;
//! assert!(problem.messages().iter().any(|message| message.content.contains("<SOLUTION>")));
//!
//! let outcome = problem.judge("I give up.");
//! assert!(!outcome.success);
//! assert_eq!(outcome.reward.total().as_f32(), 0.0);
//! # Ok::<(), grail_env::EnvError>(())
//! ```
//!
//! | module | law |
//! |---|---|
//! | [`sat`], [`gsm8k`], [`arith`] | one environment each; a new one is a module and an arm of [`Environment`] |
//! | [`reading`] | tags of a completion |
//! | [`decimal`] | exact numbers |
//! | [`prompt`] | messages |
//! | [`reward`] | components, weights, totals, group advantages |
//! | [`outcome`] | what a completion earned and what makes two solutions the same |
//! | [`ending`] | the end token |

// Judging must not panic on anything a stranger can send.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

pub mod arith;
pub mod decimal;
pub mod ending;
pub mod gsm8k;
pub mod outcome;
pub mod prompt;
pub mod reading;
pub mod reward;
pub mod sat;

pub use ending::strip_final_end;
pub use outcome::{Outcome, SolutionKey};
pub use prompt::{Message, Speaker};

use arith::{Arith, ArithProblem};
use grail_protocol::{
    seed::ProblemSeed,
    words::{EnvId, WordError},
};
use gsm8k::{Gsm8k, Gsm8kProblem};
use sat::SatProblem;

/// A set of problems that the protocol can ask.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Environment {
    /// Boolean formulas, drawn from the seed alone.
    Sat,
    /// Word problems of a data set.
    Gsm8k(Gsm8k),
    /// Sums and differences of one level, drawn from the seed alone.
    Arith(Arith),
}

impl Environment {
    /// The identity, with everything that decides the environment's problems: `sat/1`, `gsm8k/1:{digest of rows}`,
    /// `arith/1:{level}`.
    ///
    /// It is part of every window seed.
    pub fn id(&self) -> Result<EnvId, EnvError> {
        match self {
            Self::Sat => EnvId::new(sat::ID).map_err(|source| EnvError::Id { source }),
            Self::Gsm8k(gsm8k) => Ok(gsm8k.id().clone()),
            Self::Arith(arith) => Ok(arith.id().clone()),
        }
    }

    /// The short name that people use: `sat`, `gsm8k`, `arith`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Sat => "sat",
            Self::Gsm8k(_) => "gsm8k",
            Self::Arith(_) => "arith",
        }
    }

    /// The problem of a seed. The same seed gives the same problem everywhere.
    pub fn generate(&self, seed: &ProblemSeed) -> Result<Problem, EnvError> {
        match self {
            Self::Sat => SatProblem::draw(seed).map(Problem::Sat),
            Self::Gsm8k(gsm8k) => gsm8k.draw(seed).map(Problem::Gsm8k),
            Self::Arith(arith) => Ok(Problem::Arith(arith.draw(seed))),
        }
    }
}

/// Why there is no problem. Never a miner's fault: a data set or a seed of ours is to blame.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvError {
    /// Every formula drawn for a seed was impossible to satisfy.
    #[error("no satisfiable formula of difficulty {difficulty} came up in {} draws", sat::MOST_DRAWS)]
    Unsatisfiable {
        /// The seed's difficulty.
        difficulty: u8,
    },
    /// A data set without rows.
    #[error("data set has no rows")]
    NoRows,
    /// A data set that counts a row which it does not have.
    #[error("data set lacks row {row}")]
    MissingRow {
        /// Index of the row.
        row: u32,
    },
    /// A row whose gold answer is not a number.
    #[error("row {row} has no number after its last ####")]
    Gold {
        /// Index of the row.
        row: u32,
    },
    /// A level that `arith` does not have.
    #[error("arith has no level {level}; its levels are 1 to {}", arith::LARGEST.len())]
    Level {
        /// The level asked for.
        level: u8,
    },
    /// The identity does not fit its word.
    #[error("environment has no valid identity")]
    Id {
        /// What is wrong with it.
        #[source]
        source: WordError,
    },
}

/// One problem of an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// A formula.
    Sat(SatProblem),
    /// A word problem.
    Gsm8k(Gsm8kProblem),
    /// A sum or a difference.
    Arith(ArithProblem),
}

impl Problem {
    /// What is put before the model, in order. The bytes are law.
    pub fn messages(&self) -> Vec<Message> {
        match self {
            Self::Sat(problem) => problem.messages(),
            Self::Gsm8k(problem) => problem.messages(),
            Self::Arith(problem) => problem.messages(),
        }
    }

    /// What a completion is worth.
    ///
    /// Total and infallible; time linear in the text. `completion_text` is decoded with its final end token taken off
    /// ([`strip_final_end`]).
    pub fn judge(&self, completion_text: &str) -> Outcome {
        match self {
            Self::Sat(problem) => problem.judge(completion_text),
            Self::Gsm8k(problem) => problem.judge(completion_text),
            Self::Arith(problem) => problem.judge(completion_text),
        }
    }
}

//! GRAIL's verifier as a library: one dependency line, no libtorch, no chain client, no file format library.
//!
//! With this crate a third party can derive every seed of a window, pose its problems, judge answers, and walk the
//! whole court over a window file: on paper with nothing but a tokenizer ([`paper`]), or with a model of its own by
//! implementing one trait ([`ports::model::Oracle`]).
//!
//! ```
//! use grail::{env::Environment, protocol::seed::ProblemSeed};
//!
//! // The problem that a seed poses, and what an answer to it earns.
//! let problem = Environment::Sat.generate(&ProblemSeed::from_bytes([7; 32]))?;
//! let outcome = problem.judge("<SOLUTION>none</SOLUTION>");
//! assert!(!outcome.success);
//! # Ok::<(), grail::env::EnvError>(())
//! ```
//!
//! | module | |
//! |---|---|
//! | [`protocol`] | words, seeds, forced sampling, sketch, signatures, beacon verification |
//! | [`env`], [`reward`] | problems, and what answers earn |
//! | [`artifact`] | window files and manifests, byte for byte |
//! | [`ports`] | the doors that a host implements |
//! | [`verify`] | the court: verdicts with reasons |
//! | [`score`] | from reports to weights |

pub use grail_artifact as artifact;
pub use grail_env as env;
pub use grail_env::reward;
pub use grail_ports as ports;
pub use grail_protocol as protocol;
pub use grail_verify as verify;
pub use grail_verify::score;

/// Verification on paper: everything that can be said of a file without running the model.
pub mod paper {
    pub use grail_verify::verify_on_paper as verify;
}

//! The court: decides about a miner's window file.
//!
//! A corridor of types, each made only by the stage before it, cheap checks first:
//!
//! ```text
//! Fetched ─arrive→ Arrived ─decode→ Decoded ─seal→ Sealed ─sample→ Sampled ─replay→ Replayed ─prove→ Proven ─judge→ MinerReport
//!         in time          codec,          header, counts, which          problem,          sketch,        reward,
//!                          limits          root, signature, groups        prompt,           draws,         solution
//!                                          form                           endings           log-probs
//! ```
//!
//! Stages up to `seal` refuse the **file**; from `replay` on a [`Rejection`] strikes one **rollout** and spoils its
//! group. What the verifier derives travels in [`WindowContext`] and [`Case`], what the miner claims in [`Decoded`];
//! they share no struct.
//!
//! Three verdicts ([`Verdict`]): accepted, rejected with a stable code, undecided. Trouble of ours (a
//! [`Fault`](grail_ports::Fault) of tokenizer or model) and a single measurement in the grey zone leave a rollout
//! undecided, which counts neither for nor against anybody.
//!
//! Beside the margins of single draws the court keeps their statistics ([`DrawStatistics`]): what they say of one rollout,
//! and, added up over windows by [`score`], of a miner.
//!
//! Every position of a sampled group is proven, since one prefill yields them all. A spot mode that opens only some
//! positions is not part of this crate.
//!
//! [`verify_file`] walks the whole corridor; [`verify_on_paper`] stops short of the model. Pure but for tokenizer and
//! model: no clock, no file, no socket.
//!
//! [`WindowContext`]: grail_protocol::seed::WindowContext

// The court must not panic on anything a stranger can send.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

pub mod audit;
mod corridor;
mod digits;
pub mod lies;
pub mod rejection;
pub mod report;
mod sampling;
pub mod score;
mod statistics;
mod verdict;
mod verify;

pub use corridor::{
    Arrived, Decoded, ProofProgress, ProofWatch, Proven, Replayed, Sampled, Sealed, arrive, oversize,
};
pub use digits::{Digits, Over};
pub use rejection::{ALL_CODES, Rejection};
pub use report::MinerReport;
pub use sampling::Sampling;
pub use statistics::DrawStatistics;
pub use verdict::{Doubt, Verdict};
pub use verify::{Case, verify_file, verify_on_paper};

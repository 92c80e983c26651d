//! The corridor: one module a stage. A stage's fields are private to the corridor, and only the function of the stage
//! before it makes it.

mod arrive;
mod form;
mod judge;
mod measure;
mod prove;
mod replay;
mod sample;
mod seal;

pub use arrive::{Arrived, Decoded, arrive, oversize};
pub use prove::{ProofProgress, ProofWatch, Proven};
pub use replay::Replayed;
pub use sample::Sampled;
pub use seal::Sealed;

//! A fake for every door to the world or a model in training, and what the door promises as a suite of assertions.
//!
//! The fakes are whole: they keep the rules that the real thing keeps, and each obeys a [`Trouble`] through which a
//! test makes it fail or fall silent. The suites in [`conformance`] run against fakes and edges alike, so that
//! neither drifts from the other.

mod beacon;
mod chain;
mod clock;
pub mod conformance;
mod follow;
mod journal;
mod learn;
mod publish;
mod shelf;
mod sign;
#[cfg(test)]
mod tests;
mod trouble;

pub use beacon::FakeBeacon;
pub use chain::{MemChain, MemSigner};
pub use clock::ManualClock;
pub use follow::{FakeFollower, FakeLoader};
pub use journal::MemJournal;
pub use learn::{Counted, FakeLearner};
pub use publish::FakePress;
pub use shelf::{MemCheckpoints, MemDirectory, MemShelf};
pub use sign::HeldKey;
pub use trouble::Trouble;

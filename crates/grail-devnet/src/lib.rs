//! A whole network on one machine, for demonstrations, tests and rehearsals: a chain in one SQLite file, a beacon
//! with a key of its own, and the folder that holds both with the participants' keys and their object store.
//!
//! It keeps the promises of the doors in `grail-ports` and passes the same conformance suites as any other edge.
//! Time comes from the caller's clock: nothing here ticks. It is never a network that pays: blocks and beacon can be
//! foretold by whoever reads the folder, and its profile and id enter every window seed.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod beacon;
pub mod bls;
pub mod chain;
mod error;
mod files;
mod folder;
pub mod keys;
mod network;
pub mod rules;

pub use beacon::DevBeacon;
pub use chain::{DevChain, DevSigner, Registration};
pub use error::DevnetError;
pub use folder::{Devnet, DevnetOptions, Founder, init, open};
pub use keys::load_key;
pub use network::DevNetwork;

//! The numbers every participant must agree on.
//!
//! This crate knows GRAIL/1: its words ([`words`]), its parameters ([`params`]), and every derivation that a miner
//! and a validator must compute alike: randomness ([`beacon`]), seeds ([`seed`]), forced sampling ([`draw`]), the
//! sketch of the computation ([`sketch`]), the Merkle root and the signature ([`merkle`], [`sign`]).
//!
//! It knows no socket, no file, no clock, no model and no environment variable; all of it is pure.
//!
//! ```
//! use grail_protocol::{hash, stream::Stream};
//! let key = hash::digest("grail/1 example", &[b"field"]);
//! let mut stream = Stream::new(&key, 0);
//! assert!(stream.below(6).is_some_and(|die| die < 6));
//! ```
//!
//! | module | law |
//! |---|---|
//! | [`hash`] | the one labelled, length-prefixed hash |
//! | [`stream`] | ChaCha20 keystreams and bounded integers |
//! | [`philox`] | Philox4x32-10 noise, addressable by (position, token) |
//! | [`beacon`] | drand rounds: which one, and is it genuine |
//! | [`params`] | constants of each network profile, and their digest |
//! | [`policy`] | what a network states about weights and seeds |
//! | [`clock`] | windows, deadlines and which beacon round serves them |
//! | [`seed`] | window, problem, draw and sketch seeds |
//! | [`draw`] | forced sampling and its margin |
//! | [`sketch`] | one byte a token that binds the hidden state |
//! | [`logprob`] | quantised log-probabilities |
//! | [`profile`] | numeric profiles: thresholds with their evidence |
//! | [`merkle`] | roots and paths over rollouts |
//! | [`sign`] | sr25519 with context `substrate` |

// Laws must not panic on anything a stranger can send.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

pub mod beacon;
pub mod clock;
pub mod draw;
pub mod hash;
pub mod logprob;
pub mod merkle;
pub mod params;
pub mod philox;
pub mod policy;
pub mod profile;
pub mod seed;
pub mod sign;
pub mod sketch;
pub mod stream;
pub mod words;

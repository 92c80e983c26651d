//! The soundness laboratory: lies sent through the whole court, and thresholds held against measurements.
//!
//! [`suite`] tells every lie of [`grail_verify::lies`] about windows of a real model, from the bytes of a file to its verdict, and counts
//! what became of it. Beside it stands the Python network's proof ([`old`], by
//! the checks of [`v5`]) on the same lies.
//!
//! Nothing here is used by a program of the network. `cargo xtask adversaries` and `cargo xtask calibrate` run the example
//! `lab`, a small part runs with the tests.

mod alter;
pub mod attack;
pub mod calibrate;
mod court;
mod error;
pub mod old;
mod outcome;
pub mod stand;
pub mod statistics;
pub mod suite;
pub mod v5;

pub use court::Court;
pub use error::LabError;
pub use outcome::{AttackOutcome, Bytes, MeanRewards};

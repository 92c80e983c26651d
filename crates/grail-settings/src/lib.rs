//! What an operator types, and the live objects it stands for.
//!
//! Three steps: arguments as typed ([`args`]), checked values, live objects ([`network`]). Only the last step touches
//! the world. Every argument has a `GRAIL_…` variable of the same meaning.

pub mod args;
pub mod audit;
pub mod check;
pub mod checkpoint_shelf;
pub mod config;
pub mod logging;
pub mod network;
pub mod places;
pub mod signer;
pub mod subnet;

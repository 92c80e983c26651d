//! drand rounds over HTTP: several relays asked at once, every answer checked by pairing before anybody sees it.
//!
//! No relay is trusted. One that is down, hangs, lags, lies or serves another chain is told apart from the others and
//! named in the fault, and the round comes from whichever relay answers first with a signature that verifies.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod client;
mod error;
mod recent;
mod relay;

pub use client::{DrandClient, QUICKNET_RELAYS, RelayReport, RelayStanding, Timing};
pub use error::{RelayTrouble, RelaysFailed, SetupError};

//! Bittensor's wallets, as its own tools write and read them: a hotkey from its file, and a signer that holds it.
//!
//! Only hotkeys are opened. A coldkey owns money, and nothing that GRAIL does needs its secret; its file is never read.
//!
//! | module | subject |
//! |---|---|
//! | [`wallet`] | the folder: find, list, open, make |
//! | [`keyfile`] | the content of a key file, and the ways in which it is encrypted |
//! | [`secret`] | words, seeds and derivation paths |
//! | [`signer`] | signing here or in another process |
//!
//! Secrets live in types that are wiped when dropped and that print their public half; no error quotes a file's content.

// What lies in a wallet's folder may be anything.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod disk;
mod error;
pub mod keyfile;
pub mod secret;
pub mod signer;
pub mod wallet;

pub use error::{Contradiction, WalletError};
pub use wallet::Wallet;

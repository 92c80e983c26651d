//! Wallets and the signer through their own face.

mod others;
mod signer;
mod vectors;
mod wallet;

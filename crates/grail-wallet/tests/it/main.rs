//! Wallets and the signer through their own face.

mod signer;
mod vectors;
mod wallet;

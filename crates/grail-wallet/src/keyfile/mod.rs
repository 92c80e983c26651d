//! What stands in a key file, and the three ways in which Bittensor's tools have encrypted it.
//!
//! ```json
//! { "accountId": "0x…", "publicKey": "0x…", "privateKey": "0x…", "secretPhrase": "twelve words", "secretSeed": "0x…",
//!   "ss58Address": "5…", "cryptoType": 1 }
//! ```
//!
//! `cryptoType` is read and not written: bittensor-wallet before 4.1 refuses a file that has it, and every one takes a file
//! without it for sr25519.
//!
//! Every field may be missing. What is there must agree: each secret gives the key, and each public form names it.

mod crypt;
mod json;
mod polkadot;

pub use crypt::Scheme;
pub(crate) use crypt::{OpenError, open, seal};
pub(crate) use json::{Content, new_keyfile, public_keyfile};
pub(crate) use polkadot::stated as stated_by_polkadot;

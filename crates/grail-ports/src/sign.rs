//! Signing as a hotkey, wherever its secret lies: in this process, or in one that holds nothing else.

use crate::Fault;
use grail_protocol::{
    sign::{Signature, Statement},
    words::Hotkey,
};

/// A call of the chain in the three parts whose concatenation a signed extrinsic is signed over.
///
/// A signer in another process looks at the call and hashes for itself, so it takes the parts and not their hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainCall {
    /// The call's name in the metadata, for example `set_weights`.
    pub name: String,
    /// SCALE bytes of the call: index of the pallet, index of the call, arguments.
    pub call: Vec<u8>,
    /// What the extensions add to the extrinsic: era, nonce, tip, …
    pub extra: Vec<u8>,
    /// What they add to the payload alone: spec version, transaction version, genesis hash, hash of the era's block, …
    pub additional: Vec<u8>,
}

/// Signs as one hotkey, whose secret may lie in another process.
pub trait Sign: Send + Sync + std::fmt::Debug {
    /// Whose signatures these are.
    fn hotkey(&self) -> Hotkey;

    /// Signs what GRAIL signs: the digest of a statement. May block for the time of a request to another process.
    ///
    /// Errors: the signer is out of reach, or refuses.
    fn sign(&self, statement: &Statement) -> Result<Signature, Fault>;

    /// Signs the payload of an extrinsic: its bytes, or their BLAKE2b-256 when there are more than 256.
    ///
    /// Errors: as [`Self::sign`].
    fn sign_call(&self, call: &ChainCall) -> Result<Signature, Fault>;
}

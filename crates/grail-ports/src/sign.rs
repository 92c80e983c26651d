//! Signing as a hotkey, wherever its secret lies: in this process, or in one that holds nothing else.

use crate::Fault;
use blake2::{Blake2b, Digest as _, digest::consts::U32};
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

impl ChainCall {
    /// The bytes that a signed extrinsic's signature is over: call, extra and additional, hashed with BLAKE2b-256 when
    /// they are more than 256.
    pub fn signed_bytes(&self) -> Vec<u8> {
        let payload = [self.call.as_slice(), &self.extra, &self.additional].concat();
        if payload.len() > 256 { Blake2b::<U32>::digest(&payload).to_vec() } else { payload }
    }
}

/// Signs as one hotkey, whose secret may lie in another process.
pub trait Sign: Send + Sync + std::fmt::Debug {
    /// Whose signatures these are.
    fn hotkey(&self) -> Hotkey;

    /// Signs what GRAIL signs: the digest of a statement. May block for the time of a request to another process.
    ///
    /// Errors: the signer is out of reach, or refuses.
    fn sign(&self, statement: &Statement) -> Result<Signature, Fault>;

    /// Signs an extrinsic: [`ChainCall::signed_bytes`].
    ///
    /// Errors: as [`Self::sign`].
    fn sign_call(&self, call: &ChainCall) -> Result<Signature, Fault>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_payloads_are_hashed_and_short_ones_are_not() {
        let call = |length: usize| ChainCall {
            name: "set_weights".into(),
            call: vec![7; length],
            extra: vec![1; 4],
            additional: vec![2; 73],
        };
        assert_eq!(call(179).signed_bytes().len(), 256);
        assert_eq!(call(179).signed_bytes()[178..184], [7, 1, 1, 1, 1, 2]);
        assert_eq!(call(180).signed_bytes().len(), 32);
    }
}

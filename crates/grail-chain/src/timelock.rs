//! Sealing bytes so that a drand round opens them, in the layout that the chain reads.
//!
//! The layout is that of the crate `timelock` 0.0.1: later versions write another one, which the chain does not
//! open. The identity that is encrypted to is the SHA-256 of the round as eight big-endian bytes.

use ark_serialize::{CanonicalDeserialize as _, CanonicalSerialize as _};
use rand_core_06::OsRng;
use sha2::{Digest as _, Sha256};
use timelock::{
    curves::drand::TinyBLS381, ibe::fullident::Identity, stream_ciphers::AESGCMStreamCipherProvider,
    tlock::tle,
};
use w3f_bls::EngineBLS;
use zeroize::Zeroize as _;

/// Group public key of drand's quicknet.
const QUICKNET_KEY: &str = "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c\
                            8c4b450b6a0a6c3ac6a5776a2d1064510d1fec758c921cc22b0e17e63aaf4bcb\
                            5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a";

/// Most bytes that are sealed. The chain takes 5,000 sealed ones, 32 KiB where a subnet runs Null consensus.
pub const MAX_SEALED: usize = 32 << 10;

/// Why bytes cannot be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// More than fits into a commit.
    #[error("{got} bytes are to be sealed, at most {MAX_SEALED} can be")]
    TooLong {
        /// Bytes given.
        got: usize,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    Entropy(#[source] getrandom::Error),
    /// The encryption failed, which its inputs cannot cause.
    #[error("the timelock encryption failed: {0}")]
    Failed(String),
}

/// Seals bytes until a round of quicknet.
pub fn seal(bytes: &[u8], round: u64) -> Result<Vec<u8>, SealError> {
    if bytes.len() > MAX_SEALED {
        return Err(SealError::TooLong { got: bytes.len() });
    }
    let failed = |what: &dyn std::fmt::Debug| SealError::Failed(format!("{what:?}"));
    let key = hex::decode(QUICKNET_KEY).map_err(|error| failed(&error))?;
    let key = <TinyBLS381 as EngineBLS>::PublicKeyGroup::deserialize_compressed(&key[..])
        .map_err(|error| failed(&error))?;
    let identity = Identity::new(b"", vec![Sha256::digest(round.to_be_bytes()).to_vec()]);
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(SealError::Entropy)?;
    let sealed = tle::<TinyBLS381, AESGCMStreamCipherProvider, OsRng>(key, secret, bytes, identity, OsRng)
        .map_err(|error| failed(&error));
    secret.zeroize();
    let mut written = Vec::new();
    sealed?.serialize_compressed(&mut written).map_err(|error| failed(&error))?;
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use timelock::tlock::{TLECiphertext, tld};

    /// Signature of round 1000 of quicknet.
    const ROUND_1000: &str = "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125\
                              e342b73a8dd2bacbe47e4b6b63ed5e39";

    fn open(sealed: &[u8], signature: &str) -> Option<Vec<u8>> {
        let sealed = TLECiphertext::<TinyBLS381>::deserialize_compressed(sealed).ok()?;
        let signature = hex::decode(signature).ok()?;
        let signature =
            <TinyBLS381 as EngineBLS>::SignatureGroup::deserialize_compressed(&signature[..]).ok()?;
        tld::<TinyBLS381, AESGCMStreamCipherProvider>(sealed, signature).ok()
    }

    #[test]
    fn the_rounds_signature_opens_it_and_another_round_stays_shut() {
        let sealed = seal(b"weights", 1_000).unwrap();
        assert_eq!(open(&sealed, ROUND_1000).as_deref(), Some(&b"weights"[..]));
        let later = seal(b"weights", 1_001).unwrap();
        assert_ne!(open(&later, ROUND_1000).as_deref(), Some(&b"weights"[..]));
        assert_ne!(seal(b"weights", 1_000).unwrap(), sealed, "each sealing is fresh");
        assert!(matches!(seal(&[0; MAX_SEALED + 1], 1), Err(SealError::TooLong { got: 32_769 })));
    }
}

//! A beacon key of one holder: signs rounds in the scheme that [`BeaconChain::verify`] checks.
//!
//! The scheme is drand's `bls-unchained-g1-rfc9380`: public key in G2, signature in G1, message
//! `SHA-256(round as eight big-endian bytes)`, hashed to the curve with the domain below. A real beacon's key is
//! shared among many parties; here one process holds all of it, so a development network's rounds can be computed
//! ahead of time by whoever reads its folder. They rehearse the protocol; they protect nothing.

use bls12_381::{
    G1Affine, G1Projective, G2Affine, Scalar,
    hash_to_curve::{ExpandMsgXmd, HashToCurve},
};
use grail_protocol::{
    beacon::{Beacon, BeaconChain},
    hash::{digest, sha256},
    words::UnixMillis,
};
use std::fmt;
use zeroize::Zeroize as _;

const DOMAIN: &[u8] = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_";

/// Secret key of a one-holder beacon. Prints as its public half; wiped when dropped.
pub struct BeaconKey(Scalar);

impl BeaconKey {
    /// Derives the key from 32 secret bytes: two labelled hashes, reduced together modulo the group order, so that
    /// the bias is below 2⁻²⁵⁰.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let mut wide = [0; 64];
        let (low, high) = wide.split_at_mut(32);
        low.copy_from_slice(&digest("grail/dev beacon key low", &[seed]));
        high.copy_from_slice(&digest("grail/dev beacon key high", &[seed]));
        let scalar = Scalar::from_bytes_wide(&wide);
        wide.zeroize();
        Self(scalar)
    }

    /// Public key, compressed G2.
    pub fn public_key(&self) -> [u8; 96] {
        G2Affine::from(G2Affine::generator() * self.0).to_compressed()
    }

    /// The description of the beacon network that this key makes up. Its hash follows from the other fields.
    pub fn chain(&self, genesis: UnixMillis, period_ms: u64) -> BeaconChain {
        let public_key = self.public_key();
        let hash =
            digest("grail/dev beacon", &[&public_key, &genesis.0.to_le_bytes(), &period_ms.to_le_bytes()]);
        BeaconChain { hash: hex::encode(hash), genesis, period_ms, public_key }
    }

    /// The signed round.
    pub fn sign(&self, round: u64) -> Beacon {
        let message = sha256(&round.to_be_bytes());
        let point =
            <G1Projective as HashToCurve<ExpandMsgXmd<sha2_09::Sha256>>>::hash_to_curve(message, DOMAIN);
        Beacon { round, signature: G1Affine::from(point * self.0).to_compressed() }
    }
}

impl Drop for BeaconKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for BeaconKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BeaconKey({})", hex::encode(self.public_key()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use grail_protocol::beacon::BeaconError;

    #[test]
    fn rounds_pass_the_check_of_the_protocol() {
        let key = BeaconKey::from_seed(&[7; 32]);
        let chain = key.chain(UnixMillis(1_000), 3_000);
        for round in [1, 2, u64::MAX] {
            let beacon = key.sign(round);
            assert_eq!(beacon.round, round);
            assert_eq!(chain.verify(&beacon), Ok(sha256(&beacon.signature)));
        }
    }

    #[test]
    fn another_key_or_round_is_a_forgery() {
        let chain = BeaconKey::from_seed(&[7; 32]).chain(UnixMillis(1_000), 3_000);
        let stranger = BeaconKey::from_seed(&[8; 32]).sign(5);
        assert_eq!(chain.verify(&stranger), Err(BeaconError::Forged { round: 5 }));
        let moved = Beacon { round: 6, ..BeaconKey::from_seed(&[7; 32]).sign(5) };
        assert_eq!(chain.verify(&moved), Err(BeaconError::Forged { round: 6 }));
    }

    #[test]
    fn the_secret_does_not_print() {
        let key = BeaconKey::from_seed(&[7; 32]);
        assert_eq!(format!("{key:?}"), format!("BeaconKey({})", hex::encode(key.public_key())));
    }
}

//! drand rounds: which round serves a moment, and whether a signature is genuine.
//!
//! A round's signature is BLS over BLS12-381 with signatures in G1 (scheme `bls-unchained-g1-rfc9380`, the one of
//! quicknet); the message is SHA-256 of the round as eight big-endian bytes, the randomness is SHA-256 of the
//! signature. Nobody ever asks for "the latest" round: the round follows from a time.
//!
//! Source: drand's specification of the scheme, and RFC 9380 for hashing to the curve; the Python network's
//! `infrastructure/drand.py` asks for the same chain and checks no signature.

use crate::{hash::sha256, words::UnixMillis};
use drand_verify::{G2PubkeyRfc, Pubkey as _};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Bytes of a compressed G1 signature.
pub const SIGNATURE_BYTES: usize = 48;
/// Bytes of a compressed G2 public key.
pub const PUBLIC_KEY_BYTES: usize = 96;

/// What identifies a beacon network and times its rounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BeaconChain {
    /// Hash that the relays use in their addresses; 64 hexadecimal digits.
    pub hash: String,
    /// Time of round 1.
    pub genesis: UnixMillis,
    /// Milliseconds between rounds.
    pub period_ms: u64,
    /// Group public key, compressed G2; hexadecimal in JSON.
    #[serde(with = "hex_array")]
    pub public_key: [u8; PUBLIC_KEY_BYTES],
}

/// The quicknet chain of the League of Entropy: a round every three seconds since 23 August 2023.
pub fn quicknet() -> BeaconChain {
    BeaconChain {
        hash: "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971".into(),
        genesis: UnixMillis(1_692_803_367_000),
        period_ms: 3_000,
        public_key: QUICKNET_KEY,
    }
}

/// Group key of quicknet, as its relays publish it.
const QUICKNET_KEY: [u8; PUBLIC_KEY_BYTES] = [
    0x83, 0xcf, 0x0f, 0x28, 0x96, 0xad, 0xee, 0x7e, 0xb8, 0xb5, 0xf0, 0x1f, 0xca, 0xd3, 0x91, 0x22, 0x12,
    0xc4, 0x37, 0xe0, 0x07, 0x3e, 0x91, 0x1f, 0xb9, 0x00, 0x22, 0xd3, 0xe7, 0x60, 0x18, 0x3c, 0x8c, 0x4b,
    0x45, 0x0b, 0x6a, 0x0a, 0x6c, 0x3a, 0xc6, 0xa5, 0x77, 0x6a, 0x2d, 0x10, 0x64, 0x51, 0x0d, 0x1f, 0xec,
    0x75, 0x8c, 0x92, 0x1c, 0xc2, 0x2b, 0x0e, 0x17, 0xe6, 0x3a, 0xaf, 0x4b, 0xcb, 0x5e, 0xd6, 0x63, 0x04,
    0xde, 0x9c, 0xf8, 0x09, 0xbd, 0x27, 0x4c, 0xa7, 0x3b, 0xab, 0x4a, 0xf5, 0xa6, 0xe9, 0xc7, 0x6a, 0x4b,
    0xc0, 0x9e, 0x76, 0xea, 0xe8, 0x99, 0x1e, 0xf5, 0xec, 0xe4, 0x5a,
];

/// One round with its signature, as relays hand it out. Unchecked until [`BeaconChain::verify`] accepts it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beacon {
    /// Round number, from 1.
    pub round: u64,
    /// Compressed G1 signature; hexadecimal in JSON.
    #[serde(with = "hex_array")]
    pub signature: [u8; SIGNATURE_BYTES],
}

impl fmt::Debug for Beacon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Beacon({}, {})", self.round, hex::encode(self.signature))
    }
}

/// Why a round is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BeaconError {
    /// The chain's public key is not a point of G2.
    #[error("the beacon chain's public key is not a point on the curve")]
    PublicKey,
    /// The signature is not a point of G1.
    #[error("the signature of beacon round {round} is not a point on the curve")]
    Point {
        /// The round that the beacon claims to be.
        round: u64,
    },
    /// A well-formed signature by somebody else, or of another round.
    #[error("the signature of beacon round {round} is not by the chain's group key")]
    Forged {
        /// The round that the beacon claims to be.
        round: u64,
    },
}

impl BeaconChain {
    /// The first round whose time is strictly after `moment`, from 1.
    ///
    /// It does not exist yet at `moment`, so nobody who acts then can know it.
    pub const fn round_after(&self, moment: UnixMillis) -> u64 {
        let Some(elapsed) = moment.0.checked_sub(self.genesis.0) else { return 1 };
        match elapsed.checked_div(self.period_ms) {
            Some(periods) => periods.saturating_add(2),
            // A period of zero would put all rounds at genesis.
            None => 1,
        }
    }

    /// When a round appears: genesis + (round − 1) · period. Rounds 0 and 1 are both at genesis.
    pub const fn time_of(&self, round: u64) -> UnixMillis {
        self.genesis.plus(round.saturating_sub(1).saturating_mul(self.period_ms))
    }

    /// Checks the signature by pairing and returns the round's randomness: SHA-256 of the signature.
    ///
    /// Errors: [`BeaconError::Point`] for bytes off the curve, [`BeaconError::Forged`] for a signature that does not
    /// belong to this chain and round, [`BeaconError::PublicKey`] for a broken chain description.
    pub fn verify(&self, beacon: &Beacon) -> Result<[u8; 32], BeaconError> {
        let round = beacon.round;
        let key = G2PubkeyRfc::from_fixed(self.public_key).map_err(|_| BeaconError::PublicKey)?;
        match key.verify(round, b"", &beacon.signature) {
            Ok(true) => Ok(sha256(&beacon.signature)),
            Ok(false) => Err(BeaconError::Forged { round }),
            Err(_) => Err(BeaconError::Point { round }),
        }
    }
}

/// The public randomness of a window, and how it came about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WindowRandomness {
    /// The round fixed by the window's first block.
    Beacon(Beacon),
    /// No beacon: the block hash alone seeds the window. Only networks that say so accept it.
    BlockHashOnly,
}

impl WindowRandomness {
    /// The bytes that enter the window seed: SHA-256 of the signature, or nothing.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Beacon(beacon) => sha256(&beacon.signature).to_vec(),
            Self::BlockHashOnly => Vec::new(),
        }
    }
}

/// Fixed-size byte arrays as hexadecimal text.
pub(crate) mod hex_array {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(crate) fn serialize<const N: usize, S: Serializer>(
        bytes: &[u8; N],
        out: S,
    ) -> Result<S::Ok, S::Error> {
        out.serialize_str(&hex::encode(bytes))
    }

    pub(crate) fn deserialize<'de, const N: usize, D: Deserializer<'de>>(
        input: D,
    ) -> Result<[u8; N], D::Error> {
        let text = String::deserialize(input)?;
        let mut bytes = [0; N];
        hex::decode_to_slice(&text, &mut bytes)
            .map_err(|_| D::Error::custom(format_args!("expected {} hexadecimal digits", 2 * N)))?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded quicknet round.
    fn round_1000() -> Beacon {
        let mut signature = [0; SIGNATURE_BYTES];
        let text = "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39";
        hex::decode_to_slice(text, &mut signature).unwrap();
        Beacon { round: 1000, signature }
    }

    #[test]
    fn a_recorded_round_verifies() {
        let randomness = quicknet().verify(&round_1000()).unwrap();
        assert_eq!(
            hex::encode(randomness),
            "fe290beca10872ef2fb164d2aa4442de4566183ec51c56ff3cd603d930e54fdd"
        );
    }

    #[test]
    fn forgeries_are_refused() {
        let chain = quicknet();
        let genuine = round_1000();
        let antedated = Beacon { round: 999, ..genuine.clone() };
        assert_eq!(chain.verify(&antedated), Err(BeaconError::Forged { round: 999 }));
        let mut off_curve = genuine.clone();
        off_curve.signature[47] ^= 1;
        assert!(chain.verify(&off_curve).is_err());
        let zero = Beacon { round: 1000, signature: [0; SIGNATURE_BYTES] };
        assert_eq!(chain.verify(&zero), Err(BeaconError::Point { round: 1000 }));
        // The point at infinity is a valid encoding and must not verify.
        let mut infinity = [0; SIGNATURE_BYTES];
        infinity[0] = 0xc0;
        assert!(chain.verify(&Beacon { round: 1000, signature: infinity }).is_err());
    }

    #[test]
    fn rounds_follow_from_time_alone() {
        let chain = quicknet();
        let genesis = chain.genesis;
        assert_eq!(chain.round_after(UnixMillis(0)), 1);
        assert_eq!(chain.round_after(genesis), 2);
        assert_eq!(chain.round_after(genesis.plus(2_999)), 2);
        assert_eq!(chain.round_after(genesis.plus(3_000)), 3);
        for round in [1, 2, 1_000_000] {
            assert_eq!(chain.round_after(UnixMillis(chain.time_of(round).0 - 1)), round);
        }
    }

    #[test]
    fn json_refuses_a_signature_of_a_wrong_length() {
        assert!(serde_json::from_str::<Beacon>(r#"{"round":1,"signature":"abcd"}"#).is_err());
    }
}

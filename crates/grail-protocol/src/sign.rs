//! sr25519 signatures of hotkeys, with the signing context `substrate` that the chain uses.

use crate::words::Hotkey;
use rand_core_06::{CryptoRng, RngCore};
use schnorrkel::{ExpansionMode, Keypair, MiniSecretKey, PublicKey, context::signing_context};
use serde::{Deserialize, Serialize};
use std::fmt;

const CONTEXT: &[u8] = b"substrate";

/// 64 bytes of sr25519. Text form: 128 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature(#[serde(with = "crate::beacon::hex_array")] [u8; 64]);

impl Signature {
    /// Takes the bytes as they are; whether they sign anything is [`verify`]'s question.
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({})", hex::encode(self.0))
    }
}

/// Whether `hotkey` signed `message`. False for malformed keys and signatures alike: neither signed it.
pub fn verify(hotkey: &Hotkey, message: &[u8], signature: &Signature) -> bool {
    let Ok(key) = PublicKey::from_bytes(hotkey.as_bytes()) else { return false };
    let Ok(signature) = schnorrkel::Signature::from_bytes(signature.as_bytes()) else { return false };
    key.verify(signing_context(CONTEXT).bytes(message), &signature).is_ok()
}

/// A hotkey that can sign. Prints as its public half; the secret is wiped when dropped.
pub struct HotkeyPair(Keypair);

impl HotkeyPair {
    /// Expands a 32-byte seed as Substrate does.
    ///
    /// Errors: `None` when the bytes are not a seed (they always are, for 32 bytes).
    pub fn from_seed(seed: &[u8; 32]) -> Option<Self> {
        let secret = MiniSecretKey::from_bytes(seed).ok()?;
        Some(Self(secret.expand_to_keypair(ExpansionMode::Ed25519)))
    }

    /// The public half.
    pub fn hotkey(&self) -> Hotkey {
        Hotkey::from_bytes(self.0.public.to_bytes())
    }

    /// Signs a message. `entropy` blinds the nonce and must be fresh and secret; the laws themselves draw no
    /// randomness.
    pub fn sign(&self, message: &[u8], entropy: [u8; 32]) -> Signature {
        let transcript = signing_context(CONTEXT).bytes(message);
        let blinded =
            schnorrkel::context::attach_rng(transcript, Entropy(crate::stream::Stream::new(&entropy, 0)));
        Signature(self.0.sign(blinded).to_bytes())
    }
}

impl fmt::Debug for HotkeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HotkeyPair({})", self.hotkey())
    }
}

/// Caller's entropy in the shape that schnorrkel asks for.
struct Entropy(crate::stream::Stream);

impl RngCore for Entropy {
    fn next_u32(&mut self) -> u32 {
        self.0.word()
    }
    fn next_u64(&mut self) -> u64 {
        u64::from(self.0.word()) | u64::from(self.0.word()) << 32
    }
    fn fill_bytes(&mut self, dest: &mut [u8]) {
        self.0.fill(dest);
    }
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rand_core_06::Error> {
        self.0.fill(dest);
        Ok(())
    }
}

impl CryptoRng for Entropy {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_binds_message_and_key() {
        let alice = HotkeyPair::from_seed(&[1; 32]).unwrap();
        let bob = HotkeyPair::from_seed(&[2; 32]).unwrap();
        let signature = alice.sign(b"message", [3; 32]);
        assert!(verify(&alice.hotkey(), b"message", &signature));
        assert!(!verify(&alice.hotkey(), b"massage", &signature));
        assert!(!verify(&bob.hotkey(), b"message", &signature));
        for bit in [0, 100, 300, 511] {
            let mut bytes = *signature.as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(!verify(&alice.hotkey(), b"message", &Signature::from_bytes(bytes)), "bit {bit}");
        }
    }

    #[test]
    fn the_secret_does_not_print() {
        let pair = HotkeyPair::from_seed(&[1; 32]).unwrap();
        assert_eq!(format!("{pair:?}"), format!("HotkeyPair({})", pair.hotkey()));
    }
}

//! sr25519 signatures of hotkeys, with the signing context `substrate` that the chain uses: Schnorr over Ristretto, as
//! the crate `schnorrkel` and Substrate's `sp-core` have it.
//!
//! Everything that a hotkey signs for GRAIL is the digest of a [`Statement`]: a label that says what is signed, and fields.

use crate::{
    hash::{Digest, Hasher},
    words::Hotkey,
};
use rand_core_06::{CryptoRng, RngCore};
use schnorrkel::{
    ExpansionMode, Keypair, MiniSecretKey, PublicKey, SecretKey,
    context::signing_context,
    derive::{ChainCode, Derivation as _},
};
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, fmt};
use zeroize::Zeroizing;

const CONTEXT: &[u8] = b"substrate";

/// 64 bytes of sr25519. Text form: 128 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature(#[serde(with = "crate::beacon::hex_array")] [u8; 64]);

impl Signature {
    /// Takes the bytes as they are; whether they sign anything is [`verify`]'s question.
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The 64 bytes: a point and a scalar, with schnorrkel's mark in the highest bit.
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

/// Label of a text or file that a person signs by hand.
pub const MESSAGE_LABEL: &str = "grail/1 message";

/// What a hotkey signs in GRAIL, before it is hashed: who holds the key can see what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Says what is signed, so that no signature can be taken for one over something else.
    pub label: Cow<'static, str>,
    /// The content, in the order that the label's rule gives.
    pub fields: Vec<Vec<u8>>,
}

impl Statement {
    /// A statement without fields. Labels of ours begin with `grail/1 `.
    pub const fn new(label: &'static str) -> Self {
        Self { label: Cow::Borrowed(label), fields: Vec::new() }
    }

    /// What a person signs by hand: `("grail/1 message", bytes)`.
    pub fn message(bytes: &[u8]) -> Self {
        Self::new(MESSAGE_LABEL).with(bytes)
    }

    /// The statement with one more field.
    #[must_use]
    pub fn with(mut self, field: &[u8]) -> Self {
        self.push(field);
        self
    }

    /// Adds a field after those that are there; lengths keep fields apart, so an empty one counts.
    pub fn push(&mut self, field: &[u8]) {
        self.fields.push(field.to_vec());
    }

    /// The 32 bytes that are signed: `H(label, fields…)`.
    pub fn digest(&self) -> Digest {
        let mut hasher = Hasher::new(&self.label);
        for field in &self.fields {
            hasher.field(field);
        }
        hasher.finish()
    }
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

    /// Takes an expanded secret as Substrate writes it: 32 bytes of a canonical scalar, 32 bytes of nonce seed.
    ///
    /// Errors: `None` when the scalar is not canonical, or is zero.
    pub fn from_secret(bytes: &[u8; 64]) -> Option<Self> {
        Self::expanded(SecretKey::from_bytes(bytes).ok()?)
    }

    /// Takes an expanded secret as Ed25519 libraries write it: the scalar is eight times that of [`Self::from_secret`].
    ///
    /// Errors: `None` when the scalar is not canonical, or is zero.
    pub fn from_ed25519_secret(bytes: &[u8; 64]) -> Option<Self> {
        Self::expanded(SecretKey::from_ed25519_bytes(bytes).ok()?)
    }

    fn expanded(secret: SecretKey) -> Option<Self> {
        let pair = secret.to_keypair();
        // Zero times the base point: a key that signs everything.
        (pair.public.to_bytes() != [0; 32]).then_some(Self(pair))
    }

    /// The child that nobody can tell from the public key: Substrate's `//` junction with this chain code.
    pub fn derive_hard(&self, chain_code: &[u8; 32]) -> Self {
        let (seed, _) = self.0.secret.hard_derive_mini_secret_key(Some(ChainCode(*chain_code)), b"");
        Self(seed.expand_to_keypair(ExpansionMode::Ed25519))
    }

    /// The child whose public key follows from this public key: Substrate's `/` junction with this chain code.
    ///
    /// The nonce seed of the child follows from the secret too, where Substrate draws it; the key is the same.
    pub fn derive_soft(&self, chain_code: &[u8; 32]) -> Self {
        let secret = Zeroizing::new(self.0.secret.to_bytes());
        let seed = crate::hash::digest("grail/1 soft nonce", &[secret.as_slice(), chain_code]);
        let entropy = Entropy(crate::stream::Stream::new(&seed, 0));
        let (child, _) = self.0.secret.derived_key_simple_rng(ChainCode(*chain_code), b"", entropy);
        Self(child.to_keypair())
    }

    /// The secret in the form of [`Self::from_secret`], for writing a key file. Wiped when dropped.
    pub fn expose_secret(&self) -> Zeroizing<[u8; 64]> {
        Zeroizing::new(self.0.secret.to_bytes())
    }

    /// The public half: the account that the chain knows.
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
    fn secrets_come_back_in_either_form_and_damaged_ones_do_not() {
        let pair = HotkeyPair::from_seed(&[1; 32]).unwrap();
        let secret = pair.expose_secret();
        assert_eq!(HotkeyPair::from_secret(&secret).unwrap().hotkey(), pair.hotkey());
        let ed25519 = pair.0.secret.to_ed25519_bytes();
        assert_eq!(HotkeyPair::from_ed25519_secret(&ed25519).unwrap().hotkey(), pair.hotkey());
        let mut zero = *secret;
        zero[..32].fill(0);
        assert!(HotkeyPair::from_secret(&zero).is_none() && HotkeyPair::from_ed25519_secret(&zero).is_none());
        let mut high = *secret;
        high[..32].fill(0xff);
        assert!(HotkeyPair::from_secret(&high).is_none(), "not below the group order");
    }

    #[test]
    fn a_statement_is_the_labelled_hash_of_its_fields() {
        let statement = Statement::message(b"hello");
        assert_eq!(statement.digest(), crate::hash::digest("grail/1 message", &[b"hello"]));
        assert_ne!(statement.digest(), Statement::new("grail/1 file").with(b"hello").digest());
        assert_ne!(statement.clone().with(b"").digest(), statement.digest());
    }

    #[test]
    fn the_secret_does_not_print() {
        let pair = HotkeyPair::from_seed(&[1; 32]).unwrap();
        assert_eq!(format!("{pair:?}"), format!("HotkeyPair({})", pair.hotkey()));
    }
}

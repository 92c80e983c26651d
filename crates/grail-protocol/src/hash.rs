//! The one hash of the protocol: SHA-256 over a label and fields, each with its length.
//!
//! `H(label, f1, f2, …) = SHA-256(len32le(label) ‖ label ‖ len32le(f1) ‖ f1 ‖ …)`.
//! Lengths make the encoding injective: no two lists of fields share a digest by concatenation.

use sha2::{Digest as _, Sha256};

/// 32 bytes of SHA-256. Raw in hashes and files; hexadecimal in text alone.
pub type Digest = [u8; 32];

/// `H(label, fields…)`.
///
/// Bytes: each part is preceded by its length as a little-endian `u32`; parts longer than `u32::MAX` do not occur,
/// since every object is bounded far below that before it is hashed.
/// Source: protocol book, "Notation"; vectors in `fixtures/vectors/protocol/hash.json`.
pub fn digest(label: &str, fields: &[&[u8]]) -> Digest {
    let mut hasher = Hasher::new(label);
    for field in fields {
        hasher.field(field);
    }
    hasher.finish()
}

/// `H` with its fields given one after another, for long lists.
#[derive(Debug, Clone)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Starts with the label, which is the first part and says what is hashed; ours begin with `grail/1 `.
    pub fn new(label: &str) -> Self {
        let mut hasher = Self(Sha256::new());
        hasher.field(label.as_bytes());
        hasher
    }

    /// Adds one field: its length as a little-endian `u32`, then its bytes.
    pub fn field(&mut self, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.0.update(length.to_le_bytes());
        self.0.update(bytes);
    }

    /// The digest of everything added; equals [`digest`] of the same label and fields.
    pub fn finish(self) -> Digest {
        self.0.finalize().into()
    }
}

/// Plain SHA-256 of some bytes, without label or length: what drand, checkpoint manifests and `sha256sum` compute.
pub fn sha256(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_keep_fields_apart() {
        assert_ne!(digest("l", &[b"ab", b"c"]), digest("l", &[b"a", b"bc"]));
        assert_ne!(digest("l", &[b"ab"]), digest("la", &[b"b"]));
        assert_ne!(digest("l", &[]), digest("l", &[b""]));
    }

    #[test]
    fn bytes_are_as_documented() {
        let mut raw = Vec::new();
        for part in [&b"label"[..], b"x", b""] {
            raw.extend_from_slice(&(part.len() as u32).to_le_bytes());
            raw.extend_from_slice(part);
        }
        assert_eq!(digest("label", &[b"x", b""]), sha256(&raw));
    }
}

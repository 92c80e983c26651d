//! Bytes as text: hex with and without its prefix, and 32-byte hashes.

use blake2::{Blake2b, Digest as _, digest::consts::U32};
use std::fmt;

/// Hash of a block, an extrinsic or a value: BLAKE2b with 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Of any bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Blake2b::<U32>::digest(bytes).into())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex0x(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// Lower-case hex with the prefix that clients expect.
pub(crate) fn hex0x(bytes: impl AsRef<[u8]>) -> String {
    format!("0x{}", hex::encode(bytes))
}

/// Bytes of hex; the prefix may be absent, since the Python SDK leaves it out.
pub(crate) fn unhex(text: &str) -> Result<Vec<u8>, hex::FromHexError> {
    hex::decode(text.strip_prefix("0x").unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_read_with_and_without_its_prefix() {
        assert_eq!(unhex("0x00ff").unwrap(), [0, 255]);
        assert_eq!(unhex("00FF").unwrap(), [0, 255]);
        assert_eq!(unhex("0x").unwrap(), [0u8; 0]);
        assert!(unhex("0x0").is_err());
        assert!(unhex("0xzz").is_err());
    }

    #[test]
    fn a_hash_is_blake2b_of_32_bytes() {
        let empty = "0x0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8";
        assert_eq!(Hash::of(b"").to_string(), empty);
    }
}

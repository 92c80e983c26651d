use blake2::{Blake2b512, Digest as _};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// SS58 network prefix of Bittensor and of Substrate's generic format.
const PREFIX: u8 = 42;
const CHECKSUM_CONTEXT: &[u8] = b"SS58PRE";

/// The public sr25519 key of a participant: 32 raw bytes.
///
/// Text form: SS58 with prefix 42, for example `5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY`: base58 of the prefix
/// byte, the key, and the first two bytes of BLAKE2b-512 over `SS58PRE`, prefix and key.
/// Source: Substrate, "SS58 address format"; a hotkey is an account that Bittensor registers on a subnet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hotkey([u8; 32]);

/// Why a text is not a hotkey.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HotkeyError {
    /// Not base58.
    #[error("hotkey is not base58 text")]
    NotBase58,
    /// Base58, but not 1 prefix byte, 32 key bytes and 2 checksum bytes.
    #[error("hotkey holds {got} bytes, an SS58 account has 35")]
    Length {
        /// Bytes that the text decoded to; characters of a text too long to be decoded.
        got: usize,
    },
    /// An account of another network.
    #[error("hotkey has SS58 prefix {got}, this network uses 42")]
    Prefix {
        /// Prefix found: 0 is Polkadot, 2 is Kusama.
        got: u8,
    },
    /// A typing mistake, most likely.
    #[error("hotkey has a wrong checksum; was a character mistyped?")]
    Checksum,
}

impl Hotkey {
    /// Takes the raw bytes of a public key. Whether they are a point on the curve shows when a signature is checked.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// SS58 text, prefix 42.
    pub fn to_ss58(&self) -> String {
        let mut raw = Vec::with_capacity(35);
        raw.push(PREFIX);
        raw.extend_from_slice(&self.0);
        raw.extend_from_slice(&checksum(&raw));
        bs58::encode(raw).into_string()
    }

    /// The first eight characters of the text form, for logs.
    pub fn short(&self) -> String {
        self.to_ss58().chars().take(8).collect()
    }
}

fn checksum(prefixed: &[u8]) -> [u8; 2] {
    let mut hasher = Blake2b512::new();
    hasher.update(CHECKSUM_CONTEXT);
    hasher.update(prefixed);
    let digest = hasher.finalize();
    match digest.as_slice() {
        [first, second, ..] => [*first, *second],
        _ => [0, 0],
    }
}

impl FromStr for Hotkey {
    type Err = HotkeyError;

    fn from_str(text: &str) -> Result<Self, HotkeyError> {
        // A valid address has at most 48 characters; base58 decoding is quadratic, so long text stops here.
        if text.len() > 64 {
            return Err(HotkeyError::Length { got: text.len() });
        }
        let raw = bs58::decode(text).into_vec().map_err(|_| HotkeyError::NotBase58)?;
        let array: [u8; 35] =
            raw.as_slice().try_into().map_err(|_| HotkeyError::Length { got: raw.len() })?;
        let [prefix, body @ ..] = array;
        let (key, sum) = body.split_at(32);
        if prefix != PREFIX {
            return Err(HotkeyError::Prefix { got: prefix });
        }
        let key: [u8; 32] = key.try_into().map_err(|_| HotkeyError::Length { got: raw.len() })?;
        let mut prefixed = vec![prefix];
        prefixed.extend_from_slice(&key);
        if checksum(&prefixed).as_slice() != sum {
            return Err(HotkeyError::Checksum);
        }
        Ok(Self(key))
    }
}

impl TryFrom<String> for Hotkey {
    type Error = HotkeyError;
    fn try_from(text: String) -> Result<Self, HotkeyError> {
        text.parse()
    }
}

impl From<Hotkey> for String {
    fn from(hotkey: Hotkey) -> Self {
        hotkey.to_ss58()
    }
}

impl fmt::Display for Hotkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.to_ss58())
    }
}

impl fmt::Debug for Hotkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hotkey({})", self.to_ss58())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The well-known development account Alice.
    const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
    const ALICE_HEX: &str = "d43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d";

    #[test]
    fn text_and_bytes_are_inverses() {
        let alice: Hotkey = ALICE.parse().unwrap();
        assert_eq!(hex::encode(alice.as_bytes()), ALICE_HEX);
        assert_eq!(alice.to_string(), ALICE);
    }

    #[test]
    fn each_mistake_has_its_own_name() {
        assert_eq!("0OIl".parse::<Hotkey>(), Err(HotkeyError::NotBase58));
        assert_eq!("abc".parse::<Hotkey>(), Err(HotkeyError::Length { got: 3 }));
        let mistyped = ALICE.replace("Grwva", "Grwvb");
        assert_eq!(mistyped.parse::<Hotkey>(), Err(HotkeyError::Checksum));
        let polkadot = "15oF4uVJwmo4TdGW7VfQxNLavjCXviqxT9S1MgbjMNHr6Sp5";
        assert_eq!(polkadot.parse::<Hotkey>(), Err(HotkeyError::Prefix { got: 0 }));
        assert!(matches!("1".repeat(10_000).parse::<Hotkey>(), Err(HotkeyError::Length { .. })));
    }
}

//! From what a person keeps (words, a seed, a path) to a hotkey, by the rules of Substrate.
//!
//! ```text
//! uri      = [words | 0x-seed] { "/" name | "//" name } [ "///" password ]
//! words    → entropy → PBKDF2-HMAC-SHA512(entropy, "mnemonic" ‖ password, 2048 rounds), first 32 bytes = seed
//! "//" name: a child that only the secret can make;  "/" name: one whose public key follows from the public key
//! name     → chain code: a number of 64 bits as 8 bytes LE, else compact length ‖ bytes; over 32 bytes its BLAKE2b-256;
//!            zeros behind
//! ```

use bip39::{Language, Mnemonic};
use blake2::{Blake2b, Digest as _, digest::consts::U32};
use grail_protocol::sign::HotkeyPair;
use sha2::Sha512;
use zeroize::{Zeroize as _, Zeroizing};

/// The words of the development accounts; a path without words before it starts from them, as in Substrate.
pub const DEVELOPMENT_WORDS: &str = "bottom drive obey lake curtain smoke basket hold race lonely fit walk";

/// Most bytes of a secret URI.
pub const MOST_URI_BYTES: usize = 2_048;
/// Most junctions of a path.
pub const MOST_JUNCTIONS: usize = 32;
const ROUNDS: u32 = 2_048;

/// Why a text gives no key. Nothing of the text is in any message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Too much text for a secret.
    #[error("{got} bytes are no secret; at most {MOST_URI_BYTES} are read")]
    TooLong {
        /// Bytes found.
        got: usize,
    },
    /// A number of words that no mnemonic has.
    #[error("a mnemonic has 12, 15, 18, 21 or 24 words, these are {got}")]
    WordCount {
        /// Words found.
        got: usize,
    },
    /// A word outside the list.
    #[error("word {position} is not in the English BIP39 list; was it mistyped?")]
    UnknownWord {
        /// Which one, counted from 1.
        position: usize,
    },
    /// Known words that do not belong together.
    #[error("the checksum of these words is wrong; are they complete and in order?")]
    Checksum,
    /// Not 64 hexadecimal digits.
    #[error("a seed is 64 hexadecimal digits with or without 0x, this has {got} characters")]
    Seed {
        /// Characters found.
        got: usize,
    },
    /// A path that is not `/name` or `//name`, over and over.
    #[error("a path is /name or //name, at most {MOST_JUNCTIONS} of them; junction {position} is not")]
    Path {
        /// Which junction, counted from 1.
        position: usize,
    },
    /// Bytes that are no secret key.
    #[error("these bytes are not an sr25519 secret")]
    NotASecret,
}

/// 32 bytes from which a key is expanded. Wiped when dropped; does not print.
#[derive(Clone)]
pub struct Seed(Zeroizing<[u8; 32]>);

impl Seed {
    /// Takes the bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Reads 64 hexadecimal digits, with or without `0x`.
    ///
    /// Errors: [`SecretError::Seed`].
    pub fn from_hex(text: &str) -> Result<Self, SecretError> {
        let mut bytes = Zeroizing::new([0; 32]);
        let digits = text.strip_prefix("0x").unwrap_or(text);
        hex::decode_to_slice(digits, bytes.as_mut())
            .map_err(|_| SecretError::Seed { got: digits.chars().count() })?;
        Ok(Self(bytes))
    }

    /// The seed of a mnemonic, with the password that some add to it.
    ///
    /// Errors: [`SecretError::WordCount`], [`SecretError::UnknownWord`], [`SecretError::Checksum`].
    pub fn from_words(words: &str, password: &str) -> Result<Self, SecretError> {
        if words.len() > MOST_URI_BYTES {
            return Err(SecretError::TooLong { got: words.len() });
        }
        let mnemonic =
            Mnemonic::parse_in_normalized(Language::English, words).map_err(|error| match error {
                bip39::Error::BadWordCount(got) => SecretError::WordCount { got },
                bip39::Error::UnknownWord(index) => SecretError::UnknownWord { position: index + 1 },
                _ => SecretError::Checksum,
            })?;
        Ok(Self::from_mnemonic(&mnemonic, password))
    }

    fn from_mnemonic(mnemonic: &Mnemonic, password: &str) -> Self {
        let entropy = Zeroizing::new(mnemonic.to_entropy());
        let mut salt = Zeroizing::new(String::with_capacity(8 + password.len()));
        salt.push_str("mnemonic");
        salt.push_str(password);
        let mut long = Zeroizing::new([0u8; 64]);
        pbkdf2::pbkdf2_hmac::<Sha512>(&entropy, salt.as_bytes(), ROUNDS, long.as_mut());
        let mut seed = Zeroizing::new([0u8; 32]);
        for (to, from) in seed.iter_mut().zip(long.iter()) {
            *to = *from;
        }
        Self(seed)
    }

    /// The key that this seed expands to.
    ///
    /// Errors: [`SecretError::NotASecret`], which no 32 bytes cause.
    pub fn pair(&self) -> Result<HotkeyPair, SecretError> {
        HotkeyPair::from_seed(&self.0).ok_or(SecretError::NotASecret)
    }

    /// The bytes, for writing a key file.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(…)")
    }
}

/// How many words a new mnemonic has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Words {
    /// 128 bits, as Bittensor's tools make.
    #[default]
    Twelve,
    /// 256 bits.
    TwentyFour,
}

/// A new mnemonic from the entropy of the operating system. Wiped when dropped; does not print.
pub struct NewWords(Mnemonic);

impl NewWords {
    /// Draws one.
    ///
    /// Errors: what the operating system says when it has no entropy to give.
    pub fn draw(words: Words) -> std::io::Result<Self> {
        let length = match words {
            Words::Twelve => 16,
            Words::TwentyFour => 32,
        };
        let mut entropy = Zeroizing::new(vec![0u8; length]);
        getrandom::fill(&mut entropy).map_err(std::io::Error::other)?;
        Mnemonic::from_entropy_in(Language::English, &entropy).map(Self).map_err(std::io::Error::other)
    }

    /// The seed of these words.
    pub fn seed(&self) -> Seed {
        Seed::from_mnemonic(&self.0, "")
    }

    /// The words with single blanks between, to be shown once.
    pub fn expose(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.to_string())
    }
}

impl std::fmt::Debug for NewWords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewWords(…)")
    }
}

/// The key of a secret URI: words or a seed, a path, a password; see [this module](self).
///
/// Errors: each variant of [`SecretError`].
pub fn pair_from_uri(uri: &str) -> Result<HotkeyPair, SecretError> {
    if uri.len() > MOST_URI_BYTES {
        return Err(SecretError::TooLong { got: uri.len() });
    }
    // A password may hold anything, slashes too: it begins at the first three of them.
    let (front, password) = uri.split_once("///").map_or((uri, ""), |(front, password)| (front, password));
    let (start, path) = front.find('/').map_or((front, ""), |at| front.split_at(at));
    let seed = match start.trim() {
        "" => Seed::from_words(DEVELOPMENT_WORDS, password)?,
        hex if hex.starts_with("0x") => Seed::from_hex(hex)?,
        words => Seed::from_words(words, password)?,
    };
    let mut pair = seed.pair()?;
    for (hard, chain_code) in junctions(path)? {
        pair = if hard { pair.derive_hard(&chain_code) } else { pair.derive_soft(&chain_code) };
    }
    Ok(pair)
}

/// The steps of `/soft//hard`: whether each is hard, and its chain code.
fn junctions(path: &str) -> Result<Vec<(bool, [u8; 32])>, SecretError> {
    let mut found = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let position = found.len() + 1;
        let wrong = SecretError::Path { position };
        if position > MOST_JUNCTIONS {
            return Err(wrong);
        }
        let (hard, after) = match (rest.strip_prefix("//"), rest.strip_prefix('/')) {
            (Some(after), _) => (true, after),
            (None, Some(after)) => (false, after),
            (None, None) => return Err(wrong),
        };
        let end = after.find('/').unwrap_or(after.len());
        let (name, next) = after.split_at(end);
        if name.is_empty() {
            return Err(wrong);
        }
        found.push((hard, chain_code(name)));
        rest = next;
    }
    Ok(found)
}

fn chain_code(name: &str) -> [u8; 32] {
    let mut encoded = match name.parse::<u64>() {
        Ok(number) => number.to_le_bytes().to_vec(),
        Err(_) => {
            let mut bytes = compact(name.len());
            bytes.extend_from_slice(name.as_bytes());
            bytes
        }
    };
    let mut code = [0; 32];
    if encoded.len() > code.len() {
        code = Blake2b::<U32>::digest(&encoded).into();
    } else {
        for (to, from) in code.iter_mut().zip(&encoded) {
            *to = *from;
        }
    }
    encoded.zeroize();
    code
}

/// SCALE's compact length, for lengths that fit a URI.
fn compact(length: usize) -> Vec<u8> {
    let length = u16::try_from(length).unwrap_or(u16::MAX);
    match length {
        0..64 => vec![length.to_le_bytes()[0] << 2],
        _ => (length << 2 | 1).to_le_bytes().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_compact_as_scale_has_them() {
        assert_eq!(compact(0), [0]);
        assert_eq!(compact(5), [20]);
        assert_eq!(compact(63), [252]);
        assert_eq!(compact(64), [0x01, 0x01]);
        assert_eq!(compact(2_000), [0x41, 0x1f]);
    }

    #[test]
    fn names_become_chain_codes() {
        assert_eq!(chain_code("1")[..9], [1, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(chain_code("Alice")[..7], [20, b'A', b'l', b'i', b'c', b'e', 0]);
        let long = "x".repeat(40);
        assert_ne!(chain_code(&long), chain_code(&"x".repeat(41)), "hashed, not cut");
    }

    #[test]
    fn mistakes_have_names_and_quote_nothing() {
        let words = DEVELOPMENT_WORDS;
        let cases = [
            ("one two three".to_owned(), SecretError::WordCount { got: 3 }),
            (words.replace("lake", "laek"), SecretError::UnknownWord { position: 4 }),
            (words.replace("bottom drive", "drive bottom"), SecretError::Checksum),
            ("0x1234".into(), SecretError::Seed { got: 4 }),
            (format!("0x{}", "g".repeat(64)), SecretError::Seed { got: 64 }),
            ("//".into(), SecretError::Path { position: 1 }),
            (format!("{words}//a/"), SecretError::Path { position: 2 }),
            ("/a".repeat(33), SecretError::Path { position: 33 }),
            ("x".repeat(5_000), SecretError::TooLong { got: 5_000 }),
        ];
        for (uri, expected) in cases {
            let error = pair_from_uri(&uri).unwrap_err();
            assert_eq!(error, expected, "{uri:?}");
            assert!(!error.to_string().contains("lake"), "{error}");
        }
    }

    #[test]
    fn new_words_lead_back_to_their_key() {
        for (words, count) in [(Words::Twelve, 12), (Words::TwentyFour, 24)] {
            let new = NewWords::draw(words).unwrap();
            let text = new.expose();
            assert_eq!(text.split(' ').count(), count);
            let again = Seed::from_words(&text, "").unwrap();
            assert_eq!(again.expose(), new.seed().expose());
            assert_eq!(format!("{new:?} {again:?}"), "NewWords(…) Seed(…)");
        }
        let drawn = || NewWords::draw(Words::Twelve).unwrap().expose();
        assert_ne!(drawn(), drawn());
    }
}

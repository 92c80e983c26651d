use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Why a text or number is not the word it claims to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WordError {
    /// Text of a wrong length.
    #[error("{word} has {got} characters, allowed are 1 to {most}")]
    Length {
        /// Which word, as people call it: `network id`, `environment id`.
        word: &'static str,
        /// Bytes found.
        got: usize,
        /// Most bytes allowed.
        most: usize,
    },
    /// A character outside the word's alphabet.
    #[error("{word} holds the character {got:?}; allowed are a-z, 0-9 and . _ / : -")]
    Character {
        /// Which word, as people call it.
        word: &'static str,
        /// The first character that is not allowed.
        got: char,
    },
    /// Not exactly 64 hexadecimal digits, a leading `0x` aside.
    #[error("{word} is not 64 hexadecimal digits")]
    Hex {
        /// Which word, as people call it: `checkpoint id`, `block hash`.
        word: &'static str,
    },
}

/// Index of a token in a model's vocabulary: what tokenizers of Hugging Face call an id. Below the number of logits.
pub type TokenId = u32;

/// A group of rollouts over one problem, counted from 0 without gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GroupIndex(pub u32);

impl fmt::Display for GroupIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A rollout inside its group, `0..16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RolloutIndex(pub u8);

impl fmt::Display for RolloutIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn check_slug(word: &'static str, text: &str, most: usize) -> Result<(), WordError> {
    if text.is_empty() || text.len() > most {
        return Err(WordError::Length { word, got: text.len(), most });
    }
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._/:-".contains(c);
    match text.chars().find(|&c| !allowed(c)) {
        Some(got) => Err(WordError::Character { word, got }),
        None => Ok(()),
    }
}

macro_rules! slug {
    ($(#[$doc:meta])* $name:ident, $word:literal, $most:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks length and alphabet: lower-case letters, digits and `. _ / : -`.
            ///
            /// Errors: [`WordError::Length`] for an empty or too long text, [`WordError::Character`].
            pub fn new(text: impl Into<String>) -> Result<Self, WordError> {
                let text = text.into();
                check_slug($word, &text, $most)?;
                Ok(Self(text))
            }

            /// The text, as it enters hashes.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = WordError;
            fn from_str(text: &str) -> Result<Self, WordError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = WordError;
            fn try_from(text: String) -> Result<Self, WordError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(word: $name) -> Self {
                word.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

slug!(
    /// The name of a network: `main`, or for a development chain a name made at its genesis.
    NetworkId, "network id", 64
);
slug!(
    /// The identity of an environment, with everything that decides its problems: `sat/1`, `gsm8k/1:{digest of rows}`.
    EnvId, "environment id", 128
);

/// The identity of a checkpoint: the digest of its manifest, `H("grail/1 checkpoint", …)`.
///
/// Text form: 64 lower-case hexadecimal digits. It enters every window seed, so a model and its terms are what a window
/// is answered under; a revision of a Hugging Face repository plays the same part.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CheckpointId([u8; 32]);

impl CheckpointId {
    /// Takes the digest's bytes. `Manifest::id` of `grail-artifact` computes them.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest's 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

pub(crate) fn parse_hex32(word: &'static str, text: &str) -> Result<[u8; 32], WordError> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let mut bytes = [0; 32];
    hex::decode_to_slice(digits, &mut bytes).map_err(|_| WordError::Hex { word })?;
    Ok(bytes)
}

impl FromStr for CheckpointId {
    type Err = WordError;
    fn from_str(text: &str) -> Result<Self, WordError> {
        parse_hex32("checkpoint id", text).map(Self)
    }
}

impl TryFrom<String> for CheckpointId {
    type Error = WordError;
    fn try_from(text: String) -> Result<Self, WordError> {
        text.parse()
    }
}

impl From<CheckpointId> for String {
    fn from(id: CheckpointId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for CheckpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.0))
    }
}

impl fmt::Debug for CheckpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CheckpointId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_refuse_what_could_mislead_a_path_or_a_reader() {
        assert!(EnvId::new("gsm8k/1:ab12").is_ok());
        assert_eq!(EnvId::new(""), Err(WordError::Length { word: "environment id", got: 0, most: 128 }));
        assert_eq!(EnvId::new("Sat"), Err(WordError::Character { word: "environment id", got: 'S' }));
        assert!(NetworkId::new("x".repeat(65)).is_err());
        assert!(serde_json::from_str::<NetworkId>("\"a b\"").is_err());
    }

    #[test]
    fn checkpoint_ids_read_back_what_they_print() {
        let id = CheckpointId::from_bytes([0xab; 32]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("abcd".parse::<CheckpointId>().is_err());
    }
}

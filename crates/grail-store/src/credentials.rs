use std::fmt;
use zeroize::Zeroizing;

/// Bytes of the commitment that publishes a read pair.
pub const COMMITMENT_BYTES: usize = 128;

const ACCOUNT: Field = Field { name: "account id", width: 32 };
const KEY_ID: Field = Field { name: "access key id", width: 32 };
const SECRET: Field = Field { name: "secret access key", width: 64 };

/// One field of the commitment, padded on the right with spaces.
#[derive(Debug, Clone, Copy)]
struct Field {
    name: &'static str,
    width: usize,
}

/// Why credentials are not usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// A field without content.
    #[error("the {field} is empty")]
    Empty {
        /// Which field.
        field: &'static str,
    },
    /// A field that does not fit the commitment; it is never cut.
    #[error("the {field} has {got} characters, the commitment has room for {most}")]
    TooLong {
        /// Which field.
        field: &'static str,
        /// Its characters.
        got: usize,
        /// Most characters.
        most: usize,
    },
    /// White space or something that is not printable ASCII.
    #[error(
        "the {field} holds a space or a character outside printable ASCII; was it copied with its surroundings?"
    )]
    Character {
        /// Which field.
        field: &'static str,
    },
    /// The read pair is the write pair.
    #[error(
        "the read and the write credentials share their {field}; publishing them would let anyone overwrite \
         your bucket: make a second token that may only read"
    )]
    Shared {
        /// What they share.
        field: &'static str,
    },
    /// A commitment of another length.
    #[error("the commitment has {got} bytes, credentials have {COMMITMENT_BYTES}")]
    CommitmentLength {
        /// Bytes found.
        got: usize,
    },
}

/// Text that never prints and is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
struct Secret(Zeroizing<String>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl Field {
    fn check(self, text: &str) -> Result<String, CredentialsError> {
        let field = self.name;
        if text.is_empty() {
            return Err(CredentialsError::Empty { field });
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(CredentialsError::Character { field });
        }
        if text.len() > self.width {
            return Err(CredentialsError::TooLong { field, got: text.len(), most: self.width });
        }
        Ok(text.to_owned())
    }

    /// Reads the field at the front of `bytes` and moves on.
    fn take(self, bytes: &mut &[u8]) -> Result<Zeroizing<String>, CredentialsError> {
        let (own, rest) = bytes.split_at_checked(self.width).unwrap_or((bytes, &[]));
        *bytes = rest;
        let text = std::str::from_utf8(own).map_err(|_| CredentialsError::Character { field: self.name })?;
        self.check(text.trim_end_matches(' ')).map(Zeroizing::new)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pair {
    key_id: String,
    secret: Secret,
}

impl Pair {
    fn new(key_id: &str, secret: &str) -> Result<Self, CredentialsError> {
        let key_id = KEY_ID.check(key_id)?;
        let secret = Secret(Zeroizing::new(SECRET.check(secret)?));
        Ok(Self { key_id, secret })
    }
}

/// Credentials that may only read: a participant publishes them on the chain, so that validators can fetch.
///
/// Text form of the commitment: 32 characters account id (which is also the bucket's name), 32 access key id,
/// 64 secret, each padded on the right with spaces. The secret does not print and is wiped when dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadCredentials {
    account: String,
    pair: Pair,
}

/// Credentials that may write. There is no way from here to a commitment:
///
/// ```compile_fail,E0599
/// # use grail_store::{ReadCredentials, WriteCredentials};
/// fn publish(read: &ReadCredentials, write: &WriteCredentials) {
///     let _ = write.commitment(write);
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteCredentials {
    pair: Pair,
}

impl WriteCredentials {
    /// Takes a pair. Errors: empty, too long, or not printable ASCII.
    pub fn new(access_key_id: &str, secret: &str) -> Result<Self, CredentialsError> {
        Ok(Self { pair: Pair::new(access_key_id, secret)? })
    }

    /// The public half of the pair.
    pub fn access_key_id(&self) -> &str {
        &self.pair.key_id
    }

    pub(crate) fn secret(&self) -> &str {
        &self.pair.secret.0
    }
}

impl ReadCredentials {
    /// Takes a pair and the account it belongs to. Errors: empty, too long, or not printable ASCII.
    pub fn new(account: &str, access_key_id: &str, secret: &str) -> Result<Self, CredentialsError> {
        Ok(Self { account: ACCOUNT.check(account)?, pair: Pair::new(access_key_id, secret)? })
    }

    /// Reads what somebody committed. Errors: another length, an empty field, a character that no key has.
    pub fn from_commitment(bytes: &[u8]) -> Result<Self, CredentialsError> {
        if bytes.len() != COMMITMENT_BYTES {
            return Err(CredentialsError::CommitmentLength { got: bytes.len() });
        }
        let mut rest = bytes;
        let account = ACCOUNT.take(&mut rest)?;
        let key_id = KEY_ID.take(&mut rest)?;
        let secret = SECRET.take(&mut rest)?;
        Self::new(&account, &key_id, &secret)
    }

    /// The bytes to commit.
    ///
    /// The write pair must be shown, so that the comparison cannot be forgotten. Errors:
    /// [`CredentialsError::Shared`] when the two have the key id or the secret in common.
    pub fn commitment(
        &self,
        own_write: &WriteCredentials,
    ) -> Result<[u8; COMMITMENT_BYTES], CredentialsError> {
        if self.pair.key_id == own_write.pair.key_id {
            return Err(CredentialsError::Shared { field: KEY_ID.name });
        }
        if self.pair.secret == own_write.pair.secret {
            return Err(CredentialsError::Shared { field: SECRET.name });
        }
        let mut bytes = [b' '; COMMITMENT_BYTES];
        let (account, rest) = bytes.split_at_mut(ACCOUNT.width);
        let (key_id, secret) = rest.split_at_mut(KEY_ID.width);
        for (place, text) in
            [(account, &self.account), (key_id, &self.pair.key_id), (secret, &*self.pair.secret.0)]
        {
            // Lengths were checked when the credentials were made.
            for (to, from) in place.iter_mut().zip(text.bytes()) {
                *to = from;
            }
        }
        Ok(bytes)
    }

    /// Account id, which is also the bucket's name.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The public half of the pair.
    pub fn access_key_id(&self) -> &str {
        &self.pair.key_id
    }

    pub(crate) fn secret(&self) -> &str {
        &self.pair.secret.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read() -> ReadCredentials {
        ReadCredentials::new("a1b2", "read-key", "read-secret").unwrap()
    }

    fn write() -> WriteCredentials {
        WriteCredentials::new("write-key", "write-secret").unwrap()
    }

    #[test]
    fn the_commitment_is_three_padded_fields() {
        let bytes = read().commitment(&write()).unwrap();
        let expected = format!("{:<32}{:<32}{:<64}", "a1b2", "read-key", "read-secret");
        assert_eq!(std::str::from_utf8(&bytes).unwrap(), expected);
    }

    #[test]
    fn equal_keys_are_never_published() {
        let same_id = WriteCredentials::new("read-key", "write-secret").unwrap();
        assert_eq!(read().commitment(&same_id), Err(CredentialsError::Shared { field: "access key id" }));
        let same_secret = WriteCredentials::new("write-key", "read-secret").unwrap();
        assert_eq!(
            read().commitment(&same_secret),
            Err(CredentialsError::Shared { field: "secret access key" })
        );
    }

    #[test]
    fn each_mistake_has_its_own_name() {
        use CredentialsError::{Character, CommitmentLength, Empty, TooLong};
        let cases = [
            (ReadCredentials::new("", "k", "s"), Empty { field: "account id" }),
            (ReadCredentials::new("a", "k ", "s"), Character { field: "access key id" }),
            (ReadCredentials::new("a", "k", "ſ"), Character { field: "secret access key" }),
            (
                ReadCredentials::new(&"a".repeat(33), "k", "s"),
                TooLong { field: "account id", got: 33, most: 32 },
            ),
            (ReadCredentials::from_commitment(&[b'a'; 127]), CommitmentLength { got: 127 }),
            (ReadCredentials::from_commitment(&[b' '; 128]), Empty { field: "account id" }),
            (ReadCredentials::from_commitment(&[0xff; 128]), Character { field: "account id" }),
            (ReadCredentials::from_commitment(&[0; 128]), Character { field: "account id" }),
        ];
        for (got, expected) in cases {
            assert_eq!(got, Err(expected));
        }
    }

    #[test]
    fn secrets_do_not_print() {
        let (read, write) = (read(), write());
        let shown = format!("{read:?} {write:?}");
        assert!(shown.contains("read-key") && shown.contains("write-key"), "{shown}");
        assert!(!shown.contains("secret\"") && !shown.contains("-secret"), "{shown}");
    }

    proptest! {
        #[test]
        fn commitments_read_back(account in "[!-~]{1,32}", key in "[!-~]{1,32}", secret in "[!-~]{1,64}") {
            let read = ReadCredentials::new(&account, &key, &secret).unwrap();
            let write = WriteCredentials::new("another key that is far too different".split(' ').next().unwrap(), "another").unwrap();
            prop_assume!(key != "another" && secret != "another");
            let bytes = read.commitment(&write).unwrap();
            prop_assert_eq!(ReadCredentials::from_commitment(&bytes), Ok(read));
        }

        #[test]
        fn no_commitment_of_a_stranger_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = ReadCredentials::from_commitment(&bytes);
        }
    }
}

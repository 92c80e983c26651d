use crate::{keyfile::Scheme, secret::SecretError};
use grail_protocol::words::{Hotkey, HotkeyError};
use std::{fmt, io, path::PathBuf};

/// Why a wallet gives no key, or was not made. Names the file and what to do; quotes nothing of its content.
#[derive(Debug, thiserror::Error)]
pub enum WalletError {
    /// A name that cannot be that of a file.
    #[error(
        "{name:?} is no name of a wallet: use letters, digits, `-`, `_` and `.`, and none of the endings and paths that files give a meaning"
    )]
    Name {
        /// What was asked for.
        name: String,
    },
    /// There is no such hotkey.
    #[error("there is no hotkey file {}; {}; `grail keys new --wallet-cold {cold} --wallet-hot {hot}` makes one", path.display(), others(exist))]
    NotFound {
        /// Where it should be.
        path: PathBuf,
        /// The coldkey's name that was asked for.
        cold: String,
        /// The hotkey's name that was asked for.
        hot: String,
        /// `cold/hot` of those that exist, at most twenty.
        exist: Vec<String>,
    },
    /// The system does not let us.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A folder, a pipe or a device where a file should be.
    #[error("{} is not a file", path.display())]
    NotAFile {
        /// What is there.
        path: PathBuf,
    },
    /// Far too large for a key.
    #[error("{} has {got} bytes; no key file has more than {most}, so this is something else", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Bytes found, as far as they were counted.
        got: u64,
        /// The bound.
        most: u64,
    },
    /// Neither plain nor encrypted in a way that we know.
    #[error("{} is neither JSON nor encrypted as $NACL, $ANSIBLE_VAULT (AES256), Fernet or an account of polkadot-js; is it a key file of Bittensor?", path.display())]
    UnknownScheme {
        /// The file.
        path: PathBuf,
    },
    /// Nothing but hexadecimal digits, in a file that is not named as a public one. They are shown nowhere.
    #[error("{} holds nothing but hexadecimal digits, which some tools read as a public key and others as a secret seed, so they are read as neither; if they are a seed, `grail keys new --import -` makes a key file of it, and a public key belongs into a file whose name ends in pub.txt", path.display())]
    BareDigits {
        /// The file.
        path: PathBuf,
    },
    /// Encrypted in a known way, and cut or changed.
    #[error("{} is damaged: {detail}; take a copy, or make the key again from its words with `grail keys new --import -`", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: &'static str,
    },
    /// The check sum of the encryption does not hold.
    #[error("the password does not open {} ({scheme}); it is another one, or the file is damaged", path.display())]
    WrongPassword {
        /// The file.
        path: PathBuf,
        /// How it is encrypted.
        scheme: Scheme,
    },
    /// Nobody gave the password.
    #[error("{} is encrypted, and there is no password for it", path.display())]
    NoPassword {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The key derivation takes 512 MiB.
    #[error("not enough memory to open or write {}: its encryption takes 512 MiB for some seconds", path.display())]
    Memory {
        /// The file.
        path: PathBuf,
    },
    /// Not the JSON of a key file.
    #[error("{} is not the JSON of a key file (line {line}, column {column})", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// Line of the first mistake.
        line: usize,
        /// Column of the first mistake.
        column: usize,
    },
    /// A field holds something else than it should.
    #[error("{}: {field} is {expected}, this is not", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// The field.
        field: &'static str,
        /// What belongs there.
        expected: &'static str,
    },
    /// A secret in the file is none.
    #[error("{}: {field} gives no key", path.display())]
    Secret {
        /// The file.
        path: PathBuf,
        /// The field.
        field: &'static str,
        /// Why.
        source: SecretError,
    },
    /// The address is not SS58.
    #[error("{}: ss58Address is not an address of this network", path.display())]
    Address {
        /// The file.
        path: PathBuf,
        /// Why.
        source: HotkeyError,
    },
    /// A key of another kind.
    #[error("{} holds a key of type {got}; hotkeys are sr25519, type 1", path.display())]
    KeyType {
        /// The file.
        path: PathBuf,
        /// The type found.
        got: u64,
    },
    /// The file names no secret.
    #[error("{} holds only the public half; a hotkey's file holds its secret, and `grail keys new --import -` writes one from its words", path.display())]
    NoSecret {
        /// The file.
        path: PathBuf,
    },
    /// The file names no key at all.
    #[error("{} names no key: ss58Address, publicKey, secretPhrase, secretSeed and privateKey are all missing", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Two statements about one key contradict each other.
    #[error("{}: {contradiction}; one of them is of another key", path.display())]
    Disagree {
        /// The file.
        path: PathBuf,
        /// What contradicts what.
        contradiction: Box<Contradiction>,
    },
    /// Encrypted, and no public file beside it.
    #[error("{} is encrypted and there is no {}, so its address shows only with the password (`grail keys show --unlock`)", path.display(), public.display())]
    PublicUnknown {
        /// The encrypted file.
        path: PathBuf,
        /// The file that would say it.
        public: PathBuf,
    },
    /// Something has that name already.
    #[error("{} exists, and a wallet is never overwritten; choose another name with --wallet-hot, or move it away", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A root with more folders than any operator has.
    #[error("{} holds more than {most} entries; is it a folder of wallets?", path.display())]
    TooMany {
        /// The folder.
        path: PathBuf,
        /// The bound.
        most: usize,
    },
    /// The operating system gave no entropy.
    #[error("the operating system gave no randomness for a key")]
    Entropy(#[source] io::Error),
}

/// Two statements about one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// The first: a field or a file.
    pub one: String,
    /// The second.
    pub other: String,
    /// Key of the first.
    pub a: Hotkey,
    /// Key of the second.
    pub b: Hotkey,
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} belongs to {}, but {} to {}", self.one, self.a, self.other, self.b)
    }
}

/// What exists instead.
fn others(exist: &[String]) -> String {
    if exist.is_empty() { "no wallet is there".to_owned() } else { format!("there are {}", exist.join(", ")) }
}

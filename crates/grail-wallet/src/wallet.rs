//! The folder of wallets: `{root}/{coldkey's name}/hotkeys/{hotkey's name}`, with public files beside the secret ones.
//!
//! | file | holds |
//! |---|---|
//! | `{cold}/coldkey` | the coldkey; never opened here |
//! | `{cold}/coldkeypub.txt` | the coldkey's address |
//! | `{cold}/hotkeys/{hot}` | the hotkey, plain or encrypted |
//! | `{cold}/hotkeys/{hot}pub.txt` | the hotkey's address |

use crate::{
    Contradiction, WalletError, disk,
    keyfile::{self, Content, OpenError, Scheme},
    secret::{NewWords, Seed, Words},
};
use grail_fs::Readers;
use grail_protocol::{sign::HotkeyPair, words::Hotkey};
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Where wallets lie under a person's home, as Bittensor's tools have it.
pub const USUAL_ROOT: &str = ".bittensor/wallets";
/// Most entries that are looked at in one folder.
const MOST_ENTRIES: usize = 4_096;
const MOST_NAME_BYTES: usize = 128;
const PUBLIC_ENDING: &str = "pub.txt";

/// Asks for a password; an error when there is nobody to ask.
pub type AskPassword<'a> = dyn FnMut() -> io::Result<Zeroizing<String>> + 'a;

/// A hotkey by its place. Nothing is read before it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wallet {
    root: PathBuf,
    cold: String,
    hot: String,
}

/// What a new hotkey is made from.
#[derive(Debug)]
pub enum KeyOrigin {
    /// A new mnemonic.
    Draw(Words),
    /// A seed, a mnemonic or a URI with a path, as [`crate::secret::pair_from_uri`] reads it.
    Import(Zeroizing<String>),
}

/// A hotkey that was just made.
#[derive(Debug)]
pub struct Made {
    /// Its public key, shown as an SS58 address.
    pub hotkey: Hotkey,
    /// The only copy of its words outside the file, where words were drawn.
    pub words: Option<Zeroizing<String>>,
    /// The key file that was written.
    pub path: PathBuf,
    /// Whether a coldkey's public file lies beside it; tools that register the hotkey look for one.
    pub has_coldkey: bool,
}

/// A folder of one coldkey, as [`Wallet::list`] finds it.
#[derive(Debug)]
pub struct ListedWallet {
    /// The coldkey's name, which is the folder's.
    pub cold: String,
    /// Its address, where the public file says it.
    pub coldkey: Option<Hotkey>,
    /// Its hotkeys, by name.
    pub hotkeys: Vec<ListedHotkey>,
}

/// A hotkey's file, as [`Wallet::list`] finds it.
#[derive(Debug)]
pub struct ListedHotkey {
    /// Its name, which is the file's.
    pub name: String,
    /// How it is kept; `None` where the file is something else.
    pub scheme: Option<Scheme>,
    /// Its address, or why that is not to be had without a password.
    pub hotkey: Result<Hotkey, WalletError>,
}

impl Wallet {
    /// Names a hotkey; nothing is read.
    ///
    /// Errors: [`WalletError::Name`].
    pub fn new(root: &Path, cold: &str, hot: &str) -> Result<Self, WalletError> {
        for name in [cold, hot] {
            check_name(name)?;
        }
        // Such a file would be taken for the public half of another hotkey.
        if hot.ends_with(PUBLIC_ENDING) {
            return Err(WalletError::Name { name: hot.to_owned() });
        }
        Ok(Self { root: root.to_owned(), cold: cold.to_owned(), hot: hot.to_owned() })
    }

    /// The coldkey's name: the folder below the folder of wallets.
    pub fn cold(&self) -> &str {
        &self.cold
    }

    /// The hotkey's name: the file below `hotkeys`.
    pub fn hot(&self) -> &str {
        &self.hot
    }

    /// The file of the hotkey.
    pub fn path(&self) -> PathBuf {
        self.folder().join(&self.hot)
    }

    /// The file with the hotkey's address.
    pub fn public_path(&self) -> PathBuf {
        self.folder().join(format!("{}{PUBLIC_ENDING}", self.hot))
    }

    fn folder(&self) -> PathBuf {
        self.root.join(&self.cold).join("hotkeys")
    }

    /// How the hotkey is kept.
    ///
    /// Errors: those of finding and reading its file.
    pub fn scheme(&self) -> Result<Scheme, WalletError> {
        Ok(self.read()?.0)
    }

    /// Permission bits of the hotkey's file, where others than its owner may read or write it.
    pub fn open_to_others(&self) -> Option<u32> {
        disk::open_to_others(&self.path())
    }

    /// The hotkey's address, without a password: from its public file, and from its own where that is plain.
    ///
    /// Errors: [`WalletError::BareDigits`] where a file does not tell public from secret, [`WalletError::PublicUnknown`] where only the password would show it, [`WalletError::Disagree`] where the two
    /// files name two keys, and those of reading.
    pub fn public(&self) -> Result<Hotkey, WalletError> {
        let (scheme, bytes) = self.read()?;
        let stated = self.stated()?;
        match (scheme, stated) {
            (Scheme::Plain, stated) => {
                let content = Content::of(&self.path(), &bytes)?;
                self.agrees(stated, content.hotkey)?;
                Ok(content.hotkey)
            }
            (Scheme::PolkadotJs, stated) => {
                let own = keyfile::stated_by_polkadot(&bytes);
                match own.or(stated) {
                    Some(hotkey) => {
                        self.agrees(stated, hotkey)?;
                        Ok(hotkey)
                    }
                    None => Err(WalletError::PublicUnknown { path: self.path(), public: self.public_path() }),
                }
            }
            (_, Some(stated)) => Ok(stated),
            (_, None) => Err(WalletError::PublicUnknown { path: self.path(), public: self.public_path() }),
        }
    }

    /// The hotkey itself. `ask` is called only where the file is encrypted.
    ///
    /// A file that others may read is warned about.
    ///
    /// Errors: each of [`WalletError`] that says why a file gives no key.
    pub fn unlock(&self, ask: &mut AskPassword<'_>) -> Result<HotkeyPair, WalletError> {
        let path = self.path();
        let (scheme, bytes) = self.read()?;
        if let Some(mode) = self.open_to_others() {
            tracing::warn!(target: "grail::wallet", path = %path.display(), mode = %format_args!("{mode:o}"),
                "others on this machine may read this hotkey; run `chmod 600` on it");
        }
        let content = match scheme {
            Scheme::Plain => Content::of(&path, &bytes)?,
            _ => {
                let password =
                    ask().map_err(|source| WalletError::NoPassword { path: path.clone(), source })?;
                let opened = keyfile::open(scheme, &bytes, password.as_bytes())
                    .map_err(|error| refuse(&path, scheme, error))?;
                Content::of(&path, &opened)?
            }
        };
        self.agrees(self.stated()?, content.hotkey)?;
        content.pair.ok_or(WalletError::NoSecret { path })
    }

    /// Makes a hotkey: its file (mode 600) and its public file. With a password the file is encrypted as `$NACL`.
    ///
    /// Errors: [`WalletError::Exists`] where either file exists; an imported secret that is none; those of writing.
    pub fn create(&self, origin: &KeyOrigin, password: Option<&str>) -> Result<Made, WalletError> {
        let (path, public_path) = (self.path(), self.public_path());
        for taken in [&path, &public_path] {
            if taken.symlink_metadata().is_ok() {
                return Err(WalletError::Exists { path: taken.clone() });
            }
        }
        let secret =
            |source| WalletError::Secret { path: path.clone(), field: "the imported secret", source };
        let (words, seed, pair) = match origin {
            KeyOrigin::Draw(count) => {
                let words = NewWords::draw(*count).map_err(WalletError::Entropy)?;
                let seed = words.seed();
                let pair = seed.pair().map_err(secret)?;
                (Some(words), Some(seed), pair)
            }
            KeyOrigin::Import(uri) => {
                let uri = uri.trim();
                // Bare digits are a seed; a URI wants `0x` before them.
                match Seed::from_hex(uri) {
                    Ok(seed) => {
                        let pair = seed.pair().map_err(secret)?;
                        (None, Some(seed), pair)
                    }
                    Err(_) => (None, None, crate::secret::pair_from_uri(uri).map_err(secret)?),
                }
            }
        };
        let json = |error: serde_json::Error| WalletError::Io {
            doing: "encode",
            path: path.clone(),
            source: error.into(),
        };
        let mut content = keyfile::new_keyfile(&pair, words.as_ref(), seed.as_ref()).map_err(json)?;
        if let Some(password) = password {
            let mut nonce = [0; 24];
            getrandom::fill(&mut nonce).map_err(|error| WalletError::Entropy(io::Error::other(error)))?;
            let sealed = keyfile::seal(&content, password.as_bytes(), nonce);
            content = Zeroizing::new(sealed.map_err(|error| refuse(&path, Scheme::Nacl, error))?);
        }
        let public = keyfile::public_keyfile(&pair.hotkey()).map_err(json)?;
        grail_fs::make_private_folder(&self.folder())?;
        disk::write_new(&path, &content, Readers::Owner)?;
        // The key exists from here on; its words must reach their owner whatever becomes of the public file.
        if let Err(error) = disk::write_new(&public_path, &public, Readers::Everyone) {
            tracing::warn!(target: "grail::wallet", %error, "the hotkey was made, its public file was not");
        }
        Ok(Made {
            hotkey: pair.hotkey(),
            words: words.as_ref().map(NewWords::expose),
            path,
            has_coldkey: self.root.join(&self.cold).join("coldkeypub.txt").exists(),
        })
    }

    /// Every wallet under a root, by name. Hidden files and folders without keys are left out; a root that is not there
    /// holds none.
    ///
    /// Errors: a folder that cannot be listed; what is wrong with a hotkey stands in its own entry.
    pub fn list(root: &Path) -> Result<Vec<ListedWallet>, WalletError> {
        let mut found = Vec::new();
        for cold in entries(root)? {
            let folder = root.join(&cold);
            if !folder.is_dir() {
                continue;
            }
            let hotkeys = hotkeys(root, &cold)?;
            let public = folder.join("coldkeypub.txt");
            let coldkey = match disk::read(&public) {
                Ok(Some(bytes)) => Content::of(&public, &bytes).ok().map(|content| content.hotkey),
                _ => None,
            };
            if coldkey.is_some() || !hotkeys.is_empty() || folder.join("coldkey").exists() {
                found.push(ListedWallet { cold, coldkey, hotkeys });
            }
        }
        Ok(found)
    }

    fn read(&self) -> Result<(Scheme, Zeroizing<Vec<u8>>), WalletError> {
        let path = self.path();
        let Some(bytes) = disk::read(&path)? else {
            let exist = Self::list(&self.root).unwrap_or_default();
            let names = exist.iter().flat_map(|wallet| {
                wallet.hotkeys.iter().map(move |hotkey| format!("{}/{}", wallet.cold, hotkey.name))
            });
            let exist = names.take(20).collect();
            return Err(WalletError::NotFound {
                path,
                cold: self.cold.clone(),
                hot: self.hot.clone(),
                exist,
            });
        };
        match Scheme::of(&bytes) {
            Some(scheme) => Ok((scheme, bytes)),
            None => Err(WalletError::UnknownScheme { path }),
        }
    }

    /// What the public file says, where there is one.
    fn stated(&self) -> Result<Option<Hotkey>, WalletError> {
        let path = self.public_path();
        let Some(bytes) = disk::read(&path)? else { return Ok(None) };
        Content::of(&path, &bytes).map(|content| Some(content.hotkey))
    }

    fn agrees(&self, stated: Option<Hotkey>, derived: Hotkey) -> Result<(), WalletError> {
        match stated {
            Some(stated) if stated != derived => Err(WalletError::Disagree {
                path: self.path(),
                contradiction: Box::new(Contradiction {
                    one: format!("the public file {}", self.public_path().display()),
                    other: "the hotkey's file".to_owned(),
                    a: stated,
                    b: derived,
                }),
            }),
            _ => Ok(()),
        }
    }
}

fn refuse(path: &Path, scheme: Scheme, error: OpenError) -> WalletError {
    let path = path.to_owned();
    match error {
        OpenError::Damaged(detail) => WalletError::Damaged { path, detail },
        OpenError::WrongPassword => WalletError::WrongPassword { path, scheme },
        OpenError::Memory => WalletError::Memory { path },
    }
}

fn check_name(name: &str) -> Result<(), WalletError> {
    let plain = |c: char| !c.is_control() && !matches!(c, '/' | '\\');
    let good =
        (1..=MOST_NAME_BYTES).contains(&name.len()) && name.chars().all(plain) && !name.starts_with('.');
    if good { Ok(()) } else { Err(WalletError::Name { name: name.chars().take(64).collect() }) }
}

/// Names in a folder, sorted; those that cannot be a wallet's are left out. None where there is no folder.
fn entries(folder: &Path) -> Result<Vec<String>, WalletError> {
    let trouble = |source| WalletError::Io { doing: "list", path: folder.to_owned(), source };
    let listing = match fs::read_dir(folder) {
        Ok(listing) => listing,
        Err(error) if grail_fs::is_absence(&error) => return Ok(Vec::new()),
        Err(error) => return Err(trouble(error)),
    };
    let mut names = Vec::new();
    for (index, entry) in listing.enumerate() {
        if index >= MOST_ENTRIES {
            return Err(WalletError::TooMany { path: folder.to_owned(), most: MOST_ENTRIES });
        }
        if let Ok(name) = entry.map_err(trouble)?.file_name().into_string()
            && check_name(&name).is_ok()
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn hotkeys(root: &Path, cold: &str) -> Result<Vec<ListedHotkey>, WalletError> {
    let folder = root.join(cold).join("hotkeys");
    let mut found = Vec::new();
    for name in entries(&folder)? {
        if name.ends_with(PUBLIC_ENDING) || folder.join(&name).is_dir() {
            continue;
        }
        let wallet = Wallet { root: root.to_owned(), cold: cold.to_owned(), hot: name.clone() };
        found.push(ListedHotkey { name, scheme: wallet.scheme().ok(), hotkey: wallet.public() });
    }
    Ok(found)
}

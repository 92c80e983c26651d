use super::READY_FILE;
use crate::{delta::DELTA_ENDING, manifest::MANIFEST_FILE};
use grail_protocol::words::WindowStart;
use std::{fmt, str::FromStr};

/// What every key of a checkpoint begins with.
pub const ROOT: &str = "checkpoints/";

/// Most bytes of a file name.
const NAME_BYTES: usize = 128;

/// Letters, digits and `. _ -`, no dot in front: nothing that a path or a shell reads as more than a name.
pub(crate) fn is_plain(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (1..=NAME_BYTES).contains(&name.len()) && !name.starts_with('.') && name.chars().all(allowed)
}

/// Why a text is not a checkpoint's key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointKeyError {
    /// Not a plain file name.
    #[error("{name:?} is not a plain file name")]
    Name {
        /// The name.
        name: String,
    },
    /// Not a place under `checkpoints/`.
    #[error("{key:?} is not the key of a checkpoint's file")]
    Key {
        /// The key.
        key: String,
    },
}

/// Name of a file in a checkpoint: 1 to 128 letters, digits and `. _ -`, no dot in front.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName(String);

impl FileName {
    /// Checks a name.
    ///
    /// Errors: [`CheckpointKeyError::Name`] for an empty or too long name, another character, or a dot in front.
    pub fn new(name: impl Into<String>) -> Result<Self, CheckpointKeyError> {
        let name = name.into();
        if is_plain(&name) { Ok(Self(name)) } else { Err(CheckpointKeyError::Name { name }) }
    }

    /// `manifest.json`.
    pub fn manifest() -> Self {
        Self(MANIFEST_FILE.to_owned())
    }

    /// `READY`, the marker that is written last.
    pub fn ready() -> Self {
        Self(READY_FILE.to_owned())
    }

    /// Of the delta that makes this file.
    pub fn delta(&self) -> Self {
        Self(format!("{}{DELTA_ENDING}", self.0))
    }

    /// The name as it stands in keys and folders.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Where a checkpoint lies: the folder, or the prefix, that holds its files.
///
/// Text form: `window-100`, `milestone-100`; an S3 prefix is [`CheckpointPlace::prefix`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CheckpointPlace {
    /// Published after this window, and forgotten in time.
    Window(WindowStart),
    /// A whole copy that is kept for ever.
    Milestone(WindowStart),
}

impl CheckpointPlace {
    /// The window after which the checkpoint was published.
    pub const fn window(self) -> WindowStart {
        match self {
            Self::Window(window) | Self::Milestone(window) => window,
        }
    }

    /// What the keys of its files begin with, a slash at the end: `checkpoints/window-100/` is no prefix of what lies
    /// in window 1000.
    pub fn prefix(self) -> String {
        format!("{ROOT}{self}/")
    }

    /// The key of a file here.
    pub const fn file(self, name: FileName) -> CheckpointKey {
        CheckpointKey { place: self, name }
    }
}

/// The folder's name: `window-100`, `milestone-100`.
impl fmt::Display for CheckpointPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Window(window) => format!("window-{window}"),
            Self::Milestone(window) => format!("milestone-{window}"),
        };
        f.pad(&text)
    }
}

impl FromStr for CheckpointPlace {
    type Err = CheckpointKeyError;
    fn from_str(text: &str) -> Result<Self, CheckpointKeyError> {
        let number = |digits: &str| digits.parse().map(WindowStart).ok();
        let place = match text.split_once('-') {
            Some(("window", digits)) => number(digits).map(Self::Window),
            Some(("milestone", digits)) => number(digits).map(Self::Milestone),
            _ => None,
        };
        // One spelling a place: no plus, no leading zero.
        place
            .filter(|place| place.to_string() == text)
            .ok_or_else(|| CheckpointKeyError::Key { key: text.to_owned() })
    }
}

/// The key of one file of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckpointKey {
    /// The folder of its checkpoint.
    pub place: CheckpointPlace,
    /// Its name in that folder.
    pub name: FileName,
}

impl fmt::Display for CheckpointKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.place.prefix(), self.name)
    }
}

impl FromStr for CheckpointKey {
    type Err = CheckpointKeyError;
    fn from_str(text: &str) -> Result<Self, CheckpointKeyError> {
        let refuse = || CheckpointKeyError::Key { key: text.to_owned() };
        let (place, name) =
            text.strip_prefix(ROOT).and_then(|rest| rest.split_once('/')).ok_or_else(refuse)?;
        Ok(Self { place: place.parse().map_err(|_| refuse())?, name: FileName::new(name)? })
    }
}

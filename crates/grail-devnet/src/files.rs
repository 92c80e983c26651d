//! Small files, written whole or not at all, read with a bound.

use crate::DevnetError;
use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Write as _},
    path::Path,
};

/// Who may read a file that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Everyone, as far as the folder lets them.
    Public,
    /// Its owner alone (mode 600).
    Secret,
}

/// Writes a new file and refuses to replace one.
pub(crate) fn write_new(path: &Path, bytes: &[u8], mode: Mode) -> Result<(), DevnetError> {
    let trouble = |source| DevnetError::File { doing: "write", path: path.to_owned(), source };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(match mode {
            Mode::Public => 0o644,
            Mode::Secret => 0o600,
        });
    }
    #[cfg(not(unix))]
    let _ = mode;
    let mut file = options.open(path).map_err(trouble)?;
    file.write_all(bytes).map_err(trouble)?;
    file.sync_all().map_err(trouble)
}

/// Reads a file of at most `most` bytes.
pub(crate) fn read_bounded(path: &Path, most: u64) -> Result<Vec<u8>, DevnetError> {
    let trouble = |source| DevnetError::File { doing: "read", path: path.to_owned(), source };
    let file = File::open(path).map_err(trouble)?;
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(trouble)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > most {
        return Err(DevnetError::TooLarge { path: path.to_owned(), most });
    }
    Ok(bytes)
}

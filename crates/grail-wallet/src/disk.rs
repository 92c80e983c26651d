//! Small files: read with a bound, written whole or not at all, never over another.

use crate::WalletError;
use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::Path,
};
use zeroize::Zeroizing;

/// Most bytes of a key file.
pub(crate) const MOST_BYTES: u64 = 64 << 10;

/// Who may read a file that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Everyone, as far as the folder lets them.
    Public,
    /// Its owner alone (mode 600).
    Secret,
}

/// Reads a file of at most [`MOST_BYTES`]; `Ok(None)` when there is none. Wiped when dropped.
pub(crate) fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, WalletError> {
    let trouble = |source| WalletError::Io { doing: "read", path: path.to_owned(), source };
    // Asked before opening: a pipe would wait for a writer.
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if is_absence(&error) => return Ok(None),
        Err(error) => return Err(trouble(error)),
    };
    if !metadata.is_file() {
        return Err(WalletError::NotAFile { path: path.to_owned() });
    }
    let too_large = |got| WalletError::TooLarge { path: path.to_owned(), got, most: MOST_BYTES };
    if metadata.len() > MOST_BYTES {
        return Err(too_large(metadata.len()));
    }
    // Room for everything at once: a vector that grows leaves copies of the secret behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MOST_BYTES as usize + 1));
    let file = File::open(path).map_err(trouble)?;
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(trouble)?;
    let got = bytes.len() as u64;
    if got > MOST_BYTES {
        return Err(too_large(got));
    }
    Ok(Some(bytes))
}

/// Whether an error says that nothing is there.
pub(crate) fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Writes a new file; nobody sees half of it, and an existing one stays as it is.
pub(crate) fn write_new(path: &Path, bytes: &[u8], mode: Mode) -> Result<(), WalletError> {
    let trouble = |source| WalletError::Io { doing: "write", path: path.to_owned(), source };
    let Some(folder) = path.parent() else { return Err(WalletError::NotAFile { path: path.to_owned() }) };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".partial-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(fs::Permissions::from_mode(match mode {
            Mode::Public => 0o644,
            Mode::Secret => 0o600,
        }));
    }
    #[cfg(not(unix))]
    let _ = mode;
    let mut file = builder.tempfile_in(folder).map_err(trouble)?;
    file.write_all(bytes).map_err(trouble)?;
    file.as_file().sync_all().map_err(trouble)?;
    file.persist_noclobber(path).map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => WalletError::Exists { path: path.to_owned() },
        _ => trouble(error.error),
    })?;
    // The name itself is durable once the folder is.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(trouble)
}

/// Makes a folder, and those above it that are missing, for its owner alone.
pub(crate) fn make_folder(path: &Path) -> Result<(), WalletError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(path).map_err(|source| WalletError::Io {
        doing: "make the folder",
        path: path.to_owned(),
        source,
    })
}

/// The permission bits of a file, where they let anyone but its owner in.
#[cfg(unix)]
pub(crate) fn open_to_others(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = path.metadata().ok()?.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

/// The permission bits of a file, where they let anyone but its owner in.
#[cfg(not(unix))]
pub(crate) fn open_to_others(_: &Path) -> Option<u32> {
    None
}

//! Key files: read with a bound, written whole or not at all, never over another.

use crate::WalletError;
use grail_fs::{DiskError, ReadError, Readers};
use std::{io, path::Path};
use zeroize::Zeroizing;

/// Most bytes of a key file.
pub(crate) const MOST_BYTES: u64 = 64 << 10;

impl From<DiskError> for WalletError {
    fn from(DiskError { doing, path, source }: DiskError) -> Self {
        Self::Io { doing, path, source }
    }
}

/// Reads a file of at most [`MOST_BYTES`]; `Ok(None)` when there is none. Wiped when dropped.
pub(crate) fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, WalletError> {
    let mut bytes = Zeroizing::new(Vec::new());
    match grail_fs::read_into(path, MOST_BYTES, &mut bytes) {
        Ok(found) => Ok(found.then_some(bytes)),
        Err(ReadError::Disk(error)) => Err(error.into()),
        Err(ReadError::NotAFile { path }) => Err(WalletError::NotAFile { path }),
        Err(ReadError::TooLarge { path, got, most }) => Err(WalletError::TooLarge { path, got, most }),
    }
}

/// Writes a new file; nobody sees half of it, and an existing one stays as it is.
pub(crate) fn write_new(path: &Path, bytes: &[u8], readers: Readers) -> Result<(), WalletError> {
    grail_fs::write_new(path, bytes, readers).map_err(|error| match error.source.kind() {
        io::ErrorKind::AlreadyExists => WalletError::Exists { path: path.to_owned() },
        _ => error.into(),
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

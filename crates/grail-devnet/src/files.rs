//! Small files, written whole or not at all, read with a bound.

use crate::DevnetError;
use grail_fs::{DiskError, ReadError, Readers};
use std::{io, path::Path};

impl From<DiskError> for DevnetError {
    fn from(DiskError { doing, path, source }: DiskError) -> Self {
        Self::File { doing, path, source }
    }
}

/// Writes a new file and refuses to replace one.
pub(crate) fn write_new(path: &Path, bytes: &[u8], readers: Readers) -> Result<(), DevnetError> {
    Ok(grail_fs::write_new(path, bytes, readers)?)
}

/// Reads a file of at most `most` bytes.
pub(crate) fn read_bounded(path: &Path, most: u64) -> Result<Vec<u8>, DevnetError> {
    let trouble = |source| DevnetError::File { doing: "read", path: path.to_owned(), source };
    match grail_fs::read(path, most) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(trouble(io::ErrorKind::NotFound.into())),
        Err(ReadError::Disk(error)) => Err(error.into()),
        Err(error @ ReadError::NotAFile { .. }) => Err(trouble(io::Error::other(error))),
        Err(ReadError::TooLarge { path, most, .. }) => Err(DevnetError::TooLarge { path, most }),
    }
}

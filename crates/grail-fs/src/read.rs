use crate::error::{DiskError, failed, is_absence};
use grail_ports::{Door, Fault, Retry};
use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A folder, a pipe or a device lies there.
    #[error("{} is not a plain file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// It has more bytes than are read; none was.
    #[error("{} has {got} bytes, at most {most} are read", path.display())]
    TooLarge {
        /// The path.
        path: PathBuf,
        /// Its bytes.
        got: u64,
        /// The limit.
        most: u64,
    },
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Disk(error) => error.into(),
            other => Self::plain(Door::Disk, Retry::Never, other.to_string()),
        }
    }
}

/// Reads a file of at most `most` bytes; `Ok(None)` when there is none. Its size is asked before memory is spent.
pub fn read(path: &Path, most: u64) -> Result<Option<Vec<u8>>, ReadError> {
    let mut bytes = Vec::new();
    Ok(read_into(path, most, &mut bytes)?.then_some(bytes))
}

/// As [`read`], into a buffer of the caller's, behind what it holds; whether there was a file.
///
/// The buffer grows once, before the first byte is read: a secret leaves no copies behind.
pub fn read_into(path: &Path, most: u64, bytes: &mut Vec<u8>) -> Result<bool, ReadError> {
    // Asked before opening: a pipe would wait for a writer.
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if is_absence(&error) => return Ok(false),
        Err(error) => return Err(failed("read", path)(error).into()),
    };
    if !metadata.is_file() {
        return Err(ReadError::NotAFile { path: path.to_owned() });
    }
    let size = metadata.len();
    if size > most {
        return Err(ReadError::TooLarge { path: path.to_owned(), got: size, most });
    }
    let room = usize::try_from(size).unwrap_or(usize::MAX).saturating_add(1);
    bytes.try_reserve_exact(room).map_err(|error| failed("read", path)(io::Error::other(error)))?;
    let file = File::open(path).map_err(failed("read", path))?;
    let got = file.take(size + 1).read_to_end(bytes).map_err(failed("read", path))? as u64;
    if got > size {
        return Err(failed("read", path)(io::Error::other("it grew while it was read")).into());
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_the_limit_and_no_byte_further() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        assert_eq!(read(&path, 2).unwrap(), None);
        assert_eq!(read(&path.join("below"), 2).unwrap(), None);
        fs::write(&path, "two").unwrap();
        assert_eq!(read(&path, 3).unwrap().unwrap(), b"two");
        assert_eq!(read(&path.join("below a file"), 2).unwrap(), None);
        let refused = Fault::from(read(&path, 2).unwrap_err());
        assert!(refused.doing.ends_with("x has 3 bytes, at most 2 are read"), "{refused:?}");
        assert!(matches!(read(dir.path(), 1 << 20), Err(ReadError::NotAFile { .. })));
    }
}

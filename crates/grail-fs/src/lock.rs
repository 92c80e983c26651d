use crate::error::{DiskError, failed};
use std::{
    fs::{File, TryLockError},
    path::Path,
};

/// The right to what a file stands for; given back when dropped, and when the process ends in whatever way.
#[derive(Debug)]
pub struct FileLock {
    _file: File,
}

impl FileLock {
    /// Takes the right, making the file where it is not there; `Ok(None)` while another process has it.
    pub fn take(path: &Path) -> Result<Option<Self>, DiskError> {
        let file = File::options().write(true).create(true).truncate(false).open(path);
        let file = file.map_err(failed("open", path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failed("lock", path)(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_it_until_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".lock");
        let held = FileLock::take(&path).unwrap().expect("nobody has it");
        assert!(FileLock::take(&path).unwrap().is_none());
        drop(held);
        assert!(FileLock::take(&path).unwrap().is_some());
        assert!(FileLock::take(&path.join("below")).is_err());
    }
}

use grail_ports::{Door, Fault, Retry};
use std::{
    io,
    path::{Path, PathBuf},
};

/// The disk did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("{doing} {}{}", path.display(), advice(source))]
pub struct DiskError {
    /// What was being done, as an infinitive: "write", "make the folder".
    pub doing: &'static str,
    /// To what.
    pub path: PathBuf,
    /// What the system says.
    pub source: io::Error,
}

impl DiskError {
    /// Names a failure of the system.
    pub fn new(doing: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self { doing, path: path.into(), source }
    }

    /// As a fault of the door to the disk. A full disk may have room later, whatever `otherwise` says of other causes.
    pub fn fault(self, otherwise: Retry) -> Fault {
        let retry = if is_full(&self.source) { Retry::Later } else { otherwise };
        Fault::new(Door::Disk, retry, self.to_string(), self.source)
    }
}

impl From<DiskError> for Fault {
    /// What is no lack of room is not mended by waiting.
    fn from(error: DiskError) -> Self {
        error.fault(Retry::Never)
    }
}

/// Names the failure of one call: `fs::read_dir(path).map_err(failed("list", path))`.
pub(crate) fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DiskError {
    let path = path.to_owned();
    move |source| DiskError { doing, path, source }
}

/// Whether an error says that there is no room left, on the disk or in the quota.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// Whether an error says that nothing is there.
pub fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn advice(error: &io::Error) -> &'static str {
    if is_full(error) { "; free some space on that disk" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Linux error numbers, as a full disk, an exceeded quota and a broken disk give them.
    #[test]
    fn a_full_disk_is_told_with_advice_and_may_have_room_later() {
        let fault = |number| Fault::from(DiskError::new("write", "x", io::Error::from_raw_os_error(number)));
        for full in [28, 122] {
            assert_eq!(fault(full).doing, "write x; free some space on that disk");
            assert_eq!(fault(full).retry, Retry::Later);
        }
        assert_eq!((fault(5).doing.as_str(), fault(5).retry), ("write x", Retry::Never));
        assert!(fault(5).chain().contains("os error 5"), "{}", fault(5).chain());
    }
}

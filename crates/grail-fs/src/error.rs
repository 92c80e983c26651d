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

    /// As a fault of the door to the disk. A full disk may have room later, and one that is away may come back, whatever
    /// `otherwise` says of other causes.
    pub fn fault(self, otherwise: Retry) -> Fault {
        let retry = if may_pass(&self.source) { Retry::Later } else { otherwise };
        Fault::new(Door::Disk, retry, self.to_string(), self.source)
    }
}

impl From<DiskError> for Fault {
    /// What neither a lack of room nor a disk that is away explains is not mended by waiting.
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

/// Whether an error may pass: no room, a disk that fails, went read-only or lost its server, or a system short of
/// something else. What is forbidden, or is no such file, stays so until somebody changes it.
pub fn may_pass(error: &io::Error) -> bool {
    /// `EIO`, which has no kind of its own: a failing disk, or a network disk whose server is away.
    const EIO: i32 = 5;
    /// `ENFILE` and `EMFILE`: too many open files, in the system or here.
    const FILES: [i32; 2] = [23, 24];
    let kind = matches!(
        error.kind(),
        io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::StaleNetworkFileHandle
            | io::ErrorKind::TimedOut
            | io::ErrorKind::Interrupted
            | io::ErrorKind::WouldBlock
            | io::ErrorKind::ResourceBusy
            | io::ErrorKind::OutOfMemory
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::NotConnected
            | io::ErrorKind::BrokenPipe
    );
    kind || error.raw_os_error().is_some_and(|number| number == EIO || FILES.contains(&number))
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
        // A broken disk, a read-only one, a network disk without its server: all may come back.
        for away in [5, 30, 116, 110] {
            assert_eq!((fault(away).doing.as_str(), fault(away).retry), ("write x", Retry::Later));
        }
        // Forbidden, no such file, a folder in its place: somebody has to change something.
        for mistake in [13, 2, 21] {
            assert_eq!(fault(mistake).retry, Retry::Never);
        }
        assert!(fault(5).chain().contains("os error 5"), "{}", fault(5).chain());
    }
}

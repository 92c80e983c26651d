//! Files that are whole or not there.

use grail_ports::{Door, Fault, Retry};
use std::{
    fs::{self, File},
    io::Write as _,
    path::Path,
};

/// Writes a file so that a reader, or a crash, sees the old content or the new, and nothing between.
///
/// The bytes go to a sibling named `.{name}.partial`, are flushed to the disk, and take the name by a rename.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    let doing = || format!("write {}", path.display());
    let fault = |error: std::io::Error| Fault::new(Door::Disk, Retry::Never, doing(), error);
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Fault::plain(Door::Disk, Retry::Never, format!("{} is not a file name", path.display())));
    };
    fs::create_dir_all(folder).map_err(fault)?;
    let partial = folder.join(format!(".{}.partial", name.to_string_lossy()));
    let written = File::create(&partial).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    if let Err(error) = written.and_then(|()| fs::rename(&partial, path)) {
        // Leave nothing half-written behind; the error that matters is the first one.
        let _ = fs::remove_file(&partial);
        return Err(fault(error));
    }
    // The rename itself is durable once the folder is.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(fault)
}

/// Reads a file of at most `most` bytes; `Ok(None)` when there is none.
pub fn read_bounded(path: &Path, most: u64) -> Result<Option<Vec<u8>>, Fault> {
    let fault = |error: std::io::Error| {
        Fault::new(Door::Disk, Retry::Never, format!("read {}", path.display()), error)
    };
    let size = match fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fault(error)),
    };
    if size > most {
        let doing = format!("{} has {size} bytes, at most {most} are read", path.display());
        return Err(Fault::plain(Door::Disk, Retry::Never, doing));
    }
    fs::read(path).map(Some).map_err(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_replaces_whole_files_and_leaves_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sub/report.json");
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(read_bounded(&path, 10).unwrap().unwrap(), b"two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        assert!(read_bounded(&path, 2).is_err());
        assert_eq!(read_bounded(&dir.path().join("absent"), 2).unwrap(), None);
    }

    #[test]
    fn a_folder_in_the_way_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("report.json")).unwrap();
        let fault = write_atomic(&dir.path().join("report.json"), b"x").unwrap_err();
        assert!(fault.chain().contains("report.json"), "{fault:?}");
    }
}

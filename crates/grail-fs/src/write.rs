use crate::{
    error::{DiskError, failed},
    folder::{make_folder, parent, sync_folder},
};
use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

/// Who may read a file that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Everyone, as far as the folder lets them (mode 644).
    Everyone,
    /// Its owner alone (mode 600).
    Owner,
}

/// Writes a file so that a reader, or a power cut, sees the old content or the new, and nothing between. Folders above
/// it that are missing are made.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
    make_folder(parent(path))?;
    write_as(path, bytes, Readers::Everyone)
}

/// As [`write`], into a folder that is there, for these readers; it takes the place of an older file.
pub fn write_as(path: &Path, bytes: &[u8], readers: Readers) -> Result<(), DiskError> {
    place(path, bytes, readers, true)
}

/// As [`write_as`]; a file that is there stays, and the error's kind is [`io::ErrorKind::AlreadyExists`].
pub fn write_new(path: &Path, bytes: &[u8], readers: Readers) -> Result<(), DiskError> {
    place(path, bytes, readers, false)
}

/// Writes a file under its own name and waits until it is on the disk: into a folder that nobody reads yet.
pub fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
    let written = || {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    written().map_err(failed("write", path))
}

/// The bytes go to a sibling with a dot before its name, reach the disk, and take the name by a rename. A draft that
/// cannot be finished is removed; one that a killed process left is read by nobody.
fn place(path: &Path, bytes: &[u8], readers: Readers, replace: bool) -> Result<(), DiskError> {
    let Some(name) = path.file_name() else {
        return Err(failed("write", path)(io::Error::other("it is not the name of a file")));
    };
    let folder = parent(path);
    let written = || {
        let prefix = format!(".{}.partial-", name.to_string_lossy());
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix);
        restrict(&mut builder, readers);
        let mut draft = builder.tempfile_in(folder)?;
        draft.write_all(bytes)?;
        draft.as_file().sync_all()?;
        let named = if replace { draft.persist(path) } else { draft.persist_noclobber(path) };
        named.map(drop).map_err(|error| error.error)
    };
    written().map_err(failed("write", path))?;
    // The name itself lasts once the folder does.
    sync_folder(folder)
}

#[cfg(unix)]
fn restrict(builder: &mut tempfile::Builder<'_, '_>, readers: Readers) {
    use std::os::unix::fs::PermissionsExt as _;
    builder.permissions(fs::Permissions::from_mode(match readers {
        Readers::Everyone => 0o644,
        Readers::Owner => 0o600,
    }));
}

#[cfg(not(unix))]
fn restrict(_: &mut tempfile::Builder<'_, '_>, _: Readers) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_replaces_whole_files_and_leaves_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sub/report.json");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        let refused = write_new(&path, b"three", Readers::Owner).unwrap_err();
        assert_eq!(refused.source.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_in_the_way_is_named_and_the_draft_taken_away() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("report.json")).unwrap();
        let error = write(&dir.path().join("report.json"), b"x").unwrap_err();
        assert!(error.to_string().contains("report.json"), "{error:?}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(write(Path::new("/"), b"x").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_secret_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        write_new(&path, b"x", Readers::Owner).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}

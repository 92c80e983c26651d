use crate::error::{DiskError, failed, is_absence};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

/// The folder that a path lies in.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// `path` with more text behind its name.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Makes the names in a folder last through a power cut.
pub fn sync_folder(folder: &Path) -> Result<(), DiskError> {
    if cfg!(unix) {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("sync the folder", folder))
    } else {
        Ok(())
    }
}

/// Makes a folder, and those above it that are missing.
pub fn make_folder(folder: &Path) -> Result<(), DiskError> {
    fs::create_dir_all(folder).map_err(failed("make the folder", folder))
}

/// Makes a folder, and those above it that are missing, for their owner alone.
pub fn make_private_folder(folder: &Path) -> Result<(), DiskError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(folder).map_err(failed("make the folder", folder))
}

/// Gives a finished draft its name, in the same folder, so that it lasts. Of a folder, none may have the name.
pub fn publish(draft: &Path, path: &Path) -> Result<(), DiskError> {
    fs::rename(draft, path).map_err(failed("name", path))?;
    sync_folder(parent(path))
}

/// Removes a file; that there is none is fine.
pub fn remove_file(path: &Path) -> Result<(), DiskError> {
    match fs::remove_file(path) {
        Err(error) if !is_absence(&error) => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Removes a folder with everything in it; that there is none is fine.
pub fn remove_folder(folder: &Path) -> Result<(), DiskError> {
    match fs::remove_dir_all(folder) {
        Err(error) if !is_absence(&error) => Err(failed("remove", folder)(error)),
        _ => Ok(()),
    }
}

/// Copies a file and waits until the copy is on the disk.
pub fn copy(from: &Path, to: &Path) -> Result<(), DiskError> {
    let copied = fs::copy(from, to).and_then(|_| File::open(to)?.sync_all());
    copied.map_err(failed("copy to", to))
}

/// The same bytes under another name: a second name where the disk can, a copy otherwise. What had the name goes.
///
/// For files that are never written to again, so that sharing them is safe.
pub fn link_or_copy(from: &Path, to: &Path) -> Result<(), DiskError> {
    remove_file(to)?;
    if fs::hard_link(from, to).is_err() { copy(from, to) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_takes_its_name_whole_and_what_is_gone_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let (draft, done) = (dir.path().join("x.draft"), dir.path().join("x"));
        make_folder(&draft).unwrap();
        crate::write_synced(&draft.join("a"), b"1").unwrap();
        link_or_copy(&draft.join("a"), &draft.join("b")).unwrap();
        link_or_copy(&draft.join("a"), &draft.join("b")).unwrap();
        publish(&draft, &done).unwrap();
        assert!(!draft.exists() && fs::read(done.join("b")).unwrap() == b"1");
        assert_eq!(beside(&done, ".partial"), dir.path().join("x.partial"));
        for _ in 0..2 {
            remove_file(&done.join("a")).unwrap();
            remove_folder(&done).unwrap();
        }
    }
}

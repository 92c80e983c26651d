//! The cache folder: its rooms, its lock, and how things appear in it all at once or not at all.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, anyhow};

use crate::report;

/// The folder that holds what is fetched and built, outside the checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cache {
    root: PathBuf,
}

/// The right to write into the cache, held until dropped.
#[derive(Debug)]
pub(crate) struct CacheLock {
    _file: File,
}

impl Cache {
    /// A cache at `root`, which need not exist yet.
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The folder itself.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Wheels as they were published.
    pub(crate) fn downloads(&self) -> PathBuf {
        self.root.join("downloads")
    }

    /// The unpacked libtorch: `lib/` and `include/`.
    pub(crate) fn libtorch(&self) -> PathBuf {
        self.root.join("libtorch-2.11.0")
    }

    /// One folder a model.
    pub(crate) fn models(&self) -> PathBuf {
        self.root.join("models")
    }

    /// Cargo's target folder.
    pub(crate) fn build(&self) -> PathBuf {
        self.root.join("build")
    }

    /// Takes the lock of the cache; waits, and says so, while another xtask holds it.
    ///
    /// # Errors
    /// When the folder cannot be made or written.
    pub(crate) fn lock(&self) -> Result<CacheLock> {
        make_dir(&self.root)?;
        let path = self.root.join(".lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|cause| write_error(cause, &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                report::note(&format!(
                    "another xtask is filling {}; waiting for it to finish",
                    self.root.display()
                ));
                file.lock().map_err(|cause| write_error(cause, &path))?;
            }
            Err(TryLockError::Error(cause)) => return Err(write_error(cause, &path)),
        }
        Ok(CacheLock { _file: file })
    }
}

/// Makes a folder and its parents.
///
/// # Errors
/// With the next step in the message, as [`write_error`] words it.
pub(crate) fn make_dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|cause| write_error(cause, path))
}

/// An empty folder beside `place`, to be filled and then moved there with [`install`].
/// What an earlier, killed run left under that name is removed first; call this under the cache lock.
///
/// # Errors
/// When the folder cannot be emptied or made.
pub(crate) fn staging(place: &Path) -> Result<PathBuf> {
    let staging = sibling(place, ".partial")?;
    remove(&staging)?;
    make_dir(&staging)?;
    Ok(staging)
}

/// Moves a filled staging folder to its place. What stood there before is moved aside first and removed last,
/// so that at no moment a half-filled folder stands at `place`.
///
/// # Errors
/// When a rename fails.
pub(crate) fn install(staging: &Path, place: &Path) -> Result<()> {
    let old = sibling(place, ".old")?;
    remove(&old)?;
    if place.exists() {
        fs::rename(place, &old).map_err(|cause| write_error(cause, place))?;
    }
    fs::rename(staging, place).map_err(|cause| write_error(cause, place))?;
    remove(&old)
}

/// Moves a finished file to its place.
///
/// # Errors
/// When the rename fails.
pub(crate) fn install_file(file: &Path, place: &Path) -> Result<()> {
    fs::rename(file, place).map_err(|cause| write_error(cause, place))
}

fn sibling(place: &Path, suffix: &str) -> Result<PathBuf> {
    let mut name = place.file_name().context("a place in the cache has a name")?.to_owned();
    name.push(suffix);
    Ok(place.with_file_name(name))
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(write_error(cause, path)),
        _ => Ok(()),
    }
}

/// Words an input/output error on a path that we write to, with the next step.
pub(crate) fn write_error(cause: io::Error, path: &Path) -> Error {
    let place = path.display();
    match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => anyhow!(
            "no space left while writing {place}\n\
             next step: free about 3 GB there, or point GRAIL_CACHE_DIR at a larger disk; finished files are kept"
        ),
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => anyhow!(
            "{place} cannot be written ({cause})\n\
             next step: make it writable, or point GRAIL_CACHE_DIR at a folder that is"
        ),
        _ => Error::new(cause).context(format!("cannot write {place}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &Path) -> String {
        fs::read_to_string(path).expect("readable file")
    }

    #[test]
    fn install_replaces_the_old_folder_and_leaves_nothing_beside_it() {
        let home = tempfile::tempdir().expect("temporary folder");
        let place = home.path().join("thing");
        for round in ["first", "second"] {
            let staging = staging(&place).expect("staging folder");
            fs::write(staging.join("word"), round).expect("written");
            install(&staging, &place).expect("installed");
            assert_eq!(text(&place.join("word")), round);
        }
        let names: Vec<_> = fs::read_dir(home.path()).expect("listing").collect();
        assert_eq!(names.len(), 1, "{names:?}");
    }

    #[test]
    fn staging_forgets_what_a_killed_run_left() {
        let home = tempfile::tempdir().expect("temporary folder");
        let place = home.path().join("thing");
        fs::write(staging(&place).expect("staging folder").join("half"), "…").expect("written");
        let again = staging(&place).expect("staging folder");
        assert_eq!(fs::read_dir(again).expect("listing").count(), 0);
        assert!(!place.exists());
    }

    #[test]
    fn a_full_disk_and_a_read_only_folder_have_their_own_messages() {
        let say = |kind| write_error(io::Error::from(kind), Path::new("/there")).to_string();
        assert!(say(io::ErrorKind::StorageFull).contains("no space left while writing /there"));
        assert!(say(io::ErrorKind::ReadOnlyFilesystem).contains("/there cannot be written"));
        assert!(say(io::ErrorKind::PermissionDenied).contains("GRAIL_CACHE_DIR"));
        assert_eq!(say(io::ErrorKind::Other), "cannot write /there");
    }

    #[test]
    fn a_second_holder_of_the_lock_has_to_wait() {
        let home = tempfile::tempdir().expect("temporary folder");
        let cache = Cache::new(home.path().join("cache"));
        let held = cache.lock().expect("first lock");
        let path = cache.root().join(".lock");
        let second = File::open(path).expect("lock file");
        assert!(matches!(second.try_lock(), Err(TryLockError::WouldBlock)));
        drop(held);
        assert!(second.try_lock().is_ok());
    }

    #[test]
    fn a_file_where_the_folder_should_be_is_reported_with_its_path() {
        let home = tempfile::tempdir().expect("temporary folder");
        let root = home.path().join("cache");
        fs::write(&root, "a file").expect("written");
        let error = Cache::new(root.clone()).lock().expect_err("not a folder");
        assert!(error.to_string().contains(&root.display().to_string()), "{error}");
    }
}

use super::{
    Found,
    check::sizes,
    error::Stop,
    files::{disk, later},
};
use grail_artifact::{
    checkpoint::{CheckpointPlace, Trust, verify_manifest},
    manifest::{MANIFEST_BYTES, MANIFEST_FILE, Manifest},
};
use grail_fs::{DiskError, FileLock, ReadError};
use grail_ports::{Door, Fault, Retry};
use grail_protocol::{
    params::Params,
    words::{CheckpointId, Hotkey},
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Name of the file in an unfinished folder that says which checkpoint it is to become.
const ID_FILE: &str = ".id";
/// What the names of unfinished folders end in.
const PARTIAL: &str = ".partial";

/// The folder in which a machine keeps checkpoints.
///
/// A finished one lies in `window-{W}` or `milestone-{W}`; one under way in a folder of that name with `.partial` behind it.
/// A folder gets its final name in one step, after everything in it was verified and has reached the disk.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

/// The right to write into a cache; given back when dropped, and when the process ends in whatever way.
pub(super) type CacheLock = FileLock;

impl Cache {
    /// Opens a folder, making it where it is not there.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, Fault> {
        let root = root.into();
        grail_fs::make_folder(&root).map_err(later)?;
        Ok(Self { root })
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Finished checkpoints by the trainer, oldest first. Folders that hold anything else are passed over.
    ///
    /// Their files were verified when they came; here only the manifest and the sizes are looked at.
    pub fn finished(&self, trainer: &Hotkey, params: &Params) -> Result<Vec<Found>, Fault> {
        let unlisted = |error| disk("list", &self.root, error);
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(unlisted)? {
            let name = entry.map_err(unlisted)?.file_name();
            let Some(place) = name.to_str().and_then(|name| name.parse::<CheckpointPlace>().ok()) else {
                continue;
            };
            let folder = self.root.join(&name);
            match look(&folder, place, trainer, params) {
                Ok(Some(manifest)) => found.push(Found { folder, manifest }),
                Ok(None) => {
                    tracing::warn!(folder = %folder.display(), "not a whole checkpoint of the trainer")
                }
                Err(error) => return Err(later(error)),
            }
        }
        found.sort_by_key(|one| (one.manifest.window, one.manifest.sequence));
        Ok(found)
    }

    /// Removes finished checkpoints but the newest `keep`, and everything unfinished that is not newer than these.
    /// Returns the folders that went.
    ///
    /// The newest finished one always stays.
    pub fn prune(&self, keep: usize, trainer: &Hotkey, params: &Params) -> Result<Vec<PathBuf>, Fault> {
        let _lock = self.lock()?;
        let gone = self.prunable(keep, trainer, params)?;
        for folder in &gone {
            grail_fs::remove_folder(folder).map_err(later)?;
        }
        Ok(gone)
    }

    /// The folders that [`Self::prune`] would remove now. Removes nothing.
    pub fn prunable(&self, keep: usize, trainer: &Hotkey, params: &Params) -> Result<Vec<PathBuf>, Fault> {
        let finished = self.finished(trainer, params)?;
        let Some(newest) = finished.last().map(|one| one.manifest.window) else { return Ok(Vec::new()) };
        let mut gone = Vec::new();
        for one in finished.iter().rev().skip(keep.max(1)) {
            gone.push(one.folder.clone());
        }
        let unlisted = |error| disk("list", &self.root, error);
        for entry in fs::read_dir(&self.root).map_err(unlisted)? {
            let name = entry.map_err(unlisted)?.file_name();
            let place =
                name.to_str().and_then(|name| name.strip_suffix(PARTIAL)).map(str::parse::<CheckpointPlace>);
            if place.is_some_and(|place| place.is_ok_and(|place| place.window() <= newest)) {
                gone.push(self.root.join(name));
            }
        }
        Ok(gone)
    }

    /// Takes the right to write.
    ///
    /// Errors: a fault that may be retried, while another process has it.
    pub(super) fn lock(&self) -> Result<Arc<CacheLock>, Fault> {
        FileLock::take(&self.root.join(".lock")).map_err(later)?.map(Arc::new).ok_or_else(|| {
            let doing = format!("another process is fetching into {}", self.root.display());
            Fault::plain(Door::Disk, Retry::Later, doing)
        })
    }

    /// The folder in which a checkpoint is put together: what an earlier attempt at the same one left, or an empty one.
    pub(super) fn draft(&self, place: CheckpointPlace, id: CheckpointId) -> Result<PathBuf, Fault> {
        let folder = self.root.join(format!("{place}{PARTIAL}"));
        let marker = folder.join(ID_FILE);
        let same = fs::read_to_string(&marker).is_ok_and(|text| text == id.to_string());
        let anew = || {
            grail_fs::remove_folder(&folder)?;
            grail_fs::make_folder(&folder)?;
            grail_fs::write_synced(&marker, id.to_string().as_bytes())
        };
        if !same {
            anew().map_err(later)?;
        }
        Ok(folder)
    }

    /// Gives a draft its name. Its files are there and verified; the manifest comes last.
    pub(super) fn finish(
        &self,
        place: CheckpointPlace,
        draft: &Path,
        manifest: Manifest,
    ) -> Result<Found, Stop> {
        let folder = self.root.join(place.to_string());
        let json = manifest.to_json()?;
        let listed =
            |name: &str| name == MANIFEST_FILE || manifest.files.iter().any(|file| file.name == name);
        let named = || {
            grail_fs::write_synced(&draft.join(MANIFEST_FILE), &json)?;
            // Leftovers of deltas and of this code's own.
            let unlisted = |error| DiskError::new("list", draft, error);
            for entry in fs::read_dir(draft).map_err(unlisted)? {
                let entry = entry.map_err(unlisted)?;
                if !entry.file_name().to_str().is_some_and(listed) {
                    grail_fs::remove_file(&entry.path())?;
                }
            }
            grail_fs::sync_folder(draft)?;
            // What lies under the name is not a checkpoint to be used, or it would have been found.
            grail_fs::remove_folder(&folder)?;
            grail_fs::publish(draft, &folder)
        };
        named().map_err(later)?;
        Ok(Found { folder, manifest })
    }
}

/// The manifest of a folder that is what its name says; `None` where it is not.
fn look(
    folder: &Path,
    place: CheckpointPlace,
    trainer: &Hotkey,
    params: &Params,
) -> Result<Option<Manifest>, DiskError> {
    let json = match grail_fs::read(&folder.join(MANIFEST_FILE), MANIFEST_BYTES) {
        Ok(Some(json)) => json,
        Ok(None) | Err(ReadError::NotAFile { .. } | ReadError::TooLarge { .. }) => return Ok(None),
        Err(ReadError::Disk(error)) => return Err(error),
    };
    let Ok(manifest) = verify_manifest(&json, params, Trust::Trainer(trainer), None) else { return Ok(None) };
    let whole = sizes(folder, &manifest)?.is_empty();
    Ok(Some(manifest).filter(|manifest| whole && manifest.window == place.window()))
}

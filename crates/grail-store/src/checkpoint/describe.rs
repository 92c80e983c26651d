//! The manifest of a model's folder, made by reading every file of it.

use grail_artifact::manifest::{FileEntry, MANIFEST_FILE, MANIFEST_VERSION, Manifest};
use grail_fs::DiskError;
use grail_protocol::{
    draw::SamplingPolicy,
    profile::NumericProfile,
    words::{EnvId, WindowStart},
};
use std::{fs, path::Path};

/// The terms of a manifest that do not follow from the folder's files.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    /// Environments, in their turns.
    pub environments: Vec<EnvId>,
    /// How tokens are drawn.
    pub policy: SamplingPolicy,
    /// Completion cap in tokens.
    pub max_new_tokens: u32,
    /// Tolerances.
    pub numeric: NumericProfile,
}

/// Endings of files that belong to a checkpoint; anything else in the folder is left out.
const ENDINGS: [&str; 4] = [".json", ".safetensors", ".jinja", ".txt"];

/// Makes the manifest of a model's folder, unsigned and of no window. Blocks.
///
/// `progress` is told the bytes read since it was last called.
pub fn describe(folder: &Path, terms: Terms, progress: &mut dyn FnMut(u64)) -> Result<Manifest, DiskError> {
    let entry = |name: String| {
        let (size, sha256) = grail_fs::digest(&folder.join(&name), progress)?;
        Ok(FileEntry { name, size, sha256 })
    };
    Ok(Manifest {
        version: MANIFEST_VERSION,
        window: WindowStart(0),
        sequence: 0,
        environments: terms.environments,
        policy: terms.policy,
        max_new_tokens: terms.max_new_tokens,
        numeric: terms.numeric,
        files: names(folder)?.into_iter().map(entry).collect::<Result<_, DiskError>>()?,
        publication: None,
    })
}

/// Names of the files in a folder that belong to a checkpoint, rising.
pub(super) fn names(folder: &Path) -> Result<Vec<String>, DiskError> {
    let unlisted = |error| DiskError::new("read the model folder", folder, error);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(unlisted)? {
        let name = entry.map_err(unlisted)?.file_name().to_string_lossy().into_owned();
        let belongs = ENDINGS.iter().any(|ending| name.ends_with(ending)) && name != MANIFEST_FILE;
        if belongs && !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

//! A model folder against its manifest.

use grail_artifact::manifest::{FileEntry, MANIFEST_FILE, MANIFEST_VERSION, Manifest};
use grail_ports::{Door, Fault, Retry};
use grail_protocol::{
    draw::SamplingPolicy,
    profile::NumericProfile,
    words::{EnvId, WindowStart},
};
use sha2::{Digest as _, Sha256};
use std::{
    fs::{self, File},
    io::Read as _,
    path::Path,
};

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

/// Makes the manifest of a model folder by reading every file of it.
///
/// `progress` is called with the bytes read so far.
pub fn describe(folder: &Path, terms: Terms, progress: &mut dyn FnMut(u64)) -> Result<Manifest, Fault> {
    let (mut files, mut done) = (Vec::new(), 0);
    for name in names(folder)? {
        let path = folder.join(&name);
        let hashed = hash_file(&path, &mut |read| progress(done + read));
        let (size, sha256) = hashed.map_err(|error| {
            Fault::new(Door::Model, Retry::Never, format!("read {}", path.display()), error)
        })?;
        done += size;
        files.push(FileEntry { name, size, sha256 });
    }
    Ok(Manifest {
        version: MANIFEST_VERSION,
        window: WindowStart(0),
        sequence: 0,
        environments: terms.environments,
        policy: terms.policy,
        max_new_tokens: terms.max_new_tokens,
        numeric: terms.numeric,
        files,
        publication: None,
    })
}

/// Compares every file of the manifest with the folder, size first, and refuses files that the manifest does not know:
/// a tokenizer or template that nobody signed would change every prompt.
///
/// Errors: a [`Fault`] that names the file, and both sizes or both digests.
pub fn check(folder: &Path, manifest: &Manifest, progress: &mut dyn FnMut(u64)) -> Result<(), Fault> {
    let mut done = 0;
    for file in &manifest.files {
        let path = folder.join(&file.name);
        let fault = |error: std::io::Error| {
            let doing = format!("read {} of the checkpoint", path.display());
            Fault::new(Door::Model, Retry::Never, doing, error)
        };
        let mismatch = |what: &str, got: &str, want: &str| {
            let doing = format!(
                "{} has {what} {got}, the manifest says {want}; fetch the checkpoint again",
                path.display()
            );
            Err(Fault::plain(Door::Model, Retry::Never, doing))
        };
        let size = fs::metadata(&path).map_err(fault)?.len();
        if size != file.size {
            return mismatch("a size of", &size.to_string(), &file.size.to_string());
        }
        let (_, sha256) = hash_file(&path, &mut |read| progress(done + read)).map_err(fault)?;
        if sha256 != file.sha256 {
            return mismatch("digest", &sha256, &file.sha256);
        }
        done += size;
    }
    let known = |name: &String| manifest.files.iter().any(|file| file.name == *name);
    match names(folder)?.into_iter().find(|name| !known(name)) {
        Some(stranger) => {
            let doing = format!(
                "{} is not in the checkpoint's manifest; move it away, or fetch the checkpoint again",
                folder.join(stranger).display()
            );
            Err(Fault::plain(Door::Model, Retry::Never, doing))
        }
        None => Ok(()),
    }
}

/// Names of the files in a folder that belong to a checkpoint, rising.
fn names(folder: &Path) -> Result<Vec<String>, Fault> {
    let fault = |error: std::io::Error| {
        Fault::new(Door::Model, Retry::Never, format!("read the model folder {}", folder.display()), error)
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(fault)? {
        let name = entry.map_err(fault)?.file_name().to_string_lossy().into_owned();
        let belongs = ENDINGS.iter().any(|ending| name.ends_with(ending)) && name != MANIFEST_FILE;
        if belongs && !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn hash_file(path: &Path, progress: &mut dyn FnMut(u64)) -> std::io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut total = 0u64;
    loop {
        let count = file.read(&mut buffer)?;
        let Some(chunk) = buffer.get(..count).filter(|chunk| !chunk.is_empty()) else { break };
        hasher.update(chunk);
        total += chunk.len() as u64;
        progress(total);
    }
    Ok((total, hex::encode(hasher.finalize())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> Terms {
        Terms {
            environments: vec!["sat/1".parse().unwrap()],
            policy: SamplingPolicy::DEFAULT,
            max_new_tokens: 8,
            numeric: NumericProfile::StrictF32,
        }
    }

    #[test]
    fn a_folder_matches_the_manifest_made_of_it_until_a_byte_changes() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("config.json"), "{}").unwrap();
        fs::write(dir.path().join("model.safetensors"), [7; 100]).unwrap();
        fs::write(dir.path().join("notes.md"), "not part of it").unwrap();
        let manifest = describe(dir.path(), terms(), &mut |_| {}).unwrap();
        let names: Vec<&str> = manifest.files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["config.json", "model.safetensors"]);
        check(dir.path(), &manifest, &mut |_| {}).unwrap();

        fs::write(dir.path().join("model.safetensors"), [8; 100]).unwrap();
        let fault = check(dir.path(), &manifest, &mut |_| {}).unwrap_err();
        assert!(fault.doing.contains("model.safetensors") && fault.doing.contains("digest"), "{fault:?}");
        fs::write(dir.path().join("model.safetensors"), [7; 99]).unwrap();
        assert!(check(dir.path(), &manifest, &mut |_| {}).unwrap_err().doing.contains("size of 99"));
        fs::write(dir.path().join("model.safetensors"), [7; 100]).unwrap();
        fs::write(dir.path().join("chat_template.jinja"), "another prompt").unwrap();
        assert!(check(dir.path(), &manifest, &mut |_| {}).unwrap_err().doing.contains("chat_template.jinja"));
        fs::remove_file(dir.path().join("model.safetensors")).unwrap();
        assert!(check(dir.path(), &manifest, &mut |_| {}).is_err());
    }
}

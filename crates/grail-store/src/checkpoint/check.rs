//! A checkpoint's folder on this machine, held against its manifest: one way for every role and every tool.

use super::{
    Found,
    describe::names,
    download::{Meter, Tell},
    error::CheckpointRefusal,
    files::{later, tensor_root},
};
use grail_artifact::{
    checkpoint::{Trust, verify_manifest},
    delta::DeltaOptions,
    manifest::{FileEntry, MANIFEST_BYTES, MANIFEST_FILE, Manifest},
    tensors::TensorError,
};
use grail_fs::{DiskError, ReadError};
use grail_ports::{Door, Fault, Retry};
use grail_protocol::{params::Params, words::Hotkey};
use std::{fs, path::Path};

/// Holds every byte of a folder against a manifest: names everything that differs. Blocks.
///
/// What costs nothing comes first: sizes, and files that the manifest does not know (a tokenizer or template that nobody
/// signed would change every prompt). Only where these are right are bytes read and digests compared. `weights` asks
/// for the tensor root of a published checkpoint too, which reads the weights once more; it follows from the digests
/// where the manifest is honest.
///
/// `progress` is told the bytes read since it was last called, once for each file of the manifest altogether.
pub fn check(
    folder: &Path,
    manifest: &Manifest,
    weights: Option<DeltaOptions>,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<CheckpointRefusal>, DiskError> {
    let mut wrong = outline(folder, manifest)?;
    if !wrong.is_empty() {
        return Ok(wrong);
    }
    for FileEntry { name, sha256: want, .. } in &manifest.files {
        let (_, got) = grail_fs::digest(&folder.join(name), progress)?;
        if got != *want {
            wrong.push(CheckpointRefusal::Digest { file: name.clone(), got, want: want.clone() });
        }
    }
    if let (Some(options), Some(publication)) = (weights.filter(|_| wrong.is_empty()), &manifest.publication)
    {
        match tensor_root(folder, &manifest.files, options, &mut |_| {}) {
            Ok(got) if got == publication.tensors => {}
            Ok(got) => wrong.push(CheckpointRefusal::Root { got, want: publication.tensors }),
            Err(TensorError::Read { source }) => return Err(DiskError::new("read", folder, source)),
            Err(source) => wrong.push(CheckpointRefusal::Tensors { source }),
        }
    }
    Ok(wrong)
}

/// What costs nothing of [`check`]: files that are missing, of another size, or not in the manifest.
pub fn outline(folder: &Path, manifest: &Manifest) -> Result<Vec<CheckpointRefusal>, DiskError> {
    let mut wrong = sizes(folder, manifest)?;
    let listed = |name: &String| manifest.files.iter().any(|file| file.name == *name);
    let strays = names(folder)?.into_iter().filter(|name| !listed(name));
    wrong.extend(strays.map(|file| CheckpointRefusal::Stray { file }));
    Ok(wrong)
}

/// Files of a manifest that are not in the folder, or of another size there.
pub(super) fn sizes(folder: &Path, manifest: &Manifest) -> Result<Vec<CheckpointRefusal>, DiskError> {
    let mut wrong = Vec::new();
    for FileEntry { name, size: want, .. } in &manifest.files {
        let (path, file, want) = (folder.join(name), name.clone(), *want);
        match fs::metadata(&path) {
            Ok(metadata) if metadata.len() == want => {}
            Ok(metadata) => wrong.push(CheckpointRefusal::Size { file, got: metadata.len(), want }),
            Err(error) if grail_fs::is_absence(&error) => wrong.push(CheckpointRefusal::Gone { file }),
            Err(error) => return Err(DiskError::new("read", path, error)),
        }
    }
    Ok(wrong)
}

/// As a role asks before it loads: the folder is as its manifest says, or a [`Fault`] names the first file that is not,
/// with both sizes or both digests.
pub fn require(found: &Found, progress: &mut dyn FnMut(u64)) -> Result<(), Fault> {
    let Found { folder, manifest } = found;
    let unread = |DiskError { path, source, .. }: DiskError| {
        let doing = format!("read {} of the checkpoint", path.display());
        Fault::new(Door::Model, Retry::Never, doing, source)
    };
    let wrong = check(folder, manifest, None, progress).map_err(unread)?;
    match wrong.first() {
        None => Ok(()),
        Some(first) => Err(Fault::plain(Door::Model, Retry::Never, sentence(folder, first))),
    }
}

/// What is wrong with a folder, and what to do, for whoever uses it.
pub fn sentence(folder: &Path, refusal: &CheckpointRefusal) -> String {
    let path = |file: &String| folder.join(file).display().to_string();
    match refusal {
        CheckpointRefusal::Size { file, got, want } => format!(
            "{} has a size of {got}, the manifest says {want}; fetch the checkpoint again",
            path(file)
        ),
        CheckpointRefusal::Digest { file, got, want } => {
            format!("{} has digest {got}, the manifest says {want}; fetch the checkpoint again", path(file))
        }
        CheckpointRefusal::Stray { file } => format!(
            "{} is not in the checkpoint's manifest; move it away, or fetch the checkpoint again",
            path(file)
        ),
        CheckpointRefusal::Gone { file } => {
            format!("{} is not there; fetch the checkpoint again", path(file))
        }
        other => format!("the checkpoint in {} is refused: {other}", folder.display()),
    }
}

/// Holds a folder against the manifest that lies in it, and that against the trainer's key. Blocks.
///
/// Returns the manifest, where it is the trainer's, and everything that is wrong. Errors: the disk's.
pub fn check_published(
    folder: &Path,
    trainer: &Hotkey,
    params: &Params,
    options: DeltaOptions,
    tell: Tell,
) -> Result<(Option<Manifest>, Vec<CheckpointRefusal>), Fault> {
    let path = folder.join(MANIFEST_FILE);
    let file = MANIFEST_FILE.to_owned();
    let json = match grail_fs::read(&path, MANIFEST_BYTES) {
        Ok(Some(json)) => json,
        Ok(None) => return Ok((None, vec![CheckpointRefusal::Gone { file }])),
        Err(ReadError::TooLarge { got, most: want, .. }) => {
            return Ok((None, vec![CheckpointRefusal::Size { file, got, want }]));
        }
        Err(error) => return Err(error.into()),
    };
    let manifest = match verify_manifest(&json, params, Trust::Trainer(trainer), None) {
        Ok(manifest) => manifest,
        Err(source) => return Ok((None, vec![CheckpointRefusal::Manifest { source }])),
    };
    let meter = Meter::new(manifest.files.iter().map(|file| file.size).fold(0, u64::saturating_add), tell);
    let wrong = check(folder, &manifest, Some(options), &mut |bytes| meter.add(bytes)).map_err(later)?;
    Ok((Some(manifest), wrong))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::{Terms, describe};
    use grail_protocol::{draw::SamplingPolicy, profile::NumericProfile};

    fn described() -> (tempfile::TempDir, Found) {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("config.json"), "{}").unwrap();
        fs::write(dir.path().join("model.safetensors"), [7; 100]).unwrap();
        fs::write(dir.path().join("notes.md"), "not part of it").unwrap();
        let terms = Terms {
            environments: vec!["sat/1".parse().unwrap()],
            policy: SamplingPolicy::DEFAULT,
            max_new_tokens: 8,
            numeric: NumericProfile::StrictF32,
        };
        let manifest = describe(dir.path(), terms, &mut |_| {}).unwrap();
        let folder = dir.path().to_owned();
        (dir, Found { folder, manifest })
    }

    #[test]
    fn a_folder_matches_the_manifest_made_of_it_until_a_byte_changes() {
        let (dir, found) = described();
        let names: Vec<&str> = found.manifest.files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["config.json", "model.safetensors"]);
        let mut told = 0;
        require(&found, &mut |more| told += more).unwrap();
        assert_eq!(told, 102);

        let refused = || require(&found, &mut |_| {}).unwrap_err().doing;
        fs::write(dir.path().join("model.safetensors"), [8; 100]).unwrap();
        assert!(refused().contains("model.safetensors") && refused().contains("digest"), "{}", refused());
        fs::write(dir.path().join("model.safetensors"), [7; 99]).unwrap();
        assert!(refused().contains("size of 99"), "{}", refused());
        fs::remove_file(dir.path().join("model.safetensors")).unwrap();
        assert!(refused().contains("model.safetensors"), "{}", refused());
    }

    #[test]
    fn a_file_that_nobody_signed_is_refused_by_name() {
        for stray in ["extra.json", "chat_template.jinja"] {
            let (dir, found) = described();
            fs::write(dir.path().join(stray), "another prompt").unwrap();
            let wrong = check(dir.path(), &found.manifest, None, &mut |_| {}).unwrap();
            assert!(matches!(&wrong[..], [CheckpointRefusal::Stray { file }] if file == stray), "{wrong:?}");
            let fault = require(&found, &mut |_| {}).unwrap_err();
            assert!(fault.doing.contains(stray) && fault.doing.contains("move it away"), "{fault:?}");
        }
    }
}

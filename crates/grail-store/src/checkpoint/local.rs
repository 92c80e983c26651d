//! A checkpoint's folder on this machine, held against its manifest.

use super::{
    download::{Meter, Tell},
    error::Refusal,
    files::{disk, hash_into, tensor_root},
};
use grail_artifact::{
    checkpoint::{Trust, verify_manifest},
    delta::Options,
    manifest::{FileEntry, MANIFEST_BYTES, MANIFEST_FILE, Manifest},
    tensors::TensorError,
};
use grail_ports::Fault;
use grail_protocol::{params::Params, words::Hotkey};
use sha2::{Digest as _, Sha256};
use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

/// Holds every byte of a folder against its manifest, and the manifest against the trainer's key. Blocks.
///
/// Returns the manifest, where it is the trainer's, and everything that is wrong. The tensor root is looked at only where the
/// files are right. Errors: the disk's.
pub fn check_folder(
    folder: &Path,
    trainer: &Hotkey,
    params: &Params,
    options: Options,
    tell: Tell,
) -> Result<(Option<Manifest>, Vec<Refusal>), Fault> {
    let path = folder.join(MANIFEST_FILE);
    let Some(file) = open(&path)? else {
        return Ok((None, vec![Refusal::Gone { file: MANIFEST_FILE.to_owned() }]));
    };
    let mut json = Vec::new();
    let read = file.take(MANIFEST_BYTES + 1).read_to_end(&mut json);
    read.map_err(|error| disk("read", &path, error))?;
    let manifest = match verify_manifest(&json, params, Trust::Trainer(trainer), None) {
        Ok(manifest) => manifest,
        Err(source) => return Ok((None, vec![Refusal::Manifest { source }])),
    };
    // Each file is read for its digest; weights once more for their root.
    let total = manifest.files.iter().map(|file| file.size).fold(0, u64::saturating_add);
    let meter = Meter::new(total, tell);
    let mut wrong = Vec::new();
    for entry in &manifest.files {
        wrong.extend(file_trouble(folder, entry)?);
        meter.add(entry.size);
    }
    if let Some(publication) = manifest.publication.as_ref().filter(|_| wrong.is_empty()) {
        match tensor_root(folder, &manifest.files, options, &mut |_| {}) {
            Ok(got) if got == publication.tensors => {}
            Ok(got) => wrong.push(Refusal::Root { got, want: publication.tensors }),
            Err(TensorError::Read { source }) => return Err(disk("read", folder, source)),
            Err(source) => wrong.push(Refusal::Tensors { source }),
        }
    }
    Ok((Some(manifest), wrong))
}

fn open(path: &Path) -> Result<Option<File>, Fault> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(disk("open", path, error)),
    }
}

fn file_trouble(folder: &Path, entry: &FileEntry) -> Result<Option<Refusal>, Fault> {
    let path = folder.join(&entry.name);
    let name = entry.name.clone();
    let Some(file) = open(&path)? else { return Ok(Some(Refusal::Gone { file: name })) };
    let unread = |error| disk("read", &path, error);
    let size = file.metadata().map_err(unread)?.len();
    if size != entry.size {
        return Ok(Some(Refusal::Size { file: name, got: size, want: entry.size }));
    }
    let mut hasher = Sha256::new();
    hash_into(&mut hasher, &file, size).map_err(unread)?;
    let got = hex::encode(hasher.finalize());
    let wrong = got != entry.sha256;
    Ok(wrong.then(|| Refusal::Digest { file: name, got, want: entry.sha256.clone() }))
}

//! Files of a checkpoint on this machine. Everything here blocks.

use super::error::{CheckpointRefusal, Stop};
use grail_artifact::{
    checkpoint::DeltaFile,
    delta::{Applied, Base, DeltaError, DeltaOptions, apply, encode},
    manifest::FileEntry,
    tensors::{Census, SafetensorsFile, Shards, TensorError, TensorRoot},
};
use grail_fs::DiskError;
use grail_ports::{Door, Fault, Retry};
use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter},
    path::Path,
};

/// What the name of a file of weights ends in.
const WEIGHTS: &str = ".safetensors";

/// A fault of this machine's disk, which may be well again later: what was fetched or made is gone on with then.
pub(super) fn disk(doing: &'static str, path: &Path, error: io::Error) -> Fault {
    later(DiskError::new(doing, path, error))
}

/// As [`disk`].
pub(super) fn later(error: DiskError) -> Fault {
    error.fault(Retry::Later)
}

/// Whether a file is there with this size and digest.
pub(super) fn is_entry(path: &Path, size: u64, sha256: &str) -> Result<bool, DiskError> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.len() == size => {
            Ok(grail_fs::digest(path, &mut |_| {})? == (size, sha256.to_owned()))
        }
        Ok(_) => Ok(false),
        Err(error) if grail_fs::is_absence(&error) => Ok(false),
        Err(error) => Err(DiskError::new("read", path, error)),
    }
}

/// The weights of a folder as one source.
fn weights(folder: &Path, files: &[FileEntry]) -> Result<Shards<BufReader<File>>, TensorError> {
    let names = files.iter().filter(|file| file.name.ends_with(WEIGHTS));
    let open = |file: &FileEntry| {
        let file = File::open(folder.join(&file.name)).map_err(|source| TensorError::Read { source })?;
        SafetensorsFile::open(BufReader::new(file))
    };
    Shards::new(names.map(open).collect::<Result<_, _>>()?)
}

/// The root over the tensors of all `.safetensors` files of a folder.
///
/// `progress` is told the bytes read since it was last called.
pub fn tensor_root(
    folder: &Path,
    files: &[FileEntry],
    options: DeltaOptions,
    progress: &mut dyn FnMut(u64),
) -> Result<TensorRoot, TensorError> {
    Ok(Census::take(&mut weights(folder, files)?, options.workers, progress)?.root())
}

/// Writes the deltas that make the weights of `folder` out of those of a base, into the folder `deltas`.
///
/// Files that are as in the base get none. `progress` is told the bytes read since it was last called.
pub fn make_deltas(
    base: (&Path, &[FileEntry]),
    folder: &Path,
    files: &[FileEntry],
    deltas: &Path,
    options: DeltaOptions,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<DeltaFile>, DeltaError> {
    let write = |source| DeltaError::Write { source };
    let mut old = Base::take(weights(base.0, base.1)?, options, progress)?;
    let mut made = Vec::new();
    for file in files.iter().filter(|file| file.name.ends_with(WEIGHTS) && !base.1.contains(file)) {
        let mut delta = DeltaFile { makes: file.name.clone(), size: 0, sha256: String::new() };
        let reader = File::open(folder.join(&file.name)).map_err(|source| TensorError::Read { source })?;
        let mut next = SafetensorsFile::open(BufReader::new(reader))?;
        let out = File::create(deltas.join(delta.name())).map_err(write)?;
        let mut out = BufWriter::new(out);
        let encoded = encode(&mut old, &mut next, &mut out, options, progress)?;
        out.into_inner().map_err(|error| write(error.into_error()))?.sync_all().map_err(write)?;
        delta.size = encoded.bytes;
        delta.sha256 = hex::encode(encoded.sha256);
        made.push(delta);
    }
    made.sort_by(|a, b| a.makes.cmp(&b.makes));
    Ok(made)
}

/// Makes files of `draft` out of deltas that lie there, verified, and a base. Each is compared with its entry before
/// it gets its name; its delta is then removed.
pub(super) fn apply_deltas(
    base: (&Path, &[FileEntry]),
    draft: &Path,
    wanted: &[(FileEntry, DeltaFile)],
    options: DeltaOptions,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Stop> {
    let unreadable = |source| Stop::from(ours(base.0, source));
    let mut old =
        Base::take(weights(base.0, base.1).map_err(unreadable)?, options, &mut |_| {}).map_err(unreadable)?;
    for (entry, delta) in wanted {
        let (path, delta_path) = (draft.join(&entry.name), draft.join(delta.name()));
        let partial = grail_fs::beside(&path, ".partial");
        let opened = File::open(&delta_path).map_err(|error| disk("read", &delta_path, error))?;
        let out = File::options().read(true).write(true).create(true).truncate(true).open(&partial);
        let mut out = out.map_err(|error| disk("write", &partial, error))?;
        let applied = apply(&mut BufReader::new(opened), &mut old, &mut out, entry.size, options, progress);
        let Applied { bytes, sha256, .. } = match applied {
            Ok(applied) => applied,
            Err(DeltaError::Write { source }) => return Err(disk("write", &partial, source).into()),
            Err(DeltaError::Read { source }) => return Err(disk("read", &delta_path, source).into()),
            Err(DeltaError::Tensors { source: TensorError::Read { source } }) => {
                return Err(disk("read", base.0, source).into());
            }
            Err(source) => return Err(CheckpointRefusal::Delta { file: delta.name(), source }.into()),
        };
        let (file, got) = (entry.name.clone(), hex::encode(sha256));
        if bytes != entry.size {
            return Err(CheckpointRefusal::Size { file, got: bytes, want: entry.size }.into());
        }
        if got != entry.sha256 {
            return Err(CheckpointRefusal::Digest { file, got, want: entry.sha256.clone() }.into());
        }
        out.sync_all().map_err(|error| disk("write", &partial, error))?;
        grail_fs::publish(&partial, &path)
            .and_then(|()| grail_fs::remove_file(&delta_path))
            .map_err(later)?;
    }
    Ok(())
}

/// The checkpoint in use was whole when it was taken; if it cannot be read now, that is this machine's doing.
fn ours(folder: &Path, source: TensorError) -> Fault {
    Fault::new(Door::Disk, Retry::Never, format!("read the weights in {}", folder.display()), source)
}

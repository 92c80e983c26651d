//! Files of a checkpoint on this machine. Everything here blocks.

use super::error::{Refusal, Stop};
use grail_artifact::{
    checkpoint::DeltaFile,
    delta::{Applied, Base, DeltaError, Options, apply, encode},
    manifest::{FileEntry, Manifest},
    tensors::{Census, SafetensorsFile, Shards, TensorError, TensorRoot},
};
use grail_ports::{Door, Fault, Retry};
use sha2::{Digest as _, Sha256};
use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read as _, Write as _},
    path::{Path, PathBuf},
};

/// What the name of a file of weights ends in.
const WEIGHTS: &str = ".safetensors";
/// Bytes read at once.
const CHUNK: usize = 1 << 20;

/// A fault of this machine's disk.
pub(super) fn disk(doing: &str, path: &Path, error: io::Error) -> Fault {
    let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    let advice = if full { "; free some space on that disk" } else { "" };
    Fault::new(Door::Disk, Retry::Later, format!("{doing} {}{advice}", path.display()), error)
}

/// `path` with more text behind its name.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Makes names in a folder last through a power cut.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Writes a file and waits until it is on the disk.
pub(super) fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Feeds the first `bytes` bytes of a file to a hasher. Returns how many there were.
pub(super) fn hash_into(hasher: &mut Sha256, file: &File, bytes: u64) -> io::Result<u64> {
    let mut reader = file.take(bytes);
    let mut chunk = vec![0; CHUNK];
    let mut total = 0;
    loop {
        let count = reader.read(&mut chunk)?;
        let Some(some) = chunk.get(..count).filter(|some| !some.is_empty()) else { return Ok(total) };
        hasher.update(some);
        total += some.len() as u64;
    }
}

/// Whether a file is there with this size and digest.
pub(super) fn is_entry(path: &Path, size: u64, sha256: &str) -> io::Result<bool> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    if file.metadata()?.len() != size {
        return Ok(false);
    }
    let mut hasher = Sha256::new();
    hash_into(&mut hasher, &file, size)?;
    Ok(hex::encode(hasher.finalize()) == sha256)
}

/// Compares every file of a folder with the manifest, byte for byte: names those that are not as it says.
pub fn check_files(folder: &Path, manifest: &Manifest) -> Result<Vec<String>, Fault> {
    let mut wrong = Vec::new();
    for entry in &manifest.files {
        let path = folder.join(&entry.name);
        if !is_entry(&path, entry.size, &entry.sha256).map_err(|error| disk("read", &path, error))? {
            wrong.push(entry.name.clone());
        }
    }
    Ok(wrong)
}

/// The same bytes under another name: a second name where the disk can, a copy otherwise.
pub(super) fn link_or_copy(from: &Path, to: &Path) -> io::Result<()> {
    match fs::remove_file(to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Files of a checkpoint are never written to again, so sharing them is safe.
    if fs::hard_link(from, to).is_err() {
        fs::copy(from, to)?;
        File::open(to)?.sync_all()?;
    }
    Ok(())
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
    options: Options,
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
    options: Options,
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
    options: Options,
    progress: &mut dyn FnMut(u64),
) -> Result<(), Stop> {
    let unreadable = |source| Stop::from(ours(base.0, source));
    let mut old =
        Base::take(weights(base.0, base.1).map_err(unreadable)?, options, &mut |_| {}).map_err(unreadable)?;
    for (entry, delta) in wanted {
        let (path, delta_path) = (draft.join(&entry.name), draft.join(delta.name()));
        let partial = beside(&path, ".partial");
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
            Err(source) => return Err(Refusal::Delta { file: delta.name(), source }.into()),
        };
        let (file, got) = (entry.name.clone(), hex::encode(sha256));
        if bytes != entry.size {
            return Err(Refusal::Size { file, got: bytes, want: entry.size }.into());
        }
        if got != entry.sha256 {
            return Err(Refusal::Digest { file, got, want: entry.sha256.clone() }.into());
        }
        let named =
            out.sync_all().and_then(|()| fs::rename(&partial, &path)).and_then(|()| sync_folder(draft));
        named.map_err(|error| disk("write", &path, error))?;
        fs::remove_file(&delta_path).map_err(|error| disk("remove", &delta_path, error))?;
    }
    Ok(())
}

/// The checkpoint in use was whole when it was taken; if it cannot be read now, that is this machine's doing.
fn ours(folder: &Path, source: TensorError) -> Fault {
    Fault::new(Door::Disk, Retry::Never, format!("read the weights in {}", folder.display()), source)
}

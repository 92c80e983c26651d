//! Weight files: safetensors, one or many, read through private read-only maps.
//!
//! A tensor is mapped when it is asked for, and unmapped when the caller has packed, converted or moved it. So no
//! second full copy of the weights ever exists. Files must not shrink while they are mapped; checkpoint folders are
//! replaced as a whole, never written in place.

use crate::serve::{
    config::read_json,
    error::{LoadError, Named},
};
use safetensors::{Dtype as Stored, tensor::Metadata};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};
use tch::{Device, Kind, Tensor};

/// Most bytes of a safetensors header.
const HEADER_BYTES: u64 = 100 << 20;

/// All tensors of a model folder, by name.
pub(crate) struct Weights {
    entries: BTreeMap<String, Entry>,
}

struct Entry {
    file: PathBuf,
    file_bytes: i64,
    kind: Result<Kind, Stored>,
    shape: Vec<i64>,
    start: i64,
    bytes: i64,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Weights {
    /// Reads the headers of all weight files and checks their lengths.
    pub(crate) fn open(folder: &Path) -> Result<Self, LoadError> {
        let mut entries = BTreeMap::new();
        let index = folder.join("model.safetensors.index.json");
        if index.is_file() {
            let index: Index = read_json(&index)?;
            let mut seen: BTreeMap<&str, ()> = BTreeMap::new();
            for (tensor, name) in &index.weight_map {
                let file = folder.join(name);
                let plain = Path::new(name).file_name().is_some_and(|plain| plain == name.as_str());
                if !plain || !file.is_file() {
                    return Err(LoadError::IndexedFile { tensor: tensor.clone(), file });
                }
                if seen.insert(name, ()).is_none() {
                    read_header(&file, &mut entries)?;
                }
            }
        } else {
            read_header(&folder.join("model.safetensors"), &mut entries)?;
        }
        Ok(Self { entries })
    }

    /// Whether a tensor is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// First dimension of a tensor, 0 when it is missing.
    pub(crate) fn rows(&self, name: &str) -> i64 {
        self.entries.get(name).and_then(|entry| entry.shape.first()).copied().unwrap_or(0)
    }

    /// A view of the file's bytes as a tensor of its stored type, after checking its shape.
    pub(crate) fn map(&self, name: &str, wanted: &[i64]) -> Result<Tensor, LoadError> {
        let entry = self.entries.get(name).ok_or_else(|| LoadError::MissingTensor { name: name.into() })?;
        if entry.shape != wanted {
            let (found, wanted) = (entry.shape.clone(), wanted.to_vec());
            return Err(LoadError::Shape { name: name.into(), found, wanted });
        }
        let kind = entry
            .kind
            .map_err(|stored| LoadError::Dtype { name: name.into(), found: format!("{stored:?}") })?;
        let not_text = || LoadError::File {
            path: entry.file.clone(),
            source: std::io::Error::other("the path is not valid Unicode"),
        };
        let path = entry.file.to_str().ok_or_else(not_text)?;
        let tensor = Tensor::f_from_file(path, false, entry.file_bytes, (Kind::Uint8, Device::Cpu))
            .and_then(|file| file.f_narrow(0, entry.start, entry.bytes))
            // A header of odd length leaves the numbers unaligned: those are copied.
            .and_then(|bytes| bytes.f_to_dtype(Kind::Uint8, false, entry.start % 4 != 0))
            .and_then(|bytes| bytes.f_view_dtype(kind))
            .and_then(|flat| flat.f_view(wanted))
            .named("map a weight", &[])?;
        Ok(tensor)
    }
}

/// Adds the tensors of one file, whose length must be the one that its header promises.
fn read_header(path: &Path, entries: &mut BTreeMap<String, Entry>) -> Result<(), LoadError> {
    let unreadable = |source| LoadError::File { path: path.into(), source };
    let mut file = File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    let truncated = |promised| LoadError::Truncated { path: path.into(), found: size, promised };
    let mut length = [0u8; 8];
    if size < 8 {
        return Err(truncated(8));
    }
    file.read_exact(&mut length).map_err(unreadable)?;
    let header = u64::from_le_bytes(length);
    if header > HEADER_BYTES {
        return Err(LoadError::TooLarge { path: path.into(), size: header, most: HEADER_BYTES });
    }
    if size < 8 + header {
        return Err(truncated(8 + header));
    }
    let mut buffer = Vec::new();
    file.take(header).read_to_end(&mut buffer).map_err(unreadable)?;
    // Checks that the tensors lie one after another and that each has the bytes of its shape.
    let metadata: Metadata =
        serde_json::from_slice(&buffer).map_err(|source| LoadError::Header { path: path.into(), source })?;
    let promised = 8 + header + metadata.data_len() as u64;
    if size != promised {
        return Err(truncated(promised));
    }
    for name in metadata.offset_keys() {
        let Some(info) = metadata.info(&name) else { continue };
        let (begin, end) = info.data_offsets;
        let kind = match info.dtype {
            Stored::F32 => Ok(Kind::Float),
            Stored::BF16 => Ok(Kind::BFloat16),
            Stored::F16 => Ok(Kind::Half),
            other => Err(other),
        };
        let entry = Entry {
            file: path.into(),
            file_bytes: size as i64,
            kind,
            shape: info.shape.iter().map(|n| *n as i64).collect(),
            start: (8 + header) as i64 + begin as i64,
            bytes: (end - begin) as i64,
        };
        entries.insert(name, entry);
    }
    Ok(())
}

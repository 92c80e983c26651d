//! Safetensors files: read a tensor at a time, written as a stream.
//!
//! Bytes: length of the header as little-endian `u64`; the header, a JSON object from names to type, shape and place,
//! padded with spaces to a multiple of eight; then the tensors, little-endian, one after another.

use crate::learn::error::{Doing, TrainError};
use safetensors::{Dtype, tensor::Metadata};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufWriter, Read, Write},
    path::{Path, PathBuf},
};
use tch::{Device, Kind, Tensor};

/// Most bytes of a header or of an index.
const HEADER_BYTES: u64 = 100 << 20;
/// Bytes copied from a tensor at once while writing.
const COPIED: i64 = 4 << 20;

/// How numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stored {
    /// 32-bit floats.
    F32,
    /// Brain floats: the upper half of a 32-bit float, rounded to even.
    Bf16,
}

impl Stored {
    fn kind(self) -> Kind {
        match self {
            Self::F32 => Kind::Float,
            Self::Bf16 => Kind::BFloat16,
        }
    }
}

/// The tensors of one file or of a folder with an index, by name.
#[derive(Debug)]
pub struct TensorFiles {
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    file: PathBuf,
    file_bytes: i64,
    kind: Kind,
    shape: Vec<i64>,
    start: i64,
    bytes: i64,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl TensorFiles {
    /// Opens `model.safetensors` of a folder, or the files that its `model.safetensors.index.json` names.
    ///
    /// Errors: [`TrainError::File`], [`TrainError::Json`] and [`TrainError::Damaged`].
    pub fn open_folder(folder: &Path) -> Result<Self, TrainError> {
        let index = folder.join("model.safetensors.index.json");
        if !index.is_file() {
            return Self::open(&folder.join("model.safetensors"));
        }
        let Index { weight_map } = read_json(&index)?;
        let mut names: Vec<&String> = weight_map.values().collect();
        names.sort();
        names.dedup();
        let mut entries = BTreeMap::new();
        for name in names {
            if Path::new(name).file_name().is_none_or(|plain| plain != name.as_str()) {
                return damaged(&index, format!("names the file {name:?}, which is outside the folder"));
            }
            entries.extend(Self::open(&folder.join(name))?.entries);
        }
        Ok(Self { entries })
    }

    /// Opens one file: reads its header and checks that the file has the length that the header promises.
    ///
    /// Errors: [`TrainError::File`], [`TrainError::Json`] and [`TrainError::Damaged`].
    pub fn open(path: &Path) -> Result<Self, TrainError> {
        let unreadable = |source| TrainError::File { doing: "read", path: path.into(), source };
        let mut file = File::open(path).map_err(unreadable)?;
        let size = file.metadata().map_err(unreadable)?.len();
        let mut length = [0u8; 8];
        file.read_exact(&mut length).map_err(unreadable)?;
        let header = u64::from_le_bytes(length);
        if header > HEADER_BYTES || header > size.saturating_sub(8) {
            return damaged(path, format!("its header claims {header} of {size} bytes"));
        }
        let mut text = Vec::new();
        file.take(header).read_to_end(&mut text).map_err(unreadable)?;
        // Checks that tensors lie one after another and that each has the bytes of its shape.
        let metadata: Metadata =
            serde_json::from_slice(&text).map_err(|source| TrainError::Json { path: path.into(), source })?;
        let promised = 8 + header + metadata.data_len() as u64;
        if size != promised {
            return damaged(path, format!("it has {size} bytes, its header promises {promised}"));
        }
        let mut entries = BTreeMap::new();
        for name in metadata.offset_keys() {
            let Some(info) = metadata.info(&name) else { continue };
            let kind = match info.dtype {
                Dtype::F32 => Kind::Float,
                Dtype::BF16 => Kind::BFloat16,
                Dtype::F16 => Kind::Half,
                Dtype::F64 => Kind::Double,
                Dtype::I64 => Kind::Int64,
                other => return damaged(path, format!("the tensor {name} is stored as {other:?}")),
            };
            let (begin, end) = info.data_offsets;
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
        Ok(Self { entries })
    }

    /// Whether a tensor is there.
    pub fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// A tensor in memory of its own, in its stored type, on the processor.
    ///
    /// Errors: [`TrainError::Tensor`] when it is missing, [`TrainError::Op`] when the file went away.
    pub fn get(&self, name: &str) -> Result<Tensor, TrainError> {
        let missing = |problem: &str| TrainError::Tensor { name: name.into(), problem: problem.into() };
        let entry = self.entries.get(name).ok_or_else(|| missing("is missing"))?;
        let path = entry.file.to_str().ok_or_else(|| missing("lies in a path that is not Unicode"))?;
        if entry.bytes == 0 {
            return Tensor::f_empty(&entry.shape, (entry.kind, Device::Cpu)).doing("making a tensor");
        }
        // The copy leaves numbers aligned whatever the header's length, and the file free to be replaced.
        Tensor::f_from_file(path, false, entry.file_bytes, (Kind::Uint8, Device::Cpu))
            .and_then(|file| file.f_narrow(0, entry.start, entry.bytes))
            .and_then(|bytes| bytes.f_to_dtype(Kind::Uint8, false, true))
            .and_then(|bytes| bytes.f_view_dtype(entry.kind))
            .and_then(|flat| flat.f_view(entry.shape.as_slice()))
            .doing("reading a tensor")
    }

    /// A tensor of this shape; see [`TensorFiles::get`].
    ///
    /// Errors: [`TrainError::Tensor`] for another shape.
    pub fn shaped(&self, name: &str, shape: &[i64]) -> Result<Tensor, TrainError> {
        let tensor = self.get(name)?;
        if tensor.size() == shape {
            return Ok(tensor);
        }
        let problem = format!("has shape {:?}, the config asks for {shape:?}", tensor.size());
        Err(TrainError::Tensor { name: name.into(), problem })
    }
}

/// Writes tensors to a new file and waits until they are on the disk.
///
/// The file is written under its own name: put it into a folder that nobody reads yet. Memory: a few megabytes.
/// The order of the tensors is kept; names must differ.
///
/// Errors: [`TrainError::File`], among others when the disk is full.
pub fn write_tensors(path: &Path, tensors: &[(String, Tensor)], stored: Stored) -> Result<(), TrainError> {
    let failed = |source| TrainError::File { doing: "write", path: path.into(), source };
    let mut file = BufWriter::new(File::create(path).map_err(failed)?);
    let header = header(tensors, stored);
    file.write_all(&(header.len() as u64).to_le_bytes()).map_err(failed)?;
    file.write_all(header.as_bytes()).map_err(failed)?;
    let mut buffer = Vec::new();
    for (_, tensor) in tensors {
        let flat = tensor.f_detach().and_then(|flat| flat.f_reshape([-1])).doing("reading a tensor")?;
        let whole = flat.numel() as i64;
        let mut start = 0;
        while start < whole {
            let length = COPIED.min(whole - start);
            let bytes = flat
                .f_narrow(0, start, length)
                .and_then(|part| part.f_to_device_(Device::Cpu, stored.kind(), false, false))
                .and_then(|part| part.f_contiguous()?.f_view_dtype(Kind::Uint8))
                .doing("converting a tensor")?;
            buffer.resize(bytes.numel(), 0);
            bytes.f_copy_data_u8(&mut buffer, bytes.numel()).doing("copying a tensor")?;
            file.write_all(&buffer).map_err(failed)?;
            start += length;
        }
    }
    let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
    file.sync_all().map_err(failed)
}

fn header(tensors: &[(String, Tensor)], stored: Stored) -> String {
    let (name_of_type, width) = match stored {
        Stored::F32 => ("F32", 4),
        Stored::Bf16 => ("BF16", 2),
    };
    let mut start = 0;
    let mut entries = Vec::new();
    for (name, tensor) in tensors {
        let end = start + tensor.numel() * width;
        let (name, shape) = (serde_json::Value::from(name.as_str()), tensor.size());
        entries.push(format!(
            r#"{name}:{{"dtype":"{name_of_type}","shape":{shape:?},"data_offsets":[{start},{end}]}}"#
        ));
        start = end;
    }
    let mut text = format!("{{{}}}", entries.join(","));
    while !text.len().is_multiple_of(8) {
        text.push(' ');
    }
    text
}

/// Reads a JSON file of bounded size.
pub(crate) fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, TrainError> {
    let unreadable = |source| TrainError::File { doing: "read", path: path.into(), source };
    let size = fs::metadata(path).map_err(unreadable)?.len();
    if size > HEADER_BYTES {
        return damaged(path, format!("it has {size} bytes, at most {HEADER_BYTES} are read"));
    }
    let bytes = fs::read(path).map_err(unreadable)?;
    serde_json::from_slice(&bytes).map_err(|source| TrainError::Json { path: path.into(), source })
}

pub(crate) fn damaged<T>(path: &Path, problem: impl Into<String>) -> Result<T, TrainError> {
    Err(TrainError::Damaged { path: path.into(), problem: problem.into() })
}

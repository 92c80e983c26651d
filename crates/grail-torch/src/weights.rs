//! Weight files: the one door to safetensors, one file or many, read through private read-only maps.
//!
//! The header is read by [`grail_artifact::tensors::Header`], within its limits. A tensor is mapped when it is asked for, and
//! unmapped when the caller has packed, converted or moved it, so no second full copy of the weights ever exists. Files must
//! not shrink while they are mapped; checkpoint folders are replaced as a whole, never written in place.

use crate::{
    config::{JSON_BYTES, read_json},
    error::{LoadError, Named},
    numbers::{finite, numbers},
};
use grail_artifact::tensors::{Header, StoredDtype, TensorError};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet, btree_map},
    fs::File,
    path::{Path, PathBuf},
};
use tch::{Device, Kind, Tensor};

/// The file of a model that is not in parts.
const WHOLE: &str = "model.safetensors";
/// What says in which file each tensor of a model in parts lies.
const INDEX: &str = "model.safetensors.index.json";

/// The tensors of one file, or of a model's folder, by name.
#[derive(Debug)]
pub struct FolderWeights {
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    file: PathBuf,
    file_bytes: i64,
    stored: StoredDtype,
    shape: Vec<i64>,
    start: i64,
    bytes: i64,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl FolderWeights {
    /// Opens `model.safetensors` of a Hugging Face folder, or the files that its `model.safetensors.index.json` names: reads
    /// every header and checks that each file has the length that its header promises.
    ///
    /// Errors: [`LoadError`] of a file or its header; an index that does not fit the files; a tensor in two files; a whole
    /// model beside one in parts.
    pub fn open_folder(folder: &Path) -> Result<Self, LoadError> {
        let index = folder.join(INDEX);
        if !index.is_file() {
            return Self::open(&folder.join(WHOLE));
        }
        let Index { weight_map } = read_json(&index, JSON_BYTES)?;
        if folder.join(WHOLE).is_file() && weight_map.values().any(|name| name != WHOLE) {
            let problem = format!(
                "{WHOLE} and, for a model in parts, {INDEX} are in one folder, and programs differ in which they take; remove the stale one of"
            );
            return Err(LoadError::Files { problem, path: folder.into() });
        }
        let mut weights = Self { entries: BTreeMap::new() };
        let mut opened = BTreeSet::new();
        for (tensor, name) in &weight_map {
            let file = folder.join(name);
            let plain = Path::new(name).file_name().is_some_and(|plain| plain == name.as_str());
            if !plain || !file.is_file() {
                let problem = format!("the index places {tensor} in a file which is not in the folder:");
                return Err(LoadError::Files { problem, path: file });
            }
            if opened.insert(name) {
                weights.add(&file)?;
            }
        }
        for (tensor, name) in weight_map {
            let file = folder.join(name);
            if weights.entries.get(&tensor).is_none_or(|entry| entry.file != file) {
                let problem = format!("the index places {tensor} in a file which does not hold it:");
                return Err(LoadError::Files { problem, path: file });
            }
        }
        Ok(weights)
    }

    /// Opens one file: reads its header and checks that the file has the length that the header promises.
    ///
    /// Errors: [`LoadError::File`] and [`LoadError::Header`].
    pub fn open(path: &Path) -> Result<Self, LoadError> {
        let mut weights = Self { entries: BTreeMap::new() };
        weights.add(path)?;
        Ok(weights)
    }

    /// Whether a tensor is there.
    pub fn has(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// A tensor in memory of its own, in its stored type and shape, on the processor.
    ///
    /// Errors: [`LoadError::Tensor`] when it is missing or of a type that is not read, [`LoadError::Run`] when the file went away.
    pub fn get(&self, name: &str) -> Result<Tensor, LoadError> {
        self.entry(name)?.tensor(name, true)
    }

    /// Checks that a tensor is there, in this shape and in a type that can be computed with.
    ///
    /// Errors: [`LoadError::Tensor`].
    pub fn check(&self, name: &str, wanted: &[i64]) -> Result<(), LoadError> {
        let entry = self.entry(name)?;
        if entry.shape != wanted {
            let problem = format!("has shape {:?}, the config asks for {wanted:?}", entry.shape);
            return Err(LoadError::tensor(name, problem));
        }
        entry.kind(name).map(drop)
    }

    /// A view of the file's bytes as a tensor of its stored type, after [`FolderWeights::check`]. Every number is looked at
    /// once.
    ///
    /// Errors: those of [`FolderWeights::check`]; an infinity or what is no number; [`LoadError::Run`] when the file went
    /// away.
    pub fn map(&self, name: &str, wanted: &[i64]) -> Result<Tensor, LoadError> {
        self.check(name, wanted)?;
        let tensor = self.entry(name)?.tensor(name, false)?;
        finite(name, numbers(&tensor)?)?;
        Ok(tensor)
    }

    /// Checks that weights which are computed together are stored in one format, and can so be laid into one matrix.
    ///
    /// Errors: [`LoadError::Config`]; a tensor that is missing.
    pub(crate) fn check_alike(&self, names: &[String]) -> Result<(), LoadError> {
        let mut stored = Vec::with_capacity(names.len());
        for name in names {
            stored.push((name, self.entry(name)?.stored));
        }
        if stored.windows(2).all(|two| two[0].1 == two[1].1) {
            return Ok(());
        }
        let formats: Vec<String> =
            stored.iter().map(|(name, stored)| format!("{name} in {}", stored.name())).collect();
        Err(LoadError::Config(format!(
            "weights of one layer are stored in different formats ({}); convert the checkpoint to one of them",
            formats.join(", ")
        )))
    }

    /// First dimension of a tensor, 0 when it is missing.
    pub(crate) fn rows(&self, name: &str) -> i64 {
        self.entries.get(name).and_then(|entry| entry.shape.first()).copied().unwrap_or(0)
    }

    fn entry(&self, name: &str) -> Result<&Entry, LoadError> {
        self.entries.get(name).ok_or_else(|| LoadError::tensor(name, "is missing"))
    }

    /// Adds the tensors of one file.
    fn add(&mut self, path: &Path) -> Result<(), LoadError> {
        let unreadable = || LoadError::file("read", path);
        let mut file = File::open(path).map_err(unreadable())?;
        let size = file.metadata().map_err(unreadable())?.len();
        let header = Header::read(&mut file, size).map_err(|error| {
            let problem = match error {
                TensorError::Read { source } => return unreadable()(source),
                TensorError::Truncated | TensorError::Length { .. } => "is truncated or padded",
                _ => "has no valid safetensors header",
            };
            LoadError::Header { path: path.into(), problem, source: error }
        })?;
        for tensor in header.tensors() {
            // Checked against the file's length, so every number fits.
            let entry = Entry {
                file: path.into(),
                file_bytes: size as i64,
                stored: tensor.dtype,
                shape: tensor.shape.iter().map(|side| *side as i64).collect(),
                start: (header.data_start() + tensor.begin) as i64,
                bytes: tensor.bytes as i64,
            };
            match self.entries.entry(tensor.name.clone()) {
                btree_map::Entry::Vacant(room) => drop(room.insert(entry)),
                btree_map::Entry::Occupied(other) => {
                    let problem = format!(
                        "stands in {} and in {}; remove the stale one",
                        other.get().file.display(),
                        path.display()
                    );
                    return Err(LoadError::tensor(&tensor.name, problem));
                }
            }
        }
        Ok(())
    }
}

impl Entry {
    fn kind(&self, name: &str) -> Result<Kind, LoadError> {
        match self.stored {
            StoredDtype::F32 => Ok(Kind::Float),
            StoredDtype::BF16 => Ok(Kind::BFloat16),
            StoredDtype::F16 => Ok(Kind::Half),
            other => {
                let problem = format!("is stored as {}, supported are F32, BF16 and F16", other.name());
                Err(LoadError::tensor(name, problem))
            }
        }
    }

    fn tensor(&self, name: &str, own: bool) -> Result<Tensor, LoadError> {
        let kind = self.kind(name)?;
        let not_text = || std::io::Error::other("the path is not valid Unicode");
        let path = self.file.to_str().ok_or_else(not_text).map_err(LoadError::file("read", &self.file))?;
        if self.bytes == 0 {
            return Ok(Tensor::f_empty(&self.shape, (kind, Device::Cpu)).named("make a tensor", &[])?);
        }
        // A header of odd length leaves the numbers unaligned: those are copied.
        let copied = own || self.start % 4 != 0;
        let tensor = Tensor::f_from_file(path, false, self.file_bytes, (Kind::Uint8, Device::Cpu))
            .and_then(|file| file.f_narrow(0, self.start, self.bytes))
            .and_then(|bytes| bytes.f_to_dtype(Kind::Uint8, false, copied))
            .and_then(|bytes| bytes.f_view_dtype(kind))
            .and_then(|flat| flat.f_view(self.shape.as_slice()))
            .named("map a weight", &[])?;
        Ok(tensor)
    }
}

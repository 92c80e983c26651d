//! The state of a run on disk, safe against a crash at any moment.
//!
//! A state is a folder `state-{number}`, counted up in twelve digits: `optimizer.safetensors` with the tensors of
//! [`AdamW::tensors`](crate::learn::AdamW::tensors) in 32 bits, and `state.json`. It is written under another name, brought to the
//! disk, and renamed; so a folder of that name is whole. Older ones go afterwards.

use crate::{
    config::read_json,
    device::Dtype,
    error::LoadError,
    learn::{
        error::{TrainError, damaged},
        export::write_tensors,
        step::{RunProgress, StepLearner},
    },
    weights::FolderWeights,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

const PREFIX: &str = "state-";
const UNFINISHED: &str = "unfinished-";
const TENSORS: &str = "optimizer.safetensors";
const STATE: &str = "state.json";
/// Most bytes of the latter, which holds the lessons that were kept.
const STATE_BYTES: u64 = 100 << 20;
/// Version of the format.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    format: u32,
    progress: RunProgress,
    /// What the caller wants to know again.
    journal: Value,
}

/// Saves a run below `root`, with a journal of the caller's, and keeps the newest `keep` states (at least one).
///
/// Errors: [`LoadError::File`], among others when the disk is full; earlier states are untouched then.
pub fn save_state(
    root: &Path,
    learner: &StepLearner,
    journal: &Value,
    keep: usize,
) -> Result<PathBuf, TrainError> {
    make(root)?;
    for leftover in list(root, UNFINISHED)? {
        remove(&leftover)?;
    }
    let number = match list(root, PREFIX)?.last() {
        Some(last) => number(last).map_or_else(|| damaged(last, "its name has no number"), Ok)? + 1,
        None => 0,
    };
    let (draft, done) =
        (root.join(format!("{UNFINISHED}{number:012}")), root.join(format!("{PREFIX}{number:012}")));
    let state = State { format: FORMAT, progress: learner.progress(), journal: journal.clone() };
    if let Err(error) = write(&draft, learner, &state) {
        // The draft is useless; that it cannot be removed either says nothing new.
        let _ = fs::remove_dir_all(&draft);
        return Err(error);
    }
    fs::rename(&draft, &done).map_err(failed("rename", &draft))?;
    sync(root)?;
    let mut states = list(root, PREFIX)?;
    states.truncate(states.len().saturating_sub(keep.max(1)));
    for old in &states {
        remove(old)?;
    }
    Ok(done)
}

fn write(draft: &Path, learner: &StepLearner, state: &State) -> Result<(), TrainError> {
    make(draft)?;
    write_tensors(&draft.join(TENSORS), &learner.optimizer().tensors(), Dtype::F32)?;
    let path = draft.join(STATE);
    let text = serde_json::to_string_pretty(state)
        .map_err(|source| LoadError::Json { path: path.clone(), source })?;
    let mut file = File::create(&path).map_err(failed("write", &path))?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed("write", &path))?;
    sync(draft)
}

/// The newest state below `root`, when there is one.
///
/// Errors: [`LoadError::File`] when the folder cannot be listed.
pub fn newest_state(root: &Path) -> Result<Option<PathBuf>, TrainError> {
    if !root.is_dir() {
        return Ok(None);
    }
    Ok(list(root, PREFIX)?.pop())
}

/// Takes over a saved run: masters, moments, and where it stood. The weights become the roundings of the masters.
/// Gives the journal back.
///
/// `learner` must be of the same model, with the same parameters learning. On an error it must not be used.
///
/// Errors: [`TrainError::Load`] for files that cannot be read or do not fit, [`TrainError::Damaged`].
pub fn restore_state(folder: &Path, learner: &mut StepLearner) -> Result<Value, TrainError> {
    let path = folder.join(STATE);
    let state: State = read_json(&path, STATE_BYTES)?;
    if state.format != FORMAT {
        return damaged(&path, format!("it has format {}, this program reads {FORMAT}", state.format));
    }
    let saved = FolderWeights::open(&folder.join(TENSORS))?;
    learner.restore(&state.progress, |name| Ok(saved.get(name)?))?;
    Ok(state.journal)
}

fn number(state: &Path) -> Option<u64> {
    state.file_name()?.to_str()?.strip_prefix(PREFIX)?.parse().ok()
}

/// Folders with a prefix, sorted by name.
fn list(root: &Path, prefix: &str) -> Result<Vec<PathBuf>, TrainError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root).map_err(failed("list", root))? {
        let entry = entry.map_err(failed("list", root))?;
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix)) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

fn make(folder: &Path) -> Result<(), TrainError> {
    fs::create_dir_all(folder).map_err(failed("make", folder))
}

fn remove(folder: &Path) -> Result<(), TrainError> {
    fs::remove_dir_all(folder).map_err(failed("remove", folder))
}

/// Brings a folder's names to the disk.
fn sync(folder: &Path) -> Result<(), TrainError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("sync", folder))
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> TrainError + use<> {
    let failed = LoadError::file(doing, path);
    move |source| failed(source).into()
}

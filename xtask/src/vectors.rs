//! The index of test vectors: where each came from, that nobody changed it, and which test reads it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::{fetch, report};

const FOLDER: &str = "fixtures/vectors";
const INDEX: &str = "INDEX.json";

/// `fixtures/vectors/INDEX.json`: path below that folder, with `/`, → what is known about the file.
type Index = BTreeMap<String, Entry>;

/// What is known about a vector file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// SHA-256 of the file, in hex.
    sha256: String,
    /// Who says so: a standard, a repository with its commit, or this project.
    origin: String,
    /// The command that wrote the file.
    command: String,
    /// The test that reads it, as `crate::test_function`.
    reader: String,
}

/// What to write down about a file.
#[derive(Debug, clap::Args)]
pub(crate) struct Record {
    /// The file, below fixtures/vectors
    path: String,
    /// Who says so: a standard, a repository with its commit, or "this project"
    #[arg(long)]
    origin: String,
    /// The command that wrote the file
    #[arg(long)]
    command: String,
    /// The test that reads it, as crate::test_function
    #[arg(long)]
    reader: String,
}

/// Checks that index and files match in both directions, and that every reader exists and names its file.
///
/// # Errors
/// With every mismatch, one a line; when the index cannot be read.
pub(crate) fn check(root: &Path) -> Result<()> {
    let index = load(root)?;
    let mut problems = Vec::new();
    for file in files(&root.join(FOLDER))? {
        if !index.contains_key(&file) {
            problems.push(format!("{file} is not in the index; `cargo xtask vectors record` puts it there"));
        }
    }
    let mut sources = Sources { root, read: BTreeMap::new() };
    for (file, entry) in &index {
        if let Err(error) = check_entry(&mut sources, file, entry) {
            problems.push(format!("{file}: {error:#}"));
        }
    }
    if !problems.is_empty() {
        bail!("{FOLDER} and its index disagree:\n  {}", problems.join("\n  "));
    }
    report::done(&format!("vectors: {} files, each read by a test", index.len()));
    Ok(())
}

/// Puts a file into the index, or renews its line.
///
/// # Errors
/// When the line would not pass [`check`], or the index cannot be written.
pub(crate) fn record(root: &Path, record: &Record) -> Result<()> {
    let mut index = load(root)?;
    let entry = Entry {
        sha256: fetch::sha256(&root.join(FOLDER).join(&record.path))?,
        origin: record.origin.clone(),
        command: record.command.clone(),
        reader: record.reader.clone(),
    };
    check_entry(&mut Sources { root, read: BTreeMap::new() }, &record.path, &entry)?;
    index.insert(record.path.clone(), entry);
    let path = root.join(FOLDER).join(INDEX);
    let text = serde_json::to_string_pretty(&index).context("cannot write the index as JSON")?;
    fs::write(&path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
}

fn load(root: &Path) -> Result<Index> {
    let path = root.join(FOLDER).join(INDEX);
    if !path.exists() {
        return Ok(Index::new());
    }
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not an index", path.display()))
}

fn check_entry(sources: &mut Sources<'_>, file: &str, entry: &Entry) -> Result<()> {
    fetch::check(&sources.root.join(FOLDER).join(file), &entry.sha256)?;
    for (name, value) in [("origin", &entry.origin), ("command", &entry.command)] {
        if value.trim().is_empty() {
            bail!("no {name} is given");
        }
    }
    let Some((krate, test)) = entry.reader.split_once("::") else {
        bail!("the reader {:?} is not of the form crate::test", entry.reader);
    };
    let test = test.rsplit("::").next().unwrap_or(test);
    let texts = sources.of(krate)?;
    if !texts.iter().any(|text| text.contains(&format!("fn {test}("))) {
        bail!("{krate} has no test {test}");
    }
    let name = file.rsplit('/').next().unwrap_or(file);
    if !texts.iter().any(|text| text.contains(name)) {
        bail!("no source of {krate} names {name}, so no test can be reading it");
    }
    Ok(())
}

/// Rust sources by crate, read once.
struct Sources<'a> {
    root: &'a Path,
    read: BTreeMap<String, Vec<String>>,
}

impl Sources<'_> {
    fn of(&mut self, krate: &str) -> Result<&[String]> {
        if !self.read.contains_key(krate) {
            let homes = ["crates", "bins", ""].map(|home| self.root.join(home).join(krate));
            let Some(home) = homes.into_iter().find(|home| home.join("Cargo.toml").exists()) else {
                bail!("there is no crate {krate}");
            };
            let mut texts = Vec::new();
            for file in files(&home)?.into_iter().filter(|file| file.ends_with(".rs")) {
                let path: PathBuf = home.join(file);
                texts.push(
                    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?,
                );
            }
            self.read.insert(krate.to_owned(), texts);
        }
        Ok(self.read.get(krate).map_or(&[], Vec::as_slice))
    }
}

/// Files below a folder but for the index and prose, with `/` in their names; none when there is no folder.
fn files(folder: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    if folder.exists() {
        collect(folder, "", &mut found)?;
    }
    found.retain(|file| file != INDEX && !file.ends_with(".md"));
    Ok(found)
}

fn collect(folder: &Path, prefix: &str, found: &mut Vec<String>) -> Result<()> {
    let cannot = || format!("cannot list {}", folder.display());
    for entry in fs::read_dir(folder).with_context(cannot)? {
        let entry = entry.with_context(cannot)?;
        let name = entry
            .file_name()
            .into_string()
            .ok()
            .with_context(|| format!("a name in {} is not UTF-8", folder.display()))?;
        let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
        if entry.path().is_dir() {
            collect(&entry.path(), &path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;

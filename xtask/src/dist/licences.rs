//! The licences of what is linked into the programs and of what lies beside them, with their texts.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use anyhow::{Context, Result};
use cargo_metadata::Package;
use zip::ZipArchive;

use super::{PACKAGES, write as write_file};
use crate::config::Config;
use crate::{libtorch, workspace};

/// Most bytes of one licence; torch's, with those of all that it holds, has about 700 KB.
const MOST_BYTES: u64 = 4 << 20;

/// Writes them all into one file: first who has which, then each text once.
pub(super) fn write(config: &Config, to: &Path) -> Result<()> {
    let packages = workspace::linked(config, &PACKAGES)?;
    let mut list = String::new();
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in &packages {
        let name = format!("{} {}", package.name, package.version);
        let licence = package.license.as_deref().unwrap_or("see its text");
        list.push_str(&format!("{name}: {licence}\n"));
        for text in texts_of(package)? {
            texts.entry(text).or_default().push(name.clone());
        }
    }
    for (wheel, path) in libtorch::wheels(&config.cache) {
        list.push_str(&format!("{} (libtorch's libraries): see its text\n", wheel.requirement));
        for text in texts_in(&path)? {
            texts.entry(text).or_default().push(wheel.requirement.to_owned());
        }
    }
    let mut all = format!(
        "Beside GRAIL's own code, which is under MIT or Apache-2.0 at your choice, the programs hold these packages, \
         and libtorch lies beside them.\nTheir texts, as their authors published them, follow.\n\n{list}"
    );
    let line = "-".repeat(100);
    for (text, names) in texts {
        all.push_str(&format!("\n{line}\n{}\n{line}\n\n{}\n", names.join(", "), text.trim_end()));
    }
    write_file(to, &all)
}

/// Whether a file of that name holds a licence.
fn is_licence(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["license", "licence", "copying", "notice", "unlicense"].iter().any(|begin| name.starts_with(begin))
}

fn texts_of(package: &Package) -> Result<Vec<String>> {
    let folder = package.manifest_path.parent().context("a manifest stands in a folder")?;
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {folder}"))? {
        let entry = entry.with_context(|| format!("cannot list {folder}"))?;
        if is_licence(&entry.file_name().to_string_lossy()) && entry.path().is_file() {
            let path = entry.path();
            let file = File::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
            texts.push(text(file).with_context(|| format!("cannot read {}", path.display()))?);
        }
    }
    texts.sort();
    Ok(texts)
}

fn texts_in(wheel: &Path) -> Result<Vec<String>> {
    let cannot = || format!("cannot read {}", wheel.display());
    let mut archive = ZipArchive::new(File::open(wheel).with_context(cannot)?).with_context(cannot)?;
    let names: Vec<String> = archive.file_names().map(str::to_owned).collect();
    let mut texts = Vec::new();
    for name in names {
        let file = name.rsplit('/').next().unwrap_or_default();
        if name.contains(".dist-info/") && is_licence(file) && !file.is_empty() {
            texts.push(text(archive.by_name(&name).with_context(cannot)?).with_context(cannot)?);
        }
    }
    texts.sort();
    Ok(texts)
}

fn text(reader: impl io::Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    reader.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).replace('\r', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_are_told_by_their_names() {
        for name in ["LICENSE", "LICENSE-MIT", "License.txt", "COPYING", "NOTICE", "UNLICENSE"] {
            assert!(is_licence(name), "{name}");
        }
        assert!(!is_licence("README.md") && !is_licence("src"));
    }
}

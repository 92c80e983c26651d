//! The rules of the house that no compiler checks: layers, manifests, doors and their suites, sizes, words out of place.

mod btcli;
mod doors;
mod manifests;
mod names;
mod sources;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::config::Config;
use crate::workspace::Workspace;
use crate::{layers, report};

/// Checks the whole checkout.
///
/// # Errors
/// With every problem that was found, one a line.
pub(crate) fn run(config: &Config) -> Result<()> {
    let workspace = Workspace::load(config)?;
    let files = files(&workspace.root)?;
    let mut problems = layers::check(&workspace);
    problems.extend(manifests::check(&workspace));
    problems.extend(sources::check(&workspace, &files)?);
    problems.extend(doors::check(&workspace.root, &files)?);
    problems.extend(btcli::check(&workspace.root, &files)?);
    problems.extend(names::check(&workspace, &files, |file| {
        std::fs::read_to_string(workspace.root.join(file)).ok()
    }));
    if !problems.is_empty() {
        bail!("the house is not tidy:\n  {}", problems.join("\n  "));
    }
    report::done(&format!("tidy: {} packages, {} files", workspace.members.len(), files.len()));
    Ok(())
}

/// Files that are, or are about to be, in the repository; relative to the root, in order.
fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("git")
        .current_dir(root)
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output();
    let mut files: Vec<PathBuf> = match output {
        Ok(output) if output.status.success() => {
            let list = String::from_utf8(output.stdout).context("git lists a path that is not UTF-8")?;
            list.split('\0').filter(|path| !path.is_empty()).map(PathBuf::from).collect()
        }
        // An unpacked archive has no git; then everything in the folder counts, save for build output.
        _ => {
            let mut found = Vec::new();
            walk(root, Path::new(""), &mut found)?;
            found
        }
    };
    files.retain(|path| root.join(path).is_file());
    files.sort();
    files.dedup();
    Ok(files)
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let here = root.join(folder);
    for entry in std::fs::read_dir(&here).with_context(|| format!("cannot list {}", here.display()))? {
        let entry = entry.with_context(|| format!("cannot list {}", here.display()))?;
        let path = folder.join(entry.file_name());
        if entry.path().is_dir() {
            if !["target", ".git"].iter().any(|skipped| entry.file_name() == *skipped) {
                walk(root, &path, found)?;
            }
        } else {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_checkout_is_tidy() {
        let config = Config::from_env().expect("a cache folder");
        if let Err(error) = run(&config) {
            panic!("{error:#}");
        }
    }

    #[test]
    fn an_archive_without_git_is_walked_and_build_output_left_out() {
        let home = tempfile::tempdir().expect("temporary folder");
        for path in ["src/lib.rs", "target/debug/thing"] {
            let path = home.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, "").expect("written");
        }
        let mut found = Vec::new();
        walk(home.path(), Path::new(""), &mut found).expect("walked");
        assert_eq!(found, [PathBuf::from("src/lib.rs")]);
    }
}

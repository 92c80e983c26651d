//! A member's manifest says which, the root says how: versions, edition, lints are inherited.

use std::ffi::OsStr;
use std::path::Path;

use crate::workspace::{Member, Workspace};

const INHERITED: [&str; 5] = ["version", "edition", "rust-version", "license", "publish"];

/// Problems in the manifests of all members.
pub(super) fn check(workspace: &Workspace) -> Vec<String> {
    workspace.members.iter().flat_map(|(name, member)| check_one(name, member)).collect()
}

fn check_one(name: &str, member: &Member) -> Vec<String> {
    let file = member.folder.join("Cargo.toml");
    let mut problems = Vec::new();
    let mut problem = |text: &str| problems.push(format!("{}: {text}", file.display()));
    // Rooms at the root do without the project's name.
    let short = name.strip_prefix("grail-").filter(|_| member.folder.parent() == Some(Path::new("")));
    if member.folder.file_name().is_none_or(|folder| folder != name && Some(folder) != short.map(OsStr::new))
    {
        problem(&format!("the folder is not named {name}, as the package is"));
    }
    let manifest: toml::Table = match member.manifest.parse() {
        Ok(manifest) => manifest,
        Err(error) => {
            problem(&format!("cannot be read: {error}"));
            return problems;
        }
    };
    let package = manifest.get("package");
    for key in INHERITED {
        if !inherits(package.and_then(|package| package.get(key))) {
            problem(&format!("{key} is not inherited; write `{key}.workspace = true`"));
        }
    }
    if package.and_then(|package| package.get("description")).is_none() {
        problem("has no description");
    }
    if !inherits(manifest.get("lints")) {
        problem("lints are not inherited; write `[lints]` and `workspace = true`");
    }
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let entries = manifest.get(section).and_then(toml::Value::as_table).into_iter().flatten();
        for (dependency, value) in entries {
            if !inherits(Some(value)) {
                problem(&format!(
                    "{dependency} has a version of its own; versions stand in the root manifest"
                ));
            }
        }
    }
    problems
}

fn inherits(value: Option<&toml::Value>) -> bool {
    value.and_then(|value| value.get("workspace")).and_then(toml::Value::as_bool) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[package]
name = "grail-x"
description = "x"
version.workspace = true
edition.workspace = true
rust-version.workspace = true
license.workspace = true
publish.workspace = true
[dependencies]
serde = { workspace = true, features = ["rc"] }
[lints]
workspace = true
"#;

    fn member(manifest: &str, folder: &str) -> Member {
        Member { folder: folder.into(), manifest: manifest.to_owned(), ..Member::default() }
    }

    #[track_caller]
    fn refused(from: &str, to: &str, expected: &str) {
        let problems = check_one("grail-x", &member(&GOOD.replace(from, to), "crates/grail-x"));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains(expected), "{problems:?}");
    }

    #[test]
    fn a_manifest_that_inherits_everything_is_fine() {
        assert_eq!(check_one("grail-x", &member(GOOD, "crates/grail-x")), Vec::<String>::new());
    }

    #[test]
    fn what_is_not_inherited_is_named() {
        refused("edition.workspace = true", "edition = \"2021\"", "edition is not inherited");
        refused("[lints]\nworkspace = true", "", "lints are not inherited");
        refused(
            "serde = { workspace = true, features = [\"rc\"] }",
            "serde = \"1\"",
            "serde has a version of its own",
        );
        refused("description = \"x\"", "", "has no description");
    }

    #[test]
    fn the_folder_has_the_name_of_the_package() {
        let problems = check_one("grail-x", &member(GOOD, "crates/x"));
        assert_eq!(problems, ["crates/x/Cargo.toml: the folder is not named grail-x, as the package is"]);
        assert_eq!(check_one("grail-x", &member(GOOD, "x")), Vec::<String>::new(), "a room at the root");
    }
}

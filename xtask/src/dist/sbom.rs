//! What went into the programs, as CycloneDX: written by cargo-cyclonedx, with libtorch's wheels beside the packages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::write as write_file;
use crate::config::Config;
use crate::workspace::{Workspace, root};
use crate::{cargo, libtorch, tool};

/// The version that is installed where it is missing.
const VERSION: &str = "0.5.9";
/// The packages whose programs are in the archive, each a file.
const PACKAGES: [&str; 2] = ["grail-cli", "grail-programs"];
/// What cargo-cyclonedx calls its files, one beside each manifest of the workspace; they are taken away at once.
const NAME: &str = "sbom.partial";

/// Writes a file a package of programs into the folder.
pub(super) fn write(config: &Config, folder: &Path) -> Result<()> {
    let program = tool::ensure(config, "cargo-cyclonedx", VERSION)?;
    let workspace = Workspace::load(config)?;
    let files: Vec<(&String, PathBuf)> = workspace
        .members
        .iter()
        .map(|(name, member)| (name, workspace.root.join(&member.folder).join(format!("{NAME}.json"))))
        .collect();
    let mut make = Command::new(program);
    make.current_dir(root()?)
        .args(["cyclonedx", "--quiet", "--format", "json", "--spec-version", "1.5", "--no-build-deps"])
        .args(["--target", "x86_64-unknown-linux-gnu", "--override-filename", NAME, "--manifest-path"])
        .arg(root()?.join("Cargo.toml"))
        .envs(cargo::variables(config, None))
        // Without the time of the build, and the serial number that it draws otherwise: the same programs have the same bill.
        .env("SOURCE_DATE_EPOCH", super::commit_time().to_string())
        .env_remove("CARGO_MANIFEST_DIR")
        .env_remove("CARGO_MANIFEST_PATH");
    let outcome = cargo::run(&mut make).and_then(|()| {
        for (name, file) in files.iter().filter(|(name, _)| PACKAGES.contains(&name.as_str())) {
            let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            // No folder of this machine in what is given to others.
            let text = text.replace(&root()?.display().to_string(), "/grail");
            let mut bill: Value = serde_json::from_str(&text).context("cargo-cyclonedx wrote no JSON")?;
            if *name == "grail-programs" {
                let list =
                    bill["components"].as_array_mut().context("a bill of materials lists components")?;
                list.extend(
                    libtorch::wheels(&config.cache)
                        .iter()
                        .map(|(wheel, _)| component(wheel.requirement, wheel.sha256)),
                );
            }
            write_file(
                &folder.join(format!("{name}.cdx.json")),
                &format!("{}\n", serde_json::to_string_pretty(&bill)?),
            )?;
        }
        Ok(())
    });
    for (_, file) in files.iter().filter(|(_, file)| file.exists()) {
        fs::remove_file(file).with_context(|| format!("cannot remove {}", file.display()))?;
    }
    outcome
}

/// A wheel as a component; its requirement is `name==version`.
fn component(requirement: &str, sha256: &str) -> Value {
    let (name, version) = requirement.split_once("==").unwrap_or((requirement, ""));
    let purl = format!("pkg:pypi/{name}@{version}");
    json!({
        "type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl, "scope": "required",
        "hashes": [{ "alg": "SHA-256", "content": sha256 }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wheel_is_a_component_with_its_digest() {
        let found = component("torch==2.11.0", "00ff");
        assert_eq!(found["purl"], "pkg:pypi/torch@2.11.0");
        assert_eq!(found["hashes"][0]["content"], "00ff");
    }
}

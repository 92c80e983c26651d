//! cargo-deny: licences, banned packages, sources and advisories of every workspace with a lock file of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Result;

use crate::config::Config;
use crate::workspace::root;
use crate::{cargo, report, tool};

/// The version that is installed where it is missing; another one may judge otherwise.
const VERSION: &str = "0.20.2";

/// Where lock files of ours stand, below the root of the checkout.
const WORKSPACES: [&str; 2] = [".", "devchain"];

/// Checks licences, bans and sources. Advisories are looked at where their list can be fetched; what they say is
/// printed and decides nothing, since that list changes from day to day and a change to the code does not.
///
/// Returns why nobody looked at advisories, where nobody could.
///
/// # Errors
/// When cargo-deny cannot be installed, or finds something.
pub(crate) fn check(config: &Config) -> Result<Option<String>> {
    let program = tool::ensure(config, "cargo-deny", VERSION)?;
    let mut advisories = None;
    for workspace in WORKSPACES.iter().filter_map(|folder| workspace(root().ok()?, folder)) {
        let deny = |words: &[&str]| -> Result<Command> {
            let mut deny = command(config, &program, &workspace)?;
            deny.args(words);
            Ok(deny)
        };
        cargo::run(&mut deny(&["check", "bans", "licenses", "sources"])?)?;
        if advisories.is_some() {
            continue;
        }
        // Where the list cannot be fetched, that is said once and for all workspaces.
        let fetched = deny(&["fetch", "db"])?.stdin(Stdio::null()).output();
        if fetched.is_ok_and(|output| output.status.success()) {
            if cargo::run(&mut deny(&["--offline", "check", "advisories"])?).is_err() {
                report::note(
                    "advisories speak of what we build with, see above: renew it, or say in deny.toml why not",
                );
            }
        } else {
            advisories = Some("their list at github.com/rustsec cannot be fetched from here".to_owned());
        }
    }
    Ok(advisories)
}

/// The manifest of a folder that has a lock file.
fn workspace(root: &Path, folder: &str) -> Option<PathBuf> {
    let folder = root.join(folder);
    folder.join("Cargo.lock").is_file().then(|| folder.join("Cargo.toml"))
}

fn command(config: &Config, program: &Path, manifest: &Path) -> Result<Command> {
    let mut deny = Command::new(program);
    deny.current_dir(root()?)
        .envs(cargo::variables(config, None))
        .env_remove("CARGO_MANIFEST_DIR")
        .env_remove("CARGO_MANIFEST_PATH")
        .arg("--manifest-path")
        .arg(manifest)
        .args(["--config", "deny.toml", "--locked"]);
    Ok(deny)
}

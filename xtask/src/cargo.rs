//! Calls of cargo with the right target folder and, where native crates take part, the right libtorch.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::config::Config;
use crate::{libtorch, workspace};

/// A cargo command in the root of the checkout, with its terminal.
///
/// `libtorch` is the folder with the library, where the command may build native crates.
///
/// # Errors
/// When the root of the checkout cannot be named.
pub(crate) fn command(config: &Config, libtorch: Option<&Path>) -> Result<Command> {
    let root = workspace::root()?;
    claim(&config.target_dir, root)?;
    let mut command = Command::new(&config.cargo);
    command
        .current_dir(root)
        .envs(variables(config, libtorch))
        // An outer `cargo run` names our own manifest here; the inner cargo must find its own.
        .env_remove("CARGO_MANIFEST_DIR")
        .env_remove("CARGO_MANIFEST_PATH");
    Ok(command)
}

/// A cargo command in the workspace of the development chain, which has a lock file of its own. The target folder is the
/// same, so that what both are built with is compiled once.
///
/// # Errors
/// When the root of the checkout cannot be named.
pub(crate) fn devchain(config: &Config) -> Result<Command> {
    let mut command = command(config, None)?;
    command.current_dir(workspace::root()?.join("devchain"));
    Ok(command)
}

/// The file in a target folder that says whose checkout it was last built from.
const CHECKOUT: &str = "checkout";

/// Makes the target folder this checkout's: where another one built last, what it built of our own packages is
/// forgotten, and built again.
///
/// Cargo tells packages of two checkouts apart by nothing but the age of their files, so with one folder for all it would
/// take the other checkout's programs and tests for ours. What was built of other people's packages stays.
fn claim(target: &Path, root: &Path) -> Result<()> {
    let note = target.join(CHECKOUT);
    let ours = root.as_os_str().as_encoded_bytes();
    if fs::read(&note).is_ok_and(|theirs| theirs == ours) {
        return Ok(());
    }
    let list = |folder: &Path| -> Vec<PathBuf> {
        fs::read_dir(folder).map(|all| all.flatten().map(|entry| entry.path()).collect()).unwrap_or_default()
    };
    let own = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("grail-") || name.starts_with("xtask-")
    };
    for print in list(target).iter().flat_map(|profile| list(&profile.join(".fingerprint"))).filter(own) {
        fs::remove_dir_all(&print).with_context(|| format!("cannot remove {}", print.display()))?;
    }
    fs::create_dir_all(target).with_context(|| format!("cannot make {}", target.display()))?;
    fs::write(&note, ours).with_context(|| format!("cannot write {}", note.display()))
}

/// The variables that go with every build and every program that was built.
pub(crate) fn variables(config: &Config, libtorch: Option<&Path>) -> Vec<(&'static str, OsString)> {
    let mut variables = vec![
        ("CARGO_TARGET_DIR", config.target_dir.clone().into_os_string()),
        ("GRAIL_CACHE_DIR", config.cache.root().as_os_str().to_owned()),
    ];
    if let Some(place) = libtorch {
        variables.extend(libtorch::variables(config, place));
    }
    variables
}

/// Runs a command to its end, on this terminal.
///
/// # Errors
/// When it cannot be started, or fails; the message repeats the command.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status =
        command.stdin(Stdio::null()).status().with_context(|| format!("cannot start {}", shown(command)))?;
    if !status.success() {
        bail!("`{}` failed ({status})", shown(command));
    }
    Ok(())
}

/// A command as a person would type it, without the variables.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| quoted(&word.to_string_lossy())).collect::<Vec<_>>().join(" ")
}

/// A word as a shell would read it back.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./=:,+@%".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_checkouts_builds_of_our_packages_are_forgotten_and_nothing_else() {
        let target = tempfile::tempdir().expect("a folder");
        let prints = target.path().join("debug/.fingerprint");
        let build = || {
            for name in ["grail-protocol-0a", "grail-1b", "xtask-2c", "serde-3d"] {
                fs::create_dir_all(prints.join(name)).expect("a fingerprint");
            }
        };
        let left = || fs::read_dir(&prints).expect("fingerprints").count();
        build();
        claim(target.path(), Path::new("/here")).expect("claimed");
        assert_eq!(left(), 1, "nobody knows whose those were");
        build();
        claim(target.path(), Path::new("/here")).expect("still ours");
        assert_eq!(left(), 4);
        claim(target.path(), Path::new("/there")).expect("claimed");
        assert_eq!(left(), 1);
        assert!(prints.join("serde-3d").exists());
    }

    #[test]
    fn a_command_is_shown_as_it_would_be_typed() {
        let mut command = Command::new("/some/where/cargo");
        command.args(["test", "--", "a name", "it's"]);
        assert_eq!(shown(&command), r"cargo test -- 'a name' 'it'\''s'");
    }

    #[test]
    fn a_failing_command_is_named_with_its_status() {
        let error = run(Command::new("false").arg("now")).expect_err("fails").to_string();
        assert_eq!(error, "`false now` failed (exit status: 1)");
    }

    #[test]
    fn a_command_that_does_not_exist_is_named() {
        let error = run(&mut Command::new("no-such-program")).expect_err("fails").to_string();
        assert_eq!(error, "cannot start no-such-program");
    }
}

//! Calls of cargo with the right target folder and, where native crates take part, the right libtorch.

use std::ffi::OsString;
use std::path::Path;
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
    let mut command = Command::new(&config.cargo);
    command
        .current_dir(workspace::root()?)
        .envs(variables(config, libtorch))
        // An outer `cargo run` names our own manifest here; the inner cargo must find its own.
        .env_remove("CARGO_MANIFEST_DIR")
        .env_remove("CARGO_MANIFEST_PATH");
    Ok(command)
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

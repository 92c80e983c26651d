//! `cargo xtask demo`: from a fresh clone to a network on one machine.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::config::Config;
use crate::workspace::{Workspace, root};
use crate::{cargo, libtorch, model, report};

/// What goes on to `grail devnet demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Arguments for `grail devnet demo`, for instance `--windows 2`; see its --help
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

/// Fetches and builds what is missing, then hands the terminal to the demo. Its exit code is ours.
///
/// # Errors
/// When a step before the demo fails, or the demo cannot be started.
pub(crate) fn run(config: &Config, args: &Args) -> Result<ExitCode> {
    let library = libtorch::ensure(config)?;
    let model = model::ensure_smollm2(&config.cache)?;
    let workspace = Workspace::load(config)?;
    let programs = programs(&workspace);
    report::step(&format!("building {}", programs.join(", ")));
    let mut build = cargo::command(config, Some(&library))?;
    build.args(["build", "--locked", "--bins"]);
    for program in &programs {
        build.args(["--package", program]);
    }
    cargo::run(&mut build)?;

    let binaries = config.target_dir.join("debug");
    let mut demo = demo(&binaries, &model, &root()?.join("target").join("demo"), &args.rest);
    demo.envs(cargo::variables(config, Some(&library)));
    report::step(&cargo::shown(&demo));
    let status = demo.status().with_context(|| format!("cannot start {}", cargo::shown(&demo)))?;
    // A program that was ended by a signal has no code of its own.
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

/// Packages of the programs: everything in `bins/`.
fn programs(workspace: &Workspace) -> Vec<&str> {
    let in_bins = workspace.members.iter().filter(|(_, member)| member.folder.starts_with("bins"));
    in_bins.map(|(name, _)| name.as_str()).collect()
}

fn demo(binaries: &Path, model: &Path, out: &Path, rest: &[OsString]) -> Command {
    let mut demo = Command::new(binaries.join("grail"));
    demo.args(["devnet", "demo", "--model"]).arg(model);
    demo.arg("--bin-dir").arg(binaries).arg("--out").arg(out).args(rest);
    demo
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::tests::fake;

    #[test]
    fn programs_are_the_packages_in_bins() {
        let workspace = fake(&["grail-cli:", "grail-miner:", "grail-store:"], &[]);
        assert_eq!(programs(&workspace), ["grail-cli", "grail-miner"]);
    }

    #[test]
    fn the_demo_gets_its_folders_and_what_was_typed_after_them() {
        let demo = demo(Path::new("/b"), Path::new("/m"), Path::new("/o"), &["--windows".into(), "2".into()]);
        assert_eq!(cargo::shown(&demo), "grail devnet demo --model /m --bin-dir /b --out /o --windows 2");
    }
}

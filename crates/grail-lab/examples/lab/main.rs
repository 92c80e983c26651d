//! The laboratory on the command line: `cargo xtask adversaries` and `cargo xtask calibrate` run it.
//!
//! Results go to standard output, what happens meanwhile to standard error.

mod adversaries;
mod calibrate;
mod states;
mod table;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use grail_env::{Environment, arith::Arith};
use grail_lab::stand::StandSetup;
use grail_protocol::profile::NumericProfile;
use grail_torch::{ComputePlace, Dtype};
use indicatif::{ProgressBar, ProgressStyle};
use std::{path::PathBuf, process::ExitCode};

/// Lies against the court, and honest machines against the thresholds.
#[derive(Debug, Parser)]
#[command(name = "lab", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Commands,
}

#[derive(Debug, Subcommand)]
enum Commands {
    /// Send every lie through the court and count what becomes of it; the exit code is 0 only if all is as it must be
    Adversaries(adversaries::Args),
    /// Measure honest miners against honest validators, and write the profile file
    Calibrate(calibrate::Args),
    /// Write hidden states of honest and lying miners for proofs of other makes
    States(states::Args),
}

/// Models that the laboratory knows how to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Model {
    /// The tiny model that comes with the project, on sums up to 9 + 9
    Tiny,
    /// SmolLM2-135M-Instruct, on satisfiability
    Smollm2,
}

impl Model {
    fn setup(
        self,
        folder: PathBuf,
        computing: (Dtype, ComputePlace),
        threads: usize,
        cap: Option<u32>,
    ) -> Result<StandSetup> {
        let (name, environment, max_new_tokens) = match self {
            Self::Tiny => ("tiny", Environment::Arith(Arith::new(1)?), 48),
            Self::Smollm2 => ("smollm2", Environment::Sat, 128),
        };
        let max_new_tokens = cap.unwrap_or(max_new_tokens);
        Ok(StandSetup {
            name: name.into(),
            folder,
            environment,
            max_new_tokens,
            dtype: computing.0,
            place: computing.1,
            kernels: grail_torch::Kernels::Fastest,
            threads,
            batch_rows: match self {
                Self::Tiny => 64,
                Self::Smollm2 => 16,
            },
        })
    }
}

/// A number format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    F32,
    Bf16,
}

impl Format {
    const ALL: [Self; 2] = [Self::F32, Self::Bf16];

    const fn dtype(self) -> Dtype {
        match self {
            Self::F32 => Dtype::F32,
            Self::Bf16 => Dtype::Bf16,
        }
    }

    const fn profile(self) -> NumericProfile {
        match self {
            Self::F32 => NumericProfile::StrictF32,
            Self::Bf16 => NumericProfile::StrictBf16,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Commands::Adversaries(args) => adversaries::run(&args),
        Commands::Calibrate(args) => calibrate::run(&args),
        Commands::States(args) => states::run(&args).map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => tell(&error),
    }
}

#[expect(clippy::print_stderr, reason = "the error of a program for people")]
fn tell(error: &anyhow::Error) -> ExitCode {
    eprintln!("{} {error:#}", console::style("error:").for_stderr().red().bold());
    ExitCode::from(2)
}

/// A bar over a known number of steps. Where nobody watches it stays silent.
fn bar(what: &str) -> Result<ProgressBar> {
    let style = ProgressStyle::with_template("{msg:<28} [{bar:30}] {pos:>6}/{len:<6} {elapsed:>5} eta {eta}")
        .context("a template of ours")?;
    let bar = ProgressBar::new(1).with_style(style);
    bar.set_message(what.to_owned());
    Ok(bar)
}

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
    /// The same in brain floats
    Smollm2Bf16,
}

impl Model {
    /// As it is written on the command line and in tables.
    const fn name(self) -> &'static str {
        match self {
            Self::Tiny => "tiny",
            Self::Smollm2 => "smollm2",
            Self::Smollm2Bf16 => "smollm2-bf16",
        }
    }

    fn setup(
        self,
        folder: PathBuf,
        computing: (Dtype, ComputePlace),
        threads: usize,
        cap: Option<u32>,
    ) -> Result<StandSetup> {
        let (environment, max_new_tokens) = match self {
            Self::Tiny => (Environment::Arith(Arith::new(1)?), 48),
            Self::Smollm2 | Self::Smollm2Bf16 => (Environment::Sat, 128),
        };
        let max_new_tokens = cap.unwrap_or(max_new_tokens);
        Ok(StandSetup {
            name: self.name().into(),
            folder,
            environment,
            max_new_tokens,
            dtype: computing.0,
            place: computing.1,
            kernels: grail_torch::Kernels::Fastest,
            threads,
            batch_rows: match self {
                Self::Tiny => 64,
                Self::Smollm2 | Self::Smollm2Bf16 => 16,
            },
        })
    }
}

/// The arithmetic that an experiment asks for, as it is written on the command line: one that a profile offers.
fn arithmetic(text: &str) -> Result<Dtype, String> {
    match text {
        "f32" => Ok(Dtype::F32),
        "bf16" => Err(NumericProfile::StrictBf16.retired().unwrap_or("nothing is made with it").to_owned()),
        _ => Err(format!("{text:?} is no arithmetic; there is f32")),
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

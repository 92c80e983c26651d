//! `grail-trainer`: learns from rollouts that the court accepted, and publishes checkpoints that everyone follows.

use clap::Parser as _;
use grail_node::local::Subnets;
use grail_programs::{program, train};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = train::TrainCli::parse();
    program::start(cli.log, train::run(&Subnets::of(Some("train")), cli.command))
}

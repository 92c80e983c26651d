//! `grail-validator`: fetches windows, recomputes everything, says why, sets weights.

use clap::Parser as _;
use grail_node::local::Subnets;
use grail_programs::{program, validate};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = validate::ValidateCli::parse();
    program::start(cli.log, validate::run(&Subnets::of(Some("validate")), cli.command))
}

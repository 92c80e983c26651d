//! `grail-miner`: answers problems with a model, proves each token, uploads windows.

use clap::Parser as _;
use grail_node::local::Subnets;
use grail_programs::{mine, program};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = mine::MineCli::parse();
    program::start(cli.log, mine::run(&Subnets::of(Some("mine")), cli.command))
}

//! `grail`: the operator's tool.

use grail_node::local::Subnets;
use std::process::ExitCode;

fn main() -> ExitCode {
    grail_cli::run(&Subnets::of(None))
}

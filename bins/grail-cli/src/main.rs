//! `grail`: the operator's tool.

use grail_node::devnets::Devnets;
use std::process::ExitCode;

fn main() -> ExitCode {
    grail_cli::run(&Devnets)
}

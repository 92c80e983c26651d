//! `grail-devnet`: networks on this machine.

use std::process::ExitCode;

fn main() -> ExitCode {
    grail_demo::run()
}

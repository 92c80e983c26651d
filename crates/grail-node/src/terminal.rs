//! How a program speaks to a terminal, a file and a pipe: colours for people alone, and a quiet end where nobody reads on.

use std::{io, panic, process};

/// The exit code of a program whose reader went away: what a shell says of one that the system ended for it (128 + SIGPIPE).
pub const NOBODY_READS: u8 = 141;

/// EPIPE, on every system that these programs are built for.
const CLOSED_PIPE: i32 = 32;

/// Called once, first thing, by every program.
///
/// Printing to a pipe that nobody reads any more (`grail config show | head -1`) panics in Rust. Handing the signal back to
/// the system would be simpler, and would end a role over any socket that its other side closes; so that one panic ends the
/// program, and nothing is said.
pub fn begin() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let told = info.payload();
        let told = told.downcast_ref::<String>().map(String::as_str).or(told.downcast_ref::<&str>().copied());
        if told.is_some_and(is_closed_pipe) {
            process::exit(NOBODY_READS.into());
        }
        usual(info);
    }));
}

/// As `print!` and `eprint!` of the standard library put it.
fn is_closed_pipe(told: &str) -> bool {
    let closed = io::Error::from_raw_os_error(CLOSED_PIPE).to_string();
    told.starts_with("failed printing to std") && told.ends_with(&closed)
}

/// The word before an error on standard error, for people.
pub fn error_mark() -> console::StyledObject<&'static str> {
    // Said of the stream that it goes to: the other one may be a file.
    console::style("error:").for_stderr().red().bold()
}

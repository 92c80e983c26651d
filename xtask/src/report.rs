//! What xtask says on the terminal: steps, notes, bars. All of it goes to standard error,
//! so that standard output carries results only (exports, tables, JSON lines).
#![expect(clippy::print_stderr, reason = "this module is the voice of a program")]

use std::time::{Duration, Instant};

use console::style;
use indicatif::{ProgressBar, ProgressStyle};

/// The exit code where whoever read the output went away (`cargo xtask bench --list | head -1`), as a shell has it.
pub(crate) const NOBODY_READS: u8 = 141;

/// Called first: a closed pipe ends a command, and nothing is said. `grail_node::terminal` has the reasons.
pub(crate) fn begin() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let closed =
            |told: &str| told.starts_with("failed printing to std") && told.contains("(os error 32)");
        let told = info.payload();
        let told = told.downcast_ref::<String>().map(String::as_str).or(told.downcast_ref::<&str>().copied());
        if told.is_some_and(closed) {
            std::process::exit(NOBODY_READS.into());
        }
        usual(info);
    }));
}

/// Whether a result could not be written because nobody reads any more.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let closed = |error: &std::io::Error| error.kind() == std::io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| cause.downcast_ref().is_some_and(closed))
}

/// Announces a step of a longer command.
pub(crate) fn step(text: &str) {
    eprintln!("{} {}", style("→").for_stderr().cyan().bold(), style(text).for_stderr().bold());
}

/// Says something in passing.
pub(crate) fn note(text: &str) {
    eprintln!("  {text}");
}

/// Says that something is in order.
pub(crate) fn done(text: &str) {
    eprintln!("{} {text}", style("✓").for_stderr().green().bold());
}

/// Says that something was left out, and why.
pub(crate) fn skipped(what: &str, why: &str) {
    eprintln!("{} skipped {what}: {why}", style("–").for_stderr().yellow().bold());
}

/// Prints an error with its chain of causes.
pub(crate) fn failure(error: &anyhow::Error) {
    eprintln!("{} {error}", style("error:").for_stderr().red().bold());
    for cause in error.chain().skip(1) {
        eprintln!("  caused by: {cause}");
    }
}

/// A bar over a known number of bytes. Where nobody watches (no terminal) it stays silent.
pub(crate) fn bytes_bar(what: &str, total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total);
    let template =
        "  {msg:<28} [{bar:30.cyan/dim}] {bytes:>10}/{total_bytes:<10} {bytes_per_sec:>12} eta {eta}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("━╸ "));
    }
    bar.set_message(what.to_owned());
    bar
}

/// Measures how long a step takes, for the report only.
#[derive(Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    #[expect(clippy::disallowed_methods, reason = "durations here are shown to a person and decide nothing")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// `850 ms`, `12.3 s`, `4 min 05 s`.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => format!("{} ms", time.as_millis()),
        1..60 => format!("{:.1} s", time.as_secs_f64()),
        _ => format!("{} min {:02} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_in_the_unit_a_person_would_choose() {
        assert_eq!(duration(Duration::from_millis(850)), "850 ms");
        assert_eq!(duration(Duration::from_millis(12_340)), "12.3 s");
        assert_eq!(duration(Duration::from_secs(245)), "4 min 05 s");
    }
}

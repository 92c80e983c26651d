//! How checkpoints are shown to people, and to scripts.

use grail_protocol::words::UnixMillis;
use grail_store::checkpoint::{CheckpointRefusal, DownloadProgress, Tell};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use serde::Serialize;
use std::sync::Arc;

/// Bytes in a unit that people read.
pub(crate) fn bytes(count: u64) -> String {
    HumanBytes(count).to_string()
}

/// A refusal with all its causes.
pub(crate) fn reason(refusal: &CheckpointRefusal) -> String {
    let mut text = refusal.to_string();
    let mut cause = std::error::Error::source(refusal);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// A time as `2026-01-31 12:00:00Z`.
pub(crate) fn utc(at: UnixMillis) -> String {
    let seconds = at.0 / 1_000;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Years that begin in March have their leap day at the end; eras of 400 of them are all alike.
    let days = days.saturating_add(719_468);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = 400 * era + year + next;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}Z")
}

/// A bar on the terminal's error stream, and what moves it. Without a terminal nothing is drawn.
pub(crate) fn bar(message: &'static str) -> (ProgressBar, Tell) {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{msg} [{bar:40}] {bytes}/{total_bytes} {bytes_per_sec}")
    {
        bar.set_style(style);
    }
    bar.set_message(message);
    let moved = bar.clone();
    let tell = move |DownloadProgress { done, total }| {
        // Each checkpoint of a chain has a length of its own.
        moved.set_length(total);
        moved.set_position(done);
    };
    (bar, Arc::new(tell))
}

/// Prints one value as JSON.
#[expect(clippy::print_stdout, reason = "the result of a program for scripts")]
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00Z"),
            (951_782_399, "2000-02-28 23:59:59Z"),
            (951_782_400, "2000-02-29 00:00:00Z"),
            (951_868_800, "2000-03-01 00:00:00Z"),
            (1_735_689_599, "2024-12-31 23:59:59Z"),
            (1_772_323_200, "2026-03-01 00:00:00Z"),
            (4_107_542_400, "2100-03-01 00:00:00Z"),
        ] {
            assert_eq!(utc(UnixMillis(seconds * 1_000)), text);
        }
        utc(UnixMillis(u64::MAX));
    }
}

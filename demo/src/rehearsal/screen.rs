//! What a person sees while the rehearsal runs: a bar for the window, a line for each participant.

use super::{cast::Actor, troupe::Line};
use grail_protocol::{
    params::Params,
    words::{BlockNumber, UnixMillis},
};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};

/// The live picture.
pub(super) struct Screen {
    all: MultiProgress,
    window: ProgressBar,
    actors: BTreeMap<&'static str, ProgressBar>,
}

impl Screen {
    pub(super) fn new(cast: &[Actor]) -> Self {
        let all = MultiProgress::new();
        let window = all.add(ProgressBar::new(0));
        // Templates are literals of ours; a broken one falls back to the plain style.
        if let Ok(style) = ProgressStyle::with_template("{msg:28} [{bar:40.cyan/blue}] {pos}/{len} blocks") {
            window.set_style(style.progress_chars("━╸ "));
        }
        let mut actors = BTreeMap::new();
        for actor in cast {
            let bar = all.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("  {spinner} {prefix:12} {wide_msg}") {
                bar.set_style(style);
            }
            bar.set_prefix(actor.name);
            bar.set_message("loading the model");
            bar.enable_steady_tick(Duration::from_millis(120));
            actors.insert(actor.name, bar);
        }
        Self { all, window, actors }
    }

    /// Moves the window's bar to the newest block.
    pub(super) fn at(&self, params: &Params, head: BlockNumber, env: &str, judged: usize, wanted: u32) {
        let window = params.window_of(head);
        self.window.set_length(params.window_length);
        self.window.set_position(head.0 + 1 - window.0);
        self.window.set_message(format!("window {window} {env} · judged {judged}/{wanted}"));
    }

    /// Shows what a participant said; warnings and results also stay on the screen as lines.
    pub(super) fn show(&self, line: &Line) {
        let Some(bar) = self.actors.get(line.actor) else { return };
        let text = |key: &str| line.event.get(key).and_then(Value::as_str).unwrap_or_default();
        let number = |key: &str| line.event.get(key).and_then(Value::as_u64).unwrap_or_default();
        match text("message") {
            "generating" => bar.set_message(format!(
                "answering group {}: {} tokens, {} rows live",
                number("group"),
                number("tokens"),
                number("rows")
            )),
            "verifying" => bar.set_message(format!(
                "verifying {}: group {} of {}",
                text("miner"),
                number("done"),
                number("of")
            )),
            "" => {
                if let Value::String(plain) = &line.event {
                    self.keep(line.actor, plain);
                }
            }
            message => {
                bar.set_message(message.to_owned());
                let told = matches!(
                    text("event"),
                    "uploaded"
                        | "judged"
                        | "weights"
                        | "kept-back"
                        | "empty"
                        | "trained"
                        | "published"
                        | "examined"
                );
                if told || matches!(text("level"), "WARN" | "ERROR") {
                    let fault = text("fault");
                    let fault = if fault.is_empty() { String::new() } else { format!(": {fault}") };
                    self.keep(line.actor, &format!("{message}{fault}"));
                }
            }
        }
    }

    /// A line that stays.
    pub(super) fn keep(&self, actor: &str, text: &str) {
        let line = format!("{} {text}", console::style(format!("{actor:>12}")).for_stderr().bold());
        // Without a terminal the bars are hidden, and println with them.
        if self.all.is_hidden() || self.all.println(&line).is_err() {
            self.plain(&line);
        }
    }

    #[expect(clippy::print_stderr, reason = "the picture of a program for people")]
    fn plain(&self, line: &str) {
        eprintln!("{line}");
    }

    pub(super) fn clear(&self) {
        for bar in self.actors.values() {
            bar.finish_and_clear();
        }
        self.window.finish_and_clear();
    }
}

/// Seconds between two moments, for people.
pub(super) fn seconds(from: UnixMillis, to: UnixMillis) -> f64 {
    to.since(from) as f64 / 1e3
}

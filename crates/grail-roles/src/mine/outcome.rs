//! What came of a window, and how it is told.

use crate::environments::short;
use grail_ports::shelf::ObjectMeta;
use grail_protocol::{
    seed::WindowContext,
    words::{EnvId, WindowStart},
};
use grail_verify::MinerReport;

/// What came of a window.
#[derive(Debug)]
pub struct MinedWindow {
    /// Which window.
    pub window: WindowStart,
    /// What its environment was.
    pub env: EnvId,
    /// Groups in the file.
    pub groups: u32,
    /// Rollouts in the file.
    pub rollouts: usize,
    /// Rollouts whose answer is right.
    pub successes: usize,
    /// Mean reward of the file's rollouts; 0 for none.
    pub mean_reward: f64,
    /// Completion tokens.
    pub tokens: u64,
    /// Milliseconds spent answering.
    pub answering_ms: u64,
    /// What the validator's own code says of the file, where it was asked.
    pub self_check: Option<MinerReport>,
    /// What happened to the file.
    pub upload: Upload,
}

/// What happened to a window's file.
#[derive(Debug)]
pub enum Upload {
    /// It lies on the shelf.
    Stored {
        /// What the store says of it.
        meta: ObjectMeta,
        /// Milliseconds between its time and the deadline; negative when it is late.
        margin_ms: i64,
    },
    /// The own check found something against it, so it was kept back.
    KeptBack,
    /// No group was finished in time.
    Empty,
    /// The window asks first for something that nobody can answer, or that this machine lacks the data for.
    LeftOut {
        /// Why.
        why: String,
    },
    /// The first group was not finished in the time that it had.
    TooSlow(TooSlow),
}

/// A first group that did not end in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooSlow {
    /// Milliseconds that it had.
    pub had_ms: u64,
    /// Completion tokens drawn in them, all rollouts together.
    pub drawn: u64,
    /// Most completion tokens of a group: its rollouts, each as long as the cap.
    pub most: u64,
}

impl TooSlow {
    /// Milliseconds for a group of the greatest length at the speed that was seen; `None` where no token was drawn.
    pub fn whole_ms(&self) -> Option<u64> {
        let whole = u128::from(self.had_ms) * u128::from(self.most);
        whole.checked_div(u128::from(self.drawn)).map(|whole| u64::try_from(whole).unwrap_or(u64::MAX))
    }
}

impl std::fmt::Display for TooSlow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = |millis: u64| millis as f64 / 1e3;
        let Self { had_ms, drawn, most } = self;
        write!(
            f,
            "the first group was not finished in the {:.0} s that it had: {drawn} of at most {most} tokens drawn",
            seconds(*had_ms)
        )?;
        if let Some(whole) = self.whole_ms() {
            write!(f, ", and all of them would take about {:.0} s", seconds(whole))?;
        }
        f.write_str(
            "; this machine is too slow for the network as it is set up: a larger generation batch \
             (GRAIL_GENERATION_BATCH_SIZE, up to 16), more threads (GRAIL_THREADS) or another device (GRAIL_DEVICE) is \
             faster",
        )
    }
}

impl MinedWindow {
    /// A window of which there is no file.
    pub(super) fn without_file(context: &WindowContext, upload: Upload) -> Self {
        Self {
            window: context.window,
            env: context.env.clone(),
            groups: 0,
            rollouts: 0,
            successes: 0,
            mean_reward: 0.0,
            tokens: 0,
            answering_ms: 0,
            self_check: None,
            upload,
        }
    }

    /// The one line about a window that an operator reads, and the reasons when something is wrong.
    pub fn log(&self) {
        let rate =
            if self.answering_ms == 0 { 0.0 } else { self.tokens as f64 * 1e3 / self.answering_ms as f64 };
        let summary = format!(
            "window {} {}: {} groups, {} rollouts, {} right, mean reward {:.3}, {} tokens at {:.0}/s",
            self.window,
            short(&self.env),
            self.groups,
            self.rollouts,
            self.successes,
            self.mean_reward,
            self.tokens,
            rate
        );
        match &self.upload {
            Upload::Stored { meta, margin_ms } => tracing::info!(
                target: "grail::mine",
                event = "uploaded", window = self.window.0, rollouts = self.rollouts, right = self.successes,
                mean_reward = self.mean_reward, tokens_per_second = rate, bytes = meta.size, margin_ms,
                "{summary}; uploaded {} bytes, {:.1} s before the deadline", meta.size, *margin_ms as f64 / 1e3
            ),
            Upload::KeptBack => tracing::error!(
                target: "grail::mine", event = "kept-back", window = self.window.0,
                "{summary}; NOT uploaded: the validator would refuse it"
            ),
            Upload::Empty => tracing::warn!(
                target: "grail::mine", event = "empty", window = self.window.0,
                "{summary}; nothing to upload"
            ),
            Upload::LeftOut { why } => tracing::warn!(
                target: "grail::mine", event = "left-out", window = self.window.0,
                "window {} {} is left out, since its first group cannot be answered: {why}", self.window,
                short(&self.env)
            ),
            Upload::TooSlow(slow) => tracing::warn!(
                target: "grail::mine", event = "too-slow", window = self.window.0, drawn = slow.drawn,
                had_ms = slow.had_ms, "window {} {}: {slow}", self.window, short(&self.env)
            ),
        }
        for (place, rejection) in self.self_check.iter().flat_map(MinerReport::rejections).take(8) {
            let place = place.map(|(group, rollout)| format!("group {group} rollout {rollout}"));
            tracing::error!(
                target: "grail::mine", code = rejection.code(), place = place.as_deref().unwrap_or("file"),
                "{}", rejection.explain()
            );
        }
    }
}

//! Where time goes, for people who tune; no result depends on it.

use std::time::{Duration, Instant};

/// Where the time of a generation went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Effort {
    /// Forward passes and output heads, prompts included.
    pub model: Duration,
    /// Drawing tokens.
    pub draw: Duration,
    /// Fetching and sketching hidden states.
    pub proof: Duration,
    /// Everything.
    pub total: Duration,
    /// Tokens drawn.
    pub tokens: u64,
    /// Decoding steps.
    pub steps: u64,
    /// How often the batch was halved because memory ran out.
    pub halvings: u32,
}

/// Measures how long something takes.
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "a duration is measured; no moment enters any result")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

//! When to mine, and when to stop: pure decisions over times and estimates.

use grail_ports::chain::Block;
use grail_protocol::{
    params::Params,
    words::{UnixMillis, WindowStart},
};

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Mine this window; its file must be stored before the deadline.
    Mine {
        /// The window.
        window: WindowStart,
        /// By nominal block times; the chain may turn out slower, never the court's rule faster than its blocks.
        deadline: UnixMillis,
    },
    /// Nothing to do before that moment.
    Wait {
        /// When to look again.
        until: UnixMillis,
    },
}

/// Decides from the newest block whether to begin its window.
///
/// `first` is the window's first block, `mined` the last window that was finished or given up, `needed_ms` what one
/// group and its upload will take by the estimate.
pub fn next(
    params: &Params,
    head: Block,
    first: Block,
    mined: Option<WindowStart>,
    now: UnixMillis,
    needed_ms: u64,
) -> Next {
    let window = params.window_of(head.number);
    let length_ms = params.window_length.saturating_mul(params.block_time_ms);
    let window_end = first.time.plus(length_ms);
    // The last block of the window carries a time one block before the next window begins.
    let deadline = params.upload_deadline(UnixMillis(window_end.0.saturating_sub(params.block_time_ms)));
    let too_late = now.plus(needed_ms) > deadline;
    if mined.is_some_and(|mined| mined >= window) || too_late {
        // A little after the boundary, so that the block is there when we look.
        Next::Wait {
            until: UnixMillis(window_end.0.max(now.0.saturating_add(1))).plus(params.block_time_ms / 10),
        }
    } else {
        Next::Mine { window, deadline }
    }
}

/// Running estimate of a duration: exponential, with more weight on the recent, never below the last one measured.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Estimate {
    mean_ms: f64,
    last_ms: f64,
}

impl Estimate {
    /// Takes in a measured duration.
    pub fn learn(&mut self, millis: u64) {
        self.last_ms = millis as f64;
        self.mean_ms =
            if self.mean_ms == 0.0 { self.last_ms } else { 0.6 * self.mean_ms + 0.4 * self.last_ms };
    }

    /// What to reserve for the next: a quarter above the larger of mean and last; 0 before anything was measured.
    pub fn reserve_ms(&self) -> u64 {
        (1.25 * self.mean_ms.max(self.last_ms)) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use grail_protocol::{
        params::DEV,
        words::{BlockHash, BlockNumber},
    };

    fn block(number: u64) -> Block {
        let time = UnixMillis(1_000_000 + number * DEV.block_time_ms);
        Block { number: BlockNumber(number), hash: BlockHash::from_bytes([0; 32]), time }
    }

    fn decide(head: u64, mined: Option<u64>, now: u64, needed_ms: u64) -> Next {
        let first = block(DEV.window_of(BlockNumber(head)).0);
        next(&DEV, block(head), first, mined.map(WindowStart), UnixMillis(1_000_000 + now), needed_ms)
    }

    #[test]
    fn a_fresh_window_is_mined_once() {
        // Window 20: blocks 20 to 39, times 60,000 to 117,000; deadline 117,000 + 6,000.
        let deadline = UnixMillis(1_000_000 + 123_000);
        assert_eq!(decide(21, None, 63_500, 0), Next::Mine { window: WindowStart(20), deadline });
        assert_eq!(decide(21, Some(0), 63_500, 0), Next::Mine { window: WindowStart(20), deadline });
        let until = UnixMillis(1_000_000 + 120_300);
        assert_eq!(decide(21, Some(20), 63_500, 0), Next::Wait { until });
    }

    #[test]
    fn a_window_with_too_little_left_is_left_alone() {
        assert!(matches!(decide(38, None, 115_000, 7_000), Next::Mine { .. }));
        assert!(matches!(decide(38, None, 115_000, 9_000), Next::Wait { .. }));
    }

    #[test]
    fn waiting_always_ends_in_the_future() {
        for now in [63_000, 119_999, 130_000, 500_000] {
            match decide(21, Some(20), now, 0) {
                Next::Wait { until } => assert!(until > UnixMillis(1_000_000 + now)),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn estimates_follow_and_keep_a_reserve() {
        let mut estimate = Estimate::default();
        assert_eq!(estimate.reserve_ms(), 0);
        estimate.learn(1_000);
        assert_eq!(estimate.reserve_ms(), 1_250);
        estimate.learn(3_000);
        assert_eq!(estimate.reserve_ms(), 3_750);
        estimate.learn(1_000);
        assert!((1_500..3_750).contains(&estimate.reserve_ms()));
    }
}

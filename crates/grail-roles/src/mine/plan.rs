//! When to mine, and when to stop: pure decisions over times and estimates.

use grail_ports::chain::Block;
use grail_protocol::{
    params::Params,
    words::{UnixMillis, WindowStart},
};
use std::collections::VecDeque;

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Mine this window; its file must be stored before the deadline.
    Mine {
        /// The window.
        window: WindowStart,
        /// By the newest block and the times that are expected of those to come; the chain may turn out slower.
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
/// `pace` is how far apart blocks come, `mined` the last window that was finished or given up, `needed_ms` what one group
/// and its upload will take by the estimate.
pub fn next(
    params: &Params,
    head: Block,
    pace: Pace,
    mined: Option<WindowStart>,
    now: UnixMillis,
    needed_ms: u64,
) -> Next {
    let window = params.window_of(head.number);
    let until_last = params.last_block(window).0.saturating_sub(head.number.0);
    // Blocks that come late in time move the deadline when they are there, and not before: only a chain that is faster than
    // its name is followed ahead of time.
    let careful = pace.block_ms(params).min(params.block_time_ms);
    let deadline = params.upload_deadline(head.time.plus(until_last.saturating_mul(careful)));
    // An estimate that no window is long enough for must not keep a miner from ever trying again: a window that has just
    // begun is begun, and its first group says whether the estimate still holds.
    let whole = params.window_length.saturating_mul(careful).saturating_add(params.upload_grace_ms);
    let too_late = now.plus(needed_ms.min(whole / 4 * 3)) > deadline;
    if mined.is_some_and(|mined| mined >= window) || too_late {
        let boundary = head.time.plus(until_last.saturating_add(1).saturating_mul(pace.block_ms(params)));
        // A little after the boundary, so that the block is there when we look.
        Next::Wait {
            until: UnixMillis(boundary.0.max(now.0.saturating_add(1))).plus(params.block_time_ms / 10),
        }
    } else {
        Next::Mine { window, deadline }
    }
}

/// How far apart blocks come: an exponential mean over the heads that were seen, nominal before any two were.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Pace {
    mean_ms: Option<f64>,
    seen: Option<(u64, UnixMillis)>,
}

impl Pace {
    /// Weight of one block among all before it: about the last twenty count.
    const WEIGHT: f64 = 0.05;
    /// A mean is at most so many times nominal, and nominal at most so many times it.
    const MOST: f64 = 4.0;

    /// Takes in the newest block.
    pub fn learn(&mut self, params: &Params, head: Block) {
        let nominal = params.block_time_ms as f64;
        let before = self.seen.replace((head.number.0, head.time));
        let Some((number, time)) = before else { return };
        let blocks = head.number.0.saturating_sub(number);
        if blocks == 0 || time > head.time {
            // The same block, or another one in its place.
            return;
        }
        let each = head.time.since(time) as f64 / blocks as f64;
        let kept = (1.0 - Self::WEIGHT).powf(blocks as f64);
        let mean = kept * self.mean_ms.unwrap_or(nominal) + (1.0 - kept) * each;
        self.mean_ms = Some(mean.clamp(nominal / Self::MOST, nominal * Self::MOST));
    }

    /// Milliseconds from a block to the next.
    pub fn block_ms(&self, params: &Params) -> u64 {
        self.mean_ms.map_or(params.block_time_ms, |mean| mean.round() as u64)
    }
}

/// The last durations of something, for the one that few exceed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Durations(VecDeque<u64>);

impl Durations {
    /// So many are remembered.
    const KEPT: usize = 64;

    /// Takes in a measured duration.
    pub fn learn(&mut self, millis: u64) {
        self.0.push_back(millis);
        if self.0.len() > Self::KEPT {
            self.0.pop_front();
        }
    }

    /// The 95th percentile, nearest rank: of fewer than twenty the longest. 0 before anything was measured.
    pub fn p95_ms(&self) -> u64 {
        let mut sorted: Vec<u64> = self.0.iter().copied().collect();
        sorted.sort_unstable();
        let rank = (sorted.len() * 95).div_ceil(100);
        rank.checked_sub(1).and_then(|place| sorted.get(place)).copied().unwrap_or(0)
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
        let now = UnixMillis(1_000_000 + now);
        next(&DEV, block(head), Pace::default(), mined.map(WindowStart), now, needed_ms)
    }

    /// A pace learnt from blocks so far apart.
    fn pace(each_ms: u64) -> Pace {
        let mut pace = Pace::default();
        for number in 0..200 {
            let time = UnixMillis(1_000_000 + number * each_ms);
            pace.learn(&DEV, Block { time, ..block(number) });
        }
        pace
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
    fn an_estimate_longer_than_a_window_does_not_keep_a_miner_out_for_ever() {
        // 66 s from the first block to the deadline; the estimate wants 200.
        assert!(matches!(decide(20, None, 60_100, 200_000), Next::Mine { .. }));
        assert!(matches!(decide(30, None, 90_000, 200_000), Next::Wait { .. }));
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
    fn a_chain_that_skips_blocks_is_waited_for_and_gives_the_time_it_lost() {
        let slow = pace(2 * DEV.block_time_ms);
        assert_eq!(slow.block_ms(&DEV), 2 * DEV.block_time_ms);
        let late = Block { time: block(30).time.plus(9_000), ..block(30) };
        let now = late.time;
        // Nine blocks to the last one at their nominal distance, for nobody knows that more will be late.
        let deadline = DEV.upload_deadline(late.time.plus(9 * DEV.block_time_ms));
        assert_eq!(next(&DEV, late, slow, None, now, 0), Next::Mine { window: WindowStart(20), deadline });
        let until = late.time.plus(10 * 2 * DEV.block_time_ms + DEV.block_time_ms / 10);
        assert_eq!(next(&DEV, late, slow, Some(WindowStart(20)), now, 0), Next::Wait { until });
    }

    #[test]
    fn a_chain_that_is_faster_than_its_name_has_earlier_deadlines() {
        let fast = pace(DEV.block_time_ms / 2);
        let now = block(30).time;
        let deadline = DEV.upload_deadline(now.plus(9 * fast.block_ms(&DEV)));
        assert!(fast.block_ms(&DEV) <= DEV.block_time_ms / 2 + 1);
        assert_eq!(
            next(&DEV, block(30), fast, None, now, 0),
            Next::Mine { window: WindowStart(20), deadline }
        );
    }

    #[test]
    fn a_pace_needs_two_blocks_and_no_clock_that_jumps_spoils_it() {
        let mut pace = Pace::default();
        assert_eq!(pace.block_ms(&DEV), DEV.block_time_ms);
        pace.learn(&DEV, block(5));
        pace.learn(&DEV, block(5));
        pace.learn(&DEV, block(4));
        assert_eq!(pace.block_ms(&DEV), DEV.block_time_ms);
        let stands = Block { time: UnixMillis(u64::MAX / 2), ..block(6) };
        pace.learn(&DEV, stands);
        assert_eq!(pace.block_ms(&DEV), 4 * DEV.block_time_ms);
    }

    #[test]
    fn the_95th_percentile_is_the_longest_of_few_and_forgets() {
        let mut uploads = Durations::default();
        assert_eq!(uploads.p95_ms(), 0);
        uploads.learn(9_000);
        (0..19).for_each(|_| uploads.learn(100));
        assert_eq!(uploads.p95_ms(), 100, "19 of 20 take no longer");
        uploads.learn(9_000);
        assert_eq!(uploads.p95_ms(), 9_000);
        (0..64).for_each(|_| uploads.learn(50));
        assert_eq!(uploads.p95_ms(), 50);
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

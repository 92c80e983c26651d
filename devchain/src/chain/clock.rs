//! Time of a chain: it moves by slots, never stands still and never goes back.

use std::time::{SystemTime, UNIX_EPOCH};

/// Where a chain's time begins, and whether it keeps up with the machine's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// Now. A block is never older than the machine's clock when it is sealed, so a pause shows in the chain's time.
    #[default]
    Now,
    /// The first block has this time, in milliseconds since 1970, rounded down to a slot; each further block is a
    /// slot later, however long that takes. Runs can be repeated to the byte.
    At(u64),
}

/// Times of blocks, in milliseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    slot: u64,
    /// Time of the latest block on any fork: two forks never share a slot, so their blocks differ.
    latest: u64,
    keeps_up: bool,
}

impl Clock {
    /// A clock whose first block is at `start`.
    pub(crate) fn new(start: Start, slot: u64) -> Self {
        let slot = slot.max(1);
        let (from, keeps_up) = match start {
            Start::Now => (now(), true),
            Start::At(from) => (from, false),
        };
        // Slot 0 is never used: runtimes take it for "no block yet".
        let first = (from / slot).max(2) * slot;
        Self { slot, latest: first - slot, keeps_up }
    }

    /// A clock that goes on after a block of time `latest`, as it went before or from `start`.
    pub(crate) fn after(latest: u64, kept_up: bool, start: Option<Start>, slot: u64) -> Self {
        match start {
            Some(start) => {
                let clock = Self::new(start, slot);
                Self { latest: clock.latest.max(latest), ..clock }
            }
            None => Self { slot: slot.max(1), latest, keeps_up: kept_up },
        }
    }

    /// Whether blocks are never older than the machine's clock.
    pub(crate) fn keeps_up(&self) -> bool {
        self.keeps_up
    }

    /// Time of the next block, which is at least `at_least`; the clock has then moved there.
    pub(crate) fn tick(&mut self, at_least: Option<u64>) -> u64 {
        let wanted = at_least.unwrap_or(0).max(if self.keeps_up { now() } else { 0 });
        let earliest = self.latest.saturating_add(self.slot) / self.slot;
        self.latest = earliest.max(wanted / self.slot).saturating_mul(self.slot);
        self.latest
    }

    pub(crate) fn slot_of(&self, time: u64) -> u64 {
        time / self.slot
    }

    /// Length of a slot.
    pub(crate) fn slot(&self) -> u64 {
        self.slot
    }

    pub(crate) fn latest(&self) -> u64 {
        self.latest
    }
}

#[expect(clippy::disallowed_methods, reason = "the clock of a chain that keeps up with the machine's")]
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_that_is_named_gives_the_same_times_whenever_it_runs() {
        let mut clock = Clock::new(Start::At(1_700_000_000_999), 1_000);
        let times: Vec<u64> = (0..3).map(|_| clock.tick(None)).collect();
        assert_eq!(times, [1_700_000_000_000, 1_700_000_001_000, 1_700_000_002_000]);
        assert_eq!(clock.slot_of(clock.latest()), 1_700_000_002);
    }

    #[test]
    fn a_block_can_be_asked_to_be_later_and_never_earlier() {
        let mut clock = Clock::new(Start::At(12_000_000), 12_000);
        assert_eq!(clock.tick(Some(12_030_001)), 12_024_000);
        assert_eq!(clock.tick(Some(5)), 12_036_000);
    }

    #[test]
    fn without_a_start_the_clock_keeps_up_with_the_machine() {
        let mut clock = Clock::new(Start::Now, 1_000);
        let before = now();
        let first = clock.tick(None);
        assert!(first + 1_000 > before, "{first} {before}");
        assert!(clock.tick(None) >= first + 1_000);
    }

    #[test]
    fn after_a_snapshot_time_goes_on() {
        assert_eq!(Clock::after(50_000, false, None, 1_000).tick(None), 51_000);
        assert!(Clock::after(50_000, true, None, 1_000).tick(None) > 1_700_000_000_000);
        assert_eq!(Clock::after(50_000, true, Some(Start::At(20_000)), 1_000).tick(None), 51_000);
        let mut clock = Clock::after(50_000, true, Some(Start::At(90_000)), 1_000);
        assert_eq!(clock.tick(None), 90_000);
    }

    #[test]
    fn a_start_at_zero_is_usable() {
        assert_eq!(Clock::new(Start::At(0), 1_000).tick(None), 2_000);
    }
}

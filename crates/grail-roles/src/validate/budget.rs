//! How much of a window's files is proven: a time budget, shared out in an order that the challenge draws.
//!
//! Proving costs a pass of the model a group; reading a file on paper costs nearly nothing. A validator that cannot prove
//! everything proves what fits: fewer groups of each file first, and where not even one of each fits, some files on
//! paper alone. Which ones is drawn by the challenge, which nobody knew when the files were uploaded. Files of miners
//! that were not proven for half the interval come before all others, so over an interval at least one group of everyone
//! is proven wherever that is possible at all; and those that something spoke against come first with them.

use super::weigh::ON_PAPER;
use grail_protocol::{
    hash::digest,
    words::{Hotkey, UnixMillis, WindowStart},
};
use grail_verify::Sampling;
use std::cmp::Reverse;

/// What is known of a miner before its file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    /// Who.
    pub(super) hotkey: Hotkey,
    /// Whether anything in the interval speaks against it.
    pub(super) suspect: bool,
    /// The newest window in which a group of it was proven.
    pub(super) proven: Option<WindowStart>,
}

/// The order in which files are judged: suspects and those that were not proven since `overdue`, the longest ago first;
/// then all others. Whoever stands alike is ordered by the challenge.
pub(super) fn order(standings: &mut [Standing], overdue: WindowStart, challenge: &[u8; 32]) {
    standings.sort_by_cached_key(|standing| {
        let since = standing.proven.filter(|proven| *proven >= overdue).map(|_| WindowStart(u64::MAX));
        let since = since.or(standing.proven);
        let draw = digest("grail order", &[challenge, standing.hotkey.as_bytes()]);
        (Reverse(standing.suspect), since, draw)
    });
}

/// The time for a window's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Budget {
    /// When it is used up.
    pub(super) end: UnixMillis,
    /// Files that are still to be judged.
    pub(super) files: u64,
}

/// What a file gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Allotment {
    /// Most groups; 0: it is read on paper alone.
    pub(super) groups: u32,
    /// No further group is begun after this moment.
    pub(super) until: UnixMillis,
}

impl Budget {
    /// What the next file gets, when a group takes `group_ms`; 0 where that is not known yet.
    ///
    /// Time that files before it did not need is shared among those that are left. No file may take more than twice its
    /// share, however long its answers are: that caps what one key can cost.
    pub(super) fn next(&mut self, now: UnixMillis, group_ms: u64) -> Allotment {
        let files = self.files.max(1);
        self.files = files - 1;
        let left = self.end.since(now);
        let share = left / files;
        let until = UnixMillis(self.end.0.min(now.plus(share.saturating_mul(2)).0));
        let groups = match share.checked_div(group_ms) {
            _ if left == 0 => 0,
            None => u32::MAX,
            Some(0) => u32::from(left >= group_ms),
            Some(groups) => u32::try_from(groups).unwrap_or(u32::MAX),
        };
        Allotment { groups, until }
    }
}

impl Allotment {
    /// The rule for a file that gets this, where `wanted` would be asked of it.
    pub(super) fn of(self, wanted: Sampling) -> Sampling {
        match self.groups {
            0 => ON_PAPER,
            most => wanted.at_most(most),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(id: u8, proven: Option<u64>) -> Standing {
        Standing { hotkey: Hotkey::from_bytes([id; 32]), suspect: false, proven: proven.map(WindowStart) }
    }

    fn ids(standings: &[Standing]) -> Vec<u8> {
        standings.iter().map(|standing| standing.hotkey.as_bytes()[0]).collect()
    }

    #[test]
    fn suspects_come_first_then_those_long_unproven_and_the_challenge_orders_the_rest() {
        let mut all: Vec<Standing> = (0..20).map(|id| standing(id, Some(100))).collect();
        all[7].proven = None;
        all[8].proven = Some(WindowStart(10));
        all[9].suspect = true;
        order(&mut all, WindowStart(50), &[1; 32]);
        assert_eq!(ids(&all)[..3], [9, 7, 8]);
        let one = ids(&all);
        order(&mut all, WindowStart(50), &[2; 32]);
        assert_ne!(one, ids(&all), "another challenge, another order");
        all.reverse();
        order(&mut all, WindowStart(50), &[1; 32]);
        assert_eq!(one, ids(&all), "whatever the order was before");
    }

    #[test]
    fn a_budget_is_shared_out_and_what_is_saved_goes_to_the_others() {
        let at = UnixMillis;
        let mut budget = Budget { end: at(1_000), files: 4 };
        // Unknown speed: as much as is wanted, but no longer than twice the share.
        assert_eq!(budget.next(at(0), 0), Allotment { groups: u32::MAX, until: at(500) });
        // 900 ms for three files, 50 a group.
        assert_eq!(budget.next(at(100), 50), Allotment { groups: 6, until: at(700) });
        assert_eq!(budget.next(at(120), 50), Allotment { groups: 8, until: at(1_000) });
        assert_eq!(budget.next(at(999), 50), Allotment { groups: 0, until: at(1_000) });
    }

    #[test]
    fn where_not_one_group_of_each_fits_the_first_get_one_and_the_rest_are_read_on_paper() {
        let mut budget = Budget { end: UnixMillis(1_000), files: 100 };
        let mut now = UnixMillis(0);
        let mut proven = 0;
        for _ in 0..100 {
            let allotment = budget.next(now, 90);
            assert!(allotment.groups <= 1);
            proven += allotment.groups;
            now = now.plus(u64::from(allotment.groups) * 90);
        }
        assert_eq!(proven, 11);
    }

    #[test]
    fn over_an_interval_everyone_is_proven_where_the_budget_allows_it() {
        // 40 miners, 8 proofs a window, 12 windows: half an interval is six windows of 8.
        let mut all: Vec<Standing> = (0..40).map(|id| standing(id, None)).collect();
        let mut seen = std::collections::BTreeSet::new();
        for turn in 0..12u64 {
            let window = WindowStart(turn * 50);
            order(&mut all, WindowStart(window.0.saturating_sub(6 * 50)), &[turn as u8; 32]);
            for standing in &mut all[..8] {
                standing.proven = Some(window);
                seen.insert(standing.hotkey);
            }
        }
        assert_eq!(seen.len(), 40);
        assert!(all.iter().all(|standing| standing.proven.is_some()));
    }
}

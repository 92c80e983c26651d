//! Which groups of a file are proven.

use grail_protocol::{stream::Stream, words::GroupIndex};
use serde::{Deserialize, Serialize};

/// How many groups of a file the model is asked about.
///
/// A file of at most `all_up_to` groups is proven whole. Of a larger one `ceil(groups · share_percent / 100)` are
/// proven, at least `min` and at most `max`, and never more than there are. They are drawn without replacement by
/// the challenge stream, which nobody knew when the file was uploaded, so every group is equally likely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sampling {
    /// Files of at most this many groups are proven whole.
    pub all_up_to: u32,
    /// Share of larger files, in percent.
    pub share_percent: u32,
    /// Fewest groups of a larger file.
    pub min: u32,
    /// Most groups of a file.
    pub max: u32,
}

impl Sampling {
    /// Whole files: what a miner uses on its own file.
    pub const ALL: Self = Self { all_up_to: u32::MAX, share_percent: 100, min: 0, max: u32::MAX };

    /// Validators' default: up to 16 groups whole, then a quarter, at least 16 and at most 64 groups.
    pub const DEFAULT: Self = Self { all_up_to: 16, share_percent: 25, min: 16, max: 64 };

    /// Four times as much of a file: for a miner with evidence against it.
    #[must_use]
    pub fn raised(&self) -> Self {
        let more = |number: u32| number.saturating_mul(4);
        Self {
            all_up_to: more(self.all_up_to),
            share_percent: more(self.share_percent).min(100),
            min: more(self.min),
            max: more(self.max),
        }
    }

    /// The same rule for whoever can prove no more than so many groups of a file.
    #[must_use]
    pub fn at_most(&self, groups: u32) -> Self {
        Self {
            all_up_to: self.all_up_to.min(groups),
            share_percent: self.share_percent,
            min: self.min.min(groups),
            max: self.max.min(groups),
        }
    }

    /// How many of `groups` are proven.
    pub fn size(&self, groups: u32) -> u32 {
        if groups <= self.all_up_to {
            return groups;
        }
        let share = (u64::from(groups) * u64::from(self.share_percent)).div_ceil(100);
        let share = u32::try_from(share).unwrap_or(u32::MAX);
        share.max(self.min).min(self.max).min(groups)
    }

    /// The groups that are proven, by rising number.
    pub fn pick(&self, groups: u32, challenge: &mut Stream) -> Vec<GroupIndex> {
        let mut picked = self.order(groups, challenge);
        picked.sort_unstable();
        picked
    }

    /// The groups that are proven, in the order in which they are: whoever has to stop early has proven those that were
    /// drawn first, and a miner cannot know which of its groups come last.
    ///
    /// Rule: a partial Fisher-Yates shuffle of `0, 1, …, groups − 1`: for each place `i` below the size, swap it with
    /// the place `i + below(groups − i)` of the stream; the first places are the sample, in this order.
    pub fn order(&self, groups: u32, challenge: &mut Stream) -> Vec<GroupIndex> {
        let size = self.size(groups);
        let mut order: Vec<u32> = (0..groups).collect();
        for place in 0..size {
            let step = challenge.below(groups - place).unwrap_or(0);
            order.swap(place as usize, (place + step) as usize);
        }
        order.truncate(size as usize);
        order.into_iter().map(GroupIndex).collect()
    }
}

impl Default for Sampling {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_follow_the_documented_share() {
        let sizes: Vec<u32> = [0, 1, 16, 17, 64, 65, 100, 256, 257, 4_096]
            .map(|groups| Sampling::DEFAULT.size(groups))
            .to_vec();
        assert_eq!(sizes, [0, 1, 16, 16, 16, 17, 25, 64, 64, 64]);
        assert_eq!(Sampling::ALL.size(4_096), 4_096);
        let raised: Vec<u32> =
            [16, 64, 65, 100, 4_096].map(|groups| Sampling::DEFAULT.raised().size(groups)).to_vec();
        assert_eq!(raised, [16, 64, 65, 100, 256]);
        assert_eq!(Sampling::ALL.raised(), Sampling::ALL);
        let few: Vec<u32> =
            [1, 3, 4, 100, 4_096].map(|groups| Sampling::DEFAULT.at_most(3).size(groups)).to_vec();
        assert_eq!(few, [1, 3, 3, 3, 3]);
        assert_eq!(Sampling::DEFAULT.at_most(u32::MAX), Sampling::DEFAULT);
        assert_eq!(Sampling::ALL.at_most(0).size(9), 0);
    }

    #[test]
    fn every_group_is_equally_likely() {
        let rule = Sampling { all_up_to: 0, share_percent: 25, min: 1, max: 64 };
        let mut counts = [0u32; 20];
        for nonce in 0..4_000 {
            for group in rule.pick(20, &mut Stream::new(&[3; 32], nonce)) {
                counts[group.0 as usize] += 1;
            }
        }
        // 4,000 draws of 5 out of 20; six standard deviations of a binomial with p = 1/4.
        assert!(counts.iter().all(|count| count.abs_diff(1_000) < 165), "{counts:?}");
    }

    #[test]
    fn whoever_stops_early_has_proven_any_groups_and_a_smaller_sample() {
        let of = |max| Sampling { all_up_to: 0, share_percent: 100, min: 0, max };
        let mut last = [0u32; 20];
        for nonce in 0..4_000 {
            let order = of(20).order(20, &mut Stream::new(&[3; 32], nonce));
            last[order[19].0 as usize] += 1;
            let mut first: Vec<_> = order[..7].to_vec();
            first.sort_unstable();
            assert_eq!(first, of(7).pick(20, &mut Stream::new(&[3; 32], nonce)));
        }
        // 4,000 draws of 1 out of 20; six standard deviations of a binomial with p = 1/20.
        assert!(last.iter().all(|count| count.abs_diff(200) < 83), "{last:?}");
    }

    proptest! {
        #[test]
        fn a_sample_is_distinct_ordered_and_inside(
            groups in 0u32..500, all in 0u32..50, share in 0u32..200, min in 0u32..50, max in 0u32..100, nonce: u64,
        ) {
            let rule = Sampling { all_up_to: all, share_percent: share, min, max };
            let picked = rule.pick(groups, &mut Stream::new(&[9; 32], nonce));
            prop_assert_eq!(picked.len() as u32, rule.size(groups));
            prop_assert!(picked.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert!(picked.iter().all(|group| group.0 < groups));
            prop_assert_eq!(picked, rule.pick(groups, &mut Stream::new(&[9; 32], nonce)));
        }
    }
}

use super::seal::{ClaimedGroup, Sealed, Terms};
use crate::Sampling;
use grail_protocol::{stream::Stream, words::GroupIndex};
use std::collections::BTreeSet;

/// The groups of a sealed file that will be proven.
#[derive(Debug, Clone)]
pub struct Sampled {
    pub(super) terms: Terms,
    /// Groups in the file.
    pub(super) claimed: u32,
    /// The sampled groups as the challenge drew them: the order in which they are proven.
    pub(super) order: Vec<GroupIndex>,
    /// The same groups by rising number.
    pub(super) groups: Vec<ClaimedGroup>,
}

impl Sealed {
    /// Keeps the groups that the rule and the challenge pick; see [`Sampling`].
    ///
    /// `challenge` is `grail_protocol::seed::challenge_stream` of this window and hotkey.
    pub fn sample(self, rule: &Sampling, mut challenge: Stream) -> Sampled {
        let claimed = self.group_count();
        let order = rule.order(claimed, &mut challenge);
        let picked: BTreeSet<_> = order.iter().copied().collect();
        let groups = self.groups.into_iter().filter(|group| picked.contains(&group.index)).collect();
        Sampled { terms: self.terms, claimed, order, groups }
    }
}

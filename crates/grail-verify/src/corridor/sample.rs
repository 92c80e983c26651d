use super::seal::{ClaimedGroup, Sealed, Terms};
use crate::Sampling;
use grail_protocol::stream::Stream;
use std::collections::BTreeSet;

/// The groups of a sealed file that will be proven.
#[derive(Debug, Clone)]
pub struct Sampled {
    pub(super) terms: Terms,
    /// Groups in the file.
    pub(super) claimed: u32,
    pub(super) groups: Vec<ClaimedGroup>,
}

impl Sealed {
    /// Keeps the groups that the rule and the challenge pick; see [`Sampling`].
    ///
    /// `challenge` is `grail_protocol::seed::challenge_stream` of this window and hotkey.
    pub fn sample(self, rule: &Sampling, mut challenge: Stream) -> Sampled {
        let claimed = self.group_count();
        let picked: BTreeSet<_> = rule.pick(claimed, &mut challenge).into_iter().collect();
        let groups = self.groups.into_iter().filter(|group| picked.contains(&group.index)).collect();
        Sampled { terms: self.terms, claimed, groups }
    }
}

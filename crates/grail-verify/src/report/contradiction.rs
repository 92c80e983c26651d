use super::{GroupReport, MinerReport, RolloutReport, WindowTally};
use crate::{Digits, Verdict};
use grail_protocol::{params::ROLLOUTS_PER_PROBLEM, profile::NumericProfile, words::RolloutIndex};

impl MinerReport {
    /// What in a report cannot be true whatever the file holds: counts that do not add up, groups whose verdict does not
    /// follow from their rollouts, rollouts accepted beyond the profile's tolerances. `None` where there is nothing.
    pub fn contradiction(&self, numeric: NumericProfile) -> Option<String> {
        match &self.file {
            Verdict::Accepted => {}
            Verdict::Rejected(rejection) => {
                let counted = self.tally.rejected.iter().map(|(code, count)| (code.as_str(), *count));
                let told: Vec<_> = counted.collect();
                if !self.groups.is_empty() || told != [(rejection.code(), self.tally.claimed)] {
                    return Some("the file is refused whole, and rollouts are told apart".into());
                }
                return None;
            }
            Verdict::Undecided(_) => {
                return (!self.groups.is_empty()).then(|| "nothing was decided, and groups are".into());
            }
        }
        if self.root.is_none() {
            return Some("the file is accepted and has no root".into());
        }
        if self.groups.windows(2).any(|pair| matches!(pair, [a, b] if a.group >= b.group)) {
            return Some("groups are not sorted and distinct".into());
        }
        for group in &self.groups {
            let expected = (0..ROLLOUTS_PER_PROBLEM).map(RolloutIndex);
            if !group.rollouts.iter().map(|rollout| rollout.rollout).eq(expected) {
                return Some(format!("group {} does not have its sixteen rollouts in order", group.group));
            }
            let again = GroupReport::new(group.group, group.rollouts.clone());
            if again != *group {
                return Some(format!(
                    "the verdict of group {} does not follow from its rollouts",
                    group.group
                ));
            }
            if let Some((rollout, why)) =
                group.rollouts.iter().find_map(|r| Some((r.rollout, excess(r, numeric)?)))
            {
                return Some(format!("group {} rollout {rollout} is accepted although {why}", group.group));
            }
        }
        let together = |groups: &[GroupReport]| has_too_many_digits(groups, numeric);
        if let Some(group) = self.groups.iter().find(|group| together(std::slice::from_ref(group))) {
            return Some(format!(
                "group {} is accepted although its digits are of another model",
                group.group
            ));
        }
        if together(&self.groups) {
            return Some("rollouts are accepted although the file's digits are of another model".into());
        }
        (WindowTally::of(self.tally.groups_claimed, &self.groups) != self.tally)
            .then(|| "the counts do not follow from the groups".into())
    }
}

/// Whether rollouts among these are accepted although they have too many changed digits together.
fn has_too_many_digits(groups: &[GroupReport], numeric: NumericProfile) -> bool {
    let rollouts = || groups.iter().flat_map(|group| &group.rollouts);
    rollouts().any(|rollout| rollout.verdict == Verdict::Accepted)
        && Digits::sum(rollouts().filter_map(|rollout| rollout.measured.as_ref()?.digits))
            .is_too_many(&numeric.drift())
}

/// Why an accepted rollout should not have been.
fn excess(rollout: &RolloutReport, numeric: NumericProfile) -> Option<String> {
    if rollout.verdict != Verdict::Accepted {
        return None;
    }
    let Some(measured) = &rollout.measured else { return Some("nothing was measured".into()) };
    let Some(judgement) = &rollout.judgement else { return Some("its answer was not judged".into()) };
    if judgement.reward.to_bits() != rollout.claimed_reward.to_bits() {
        return Some(format!("it claims {} and earns {}", rollout.claimed_reward, judgement.reward));
    }
    let (limits, drift) = (numeric.thresholds(), numeric.drift());
    let numbers = [
        ("sketch RMS", measured.sketch_rms, limits.sketch_rms),
        ("sketch error", measured.sketch_worst, limits.sketch_hard),
        ("margin", measured.margin_worst, limits.margin_soft),
        ("log-probability error", measured.logprob_worst, limits.logprob),
    ];
    // Written so that what is no number does not pass.
    let beyond = numbers.into_iter().find(|(_, got, most)| got > most || got.is_nan());
    if let Some((what, got, most)) = beyond {
        return Some(format!("its {what} is {got}, at most {most} is allowed"));
    }
    if let Some(digits) = measured.digits.filter(|digits| digits.is_too_many(&drift)) {
        return Some(format!("{} of its {} digits changed", digits.changed, digits.of));
    }
    let unlikely = measured.draws.filter(|draws| drift.calibrated && draws.is_rarer_than(drift.withheld));
    unlikely.map(|draws| format!("{} draws were lost where {} are explained", draws.lost, draws.expected))
}

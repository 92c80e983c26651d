//! What the court found, for people, tables and the score.

mod contradiction;

use crate::{Digits, Doubt, DrawStatistics, Rejection, Verdict};
use grail_artifact::window::RootHex;
use grail_protocol::{
    seed::WindowContext,
    words::{CheckpointId, EnvId, GroupIndex, Hotkey, RolloutIndex, WindowStart},
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Everything about one miner's window. Its JSON form reads back to the same value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MinerReport {
    /// The miner whose window it is.
    pub hotkey: Hotkey,
    /// The window, by its first block.
    pub window: WindowStart,
    /// The checkpoint that answered it.
    pub checkpoint: CheckpointId,
    /// The environment that asked.
    pub env: EnvId,
    /// The root that the miner signed; absent where the file was refused before, or by an older program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<RootHex>,
    /// The file as a whole: accepted once its bytes, header, signature and form hold. Groups have verdicts of their own.
    pub file: Verdict,
    /// Groups that were checked, by rising number; none for a rejected file.
    pub groups: Vec<GroupReport>,
    /// The counts of the window, which follow from the groups.
    pub tally: WindowTally,
}

/// One group that was checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupReport {
    /// Its number in the file, from 0.
    pub group: GroupIndex,
    /// Rejected as soon as one rollout is, for that rollout's reason; accepted when none is and at least one is
    /// accepted; undecided when none is decided.
    pub verdict: Verdict,
    /// Its rollouts in order.
    pub rollouts: Vec<RolloutReport>,
    /// Statistics of its draws; absent when none was proven.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draws: Option<DrawStatistics>,
}

/// One rollout that was checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RolloutReport {
    /// Its number in the group.
    pub rollout: RolloutIndex,
    /// The rollout by itself; it counts only when its group is accepted too.
    pub verdict: Verdict,
    /// Number of completion tokens, an end token included.
    pub tokens: u32,
    /// The reward in the file.
    pub claimed_reward: f32,
    /// What the environment says of the completion; absent when it could not be read.
    pub judgement: Option<Judgement>,
    /// What the proof measured; absent when the model was not asked or did not answer.
    pub measured: Option<ProofMeasures>,
}

/// The environment's view of a completion, recomputed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judgement {
    /// The reward as the file should carry it.
    pub reward: f32,
    /// Whether the answer is right.
    pub success: bool,
    /// Digest of problem and solution, 64 hexadecimal digits: two completions with the same one are one solution.
    pub solution: Option<String>,
}

/// Measurements of one rollout's proof.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofMeasures {
    /// Root mean square of sketch errors, in spreads.
    pub sketch_rms: f32,
    /// Largest sketch error, in spreads.
    pub sketch_worst: f32,
    /// Largest margin by which a token lost its draw, in nats.
    pub margin_worst: f32,
    /// Margins above the soft threshold.
    pub soft_margins: u32,
    /// Tokens that are not the verifier's own winner, however close.
    pub lost_draws: u32,
    /// Largest error of a claimed log-probability, in nats.
    pub logprob_worst: f32,
    /// Changed digits of claimed log-probabilities; absent in reports of older programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digits: Option<Digits>,
    /// Statistics of all draws; absent in reports of older programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draws: Option<DrawStatistics>,
}

/// The numbers of one miner's window.
///
/// `checked = accepted + spoiled + undecided + Σ rejected`, unless the file itself is rejected: then nothing was
/// checked, and `rejected` holds the file's code with all claimed rollouts (none if it could not even be read).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowTally {
    /// Groups in the file.
    pub groups_claimed: u32,
    /// Groups that were checked.
    pub groups_checked: u32,
    /// Rollouts in the file.
    pub claimed: u64,
    /// Rollouts that were checked.
    pub checked: u64,
    /// Rollouts that count: accepted, in a group without a rejected one.
    pub accepted: u64,
    /// Rollouts accepted by themselves, in a group that holds a rejected one.
    pub spoiled: u64,
    /// Rollouts without a verdict, with the reasons of [`Doubt::name`]. They count neither for nor against.
    pub undecided: BTreeMap<String, u64>,
    /// Rejected rollouts by code.
    pub rejected: BTreeMap<String, u64>,
    /// Rollouts that count and whose answer is right.
    pub successful: u64,
    /// Distinct solutions among them.
    pub unique_solutions: u64,
    /// Mean recomputed reward of the rollouts that count, to a millionth; absent when none does.
    pub mean_reward: Option<f64>,
    /// What counts are multiplied by when a sample speaks for the file, to a millionth: claimed groups ÷ checked groups
    /// · (share of checked groups without a rejection)², at least 1; 1 when nothing was checked.
    ///
    /// The share is what keeps padding from paying. Weights grow faster than counts, so without it a file of a few
    /// honest groups among thousands of made-up ones would gain on average: the few are seldom drawn, and count for
    /// far more than they are when they are. One rejected group of 16 costs an eighth of what the sample adds.
    pub extrapolation: f64,
    /// Statistics of all draws that were proven; absent when none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub draws: Option<DrawStatistics>,
}

impl MinerReport {
    /// The report of a file that was refused whole.
    ///
    /// `claimed`: groups and rollouts that it holds, zero when it could not be read.
    pub fn refused(
        context: &WindowContext,
        hotkey: &Hotkey,
        rejection: Rejection,
        claimed: (u32, u64),
    ) -> Self {
        let tally = WindowTally {
            groups_claimed: claimed.0,
            claimed: claimed.1,
            rejected: BTreeMap::from([(rejection.code().to_owned(), claimed.1)]),
            extrapolation: 1.0,
            ..WindowTally::default()
        };
        Self::new(context, hotkey, Verdict::Rejected(rejection), Vec::new(), tally)
    }

    /// The report of a file that nobody could look at: the store, the chain or this machine failed.
    pub fn undecided(context: &WindowContext, hotkey: &Hotkey, fault: &grail_ports::Fault) -> Self {
        let tally = WindowTally { extrapolation: 1.0, ..WindowTally::default() };
        Self::new(context, hotkey, Verdict::Undecided(Doubt::from(fault)), Vec::new(), tally)
    }

    pub(crate) fn of_groups(
        context: &WindowContext,
        hotkey: &Hotkey,
        claimed: u32,
        groups: Vec<GroupReport>,
    ) -> Self {
        let tally = WindowTally::of(claimed, &groups);
        Self::new(context, hotkey, Verdict::Accepted, groups, tally)
    }

    fn new(
        context: &WindowContext,
        hotkey: &Hotkey,
        file: Verdict,
        groups: Vec<GroupReport>,
        tally: WindowTally,
    ) -> Self {
        Self {
            hotkey: *hotkey,
            window: context.window,
            checkpoint: context.checkpoint,
            env: context.env.clone(),
            root: None,
            file,
            groups,
            tally,
        }
    }

    /// Every rejection with the rollout it struck; `None` for the file as a whole.
    pub fn rejections(&self) -> impl Iterator<Item = (Option<(GroupIndex, RolloutIndex)>, &Rejection)> {
        let file = self.file.rejection().map(|rejection| (None, rejection));
        let rollouts = self.groups.iter().flat_map(|group| {
            group.rollouts.iter().filter_map(|rollout| {
                let rejection = rollout.verdict.rejection()?;
                Some((Some((group.group, rollout.rollout)), rejection))
            })
        });
        file.into_iter().chain(rollouts)
    }

    /// Whether the court found nothing against the miner and left nothing open.
    pub fn is_clean(&self) -> bool {
        let checked = &self.tally;
        self.file == Verdict::Accepted && checked.rejected.is_empty() && checked.undecided.is_empty()
    }

    /// Digests of the distinct solutions among the rollouts that count, in rising order.
    pub fn solutions(&self) -> BTreeSet<&str> {
        self.counting()
            .filter(|(_, judged)| judged.success)
            .filter_map(|(_, j)| j.solution.as_deref())
            .collect()
    }

    fn counting(&self) -> impl Iterator<Item = (&RolloutReport, &Judgement)> {
        counting(&self.groups)
    }
}

/// Rollouts that count, with their judgement.
fn counting(groups: &[GroupReport]) -> impl Iterator<Item = (&RolloutReport, &Judgement)> {
    let accepted = |group: &&GroupReport| group.verdict == Verdict::Accepted;
    groups
        .iter()
        .filter(accepted)
        .flat_map(|group| &group.rollouts)
        .filter(|rollout| rollout.verdict == Verdict::Accepted)
        .filter_map(|rollout| rollout.judgement.as_ref().map(|judgement| (rollout, judgement)))
}

impl GroupReport {
    pub(crate) fn new(group: GroupIndex, rollouts: Vec<RolloutReport>) -> Self {
        let mut verdict = None;
        for rollout in &rollouts {
            match (&rollout.verdict, &verdict) {
                (Verdict::Rejected(_), _) => {
                    verdict = Some(rollout.verdict.clone());
                    break;
                }
                (Verdict::Accepted, _) => verdict = Some(Verdict::Accepted),
                (Verdict::Undecided(_), None) => verdict = Some(rollout.verdict.clone()),
                (Verdict::Undecided(_), Some(_)) => {}
            }
        }
        let measured = rollouts.iter().filter_map(|rollout| rollout.measured.as_ref()?.draws.as_ref());
        let draws = DrawStatistics::sum(measured);
        Self { group, verdict: verdict.unwrap_or(Verdict::Undecided(Doubt::NotProven)), rollouts, draws }
    }
}

impl WindowTally {
    fn of(groups_claimed: u32, groups: &[GroupReport]) -> Self {
        let groups_checked = u32::try_from(groups.len()).unwrap_or(u32::MAX);
        let mut tally = Self {
            groups_claimed,
            groups_checked,
            claimed: u64::from(groups_claimed) * u64::from(grail_protocol::params::ROLLOUTS_PER_PROBLEM),
            extrapolation: extrapolation(groups_claimed, groups),
            draws: DrawStatistics::sum(groups.iter().filter_map(|group| group.draws.as_ref())),
            ..Self::default()
        };
        for group in groups {
            for rollout in &group.rollouts {
                tally.checked += 1;
                match &rollout.verdict {
                    Verdict::Accepted if group.verdict == Verdict::Accepted => tally.accepted += 1,
                    Verdict::Accepted => tally.spoiled += 1,
                    Verdict::Rejected(rejection) => {
                        *tally.rejected.entry(rejection.code().into()).or_default() += 1;
                    }
                    Verdict::Undecided(doubt) => {
                        *tally.undecided.entry(doubt.name().into()).or_default() += 1
                    }
                }
            }
        }
        let mut rewards = 0.0;
        let mut solutions = BTreeSet::new();
        for (_, judgement) in counting(groups) {
            rewards += f64::from(judgement.reward);
            if judgement.success {
                tally.successful += 1;
                solutions.extend(judgement.solution.as_deref());
            }
        }
        tally.unique_solutions = solutions.len() as u64;
        tally.mean_reward = (tally.accepted > 0).then(|| to_millionth(rewards / tally.accepted as f64));
        tally
    }

    /// Rejected rollouts, all codes together.
    pub fn rejected_total(&self) -> u64 {
        self.rejected.values().sum()
    }

    /// Undecided rollouts, all reasons together.
    pub fn undecided_total(&self) -> u64 {
        self.undecided.values().sum()
    }
}

fn extrapolation(claimed: u32, groups: &[GroupReport]) -> f64 {
    if groups.is_empty() {
        return 1.0;
    }
    let checked = groups.len() as f64;
    let clean = groups.iter().filter(|group| group.verdict.rejection().is_none()).count() as f64 / checked;
    to_millionth((f64::from(claimed) / checked * clean * clean).max(1.0))
}

/// Rounded so that seven digits of JSON carry the value exactly, whatever reader they meet.
fn to_millionth(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests;

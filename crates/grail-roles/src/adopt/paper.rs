//! A verdict held against the file that it speaks of, on paper: everything but the model's own word.

use grail_artifact::{
    limits::LIMITS,
    verdict::{FileVerdict, REWARD_UNIT},
    window::WindowCodec,
};
use grail_env::Environment;
use grail_ports::{model::Tokenize, shelf::Fetched};
use grail_protocol::{
    seed::{WindowContext, challenge_stream},
    words::{GroupIndex, Hotkey, UnixMillis},
};
use grail_verify::{Case, Sampling, report::RolloutReport, score::Tally, verify_on_paper};
use std::{collections::BTreeSet, sync::Arc};

/// What a window's files are read with.
pub(super) struct Desk {
    pub(super) context: WindowContext,
    pub(super) deadline: UnixMillis,
    pub(super) challenge: [u8; 32],
    pub(super) environment: Arc<Environment>,
    pub(super) tokenizer: Arc<dyn Tokenize>,
    pub(super) codec: Arc<dyn WindowCodec>,
    pub(super) vocabulary: u32,
    pub(super) context_length: u32,
}

impl Desk {
    /// What a verdict makes of a miner's file, where it holds on paper; else why it does not.
    ///
    /// The file must be the judged one, in time, signed and well-formed; each accepted group must be in it and among those
    /// that the challenge draws; each of its rewards and right answers must be what the environment says of the text.
    pub(super) fn tally(&self, fetched: Fetched, verdict: &FileVerdict) -> Result<Tally, String> {
        let case = Case {
            context: &self.context,
            hotkey: &verdict.hotkey,
            deadline: self.deadline,
            codec: self.codec.as_ref(),
            limits: &LIMITS,
            sampling: &Sampling::ALL,
            challenge: &self.challenge,
            environment: &self.environment,
            tokenizer: self.tokenizer.as_ref(),
            vocabulary: self.vocabulary,
            context_length: self.context_length,
        };
        let report = verify_on_paper(fetched, &case);
        if let Some(rejection) = report.file.rejection() {
            return Err(format!("the file would be refused: {}", rejection.explain()));
        }
        if report.root != verdict.root {
            return Err("another file lies there than was judged".to_owned());
        }
        let mut solutions = BTreeSet::new();
        for accepted in &verdict.groups {
            let group = report.groups.iter().find(|group| group.group == accepted.group);
            let group = group.ok_or_else(|| format!("group {} is not in the file", accepted.group))?;
            if group.rollouts.len() != accepted.rewards.len() || group.rollouts.len() != accepted.right.len()
            {
                return Err(format!("group {} has {} rollouts", accepted.group, group.rollouts.len()));
            }
            let said = accepted.rewards.iter().zip(&accepted.right);
            for (rollout, (reward, right)) in group.rollouts.iter().zip(said) {
                let place = || format!("group {} rollout {}", accepted.group, rollout.rollout);
                let solution =
                    check(rollout, *reward, *right).map_err(|why| format!("{}: {why}", place()))?;
                solutions.extend(solution);
            }
        }
        let claimed = report.tally.groups_claimed;
        let open: u64 = verdict.refused.values().chain(verdict.undecided.values()).sum();
        let groups: BTreeSet<GroupIndex> = verdict.groups.iter().map(|group| group.group).collect();
        let proven = self.proven(&verdict.hotkey, claimed, &groups, open);
        let clean = groups.len() as f64 / f64::from(proven.max(1));
        let extrapolation = (f64::from(claimed) / f64::from(proven.max(1)) * clean * clean).max(1.0);
        let valid = groups.len() as u64 * u64::from(self.context.params.rollouts_per_problem);
        Ok(Tally { valid, solutions, extrapolation })
    }

    /// Fewest groups that the validator can have proven: the challenge draws groups one after another, so all that are
    /// drawn up to the last accepted one; and as many as it takes to hold what it refused and left open.
    fn proven(&self, hotkey: &Hotkey, claimed: u32, accepted: &BTreeSet<GroupIndex>, open: u64) -> u32 {
        let each = u64::from(self.context.params.rollouts_per_problem).max(1);
        let least = (accepted.len() as u64).saturating_add(open.div_ceil(each));
        let least = u32::try_from(least).unwrap_or(u32::MAX).min(claimed);
        let seed = self.context.seed();
        let drawn = |groups: u32| -> BTreeSet<GroupIndex> {
            let rule = Sampling { all_up_to: 0, share_percent: 0, min: groups, max: groups };
            rule.pick(claimed, &mut challenge_stream(&seed, &self.challenge, hotkey)).into_iter().collect()
        };
        // A larger sample holds every smaller one.
        let (mut low, mut high) = (least, claimed);
        while low < high {
            let middle = low + (high - low) / 2;
            if accepted.is_subset(&drawn(middle)) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }
}

/// Holds what a verdict says of a rollout against its text. Gives the key of its solution, where it is right.
fn check(rollout: &RolloutReport, reward: u32, right: bool) -> Result<Option<[u8; 32]>, String> {
    if let Some(rejection) = rollout.verdict.rejection() {
        return Err(format!("accepted, and would be refused: {}", rejection.explain()));
    }
    let judged = rollout.judgement.as_ref().ok_or("its answer cannot be read here")?;
    let ours = (f64::from(judged.reward) * f64::from(REWARD_UNIT)).round() as u32;
    if (ours, judged.success) != (reward, right) {
        return Err(format!(
            "the verdict says reward {reward} and right: {right}, its text says {ours} and {}",
            judged.success
        ));
    }
    let Some(solution) = judged.solution.as_deref().filter(|_| right) else { return Ok(None) };
    let mut key = [0; 32];
    Ok(hex::decode_to_slice(solution, &mut key).ok().map(|()| key))
}

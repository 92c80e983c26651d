use super::{
    prove::{Proven, ProvenGroup, ProvenRollout},
    replay::Setting,
};
use crate::{
    Doubt, Rejection, Verdict,
    report::{GroupReport, Judgement, MinerReport, RolloutReport},
};
use grail_env::Outcome;
use grail_ports::model::{Tokenize, outcome_of};

impl Proven {
    /// Judges every completion by the environment and writes the report.
    ///
    /// One final end token is removed by id, the rest is decoded and judged. The claimed reward must be the recomputed
    /// f32 bit for bit: rewards are whole hundred-thousandths rounded once, so honest claims differ by nothing. A
    /// wrong claim rejects a rollout even where the proof is undecided; it needs no model to be wrong.
    ///
    /// Trouble with the tokenizer leaves a rollout undecided.
    pub fn judge(self, tokenizer: &dyn Tokenize) -> MinerReport {
        let groups = self.groups.into_iter().map(|group| judge_group(group, tokenizer)).collect();
        MinerReport {
            root: Some(self.terms.root),
            ..MinerReport::of_groups(&self.terms.context, &self.terms.hotkey, self.claimed, groups)
        }
    }
}

fn judge_group(group: ProvenGroup, tokenizer: &dyn Tokenize) -> GroupReport {
    let setting = group.setting.as_ref().ok();
    let judge = |rollout| judge_rollout(rollout, setting, tokenizer);
    GroupReport::new(group.index, group.rollouts.into_iter().map(judge).collect())
}

fn judge_rollout(
    ProvenRollout { record, verdict, measured }: ProvenRollout,
    setting: Option<&Setting>,
    tokenizer: &dyn Tokenize,
) -> RolloutReport {
    let outcome = setting.map(|setting| outcome_of(&setting.problem, &record.tokens, tokenizer));
    let (verdict, judgement) = match (verdict, outcome) {
        (Verdict::Rejected(rejection), outcome) => {
            (Verdict::Rejected(rejection), outcome.and_then(Result::ok).map(|outcome| judgement(&outcome)))
        }
        (verdict, None) => (verdict, None),
        (_, Some(Err(fault))) => (Verdict::Undecided(Doubt::from(&fault)), None),
        (verdict, Some(Ok(outcome))) => {
            let reward = outcome.reward.total();
            let verdict = if reward.equals_claim(record.reward) {
                verdict
            } else {
                Verdict::Rejected(Rejection::RewardMismatch {
                    claimed: record.reward,
                    recomputed: reward.as_f32(),
                })
            };
            (verdict, Some(judgement(&outcome)))
        }
    };
    RolloutReport {
        rollout: record.rollout,
        verdict,
        tokens: u32::try_from(record.tokens.len()).unwrap_or(u32::MAX),
        claimed_reward: record.reward,
        judgement,
        measured,
    }
}

fn judgement(outcome: &Outcome) -> Judgement {
    Judgement {
        reward: outcome.reward.total().as_f32(),
        success: outcome.success,
        solution: outcome.solution.map(|key| key.to_string()),
    }
}

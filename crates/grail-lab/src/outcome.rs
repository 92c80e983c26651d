//! What became of one attack, counted.

use crate::{
    attack::Submission,
    old::OldTally,
    statistics::{Waiting, tokens_at_one_in_a_million, upper_bound},
};
use grail_protocol::params::ROLLOUTS_PER_PROBLEM;
use grail_verify::{
    DrawStatistics, MinerReport, Verdict,
    lies::{Expectation, Lie, LieKind},
};
use serde::Serialize;
use std::collections::BTreeMap;

/// One attack on one model: an object of `--json`, a row of the table.
#[derive(Debug, Clone, Serialize)]
pub struct AttackOutcome {
    /// Name of the attack.
    pub attack: &'static str,
    /// Its family.
    pub kind: LieKind,
    /// What it does.
    pub about: &'static str,
    /// The model that was lied about.
    pub model: String,
    /// Numeric profile.
    pub numeric: &'static str,
    /// What must become of it.
    pub expectation: Expectation,
    /// Whether it became that.
    pub holds: bool,
    /// Nothing was refused, in fewer tokens of the miner than the expectation allows: that it holds says nothing then.
    pub too_few_tokens: bool,
    /// Rollouts tried.
    pub rollouts: u64,
    /// Those that are lies. The others are what an honest miner would have sent too, however they came about.
    pub lies: u64,
    /// Lies that count: accepted, in a group without a refusal.
    pub accepted: u64,
    /// Those of them whose tokens an honest miner would have drawn too: only their proof is of another computation.
    pub accepted_with_true_text: u64,
    /// Lies that pass by themselves, in a group that is refused for another.
    pub spoiled: u64,
    /// Lies without a verdict, by reason.
    pub inconclusive: BTreeMap<String, u64>,
    /// Refused lies, by code.
    pub refused: BTreeMap<String, u64>,
    /// Truthful rollouts that were refused by themselves.
    pub false_refusals: u64,
    /// Upper bound on the rate of such refusals that the number of truthful rollouts supports, at 95 % confidence.
    pub false_refusal_bound: Option<f64>,
    /// Groups that hold a lie.
    pub groups: u64,
    /// Those that are refused.
    pub groups_refused: u64,
    /// Completion tokens of the lies.
    pub tokens: u64,
    /// Tokens of the miner who lies up to the first refusal, in the court as it is; truthful rollouts among them too.
    pub tokens_to_detect: Waiting,
    /// Tokens until lost draws alone tell the lie with one false alarm in a million, on average. None where they never do.
    pub tokens_by_draws: Option<f64>,
    /// Draws that were lost, among all that were looked at.
    pub lost_draws: Option<(u64, u64)>,
    /// Rewards.
    pub reward: MeanRewards,
    /// Bits of freedom that the margins leave in a thousand tokens, at most.
    pub slack_bits_per_1000_tokens: Option<f64>,
    /// Size.
    pub bytes_per_token: Bytes,
    /// The Python network's proof on the same lies.
    pub v5: Option<OldTally>,
    /// TOPLOC on the same lies.
    pub toploc: Option<serde_json::Value>,
}

/// Mean rewards, recomputed.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct MeanRewards {
    /// Of the honest rollouts in the place of the lies.
    pub honest: Option<f64>,
    /// Of the lies, refused or not.
    pub sent: Option<f64>,
    /// What a rollout of the attack is paid beyond an honest one: refused ones are paid nothing.
    pub gained: Option<f64>,
}

/// Bytes a token.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Bytes {
    /// Of the proof: the sketch, before it is compressed.
    pub proof: f64,
    /// Of the stored file as a whole: tokens, sketch, log-probabilities, rewards, head.
    pub file: f64,
}

/// Adds up windows.
#[derive(Debug)]
pub(crate) struct Counting {
    outcome: AttackOutcome,
    in_order: Vec<(u64, bool)>,
    draws: Vec<DrawStatistics>,
    file_bytes: u64,
    file_tokens: u64,
    truthful: u64,
    rewards: Rewards,
}

#[derive(Debug, Default)]
struct Rewards {
    honest: f64,
    sent: f64,
    paid: f64,
    judged: u64,
}

impl Counting {
    pub(crate) fn new(lie: &Lie, model: &str, numeric: &'static str) -> Self {
        let outcome = AttackOutcome {
            attack: lie.name,
            kind: lie.kind,
            about: lie.says,
            model: model.to_owned(),
            numeric,
            expectation: lie.on_real.unwrap_or(Expectation::Open),
            holds: false,
            too_few_tokens: false,
            rollouts: 0,
            lies: 0,
            accepted: 0,
            accepted_with_true_text: 0,
            spoiled: 0,
            inconclusive: BTreeMap::new(),
            refused: BTreeMap::new(),
            false_refusals: 0,
            false_refusal_bound: None,
            groups: 0,
            groups_refused: 0,
            tokens: 0,
            tokens_to_detect: Waiting::default(),
            tokens_by_draws: None,
            lost_draws: None,
            reward: MeanRewards::default(),
            slack_bits_per_1000_tokens: None,
            bytes_per_token: Bytes::default(),
            v5: None,
            toploc: None,
        };
        Self {
            outcome,
            in_order: Vec::new(),
            draws: Vec::new(),
            file_bytes: 0,
            file_tokens: 0,
            truthful: 0,
            rewards: Rewards::default(),
        }
    }

    /// Adds one file with its verdict. `honest` are the rewards of the honest rollouts in the same places.
    pub(crate) fn add(&mut self, submission: &Submission, report: &MinerReport, honest: &[f32]) {
        let outcome = &mut self.outcome;
        outcome.rollouts += submission.records.len() as u64;
        self.file_bytes += submission.body.len() as u64;
        self.file_tokens += submission.records.iter().map(|record| record.tokens.len() as u64).sum::<u64>();
        if let Verdict::Rejected(rejection) = &report.file {
            let lies = submission.records.len() as u64;
            outcome.lies += lies;
            *outcome.refused.entry(rejection.code().into()).or_default() += lies;
            let groups = lies.div_ceil(u64::from(ROLLOUTS_PER_PROBLEM));
            outcome.groups += groups;
            outcome.groups_refused += groups;
            // No token was looked at.
            self.in_order.extend(submission.records.iter().map(|_| (0, true)));
            return;
        }
        let mut harmless = submission.harmless.iter();
        let (mut honest, mut true_texts) = (honest.iter(), submission.true_text.iter());
        for group in &report.groups {
            let refused_group = group.verdict.rejection().is_some();
            let mut holds_a_lie = false;
            for rollout in &group.rollouts {
                let is_lie = !harmless.next().copied().unwrap_or(false);
                let true_text = true_texts.next().copied().unwrap_or(false);
                let honest = honest.next().map(|reward| f64::from(*reward));
                let tokens = u64::from(rollout.tokens);
                let refused = rollout.verdict.rejection().is_some();
                if !is_lie {
                    self.truthful += 1;
                    outcome.false_refusals += u64::from(refused);
                    if let Verdict::Undecided(doubt) = &rollout.verdict {
                        *outcome.inconclusive.entry(format!("truthful: {}", doubt.name())).or_default() += 1;
                    }
                    self.draws.extend(rollout.measured.as_ref().and_then(|measured| measured.draws));
                    // They are tokens of the same miner, and one waits through them.
                    self.in_order.push((tokens, refused));
                    continue;
                }
                holds_a_lie = true;
                outcome.lies += 1;
                outcome.tokens += tokens;
                self.in_order.push((tokens, refused));
                let counts = rollout.verdict == Verdict::Accepted && !refused_group;
                match &rollout.verdict {
                    Verdict::Accepted if counts => {
                        outcome.accepted += 1;
                        outcome.accepted_with_true_text += u64::from(true_text);
                    }
                    Verdict::Accepted => outcome.spoiled += 1,
                    Verdict::Rejected(rejection) => {
                        *outcome.refused.entry(rejection.code().into()).or_default() += 1;
                    }
                    Verdict::Undecided(doubt) => {
                        *outcome.inconclusive.entry(doubt.name().into()).or_default() += 1;
                    }
                }
                self.draws.extend(rollout.measured.as_ref().and_then(|measured| measured.draws));
                if let (Some(judged), Some(honest)) = (&rollout.judgement, honest) {
                    self.rewards.judged += 1;
                    self.rewards.honest += honest;
                    self.rewards.sent += f64::from(judged.reward);
                    self.rewards.paid += if counts { f64::from(judged.reward) } else { 0.0 };
                }
            }
            outcome.groups += u64::from(holds_a_lie);
            outcome.groups_refused += u64::from(holds_a_lie && refused_group);
        }
    }

    pub(crate) fn add_old(&mut self, tally: OldTally) {
        let sum = self.outcome.v5.get_or_insert_default();
        sum.rollouts += tally.rollouts;
        sum.sketch_accepted += tally.sketch_accepted;
        sum.logprob_accepted += tally.logprob_accepted;
        sum.accepted += tally.accepted;
    }

    pub(crate) fn finish(self) -> AttackOutcome {
        let mut outcome = self.outcome;
        outcome.tokens_to_detect = Waiting::of(&self.in_order);
        let (mut lost, mut draws, mut expected, mut slack) = (0, 0, 0.0, 0.0);
        for part in &self.draws {
            lost += part.lost;
            draws += part.draws;
            expected += part.expected;
            slack += part.slack_bits;
        }
        if draws > 0 {
            outcome.lost_draws = Some((lost, draws));
            outcome.slack_bits_per_1000_tokens = Some(1_000.0 * slack / draws as f64);
            outcome.tokens_by_draws = tokens_at_one_in_a_million(lost, draws, expected);
        }
        if self.truthful > 0 {
            outcome.false_refusal_bound = Some(upper_bound(outcome.false_refusals, self.truthful));
        }
        if self.rewards.judged > 0 {
            let mean = |sum: f64| sum / self.rewards.judged as f64;
            outcome.reward = MeanRewards {
                honest: Some(mean(self.rewards.honest)),
                sent: Some(mean(self.rewards.sent)),
                gained: Some(mean(self.rewards.paid - self.rewards.honest)),
            };
        }
        if self.file_tokens > 0 {
            outcome.bytes_per_token =
                Bytes { proof: 1.0, file: self.file_bytes as f64 / self.file_tokens as f64 };
        }
        if let Expectation::Within(allowed) = outcome.expectation {
            let seen: u64 = self.in_order.iter().map(|(tokens, _)| tokens).sum();
            let waits = outcome.lies > 0 && outcome.tokens_to_detect.median.is_none();
            outcome.too_few_tokens = waits && seen < allowed;
        }
        outcome.holds = outcome.does_hold(self.truthful);
        outcome
    }
}

impl AttackOutcome {
    fn does_hold(&self, truthful: u64) -> bool {
        match self.expectation {
            Expectation::Accepted => {
                truthful > 0 && self.lies == 0 && self.false_refusals == 0 && self.inconclusive.is_empty()
            }
            Expectation::Refused => self.lies > 0 && self.accepted == 0,
            Expectation::Within(tokens) => {
                let seen = self.tokens_to_detect.median.is_some_and(|wait| wait <= tokens);
                self.lies == 0 || self.too_few_tokens || seen
            }
            Expectation::Open => true,
        }
    }

    /// Lies that are refused, all codes together.
    pub fn refused_total(&self) -> u64 {
        self.refused.values().sum()
    }

    /// The code that refuses most of them.
    pub fn first_code(&self) -> Option<&str> {
        self.refused.iter().max_by_key(|(_, count)| **count).map(|(code, _)| code.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use grail_verify::lies::named;

    /// One lie among truthful rollouts of 100 tokens each, refused or not.
    fn outcome(truthful: usize, refused: bool) -> AttackOutcome {
        let mut counting = Counting::new(named("int8-proven").unwrap(), "m", "strict-f32");
        assert_eq!(counting.outcome.expectation, Expectation::Within(10_000));
        counting.outcome.lies = 1;
        counting.in_order = vec![(100, false); truthful];
        counting.in_order.push((100, refused));
        counting.finish()
    }

    #[test]
    fn what_few_tokens_cannot_tell_is_told_apart_from_what_was_missed() {
        let found = |outcome: AttackOutcome| (outcome.holds, outcome.too_few_tokens);
        assert_eq!(found(outcome(20, true)), (true, false));
        assert_eq!(found(outcome(20, false)), (true, true));
        assert_eq!(found(outcome(99, false)), (false, false), "10,000 tokens without a refusal");
        assert_eq!(found(outcome(99, true)), (true, false));
        assert_eq!(found(outcome(300, true)), (false, false), "15,000 tokens to the refusal in the median");
    }
}

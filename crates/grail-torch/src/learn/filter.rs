//! Which groups are worth a step.
//!
//! Held to the Python network's trainer by `fixtures/vectors/python/infra/trainer_misc.json`.

use crate::learn::{
    advantage::{sum, variance},
    error::{TrainError, within},
};
use serde::{Deserialize, Serialize};

/// What is known about the rollouts of a group; four lists of one length.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupFacts {
    /// Rewards as the court derived them.
    pub rewards: Vec<f64>,
    /// Completion tokens.
    pub lengths: Vec<usize>,
    /// Whether the answer was right.
    pub successes: Vec<bool>,
    /// Advantages as they will be used.
    pub advantages: Vec<f64>,
}

/// Why a group is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LeftOut {
    /// Not the number of rollouts that a group has, or lists of different lengths.
    Size,
    /// Advantages that do not add up to zero, or are no numbers.
    Unbalanced,
    /// All rewards are equal: nothing to learn.
    Flat,
    /// A completion that is too long.
    Length,
    /// Too few right answers.
    Success,
    /// Too little reward for its tokens.
    Thin,
    /// Among the lowest by reward a token.
    Quantile,
    /// Beyond the number of groups of a step, by rank.
    Rank,
}

impl LeftOut {
    /// Word for logs and records.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Unbalanced => "unbalanced",
            Self::Flat => "flat",
            Self::Length => "length",
            Self::Success => "success",
            Self::Thin => "thin",
            Self::Quantile => "quantile",
            Self::Rank => "rank",
        }
    }
}

/// What can be chosen about the filter.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FilterSettings {
    /// Rollouts of a group; 1 to 4,096.
    pub group_size: usize,
    /// Advantages must add up to less than this; above 0.
    pub balance: f64,
    /// Longest completion in tokens; 1 to 16,777,216.
    pub longest: usize,
    /// Smallest share of right answers; 0 to 1.
    pub least_success: f64,
    /// Smallest mean of reward a token; 0 switches the test off.
    pub least_reward_per_token: f64,
    /// Share of groups dropped, those with the least reward a token; 0 to below 1.
    pub drop_quantile: f64,
    /// Most groups kept; 1 to 1,048,576. Beyond it the best by score stay.
    pub most_groups: usize,
    /// Weight of reward a token in the score; 0 to 1.
    pub reward_weight: f64,
    /// Weight of the advantages' variance in the score; 0 to 1.
    pub variance_weight: f64,
}

impl Default for FilterSettings {
    fn default() -> Self {
        Self {
            group_size: 16,
            balance: 0.01,
            longest: 8_192,
            least_success: 0.0,
            least_reward_per_token: 0.0,
            drop_quantile: 0.0,
            most_groups: 32,
            reward_weight: 0.7,
            variance_weight: 0.3,
        }
    }
}

/// What a filter decided.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choice {
    /// Indices of the groups to train on, in the order to train in.
    pub kept: Vec<usize>,
    /// Indices of the others, with the first reason.
    pub left_out: Vec<(usize, LeftOut)>,
}

impl GroupFacts {
    /// Mean over rollouts of reward over tokens; an empty completion counts as one token.
    pub fn reward_per_token(&self) -> f64 {
        let each = self.rewards.iter().zip(&self.lengths);
        sum(each.map(|(reward, length)| reward / (*length).max(1) as f64)) / self.rewards.len().max(1) as f64
    }

    /// Population variance of the advantages.
    pub fn advantage_variance(&self) -> f64 {
        variance(&self.advantages)
    }
}

impl FilterSettings {
    /// Checks every range.
    ///
    /// Errors: [`TrainError::Setting`] with the first that does not hold.
    pub fn check(&self) -> Result<(), TrainError> {
        within("group_size", self.group_size as f64, (1.0, 4_096.0), "1 to 4,096")?;
        within("balance", self.balance, (f64::MIN_POSITIVE, f64::MAX), "above 0")?;
        within("longest", self.longest as f64, (1.0, 16_777_216.0), "1 to 16,777,216")?;
        within("least_success", self.least_success, (0.0, 1.0), "0 to 1")?;
        within("least_reward_per_token", self.least_reward_per_token, (0.0, f64::MAX), "0 or more")?;
        within("drop_quantile", self.drop_quantile, (0.0, 1.0 - f64::EPSILON), "0 to below 1")?;
        within("most_groups", self.most_groups as f64, (1.0, 1_048_576.0), "1 to 1,048,576")?;
        within("reward_weight", self.reward_weight, (0.0, 1.0), "0 to 1")?;
        within("variance_weight", self.variance_weight, (0.0, 1.0), "0 to 1")
    }

    /// The score by which groups are ranked.
    pub fn score(&self, group: &GroupFacts) -> f64 {
        self.reward_weight * group.reward_per_token() + self.variance_weight * group.advantage_variance()
    }

    /// Chooses groups. Without dropping or ranking they stay in order; dropping puts the least reward a token first,
    /// ranking the best score first. Equal groups keep their order.
    pub fn choose(&self, groups: &[GroupFacts]) -> Choice {
        let mut choice = Choice::default();
        let mut kept: Vec<(usize, &GroupFacts)> = Vec::new();
        for (index, group) in groups.iter().enumerate() {
            match self.flaw(group) {
                None => kept.push((index, group)),
                Some(reason) => choice.left_out.push((index, reason)),
            }
        }
        let dropped = (kept.len() as f64 * self.drop_quantile).floor() as usize;
        if self.drop_quantile > 0.0 {
            kept.sort_by(|(_, a), (_, b)| a.reward_per_token().total_cmp(&b.reward_per_token()));
            choice.left_out.extend(kept.drain(..dropped).map(|(index, _)| (index, LeftOut::Quantile)));
        }
        if kept.len() > self.most_groups {
            kept.sort_by(|(_, a), (_, b)| self.score(b).total_cmp(&self.score(a)));
            choice.left_out.extend(kept.drain(self.most_groups..).map(|(index, _)| (index, LeftOut::Rank)));
        }
        choice.kept = kept.into_iter().map(|(index, _)| index).collect();
        choice
    }

    /// The first reason to leave a group out on its own.
    fn flaw(&self, group: &GroupFacts) -> Option<LeftOut> {
        let size = self.group_size;
        let lists = [group.rewards.len(), group.lengths.len(), group.successes.len(), group.advantages.len()];
        if lists != [size; 4] {
            return Some(LeftOut::Size);
        }
        let balanced = sum(group.advantages.iter().copied()).abs() < self.balance;
        if !balanced || group.rewards.iter().any(|reward| !reward.is_finite()) {
            return Some(LeftOut::Unbalanced);
        }
        let first = group.rewards.first();
        if group.rewards.iter().all(|reward| Some(reward) == first) {
            return Some(LeftOut::Flat);
        }
        if group.lengths.iter().any(|length| *length > self.longest) {
            return Some(LeftOut::Length);
        }
        let right = group.successes.iter().filter(|success| **success).count();
        if (right as f64) < self.least_success * size as f64 {
            return Some(LeftOut::Success);
        }
        (group.reward_per_token() < self.least_reward_per_token).then_some(LeftOut::Thin)
    }
}

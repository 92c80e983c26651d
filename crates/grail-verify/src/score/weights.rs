use super::Standing;
use grail_protocol::{
    policy::{Burn, WeightPolicy},
    words::Hotkey,
};
use std::collections::BTreeMap;

/// How raw scores come from what was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WeightRule {
    /// `unique^1.5 · valid`: solutions that differ are worth more than many of the same, and volume without any is
    /// worth nothing.
    Grail1,
    /// `min(unique, cap)^e · valid`, as a network states it.
    Stated {
        /// `e` in quarters.
        quarters: u32,
        /// Most unique solutions that count.
        cap: Option<u32>,
    },
}

impl WeightRule {
    /// The rule where a network states none of its own.
    pub const IN_USE: Self = Self::Grail1;

    /// The rule of a network's policy.
    pub fn of(policy: &WeightPolicy) -> Self {
        if (policy.exponent_percent, policy.unique_cap) == (150, None) {
            return Self::IN_USE;
        }
        Self::Stated { quarters: policy.exponent_percent / 25, cap: policy.unique_cap }
    }

    /// The rule in words: `unique^1.5 · valid`.
    pub fn describe(self) -> String {
        match self {
            Self::Grail1 => "unique^1.5 · valid".to_owned(),
            Self::Stated { quarters, cap } => {
                let exponent = f64::from(quarters) / 4.0;
                cap.map_or_else(
                    || format!("unique^{exponent} · valid"),
                    |cap| format!("min(unique, {cap})^{exponent} · valid"),
                )
            }
        }
    }

    pub(crate) fn raw(self, standing: &Standing) -> f64 {
        match self {
            // x^1.5 by multiplication and square root, which IEEE 754 rounds alike everywhere.
            Self::Grail1 => standing.unique * standing.unique.sqrt() * standing.valid,
            Self::Stated { quarters, cap } => {
                let unique = cap.map_or(standing.unique, |cap| standing.unique.min(f64::from(cap)));
                quarter_power(unique, quarters) * standing.valid
            }
        }
    }
}

/// `x^(quarters/4)` by multiplication and square roots, which IEEE 754 rounds alike everywhere.
fn quarter_power(x: f64, quarters: u32) -> f64 {
    let whole = (0..quarters / 4).fold(1.0, |power, _| power * x);
    let half = if quarters & 2 != 0 { x.sqrt() } else { 1.0 };
    let quarter = if quarters & 1 != 0 { x.sqrt().sqrt() } else { 1.0 };
    whole * half * quarter
}

/// A row as the chain takes it: weights of whoever `uid_of` knows, and the burnt share, by rising uid.
///
/// Without burning it is [`Weights::to_u16`], and empty where nobody has earned anything. With it, the burnt share is
/// taken of the whole and the rest divided in proportion; where nobody has earned anything, all of it is burnt.
pub fn row(
    weights: Option<&Weights>,
    burn: Option<Burn>,
    uid_of: impl Fn(&Hotkey) -> Option<u16>,
) -> Vec<(u16, u16)> {
    let Some(Burn { uid, permille }) = burn else {
        let stored = weights.map(Weights::to_u16).unwrap_or_default();
        let mut row: Vec<(u16, u16)> =
            stored.iter().filter_map(|(hotkey, weight)| Some((uid_of(hotkey)?, *weight))).collect();
        row.sort_unstable();
        return row;
    };
    let mut shares: BTreeMap<u16, f64> = weights
        .into_iter()
        .flat_map(Weights::iter)
        .filter_map(|(hotkey, share)| Some((uid_of(hotkey)?, share)))
        .collect();
    let earned: f64 = shares.values().sum();
    let burnt = f64::from(permille) / 1_000.0;
    if earned <= 0.0 {
        return vec![(uid, u16::MAX)];
    }
    shares.values_mut().for_each(|share| *share = *share / earned * (1.0 - burnt));
    *shares.entry(uid).or_insert(0.0) += burnt;
    let largest = shares.values().copied().fold(0.0, f64::max);
    shares.retain(|_, share| *share > 0.0);
    shares.into_iter().map(|(uid, share)| (uid, stored(share, largest))).collect()
}

/// A share as the chain stores it beside the largest: rounded half away from zero, at least 1.
fn stored(share: f64, largest: f64) -> u16 {
    (share / largest * FULL).round().clamp(1.0, FULL) as u16
}

/// Shares of the whole by miner: positive, adding up to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights(BTreeMap<Hotkey, f64>);

/// The chain's largest weight.
const FULL: f64 = 65_535.0;

impl Weights {
    /// Divides by the sum. Scores that are not positive and finite drop out; `None` when none is left.
    pub(crate) fn normalise(raw: impl Iterator<Item = (Hotkey, f64)>) -> Option<Self> {
        let mut shares: BTreeMap<Hotkey, f64> =
            raw.filter(|(_, score)| score.is_finite() && *score > 0.0).collect();
        // A sum of huge scores may overflow; dividing by the largest first keeps every share.
        let largest = shares.values().copied().fold(0.0, f64::max);
        shares.values_mut().for_each(|score| *score /= largest);
        let total: f64 = shares.values().sum();
        // A score too small beside the largest may have become zero; it has no share that could be told.
        shares.retain(|_, score| *score > 0.0);
        shares.values_mut().for_each(|score| *score /= total);
        (!shares.is_empty()).then_some(Self(shares))
    }

    /// A miner's share, 0 for whoever has none.
    pub fn share(&self, hotkey: &Hotkey) -> f64 {
        self.0.get(hotkey).copied().unwrap_or(0.0)
    }

    /// Miners with a share, by hotkey.
    pub fn iter(&self) -> impl Iterator<Item = (&Hotkey, f64)> {
        self.0.iter().map(|(hotkey, share)| (hotkey, *share))
    }

    /// As the chain stores them: the largest becomes 65,535, the others in proportion, rounded half away from zero,
    /// and every positive share at least 1: nobody who earned something vanishes by rounding.
    pub fn to_u16(&self) -> BTreeMap<Hotkey, u16> {
        let largest = self.0.values().copied().fold(0.0, f64::max);
        self.0.iter().map(|(hotkey, share)| (*hotkey, stored(*share, largest))).collect()
    }
}

#[cfg(test)]
mod tests;

use super::Standing;
use grail_protocol::words::Hotkey;
use std::collections::BTreeMap;

/// How raw scores come from what was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WeightRule {
    /// `unique^1.5 · valid`: solutions that differ are worth more than many of the same, and volume without any is
    /// worth nothing.
    Grail1,
}

impl WeightRule {
    /// The rule of this version of the protocol: what validators weigh by and `grail score explain` shows.
    pub const IN_USE: Self = Self::Grail1;

    pub(crate) fn raw(self, standing: &Standing) -> f64 {
        match self {
            // x^1.5 by multiplication and square root, which IEEE 754 rounds alike everywhere.
            Self::Grail1 => standing.unique * standing.unique.sqrt() * standing.valid,
        }
    }
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
        let scale = |share: f64| (share / largest * FULL).round().clamp(1.0, FULL) as u16;
        self.0.iter().map(|(hotkey, share)| (*hotkey, scale(*share))).collect()
    }
}

#[cfg(test)]
mod tests;

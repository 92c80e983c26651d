//! What the chain allows, as pure functions: who may set weights and when, what is stored, who earns.
//!
//! They follow the subnet chain: a hotkey must be registered; weights wait for a number of blocks since the last
//! time (registration counts as one); only validators with a permit may set them; the stored row is scaled so that
//! its largest weight is 65,535. Where the real chain runs a consensus over all validators, this one takes the
//! stake-weighted mean of their normalised rows.

use grail_ports::chain::{Uid, WeightRow};
use grail_protocol::words::{BlockNumber, Hotkey};
use std::collections::{BTreeMap, BTreeSet};

/// Most bytes of a commitment.
pub const MAX_COMMITMENT_BYTES: usize = 512;

/// The chain says no, and will say so again until something about the request or the registration changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DevnetRefusal {
    /// The hotkey has no number on this network.
    #[error("hotkey {hotkey} is not registered on this network; register it first")]
    NotRegistered {
        /// Who asked.
        hotkey: Hotkey,
    },
    /// Registered, but not as a validator.
    #[error("uid {uid} has no validator permit, so its weights do not count")]
    NoPermit {
        /// Who asked.
        uid: Uid,
    },
    /// A row without a positive weight.
    #[error("the weight row names nobody with a positive weight")]
    EmptyRow,
    /// A weight for a number that nobody has.
    #[error("the weight row names uid {uid}, which is not registered")]
    UnknownUid {
        /// The number.
        uid: Uid,
    },
    /// Two weights for one participant.
    #[error("the weight row names uid {uid} twice")]
    DuplicateUid {
        /// The number.
        uid: Uid,
    },
    /// A commitment over the limit.
    #[error("the commitment has {got} bytes, allowed are {MAX_COMMITMENT_BYTES}")]
    CommitmentTooLong {
        /// Bytes given.
        got: usize,
    },
    /// Every number is taken.
    #[error("the network is full: all 65,536 uids are taken")]
    Full,
}

/// What the chain knows of someone who wants to set weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeightStanding {
    /// Number on the subnet.
    pub uid: Uid,
    /// Whether it may set weights.
    pub validator_permit: bool,
    /// Block of its last weights, or of its registration.
    pub last_update: BlockNumber,
}

/// What becomes of a weight row that breaks no rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// The last row is too fresh.
    TooSoon {
        /// First block at which it may succeed.
        not_before: BlockNumber,
    },
    /// To be stored: scaled, in the order of uids.
    Store(WeightRow),
}

/// Decides about a weight row at block `head`, in the chain's order: registration, rate limit, permit, contents.
pub fn admit(
    standing: Option<WeightStanding>,
    asking: Hotkey,
    head: BlockNumber,
    rate_limit: u64,
    row: &WeightRow,
    registered: &BTreeSet<Uid>,
) -> Result<Admission, DevnetRefusal> {
    let standing = standing.ok_or(DevnetRefusal::NotRegistered { hotkey: asking })?;
    let not_before = BlockNumber(standing.last_update.0.saturating_add(rate_limit));
    if head < not_before {
        return Ok(Admission::TooSoon { not_before });
    }
    if !standing.validator_permit {
        return Err(DevnetRefusal::NoPermit { uid: standing.uid });
    }
    let mut seen = BTreeMap::new();
    for &(uid, weight) in row {
        if seen.insert(uid, weight).is_some() {
            return Err(DevnetRefusal::DuplicateUid { uid });
        }
        if !registered.contains(&uid) {
            return Err(DevnetRefusal::UnknownUid { uid });
        }
    }
    match seen.values().max() {
        None | Some(0) => Err(DevnetRefusal::EmptyRow),
        Some(&most) => Ok(Admission::Store(scale(seen, most))),
    }
}

/// Scales so that `most` becomes 65,535, rounding down. A positive weight stays positive, since the factor is at
/// least one.
fn scale(row: BTreeMap<Uid, u16>, most: u16) -> WeightRow {
    let scaled = |weight: u16| {
        let product = u32::from(weight) * u32::from(u16::MAX);
        product.checked_div(u32::from(most)).and_then(|weight| u16::try_from(weight).ok()).unwrap_or(u16::MAX)
    };
    row.into_iter().map(|(uid, weight)| (uid, scaled(weight))).collect()
}

/// The weights of one validator, with what they weigh.
#[derive(Debug, Clone, PartialEq)]
pub struct Voice {
    /// The validator's stake in whole tokens.
    pub stake: f64,
    /// Its stored row.
    pub row: WeightRow,
}

/// Each participant's share of 65,535: the mean of the validators' normalised rows, weighted by stake, rounded
/// down. Validators without stake count only when none has any. Uids that no row names are absent.
pub fn incentives(voices: &[Voice]) -> BTreeMap<Uid, u16> {
    let staked = voices.iter().any(|voice| voice.stake > 0.0);
    let mut shares: BTreeMap<Uid, f64> = BTreeMap::new();
    let mut total = 0.0;
    for voice in voices {
        let stake = if staked { voice.stake.max(0.0) } else { 1.0 };
        let sum: f64 = voice.row.iter().map(|&(_, weight)| f64::from(weight)).sum();
        if sum <= 0.0 || stake <= 0.0 {
            continue;
        }
        total += stake;
        for &(uid, weight) in &voice.row {
            *shares.entry(uid).or_default() += stake * f64::from(weight) / sum;
        }
    }
    let share =
        |value: f64| (value / total * f64::from(u16::MAX)).floor().clamp(0.0, f64::from(u16::MAX)) as u16;
    shares.into_iter().map(|(uid, value)| (uid, share(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WHO: Hotkey = Hotkey::from_bytes([1; 32]);

    fn ask(
        standing: Option<WeightStanding>,
        head: u64,
        row: &[(Uid, u16)],
    ) -> Result<Admission, DevnetRefusal> {
        admit(standing, WHO, BlockNumber(head), 10, &row.to_vec(), &BTreeSet::from([0, 1, 2]))
    }

    fn validator() -> Option<WeightStanding> {
        Some(WeightStanding { uid: 0, validator_permit: true, last_update: BlockNumber(5) })
    }

    #[test]
    fn each_rule_answers_by_name_and_in_order() {
        let row = [(1, 1)];
        assert_eq!(ask(None, 99, &row), Err(DevnetRefusal::NotRegistered { hotkey: WHO }));
        assert_eq!(ask(validator(), 14, &[]), Ok(Admission::TooSoon { not_before: BlockNumber(15) }));
        let miner = validator().map(|standing| WeightStanding { validator_permit: false, ..standing });
        assert_eq!(ask(miner, 15, &row), Err(DevnetRefusal::NoPermit { uid: 0 }));
        assert_eq!(ask(validator(), 15, &[]), Err(DevnetRefusal::EmptyRow));
        assert_eq!(ask(validator(), 15, &[(1, 0)]), Err(DevnetRefusal::EmptyRow));
        assert_eq!(ask(validator(), 15, &[(3, 1)]), Err(DevnetRefusal::UnknownUid { uid: 3 }));
        assert_eq!(ask(validator(), 15, &[(1, 1), (1, 2)]), Err(DevnetRefusal::DuplicateUid { uid: 1 }));
        assert_eq!(ask(validator(), 15, &row), Ok(Admission::Store(vec![(1, 65_535)])));
    }

    #[test]
    fn the_largest_weight_is_scaled_to_the_top() {
        // 0.1, 0.6 and 0.3 of 65,535, as the chain stores them.
        assert_eq!(
            ask(validator(), 15, &[(2, 19_660), (0, 6_553), (1, 39_321)]),
            Ok(Admission::Store(vec![(0, 10_921), (1, 65_535), (2, 32_766)]))
        );
    }

    #[test]
    fn incentive_is_the_stake_weighted_mean() {
        let full = Voice { stake: 2.0, row: vec![(1, 65_535), (2, 32_768)] };
        assert_eq!(incentives(std::slice::from_ref(&full)), BTreeMap::from([(1, 43_689), (2, 21_845)]));
        let idle = Voice { stake: 0.0, row: vec![(3, 65_535)] };
        assert_eq!(incentives(&[full.clone(), idle]), BTreeMap::from([(1, 43_689), (2, 21_845)]));
        let other = Voice { stake: 2.0, row: vec![(2, 65_535)] };
        assert_eq!(incentives(&[full, other]), BTreeMap::from([(1, 21_844), (2, 43_690)]));
        assert_eq!(incentives(&[]), BTreeMap::new());
    }

    proptest! {
        #[test]
        fn positive_weights_stay_positive_and_order_is_kept(row in proptest::collection::btree_map(0u16..3, any::<u16>(), 1..4)) {
            let row: WeightRow = row.into_iter().collect();
            if let Ok(Admission::Store(stored)) = ask(validator(), 99, &row) {
                prop_assert_eq!(stored.iter().map(|pair| pair.1).max(), Some(u16::MAX));
                for (&(_, before), &(_, after)) in row.iter().zip(&stored) {
                    prop_assert_eq!(before > 0, after > 0);
                    prop_assert!(after >= before);
                }
            } else {
                prop_assert!(row.iter().all(|pair| pair.1 == 0));
            }
        }
    }
}

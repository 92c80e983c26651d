//! Weights as the chain counts them: whole numbers `0..=65535`, the largest of which is 65,535.
//!
//! The Python SDK divides by the largest weight, multiplies by 65,535, rounds half to even, and drops what became
//! zero. Small but positive weights vanish that way, and with them the participants who earned them. Here a positive
//! weight stays positive: what would round to zero becomes one. Everything else is the SDK's number.

use grail_ports::chain::{Uid, WeightRow};
use std::collections::BTreeMap;

/// The largest weight on the chain.
pub const TOP: u16 = u16::MAX;

/// Most entries of a row: as many as there are uids.
pub const MAX_ENTRIES: usize = 65_536;

/// Why weights cannot be put into a row.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum WeightsError {
    /// Not a number, infinite, or below zero.
    #[error("the weight of uid {uid} is {weight}; a weight is a finite number of at least 0")]
    NotAWeight {
        /// Whose weight.
        uid: Uid,
        /// The value given.
        weight: f64,
    },
    /// Two weights for one participant.
    #[error("uid {uid} is named twice")]
    Twice {
        /// The number.
        uid: Uid,
    },
}

/// Turns shares into the row that is sent: ordered by uid, scaled so that the largest is 65,535, without zeros.
///
/// All weights zero, or none at all, give an empty row, which the chain does not take.
pub fn to_row(weights: &[(Uid, f64)]) -> Result<WeightRow, WeightsError> {
    let mut ordered = BTreeMap::new();
    for &(uid, weight) in weights {
        if !weight.is_finite() || weight < 0.0 {
            return Err(WeightsError::NotAWeight { uid, weight });
        }
        if ordered.insert(uid, weight).is_some() {
            return Err(WeightsError::Twice { uid });
        }
    }
    let most = ordered.values().copied().fold(0.0, f64::max);
    if most <= 0.0 {
        return Ok(WeightRow::new());
    }
    Ok(ordered
        .into_iter()
        .filter(|&(_, weight)| weight > 0.0)
        .map(|(uid, weight)| (uid, count(weight / most)))
        .collect())
}

/// A share of the largest weight as the chain counts it; at least one.
fn count(share: f64) -> u16 {
    // The share is in 0..=1, so the product fits and the cast cannot cut anything off.
    (share * f64::from(TOP)).round_ties_even().clamp(1.0, f64::from(TOP)) as u16
}

/// Scales whole-number weights so that the largest is 65,535, rounding down, ordered by uid.
///
/// The chain does this itself to rows whose largest weight is smaller; done here, what is sent is what is stored.
/// A positive weight stays positive, since the factor is at least one. The row is taken as it is when all weights
/// are zero.
pub fn upscale(row: &WeightRow) -> WeightRow {
    let most = row.iter().map(|&(_, weight)| weight).max().unwrap_or(0);
    let scaled = |weight: u16| {
        let product = u32::from(weight) * u32::from(TOP);
        product.checked_div(u32::from(most)).and_then(|weight| u16::try_from(weight).ok()).unwrap_or(weight)
    };
    let mut scaled: WeightRow = row.iter().map(|&(uid, weight)| (uid, scaled(weight))).collect();
    scaled.sort_by_key(|&(uid, _)| uid);
    scaled
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_weight_is_named() {
        assert_eq!(to_row(&[(1, -0.5)]), Err(WeightsError::NotAWeight { uid: 1, weight: -0.5 }));
        assert!(to_row(&[(1, f64::NAN)]).is_err());
        assert!(to_row(&[(1, f64::INFINITY)]).is_err());
        assert_eq!(to_row(&[(1, 0.5), (1, 0.5)]), Err(WeightsError::Twice { uid: 1 }));
    }

    #[test]
    fn nothing_to_say_is_an_empty_row() {
        assert_eq!(to_row(&[]), Ok(vec![]));
        assert_eq!(to_row(&[(3, 0.0)]), Ok(vec![]));
    }

    #[test]
    fn the_smallest_share_is_not_lost() {
        assert_eq!(to_row(&[(2, 1e-9), (1, 1.0), (0, 0.0)]), Ok(vec![(1, 65_535), (2, 1)]));
        assert_eq!(to_row(&[(7, f64::MIN_POSITIVE)]), Ok(vec![(7, 65_535)]));
    }

    #[test]
    fn rows_are_scaled_as_the_chain_would() {
        assert_eq!(upscale(&vec![(2, 10), (1, 20)]), vec![(1, 65_535), (2, 32_767)]);
        assert_eq!(upscale(&vec![(1, 0)]), vec![(1, 0)]);
        assert_eq!(upscale(&vec![]), vec![]);
    }

    proptest! {
        #[test]
        fn positive_stays_positive_and_order_is_kept(
            weights in proptest::collection::btree_map(any::<u16>(), 0.0f64..1e12, 0..40)
        ) {
            let weights: Vec<_> = weights.into_iter().collect();
            let row = to_row(&weights).unwrap();
            let positive: Vec<_> = weights.iter().filter(|(_, weight)| *weight > 0.0).collect();
            prop_assert_eq!(row.len(), positive.len());
            for (before, after) in positive.iter().zip(&row) {
                prop_assert_eq!(before.0, after.0);
                prop_assert!(after.1 > 0);
            }
            for (a, b) in positive.iter().zip(&row).zip(positive.iter().zip(&row).skip(1)) {
                if a.0.1 <= b.0.1 { prop_assert!(a.1.1 <= b.1.1); }
            }
            prop_assert!(row.is_empty() || row.iter().any(|pair| pair.1 == TOP));
        }
    }
}

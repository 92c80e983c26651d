//! The sketch of one hidden state: the sixteen largest values, in coarse buckets, times small coefficients.

use super::{
    V5Error,
    prf::{clean, prf},
};

/// Values of a state that enter its sketch.
pub const TOP: usize = 16;
/// Buckets of each sign.
pub const BUCKETS: u32 = 8;
/// Modulus of a sketch.
pub const MODULUS: i64 = 2_147_483_647;

/// The coefficients of a window: `count` numbers of −127 to 127 that follow from its randomness.
///
/// Errors: [`V5Error::Randomness`], [`V5Error::Output`].
pub fn coefficients(randomness: &str, count: usize) -> Result<Vec<i8>, V5Error> {
    let bytes = prf(b"sketch", &[&clean(randomness)?], count.saturating_mul(2))?;
    let (pairs, _) = bytes.as_chunks::<2>();
    Ok(pairs.iter().map(|pair| coefficient(i16::from_be_bytes(*pair))).collect())
}

/// From 16 random bits to a coefficient. The magnitude of −32768 stays negative in 16 bits, and gives 0.
pub const fn coefficient(bits: i16) -> i8 {
    (bits.wrapping_abs().rem_euclid(255) - 127) as i8
}

/// The bucket of a value among `buckets` of each sign: `trunc(log2(|x| + 1) · buckets/10)`, with the value's sign.
pub fn bucket(value: f64, buckets: u32) -> i32 {
    if value.is_nan() {
        return 0;
    }
    let highest = buckets.saturating_sub(1) as i32;
    let size = value.abs();
    let bucket = if size.is_infinite() {
        highest
    } else if size < 1e-6 {
        return 0;
    } else {
        (((size + 1.0).log2() * (f64::from(buckets) / 10.0)) as i32).clamp(0, highest)
    };
    if value >= 0.0 { bucket } else { -bucket }
}

/// Places of the `count` largest magnitudes, rising. NaN counts as the largest; of equal ones the first are taken.
pub fn largest(state: &[f32], count: usize) -> Vec<usize> {
    let size = |value: f32| if value.is_nan() { f32::INFINITY } else { value.abs() };
    let mut order: Vec<(usize, f32)> = state.iter().copied().enumerate().collect();
    let rank = |(place, value): &(usize, f32)| (!value.is_nan(), -size(*value), *place);
    order.sort_by(|a, b| {
        let ((a_number, a_size, a_place), (b_number, b_size, b_place)) = (rank(a), rank(b));
        a_number.cmp(&b_number).then(a_size.total_cmp(&b_size)).then(a_place.cmp(&b_place))
    });
    let mut places: Vec<usize> = order.into_iter().take(count).map(|(place, _)| place).collect();
    places.sort_unstable();
    places
}

/// The sketch of a state under coefficients, one for each of its largest values: 0 to [`MODULUS`] − 1.
///
/// Errors: [`V5Error::Narrow`].
pub fn sketch(state: &[f32], coefficients: &[i8]) -> Result<i64, V5Error> {
    if state.len() < coefficients.len() {
        return Err(V5Error::Narrow { width: state.len(), wanted: coefficients.len() });
    }
    let places = largest(state, coefficients.len());
    // Proof versions before this one took more values, in twice as many buckets.
    let sum: i64 = places
        .iter()
        .zip(coefficients)
        .filter_map(|(place, coefficient)| {
            let value = f64::from(*state.get(*place)?);
            Some(i64::from(bucket(value, BUCKETS)) * i64::from(*coefficient))
        })
        .sum();
    Ok(sum.rem_euclid(MODULUS))
}

/// How far two sketches may lie apart at an absolute position: `trunc(6000 + 5·√position)`.
pub fn tolerance(position: usize) -> i64 {
    (6_000.0 + 5.0 * (position as f64).sqrt()) as i64
}

/// Whether a claimed sketch passes beside the verifier's own, at an absolute position.
///
/// As in the original no range is asked of the claim, so claims far outside the modulus pass.
pub fn passes(claimed: i64, own: i64, position: usize) -> bool {
    let apart = (i128::from(own) - i128::from(claimed)).abs();
    apart.min(i128::from(MODULUS) - apart) <= i128::from(tolerance(position))
}

//! The sketch: one byte a token that binds the hidden state which produced it.
//!
//! For the state `h_t` (the input of the output head, after the last norm, `d` values):
//! ```text
//! q_{t,j} = round(clip(h_{t,j} / rms(h_t), ±4) · 31.75)            int8
//! r_{t,j} = ±1, bit j of Stream(K_sketch, t); a set bit is +1; bits are read from the lowest of each byte
//! s_t     = Σ_j q_{t,j} · r_{t,j}  mod PRIME_Q                     centred: |s_t| ≤ 127·d
//! y_t     = clip(round(32 · s_t / (31.75·√d)), ±127)               int8: what the file carries
//! ```
//! The state is captured inside the decode step; no second forward pass is needed. Rounding is half away from zero.
//!
//! Source: a random projection with signs keeps distances (Johnson and Lindenstrauss 1984; Achlioptas 2003, "Database-friendly
//! random projections"); the Python network projects top-k buckets of the same state with 16 small coefficients. How far lies
//! lie away is measured in the soundness book.

use crate::{seed::SketchKey, stream::Stream};

/// Units of `y` in one spread of the sketch.
pub const UNITS_PER_SPREAD: f64 = 32.0;
const STEPS: f32 = 31.75;
const CLIP: f32 = 4.0;

/// Why a state has no sketch. Always trouble on our side.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SketchError {
    /// NaN, infinity, all zeros, or no values: there is no scale to divide by.
    #[error("hidden state of {width} values at completion position {position} has no finite positive size")]
    Degenerate {
        /// Number of values of the state, the model's width.
        width: usize,
        /// Completion position, from 0.
        position: u32,
    },
}

/// Sketch of the hidden state at completion position `t` (0-based).
///
/// Shape: `state` holds `d_model` values. Range: −127..=127.
/// Errors: [`SketchError::Degenerate`] when the state has no finite positive root mean square.
/// Source: protocol book, "Sketch"; vectors in `fixtures/vectors/protocol/sketch.json`.
pub fn sketch(state: &[f32], key: &SketchKey, t: u32) -> Result<i8, SketchError> {
    let width = state.len();
    let degenerate = SketchError::Degenerate { width, position: t };
    let squares: f64 = state.iter().map(|h| f64::from(*h) * f64::from(*h)).sum();
    let rms = (squares / width as f64).sqrt();
    if !rms.is_finite() || rms <= 0.0 {
        return Err(degenerate);
    }
    let scale = (1.0 / rms) as f32;
    let mut signs = Stream::new(key.as_bytes(), u64::from(t));
    let mut sum = 0i64;
    for values in state.chunks(SIGNS) {
        let mut bytes = [0u8; SIGNS / 8];
        signs.fill(&mut bytes);
        sum += i64::from(projection(values, scale, &bytes));
    }
    Ok(compress(centre(sum), width))
}

/// Signs drawn at a time; a multiple of what one block of the keystream yields, so that no bit is skipped.
const SIGNS: usize = 4_096;

/// `Σ q·r` over at most [`SIGNS`] values: eight lanes, one for each bit of a sign byte.
fn projection(values: &[f32], scale: f32, signs: &[u8; SIGNS / 8]) -> i32 {
    let mut lanes = [0i32; 8];
    let (octets, rest) = values.as_chunks::<8>();
    let mut add = |octet: &[f32; 8], byte: u8| {
        for (bit, (h, lane)) in octet.iter().zip(lanes.iter_mut()).enumerate() {
            let q = round((h * scale).clamp(-CLIP, CLIP) * STEPS);
            // A clear bit makes the mask all ones, which negates: −q = (q ^ −1) + 1.
            let mask = i32::from(byte >> bit & 1) - 1;
            *lane += (q ^ mask) - mask;
        }
    };
    for (octet, byte) in octets.iter().zip(signs) {
        add(octet, *byte);
    }
    // Values of zero contribute nothing whatever their sign.
    let mut last = [0f32; 8];
    for (slot, h) in last.iter_mut().zip(rest) {
        *slot = *h;
    }
    add(&last, signs.get(octets.len()).copied().unwrap_or_default());
    lanes.iter().sum()
}

/// Nearest integer, halves away from zero, for `|x| ≤ 127`. The same as `f32::round`, but made of operations that run
/// on whole vectors.
#[inline(always)]
fn round(x: f32) -> i32 {
    let whole = x as i32;
    // Exact: both are below 2²⁴ and the difference has no more digits than `x`.
    let part = x - whole as f32;
    whole + i32::from(part >= 0.5) - i32::from(part <= -0.5)
}

/// `s mod PRIME_Q`, as the representative nearest to zero. For every width that exists the sum is far smaller than
/// the modulus and comes back unchanged; the reduction is part of the definition.
fn centre(sum: i64) -> i64 {
    let q = i64::from(crate::params::PRIME_Q);
    let residue = sum.rem_euclid(q);
    if residue > q / 2 { residue - q } else { residue }
}

fn compress(sum: i64, width: usize) -> i8 {
    let spread = f64::from(STEPS) * (width as f64).sqrt();
    (UNITS_PER_SPREAD * sum as f64 / spread).round().clamp(-127.0, 127.0) as i8
}

/// How far two sketches of a rollout lie apart, in units of the sketch's own spread: `e_t = (claimed − own) / 32`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SketchDistance {
    /// Largest `|e_t|`, 0 to 7.94.
    pub worst: f32,
    /// Completion position of the first largest error.
    pub worst_at: u32,
    /// Root mean square of `e_t`, after the allowance of [`RMS_ALLOWANCE`].
    pub rms: f32,
}

/// Squared error that rounding alone may cause in a rollout: two neighbours' steps of 1/32.
///
/// A sketch is rounded to 1/32 of its spread, so an honest state whose value lies on a rounding edge may land one
/// step away under any drift at all. Without the allowance a rollout of one token would have an RMS of 0.031 then.
pub const RMS_ALLOWANCE: f64 = 2.0 / (UNITS_PER_SPREAD * UNITS_PER_SPREAD);

/// Distance between two sketches of the same rollout, one byte a token each; `None` when their lengths differ or are zero.
pub fn distance(claimed: &[i8], own: &[i8]) -> Option<SketchDistance> {
    if claimed.len() != own.len() || claimed.is_empty() {
        return None;
    }
    let (mut worst, mut worst_at, mut squares) = (0i32, 0u32, 0i64);
    for (position, (a, b)) in claimed.iter().zip(own).enumerate() {
        let error = i32::from(*a) - i32::from(*b);
        squares += i64::from(error * error);
        if error.abs() > worst {
            worst = error.abs();
            worst_at = u32::try_from(position).unwrap_or(u32::MAX);
        }
    }
    let energy = squares as f64 / (UNITS_PER_SPREAD * UNITS_PER_SPREAD);
    Some(SketchDistance {
        worst: worst as f32 / UNITS_PER_SPREAD as f32,
        worst_at,
        rms: ((energy - RMS_ALLOWANCE).max(0.0) / claimed.len() as f64).sqrt() as f32,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: SketchKey = SketchKey::from_bytes([5; 32]);

    /// Values with a bell shape and a few huge ones, as final-norm states have.
    fn state(id: u64, width: usize) -> Vec<f32> {
        let mut stream = Stream::new(&[8; 32], id);
        let mut uniform = || f64::from(stream.word()) / 4_294_967_296.0;
        (0..width)
            .map(|j| {
                let bell: f64 = (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
                (bell * if j % 97 == 0 { 6.0 } else { 1.0 }) as f32
            })
            .collect()
    }

    fn rollout(id: u64, length: u32) -> Vec<i8> {
        (0..length).map(|t| sketch(&state(id * 10_000 + u64::from(t), 576), &KEY, t).unwrap()).collect()
    }

    #[test]
    fn spread_is_near_one_and_means_nothing_is_missing() {
        let honest = rollout(1, 400);
        let energy: f64 = honest.iter().map(|y| (f64::from(*y) / UNITS_PER_SPREAD).powi(2)).sum();
        let rms = (energy / 400.0).sqrt();
        assert!((0.6..1.2).contains(&rms), "{rms}");
    }

    #[test]
    fn the_cheapest_lies_lie_far_away() {
        let honest = rollout(1, 64);
        let mut shuffled = honest.clone();
        shuffled.reverse();
        for (lie, least) in [
            (vec![0i8; 64], 0.5),
            (vec![32i8; 64], 0.9),
            (rollout(2, 64), 0.9),
            (shuffled, 0.9),
            (honest.iter().map(|y| y.saturating_neg()).collect(), 1.2),
        ] {
            let rms = distance(&lie, &honest).unwrap().rms;
            assert!(rms > least, "{rms} against {least}");
        }
        assert_eq!(distance(&honest, &honest).unwrap().rms, 0.0);
    }

    #[test]
    fn rounding_is_that_of_the_standard_library() {
        for bits in 0..2_000_000u32 {
            // Even steps over the range, and each half with its neighbours.
            let x = (bits as f32 / 2_000_000.0 - 0.5) * 254.0;
            assert_eq!(round(x), x.round() as i32, "{x}");
        }
        for half in -126..=126 {
            let half = half as f32 + 0.5;
            for x in [half, half.next_up(), half.next_down()] {
                assert_eq!(round(x), x.round() as i32, "{x}");
            }
        }
    }

    /// The definition, word for word.
    fn sketch_slowly(state: &[f32], key: &SketchKey, t: u32) -> i8 {
        let squares: f64 = state.iter().map(|h| f64::from(*h) * f64::from(*h)).sum();
        let scale = (1.0 / (squares / state.len() as f64).sqrt()) as f32;
        let mut signs = vec![0u8; state.len().div_ceil(8)];
        Stream::new(key.as_bytes(), u64::from(t)).fill(&mut signs);
        let sum: i64 = (0..state.len())
            .map(|j| {
                let q = ((state[j] * scale).clamp(-4.0, 4.0) * 31.75).round() as i64;
                if signs[j / 8] >> (j % 8) & 1 == 1 { q } else { -q }
            })
            .sum();
        compress(centre(sum), state.len())
    }

    #[test]
    fn one_rounding_step_is_forgiven_and_three_are_not() {
        let mut off = vec![0i8; 1];
        off[0] = 1;
        assert_eq!(distance(&off, &[0]).unwrap().rms, 0.0);
        let off: Vec<i8> = (0..16).map(|i| i8::from(i < 12)).collect();
        assert!(distance(&off, &[0; 16]).unwrap().rms > 0.02);
    }

    #[test]
    fn degenerate_states_are_refused() {
        for bad in [vec![], vec![0.0; 8], vec![f32::NAN; 8], vec![f32::INFINITY; 8]] {
            assert!(sketch(&bad, &KEY, 3).is_err());
        }
        assert_eq!(distance(&[1], &[1, 2]), None);
        assert_eq!(distance(&[], &[]), None);
    }

    proptest! {
        #[test]
        fn shortcuts_change_nothing(id: u64, t: u32, width in 1usize..9_000) {
            let h = state(id, width);
            prop_assert_eq!(sketch(&h, &KEY, t).unwrap(), sketch_slowly(&h, &KEY, t));
        }

        #[test]
        fn scale_does_not_matter_but_noise_does(id: u64, t: u32, factor in 0.01f32..100.0) {
            let h = state(id, 576);
            let scaled: Vec<f32> = h.iter().map(|v| v * factor).collect();
            let (a, b) = (sketch(&h, &KEY, t).unwrap(), sketch(&scaled, &KEY, t).unwrap());
            prop_assert!((i32::from(a) - i32::from(b)).abs() <= 1);
        }
    }
}

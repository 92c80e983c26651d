//! `exp` over a whole vocabulary: written so that the compiler can vectorise it, and bit-identical everywhere.

/// `exp(x)` for `x ≤ 0` in f32; 0 below −87. Relative error under 2·10⁻⁷.
///
/// Plain multiplications and additions in a fixed order, no fused operations, so every IEEE machine agrees on each
/// bit. Range reduction by ln 2 in two parts, then a polynomial of degree six.
#[inline(always)]
pub(super) fn exp_nonpositive(x: f32) -> f32 {
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Adding and subtracting 1.5·2²³ rounds to the nearest integer without a branch.
    const ROUNDER: f32 = 12_582_912.0;

    let clamped = if x < -87.0 { -87.0 } else { x };
    let shifted = clamped * LOG2_E + ROUNDER;
    let n = shifted - ROUNDER;
    let r = (clamped - n * LN2_HIGH) - n * LN2_LOW;
    let mut p = 1.987_569_1e-4f32;
    p = p * r + 1.398_199_9e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 0.5;
    let e = p * (r * r) + r + 1.0;
    // The low bits of `shifted` hold n as an integer; move it into the exponent of e.
    let exponent = shifted.to_bits().wrapping_sub(ROUNDER.to_bits()) << 23;
    let value = f32::from_bits(e.to_bits().wrapping_add(exponent));
    if x < -87.0 { 0.0 } else { value }
}

/// Fills `weights[v] = exp((logits[v] − max) / T)` and returns their sum.
///
/// The sum runs over blocks of 4,096 in sixteen f32 lanes each and adds the blocks up in f64: a fixed order, so
/// every machine agrees on it.
pub(super) fn weigh(logits: &[f32], max: f32, inverse_temperature: f32, weights: &mut Vec<f32>) -> f64 {
    // Every element is written below, so old contents may stay.
    weights.resize(logits.len(), 0.0);
    let weight = |z: f32| exp_nonpositive((z - max) * inverse_temperature);
    let mut total = 0.0;
    for (zs, ws) in logits.chunks(BLOCK).zip(weights.chunks_mut(BLOCK)) {
        let mut lanes = [0f32; LANES];
        // Arrays of a fixed length, so that the compiler keeps all lanes in registers.
        let (zs, zs_rest) = zs.as_chunks::<LANES>();
        let (ws, ws_rest) = ws.as_chunks_mut::<LANES>();
        for (zs, ws) in zs.iter().zip(ws) {
            for ((z, w), lane) in zs.iter().zip(ws.iter_mut()).zip(lanes.iter_mut()) {
                *w = weight(*z);
                *lane += *w;
            }
        }
        for ((z, w), lane) in zs_rest.iter().zip(ws_rest).zip(lanes.iter_mut()) {
            *w = weight(*z);
            *lane += *w;
        }
        total += lanes.iter().map(|&lane| f64::from(lane)).sum::<f64>();
    }
    total
}

const LANES: usize = 16;
const BLOCK: usize = 4_096;

/// The largest logit; `Err` with the first position that is not finite.
pub(super) fn largest(logits: &[f32]) -> Result<f32, usize> {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    // A NaN or an infinity turns its lane of this sum into NaN, and stays there.
    let mut poison = [0f32; LANES];
    let (chunks, rest) = logits.as_chunks::<LANES>();
    let mut look = |zs: &[f32]| {
        for ((z, lane), poison) in zs.iter().zip(lanes.iter_mut()).zip(poison.iter_mut()) {
            *lane = if *z > *lane { *z } else { *lane };
            *poison += *z * 0.0;
        }
    };
    for chunk in chunks {
        look(chunk.as_slice());
    }
    look(rest);
    if logits.is_empty() || poison.iter().any(|p| p.is_nan()) {
        return Err(logits.iter().position(|z| !z.is_finite()).unwrap_or(0));
    }
    Ok(lanes.iter().copied().fold(f32::NEG_INFINITY, f32::max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_accurate_over_its_range() {
        let mut worst = 0f64;
        for i in 0..870_000 {
            let x = -(i as f32) * 1e-4;
            let (ours, exact) = (f64::from(exp_nonpositive(x)), f64::from(x).exp());
            worst = worst.max(((ours - exact) / exact).abs());
        }
        assert!(worst < 2e-7, "relative error {worst:e}");
        assert_eq!(exp_nonpositive(0.0), 1.0);
        assert_eq!(exp_nonpositive(-88.0), 0.0);
        assert_eq!(exp_nonpositive(f32::NEG_INFINITY), 0.0);
    }

    #[test]
    fn not_finite_logits_are_found_wherever_they_are() {
        for position in [0, 15, 16, 99] {
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut logits = vec![1.0; 100];
                logits[position] = bad;
                assert_eq!(largest(&logits), Err(position));
            }
        }
        assert_eq!(largest(&[]), Err(0));
        assert_eq!(largest(&[-3.0, -1.0, -2.0]), Ok(-1.0));
    }
}

//! Log-probabilities as the window file carries them: signed 16-bit integers in units of 1/1024 nat.
//!
//! A step is finer than the tolerance of any numeric profile and coarse enough to count: honest machines seldom land on
//! another step, and how many did is a test of its own (protocol book, "Digits of log-probabilities").

/// Units in one nat: −1 nat is −1,024 units.
pub const UNITS_PER_NAT: f32 = 1_024.0;

/// Quantises a log-probability in nats to the nearest unit, halves away from zero; everything at or below −32 nats
/// becomes −32,768, a positive rounding error 0.
///
/// Errors: `None` for NaN.
pub fn quantise(nats: f32) -> Option<i16> {
    if nats.is_nan() {
        return None;
    }
    // The clamp makes the cast exact.
    Some((nats * UNITS_PER_NAT).round().clamp(f32::from(i16::MIN), 0.0) as i16)
}

/// Back to nats, exactly: −32 to 31.999, whatever a miner claims.
pub fn dequantise(units: i16) -> f32 {
    f32::from(units) / UNITS_PER_NAT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantising_is_tight_and_bounded() {
        assert_eq!(quantise(-1.0), Some(-1_024));
        assert_eq!(quantise(1e-6), Some(0));
        assert_eq!(quantise(f32::NEG_INFINITY), Some(i16::MIN));
        assert_eq!(quantise(f32::NAN), None);
        for nats in [-0.1f32, -3.3, -17.77, -31.9] {
            assert!((dequantise(quantise(nats).unwrap()) - nats).abs() <= 0.5 / UNITS_PER_NAT);
        }
    }
}

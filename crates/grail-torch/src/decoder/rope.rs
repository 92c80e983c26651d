//! Rotary positions (Su et al., RoFormer, arXiv:2104.09864): angles for any list of positions, and turning queries and keys
//! by them.
//!
//! Source: `apply_rotary_pos_emb` of `modeling_llama.py`, whose halves are those of a head, not its even and odd values.

use crate::config::{ModelConfig, RopeScaling};
use tch::{Device, Kind, TchError, Tensor};

/// Frequencies of one model.
#[derive(Debug)]
pub(crate) struct Rope {
    /// One for each pair of a head's values.
    frequencies: Vec<f32>,
}

/// Cosines and sines of some positions, `[positions, 1, head_dim]` each; the first half of the sines is negated, so that
/// turning is `x·cos + roll(x, half)·sin`.
#[derive(Debug)]
pub(crate) struct Angles {
    cos: Tensor,
    sin: Tensor,
    half: i64,
}

impl Rope {
    pub(crate) fn new(config: &ModelConfig) -> Self {
        let frequencies = (0..config.head_dim / 2)
            .map(|pair| {
                // In f32 like the reference implementation: a frequency is only as exact as its f32.
                let power = (2 * pair) as f32 / config.head_dim as f32;
                stretch(1.0 / (config.rope_theta as f32).powf(power), config.rope_scaling)
            })
            .collect();
        Self { frequencies }
    }

    /// Cosines and sines of these positions, `[positions, head_dim / 2]` each.
    pub(crate) fn halves(&self, positions: &[usize]) -> (Vec<f32>, Vec<f32>) {
        let angle = |position: &usize, frequency: &f32| (*position as f32 * frequency).sin_cos();
        let all =
            positions.iter().flat_map(|position| self.frequencies.iter().map(move |f| angle(position, f)));
        all.map(|(sin, cos)| (cos, sin)).unzip()
    }

    /// Angles of these positions, on a device.
    pub(crate) fn angles(&self, positions: &[usize], device: Device, kind: Kind) -> Result<Angles, TchError> {
        let half = self.frequencies.len();
        let (cosines, sines) = self.halves(positions);
        let both = |values: &[f32], sign: f32| -> Vec<f32> {
            let rows = values.chunks_exact(half.max(1));
            rows.flat_map(|row| row.iter().map(move |v| sign * v).chain(row.iter().copied())).collect()
        };
        let (cos, sin) = (both(&cosines, 1.0), both(&sines, -1.0));
        let shape = [positions.len() as i64, 1, 2 * half as i64];
        let place = |values: &[f32]| {
            Tensor::f_from_slice(values)?.f_view(shape)?.f_to_device_(device, kind, false, false)
        };
        Ok(Angles { cos: place(&cos)?, sin: place(&sin)?, half: half as i64 })
    }
}

impl Angles {
    /// Turns the heads `[positions, heads, head_dim]` in place: for a pass that nothing is learned from.
    pub(crate) fn turn(&self, heads: &mut Tensor) -> Result<(), TchError> {
        let rolled = heads.f_roll([self.half], [-1])?;
        heads.f_mul_(&self.cos)?.f_addcmul_(&rolled, &self.sin).map(drop)
    }

    /// Turned heads `[positions, heads, head_dim]`, with a way back.
    pub(crate) fn turned(&self, heads: &Tensor) -> Result<Tensor, TchError> {
        let rolled = heads.f_roll([self.half], [-1])?;
        heads.f_mul(&self.cos)?.f_addcmul(&rolled, &self.sin)
    }
}

/// Llama 3's rule: long waves are slowed by the factor, short ones kept, those between blended.
fn stretch(frequency: f32, scaling: RopeScaling) -> f32 {
    let RopeScaling::Llama3 {
        factor,
        low_freq_factor: low,
        high_freq_factor: high,
        original_max_position_embeddings: original,
    } = scaling
    else {
        return frequency;
    };
    let exact = f64::from(frequency);
    let wavelength = 2.0 * std::f64::consts::PI / exact;
    let stretched = if wavelength < original / high {
        exact
    } else if wavelength > original / low {
        exact / factor
    } else {
        let blend = (original / wavelength - low) / (high - low);
        (1.0 - blend) * exact / factor + blend * exact
    };
    stretched as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn llama3_keeps_short_waves_and_slows_long_ones() {
        let scaling = RopeScaling::Llama3 {
            factor: 8.0,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original_max_position_embeddings: 8_192.0,
        };
        assert_eq!(stretch(1.0, scaling), 1.0);
        assert_eq!(stretch(1e-5, scaling), 1e-5 / 8.0);
        // A wave of 4096 positions lies between: blend (2 − 1) / (4 − 1).
        let between = (2.0 * std::f64::consts::PI / 4_096.0) as f32;
        let wanted = between * (2.0 / 3.0 / 8.0 + 1.0 / 3.0);
        assert!((stretch(between, scaling) - wanted).abs() < 1e-9);
        assert_eq!(stretch(0.3, RopeScaling::Default), 0.3);
    }
}

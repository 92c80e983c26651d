//! What goes number by number: norms, rotary positions, gates, softmax.
//!
//! One source for every path: the compiler makes vectors of it, as wide as the path has them. Sums are kept in sixteen
//! parts, which rounds less than one after another and lets them lie in a vector.

use super::isa::KernelPath;

/// Sums that are kept side by side.
const LANES: usize = 16;

/// Writes each function once for every path. The body takes `FUSED`: whether the processor multiplies and adds in one step.
macro_rules! for_each_path {
    ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $kind:ty),*) $(-> $out:ty)? => $body:ident;)*) => {$(
        $(#[$doc])*
        #[allow(unsafe_code)]
        pub(crate) fn $name(path: KernelPath, $($arg: $kind),*) $(-> $out)? {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c")]
            fn avx512($($arg: $kind),*) $(-> $out)? {
                $body::<true>($($arg),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,f16c")]
            fn avx2($($arg: $kind),*) $(-> $out)? {
                $body::<true>($($arg),*)
            }
            match path {
                // SAFETY: a path is chosen among those of this processor.
                #[cfg(target_arch = "x86_64")]
                KernelPath::Avx512 => unsafe { avx512($($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                KernelPath::Avx2 => unsafe { avx2($($arg),*) },
                _ => $body::<false>($($arg),*),
            }
        }
    )*};
}

for_each_path! {
    /// Root mean square norm (Zhang and Sennrich, arXiv:1910.07467) of one row: `x / √(mean(x²) + eps) · weight`.
    fn norm(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) => norm_body;
    /// Turns one head by its position, `cos` and `sin` of half its width: pairs are `j` and `j + half`.
    fn turn(head: &mut [f32], cos: &[f32], sin: &[f32]) => turn_body;
    /// `silu(gate) · up` of one row `[gate, up]` into a row of half its width.
    fn gate(both: &[f32], out: &mut [f32]) => gate_body;
    /// Makes `exp(x − most)` of scores in place; their sum.
    fn exponentials(scores: &mut [f32], most: f32) -> f32 => exponentials_body;
    /// The largest of some numbers; of none, minus infinity.
    fn largest(values: &[f32]) -> f32 => largest_body;
}

#[inline(always)]
fn fma<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

#[inline(always)]
fn total(mut parts: [f32; LANES]) -> f32 {
    let mut width = LANES;
    while width > 1 {
        width /= 2;
        for j in 0..width {
            parts[j] += parts[j + width];
        }
    }
    parts[0]
}

#[inline(always)]
fn norm_body<const FUSED: bool>(x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    let mut parts = [0.0f32; LANES];
    let chunks = x.chunks_exact(LANES);
    for (part, value) in parts.iter_mut().zip(chunks.remainder()) {
        *part = value * value;
    }
    for chunk in chunks {
        for (part, value) in parts.iter_mut().zip(chunk) {
            *part = fma::<FUSED>(*value, *value, *part);
        }
    }
    let scale = 1.0 / (total(parts) / x.len() as f32 + eps).sqrt();
    for ((out, value), weight) in out.iter_mut().zip(x).zip(weight) {
        *out = value * scale * weight;
    }
}

#[inline(always)]
fn turn_body<const FUSED: bool>(head: &mut [f32], cos: &[f32], sin: &[f32]) {
    let (low, high) = head.split_at_mut(cos.len());
    for (((low, high), cos), sin) in low.iter_mut().zip(high).zip(cos).zip(sin) {
        let (a, b) = (*low, *high);
        *low = fma::<FUSED>(-b, *sin, a * cos);
        *high = fma::<FUSED>(a, *sin, b * cos);
    }
}

#[inline(always)]
fn gate_body<const FUSED: bool>(both: &[f32], out: &mut [f32]) {
    let (gate, up) = both.split_at(out.len());
    for ((out, gate), up) in out.iter_mut().zip(gate).zip(up) {
        *out = gate / (1.0 + exp::<FUSED>(-gate)) * up;
    }
}

#[inline(always)]
fn exponentials_body<const FUSED: bool>(scores: &mut [f32], most: f32) -> f32 {
    let mut parts = [0.0f32; LANES];
    let mut chunks = scores.chunks_exact_mut(LANES);
    for chunk in &mut chunks {
        for (part, score) in parts.iter_mut().zip(chunk) {
            *score = exp::<FUSED>(*score - most);
            *part += *score;
        }
    }
    for (part, score) in parts.iter_mut().zip(chunks.into_remainder()) {
        *score = exp::<FUSED>(*score - most);
        *part += *score;
    }
    total(parts)
}

#[inline(always)]
fn largest_body<const FUSED: bool>(values: &[f32]) -> f32 {
    let mut parts = [f32::NEG_INFINITY; LANES];
    let chunks = values.chunks_exact(LANES);
    for (part, value) in parts.iter_mut().zip(chunks.remainder()) {
        *part = *value;
    }
    for chunk in chunks {
        for (part, value) in parts.iter_mut().zip(chunk) {
            *part = if *value > *part { *value } else { *part };
        }
    }
    parts.into_iter().fold(f32::NEG_INFINITY, |most, part| if part > most { part } else { most })
}

/// `eˣ`, within two units of the last place for results that are normal numbers; what is not a number stays so.
///
/// Source: Cody and Waite's reduction by `ln 2` in two parts, and the series to the seventh power, which at half of
/// `ln 2` errs by less than half a unit.
#[inline(always)]
fn exp<const FUSED: bool>(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 · 2²³: adding it leaves a whole number in the last bits
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Comparisons that keep what is not a number.
    let x = if x < -87.0 { -87.0 } else { x };
    let x = if x > 88.0 { 88.0 } else { x };
    let shifted = fma::<FUSED>(x, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = fma::<FUSED>(-n, LN2_HIGH, x);
    let r = fma::<FUSED>(-n, LN2_LOW, r);
    let p = fma::<FUSED>(1.0 / 5_040.0, r, 1.0 / 720.0);
    let p = fma::<FUSED>(p, r, 1.0 / 120.0);
    let p = fma::<FUSED>(p, r, 1.0 / 24.0);
    let p = fma::<FUSED>(p, r, 1.0 / 6.0);
    let p = fma::<FUSED>(p, r, 0.5);
    let p = fma::<FUSED>(p * r, r, r);
    let scale = f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000));
    fma::<FUSED>(p, scale, scale)
}

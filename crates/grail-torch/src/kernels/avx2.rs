//! The innermost loop in AVX2. Sixteen registers hold the sums of six rows and half a panel, or of two rows and a panel.
#![allow(unsafe_code)]

use super::{
    matrix::WIDTH,
    tile::{BF16, F16, F32, Sums},
};
use std::arch::x86_64::*;

/// See [`super::tile::multiply`].
///
/// # Safety
/// As there.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn rows_of<const HELD: u8>(
    rows: usize,
    inputs: usize,
    x: *const f32,
    stride: usize,
    w: *const u8,
    sums: &mut Sums,
) {
    // SAFETY: what the caller promises; `first` and the rows after it lie within `rows`.
    unsafe {
        let mut first = 0;
        while first < rows {
            let x = x.add(first);
            let (taken, sums) = (rows - first, sums.as_mut_ptr().add(first));
            match taken {
                1 => whole::<HELD, 1>(inputs, x, stride, w, sums),
                2 => whole::<HELD, 2>(inputs, x, stride, w, sums),
                3 => halves::<HELD, 3>(inputs, x, stride, w, sums),
                4 => halves::<HELD, 4>(inputs, x, stride, w, sums),
                5 => halves::<HELD, 5>(inputs, x, stride, w, sums),
                // Two times four, rather than six and two.
                8 => halves::<HELD, 4>(inputs, x, stride, w, sums),
                _ => halves::<HELD, 6>(inputs, x, stride, w, sums),
            }
            first += match taken {
                1..=5 => taken,
                8 => 4,
                _ => 6,
            };
        }
    }
}

/// `M` rows, all 32 outputs at once: reads the panel once.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn whole<const HELD: u8, const M: usize>(
    inputs: usize,
    x: *const f32,
    stride: usize,
    w: *const u8,
    sums: *mut [f32; WIDTH],
) {
    let bytes = if HELD == F32 { 4 } else { 2 } * WIDTH;
    let mut acc = [[_mm256_setzero_ps(); 4]; M];
    // SAFETY: within the numbers that the caller promises.
    unsafe {
        for i in 0..inputs {
            let line = w.add(i * bytes);
            _mm_prefetch::<_MM_HINT_T0>(line.wrapping_add(2_048).cast());
            let weights =
                [load::<HELD, 0>(line), load::<HELD, 1>(line), load::<HELD, 2>(line), load::<HELD, 3>(line)];
            let row = x.add(i * stride);
            for (m, acc) in acc.iter_mut().enumerate() {
                let value = _mm256_set1_ps(*row.add(m));
                for (acc, weight) in acc.iter_mut().zip(weights) {
                    *acc = _mm256_fmadd_ps(value, weight, *acc);
                }
            }
        }
        for (m, acc) in acc.iter().enumerate() {
            for (quarter, acc) in acc.iter().enumerate() {
                _mm256_storeu_ps(sums.add(m).cast::<f32>().add(8 * quarter), *acc);
            }
        }
    }
}

/// `M` rows, sixteen outputs, then the other sixteen: reads the panel twice, the second time from the cache.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn halves<const HELD: u8, const M: usize>(
    inputs: usize,
    x: *const f32,
    stride: usize,
    w: *const u8,
    sums: *mut [f32; WIDTH],
) {
    // SAFETY: what the caller promises.
    unsafe {
        half::<HELD, M, 0, 1>(inputs, x, stride, w, sums);
        half::<HELD, M, 2, 3>(inputs, x, stride, w, sums);
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn half<const HELD: u8, const M: usize, const A: usize, const B: usize>(
    inputs: usize,
    x: *const f32,
    stride: usize,
    w: *const u8,
    sums: *mut [f32; WIDTH],
) {
    let bytes = if HELD == F32 { 4 } else { 2 } * WIDTH;
    let mut acc = [[_mm256_setzero_ps(); 2]; M];
    // SAFETY: within the numbers that the caller promises.
    unsafe {
        for i in 0..inputs {
            let line = w.add(i * bytes);
            let (a, b) = (load::<HELD, A>(line), load::<HELD, B>(line));
            let row = x.add(i * stride);
            for (m, acc) in acc.iter_mut().enumerate() {
                let value = _mm256_set1_ps(*row.add(m));
                acc[0] = _mm256_fmadd_ps(value, a, acc[0]);
                acc[1] = _mm256_fmadd_ps(value, b, acc[1]);
            }
        }
        for (m, acc) in acc.iter().enumerate() {
            let sums = sums.add(m).cast::<f32>();
            _mm256_storeu_ps(sums.add(8 * A), acc[0]);
            _mm256_storeu_ps(sums.add(8 * B), acc[1]);
        }
    }
}

/// Outputs `8 · Q` to `8 · Q + 7` of one input, widened.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
unsafe fn load<const HELD: u8, const Q: usize>(line: *const u8) -> __m256 {
    // SAFETY: 32 numbers lie there.
    unsafe {
        match HELD {
            BF16 => {
                // Words j hold outputs j (below) and j + 16 (above).
                let words = _mm256_loadu_si256(line.add(32 * (Q % 2)).cast());
                let wide = if Q < 2 {
                    _mm256_slli_epi32::<16>(words)
                } else {
                    _mm256_and_si256(words, _mm256_set1_epi32(0xffff_0000_u32 as i32))
                };
                _mm256_castsi256_ps(wide)
            }
            F16 => _mm256_cvtph_ps(_mm_loadu_si128(line.add(16 * Q).cast())),
            _ => _mm256_loadu_ps(line.add(32 * Q).cast()),
        }
    }
}

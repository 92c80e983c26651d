//! The innermost loop in AVX-512: two vectors of sixteen outputs for each row.
#![allow(unsafe_code)]

use super::{
    matrix::WIDTH,
    tile::{BF16, F16, F32, ROWS, Sums},
};
use std::arch::x86_64::*;

/// See [`super::tile::multiply`]: the loop of that many rows. With few rows a sum would wait for itself, so several are kept
/// for each.
///
/// # Safety
/// As there.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c")]
pub(super) unsafe fn rows_of<const HELD: u8>(
    rows: usize,
    inputs: usize,
    x: *const f32,
    stride: usize,
    w: *const u8,
    sums: &mut Sums,
) {
    // SAFETY: what the caller promises.
    unsafe {
        match rows {
            1 => tile::<HELD, 1, 4>(inputs, x, stride, w, sums),
            2 => tile::<HELD, 2, 2>(inputs, x, stride, w, sums),
            3 => tile::<HELD, 3, 2>(inputs, x, stride, w, sums),
            4 => tile::<HELD, 4, 1>(inputs, x, stride, w, sums),
            5 => tile::<HELD, 5, 1>(inputs, x, stride, w, sums),
            6 => tile::<HELD, 6, 1>(inputs, x, stride, w, sums),
            7 => tile::<HELD, 7, 1>(inputs, x, stride, w, sums),
            8 => tile::<HELD, 8, 1>(inputs, x, stride, w, sums),
            9 => tile::<HELD, 9, 1>(inputs, x, stride, w, sums),
            10 => tile::<HELD, 10, 1>(inputs, x, stride, w, sums),
            11 => tile::<HELD, 11, 1>(inputs, x, stride, w, sums),
            12 => tile::<HELD, 12, 1>(inputs, x, stride, w, sums),
            13 => tile::<HELD, 13, 1>(inputs, x, stride, w, sums),
            _ => tile::<HELD, ROWS, 1>(inputs, x, stride, w, sums),
        }
    }
}

/// `M` rows, `U` sums for each.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c")]
unsafe fn tile<const HELD: u8, const M: usize, const U: usize>(
    inputs: usize,
    x: *const f32,
    stride: usize,
    w: *const u8,
    sums: &mut Sums,
) {
    let bytes = if HELD == F32 { 4 } else { 2 } * WIDTH;
    let mut acc = [[[_mm512_setzero_ps(); 2]; M]; U];
    // SAFETY: within the numbers that the caller promises.
    unsafe {
        let mut i = 0;
        while i + U <= inputs {
            for (u, acc) in acc.iter_mut().enumerate() {
                let line = w.add((i + u) * bytes);
                // Hardware fetches ahead within a page only.
                _mm_prefetch::<_MM_HINT_T0>(line.wrapping_add(2_048).cast());
                let (low, high) = load::<HELD>(line);
                let row = x.add((i + u) * stride);
                for (m, acc) in acc.iter_mut().enumerate() {
                    let value = _mm512_set1_ps(*row.add(m));
                    acc[0] = _mm512_fmadd_ps(value, low, acc[0]);
                    acc[1] = _mm512_fmadd_ps(value, high, acc[1]);
                }
            }
            i += U;
        }
        while i < inputs {
            let (low, high) = load::<HELD>(w.add(i * bytes));
            let row = x.add(i * stride);
            for (m, acc) in acc[0].iter_mut().enumerate() {
                let value = _mm512_set1_ps(*row.add(m));
                acc[0] = _mm512_fmadd_ps(value, low, acc[0]);
                acc[1] = _mm512_fmadd_ps(value, high, acc[1]);
            }
            i += 1;
        }
        for (m, sums) in sums.iter_mut().enumerate().take(M) {
            for half in 0..2 {
                let mut sum = acc[0][m][half];
                for more in acc.iter().skip(1) {
                    sum = _mm512_add_ps(sum, more[m][half]);
                }
                _mm512_storeu_ps(sums.as_mut_ptr().add(16 * half), sum);
            }
        }
    }
}

/// The 32 numbers of one input, widened.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c")]
unsafe fn load<const HELD: u8>(line: *const u8) -> (__m512, __m512) {
    // SAFETY: 32 numbers lie there.
    unsafe {
        match HELD {
            BF16 => {
                let words = _mm512_loadu_si512(line.cast());
                let low = _mm512_slli_epi32::<16>(words);
                let high = _mm512_and_si512(words, _mm512_set1_epi32(0xffff_0000_u32 as i32));
                (_mm512_castsi512_ps(low), _mm512_castsi512_ps(high))
            }
            F16 => (
                _mm512_cvtph_ps(_mm256_loadu_si256(line.cast())),
                _mm512_cvtph_ps(_mm256_loadu_si256(line.add(32).cast())),
            ),
            _ => (_mm512_loadu_ps(line.cast()), _mm512_loadu_ps(line.add(64).cast())),
        }
    }
}

//! The innermost loop in plain Rust, for processors without the other paths, and the law that they are tested against.

use super::{
    matrix::{Held, WIDTH},
    tile::Sums,
};

/// See [`super::tile::multiply`].
///
/// # Safety
/// As there.
#[allow(unsafe_code)]
pub(super) unsafe fn multiply(
    held: Held,
    rows: usize,
    inputs: usize,
    x: *const f32,
    stride: usize,
    w: *const u8,
    sums: &mut Sums,
) {
    // SAFETY: the caller promises that so many numbers lie there; panels are aligned to cache lines.
    let (short, whole) = unsafe {
        match held {
            Held::F32 => (&[][..], std::slice::from_raw_parts(w.cast::<f32>(), inputs * WIDTH)),
            _ => (std::slice::from_raw_parts(w.cast::<u16>(), inputs * WIDTH), &[][..]),
        }
    };
    // SAFETY: as above.
    let x = unsafe { std::slice::from_raw_parts(x, inputs.saturating_sub(1) * stride + rows) };
    sums.iter_mut().take(rows).for_each(|sums| *sums = [0.0; WIDTH]);
    for i in 0..inputs {
        let mut line = [0.0f32; WIDTH];
        match held {
            Held::Bf16 => {
                for (j, pair) in short[i * WIDTH..(i + 1) * WIDTH].chunks_exact(2).enumerate() {
                    line[j] = f32::from_bits(u32::from(pair[0]) << 16);
                    line[j + WIDTH / 2] = f32::from_bits(u32::from(pair[1]) << 16);
                }
            }
            Held::F16 => {
                let bits = &short[i * WIDTH..(i + 1) * WIDTH];
                line.iter_mut()
                    .zip(bits)
                    .for_each(|(value, bits)| *value = half::f16::from_bits(*bits).to_f32());
            }
            Held::F32 => line.copy_from_slice(&whole[i * WIDTH..(i + 1) * WIDTH]),
        }
        for (sums, value) in sums.iter_mut().zip(&x[i * stride..i * stride + rows]) {
            for (sum, weight) in sums.iter_mut().zip(&line) {
                *sum += value * weight;
            }
        }
    }
}

//! The innermost loop, whatever it is made of: some rows of activations times one panel.

use super::{isa::KernelPath, matrix::Held, matrix::WIDTH};

/// Most rows that one call multiplies: their sums fill the registers of the widest path.
pub(crate) const ROWS: usize = 14;

/// Sums of a call: for each row one of each output.
pub(crate) type Sums = [[f32; WIDTH]; ROWS];

/// Multiplies `rows` (1 to [`ROWS`]) rows by one panel: `sums[m][j] = Σ x[i · stride + m] · w[i][j]` over `inputs` inputs,
/// added up in the order of the inputs.
///
/// # Safety
/// `x` must have `(inputs − 1) · stride + rows` numbers, `w` must have `inputs · WIDTH` numbers kept as `held`, and the
/// processor must have the instructions of `path`.
#[allow(unsafe_code)]
pub(crate) unsafe fn multiply(
    path: KernelPath,
    held: Held,
    rows: usize,
    inputs: usize,
    x: *const f32,
    stride: usize,
    w: *const u8,
    sums: &mut Sums,
) {
    // SAFETY: what the caller promises.
    unsafe {
        match path {
            #[cfg(target_arch = "x86_64")]
            KernelPath::Avx512 => super::avx512::multiply(held, rows, inputs, x, stride, w, sums),
            #[cfg(target_arch = "x86_64")]
            KernelPath::Avx2 => super::avx2::multiply(held, rows, inputs, x, stride, w, sums),
            _ => super::portable::multiply(held, rows, inputs, x, stride, w, sums),
        }
    }
}

//! The innermost loop, whatever it is made of: some rows of activations times one panel.

use super::{isa::KernelPath, matrix::Held, matrix::WIDTH};

/// Most rows that one call multiplies: their sums fill the registers of the widest path.
pub(crate) const ROWS: usize = 14;

/// Sums of a call: for each row one of each output.
pub(crate) type Sums = [[f32; WIDTH]; ROWS];

/// Activations of a call: the number of row `m` and input `i` lies at `start + i · stride + m`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Activations {
    pub(crate) start: *const f32,
    pub(crate) stride: usize,
    /// 1 to [`ROWS`].
    pub(crate) rows: usize,
}

/// A panel of a call, or a run of its inputs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Panel {
    pub(crate) start: *const u8,
    pub(crate) held: Held,
    pub(crate) inputs: usize,
}

/// Formats as the loops are compiled for them.
pub(super) const BF16: u8 = 0;
pub(super) const F16: u8 = 1;
pub(super) const F32: u8 = 2;

/// The loop of a path for the format that is held.
#[cfg(target_arch = "x86_64")]
macro_rules! by_format {
    ($path:ident, $held:expr, $($argument:expr),*) => {
        match $held {
            Held::Bf16 => super::$path::rows_of::<BF16>($($argument),*),
            Held::F16 => super::$path::rows_of::<F16>($($argument),*),
            Held::F32 => super::$path::rows_of::<F32>($($argument),*),
        }
    };
}

/// Multiplies some rows by one panel: `sums[m][j] = Σ x[i][m] · w[i][j]`, added up in the order of the inputs.
///
/// # Safety
/// `x` must have `(inputs − 1) · stride + rows` numbers, `w` must have `inputs · WIDTH` numbers kept as it says, and the
/// processor must have the instructions of `path`.
#[allow(unsafe_code)]
pub(crate) unsafe fn multiply(path: KernelPath, x: Activations, w: Panel, sums: &mut Sums) {
    let Activations { start: x, stride, rows } = x;
    let Panel { start: w, held, inputs } = w;
    // SAFETY: what the caller promises.
    unsafe {
        match path {
            #[cfg(target_arch = "x86_64")]
            KernelPath::Avx512 => by_format!(avx512, held, rows, inputs, x, stride, w, sums),
            #[cfg(target_arch = "x86_64")]
            KernelPath::Avx2 => by_format!(avx2, held, rows, inputs, x, stride, w, sums),
            _ => super::portable::multiply(held, rows, inputs, x, stride, w, sums),
        }
    }
}

//! Weights as the innermost loops read them.
//!
//! A matrix `[outputs, inputs]` is cut into panels of [`WIDTH`] outputs. In a panel the numbers of one input lie side by
//! side, input after input: whoever multiplies reads a panel from its first byte to its last. Brain floats lie in an order
//! in which two of them, as one word of 32 bits, belong to outputs `j` and `j + 16`: widened by one shift and one mask.

use rayon::prelude::*;

/// Outputs of a panel.
pub(crate) const WIDTH: usize = 32;
/// Half of it: outputs whose numbers share words.
const HALF: usize = WIDTH / 2;

/// How numbers are kept. Each is exact in 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// Brain floats.
    Bf16,
    /// Half floats.
    F16,
    /// 32-bit floats.
    F32,
}

impl Held {
    /// Bytes of a number.
    pub(crate) const fn bytes(self) -> usize {
        match self {
            Self::Bf16 | Self::F16 => 2,
            Self::F32 => 4,
        }
    }
}

/// Numbers of a matrix by rows, as a checkpoint has them.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source<'a> {
    /// Bits of brain floats.
    Bf16(&'a [u16]),
    /// Bits of half floats.
    F16(&'a [u16]),
    /// 32-bit floats.
    F32(&'a [f32]),
}

impl Source<'_> {
    /// How they are kept.
    pub(crate) const fn held(self) -> Held {
        match self {
            Self::Bf16(_) => Held::Bf16,
            Self::F16(_) => Held::F16,
            Self::F32(_) => Held::F32,
        }
    }

    /// How many numbers.
    pub(crate) const fn len(self) -> usize {
        match self {
            Self::Bf16(bits) | Self::F16(bits) => bits.len(),
            Self::F32(values) => values.len(),
        }
    }
}

/// A packed matrix.
#[derive(Debug)]
pub(crate) struct Matrix {
    held: Held,
    outputs: usize,
    inputs: usize,
    numbers: Numbers,
}

#[derive(Debug)]
enum Numbers {
    Short(Lines<u16>),
    Whole(Lines<f32>),
}

impl Matrix {
    /// Packs rows of `inputs` numbers each, those of several sources one below the other. `None`: the sources are kept in
    /// several ways, or hold no whole rows.
    pub(crate) fn pack(sources: &[Source<'_>], inputs: usize) -> Option<Self> {
        let held = sources.first()?.held();
        if inputs == 0 || sources.iter().any(|s| s.held() != held || !s.len().is_multiple_of(inputs)) {
            return None;
        }
        let place = |lane| if held == Held::Bf16 { paired(lane) } else { lane };
        let (mut short, mut whole) = (Vec::new(), Vec::new());
        for source in sources {
            match source {
                Source::Bf16(bits) | Source::F16(bits) => short.extend(bits.chunks_exact(inputs)),
                Source::F32(values) => whole.extend(values.chunks_exact(inputs)),
            }
        }
        let outputs = short.len() + whole.len();
        let numbers = match held {
            Held::Bf16 | Held::F16 => Numbers::Short(panels(&short, inputs, place)),
            Held::F32 => Numbers::Whole(panels(&whole, inputs, place)),
        };
        Some(Self { held, outputs, inputs, numbers })
    }

    /// How its numbers are kept.
    pub(crate) const fn held(&self) -> Held {
        self.held
    }

    /// Rows.
    pub(crate) const fn outputs(&self) -> usize {
        self.outputs
    }

    /// Columns.
    pub(crate) const fn inputs(&self) -> usize {
        self.inputs
    }

    /// Panels, of which the last may be filled up with zeros.
    pub(crate) const fn panels(&self) -> usize {
        self.outputs.div_ceil(WIDTH)
    }

    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.panels() * WIDTH * self.inputs * self.held.bytes()
    }

    /// Where a panel begins: `inputs · WIDTH` numbers follow. Aligned to 64 bytes.
    pub(crate) fn panel(&self, panel: usize) -> *const u8 {
        let at = panel * WIDTH * self.inputs;
        let end = at + WIDTH * self.inputs;
        match &self.numbers {
            Numbers::Short(lines) => lines.all()[at..end].as_ptr().cast(),
            Numbers::Whole(lines) => lines.all()[at..end].as_ptr().cast(),
        }
    }
}

/// A number of sixteen bits as one of thirty-two: exact.
pub(crate) fn widen(held: Held, bits: u16) -> f32 {
    match held {
        Held::F16 => half::f16::from_bits(bits).to_f32(),
        Held::Bf16 | Held::F32 => f32::from_bits(u32::from(bits) << 16),
    }
}

/// Place of an output of a panel among numbers whose pairs are words.
const fn paired(lane: usize) -> usize {
    if lane < HALF { 2 * lane } else { 2 * (lane - HALF) + 1 }
}

/// Panels of rows, filled in parallel.
fn panels<T: Copy + Default + Send + Sync>(
    rows: &[&[T]],
    inputs: usize,
    place: impl Fn(usize) -> usize + Sync,
) -> Lines<T> {
    let mut lines = Lines::new(rows.len().div_ceil(WIDTH) * WIDTH * inputs);
    lines.all_mut().par_chunks_mut(WIDTH * inputs).zip(rows.par_chunks(WIDTH)).for_each(|(panel, rows)| {
        for (lane, row) in rows.iter().enumerate() {
            panel.iter_mut().skip(place(lane)).step_by(WIDTH).zip(*row).for_each(|(to, from)| *to = *from);
        }
    });
    lines
}

/// Bytes of a cache line.
const LINE: usize = 64;
/// Bytes of a large page.
const HUGE: usize = 2 << 20;

/// Asks for large pages: a tenth to a quarter more of the memory's speed, since fewer addresses have to be looked up.
#[allow(unsafe_code)]
fn huge(start: *mut std::ffi::c_void, bytes: usize) {
    #[cfg(target_os = "linux")]
    // SAFETY: advice on pages that this allocation owns; it changes no content.
    let _refused =
        unsafe { rustix::mm::madvise(start, bytes / HUGE * HUGE, rustix::mm::Advice::LinuxHugepage) };
    #[cfg(not(target_os = "linux"))]
    let _ = (start, bytes);
}

/// Numbers that begin at a cache line, large ones at a large page.
#[derive(Debug)]
pub(crate) struct Lines<T> {
    values: Vec<T>,
    offset: usize,
    len: usize,
}

impl<T: Copy + Default> Lines<T> {
    /// So many zeros.
    pub(crate) fn new(len: usize) -> Self {
        let bytes = len * size_of::<T>();
        let align = if bytes < HUGE { LINE } else { HUGE };
        let spare = align / size_of::<T>().max(1);
        let values = vec![T::default(); len + spare];
        let offset = values.as_ptr().align_offset(align).min(spare);
        if align == HUGE {
            huge(values.as_ptr().wrapping_add(offset).cast_mut().cast(), bytes);
        }
        Self { values, offset, len }
    }

    /// All of them.
    pub(crate) fn all(&self) -> &[T] {
        &self.values[self.offset..self.offset + self.len]
    }

    /// All of them.
    pub(crate) fn all_mut(&mut self) -> &mut [T] {
        &mut self.values[self.offset..self.offset + self.len]
    }
}

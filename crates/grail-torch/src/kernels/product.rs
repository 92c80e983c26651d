//! A product of activations and a packed matrix, shared out over threads.

use super::{
    crew::Crew,
    isa::KernelPath,
    matrix::{Lines, Matrix, WIDTH},
    tile::{self, Activations, Panel, ROWS, Sums},
};

/// Most inputs whose products are added up in one go; the sums of such runs are added in a second step. Shorter runs
/// round less, longer ones store fewer sums.
const RUN: usize = 1024;

/// Inputs that are turned at a time.
const TURNED: usize = 64;

/// What a product does with what its output already holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Onto {
    /// Overwrites it.
    Nothing,
    /// Adds to it: the residual stream.
    Output,
}

/// Activations as the innermost loops read them: rows in tiles of equal height, in a tile the numbers of one input side by
/// side.
#[derive(Debug, Default)]
pub(crate) struct Tiles {
    lines: Option<Lines<f32>>,
}

/// Rows of a tile, and how many tiles, for so many rows: as few tiles as possible, as equal as possible. AVX2 takes six rows
/// at a time, so that twelve are the most without a remainder.
const fn heights(path: KernelPath, rows: usize) -> (usize, usize) {
    let most = if matches!(path, KernelPath::Avx2) { 12 } else { ROWS };
    let tiles = rows.div_ceil(most);
    if tiles == 0 { (0, 0) } else { (rows.div_ceil(tiles), tiles) }
}

impl Tiles {
    /// Room for so many numbers, of any value.
    fn room(&mut self, len: usize) -> &mut [f32] {
        if self.lines.as_ref().is_none_or(|lines| lines.all().len() < len) {
            self.lines = Some(Lines::new(len));
        }
        self.lines.as_mut().map_or(&mut [], |lines| &mut lines.all_mut()[..len])
    }

    /// Turns rows `[rows, inputs]` into tiles.
    fn fill(&mut self, crew: &mut Crew, x: &[f32], inputs: usize, (height, tiles): (usize, usize)) -> &[f32] {
        let rows = x.len() / inputs;
        let room = self.room(tiles * height * inputs);
        if rows == 1 {
            room.copy_from_slice(x);
            return room;
        }
        let pieces = Pieces::new(room);
        let fill = |tile: usize| {
            let first = tile * height;
            let count = height.min(rows - first);
            // SAFETY: each tile is filled by one piece.
            #[allow(unsafe_code)]
            let out = unsafe { pieces.slice(tile * height * inputs, height * inputs) };
            // Some inputs of every row at a time, so that what is written stays in the nearest cache.
            for start in (0..inputs).step_by(TURNED) {
                let end = inputs.min(start + TURNED);
                let out = &mut out[start * height..end * height];
                for m in 0..count {
                    let row = &x[(first + m) * inputs + start..(first + m) * inputs + end];
                    out.iter_mut().skip(m).step_by(height).zip(row).for_each(|(to, from)| *to = *from);
                }
            }
        };
        // Less than a wake-up costs.
        if rows * inputs < 32_768 {
            (0..tiles).for_each(fill)
        } else {
            crew.each(tiles, fill)
        }
        room
    }
}

/// A packed matrix and what is added to each of its outputs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layer<'a> {
    pub(crate) matrix: &'a Matrix,
    pub(crate) bias: Option<&'a [f32]>,
}

/// `out = x · Wᵀ (+ bias)`, or `out += …`: rows `[rows, inputs]` to `[rows, outputs]`.
///
/// # Panics
/// When the slices are not of these sizes.
pub(crate) fn product(
    crew: &mut Crew,
    path: KernelPath,
    tiles: &mut Tiles,
    x: &[f32],
    Layer { matrix, bias }: Layer<'_>,
    onto: Onto,
    out: &mut [f32],
) {
    let (inputs, outputs) = (matrix.inputs(), matrix.outputs());
    let rows = x.len().checked_div(inputs).unwrap_or(0);
    assert!(x.len() == rows * inputs && out.len() == rows * outputs, "a product of other sizes");
    assert!(bias.is_none_or(|bias| bias.len() == outputs), "a bias of another size");
    if rows == 0 || outputs == 0 {
        return;
    }
    let (height, count) = heights(path, rows);
    let x = tiles.fill(crew, x, inputs, (height, count));
    let panels = matrix.panels();
    let run_length = inputs.div_ceil(inputs.div_ceil(RUN));
    // Many pieces a thread, so that the last one is short; some panels in each, so that they are read in one go.
    let each = panels.div_ceil(crew.threads() * 32).max(1);
    let out = Pieces::new(out);
    crew.each(panels.div_ceil(each), |piece| {
        let mut sums: Sums = [[0.0; WIDTH]; ROWS];
        for panel in piece * each..panels.min((piece + 1) * each) {
            let first = panel * WIDTH;
            let width = WIDTH.min(outputs - first);
            let bias = bias.map(|bias| &bias[first..first + width]);
            // The run of a panel stays in the nearest cache while every tile passes over it.
            for start in (0..inputs).step_by(run_length) {
                let run = run_length.min(inputs - start);
                for tile in 0..count {
                    let tall = height.min(rows - tile * height);
                    // SAFETY: tile and panel hold `inputs` inputs, of which `run` follow `start`; the path was chosen
                    // among those of this processor.
                    #[allow(unsafe_code)]
                    unsafe {
                        let x = x.as_ptr().add((tile * inputs + start) * height);
                        let w = matrix.panel(panel).add(start * WIDTH * matrix.held().bytes());
                        let x = Activations { start: x, stride: height, rows: tall };
                        let w = Panel { start: w, held: matrix.held(), inputs: run };
                        tile::multiply(path, x, w, &mut sums);
                    }
                    for (m, sums) in sums.iter().take(tall).enumerate() {
                        // SAFETY: the columns of a panel are written by one piece.
                        #[allow(unsafe_code)]
                        let out = unsafe { out.slice((tile * height + m) * outputs + first, width) };
                        match (start, onto, bias) {
                            (0, Onto::Nothing, None) => out.copy_from_slice(&sums[..width]),
                            (0, Onto::Nothing, Some(bias)) => {
                                for ((out, sum), bias) in out.iter_mut().zip(sums).zip(bias) {
                                    *out = sum + bias;
                                }
                            }
                            (0, Onto::Output, Some(bias)) => {
                                for ((out, sum), bias) in out.iter_mut().zip(sums).zip(bias) {
                                    *out += sum + bias;
                                }
                            }
                            _ => out.iter_mut().zip(sums).for_each(|(out, sum)| *out += sum),
                        }
                    }
                }
            }
        }
    });
}

/// A slice of which several threads write different parts.
pub(crate) struct Pieces<'a> {
    start: *mut f32,
    len: usize,
    _slice: std::marker::PhantomData<&'a mut [f32]>,
}

// SAFETY: parts are handed out by an unsafe function whose callers keep them apart.
#[allow(unsafe_code)]
unsafe impl Send for Pieces<'_> {}
// SAFETY: as above.
#[allow(unsafe_code)]
unsafe impl Sync for Pieces<'_> {}

impl<'a> Pieces<'a> {
    pub(crate) fn new(slice: &'a mut [f32]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), _slice: std::marker::PhantomData }
    }

    /// A part of the slice.
    ///
    /// # Safety
    /// No other part that overlaps may be in use.
    #[allow(unsafe_code, clippy::mut_from_ref)]
    pub(crate) unsafe fn slice(&self, start: usize, len: usize) -> &mut [f32] {
        assert!(start <= self.len && len <= self.len - start, "a part outside the slice");
        // SAFETY: within the slice, and nobody else's, as the caller promises.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start), len) }
    }
}

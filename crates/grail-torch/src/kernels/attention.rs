//! Attention over keys and values that lie as panels: the innermost loop of the products does this work too.
//!
//! For one key head and one sequence, keys are a matrix whose outputs are positions, values one whose inputs are
//! positions. A call takes the queries of some rows that share a key head, and the spans of positions that they see: a
//! prompt that all of them share, and what each row has of its own. Softmax runs over all spans of a query at once.

use super::{
    isa::KernelPath,
    matrix::{Held, WIDTH},
    plain,
    tile::{self, Activations, Panel, ROWS, Sums},
};
use std::cell::RefCell;

/// Positions whose products with values are added up in one go.
const RUN: usize = 256;

/// Room for the keys and values of one key head over `capacity` positions, a multiple of [`WIDTH`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    /// Positions.
    pub(crate) capacity: usize,
    /// Width of a head.
    pub(crate) width: usize,
}

impl Room {
    /// Room for at least so many positions.
    pub(crate) const fn new(positions: usize, width: usize) -> Self {
        Self { capacity: positions.div_ceil(WIDTH) * WIDTH, width }
    }

    /// Numbers that the keys take; the values follow them.
    const fn keys(self) -> usize {
        self.capacity * self.width
    }

    /// Panels of the values.
    const fn value_panels(self) -> usize {
        self.width.div_ceil(WIDTH)
    }

    /// Numbers that keys and values take together.
    pub(crate) const fn len(self) -> usize {
        self.keys() + self.value_panels() * WIDTH * self.capacity
    }

    /// Stores the key and the value of one position.
    pub(crate) fn store(self, block: &mut [f32], position: usize, key: &[f32], value: &[f32]) {
        let (keys, values) = block.split_at_mut(self.keys());
        let column = &mut keys[position / WIDTH * WIDTH * self.width + position % WIDTH..];
        column.iter_mut().step_by(WIDTH).zip(key).for_each(|(to, from)| *to = *from);
        for (panel, value) in values.chunks_exact_mut(WIDTH * self.capacity).zip(value.chunks(WIDTH)) {
            panel[position * WIDTH..][..value.len()].copy_from_slice(value);
        }
    }

    /// Copies the first `positions` of a block of another capacity.
    pub(crate) fn copy_from(self, block: &mut [f32], other: Self, from: &[f32], positions: usize) {
        let whole = positions.div_ceil(WIDTH) * WIDTH;
        block[..whole * self.width].copy_from_slice(&from[..whole * self.width]);
        let to = block[self.keys()..].chunks_exact_mut(WIDTH * self.capacity);
        for (to, from) in to.zip(from[other.keys()..].chunks_exact(WIDTH * other.capacity)) {
            to[..positions * WIDTH].copy_from_slice(&from[..positions * WIDTH]);
        }
    }
}

/// Positions that some queries see.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span<'a> {
    /// Keys and values of one key head.
    pub(crate) block: &'a [f32],
    /// How they lie.
    pub(crate) room: Room,
    /// First of the call's queries that sees them.
    pub(crate) first: usize,
    /// How many queries see them.
    pub(crate) queries: usize,
    /// How many positions the first `each` of those queries see.
    pub(crate) seen: usize,
    /// After so many queries, one position more is seen: a sequence over itself.
    pub(crate) each: Option<usize>,
}

impl Span<'_> {
    /// Positions that the query of that number among its own sees.
    fn visible(&self, query: usize) -> usize {
        self.seen + self.each.map_or(0, |each| query / each)
    }

    /// Positions that any of its queries sees, in whole panels.
    fn padded(&self) -> usize {
        self.visible(self.queries.saturating_sub(1)).div_ceil(WIDTH) * WIDTH
    }
}

thread_local! {
    /// Scores and queries of a call.
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Attention of at most [`ROWS`] queries, `q [queries, width]`, into `out [queries, width]`.
///
/// # Panics
/// When a span does not hold what it says, or there are more queries.
pub(crate) fn attend(path: KernelPath, q: &[f32], spans: &[Span<'_>], out: &mut [f32]) {
    let Some(width) = spans.first().map(|span| span.room.width) else { return };
    let queries = q.len() / width;
    assert!(queries <= ROWS && out.len() == q.len(), "a call of too many queries");
    for span in spans {
        let most = span.visible(span.queries.saturating_sub(1));
        assert!(
            span.block.len() >= span.room.len() && most <= span.room.capacity,
            "a span that is too short"
        );
        assert!(span.first + span.queries <= queries && span.room.width == width, "a span of other queries");
    }
    let longest: usize = spans.iter().map(Span::padded).sum();
    SCRATCH.with_borrow_mut(|scratch| {
        let turned = queries * width;
        if scratch.len() < turned + 2 * queries * longest {
            scratch.resize(turned + 2 * queries * longest, 0.0);
        }
        let (turned, rest) = scratch.split_at_mut(turned);
        let (scores, weights) = rest.split_at_mut(queries * longest);
        let scale = 1.0 / (width as f32).sqrt();
        for (m, query) in q.chunks_exact(width).enumerate() {
            turned.iter_mut().skip(m).step_by(queries).zip(query).for_each(|(to, from)| *to = from * scale);
        }
        let mut sums: Sums = [[0.0; WIDTH]; ROWS];
        let mut start = 0;
        for span in spans {
            for panel in 0..span.padded() / WIDTH {
                let keys = &span.block[panel * WIDTH * width..(panel + 1) * WIDTH * width];
                let x = &turned[span.first..];
                // SAFETY: `width` inputs of `queries` numbers follow each other, of which `span.queries` after the first
                // belong to this span; the panel holds `width` inputs.
                #[allow(unsafe_code)]
                unsafe {
                    let x = Activations { start: x.as_ptr(), stride: queries, rows: span.queries };
                    let keys = Panel { start: keys.as_ptr().cast(), held: Held::F32, inputs: width };
                    tile::multiply(path, x, keys, &mut sums);
                }
                for (m, sums) in sums.iter().take(span.queries).enumerate() {
                    scores[(span.first + m) * longest + start + panel * WIDTH..][..WIDTH]
                        .copy_from_slice(sums);
                }
            }
            start += span.padded();
        }
        out.fill(0.0);
        for (m, scores) in scores.chunks_exact_mut(longest.max(1)).enumerate().take(queries) {
            // The parts of a query's row that hold scores, and how much of each it sees.
            let mut start = 0;
            let parts = spans.iter().filter_map(|span| {
                let at = start;
                start += span.padded();
                let query = m.checked_sub(span.first).filter(|query| *query < span.queries)?;
                Some((at, span.visible(query)))
            });
            let parts: Vec<(usize, usize)> = parts.collect();
            let most = parts.iter().map(|(at, seen)| plain::largest(path, &scores[*at..at + seen]));
            let most = most.fold(f32::NEG_INFINITY, f32::max);
            let mut total = 0.0;
            for (at, seen) in &parts {
                total += plain::exponentials(path, &mut scores[*at..at + seen], most);
            }
            let share = 1.0 / total;
            for (at, seen) in &parts {
                scores[*at..at + seen].iter_mut().for_each(|score| *score *= share);
            }
        }
        let mut start = 0;
        for span in spans {
            let longest_seen = span.visible(span.queries.saturating_sub(1));
            let weights = &mut weights[..longest_seen * span.queries];
            for m in 0..span.queries {
                let row = &scores[(span.first + m) * longest + start..];
                let seen = span.visible(m);
                for (p, to) in weights.iter_mut().skip(m).step_by(span.queries).enumerate() {
                    *to = if p < seen { row[p] } else { 0.0 };
                }
            }
            let values = &span.block[span.room.keys()..];
            for panel in 0..span.room.value_panels() {
                let columns = WIDTH.min(width - panel * WIDTH);
                for from in (0..longest_seen).step_by(RUN) {
                    let run = RUN.min(longest_seen - from);
                    let w = &values[(panel * span.room.capacity + from) * WIDTH..][..run * WIDTH];
                    let x = &weights[from * span.queries..][..run * span.queries];
                    // SAFETY: `run` inputs of `span.queries` numbers, and a panel of `run` inputs.
                    #[allow(unsafe_code)]
                    unsafe {
                        let x = Activations { start: x.as_ptr(), stride: span.queries, rows: span.queries };
                        let w = Panel { start: w.as_ptr().cast(), held: Held::F32, inputs: run };
                        tile::multiply(path, x, w, &mut sums);
                    }
                    for (m, sums) in sums.iter().take(span.queries).enumerate() {
                        let out = &mut out[(span.first + m) * width + panel * WIDTH..][..columns];
                        out.iter_mut().zip(sums).for_each(|(out, sum)| *out += sum);
                    }
                }
            }
            start += span.padded();
        }
    });
}

//! Keys and values: a prefix shared by the rollouts of a group, and what each row adds to it.

use crate::{
    error::RunError,
    kernels::{
        attention::{Room, Span, attend},
        crew::Crew,
        matrix::WIDTH,
        product::Pieces,
        tile::ROWS,
    },
    serve::native::decoder::{Attend, Decoder, Heads, Projected},
};
use grail_protocol::words::TokenId;

/// Prompt tokens computed at once; bounds the activations of a long prompt.
const PREFILL_ROWS: usize = 512;

/// Positions of a fresh cache.
const FIRST_POSITIONS: usize = 2 * WIDTH;

/// Keys and values of a prompt: for each layer and key head a block.
pub(crate) struct Prefix {
    blocks: Vec<f32>,
    room: Room,
    keys: usize,
    positions: usize,
}

impl Prefix {
    fn block(&self, layer: usize, key: usize) -> &[f32] {
        &self.blocks[(layer * self.keys + key) * self.room.len()..][..self.room.len()]
    }

    /// What `queries` queries see of it: everything.
    fn span(&self, layer: usize, key: usize, queries: usize) -> Span<'_> {
        let (block, room) = (self.block(layer, key), self.room);
        Span { block, room, first: 0, queries, seen: self.positions, each: None }
    }
}

/// Reads a prompt: its prefix, and the final state of its last token `[hidden]`.
///
/// Errors: those of the forward pass; an empty prompt.
pub(crate) fn prefill(
    decoder: &mut Decoder,
    crew: &mut Crew,
    prompt: &[TokenId],
) -> Result<(Prefix, Vec<f32>), RunError> {
    let heads = decoder.heads;
    let room = Room::new(prompt.len(), heads.width);
    let layers = decoder.config.num_hidden_layers as usize;
    let blocks = zeros(layers * heads.keys * room.len())?;
    let mut prefix = Prefix { blocks, room, keys: heads.keys, positions: 0 };
    let mut last = Vec::new();
    for chunk in prompt.chunks(PREFILL_ROWS) {
        let positions: Vec<usize> = (prefix.positions..prefix.positions + chunk.len()).collect();
        let mut states = decoder.forward(crew, chunk, &positions, &mut Prefill { prefix: &mut prefix })?;
        prefix.positions += chunk.len();
        last = states.split_off(states.len() - decoder.config.hidden_size as usize);
    }
    if last.is_empty() {
        return Err(RunError::Input("the prompt is empty".into()));
    }
    Ok((prefix, last))
}

/// Zeros, or the trouble of too little memory.
fn zeros(len: usize) -> Result<Vec<f32>, RunError> {
    let mut values = Vec::new();
    values.try_reserve_exact(len).map_err(|_| RunError::Room { bytes: len.saturating_mul(4) })?;
    values.resize(len, 0.0);
    Ok(values)
}

struct Prefill<'a> {
    prefix: &'a mut Prefix,
}

impl Attend for Prefill<'_> {
    fn attend(&mut self, crew: &mut Crew, new: &Projected<'_>, out: &mut [f32]) {
        let Prefix { blocks, room, keys, positions } = &mut *self.prefix;
        let (room, layer, filled) = (*room, new.layer, *positions);
        let start = layer * *keys * room.len();
        let blocks = &mut blocks[start..start + *keys * room.len()];
        let pieces = Pieces::new(blocks);
        crew.each(new.heads.keys, |key| {
            // SAFETY: each key head has a block of its own.
            #[allow(unsafe_code)]
            let block = unsafe { pieces.slice(key * room.len(), room.len()) };
            for row in 0..new.rows {
                room.store(block, filled + row, new.key(row, key), new.value(row, key));
            }
        });
        let sequence = Sequence { first: 0, rows: new.rows };
        over(crew, new, &[sequence], out, |call| {
            let block = &blocks[call.key * room.len()..][..room.len()];
            vec![call.onto_itself(block, room, filled)]
        });
    }
}

/// Completions of one prompt, packed one after another without padding: each sees the prompt and itself.
pub(crate) struct Packed<'a> {
    prefix: &'a Prefix,
    sequences: Vec<Sequence>,
    /// Keys and values of this layer: for each sequence and key head a block.
    blocks: Vec<f32>,
    /// How the blocks of a sequence lie, and where they begin.
    rooms: Vec<(Room, usize)>,
}

impl<'a> Packed<'a> {
    /// Room for completions of these lengths.
    ///
    /// Errors: too little memory.
    pub(crate) fn new(heads: Heads, prefix: &'a Prefix, lengths: &[usize]) -> Result<Self, RunError> {
        let (mut first, mut start) = (0, 0);
        let (mut sequences, mut rooms) = (Vec::new(), Vec::new());
        for rows in lengths.iter().copied() {
            let room = Room::new(rows, heads.width);
            sequences.push(Sequence { first, rows });
            rooms.push((room, start));
            first += rows;
            start += heads.keys * room.len();
        }
        Ok(Self { prefix, sequences, blocks: zeros(start)?, rooms })
    }
}

impl Attend for Packed<'_> {
    fn attend(&mut self, crew: &mut Crew, new: &Projected<'_>, out: &mut [f32]) {
        let keys = new.heads.keys;
        let (sequences, rooms) = (&self.sequences, &self.rooms);
        let pieces = Pieces::new(&mut self.blocks);
        crew.each(sequences.len() * keys, |piece| {
            let (index, key) = (piece / keys, piece % keys);
            let (sequence, (room, start)) = (sequences[index], rooms[index]);
            // SAFETY: each sequence and key head has a block of its own.
            #[allow(unsafe_code)]
            let block = unsafe { pieces.slice(start + key * room.len(), room.len()) };
            for row in 0..sequence.rows {
                let from = sequence.first + row;
                room.store(block, row, new.key(from, key), new.value(from, key));
            }
        });
        let (prefix, blocks) = (self.prefix, &self.blocks);
        over(crew, new, sequences, out, |call| {
            let (room, start) = rooms[call.sequence];
            let block = &blocks[start + call.key * room.len()..][..room.len()];
            vec![prefix.span(new.layer, call.key, call.queries()), call.onto_itself(block, room, 0)]
        });
    }
}

/// Keys and values of what rows have drawn: for each layer, row and key head a block.
///
/// Memory: `8 · layers · rows · positions · key heads · width` bytes; positions grow by doubling up to the cap.
pub(crate) struct Suffixes {
    blocks: Vec<f32>,
    room: Room,
    layers: usize,
    rows: usize,
    keys: usize,
}

impl Suffixes {
    /// Room for `rows` rows.
    ///
    /// Errors: too little memory.
    pub(crate) fn new(decoder: &Decoder, rows: usize) -> Result<Self, RunError> {
        let (keys, layers) = (decoder.heads.keys, decoder.config.num_hidden_layers as usize);
        let room = Room::new(FIRST_POSITIONS, decoder.heads.width);
        Ok(Self { blocks: zeros(layers * rows * keys * room.len())?, room, layers, rows, keys })
    }

    /// Grows until `positions` fit, at most `most`.
    ///
    /// Errors: too little memory.
    pub(crate) fn reserve(&mut self, positions: usize, most: usize) -> Result<(), RunError> {
        if positions <= self.room.capacity {
            return Ok(());
        }
        let grown = Room::new((self.room.capacity * 2).min(most).max(positions), self.room.width);
        let mut blocks = zeros(self.layers * self.rows * self.keys * grown.len())?;
        let old = self.blocks.chunks_exact(self.room.len());
        for (to, from) in blocks.chunks_exact_mut(grown.len()).zip(old) {
            grown.copy_from(to, self.room, from, self.room.capacity);
        }
        (self.blocks, self.room) = (blocks, grown);
        Ok(())
    }

    /// Copies a row over another row.
    pub(crate) fn move_row(&mut self, from: usize, to: usize) {
        let row = self.keys * self.room.len();
        for layer in self.blocks.chunks_exact_mut(self.rows * row) {
            layer.copy_within(from * row..(from + 1) * row, to * row);
        }
    }
}

/// One decoding step: each row adds one token.
pub(crate) struct Step<'a> {
    pub(crate) suffixes: &'a mut Suffixes,
    /// Consecutive rows and the prompt they share.
    pub(crate) segments: Vec<(usize, &'a Prefix)>,
    /// Tokens that each row holds before this step.
    pub(crate) lengths: &'a [usize],
}

impl Attend for Step<'_> {
    fn attend(&mut self, crew: &mut Crew, new: &Projected<'_>, out: &mut [f32]) {
        let Suffixes { blocks, room, rows, keys, .. } = &mut *self.suffixes;
        let (room, keys, lengths) = (*room, *keys, self.lengths);
        let size = *rows * keys * room.len();
        let blocks = &mut blocks[new.layer * size..][..size];
        for (index, block) in blocks.chunks_exact_mut(room.len()).enumerate().take(new.rows * keys) {
            let (row, key) = (index / keys, index % keys);
            room.store(block, lengths[row], new.key(row, key), new.value(row, key));
        }
        let blocks = &*blocks;
        let mut sequences = Vec::with_capacity(self.segments.len());
        let mut first = 0;
        for (rows, _) in &self.segments {
            sequences.push(Sequence { first, rows: *rows });
            first += rows;
        }
        let segments = &self.segments;
        over(crew, new, &sequences, out, |call| {
            let mut spans = vec![segments[call.sequence].1.span(new.layer, call.key, call.queries())];
            spans.extend((0..call.rows).map(|index| {
                let row = call.row + index;
                let block = &blocks[(row * keys + call.key) * room.len()..][..room.len()];
                let (first, seen) = (index * call.members, lengths[row] + 1);
                Span { block, room, first, queries: call.members, seen, each: None }
            }));
            spans
        });
    }
}

/// Rows that belong together.
#[derive(Debug, Clone, Copy)]
struct Sequence {
    first: usize,
    rows: usize,
}

/// Queries that are computed in one call: those of some rows of a sequence, for one key head.
struct Call {
    sequence: usize,
    /// The first row, counted over all sequences, and within its own.
    row: usize,
    within: usize,
    rows: usize,
    key: usize,
    /// Query heads of each row in this call.
    members: usize,
}

impl Call {
    const fn queries(&self) -> usize {
        self.rows * self.members
    }

    /// A sequence over itself, after `earlier` positions: each row sees those up to its own.
    const fn onto_itself<'a>(&self, block: &'a [f32], room: Room, earlier: usize) -> Span<'a> {
        let (queries, seen) = (self.queries(), earlier + self.within + 1);
        Span { block, room, first: 0, queries, seen, each: Some(self.members) }
    }
}

/// Attention of all rows, in calls that are as large as the innermost loop takes.
fn over<'s>(
    crew: &mut Crew,
    new: &Projected<'_>,
    sequences: &[Sequence],
    out: &mut [f32],
    spans: impl Fn(&Call) -> Vec<Span<'s>> + Sync,
) {
    let Heads { members: all, keys, width } = new.heads;
    // Heads of one row are dealt to several calls where they are more than a call takes.
    let members = all.div_ceil(all.div_ceil(ROWS));
    let each = (ROWS / members).max(1);
    let mut calls = Vec::new();
    for (index, sequence) in sequences.iter().enumerate() {
        for within in (0..sequence.rows).step_by(each) {
            for key in 0..keys {
                for member in (0..all).step_by(members) {
                    let rows = each.min(sequence.rows - within);
                    let members = members.min(all - member);
                    let row = sequence.first + within;
                    calls.push((member, Call { sequence: index, row, within, rows, key, members }));
                }
            }
        }
    }
    let stride = new.heads.queries() * width;
    let pieces = Pieces::new(out);
    crew.each(calls.len(), |piece| {
        let (member, call) = &calls[piece];
        let part = member * width..(member + call.members) * width;
        let used = call.queries() * width;
        let mut both = vec![0.0; 2 * used];
        let (q, seen) = both.split_at_mut(used);
        for (index, q) in q.chunks_exact_mut(part.len()).enumerate() {
            q.copy_from_slice(&new.queries(call.row + index, call.key)[part.clone()]);
        }
        attend(new.path, q, &spans(call), seen);
        for (index, seen) in seen.chunks_exact(part.len()).enumerate() {
            let start = (call.row + index) * stride + call.key * all * width + part.start;
            // SAFETY: a row's heads belong to one call each.
            #[allow(unsafe_code)]
            let out = unsafe { pieces.slice(start, part.len()) };
            out.copy_from_slice(seen);
        }
    });
}

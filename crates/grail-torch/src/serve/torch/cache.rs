//! Keys and values: a prefix shared by the rollouts of a group, and what each row adds to it.

use crate::{
    error::{Named, RunError},
    serve::torch::{
        attention::{Heads, merge, stack},
        decoder::{Attend, Decoder},
    },
};
use grail_protocol::words::TokenId;
use tch::Tensor;

/// Prompt tokens computed at once; bounds the activations of a long prompt.
const PREFILL_ROWS: usize = 512;

/// Keys and values of a prompt, `[layers, positions, 2, key heads, width]`.
pub(crate) struct Prefix {
    kv: Tensor,
}

/// Reads a prompt: its prefix, and the final state of its last token `[1, hidden]`.
pub(crate) fn prefill(network: &Decoder, prompt: &[TokenId]) -> Result<(Prefix, Tensor), RunError> {
    let heads = network.heads;
    let shape = [network.config.num_hidden_layers, prompt.len() as i64, 2, heads.keys, heads.width];
    let kv = Tensor::f_empty(shape, (network.kind, network.device)).named("make room for a prompt", &[])?;
    let mut last = None;
    let mut filled = 0;
    for chunk in prompt.chunks(PREFILL_ROWS) {
        let positions: Vec<usize> = (filled..filled + chunk.len()).collect();
        let mut attend = Prefill { kv: &kv, filled: filled as i64 };
        last = Some(network.forward(chunk, &positions, &mut attend)?);
        filled += chunk.len();
    }
    let last = last.ok_or_else(|| RunError::Input("the prompt is empty".into()))?;
    let last = last.f_narrow(0, -1, 1).named("take the last row", &[&last])?;
    Ok((Prefix { kv }, network.final_states(&last)?))
}

struct Prefill<'a> {
    kv: &'a Tensor,
    filled: i64,
}

impl Attend for Prefill<'_> {
    fn attend(&mut self, heads: &Heads, layer: usize, q: &Tensor, kv: &Tensor) -> Result<Tensor, RunError> {
        let rows = q.size().first().copied().unwrap_or(0);
        let layer = self.kv.f_select(0, layer as i64).named("view the prefix", &[self.kv])?;
        layer
            .f_narrow(0, self.filled, rows)
            .and_then(|mut room| room.f_copy_(kv))
            .done("store keys", &[&layer, kv])?;
        let (k, v) = heads.widen(kv)?;
        let own = heads.over_itself(q, &k, &v)?;
        if self.filled == 0 {
            return own.alone();
        }
        let earlier = layer.f_narrow(0, 0, self.filled).named("view the prefix", &[&layer])?;
        merge(heads.over_prefix(q, &earlier)?, own)
    }
}

impl Prefix {
    fn layer(&self, layer: usize) -> Result<Tensor, RunError> {
        self.kv.f_select(0, layer as i64).named("view the prefix", &[&self.kv])
    }
}

/// Completions of one prompt, packed one after another without padding: each sees the prompt and itself.
pub(crate) struct Packed<'a> {
    pub(crate) prefix: &'a Prefix,
    /// Tokens of each completion.
    pub(crate) lengths: &'a [usize],
}

impl Attend for Packed<'_> {
    fn attend(&mut self, heads: &Heads, layer: usize, q: &Tensor, kv: &Tensor) -> Result<Tensor, RunError> {
        let (k, v) = heads.widen(kv)?;
        let mut start = 0;
        let mut parts = Vec::with_capacity(self.lengths.len());
        for length in self.lengths {
            let length = *length as i64;
            let cut = |t: &Tensor| t.f_narrow(0, start, length).named("cut a completion", &[t]);
            parts.push(heads.over_itself(&cut(q)?, &cut(&k)?, &cut(&v)?)?);
            start += length;
        }
        merge(heads.over_prefix(q, &self.prefix.layer(layer)?)?, stack(parts)?)
    }
}

/// Keys and values of what rows have drawn, `[layers, 2, rows, key heads, positions, width]`: in this order the keys
/// of all live rows are one batch of matrices, without copying.
///
/// Memory: `2 · layers · rows · positions · key heads · width` numbers; positions grow by doubling up to the cap.
pub(crate) struct Suffixes {
    kv: Tensor,
    rows: i64,
    positions: i64,
}

/// Positions of a fresh cache.
const FIRST_POSITIONS: i64 = 64;

impl Suffixes {
    /// Room for `rows` rows.
    pub(crate) fn new(network: &Decoder, rows: usize) -> Result<Self, RunError> {
        let rows = rows as i64;
        let kv = zeros(network, rows, FIRST_POSITIONS)?;
        Ok(Self { kv, rows, positions: FIRST_POSITIONS })
    }

    /// Grows until `positions` fit, at most `most`.
    pub(crate) fn reserve(
        &mut self,
        network: &Decoder,
        positions: usize,
        most: usize,
    ) -> Result<(), RunError> {
        let needed = positions as i64;
        if needed <= self.positions {
            return Ok(());
        }
        let grown = (self.positions * 2).min(most as i64).max(needed);
        // Zeros, since what a mask hides is still multiplied by zero, and that must not meet a NaN.
        let kv = zeros(network, self.rows, grown)?;
        kv.f_narrow(4, 0, self.positions)
            .and_then(|mut room| room.f_copy_(&self.kv))
            .done("grow the cache", &[&self.kv])?;
        (self.kv, self.positions) = (kv, grown);
        Ok(())
    }

    /// Copies the first `positions` of a row over another row.
    pub(crate) fn move_row(&self, from: usize, to: usize, positions: usize) -> Result<(), RunError> {
        let row = |index: usize| self.kv.f_narrow(2, index as i64, 1)?.f_narrow(4, 0, positions as i64);
        row(to).and_then(|mut to| to.f_copy_(&row(from)?)).done("move a row", &[&self.kv])
    }
}

fn zeros(network: &Decoder, rows: i64, positions: i64) -> Result<Tensor, RunError> {
    let heads = network.heads;
    let shape = [network.config.num_hidden_layers, 2, rows, heads.keys, positions, heads.width];
    Tensor::f_zeros(shape, (network.kind, network.device)).named("make room for completions", &[])
}

/// One decoding step: each row adds one token.
pub(crate) struct Step<'a> {
    suffixes: &'a Suffixes,
    /// Consecutive rows and the prompt they share.
    segments: Vec<(usize, &'a Prefix)>,
    /// Where the keys, then the values, of each row and head go, in vectors from the start of a layer.
    places: Tensor,
    /// Hides what lies behind shorter rows; none when all are equally long.
    mask: Option<Tensor>,
    rows: i64,
    longest: i64,
}

impl<'a> Step<'a> {
    /// `lengths` are the tokens that each row holds before this step.
    pub(crate) fn new(
        network: &Decoder,
        suffixes: &'a Suffixes,
        segments: Vec<(usize, &'a Prefix)>,
        lengths: &[usize],
    ) -> Result<Self, RunError> {
        let longest = lengths.iter().max().map_or(0, |longest| longest + 1);
        let ragged = lengths.iter().any(|length| length + 1 < longest);
        let (keys, room) = (network.heads.keys, suffixes.positions);
        let place = |which: i64, row: usize, length: usize, head: i64| {
            ((which * suffixes.rows + row as i64) * keys + head) * room + length as i64
        };
        let rows = lengths.iter().enumerate();
        let places: Vec<i64> = (0..2)
            .flat_map(|which| rows.clone().map(move |(row, length)| (which, row, *length)))
            .flat_map(|(which, row, length)| (0..keys).map(move |head| place(which, row, length, head)))
            .collect();
        let places = Tensor::f_from_slice(&places)
            .and_then(|places| places.f_to_device(network.device))
            .named("list places", &[])?;
        let mask = ragged.then(|| mask(network, lengths, longest)).transpose()?;
        let (rows, longest) = (lengths.len() as i64, longest as i64);
        Ok(Self { suffixes, segments, places, mask, rows, longest })
    }
}

fn mask(network: &Decoder, lengths: &[usize], longest: usize) -> Result<Tensor, RunError> {
    let hidden =
        |length: usize| (0..longest).map(move |at| if at <= length { 0.0 } else { f32::NEG_INFINITY });
    let values: Vec<f32> = lengths.iter().flat_map(|length| hidden(*length)).collect();
    Tensor::f_from_slice(&values)
        .and_then(|flat| flat.f_view([lengths.len() as i64, 1, 1, longest as i64]))
        .and_then(|mask| mask.f_to_device(network.device))
        .named("make a mask", &[])
}

impl Attend for Step<'_> {
    fn attend(&mut self, heads: &Heads, layer: usize, q: &Tensor, kv: &Tensor) -> Result<Tensor, RunError> {
        let all = &self.suffixes.kv;
        let cache = all.f_select(0, layer as i64).named("view the cache", &[all])?;
        let store = || {
            let new = kv.f_transpose(0, 1)?.f_reshape([-1, heads.width])?;
            cache.f_view([-1, heads.width])?.f_index_copy_(0, &self.places, &new)
        };
        store().done("store keys", &[&cache, kv])?;
        let half = |which| {
            cache
                .f_select(0, which)
                .and_then(|half| half.f_narrow(0, 0, self.rows))
                .and_then(|half| half.f_flatten(0, 1))
                .and_then(|half| half.f_narrow(1, 0, self.longest))
                .named("view the cache", &[&cache])
        };
        let own = heads.over_own(q, &half(0)?, &half(1)?, self.mask.as_ref())?;
        let mut start = 0;
        let mut parts = Vec::with_capacity(self.segments.len());
        for (count, prefix) in &self.segments {
            let count = *count as i64;
            let rows = q.f_narrow(0, start, count).named("cut a group", &[q])?;
            parts.push(heads.over_prefix(&rows, &prefix.layer(layer)?)?);
            start += count;
        }
        merge(stack(parts)?, own)
    }
}

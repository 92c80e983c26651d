//! Weights in the shapes they are used in, and the forward pass up to the output head.
//!
//! Rows are slices of 32-bit floats, one after another; scratch memory is kept between calls.

use super::load::Reader;
use crate::{
    config::ModelConfig,
    decoder::{names, rope::Rope},
    device::HeldWeights,
    error::{LoadError, RunError},
    kernels::{
        KernelPath,
        crew::Crew,
        matrix::{Matrix, Source, widen},
        plain,
        product::{self, Onto, Pieces, Tiles, product},
    },
    numbers::numbers,
    weights::FolderWeights,
};
use grail_protocol::words::TokenId;
use tch::Tensor;

/// Numbers of a row-by-row loop below which waking a thread costs more than it saves.
const ALONE: usize = 8_192;

/// A dense decoder of one of the supported families.
pub(crate) struct Decoder {
    pub(crate) config: ModelConfig,
    pub(crate) heads: Heads,
    pub(crate) path: KernelPath,
    rope: Rope,
    /// `[vocab_size, hidden_size]`, a view of the weight file, as it is stored.
    embedding: Tensor,
    layers: Vec<Layer>,
    norm: Vec<f32>,
    head: Matrix,
    scratch: Scratch,
}

/// Sizes of an attention layer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Heads {
    /// Query heads that share a key head.
    pub(crate) members: usize,
    /// Key heads.
    pub(crate) keys: usize,
    /// Width of a head.
    pub(crate) width: usize,
}

/// A linear layer.
pub(super) struct Linear {
    pub(super) matrix: Matrix,
    pub(super) bias: Option<Vec<f32>>,
}

pub(super) struct Layer {
    pub(super) input_norm: Vec<f32>,
    pub(super) qkv: Linear,
    pub(super) qk_norm: Option<(Vec<f32>, Vec<f32>)>,
    pub(super) output: Linear,
    pub(super) mlp_norm: Vec<f32>,
    pub(super) gate_up: Linear,
    pub(super) down: Linear,
}

/// Rows of every kind of a pass, and what a product turns.
#[derive(Debug, Default)]
struct Scratch {
    tiles: Tiles,
    x: Vec<f32>,
    normed: Vec<f32>,
    qkv: Vec<f32>,
    seen: Vec<f32>,
    both: Vec<f32>,
    gated: Vec<f32>,
}

/// One layer's projections `[rows, (queries + 2 · keys) · width]`, turned: queries, keys and values of each row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Projected<'a> {
    pub(crate) heads: Heads,
    pub(crate) path: KernelPath,
    pub(crate) layer: usize,
    pub(crate) rows: usize,
    values: &'a [f32],
}

impl Projected<'_> {
    const fn stride(&self) -> usize {
        self.heads.stride()
    }

    /// Queries of a key head, `[members, width]`.
    pub(crate) fn queries(&self, row: usize, key: usize) -> &[f32] {
        let each = self.heads.members * self.heads.width;
        &self.values[row * self.stride() + key * each..][..each]
    }

    /// A key.
    pub(crate) fn key(&self, row: usize, key: usize) -> &[f32] {
        let start = (self.heads.queries() + key) * self.heads.width;
        &self.values[row * self.stride() + start..][..self.heads.width]
    }

    /// A value.
    pub(crate) fn value(&self, row: usize, key: usize) -> &[f32] {
        let start = (self.heads.queries() + self.heads.keys + key) * self.heads.width;
        &self.values[row * self.stride() + start..][..self.heads.width]
    }
}

/// Where the keys and values of a forward pass go, and what its queries see.
pub(crate) trait Attend {
    /// Keeps the new keys and values, and writes what each row sees, `out [rows, queries · width]`.
    fn attend(&mut self, crew: &mut Crew, new: &Projected<'_>, out: &mut [f32]);
}

impl Heads {
    /// Query heads.
    pub(crate) const fn queries(&self) -> usize {
        self.members * self.keys
    }

    /// Numbers of a row of projections.
    const fn stride(&self) -> usize {
        (self.queries() + 2 * self.keys) * self.width
    }
}

impl Decoder {
    /// Packs weights that were checked.
    ///
    /// Memory: linear layers and head as they are held; the embedding stays in its file.
    ///
    /// Errors: [`LoadError`], a weight that is no finite number among them.
    pub(crate) fn new(
        weights: &FolderWeights,
        config: ModelConfig,
        held: HeldWeights,
        path: KernelPath,
    ) -> Result<Self, LoadError> {
        let reader = Reader { weights, config: &config, held };
        let table = [config.vocab_size, config.hidden_size];
        let embedding = weights.map(names::EMBEDDING, &table)?;
        let head = if config.tie_word_embeddings { names::EMBEDDING } else { names::HEAD };
        let head = reader.matrix(&[(head, table)])?;
        let layers =
            (0..config.num_hidden_layers).map(|index| reader.layer(index)).collect::<Result<_, _>>()?;
        let norm = reader.vector(names::NORM, &[config.hidden_size])?;
        let heads = Heads {
            members: (config.num_attention_heads / config.num_key_value_heads) as usize,
            keys: config.num_key_value_heads as usize,
            width: config.head_dim as usize,
        };
        let rope = Rope::new(&config);
        Ok(Self { config, heads, path, rope, embedding, layers, norm, head, scratch: Scratch::default() })
    }

    /// Bytes of the matrices.
    pub(crate) fn bytes(&self) -> usize {
        let layers = self.layers.iter().flat_map(|layer| {
            [&layer.qkv, &layer.output, &layer.gate_up, &layer.down].map(|linear| linear.matrix.bytes())
        });
        layers.sum::<usize>() + self.head.bytes()
    }

    /// How the matrices are held.
    pub(crate) const fn held(&self) -> crate::kernels::matrix::Held {
        self.head.held()
    }

    /// The final states `[tokens, hidden]`: after the last layer and the final norm.
    ///
    /// Errors: a token that is not in the vocabulary.
    pub(crate) fn forward(
        &mut self,
        crew: &mut Crew,
        tokens: &[TokenId],
        positions: &[usize],
        attend: &mut dyn Attend,
    ) -> Result<Vec<f32>, RunError> {
        let (rows, hidden, path) = (tokens.len(), self.config.hidden_size as usize, self.path);
        let (heads, eps) = (self.heads, self.config.rms_norm_eps as f32);
        let inner = self.config.intermediate_size as usize;
        let Scratch { tiles, x, normed, qkv, seen, both, gated } = &mut self.scratch;
        let x = room(x, rows * hidden);
        embed(&self.embedding, tokens, hidden, x)?;
        let normed = room(normed, rows * hidden);
        let qkv = room(qkv, rows * heads.stride());
        let seen = room(seen, rows * heads.queries() * heads.width);
        let both = room(both, rows * 2 * inner);
        let gated = room(gated, rows * inner);
        let (cos, sin) = self.rope.halves(positions);
        for (layer, of) in self.layers.iter().enumerate() {
            norm_rows(crew, path, x, &of.input_norm, eps, normed);
            of.qkv.apply(crew, path, tiles, normed, Onto::Nothing, qkv);
            turn_rows(crew, path, heads, of.qk_norm.as_ref(), eps, (&cos, &sin), qkv);
            attend.attend(crew, &Projected { heads, path, layer, rows, values: qkv }, seen);
            of.output.apply(crew, path, tiles, seen, Onto::Output, x);
            norm_rows(crew, path, x, &of.mlp_norm, eps, normed);
            of.gate_up.apply(crew, path, tiles, normed, Onto::Nothing, both);
            each_row(crew, both, 2 * inner, gated, inner, |both, gated| plain::gate(path, both, gated));
            of.down.apply(crew, path, tiles, gated, Onto::Output, x);
        }
        let mut states = vec![0.0; rows * hidden];
        norm_rows(crew, path, x, &self.norm, eps, &mut states);
        Ok(states)
    }

    /// Logits `[rows, vocab_size]` of final states `[rows, hidden]`.
    pub(crate) fn logits(&mut self, crew: &mut Crew, states: &[f32], out: &mut Vec<f32>) {
        let rows = states.len() / self.head.inputs().max(1);
        let out = room(out, rows * self.head.outputs());
        let head = product::Layer { matrix: &self.head, bias: None };
        product(crew, self.path, &mut self.scratch.tiles, states, head, Onto::Nothing, out);
    }
}

impl Linear {
    fn apply(
        &self,
        crew: &mut Crew,
        path: KernelPath,
        tiles: &mut Tiles,
        x: &[f32],
        onto: Onto,
        out: &mut [f32],
    ) {
        let layer = product::Layer { matrix: &self.matrix, bias: self.bias.as_deref() };
        product(crew, path, tiles, x, layer, onto, out);
    }
}

/// The first `len` numbers of a buffer, which grows where it must; what they hold is of an earlier pass.
fn room(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    &mut buffer[..len]
}

/// Rows of the embedding, widened.
fn embed(embedding: &Tensor, tokens: &[TokenId], hidden: usize, out: &mut [f32]) -> Result<(), RunError> {
    let table = numbers(embedding).map_err(|_| RunError::Inside("an embedding that cannot be read"))?;
    for (token, out) in tokens.iter().zip(out.chunks_exact_mut(hidden)) {
        let range = *token as usize * hidden..(*token as usize + 1) * hidden;
        let outside = || RunError::Input(format!("token {token} is outside the vocabulary"));
        match table {
            Source::Bf16(bits) | Source::F16(bits) => {
                let bits = bits.get(range).ok_or_else(outside)?;
                out.iter_mut().zip(bits).for_each(|(out, bits)| *out = widen(table.held(), *bits));
            }
            Source::F32(values) => out.copy_from_slice(values.get(range).ok_or_else(outside)?),
        }
    }
    Ok(())
}

/// Does `work` on pairs of rows, over the threads where it is worth it.
fn each_row(
    crew: &mut Crew,
    from: &[f32],
    from_width: usize,
    to: &mut [f32],
    to_width: usize,
    work: impl Fn(&[f32], &mut [f32]) + Sync,
) {
    if from.len() < ALONE {
        let rows = from.chunks_exact(from_width).zip(to.chunks_exact_mut(to_width));
        rows.for_each(|(from, to)| work(from, to));
        return;
    }
    let pieces = Pieces::new(to);
    crew.each(from.len() / from_width, |row| {
        // SAFETY: each row is one piece's.
        #[allow(unsafe_code)]
        let to = unsafe { pieces.slice(row * to_width, to_width) };
        work(&from[row * from_width..][..from_width], to);
    });
}

fn norm_rows(crew: &mut Crew, path: KernelPath, x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    let width = weight.len();
    each_row(crew, x, width, out, width, |x, out| plain::norm(path, x, weight, eps, out));
}

/// Norms and turns the queries and keys of each row in place.
fn turn_rows(
    crew: &mut Crew,
    path: KernelPath,
    heads: Heads,
    qk_norm: Option<&(Vec<f32>, Vec<f32>)>,
    eps: f32,
    (cos, sin): (&[f32], &[f32]),
    qkv: &mut [f32],
) {
    let (width, half, stride) = (heads.width, heads.width / 2, heads.stride());
    let rows = qkv.len() / stride;
    let turned = heads.queries() + heads.keys;
    let all = Pieces::new(qkv);
    let turn = |row: usize| {
        // SAFETY: each row is one piece's.
        #[allow(unsafe_code)]
        let heads_of = unsafe { all.slice(row * stride, turned * width) };
        let (cos, sin) = (&cos[row * half..][..half], &sin[row * half..][..half]);
        let mut normed = qk_norm.map_or_else(Vec::new, |_| vec![0.0; width]);
        for (index, head) in heads_of.chunks_exact_mut(width).enumerate() {
            if let Some((queries, keys)) = qk_norm {
                let weight = if index < heads.queries() { queries } else { keys };
                plain::norm(path, head, weight, eps, &mut normed);
                head.copy_from_slice(&normed);
            }
            plain::turn(path, head, cos, sin);
        }
    };
    if rows * stride < ALONE { (0..rows).for_each(turn) } else { crew.each(rows, turn) }
}

//! Deltas: a safetensors file as its difference from tensors that the reader already holds, bit for bit.
//!
//! The bytes, all numbers little-endian:
//!
//! | field | bytes | meaning |
//! |---|---|---|
//! | magic | 8 | `grail/d1` |
//! | base root | 32 | [`TensorRoot`] of the tensors this applies to |
//! | result root | 32 | [`TensorRoot`] of the file that comes out |
//! | result size | 8 | bytes of that file, header included |
//! | header | 4 + 4 + n | a *packet* (below) that unpacks to the result's safetensors header, byte for byte |
//! | tensors | … | one record a tensor, in the order in which their data lie in the result |
//!
//! A record begins with one byte:
//!
//! | byte | the tensor is | follows |
//! |---|---|---|
//! | 0 | the base's tensor of that name, unchanged | nothing |
//! | 1 | made of blocks that lean on the base's tensor of that name | one block for every 4 MiB, the last one shorter |
//! | 2 | made of blocks that lean on nothing | the same |
//! | 3 | equal to an earlier tensor of the result | its index in the result's order, 4 bytes |
//!
//! The base's tensor may be leant on (0 and 1) when it has the same dtype and as many bytes; the shape may differ. A tensor
//! without bytes has record 2 and no block. A block begins with one byte:
//!
//! | byte | the block is | follows |
//! |---|---|---|
//! | 0 | as in the base | nothing |
//! | 1 | the base's with some words changed | a packet: number of runs r, r gaps, r run lengths less one, then the *differences* of the changed words as planes |
//! | 2 | the base's with all words changed | a packet: the differences of all words as planes |
//! | 3 | new | a packet: the words as planes |
//!
//! A *word* is an element (2, 4 or 8 bytes), or one byte where elements are smaller. A *difference* is
//! `zigzag(new − old)` modulo the word's size, where `zigzag` writes 0, −1, 1, −2 … as 0, 1, 2, 3 …: a bfloat16 that moved by one
//! step becomes 1 or 2, whatever its value, and nothing is rounded: signed zeros and NaN payloads are bits like
//! others. *Planes* are the lowest bytes of all words, then the next, and so on. A *gap* counts the unchanged words
//! since the last run. Numbers in a packet are LEB128 of at most 32 bits.
//!
//! A packet is `raw: u32 ‖ stored: u32 ‖ stored bytes`: a zstd frame of exactly `raw` bytes, or, where `stored` equals `raw`, the
//! bytes themselves. `raw` is at most the size of the block it makes, and for kinds 2 and 3 exactly that. Nothing follows
//! the last record.
//!
//! The reader checks the base's root before it writes, every size before it allocates, and the result's root before
//! it says that the result is good. It writes a new file and never touches the base.

mod apply;
mod block;
mod encode;
mod error;
mod packet;

pub use apply::{Applied, Preamble, apply, read_preamble};
pub use encode::{Encoded, encode};
pub use error::DeltaError;

use crate::tensors::{Census, TensorError, TensorInfo, TensorRoot, TensorSource};
use std::collections::BTreeMap;

/// First bytes of a delta.
pub const MAGIC: [u8; 8] = *b"grail/d1";
/// File name ending of a delta: that of `model.safetensors` is `model.safetensors.delta`.
pub const DELTA_ENDING: &str = ".delta";

/// How deltas are made and applied. Nothing of it decides what comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeltaOptions {
    /// Threads; each holds a few blocks of 4 MiB.
    pub workers: usize,
    /// Level of zstd, 1 to 22; higher is smaller and slower to make. Readers need not know it.
    pub level: i32,
}

impl Default for DeltaOptions {
    /// One thread, level 3.
    fn default() -> Self {
        Self { workers: 1, level: 3 }
    }
}

/// Tensors whose every byte was read and hashed, for deltas to lean on.
#[derive(Debug)]
pub struct Base<S> {
    source: S,
    census: Census,
    by_name: BTreeMap<String, usize>,
}

impl<S: TensorSource> Base<S> {
    /// Hashes the source. `progress` is told the bytes read since it was last called.
    pub fn take(
        mut source: S,
        options: DeltaOptions,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Self, TensorError> {
        let census = Census::take(&mut source, options.workers, progress)?;
        let by_name =
            (0..).zip(source.tensors()).map(|(index, tensor)| (tensor.name.clone(), index)).collect();
        Ok(Self { source, census, by_name })
    }

    /// The root over its tensors.
    pub const fn root(&self) -> TensorRoot {
        self.census.root()
    }

    /// The tensor that one of the result may lean on.
    fn support(&self, tensor: &TensorInfo) -> Option<usize> {
        let index = self.by_name.get(&tensor.name).copied()?;
        let own = self.source.tensors().get(index)?;
        (own.dtype == tensor.dtype && own.bytes == tensor.bytes).then_some(index)
    }
}

/// First byte of a record.
mod record {
    pub(super) const SAME: u8 = 0;
    pub(super) const BLOCKS_ON_BASE: u8 = 1;
    pub(super) const BLOCKS_ALONE: u8 = 2;
    pub(super) const ALIAS: u8 = 3;
}

/// First byte of a block.
mod kind {
    pub(super) const SAME: u8 = 0;
    pub(super) const SPARSE: u8 = 1;
    pub(super) const DENSE: u8 = 2;
    pub(super) const NEW: u8 = 3;
}

#[cfg(test)]
mod tests;

//! Tensors as they lie in safetensors files: a bounded reading of the header, blocks of bytes, and one root over all.
//!
//! A file is `n: u64 LE ‖ header: n bytes of JSON ‖ data`. The header maps a name to `{"dtype", "shape",
//! "data_offsets": [begin, end]}`, offsets counted from the first byte of data; `__metadata__` maps text to text.
//! This reader is stricter than some: names are distinct, the tensors fill the data without gap, overlap or rest, and
//! each has exactly the bytes that its shape and dtype ask for.
//!
//! Weights that a model ties are one tensor in its file; the root is over what the file holds, so such a model has
//! the same root on every machine.

mod dtype;
mod header;
pub(crate) mod root;
mod source;

use std::sync::{Mutex, PoisonError};

pub use dtype::StoredDtype;
pub use header::{HEADER_BYTES, Header, MOST_TENSORS, TensorError, TensorInfo, TensorSpec};
pub use root::{Census, TensorRoot};
pub use source::{SafetensorsFile, Shards, TensorSource};

/// Bytes of a block: tensors are hashed, compared and sent in pieces of this size, the last one shorter.
pub const BLOCK_BYTES: usize = 4 << 20;

/// One block of one tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    /// Index of the tensor in its source.
    pub(crate) tensor: usize,
    /// First byte, from the start of the tensor.
    pub(crate) offset: u64,
    /// Bytes, at least 1.
    pub(crate) len: usize,
}

/// The blocks of a tensor in order; none for a tensor without elements.
pub(crate) fn blocks(tensor: usize, bytes: u64) -> impl Iterator<Item = Block> {
    let size = BLOCK_BYTES as u64;
    (0..bytes.div_ceil(size)).map(move |index| {
        let offset = index * size;
        // At most BLOCK_BYTES, so it fits.
        let len = usize::try_from((bytes - offset).min(size)).unwrap_or(BLOCK_BYTES);
        Block { tensor, offset, len }
    })
}

/// Applies `work` to each item on up to `workers` threads; results in the order of items.
pub(crate) fn side_by_side<T: Send, R: Send>(
    items: Vec<T>,
    workers: usize,
    work: impl Fn(T) -> R + Sync,
) -> Vec<R> {
    if items.len() < 2 || workers < 2 {
        return items.into_iter().map(work).collect();
    }
    let threads = workers.min(items.len());
    let queue = Mutex::new(items.into_iter().enumerate());
    let take = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let mut results: Vec<(usize, R)> = std::thread::scope(|scope| {
        let run = || std::iter::from_fn(take).map(|(index, item)| (index, work(item))).collect::<Vec<_>>();
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    results.sort_unstable_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
pub(crate) mod tests;

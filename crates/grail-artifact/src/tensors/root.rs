use super::{BLOCK_BYTES, TensorError, TensorInfo, TensorSource, blocks, side_by_side};
use grail_protocol::{
    hash::{Digest, digest, sha256},
    merkle,
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The digest of a set of tensors: names, dtypes, shapes and bytes, whatever files they lie in.
///
/// - content of a tensor: the Merkle root over the SHA-256 of each of its blocks of [`BLOCK_BYTES`] bytes
/// - leaf: `H("grail/1 tensor", name, dtype name, dimensions as u64 LE, content)`
/// - root: `H("grail/1 tensors", number of tensors as u64 LE, Merkle root over the leaves in ascending order of names)`
///
/// Text form: 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TensorRoot(pub Digest);

impl fmt::Display for TensorRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex::encode(self.0))
    }
}

impl fmt::Debug for TensorRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TensorRoot({self})")
    }
}

impl From<TensorRoot> for String {
    fn from(root: TensorRoot) -> Self {
        root.to_string()
    }
}

impl TryFrom<String> for TensorRoot {
    type Error = hex::FromHexError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

/// The digests of a source's tensors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Census {
    /// Content of each tensor, in the order of the source.
    pub(crate) contents: Vec<Digest>,
    root: TensorRoot,
}

impl Census {
    /// Reads every byte of the source, `workers` blocks at a time.
    ///
    /// `progress` is told the bytes that were read since it was last called.
    pub fn take(
        source: &mut impl TensorSource,
        workers: usize,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Self, TensorError> {
        let mut digests: Vec<Vec<Digest>> = vec![Vec::new(); source.tensors().len()];
        let mut batch = Batch::new(workers);
        let plan: Vec<_> =
            (0..).zip(source.tensors()).flat_map(|(index, tensor)| blocks(index, tensor.bytes)).collect();
        let mut finish = |batch: Vec<(usize, Vec<u8>)>| {
            let tensors: Vec<usize> = batch.iter().map(|(tensor, _)| *tensor).collect();
            for (tensor, digest) in
                tensors.into_iter().zip(side_by_side(batch, workers, |(_, bytes)| sha256(&bytes)))
            {
                if let Some(digests) = digests.get_mut(tensor) {
                    digests.push(digest);
                }
            }
        };
        for block in plan {
            let mut bytes = vec![0; block.len];
            source.read(block.tensor, block.offset, &mut bytes)?;
            progress(block.len as u64);
            if let Some(full) = batch.push((block.tensor, bytes), block.len) {
                finish(full);
            }
        }
        finish(batch.rest());
        let contents = digests.iter().map(|digests| merkle::root(digests)).collect();
        Ok(Self::new(source.tensors(), contents))
    }

    /// From contents that were computed on the way.
    pub(crate) fn new(tensors: &[TensorInfo], contents: Vec<Digest>) -> Self {
        let mut leaves: Vec<(&str, Digest)> = tensors
            .iter()
            .zip(&contents)
            .map(|(tensor, content)| {
                let shape: Vec<u8> = tensor.shape.iter().flat_map(|side| side.to_le_bytes()).collect();
                let fields: [&[u8]; 4] =
                    [tensor.name.as_bytes(), tensor.dtype.name().as_bytes(), &shape, content];
                (tensor.name.as_str(), digest("grail/1 tensor", &fields))
            })
            .collect();
        leaves.sort_unstable();
        let leaves: Vec<Digest> = leaves.into_iter().map(|(_, leaf)| leaf).collect();
        let count = (leaves.len() as u64).to_le_bytes();
        let root = TensorRoot(digest("grail/1 tensors", &[&count, &merkle::root(&leaves)]));
        Self { contents, root }
    }

    /// The root over all tensors.
    pub const fn root(&self) -> TensorRoot {
        self.root
    }
}

/// Most items of a batch, however small.
const MOST_ITEMS: usize = 1 << 12;

/// Gathers work until there is enough for all workers.
#[derive(Debug)]
pub(crate) struct Batch<T> {
    items: Vec<T>,
    weight: usize,
    workers: usize,
}

impl<T> Batch<T> {
    pub(crate) const fn new(workers: usize) -> Self {
        Self { items: Vec::new(), weight: 0, workers: if workers == 0 { 1 } else { workers } }
    }

    /// Adds an item of so many bytes of work; gives the batch back when it is full.
    pub(crate) fn push(&mut self, item: T, bytes: usize) -> Option<Vec<T>> {
        self.items.push(item);
        self.weight += bytes;
        let full = self.items.len() >= MOST_ITEMS || self.weight >= self.workers.saturating_mul(BLOCK_BYTES);
        full.then(|| self.rest())
    }

    /// What was gathered since the last full batch.
    pub(crate) fn rest(&mut self) -> Vec<T> {
        self.weight = 0;
        std::mem::take(&mut self.items)
    }
}

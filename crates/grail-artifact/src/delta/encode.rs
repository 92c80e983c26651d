use super::{Base, DeltaError, DeltaOptions, MAGIC, block, packet::pack, record};
use crate::tensors::{
    Block, Census, SafetensorsFile, TensorRoot, TensorSource, blocks, root::Batch, side_by_side,
};
use grail_protocol::hash::Digest;
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    io::{Read, Seek, Write},
};

/// What encoding came to: the delta for a manifest, and how much the model changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// Size of the delta in bytes.
    pub bytes: u64,
    /// SHA-256 of the delta, as the manifest names it.
    pub sha256: Digest,
    /// Root over the tensors of the new file.
    pub result_root: TensorRoot,
    /// Words of the new file: elements, or bytes where elements are smaller.
    pub words: u64,
    /// Of these, how many are not as in the base.
    pub changed: u64,
}

/// A thing to write, in order: bytes that are ready, or a block to encode.
enum Piece {
    Ready(Vec<u8>),
    Block { word: usize, base: Option<Vec<u8>>, new: Vec<u8> },
}

/// Writes the delta that makes `next` out of `base`.
///
/// `next` is read twice, once to hash it and once for what differs; of tensors that are as in the base only the first
/// time. Memory: a few blocks for each worker. `progress` is told the bytes of `next` and `base` read since it was last
/// called.
pub fn encode<S: TensorSource, R: Read + Seek>(
    base: &mut Base<S>,
    next: &mut SafetensorsFile<R>,
    out: &mut impl Write,
    options: DeltaOptions,
    progress: &mut dyn FnMut(u64),
) -> Result<Encoded, DeltaError> {
    let census = Census::take(next, options.workers, progress)?;
    let mut writer = Writer { out, hasher: Sha256::new(), bytes: 0, changed: 0, options };
    let mut opening = MAGIC.to_vec();
    opening.extend(base.root().0);
    opening.extend(census.root().0);
    opening.extend(next.header().file_bytes().to_le_bytes());
    pack(next.header().json(), options.level, &mut opening);
    writer.write(&opening)?;

    let tensors = next.tensors().to_vec();
    let mut seen: BTreeMap<(u64, Digest), u32> = BTreeMap::new();
    let mut batch = Batch::new(options.workers);
    let mut words = 0u64;
    for (index, (tensor, content)) in tensors.iter().zip(&census.contents).enumerate() {
        let word = tensor.dtype.word_bytes();
        words += tensor.bytes / word as u64;
        let support = base.support(tensor).filter(|_| tensor.bytes > 0);
        let same = support.is_some_and(|support| base.census.contents.get(support) == Some(content));
        let twin = seen.get(&(tensor.bytes, *content)).copied();
        seen.entry((tensor.bytes, *content)).or_insert(u32::try_from(index).unwrap_or(u32::MAX));
        let (opening, with_blocks) = if same {
            (vec![record::SAME], false)
        } else if let Some(twin) = twin.filter(|_| tensor.bytes > 0) {
            let mut bytes = vec![record::ALIAS];
            bytes.extend(twin.to_le_bytes());
            (bytes, false)
        } else {
            (vec![if support.is_some() { record::BLOCKS_ON_BASE } else { record::BLOCKS_ALONE }], true)
        };
        if let Some(full) = batch.push(Piece::Ready(opening), 0) {
            writer.pieces(full)?;
        }
        if !with_blocks {
            continue;
        }
        for Block { offset, len, .. } in blocks(index, tensor.bytes) {
            let mut new = vec![0; len];
            next.read(index, offset, &mut new)?;
            let old = match support {
                Some(support) => {
                    let mut old = vec![0; len];
                    base.source.read(support, offset, &mut old)?;
                    Some(old)
                }
                None => None,
            };
            progress((len + old.as_ref().map_or(0, Vec::len)) as u64);
            if let Some(full) = batch.push(Piece::Block { word, base: old, new }, len) {
                writer.pieces(full)?;
            }
        }
    }
    writer.pieces(batch.rest())?;
    writer.out.flush().map_err(DeltaError::write)?;
    let Writer { hasher, bytes, changed, .. } = writer;
    Ok(Encoded { bytes, sha256: hasher.finalize().into(), result_root: census.root(), words, changed })
}

struct Writer<'a, W> {
    out: &'a mut W,
    hasher: Sha256,
    bytes: u64,
    changed: u64,
    options: DeltaOptions,
}

impl<W: Write> Writer<'_, W> {
    fn pieces(&mut self, pieces: Vec<Piece>) -> Result<(), DeltaError> {
        let level = self.options.level;
        let work = |piece| match piece {
            Piece::Ready(bytes) => block::EncodedBlock { bytes, changed: 0 },
            Piece::Block { word, base, new } => block::encode(word, base.as_deref(), &new, level),
        };
        for done in side_by_side(pieces, self.options.workers, work) {
            self.changed += done.changed;
            self.write(&done.bytes)?;
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), DeltaError> {
        self.out.write_all(bytes).map_err(DeltaError::write)?;
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}

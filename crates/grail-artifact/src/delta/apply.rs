use super::{
    Base, DeltaError, DeltaOptions, MAGIC, block, kind,
    packet::{Packet, read_u8, read_u32},
    record,
};
use crate::tensors::{
    BLOCK_BYTES, Block, Census, HEADER_BYTES, Header, TensorInfo, TensorRoot, TensorSource, blocks,
    root::Batch, side_by_side,
};
use grail_protocol::{
    hash::{Digest, sha256},
    merkle,
};
use sha2::{Digest as _, Sha256};
use std::io::{Read, Seek, SeekFrom, Write};

/// What a delta says of itself before its first tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preamble {
    /// Root over the tensors that it applies to.
    pub base_root: TensorRoot,
    /// Root over the tensors that come out.
    pub result_root: TensorRoot,
    /// Bytes of the file that comes out.
    pub result_bytes: u64,
    /// The safetensors header of the file that comes out, byte for byte.
    pub header: Header,
}

/// A result that is what the delta promised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Size of the file that was written, in bytes.
    pub bytes: u64,
    /// SHA-256 of the file that was written; the manifest names it too.
    pub sha256: Digest,
    /// Root over its tensors; equals the preamble's.
    pub root: TensorRoot,
}

/// Reads a delta up to its first record. `most_bytes` bounds the file that it may make.
pub fn read_preamble(delta: &mut impl Read, most_bytes: u64) -> Result<Preamble, DeltaError> {
    let mut magic = [0; MAGIC.len()];
    delta.read_exact(&mut magic).map_err(DeltaError::read)?;
    if magic != MAGIC {
        return Err(DeltaError::NotADelta);
    }
    let mut roots = [[0; 32]; 2];
    for root in &mut roots {
        delta.read_exact(root).map_err(DeltaError::read)?;
    }
    let [base_root, result_root] = roots.map(TensorRoot);
    let mut size = [0; 8];
    delta.read_exact(&mut size).map_err(DeltaError::read)?;
    let result_bytes = u64::from_le_bytes(size);
    if result_bytes > most_bytes {
        return Err(DeltaError::TooLarge { what: "result", got: result_bytes, most: most_bytes });
    }
    // A usize has at least the 24 bits of the bound.
    let most = usize::try_from(HEADER_BYTES.min(result_bytes)).unwrap_or(0);
    let json = Packet::read(delta, "header", most)?.unpack();
    let json = json.ok_or_else(|| DeltaError::malformed("", "has a header that does not unpack"))?;
    let header = Header::parse(json)?;
    if header.file_bytes() != result_bytes {
        return Err(DeltaError::malformed("", "has a header of a file of another size"));
    }
    Ok(Preamble { base_root, result_root, result_bytes, header })
}

/// A block of the result: its bytes, or what makes them.
struct Piece {
    tensor: usize,
    bytes: Vec<u8>,
    patch: Option<Patch>,
}

struct Patch {
    word: usize,
    kind: u8,
    packet: Packet,
}

/// Writes the file that the delta makes out of `base`, from the current position of `out`, which is its start.
///
/// The base's root is compared before anything is written. What was written is good if this says so, and rubbish
/// otherwise: write to a file of another name, and rename it afterwards. `out` is read where a tensor repeats an earlier
/// one. `progress` is told the bytes of the result made since it was last called.
pub fn apply<S: TensorSource, W: Read + Write + Seek>(
    delta: &mut impl Read,
    base: &mut Base<S>,
    out: &mut W,
    most_bytes: u64,
    options: DeltaOptions,
    progress: &mut dyn FnMut(u64),
) -> Result<Applied, DeltaError> {
    let preamble = read_preamble(delta, most_bytes)?;
    if preamble.base_root != base.root() {
        return Err(DeltaError::WrongBase { expected: preamble.base_root, got: base.root() });
    }
    let header = preamble.header;
    let mut writer =
        Writer { out, hasher: Sha256::new(), digests: vec![Vec::new(); header.tensors().len()], options };
    writer.write(&(header.json().len() as u64).to_le_bytes())?;
    writer.write(header.json())?;

    let mut batch = Batch::new(options.workers);
    for (index, tensor) in header.tensors().iter().enumerate() {
        let malformed = |detail| DeltaError::malformed(&tensor.name, detail);
        let tag = read_u8(delta)?;
        let support = match tag {
            record::SAME | record::BLOCKS_ON_BASE => {
                let support = base.support(tensor);
                Some(support.ok_or_else(|| malformed("leans on a tensor that the base does not have"))?)
            }
            _ => None,
        };
        let twin = match tag {
            record::SAME | record::BLOCKS_ON_BASE | record::BLOCKS_ALONE => None,
            record::ALIAS => {
                let twin = usize::try_from(read_u32(delta)?).ok().filter(|twin| *twin < index);
                let twin = twin.and_then(|twin| header.tensors().get(twin));
                let twin = twin.filter(|twin| twin.bytes == tensor.bytes);
                // It is read back from what was written, so everything gathered goes out first.
                writer.pieces(batch.rest(), progress)?;
                Some(twin.ok_or_else(|| malformed("repeats no earlier tensor of its size"))?)
            }
            _ => return Err(malformed("has an unknown kind of record")),
        };
        for Block { offset, len, .. } in blocks(index, tensor.bytes) {
            let mut bytes = vec![0; len];
            if let Some(twin) = twin {
                writer.read_back(header.data_start() + twin.begin + offset, &mut bytes)?;
            } else if let Some(support) = support {
                base.source.read(support, offset, &mut bytes)?;
            }
            let patch = match tag {
                record::BLOCKS_ON_BASE | record::BLOCKS_ALONE => {
                    read_patch(delta, tensor, len, support.is_some())?
                }
                _ => None,
            };
            if let Some(full) = batch.push(Piece { tensor: index, bytes, patch }, len) {
                writer.pieces(full, progress)?;
            }
        }
    }
    writer.pieces(batch.rest(), progress)?;
    if delta.read(&mut [0]).map_err(DeltaError::read)? != 0 {
        return Err(DeltaError::TrailingBytes);
    }
    writer.out.flush().map_err(DeltaError::write)?;
    let contents = writer.digests.iter().map(|digests| merkle::root(digests)).collect();
    let root = Census::new(header.tensors(), contents).root();
    if root != preamble.result_root {
        return Err(DeltaError::WrongResult { expected: preamble.result_root, got: root });
    }
    Ok(Applied { bytes: header.file_bytes(), sha256: writer.hasher.finalize().into(), root })
}

/// Reads what a block is made of; `None` where it is as in the base.
fn read_patch(
    delta: &mut impl Read,
    tensor: &TensorInfo,
    len: usize,
    on_base: bool,
) -> Result<Option<Patch>, DeltaError> {
    let malformed = |detail| Err(DeltaError::malformed(&tensor.name, detail));
    let tag = read_u8(delta)?;
    match tag {
        kind::SAME if on_base => return Ok(None),
        kind::SPARSE | kind::DENSE if on_base => {}
        kind::NEW => {}
        _ => return malformed("has a block of an unknown kind, or one without its base"),
    }
    let packet = Packet::read(delta, "block", len.min(BLOCK_BYTES))?;
    if tag != kind::SPARSE && packet.raw_bytes() != len {
        return malformed("has a block of a wrong size");
    }
    Ok(Some(Patch { word: tensor.dtype.word_bytes(), kind: tag, packet }))
}

struct Writer<'a, W> {
    out: &'a mut W,
    hasher: Sha256,
    /// Of each tensor's blocks.
    digests: Vec<Vec<Digest>>,
    options: DeltaOptions,
}

impl<W: Read + Write + Seek> Writer<'_, W> {
    fn pieces(&mut self, pieces: Vec<Piece>, progress: &mut dyn FnMut(u64)) -> Result<(), DeltaError> {
        let work = |mut piece: Piece| {
            if let Some(Patch { word, kind, packet }) = piece.patch.take() {
                block::decode(word, kind, &packet.unpack()?, &mut piece.bytes)?;
            }
            let digest = sha256(&piece.bytes);
            Some((piece, digest))
        };
        for done in side_by_side(pieces, self.options.workers, work) {
            let Some((piece, digest)) = done else {
                return Err(DeltaError::Block);
            };
            if let Some(digests) = self.digests.get_mut(piece.tensor) {
                digests.push(digest);
            }
            self.write(&piece.bytes)?;
            progress(piece.bytes.len() as u64);
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), DeltaError> {
        self.out.write_all(bytes).map_err(DeltaError::write)?;
        self.hasher.update(bytes);
        Ok(())
    }

    /// Reads what was written, and stands at the end again.
    fn read_back(&mut self, at: u64, into: &mut [u8]) -> Result<(), DeltaError> {
        let end = self.out.stream_position().map_err(DeltaError::write)?;
        self.out.seek(SeekFrom::Start(at)).map_err(DeltaError::write)?;
        self.out.read_exact(into).map_err(DeltaError::write)?;
        self.out.seek(SeekFrom::Start(end)).map_err(DeltaError::write)?;
        Ok(())
    }
}

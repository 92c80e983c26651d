//! Pages of one column chunk: their headers, and decompression that cannot exceed what a header declares.

use grail_artifact::window::{DecodeError, check_size};
use zstd::bulk::Decompressor;

use crate::{
    footer::Chunk,
    malformed,
    schema::{DATA_PAGE, PLAIN, RLE},
    thrift,
};

/// Pages are cut near 1 MiB by writers; the bound is what one page may cost in memory.
pub(crate) const MOST_PAGE_BYTES: u64 = 16 << 20;
/// Ours take about 30 bytes; other writers add statistics.
const MOST_HEADER_BYTES: usize = 4 << 10;

/// Goes through the pages of one chunk, one buffer for all.
pub(crate) struct Pages<'a> {
    rest: &'a [u8],
    /// Values and bytes that the footer still allows.
    values: u64,
    uncompressed: u64,
    zstd: Decompressor<'static>,
    buffer: Vec<u8>,
}

/// One decompressed page.
pub(crate) struct Page<'a> {
    pub(crate) values: usize,
    pub(crate) body: &'a [u8],
}

impl<'a> Pages<'a> {
    pub(crate) fn new(file: &'a [u8], chunk: &Chunk) -> Result<Self, DecodeError> {
        let rest =
            file.get(chunk.start..chunk.end).ok_or_else(|| malformed("a column lies outside the file"))?;
        let zstd = Decompressor::new().map_err(|error| malformed(format!("zstd does not start: {error}")))?;
        Ok(Self { rest, values: chunk.values, uncompressed: chunk.uncompressed, zstd, buffer: Vec::new() })
    }

    /// The next page; `None` when the chunk has been read to its last byte and value.
    ///
    /// Every page holds at least one value, so there are no more pages than values.
    pub(crate) fn next(&mut self) -> Result<Option<Page<'_>>, DecodeError> {
        if self.rest.is_empty() {
            if self.values > 0 {
                return Err(malformed(format!("a column lacks {} of its values", self.values)));
            }
            return Ok(None);
        }
        let window = self.rest.get(..MOST_HEADER_BYTES).unwrap_or(self.rest);
        let (header, used) = thrift::read_struct(window)?;
        let size = |id| header.int(id).and_then(|size| u64::try_from(size).ok());
        let (Some(uncompressed), Some(compressed)) = (size(2), size(3)) else {
            return Err(malformed("a page has no sizes"));
        };
        check_size("decompressed size of a page", uncompressed, MOST_PAGE_BYTES)?;
        let spent = uncompressed.saturating_add(used as u64);
        self.uncompressed = self
            .uncompressed
            .checked_sub(spent)
            .ok_or_else(|| malformed("pages are larger than their column says"))?;
        let data = header.get(5).filter(|_| header.int(1) == Some(DATA_PAGE));
        let data = data.ok_or_else(|| malformed("a page is not a data page of version 1"))?;
        if [data.int(2), data.int(3), data.int(4)] != [Some(PLAIN), Some(RLE), Some(RLE)] {
            return Err(malformed("a page is not encoded plainly"));
        }
        let values = data.int(1).and_then(|values| u64::try_from(values).ok()).unwrap_or(0);
        self.values = match self.values.checked_sub(values) {
            Some(left) if values > 0 => left,
            _ => return Err(malformed("pages hold more values than their column says, or none")),
        };
        let end = (used as u64).saturating_add(compressed);
        let (page, rest) = usize::try_from(end)
            .ok()
            .and_then(|end| self.rest.split_at_checked(end))
            .ok_or_else(|| malformed("a page is larger than its column"))?;
        self.rest = rest;

        // `zstd` writes into this slice and fails when a frame holds more, whatever the frame declares; decompressing
        // in one go, it needs no window buffer of the frame's choosing either.
        self.buffer.resize(uncompressed as usize, 0);
        let written = self
            .zstd
            .decompress_to_buffer(page.get(used..).unwrap_or_default(), self.buffer.as_mut_slice())
            .map_err(|error| malformed(format!("a page does not decompress to its size: {error}")))?;
        if written != self.buffer.len() {
            return Err(malformed(format!("a page holds {written} bytes and declares {uncompressed}")));
        }
        Ok(Some(Page { values: values as usize, body: &self.buffer }))
    }
}

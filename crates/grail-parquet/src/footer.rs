//! The footer: schema, places of the column chunks, and the seal. Nothing is allocated by a declared count here.

use grail_artifact::{
    limits::Limits,
    window::{DecodeError, RootHex, WindowFile, WindowHeader, check_size},
};
use grail_protocol::sign::Signature;
use serde::{Deserialize, Serialize};

use crate::{
    field, malformed,
    schema::{self, COLUMNS, PLAIN, RLE, SEAL_KEY, ZSTD},
    thrift::{self, Value},
};

pub(crate) const MAGIC: &[u8; 4] = b"PAR1";
/// Ours takes under 2 KiB; other writers add statistics.
const MOST_FOOTER_BYTES: u64 = 64 << 10;
const MOST_ROW_GROUPS: u64 = 64;

/// What the metadata holds beside the columns; the fields of [`WindowFile`] without its rollouts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seal {
    pub(crate) header: WindowHeader,
    pub(crate) groups: u32,
    pub(crate) rollout_count: u32,
    pub(crate) root: RootHex,
    pub(crate) signature: Signature,
}

#[derive(Serialize)]
struct SealRef<'a> {
    header: &'a WindowHeader,
    groups: u32,
    rollout_count: u32,
    root: RootHex,
    signature: &'a Signature,
}

/// The seal's JSON, one spelling for one file.
pub(crate) fn seal_json(file: &WindowFile) -> Result<String, serde_json::Error> {
    serde_json::to_string(&SealRef {
        header: &file.header,
        groups: file.groups,
        rollout_count: file.rollout_count,
        root: file.root,
        signature: &file.signature,
    })
}

/// One column of one row group.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Values as the footer declares them; for lists an empty one counts as a value.
    pub(crate) values: u64,
    /// Declared bytes of all pages with their headers, decompressed.
    pub(crate) uncompressed: u64,
}

/// One row group: where its rows go and where its columns lie.
#[derive(Debug)]
pub(crate) struct RowGroup {
    pub(crate) first_row: usize,
    pub(crate) rows: usize,
    pub(crate) chunks: Vec<Chunk>,
}

/// A footer that has been checked against the limits and against the file's size.
#[derive(Debug)]
pub(crate) struct Footer {
    pub(crate) rows: usize,
    pub(crate) row_groups: Vec<RowGroup>,
    pub(crate) seal: Seal,
}

/// Finds and checks the footer of a whole file.
pub(crate) fn read(bytes: &[u8], limits: &Limits) -> Result<Footer, DecodeError> {
    let shape = || malformed("not a Parquet file, or cut off");
    let inner = bytes.strip_prefix(MAGIC).and_then(|rest| rest.strip_suffix(MAGIC)).ok_or_else(shape)?;
    let (inner, length) = inner.split_last_chunk::<4>().ok_or_else(shape)?;
    let length = u64::from(u32::from_le_bytes(*length));
    check_size("length of the Parquet footer", length, MOST_FOOTER_BYTES)?;
    let at = (inner.len() as u64).checked_sub(length).ok_or_else(shape)?;
    let (body, footer) = inner.split_at_checked(at as usize).ok_or_else(shape)?;
    let (tree, used) = thrift::read_struct(footer)?;
    if used != footer.len() {
        return Err(malformed("bytes follow the footer's metadata"));
    }
    if tree.get(8).is_some() || tree.get(9).is_some() {
        return Err(malformed("the file is encrypted"));
    }
    schema::check(tree.list(2).unwrap_or_default()).map_err(|detail| field("schema", detail))?;

    let declared = number(&tree, 3, "number of rows")?;
    check_size("number of rollouts", declared, u64::from(limits.rollouts))?;
    let groups = tree.list(4).unwrap_or_default();
    check_size("number of row groups", groups.len() as u64, MOST_ROW_GROUPS)?;
    let mut walk = Walk { at: MAGIC.len() as u64, rows: 0, uncompressed: 0, declared, limits };
    let row_groups = groups.iter().map(|group| walk.row_group(group)).collect::<Result<Vec<_>, _>>()?;
    if walk.rows != declared {
        return Err(malformed(format!("row groups hold {} rows, the footer says {declared}", walk.rows)));
    }
    if walk.at != (MAGIC.len() + body.len()) as u64 {
        return Err(malformed("bytes lie between the columns and the footer"));
    }
    Ok(Footer { rows: declared as usize, row_groups, seal: seal(&tree)? })
}

fn seal(tree: &Value<'_>) -> Result<Seal, DecodeError> {
    let bad = |detail: &str| field(SEAL_KEY, detail);
    let [pair] = tree.list(5).unwrap_or_default() else {
        return Err(bad("must be the one entry of the file's key-value metadata"));
    };
    if pair.bytes(1) != Some(SEAL_KEY.as_bytes()) {
        return Err(bad("must be the one entry of the file's key-value metadata"));
    }
    let json = pair.bytes(2).ok_or_else(|| bad("has no value"))?;
    serde_json::from_slice(json).map_err(|error| bad(&error.to_string()))
}

/// A number that must be there and not be negative.
fn number(value: &Value<'_>, id: i16, what: &str) -> Result<u64, DecodeError> {
    let number = value.int(id).and_then(|number| u64::try_from(number).ok());
    number.ok_or_else(|| malformed(format!("the {what} is missing or negative")))
}

/// Goes through the row groups in file order; chunks must follow each other without gaps.
struct Walk<'a> {
    at: u64,
    rows: u64,
    uncompressed: u64,
    declared: u64,
    limits: &'a Limits,
}

impl Walk<'_> {
    fn row_group(&mut self, group: &Value<'_>) -> Result<RowGroup, DecodeError> {
        let rows = number(group, 3, "number of rows of a row group")?;
        let first_row = self.rows;
        self.rows = self.rows.saturating_add(rows);
        if self.rows > self.declared {
            return Err(malformed("row groups hold more rows than the footer says"));
        }
        let columns = group.list(1).unwrap_or_default();
        if columns.len() != COLUMNS.len() {
            return Err(field("columns", format!("a row group has {} of them", columns.len())));
        }
        let chunks = columns.iter().zip(COLUMNS).map(|(chunk, column)| self.chunk(chunk, column, rows));
        Ok(RowGroup {
            first_row: first_row as usize,
            rows: rows as usize,
            chunks: chunks.collect::<Result<_, _>>()?,
        })
    }

    fn chunk(&mut self, chunk: &Value<'_>, column: schema::Column, rows: u64) -> Result<Chunk, DecodeError> {
        let bad = |detail: &str| field(column.name(), detail);
        if chunk.get(1).is_some() || chunk.get(8).is_some() || chunk.get(9).is_some() {
            return Err(bad("lies in another file or is encrypted"));
        }
        let meta = chunk.get(3).ok_or_else(|| bad("has no metadata"))?;
        if meta.int(1) != Some(column.physical()) || meta.int(4) != Some(ZSTD) || meta.get(11).is_some() {
            return Err(bad("must be of the schema's type, compressed with zstd, without a dictionary"));
        }
        let encodings = meta.list(2).unwrap_or_default();
        if !encodings.iter().all(|encoding| matches!(encoding, Value::Int(PLAIN | RLE))) {
            return Err(bad("must be encoded plainly"));
        }
        let values = number(meta, 5, "number of values of a column")?;
        let most = if column.is_list() { self.limits.tokens.saturating_add(rows) } else { rows };
        check_size("number of values of a column", values, most)?;
        let uncompressed = number(meta, 6, "uncompressed size of a column")?;
        self.uncompressed = self.uncompressed.saturating_add(uncompressed);
        check_size("decompressed size", self.uncompressed, self.limits.decompressed_bytes)?;
        let compressed = number(meta, 7, "compressed size of a column")?;
        if number(meta, 9, "offset of a column")? != self.at {
            return Err(bad("does not begin where the column before it ends"));
        }
        let start = self.at;
        self.at = self.at.saturating_add(compressed);
        let (Ok(start), Ok(end)) = (usize::try_from(start), usize::try_from(self.at)) else {
            return Err(bad("lies outside the file"));
        };
        Ok(Chunk { start, end, values, uncompressed })
    }
}

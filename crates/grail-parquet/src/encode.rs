//! Writing. What decides the bytes stands here: where pages are cut, what each header says, what zstd is told.
//!
//! The bytes are those that version 56 of the `parquet` crate gave with a write batch of 1,024 values, page limits of 1 MiB
//! and 20,000 rows, and zstd level 3: digests of them are in `tests/it/canonical.rs`.

use std::io::Write as _;

use grail_artifact::window::{RolloutRecord, WindowFile};
use zstd::zstd_safe::{CParameter, Strategy};

use crate::{
    footer::{MAGIC, seal_json},
    levels,
    schema::{self, COLUMNS, Column, DATA_PAGE, PLAIN, RLE, SEAL_KEY, ZSTD},
    thrift::Struct,
};

const ZSTD_LEVEL: i32 = 3;
/// What level 3 of zstd 1.5 means for a frame of unknown size, said in full so that a later table changes nothing.
const ZSTD_MEANS: [CParameter; 7] = [
    CParameter::WindowLog(21),
    CParameter::ChainLog(16),
    CParameter::HashLog(17),
    CParameter::SearchLog(1),
    CParameter::MinMatch(5),
    CParameter::TargetLength(0),
    CParameter::Strategy(Strategy::ZSTD_dfast),
];
const PAGE_BYTES: usize = 1 << 20;
const PAGE_ROWS: usize = 20_000;
/// Values between two looks at the page's size.
const BATCH: usize = 1_024;
const CREATED_BY: &str = "grail/1";

/// The file's bytes.
///
/// Errors: a seal that JSON cannot spell, and what zstd says.
pub(crate) fn encode(file: &WindowFile) -> Result<Vec<u8>, String> {
    let seal = seal_json(file).map_err(|error| error.to_string())?;
    let mut bytes = MAGIC.to_vec();
    let mut groups = Vec::new();
    if !file.rollouts.is_empty() {
        let mut chunks = Vec::new();
        for column in COLUMNS {
            let chunk = Chunk::write(&mut bytes, column, &file.rollouts);
            chunks.push(chunk.map_err(|error| format!("column {}: {error}", column.name()))?);
        }
        groups.push(row_group(&chunks, file.rollouts.len()));
    }
    // How values compare, column by column: as their type says.
    let orders = COLUMNS.map(|_| Struct::new().inner(1, Struct::new()));
    let footer = Struct::new()
        .i32(1, 1)
        .structs(2, schema::structs())
        .i64(3, file.rollouts.len() as i64)
        .structs(4, groups)
        .structs(5, vec![Struct::new().bytes(1, SEAL_KEY.as_bytes()).bytes(2, seal.as_bytes())])
        .bytes(6, CREATED_BY.as_bytes())
        .structs(7, orders.into())
        .end();
    bytes.extend_from_slice(&footer);
    bytes.extend_from_slice(&(footer.len() as u32).to_le_bytes());
    bytes.extend_from_slice(MAGIC);
    Ok(bytes)
}

fn row_group(chunks: &[Chunk], rows: usize) -> Struct {
    let sum = |part: fn(&Chunk) -> usize| chunks.iter().map(part).sum::<usize>() as i64;
    Struct::new()
        .structs(1, chunks.iter().map(Chunk::metadata).collect())
        .i64(2, sum(|chunk| chunk.uncompressed))
        .i64(3, rows as i64)
        .i64(5, MAGIC.len() as i64)
        .i64(6, sum(|chunk| chunk.compressed))
        .i16(7, 0)
}

/// One written column.
struct Chunk {
    column: Column,
    start: usize,
    pages: usize,
    values: usize,
    /// Bytes of pages with their headers.
    uncompressed: usize,
    compressed: usize,
}

impl Chunk {
    fn write(
        bytes: &mut Vec<u8>,
        column: Column,
        rollouts: &[RolloutRecord],
    ) -> Result<Self, std::io::Error> {
        let start = bytes.len();
        let mut chunk = Self { column, start, pages: 0, values: 0, uncompressed: 0, compressed: 0 };
        let (mut page, mut batch) = (Page::default(), 0);
        for rollout in rollouts {
            batch += page.push(column, rollout);
            if batch >= BATCH {
                batch = 0;
                if page.rows >= PAGE_ROWS || page.body.len() >= PAGE_BYTES {
                    chunk.cut(bytes, std::mem::take(&mut page))?;
                }
            }
        }
        if page.rows > 0 {
            chunk.cut(bytes, page)?;
        }
        Ok(chunk)
    }

    fn cut(&mut self, bytes: &mut Vec<u8>, page: Page) -> Result<(), std::io::Error> {
        let mut body = Vec::new();
        if self.column.is_list() {
            levels::encode(&page.continues, &mut body);
            levels::encode(&page.present, &mut body);
        }
        body.extend_from_slice(&page.body);
        let frame = compress(&body)?;
        let data = Struct::new().i32(1, page.values as i64).i32(2, PLAIN).i32(3, RLE).i32(4, RLE);
        let sizes = Struct::new().i32(1, DATA_PAGE).i32(2, body.len() as i64).i32(3, frame.len() as i64);
        let header = sizes.inner(5, data).end();
        self.pages += 1;
        self.values += page.values;
        self.uncompressed += header.len() + body.len();
        self.compressed += header.len() + frame.len();
        bytes.extend_from_slice(&header);
        bytes.extend_from_slice(&frame);
        Ok(())
    }

    fn metadata(&self) -> Struct {
        let pages = Struct::new().i32(1, DATA_PAGE).i32(2, PLAIN).i32(3, self.pages as i64);
        let metadata = Struct::new()
            .i32(1, self.column.physical())
            .i32s(2, &[PLAIN, RLE])
            .texts(3, &self.column.path())
            .i32(4, ZSTD)
            .i64(5, self.values as i64)
            .i64(6, self.uncompressed as i64)
            .i64(7, self.compressed as i64)
            .i64(9, self.start as i64)
            .structs(13, vec![pages]);
        Struct::new().i64(2, 0).inner(3, metadata)
    }
}

/// A page while it fills.
#[derive(Default)]
struct Page {
    rows: usize,
    values: usize,
    /// Of each value of a list: 1 where it continues the row, and 1 where it is one and no empty list.
    continues: Vec<u8>,
    present: Vec<u8>,
    body: Vec<u8>,
}

impl Page {
    /// Takes in one row; returns its values, of which an empty list is one.
    fn push(&mut self, column: Column, rollout: &RolloutRecord) -> usize {
        let body = &mut self.body;
        let count = match column {
            Column::Group => plain(body, [rollout.group.0.to_le_bytes()]),
            Column::Rollout => plain(body, [u32::from(rollout.rollout.0).to_le_bytes()]),
            Column::Reward => plain(body, [rollout.reward.to_le_bytes()]),
            Column::Sketch => {
                body.extend_from_slice(&(rollout.sketch.len() as u32).to_le_bytes());
                body.extend(rollout.sketch.iter().map(|byte| byte.cast_unsigned()));
                1
            }
            Column::Tokens => plain(body, rollout.tokens.iter().map(|token| token.to_le_bytes())),
            Column::Logprobs => {
                plain(body, rollout.logprobs.iter().map(|units| i32::from(*units).to_le_bytes()))
            }
        };
        let values = count.max(1);
        if column.is_list() {
            self.present.resize(self.present.len() + values, u8::from(count > 0));
            self.continues.push(0);
            self.continues.resize(self.present.len(), 1);
        }
        self.rows += 1;
        self.values += values;
        values
    }
}

/// Appends values; returns their number.
fn plain(body: &mut Vec<u8>, values: impl IntoIterator<Item = [u8; 4]>) -> usize {
    let before = body.len();
    values.into_iter().for_each(|value| body.extend_from_slice(&value));
    (body.len() - before) / 4
}

/// One frame, without its content's size and without a checksum.
fn compress(body: &[u8]) -> Result<Vec<u8>, std::io::Error> {
    let mut encoder = zstd::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
    for parameter in ZSTD_MEANS {
        encoder.set_parameter(parameter)?;
    }
    encoder.write_all(body)?;
    encoder.finish()
}

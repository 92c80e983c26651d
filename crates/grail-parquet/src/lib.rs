//! Window files as Parquet, the canonical encoding.
//!
//! Anyone can look into such a file with a Parquet reader of their choice. Written by [`ParquetCodec`], the same
//! window file gives the same bytes: pages, headers and the parameters of zstd are decided in this crate. What zstd
//! makes of its parameters is held to recorded digests by the tests; a version that writes other frames fails them.
//!
//! # Bytes
//! ```text
//! "PAR1"  column chunks of row group 0, 1, …, without gaps  footer (Thrift compact)  its length u32  "PAR1"
//! ```
//! Schema, columns in this order; every integer is little-endian:
//! ```text
//! message grail_window {
//!   required int32 group (INTEGER(32, false));
//!   required int32 rollout (INTEGER(8, false));
//!   required group tokens (LIST) { repeated group list { required int32 element (INTEGER(32, false)); } }
//!   required binary sketch;                        one two's-complement byte a token
//!   required group logprobs (LIST) { repeated group list { required int32 element (INTEGER(16, true)); } }
//!   required float reward;                         claimed, bit for bit, NaN included
//! }
//! ```
//! - One row is one rollout, in file order. The writer makes one row group, or none when there are no rollouts.
//! - Pages are data pages of version 1: zstd level 3, encoding `PLAIN`, levels in `RLE`, cut near 1 MiB. No
//!   dictionaries, statistics, indexes, Bloom filters or encryption.
//! - The footer's key-value metadata holds one pair: under `grail.window` a JSON object with `header`, `groups`,
//!   `rollout_count`, `root` and `signature`, spelled as in the JSON encoding of a window file.
//!
//! A reader accepts any file of that schema with those encodings, whatever its row groups, page sizes and zstd level,
//! and does not look at what carries no content (creator, statistics, column orders). Everything else is refused.
//!
//! # Why neither is done by the `parquet` crate
//! Window files come from strangers. The crate decompresses a zstd page to its end before it compares the size with
//! the header, reserves memory for as many list elements as Thrift declares, and panics on page types that it does
//! not know. So a reader of the subset above reads, which bounds every count before memory is spent. Memory stays near
//! the decoded file plus one page of at most 16 MiB.
//!
//! Written bytes must outlive versions. With the same settings version 60 of the crate writes other frames than version
//! 56: it tells zstd the size beforehand, and the frame carries it. So this crate writes too, and the other one checks in
//! tests that what is written is Parquet.

#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod column;
mod encode;
mod footer;
mod levels;
mod page;
mod schema;
mod thrift;

use grail_artifact::{
    keys::WindowEncoding,
    limits::Limits,
    window::{self, DecodeError, RolloutRecord, WindowCodec, WindowFile, check_size},
};
use grail_protocol::words::{GroupIndex, RolloutIndex};

/// Window files as Parquet. See the crate's documentation for the bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct ParquetCodec;

impl WindowCodec for ParquetCodec {
    fn encoding(&self) -> WindowEncoding {
        WindowEncoding::Parquet
    }

    fn encode(&self, file: &WindowFile) -> Result<Vec<u8>, String> {
        encode::encode(file)
    }

    fn decode(&self, bytes: &[u8], limits: &Limits) -> Result<WindowFile, DecodeError> {
        check_size("file", bytes.len() as u64, limits.file_bytes)?;
        let footer = footer::read(bytes, limits)?;
        let blank = RolloutRecord {
            group: GroupIndex(0),
            rollout: RolloutIndex(0),
            tokens: Vec::new(),
            sketch: Vec::new(),
            logprobs: Vec::new(),
            reward: 0.0,
        };
        let mut rollouts = vec![blank; footer.rows];
        column::fill(&mut rollouts, &footer, bytes, limits)?;
        let seal = footer.seal;
        let file = WindowFile {
            header: seal.header,
            groups: seal.groups,
            rollout_count: seal.rollout_count,
            root: seal.root,
            signature: seal.signature,
            rollouts,
        };
        window::check_limits(&file, limits)?;
        Ok(file)
    }
}

fn malformed(detail: impl Into<String>) -> DecodeError {
    DecodeError::Malformed { detail: detail.into() }
}

fn field(name: &str, detail: impl Into<String>) -> DecodeError {
    DecodeError::Field { field: name.into(), detail: detail.into() }
}

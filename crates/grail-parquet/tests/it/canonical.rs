//! Kept bytes: today's writer gives them, and every later reader must still read the kept file.

use crate::sample::{seal, window};
use grail_artifact::{limits::LIMITS, window::WindowCodec};
use grail_parquet::ParquetCodec;
use sha2::{Digest as _, Sha256};
use std::path::PathBuf;

fn kept() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "../../fixtures/vectors/window/small.parquet"].iter().collect()
}

#[test]
fn the_kept_file_reads_and_is_written_again_byte_for_byte() {
    let bytes = std::fs::read(kept()).unwrap();
    let file = ParquetCodec.decode(&bytes, &LIMITS).unwrap();
    assert_eq!(file, window(2, 30));
    assert!(ParquetCodec.encode(&file).unwrap() == bytes, "the writer gives other bytes than it did");
}

/// Digests of files as the project's first writer made them, version 56.2.1 of the `parquet` crate with zstd 1.5.7: no
/// rows at all; pages cut by size (4,800 rows, about 2.4 million tokens); a page cut by its number of rows (25,600).
///
/// Where a version of the zstd library fails this, its bytes are another encoding: pin the version before it, or change
/// the protocol.
#[test]
fn files_of_many_pages_have_the_bytes_they_always_had() {
    for (groups, longest, size, digest) in [
        (0, 1, 924, "bce7c80871d9399c76413f5a4d1b49a92888a48f4a42d3195bf218f6da252819"),
        (300, 1_024, 14_207_467, "e2f4965226ef25b7db50060ea9f62c07cecd8c2bbf55ca8263a9bf74d74c4b03"),
        (1_600, 4, 354_794, "8a8e364ea3323728d63f2185996b57a51fed5236d4218178909b53a4f67bad0c"),
    ] {
        let file = if groups == 0 { seal(Vec::new()) } else { window(groups, longest) };
        let bytes = ParquetCodec.encode(&file).unwrap();
        let found = (bytes.len(), hex::encode(Sha256::digest(&bytes)));
        assert_eq!(found, (size, digest.to_owned()), "{groups} groups of rollouts below {longest} tokens");
    }
}

/// Writes the kept file; run by hand when the encoding is meant to change.
#[test]
#[ignore = "writes a fixture"]
fn write_the_kept_file() {
    let bytes = ParquetCodec.encode(&window(2, 30)).unwrap();
    std::fs::create_dir_all(kept().parent().unwrap()).unwrap();
    std::fs::write(kept(), bytes).unwrap();
}

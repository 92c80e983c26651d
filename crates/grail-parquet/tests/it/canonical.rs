//! A kept file: today's writer gives its bytes, and every later reader must still read it.

use crate::sample::window;
use grail_artifact::{limits::LIMITS, window::WindowCodec};
use grail_parquet::ParquetCodec;
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

/// Writes the kept file; run by hand when the encoding is meant to change.
#[test]
#[ignore = "writes a fixture"]
fn write_the_kept_file() {
    let bytes = ParquetCodec.encode(&window(2, 30)).unwrap();
    std::fs::create_dir_all(kept().parent().unwrap()).unwrap();
    std::fs::write(kept(), bytes).unwrap();
}

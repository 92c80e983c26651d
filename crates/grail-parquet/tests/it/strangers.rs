//! Files of other writers, which call columns optional unless they are told otherwise.

use grail_artifact::{limits::LIMITS, window::WindowCodec as _};
use grail_parquet::ParquetCodec;
use std::{fs, path::PathBuf};

#[test]
fn what_is_wrong_with_a_column_is_said() {
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../../fixtures/parquet"].iter().collect();
    let mut read = 0;
    for (name, column) in [
        ("polars-2.1.0", "group"),
        ("duckdb-2.0.1", "group"),
        ("pyarrow-26.0.1", "group"),
        ("pyarrow-26.0.1-elements", "element"),
    ] {
        let bytes = fs::read(folder.join(format!("{name}.parquet"))).unwrap();
        let said = ParquetCodec.decode(&bytes, &LIMITS).unwrap_err().to_string();
        let expected = format!("\"{column}\" is optional (it may be missing) and must be required");
        assert!(said.contains(&expected) && said.contains("not nullable"), "{name}: {said}");
        read += 1;
    }
    let there = fs::read_dir(folder).unwrap();
    let files =
        there.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|end| end == "parquet"));
    assert_eq!(files.count(), read, "each file is looked at");
}

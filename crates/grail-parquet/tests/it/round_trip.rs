use crate::sample::{record, same, seal, window};
use bytes::Bytes;
use grail_artifact::{
    limits::LIMITS,
    window::{DecodeError, WindowCodec},
};
use grail_parquet::ParquetCodec;
use parquet::{
    file::reader::{FileReader, SerializedFileReader},
    record::{Field, RowAccessor},
};
use proptest::prelude::*;

proptest! {
    #[test]
    fn what_is_written_is_read(rollouts in proptest::collection::vec(record(), 0..12)) {
        let file = seal(rollouts);
        let bytes = ParquetCodec.encode(&file).unwrap();
        prop_assert!(same(&ParquetCodec.decode(&bytes, &LIMITS).unwrap(), &file));
        prop_assert_eq!(ParquetCodec.encode(&file).unwrap(), bytes);
    }
}

#[test]
fn many_pages_round_trip() {
    // About 2.4 million tokens: ten pages a list column.
    let file = window(300, 1_024);
    let bytes = ParquetCodec.encode(&file).unwrap();
    assert_eq!(ParquetCodec.decode(&bytes, &LIMITS), Ok(file));
}

#[test]
fn claims_are_kept_as_they_are() {
    // Whether counts, root and signature are true is the court's question.
    let mut file = window(1, 20);
    file.rollout_count = 99;
    file.groups = 7;
    file.root.0 = [0; 32];
    let bytes = ParquetCodec.encode(&file).unwrap();
    assert_eq!(ParquetCodec.decode(&bytes, &LIMITS), Ok(file));
}

/// The `parquet` crate's own reader sees the same rows: the file is Parquet, not something like it.
#[test]
fn an_independent_reader_agrees() {
    let file = window(3, 50);
    let bytes = ParquetCodec.encode(&file).unwrap();
    let reader = SerializedFileReader::new(Bytes::from(bytes)).unwrap();
    let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
    assert_eq!(rows.len(), file.rollouts.len());
    for (row, rollout) in rows.iter().zip(&file.rollouts) {
        assert_eq!(row.get_uint(0).unwrap(), rollout.group.0);
        assert_eq!(row.get_ubyte(1).unwrap(), rollout.rollout.0);
        let tokens: Vec<Field> = rollout.tokens.iter().map(|token| Field::UInt(*token)).collect();
        assert_eq!(row.get_list(2).unwrap().elements(), tokens);
        let sketch: Vec<u8> = rollout.sketch.iter().map(|y| y.cast_unsigned()).collect();
        assert_eq!(row.get_bytes(3).unwrap().data(), sketch);
        let logprobs: Vec<Field> = rollout.logprobs.iter().map(|units| Field::Short(*units)).collect();
        assert_eq!(row.get_list(4).unwrap().elements(), logprobs);
        assert_eq!(row.get_float(5).unwrap(), rollout.reward);
    }
}

#[test]
fn every_limit_is_named_when_it_is_exceeded() {
    let file = window(2, 40);
    let bytes = ParquetCodec.encode(&file).unwrap();
    let tokens: u64 = file.rollouts.iter().map(|r| r.tokens.len() as u64).sum();
    let longest = file.rollouts.iter().map(|r| r.tokens.len()).max().unwrap() as u32;
    for (limits, want) in [
        (grail_artifact::limits::Limits { file_bytes: 100, ..LIMITS }, "file"),
        (grail_artifact::limits::Limits { decompressed_bytes: 100, ..LIMITS }, "decompressed size"),
        (grail_artifact::limits::Limits { groups: 1, ..LIMITS }, "number of groups"),
        (grail_artifact::limits::Limits { rollouts: 31, ..LIMITS }, "number of rollouts"),
        (grail_artifact::limits::Limits { tokens_per_rollout: longest - 1, ..LIMITS }, "length of a rollout"),
        (grail_artifact::limits::Limits { tokens: tokens - 1, ..LIMITS }, "number of tokens"),
        (grail_artifact::limits::Limits { tokens: tokens / 2, ..LIMITS }, "number of values of a column"),
    ] {
        match ParquetCodec.decode(&bytes, &limits) {
            Err(DecodeError::TooLarge { what, got, most }) => {
                assert_eq!(what, want);
                assert!(got > most);
            }
            other => panic!("{want}: {other:?}"),
        }
    }
    let exact = grail_artifact::limits::Limits {
        groups: 2,
        rollouts: 32,
        tokens,
        tokens_per_rollout: longest,
        file_bytes: bytes.len() as u64,
        ..LIMITS
    };
    assert!(ParquetCodec.decode(&bytes, &exact).is_ok());
}

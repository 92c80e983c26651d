//! Bytes of a stranger: each is refused by name, and none costs time or memory beyond its size.

use crate::{
    forge::{Forged, ForgedPage, Thrift, close},
    sample::{same, window},
};
use grail_artifact::{
    limits::LIMITS,
    window::{DecodeError, WindowCodec, WindowFile, file_message, root_of},
};
use grail_parquet::ParquetCodec;
use grail_protocol::sign;
use proptest::prelude::*;
use std::sync::LazyLock;

static FILE: LazyLock<WindowFile> = LazyLock::new(|| window(1, 24));
static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| ParquetCodec.encode(&FILE).unwrap());

fn decode(bytes: &[u8]) -> Result<WindowFile, DecodeError> {
    ParquetCodec.decode(bytes, &LIMITS)
}

fn forged() -> Forged {
    let file = &*FILE;
    // The seal as the JSON codec spells it, without the rollouts.
    let mut seal = serde_json::to_value(file).unwrap();
    seal.as_object_mut().unwrap().remove("rollouts");
    Forged::honest(seal.to_string())
}

#[test]
fn the_forger_can_make_an_honest_file() {
    let file = decode(&forged().bytes()).unwrap();
    assert_eq!(file.rollouts.len(), 1);
    assert_eq!(file.rollouts[0].tokens, [5, 6]);
    assert_eq!(file.rollouts[0].logprobs, [5, 6]);
    assert_eq!(file.rollouts[0].sketch, [7, 8]);
}

#[test]
fn cut_anywhere_is_an_error() {
    for cut in 0..BYTES.len() {
        assert!(decode(&BYTES[..cut]).is_err(), "cut at {cut}");
    }
}

/// A flipped byte is refused, or changes what was signed, or lies where nothing is read.
#[test]
fn no_flip_forges_a_file() {
    let mut read = 0;
    for position in 0..BYTES.len() {
        for mask in [0x01, 0x10, 0x80, 0xff] {
            let mut bytes = BYTES.clone();
            bytes[position] ^= mask;
            let Ok(file) = decode(&bytes) else { continue };
            read += 1;
            let genuine = file.root.0 == root_of(&file.rollouts)
                && sign::verify(
                    &file.header.hotkey,
                    &file_message(&file.header, &file.root.0, file.groups, file.rollout_count),
                    &file.signature,
                );
            assert!(!genuine || same(&file, &FILE), "byte {position} ^ {mask:#x}");
        }
    }
    assert!(read > 0, "some flips, as in the signature, must still decode");
}

proptest! {
    #[test]
    fn many_flips_never_panic(flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20)) {
        let mut bytes = BYTES.clone();
        for (index, value) in flips {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        let _ = decode(&bytes);
    }

    #[test]
    fn any_footer_is_read_or_refused(footer in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(decode(&close(b"PAR1".to_vec(), &footer)).is_err());
    }

    #[test]
    fn any_page_body_is_read_or_refused(column in 0usize..6, values in 1i64..3, body in proptest::collection::vec(any::<u8>(), 0..40)) {
        let mut file = forged();
        file.columns[column].values = values;
        file.columns[column].pages = vec![ForgedPage::new(values, &body)];
        let _ = decode(&file.bytes());
    }
}

#[test]
fn trailing_and_hidden_bytes_are_refused() {
    let mut longer = BYTES.clone();
    longer.push(0);
    assert!(decode(&longer).is_err());
    let mut hidden = forged();
    hidden.gap = b"hidden".to_vec();
    assert!(decode(&hidden.bytes()).is_err());
    assert!(decode(b"").is_err());
    assert!(decode(b"PAR1").is_err());
    assert!(decode(b"PAR1PAR1").is_err());
    assert!(decode(b"PAR1\0\0\0\0PAR1").is_err());
}

#[track_caller]
fn refused(what: &str, part: &str, change: impl FnOnce(&mut Forged)) {
    let mut file = forged();
    change(&mut file);
    match decode(&file.bytes()) {
        Err(error) => assert!(error.to_string().contains(part), "{what}: {error}"),
        Ok(_) => panic!("{what} was accepted"),
    }
}

#[test]
fn footers_that_lie_are_refused_by_name() {
    refused("10 GB in a column", "decompressed size", |f| f.columns[2].uncompressed = 10 << 30);
    refused("small columns, large together", "decompressed size", |f| {
        f.columns.iter_mut().for_each(|c| c.uncompressed = 300 << 20);
    });
    refused("2⁶² values", "number of values", |f| f.columns[2].values = 1 << 62);
    refused("more values than rows", "number of values", |f| f.columns[0].values = 2);
    refused("2⁴⁰ rows", "number of rollouts", |f| f.rows = 1 << 40);
    refused("negative rows", "number of rows", |f| f.rows = -1);
    refused("rows without data", "has 1 rows", |f| (f.rows, f.group_rows) = (5, 5));
    refused("no rows with data", "number of values", |f| (f.rows, f.group_rows) = (0, 0));
    refused("row groups that disagree", "row group", |f| f.group_rows = 2);
    refused("2³¹ row groups", "list longer", |f| f.row_groups = 1 << 31);
    refused("an overlapping column", "does not begin", |f| f.columns[3].shift = -5);
    refused("a column past the end", "does not begin", |f| f.columns[3].shift = 1 << 40);
    refused("another compression", "zstd", |f| f.columns[2].codec = 2);
    refused("a dictionary", "plainly", |f| f.columns[2].encodings = vec![0, 3, 8]);
    refused("another type", r#""reward" has the physical type DOUBLE and must have FLOAT"#, |f| {
        f.columns[5].physical = 5;
    });
    refused("a type that Parquet has not", r#""reward" has the physical type number 99"#, |f| {
        f.columns[5].physical = 99;
    });
    refused("another name", r#""sketched" stands where "sketch" belongs"#, |f| f.names[3] = "sketched");
    refused(
        "a column that may be missing",
        r#""sketch" is optional (it may be missing) and must be required"#,
        |f| {
            f.repetitions[3] = 1;
        },
    );
    refused("elements that may be missing", r#""element" is optional"#, |f| f.repetitions[4] = 1);
    refused("a repeated column", r#""group" is repeated and must be required"#, |f| f.repetitions[0] = 2);
    refused("lists that may be missing", r#""tokens" is optional"#, |f| f.list = (1, 1));
    refused("lists of pairs", r#""tokens" has 2 children and must have 1"#, |f| f.list = (0, 2));
    refused("signed rollouts", r#""rollout" has the converted type INT_8 and must have UINT_8"#, |f| {
        f.converted[1] = Some(15);
    });
    refused(
        "groups of no logical type",
        r#""group" has the converted type none and must have UINT_32"#,
        |f| {
            f.converted[0] = None;
        },
    );
    refused("texts", r#""sketch" has the converted type UTF8 and must have none"#, |f| {
        f.converted[3] = Some(0)
    });
    refused("a missing column", "columns", |f| drop(f.columns.pop()));
    refused("a surplus column", "columns", |f| {
        f.names.push("surplus");
        f.columns.push(f.columns[0].clone());
    });
    refused("another key", "grail.window", |f| f.key = "grail.widow");
    refused("a seal that is not JSON", "grail.window", |f| f.seal = "[".repeat(50_000));
    refused("a huge seal", "length of the Parquet footer", |f| f.seal = " ".repeat(1 << 20));
    refused("a seal with surplus fields", "unknown field", |f| {
        f.seal = f.seal.replacen('{', "{\"surplus\":1,", 1);
    });
}

#[test]
fn pages_that_lie_are_refused_by_name() {
    refused("a page of 2 GB", "decompressed size of a page", |f| {
        f.columns[2].pages[0].uncompressed = i64::from(i32::MAX);
    });
    refused("a negative page", "no sizes", |f| f.columns[2].pages[0].uncompressed = -1);
    refused("a page beyond its column", "larger than its column", |f| {
        f.columns[2].pages[0].compressed = 1 << 40;
    });
    refused("a page larger than the column says", "larger than their column", |f| {
        f.columns[2].uncompressed = 10;
    });
    refused("no values", "more values than their column", |f| f.columns[0].pages[0].values = 0);
    refused("2³¹ values", "more values than their column", |f| f.columns[0].pages[0].values = 1 << 31);
    refused("values that are not there", "values of a page", |f| {
        f.columns[2].values = 1 << 20;
        f.columns[2].pages[0].values = 1 << 20;
    });
    refused("too few values", "lacks 1", |f| f.columns[2].values = 3);
    refused("a dictionary page", "not a data page", |f| f.columns[0].pages[0].kind = 2);
    refused("a page of an unknown kind", "not a data page", |f| f.columns[0].pages[0].kind = 77);
    refused("a page with a dictionary's indexes", "encoded plainly", |f| {
        f.columns[0].pages[0].encoding = 8;
    });
    refused("bytes after the frame", "decompress", |f| {
        f.columns[0].pages[0].body.push(0);
        f.columns[0].pages[0].compressed += 1;
    });
    refused("a short frame", "declares", |f| f.columns[0].pages[0].uncompressed += 1);
    refused("a rollout of 256", "outside its range", |f| {
        f.columns[1].pages = vec![ForgedPage::new(1, &256u32.to_le_bytes())];
    });
    refused("a log-probability beyond i16", "outside its range", |f| {
        let body = [&[2u8, 0, 0, 0, 2, 0][..], &[2, 0, 0, 0, 2, 1], &40_000u32.to_le_bytes()].concat();
        f.columns[4].values = 1;
        f.columns[4].pages = vec![ForgedPage::new(1, &body)];
    });
    refused("a null token", "continues where none", |f| {
        // Both entries in one row, the second absent.
        let body = [&[4u8, 0, 0, 0, 2, 0, 2, 1][..], &[4, 0, 0, 0, 2, 1, 2, 0], &[5, 0, 0, 0]].concat();
        f.columns[2].pages = vec![ForgedPage::new(2, &body)];
    });
    refused("a list that begins nowhere", "continues where none", |f| {
        let body = [&[2u8, 0, 0, 0, 4, 1][..], &[2, 0, 0, 0, 4, 1], &[5, 0, 0, 0, 6, 0, 0, 0]].concat();
        f.columns[2].pages = vec![ForgedPage::new(2, &body)];
    });
    refused("a sketch of 4 GB", "length of a rollout", |f| {
        f.columns[3].pages = vec![ForgedPage::new(1, &[255, 255, 255, 255, 1])];
    });
    refused("a sketch that is cut", "another size", |f| {
        f.columns[3].pages = vec![ForgedPage::new(1, &[9, 0, 0, 0, 1])];
    });
}

#[test]
fn nested_metadata_is_refused() {
    let mut deep = Thrift::default();
    for _ in 0..1_000 {
        deep = Thrift::default().inner(1, deep);
    }
    let error = decode(&close(b"PAR1".to_vec(), &deep.end())).unwrap_err();
    assert!(error.to_string().contains("nested"), "{error}");
}

#[test]
fn a_json_file_is_not_parquet() {
    let json = grail_artifact::window::JsonCodec.encode(&FILE).unwrap();
    assert!(matches!(decode(&json), Err(DecodeError::Malformed { .. })));
}

use super::*;
use crate::tensors::{
    BLOCK_BYTES, SafetensorsFile, StoredDtype,
    tests::{Tensor, any_tensor, file, open},
};
use grail_protocol::hash::sha256;
use proptest::prelude::*;
use std::io::Cursor;

const ROOM: u64 = 1 << 30;

fn base(bytes: &[u8]) -> Base<SafetensorsFile<Cursor<&[u8]>>> {
    Base::take(open(bytes), DeltaOptions::default(), &mut |_| {}).unwrap()
}

fn diff(from: &[u8], to: &[u8], options: DeltaOptions) -> (Vec<u8>, Encoded) {
    let mut delta = Vec::new();
    let encoded = encode(&mut base(from), &mut open(to), &mut delta, options, &mut |_| {}).unwrap();
    assert_eq!((encoded.bytes, encoded.sha256), (delta.len() as u64, sha256(&delta)));
    (delta, encoded)
}

fn patch(from: &[u8], delta: &[u8], workers: usize) -> Result<Vec<u8>, DeltaError> {
    let mut out = Cursor::new(Vec::new());
    let options = DeltaOptions { workers, ..DeltaOptions::default() };
    let applied = apply(&mut &delta[..], &mut base(from), &mut out, ROOM, options, &mut |_| {})?;
    let out = out.into_inner();
    assert_eq!((applied.bytes, applied.sha256), (out.len() as u64, sha256(&out)));
    assert_eq!(applied.root, base(&out).root());
    Ok(out)
}

fn tensor(name: &str, dtype: StoredDtype, shape: &[u64], bytes: &[u8]) -> Tensor {
    Tensor { name: name.into(), dtype, shape: shape.to_vec(), bytes: bytes.to_vec() }
}

fn plain(tensors: &[Tensor]) -> Vec<u8> {
    file(tensors, &BTreeMap::new())
}

/// What may happen to a tensor between two checkpoints.
#[derive(Debug, Clone)]
enum Fate {
    Stays,
    Gone,
    /// Some bytes change: (place, new value).
    Touched(Vec<(prop::sample::Index, u8)>),
    /// Another tensor under the same name: other dtype, shape, bytes.
    Replaced(Tensor),
    /// The same bytes under one more name, as tied weights are saved.
    Tied,
    /// The same bytes in one flat dimension.
    Flattened,
}

fn any_fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        Just(Fate::Stays),
        Just(Fate::Gone),
        prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6).prop_map(Fate::Touched),
        any_tensor(String::new()).prop_map(Fate::Replaced),
        Just(Fate::Tied),
        Just(Fate::Flattened),
    ]
}

fn next(tensors: &[(Tensor, Fate)]) -> Vec<Tensor> {
    let mut next = Vec::new();
    for (tensor, fate) in tensors {
        let mut tensor = tensor.clone();
        match fate {
            Fate::Stays => {}
            Fate::Gone => continue,
            Fate::Touched(places) => {
                for (place, value) in places {
                    if tensor.bytes.is_empty() {
                        break;
                    }
                    let at = place.index(tensor.bytes.len());
                    tensor.bytes[at] = *value;
                }
            }
            Fate::Replaced(other) => tensor = Tensor { name: tensor.name, ..other.clone() },
            Fate::Tied => next.push(Tensor { name: format!("{}.tied", tensor.name), ..tensor.clone() }),
            Fate::Flattened => tensor.shape = vec![tensor.shape.iter().product()],
        }
        next.push(tensor);
    }
    next
}

fn any_metadata() -> impl Strategy<Value = BTreeMap<String, String>> {
    prop::collection::btree_map(".{0,5}", ".{0,5}", 0..3)
}

proptest! {
    #[test]
    fn applying_the_difference_gives_the_new_file_byte_for_byte(
        tensors in prop::collection::vec((any_tensor(String::new()), any_fate()), 0..8),
        metadata in (any_metadata(), any_metadata()),
        reverse: bool,
    ) {
        let tensors: Vec<(Tensor, Fate)> = tensors
            .into_iter()
            .enumerate()
            .map(|(index, (tensor, fate))| (Tensor { name: format!("t{index}"), ..tensor }, fate))
            .collect();
        let mut after = next(&tensors);
        if reverse {
            after.reverse();
        }
        let before: Vec<Tensor> = tensors.into_iter().map(|(tensor, _)| tensor).collect();
        let (before, after) = (file(&before, &metadata.0), file(&after, &metadata.1));
        let (delta, _) = diff(&before, &after, DeltaOptions::default());
        prop_assert_eq!(&patch(&before, &delta, 3).unwrap(), &after);
        let (back, _) = diff(&after, &before, DeltaOptions::default());
        prop_assert_eq!(&patch(&after, &back, 1).unwrap(), &before);
    }

    #[test]
    fn no_bytes_whatever_make_the_reader_panic_or_accept(
        noise in prop::collection::vec(any::<u8>(), 0..200),
        at in any::<prop::sample::Index>(),
        to in any::<u8>(),
    ) {
        let before = plain(&[tensor("a", StoredDtype::BF16, &[64], &[7; 128]), tensor("b", StoredDtype::F32, &[2], &[1; 8])]);
        prop_assert!(patch(&before, &noise, 1).is_err());
        let after = plain(&[tensor("a", StoredDtype::BF16, &[64], &[[7; 100], [8; 100]].concat()[36..164]), tensor("c", StoredDtype::F32, &[2], &[1; 8])]);
        let (mut delta, _) = diff(&before, &after, DeltaOptions::default());
        let at = at.index(delta.len());
        delta[at] = to;
        // Whatever the change did, either it is refused or nothing came of it.
        if let Ok(result) = patch(&before, &delta, 1) {
            prop_assert_eq!(result, after);
        }
    }
}

#[test]
fn bits_that_compare_equal_or_never_are_kept() {
    let floats = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    // 0 and −0; a NaN and the same with another payload and sign.
    let before =
        plain(&[tensor("w", StoredDtype::F32, &[4], &floats(&[0, 0x8000_0000, 0x7fc0_0000, 0x7fc0_0001]))]);
    let after =
        plain(&[tensor("w", StoredDtype::F32, &[4], &floats(&[0x8000_0000, 0, 0x7fc0_0000, 0xffc0_0002]))]);
    let (delta, encoded) = diff(&before, &after, DeltaOptions::default());
    assert_eq!((encoded.words, encoded.changed), (4, 3), "an unchanged NaN is unchanged");
    assert_eq!(patch(&before, &delta, 1).unwrap(), after);
}

/// Deterministic bytes that do not compress.
fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..bytes).map(|_| next()).collect()
}

#[test]
fn tensors_of_many_blocks_come_back_and_workers_do_not_change_the_delta() {
    let words = (2 * BLOCK_BYTES + 4_000) / 2;
    let before = noise(2 * words, 1);
    let mut after = before.clone();
    // Every block meets another kind: single words, everything, nothing.
    for at in (0..BLOCK_BYTES).step_by(94) {
        after[at] = after[at].wrapping_add(1);
    }
    for byte in &mut after[BLOCK_BYTES..2 * BLOCK_BYTES] {
        *byte ^= 0x11;
    }
    let shape = [words as u64];
    let fresh = noise(BLOCK_BYTES + 8, 2);
    let fresh_shape = [fresh.len() as u64 / 8];
    let before =
        plain(&[tensor("w", StoredDtype::BF16, &shape, &before), tensor("old", StoredDtype::U8, &[1], &[1])]);
    let after = plain(&[
        tensor("new", StoredDtype::F64, &fresh_shape, &fresh),
        tensor("tied", StoredDtype::F64, &fresh_shape, &fresh),
        tensor("w", StoredDtype::BF16, &shape, &after),
    ]);
    let (delta, encoded) = diff(&before, &after, DeltaOptions::default());
    let (same, _) = diff(&before, &after, DeltaOptions { workers: 4, ..DeltaOptions::default() });
    assert_eq!(delta, same);
    assert_eq!(encoded.words, words as u64 + 2 * fresh_shape[0]);
    assert!(delta.len() < fresh.len() + BLOCK_BYTES + 100_000, "tied weights travel once: {}", delta.len());
    for workers in [1, 3] {
        assert_eq!(patch(&before, &delta, workers).unwrap(), after);
    }
}

#[test]
fn a_step_of_two_percent_of_bfloat16_costs_about_a_byte_a_changed_value() {
    let words = 1_000_000usize;
    let before = noise(2 * words, 3);
    let mut after = before.clone();
    let picks = noise(words, 4);
    for word in (0..words).filter(|word| picks[*word] < 5) {
        let at = 2 * word;
        let step = if picks[(word + 1) % words].is_multiple_of(2) { 1 } else { u16::MAX };
        let value = u16::from_le_bytes([after[at], after[at + 1]]).wrapping_add(step);
        after[at..at + 2].copy_from_slice(&value.to_le_bytes());
    }
    let shape = [words as u64];
    let before = plain(&[tensor("w", StoredDtype::BF16, &shape, &before)]);
    let after = plain(&[tensor("w", StoredDtype::BF16, &shape, &after)]);
    let (delta, encoded) = diff(&before, &after, DeltaOptions::default());
    let per_value = delta.len() as f64 / encoded.changed as f64;
    assert!(encoded.changed > 15_000 && per_value < 1.2, "{per_value} bytes for each of {}", encoded.changed);
}

#[test]
fn a_delta_for_another_base_is_refused_before_anything_is_written() {
    let a = plain(&[tensor("w", StoredDtype::U8, &[2], &[1, 2])]);
    let b = plain(&[tensor("w", StoredDtype::U8, &[2], &[1, 3])]);
    let (delta, _) = diff(&a, &b, DeltaOptions::default());
    let mut out = Cursor::new(Vec::new());
    let refused = apply(&mut &delta[..], &mut base(&b), &mut out, ROOM, DeltaOptions::default(), &mut |_| {});
    assert!(matches!(refused, Err(DeltaError::WrongBase { .. })), "{refused:?}");
    assert!(out.into_inner().is_empty());
}

#[test]
fn every_cut_and_every_addition_is_refused_by_name() {
    let before = plain(&[
        tensor("w", StoredDtype::F32, &[100], &noise(400, 5)),
        tensor("v", StoredDtype::U8, &[1], &[1]),
    ]);
    let after = plain(&[
        tensor("w", StoredDtype::F32, &[100], &noise(400, 6)),
        tensor("v", StoredDtype::U8, &[1], &[2]),
    ]);
    let (delta, _) = diff(&before, &after, DeltaOptions::default());
    for cut in 0..delta.len() {
        let refused = patch(&before, &delta[..cut], 1);
        assert!(matches!(refused, Err(DeltaError::Truncated)), "{cut}: {refused:?}");
    }
    let longer = [&delta[..], &[0]].concat();
    assert!(matches!(patch(&before, &longer, 1), Err(DeltaError::TrailingBytes)));
    let other = [b"grail/d2", &delta[8..]].concat();
    assert!(matches!(patch(&before, &other, 1), Err(DeltaError::NotADelta)));
    let mut promise = delta.clone();
    promise[40] ^= 1;
    assert!(matches!(patch(&before, &promise, 1), Err(DeltaError::WrongResult { .. })));
}

#[test]
fn declared_sizes_are_bounded_before_memory_is_spent() {
    let before = plain(&[tensor("w", StoredDtype::U8, &[2], &[1, 2])]);
    let (delta, _) = diff(&before, &before, DeltaOptions::default());
    let changed = |at: usize, bytes: &[u8]| {
        let mut delta = delta.clone();
        delta[at..at + bytes.len()].copy_from_slice(bytes);
        patch(&before, &delta, 1).unwrap_err()
    };
    let refused = changed(72, &u64::MAX.to_le_bytes());
    assert!(matches!(refused, DeltaError::TooLarge { what: "result", .. }), "{refused:?}");
    let refused = changed(80, &u32::MAX.to_le_bytes());
    assert!(matches!(refused, DeltaError::TooLarge { what: "header", .. }), "{refused:?}");
    let refused = changed(84, &u32::MAX.to_le_bytes());
    assert!(matches!(refused, DeltaError::TooLarge { what: "header", .. }), "{refused:?}");
    let refused = changed(72, &(before.len() as u64 + 1).to_le_bytes());
    assert!(matches!(refused, DeltaError::Malformed { .. }), "{refused:?}");
}

#[test]
fn records_that_lean_on_nothing_are_refused() {
    // The base has no such tensor, or one of another size; the last byte of each delta is the record.
    let before = plain(&[tensor("w", StoredDtype::U8, &[2], &[1, 2])]);
    let after = plain(&[tensor("w", StoredDtype::U8, &[2], &[1, 2])]);
    let (delta, _) = diff(&before, &after, DeltaOptions::default());
    let last = delta.len() - 1;
    assert_eq!(delta[last], record::SAME);
    let with_record = |bytes: &[u8]| patch(&before, &[&delta[..last], bytes].concat(), 1).unwrap_err();
    assert!(matches!(with_record(&[record::ALIAS, 0, 0, 0, 0]), DeltaError::Malformed { .. }));
    assert!(matches!(with_record(&[9]), DeltaError::Malformed { .. }));
    assert!(matches!(with_record(&[record::BLOCKS_ALONE, kind::SAME]), DeltaError::Malformed { .. }));
    let oversized =
        [&[record::BLOCKS_ALONE, kind::NEW][..], &3u32.to_le_bytes(), &3u32.to_le_bytes(), &[1, 2, 3]];
    assert!(matches!(with_record(&oversized.concat()), DeltaError::TooLarge { what: "block", .. }));
}

#[test]
fn the_layout_is_as_documented() {
    let before = plain(&[tensor("w", StoredDtype::BF16, &[3], &[0x80, 0x3f, 0, 0, 0x80, 0xbf])]);
    let after = plain(&[tensor("w", StoredDtype::BF16, &[3], &[0x81, 0x3f, 0, 0, 0x80, 0xbf])]);
    let (delta, encoded) = diff(&before, &after, DeltaOptions::default());
    let mut want = b"grail/d1".to_vec();
    want.extend(base(&before).root().0);
    want.extend(encoded.result_root.0);
    want.extend((after.len() as u64).to_le_bytes());
    let header = &after[8..after.len() - 6];
    assert_eq!(&delta[..80], &want[..]);
    let raw = u32::from_le_bytes(delta[80..84].try_into().unwrap()) as usize;
    let stored = u32::from_le_bytes(delta[84..88].try_into().unwrap()) as usize;
    assert_eq!(raw, header.len());
    let json = &delta[88..88 + stored];
    let json = if stored == raw { json.to_vec() } else { zstd::bulk::decompress(json, raw).unwrap() };
    assert_eq!(json, header);
    // One changed word of three is a third: all words, as two planes of zigzag differences.
    let mut records = vec![record::BLOCKS_ON_BASE, kind::DENSE];
    records.extend([6, 0, 0, 0, 6, 0, 0, 0]);
    records.extend([2, 0, 0, 0, 0, 0]);
    assert_eq!(&delta[88 + stored..], &records[..]);
}

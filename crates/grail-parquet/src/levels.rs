//! Repetition and definition levels of one-level lists: one bit a value, in Parquet's run-length and bit-packed mix.

use grail_artifact::window::DecodeError;

use crate::{malformed, thrift::push_varint};

/// Splits the levels off a page's body: a `u32` length, then that many bytes.
pub(crate) fn split(body: &[u8]) -> Result<(&[u8], &[u8]), DecodeError> {
    let cut = || malformed("the levels of a list column are cut off");
    let (length, rest) = body.split_first_chunk::<4>().ok_or_else(cut)?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or_else(cut)
}

/// Decodes exactly `count` levels of one bit into `levels`, each 0 or 1. The caller has bounded `count`.
pub(crate) fn decode(mut bytes: &[u8], count: usize, levels: &mut Vec<u8>) -> Result<(), DecodeError> {
    levels.clear();
    while levels.len() < count {
        let left = count - levels.len();
        let header = varint(&mut bytes)?;
        let runs = (header >> 1) as usize;
        if header & 1 == 0 {
            let (value, rest) = bytes.split_first().ok_or_else(ends)?;
            bytes = rest;
            if runs == 0 || runs > left || *value > 1 {
                return Err(malformed("a run of levels is empty, too long or out of range"));
            }
            levels.resize(levels.len() + runs, *value);
        } else {
            // Eight levels a byte, lowest bit first; the last byte may be padded.
            if runs == 0 || runs > left.div_ceil(8) {
                return Err(malformed("a run of levels is empty or too long"));
            }
            let (packed, rest) = bytes.split_at_checked(runs).ok_or_else(ends)?;
            bytes = rest;
            let bits = packed.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1));
            levels.extend(bits.take(left));
        }
    }
    if bytes.is_empty() { Ok(()) } else { Err(malformed("bytes follow the levels of a list column")) }
}

/// Bytes of the longest packed run, which the one byte before it can still count.
const MOST_PACKED: usize = 63;

/// Appends levels of 0 and 1, their length before them: eight or more alike in a row are a run, the others packed.
pub(crate) fn encode(levels: &[u8], out: &mut Vec<u8>) {
    let (mut bytes, mut packed) = (Vec::new(), Vec::new());
    let mut rest = levels;
    while let Some(first) = rest.first() {
        let alike = rest.iter().take_while(|level| *level == first).count();
        // A short run at the end is one too, unless packed levels stand open that it fits behind.
        if alike >= 8 || (alike == rest.len() && packed.is_empty()) {
            close(&mut packed, &mut bytes);
            push_varint(&mut bytes, (alike as u64) << 1);
            bytes.push(*first);
            rest = rest.split_at(alike).1;
        } else {
            let (eight, more) = rest.split_at(rest.len().min(8));
            packed.push(eight.iter().rev().fold(0, |byte, level| byte << 1 | level));
            if packed.len() == MOST_PACKED {
                close(&mut packed, &mut bytes);
            }
            rest = more;
        }
    }
    close(&mut packed, &mut bytes);
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.append(&mut bytes);
}

fn close(packed: &mut Vec<u8>, bytes: &mut Vec<u8>) {
    if !packed.is_empty() {
        bytes.push((packed.len() as u8) << 1 | 1);
        bytes.append(packed);
    }
}

fn ends() -> DecodeError {
    malformed("the levels of a list column end early")
}

fn varint(bytes: &mut &[u8]) -> Result<u32, DecodeError> {
    let mut value = 0u32;
    for shift in [0, 7, 14, 21, 28] {
        let (byte, rest) = bytes.split_first().ok_or_else(ends)?;
        *bytes = rest;
        value |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(malformed("a run of levels is too long"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn runs_and_packed_levels_mix() {
        let mut levels = Vec::new();
        // Three ones, then eight packed, of which five count.
        decode(&[0x06, 0x01, 0x03, 0b0001_0110], 8, &mut levels).unwrap();
        assert_eq!(levels, [1, 1, 1, 0, 1, 1, 0, 1]);
        let refused: [&[u8]; 7] =
            [&[], &[0x06], &[0x00, 0x01], &[0x06, 0x02], &[0x22, 0x01], &[0x05, 0, 0], &[0x10, 1, 0]];
        for bytes in refused {
            assert!(decode(bytes, 8, &mut levels).is_err(), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(runs in proptest::collection::vec((0u8..2, 1usize..20), 0..200)) {
            let levels: Vec<u8> = runs.iter().flat_map(|(level, count)| vec![*level; *count]).collect();
            let (mut bytes, mut again) = (Vec::new(), Vec::new());
            encode(&levels, &mut bytes);
            let (encoded, rest) = split(&bytes).unwrap();
            prop_assert!(rest.is_empty());
            decode(encoded, levels.len(), &mut again).unwrap();
            prop_assert_eq!(again, levels);
        }

        #[test]
        fn any_bytes_give_the_asked_count_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..64),
                                                      count in 0usize..500) {
            let mut levels = Vec::new();
            match decode(&bytes, count, &mut levels) {
                Ok(()) => prop_assert_eq!(levels.len(), count),
                Err(_) => prop_assert!(levels.len() <= count),
            }
        }
    }
}

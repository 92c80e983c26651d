//! Blocks: which words of 4 MiB changed, and by how much.

use super::{
    kind,
    packet::{pack, push_number, take_number},
};

/// An unsigned word of a tensor.
trait Word: Copy + PartialEq + Default {
    /// Its bytes.
    const BYTES: usize;
    /// From little-endian bytes, exactly [`Self::BYTES`] of them.
    fn load(bytes: &[u8]) -> Self;
    /// Into little-endian bytes.
    fn store(self, into: &mut [u8]);
    /// `zigzag(self − old)`.
    fn difference(self, old: Self) -> Self;
    /// The word whose difference from `old` this is.
    fn restore(self, old: Self) -> Self;
    /// One of its bytes, the lowest first.
    fn byte(self, plane: usize) -> u8;
    /// The word with one of its bytes, 0 so far, set.
    fn with_byte(self, plane: usize, byte: u8) -> Self;
}

macro_rules! word {
    ($unsigned:ty, $signed:ty) => {
        impl Word for $unsigned {
            const BYTES: usize = size_of::<Self>();

            #[inline]
            fn load(bytes: &[u8]) -> Self {
                bytes.try_into().map_or(0, Self::from_le_bytes)
            }

            #[inline]
            fn store(self, into: &mut [u8]) {
                into.copy_from_slice(&self.to_le_bytes());
            }

            #[inline]
            fn difference(self, old: Self) -> Self {
                let step = self.wrapping_sub(old) as $signed;
                ((step << 1) ^ (step >> (Self::BITS - 1))) as Self
            }

            #[inline]
            fn restore(self, old: Self) -> Self {
                old.wrapping_add((self >> 1) ^ (self & 1).wrapping_neg())
            }

            #[inline]
            fn byte(self, plane: usize) -> u8 {
                (self >> (8 * plane)) as u8
            }

            #[inline]
            fn with_byte(self, plane: usize, byte: u8) -> Self {
                self | (Self::from(byte) << (8 * plane))
            }
        }
    };
}
word!(u8, i8);
word!(u16, i16);
word!(u32, i32);
word!(u64, i64);

/// A block's bytes in the delta, and how many of its words differ from the base's.
#[derive(Debug)]
pub(super) struct EncodedBlock {
    pub(super) bytes: Vec<u8>,
    pub(super) changed: u64,
}

/// Encodes a block whose words have `word` bytes, against the base's where there is one.
pub(super) fn encode(word: usize, base: Option<&[u8]>, new: &[u8], level: i32) -> EncodedBlock {
    match word {
        2 => encode_words::<u16>(base, new, level),
        4 => encode_words::<u32>(base, new, level),
        8 => encode_words::<u64>(base, new, level),
        _ => encode_words::<u8>(base, new, level),
    }
}

/// Decodes a block into `out`, which holds the base's block where the kind leans on it. `None` when the payload is
/// not one of that kind and size; `out` is then spoilt.
pub(super) fn decode(word: usize, kind: u8, payload: &[u8], out: &mut [u8]) -> Option<()> {
    match word {
        2 => decode_words::<u16>(kind, payload, out),
        4 => decode_words::<u32>(kind, payload, out),
        8 => decode_words::<u64>(kind, payload, out),
        _ => decode_words::<u8>(kind, payload, out),
    }
}

fn encode_words<W: Word>(base: Option<&[u8]>, new: &[u8], level: i32) -> EncodedBlock {
    let mut bytes = Vec::new();
    let Some(base) = base else {
        let words: Vec<W> = new.chunks_exact(W::BYTES).map(W::load).collect();
        bytes.push(kind::NEW);
        pack(&planes(&words), level, &mut bytes);
        return EncodedBlock { bytes, changed: words.len() as u64 };
    };
    let runs = runs::<W>(base, new);
    let changed: usize = runs.iter().map(|run| run.length).sum();
    let words = new.len() / W::BYTES;
    // Where a third has changed, the places cost more than the zeros between them would.
    let sparse = (changed < words / 3).then(|| sparse::<W>(&runs, base, new));
    if changed == 0 {
        bytes.push(kind::SAME);
    } else if let Some(payload) = sparse.filter(|payload| payload.len() < new.len()) {
        bytes.push(kind::SPARSE);
        pack(&payload, level, &mut bytes);
    } else {
        let differences: Vec<W> = pairs::<W>(base, new).map(|(old, new)| new.difference(old)).collect();
        bytes.push(kind::DENSE);
        pack(&planes(&differences), level, &mut bytes);
    }
    EncodedBlock { bytes, changed: changed as u64 }
}

fn decode_words<W: Word>(kind: u8, payload: &[u8], out: &mut [u8]) -> Option<()> {
    match kind {
        kind::SAME => payload.is_empty().then_some(()),
        kind::SPARSE => decode_sparse::<W>(payload, out),
        kind::DENSE | kind::NEW => {
            let words = from_planes::<W>(payload, out.len() / W::BYTES)?;
            for (slot, word) in out.chunks_exact_mut(W::BYTES).zip(words) {
                let word = if kind == kind::DENSE { word.restore(W::load(slot)) } else { word };
                word.store(slot);
            }
            Some(())
        }
        _ => None,
    }
}

fn pairs<'a, W: Word>(base: &'a [u8], new: &'a [u8]) -> impl Iterator<Item = (W, W)> + use<'a, W> {
    let old = base.chunks_exact(W::BYTES).map(W::load);
    old.zip(new.chunks_exact(W::BYTES).map(W::load))
}

/// Changed words that stand side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    /// Unchanged words since the run before.
    gap: usize,
    /// Words.
    length: usize,
}

/// Bytes that are looked at together while nothing changes.
const STRIDE: usize = 32;

fn runs<W: Word>(base: &[u8], new: &[u8]) -> Vec<Run> {
    let mut runs = Vec::new();
    let (mut gap, mut length) = (0, 0);
    for (old, new) in base.chunks(STRIDE).zip(new.chunks(STRIDE)) {
        if old == new {
            if length > 0 {
                runs.push(Run { gap, length });
                (gap, length) = (0, 0);
            }
            gap += new.len() / W::BYTES;
            continue;
        }
        for (old, new) in pairs::<W>(old, new) {
            if old != new {
                length += 1;
            } else {
                if length > 0 {
                    runs.push(Run { gap, length });
                    (gap, length) = (0, 0);
                }
                gap += 1;
            }
        }
    }
    if length > 0 {
        runs.push(Run { gap, length });
    }
    runs
}

fn sparse<W: Word>(runs: &[Run], base: &[u8], new: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    // Counts of words in a block are far below 2³².
    let number = |n: usize, payload: &mut Vec<u8>| push_number(u32::try_from(n).unwrap_or(u32::MAX), payload);
    number(runs.len(), &mut payload);
    runs.iter().for_each(|run| number(run.gap, &mut payload));
    runs.iter().for_each(|run| number(run.length - 1, &mut payload));
    let mut differences = Vec::new();
    let mut rest = (base, new);
    for run in runs {
        let (_, old) = rest.0.split_at_checked(run.gap * W::BYTES).unwrap_or_default();
        let (_, now) = rest.1.split_at_checked(run.gap * W::BYTES).unwrap_or_default();
        let (old, old_rest) = old.split_at_checked(run.length * W::BYTES).unwrap_or_default();
        let (now, now_rest) = now.split_at_checked(run.length * W::BYTES).unwrap_or_default();
        differences.extend(pairs::<W>(old, now).map(|(old, new)| new.difference(old)));
        rest = (old_rest, now_rest);
    }
    payload.extend(planes(&differences));
    payload
}

fn decode_sparse<W: Word>(payload: &[u8], out: &mut [u8]) -> Option<()> {
    let words = out.len() / W::BYTES;
    let mut gaps = payload;
    let count = usize::try_from(take_number(&mut gaps)?).ok()?;
    if count == 0 || count > words {
        return None;
    }
    // Two cursors over the payload instead of two lists: gaps lie before lengths, lengths before differences.
    let mut lengths = gaps;
    for _ in 0..count {
        take_number(&mut lengths)?;
    }
    let (mut differences, mut changed) = (lengths, 0usize);
    for _ in 0..count {
        let more = usize::try_from(take_number(&mut differences)?).ok()?.checked_add(1)?;
        changed = changed.checked_add(more).filter(|changed| *changed <= words)?;
    }
    let mut differences = from_planes::<W>(differences, changed)?.into_iter();
    let mut slots = out.chunks_exact_mut(W::BYTES);
    for run in 0..count {
        let gap = usize::try_from(take_number(&mut gaps)?).ok()?;
        let length = usize::try_from(take_number(&mut lengths)?).ok()?.checked_add(1)?;
        if gap > 0 {
            slots.nth(gap - 1)?;
        } else if run > 0 {
            // Two runs without a gap are one run.
            return None;
        }
        for _ in 0..length {
            let slot = slots.next()?;
            differences.next()?.restore(W::load(slot)).store(slot);
        }
    }
    Some(())
}

/// The lowest bytes of all words, then the next, and so on.
fn planes<W: Word>(words: &[W]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(words.len() * W::BYTES);
    for plane in 0..W::BYTES {
        bytes.extend(words.iter().map(|word| word.byte(plane)));
    }
    bytes
}

/// Exactly `count` words; `None` when there are fewer or more bytes.
fn from_planes<W: Word>(bytes: &[u8], count: usize) -> Option<Vec<W>> {
    if count.checked_mul(W::BYTES) != Some(bytes.len()) {
        return None;
    }
    let mut words = vec![W::default(); count];
    if count > 0 {
        for (plane, bytes) in bytes.chunks_exact(count).enumerate() {
            words.iter_mut().zip(bytes).for_each(|(word, byte)| *word = word.with_byte(plane, *byte));
        }
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(word: usize, base: &[u8], new: &[u8], want: u8) {
        let block = encode(word, Some(base), new, 3);
        assert_eq!(block.bytes[0], want);
        let mut out = base.to_vec();
        let payload = match want {
            kind::SAME => Vec::new(),
            _ => super::super::packet::Packet::read(&mut &block.bytes[1..], "test", new.len())
                .unwrap()
                .unpack()
                .unwrap(),
        };
        decode(word, want, &payload, &mut out).unwrap();
        assert_eq!(out, new);
    }

    #[test]
    fn each_kind_is_chosen_where_it_is_smallest_and_comes_back() {
        for word in [1, 2, 4, 8] {
            let base: Vec<u8> = (0..8_000u32).map(|i| (i % 251) as u8).collect();
            round_trip(word, &base, &base.clone(), kind::SAME);
            let mut few = base.clone();
            for at in [0, 1, 2_000, 2_001, 7_999] {
                few[at] ^= 0x80;
            }
            round_trip(word, &base, &few, kind::SPARSE);
            let all: Vec<u8> = base.iter().map(|byte| byte.wrapping_add(1)).collect();
            round_trip(word, &base, &all, kind::DENSE);
        }
    }

    #[test]
    fn one_step_of_a_float_is_a_small_difference_whatever_its_sign() {
        let step = |from: u16, to: u16| to.difference(from);
        assert_eq!(step(0x3f80, 0x3f81), 2);
        assert_eq!(step(0xbf80, 0xbf7f), 1);
        assert_eq!(step(0x0000, 0x8000).restore(0x0000), 0x8000);
        for (old, new) in [(0u64, u64::MAX), (u64::MAX, 0), (1 << 63, 0), (7, 7)] {
            assert_eq!(new.difference(old).restore(old), new);
        }
    }

    #[test]
    fn payloads_that_reach_outside_the_block_are_refused() {
        let payloads: [&[u8]; 9] = [
            &[],                    // nothing
            &[0],                   // no run
            &[1, 0],                // no length
            &[1, 0, 0],             // no difference
            &[1, 16, 0, 1],         // begins after the end
            &[1, 15, 1, 1, 1],      // ends after the end
            &[1, 0, 16, 1],         // longer than the block
            &[2, 0, 0, 0, 0, 1, 1], // two runs that touch
            &[1, 0, 0, 1, 1],       // a byte too many
        ];
        for payload in payloads {
            assert_eq!(decode(1, kind::SPARSE, payload, &mut [0; 16]), None, "{payload:?}");
        }
        let mut out = [0; 16];
        assert_eq!(decode(1, kind::SPARSE, &[1, 15, 0, 2], &mut out), Some(()));
        assert_eq!(out, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(decode(4, kind::DENSE, &[0; 15], &mut out), None);
        assert_eq!(decode(4, 9, &[], &mut out), None);
    }
}

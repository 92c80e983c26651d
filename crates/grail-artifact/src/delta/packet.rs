//! Packets and the numbers inside them.

use super::DeltaError;
use std::io::Read;

/// A packet as it lies in the delta, its sizes checked.
#[derive(Debug)]
pub(super) struct Packet {
    raw: usize,
    stored: Vec<u8>,
}

/// `raw ‖ stored ‖ bytes`, compressed where that makes it smaller.
pub(super) fn pack(raw: &[u8], level: i32, into: &mut Vec<u8>) {
    // A compressor that fails costs room, never the delta.
    let packed = zstd::bulk::compress(raw, level).ok().filter(|packed| packed.len() < raw.len());
    let stored = packed.as_deref().unwrap_or(raw);
    for length in [raw.len(), stored.len()] {
        // Packets are blocks or headers, far below 4 GiB.
        into.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    }
    into.extend_from_slice(stored);
}

impl Packet {
    /// Reads a packet that unpacks to at most `most` bytes.
    pub(super) fn read(input: &mut impl Read, what: &'static str, most: usize) -> Result<Self, DeltaError> {
        let raw = read_u32(input)?;
        let stored = read_u32(input)?;
        let within = |got: u32, most: usize| match usize::try_from(got) {
            Ok(size) if size <= most => Ok(size),
            _ => Err(DeltaError::TooLarge { what, got: u64::from(got), most: most as u64 }),
        };
        let raw = within(raw, most)?;
        let mut bytes = vec![0; within(stored, raw)?];
        input.read_exact(&mut bytes).map_err(DeltaError::read)?;
        Ok(Self { raw, stored: bytes })
    }

    /// Bytes that come out.
    pub(super) const fn raw_bytes(&self) -> usize {
        self.raw
    }

    /// The bytes; `None` when they are not a zstd frame of the declared size.
    pub(super) fn unpack(self) -> Option<Vec<u8>> {
        if self.stored.len() == self.raw {
            return Some(self.stored);
        }
        let mut raw = vec![0; self.raw];
        let got = zstd::bulk::decompress_to_buffer(&self.stored, &mut raw).ok()?;
        (got == self.raw).then_some(raw)
    }
}

pub(super) fn read_u32(input: &mut impl Read) -> Result<u32, DeltaError> {
    let mut bytes = [0; 4];
    input.read_exact(&mut bytes).map_err(DeltaError::read)?;
    Ok(u32::from_le_bytes(bytes))
}

pub(super) fn read_u8(input: &mut impl Read) -> Result<u8, DeltaError> {
    let mut byte = [0];
    input.read_exact(&mut byte).map_err(DeltaError::read)?;
    let [byte] = byte;
    Ok(byte)
}

/// Appends a number as LEB128: seven bits a byte, lowest first, the top bit says that more follow.
pub(super) fn push_number(mut number: u32, into: &mut Vec<u8>) {
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            into.push(low);
            return;
        }
        into.push(low | 0x80);
    }
}

/// Takes a number from the front. `None` when it does not end, or needs more than 32 bits.
pub(super) fn take_number(bytes: &mut &[u8]) -> Option<u32> {
    let mut number = 0u32;
    for shift in [0, 7, 14, 21, 28] {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u32::from(byte & 0x7f);
        if shift == 28 && bits > 0xf {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_come_back(number: u32, rest in prop::collection::vec(any::<u8>(), 0..3)) {
            let mut bytes = Vec::new();
            push_number(number, &mut bytes);
            bytes.extend(&rest);
            let mut left = &bytes[..];
            prop_assert_eq!(take_number(&mut left), Some(number));
            prop_assert_eq!(left, &rest[..]);
        }

        #[test]
        fn packets_come_back(raw in prop::collection::vec(0u8..3, 0..3_000)) {
            let mut bytes = Vec::new();
            pack(&raw, 3, &mut bytes);
            let packet = Packet::read(&mut &bytes[..], "test", raw.len()).unwrap();
            prop_assert_eq!(packet.unpack(), Some(raw));
        }
    }

    #[test]
    fn numbers_beyond_32_bits_are_refused() {
        assert_eq!(take_number(&mut &[0xff, 0xff, 0xff, 0xff, 0x0f][..]), Some(u32::MAX));
        assert_eq!(take_number(&mut &[0xff, 0xff, 0xff, 0xff, 0x1f][..]), None);
        assert_eq!(take_number(&mut &[0x80, 0x80, 0x80, 0x80, 0x80, 0x01][..]), None);
        assert_eq!(take_number(&mut &[0x80][..]), None);
    }

    #[test]
    fn a_frame_that_grows_beyond_its_word_is_refused() {
        let bomb = zstd::bulk::compress(&vec![0; 1 << 20], 3).unwrap();
        let mut bytes = 1_000u32.to_le_bytes().to_vec();
        bytes.extend((bomb.len() as u32).to_le_bytes());
        bytes.extend(&bomb);
        let packet = Packet::read(&mut &bytes[..], "test", 1_000).unwrap();
        assert_eq!(packet.unpack(), None);
        assert!(matches!(Packet::read(&mut &bytes[..], "test", 999), Err(DeltaError::TooLarge { .. })));
    }
}

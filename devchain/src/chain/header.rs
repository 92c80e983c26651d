//! Headers of blocks, in bytes and in JSON.

use crate::text::{Hash, hex0x};
use parity_scale_codec::{Decode, Encode};
use serde_json::{Value, json};

/// Consensus engine that a slot is written for.
const AURA: [u8; 4] = *b"aura";

/// A header of a chain with 32-bit numbers and BLAKE2b hashes, as every Substrate chain of today has it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Header {
    pub(crate) parent: [u8; 32],
    #[codec(compact)]
    pub(crate) number: u32,
    pub(crate) state_root: [u8; 32],
    pub(crate) extrinsics_root: [u8; 32],
    pub(crate) digest: Vec<DigestItem>,
}

/// One line of a header's log.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) enum DigestItem {
    #[codec(index = 0)]
    Other(Vec<u8>),
    #[codec(index = 4)]
    Consensus([u8; 4], Vec<u8>),
    #[codec(index = 5)]
    Seal([u8; 4], Vec<u8>),
    #[codec(index = 6)]
    PreRuntime([u8; 4], Vec<u8>),
    #[codec(index = 8)]
    RuntimeEnvironmentUpdated,
}

impl Header {
    /// What a runtime is told before it executes a block: everything else is for it to say.
    pub(crate) fn opening(parent: Hash, number: u32, aura_slot: Option<u64>) -> Self {
        let slot = |slot: u64| DigestItem::PreRuntime(AURA, slot.encode());
        Self {
            parent: parent.0,
            number,
            state_root: [0; 32],
            extrinsics_root: [0; 32],
            digest: aura_slot.map(slot).into_iter().collect(),
        }
    }

    /// As `chain_getHeader` tells it.
    pub(crate) fn json(&self) -> Value {
        let logs: Vec<String> = self.digest.iter().map(|item| hex0x(item.encode())).collect();
        json!({
            "parentHash": hex0x(self.parent),
            "number": format!("{:#x}", self.number),
            "stateRoot": hex0x(self.state_root),
            "extrinsicsRoot": hex0x(self.extrinsics_root),
            "digest": {"logs": logs},
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_the_bytes_of_substrate() {
        let header = Header::opening(Hash([1; 32]), 70, Some(2));
        let mut expected = vec![1; 32];
        expected.extend([0x19, 0x01]); // compact(70): 70 << 2 | 1 in two bytes
        expected.extend([0; 64]);
        expected.extend([1 << 2, 6]); // one item, pre-runtime
        expected.extend(b"aura");
        expected.extend([8 << 2, 2, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(header.encode(), expected);
        assert_eq!(Header::decode(&mut &*expected).unwrap(), header);
        assert_eq!(header.json()["digest"]["logs"][0], "0x0661757261200200000000000000");
        assert_eq!(header.json()["number"], "0x46");
    }

    #[test]
    fn a_header_that_is_cut_off_is_an_error() {
        let bytes = Header::opening(Hash([0; 32]), 1, None).encode();
        for length in 0..bytes.len() {
            assert!(Header::decode(&mut &bytes[..length]).is_err());
        }
    }
}

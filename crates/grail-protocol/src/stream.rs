//! Keystreams: ChaCha20 with a 32-byte key and a 64-bit stream id, and one rule for bounded integers.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// A ChaCha20 keystream, read from its first byte.
///
/// Bytes: 20 rounds, 64-bit block counter from 0, 64-bit stream id, both little-endian (the original layout of the
/// cipher). Words are read as little-endian `u32`.
/// Source: protocol book, "Notation"; vectors in `fixtures/vectors/protocol/stream.json`.
#[derive(Debug, Clone)]
pub struct Stream(ChaCha20Rng);

impl Stream {
    /// The stream of `key` with the 64-bit id `nonce`. Streams of different ids share no block of the cipher.
    pub fn new(key: &[u8; 32], nonce: u64) -> Self {
        let mut rng = ChaCha20Rng::from_seed(*key);
        rng.set_stream(nonce);
        Self(rng)
    }

    /// The next 32 bits: four bytes of the keystream, little-endian.
    pub fn word(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// The next bytes of the keystream.
    ///
    /// Reads whole words: after a length that is not a multiple of four the rest of the last word is dropped.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    /// A uniform integer in `0..bound`, or `None` for a bound of zero.
    ///
    /// Rule: draw a word; reject it while it is at least the largest multiple of `bound` that fits in 2³²; return the
    /// word modulo `bound`. Free of bias, at most two draws on average.
    pub fn below(&mut self, bound: u32) -> Option<u32> {
        if bound == 0 {
            return None;
        }
        // 2³² mod bound; words in the last, incomplete multiple are rejected.
        let excess = bound.wrapping_neg() % bound;
        loop {
            let word = self.word();
            if word <= u32::MAX - excess {
                return Some(word % bound);
            }
        }
    }

    /// A fair coin: the lowest bit of the next word.
    pub fn coin(&mut self) -> bool {
        self.word() & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_published_chacha20_keystream_of_the_zero_key() {
        let mut bytes = [0; 8];
        Stream::new(&[0; 32], 0).fill(&mut bytes);
        // First bytes of the 20-round keystream under an all-zero key and nonce.
        assert_eq!(hex::encode(bytes), "76b8e0ada0f13d90");
    }

    #[test]
    fn ids_make_independent_streams() {
        let key = [7; 32];
        assert_ne!(Stream::new(&key, 0).word(), Stream::new(&key, 1).word());
    }

    #[test]
    fn bounded_integers_cover_their_range_evenly() {
        let mut stream = Stream::new(&[1; 32], 0);
        let mut counts = [0u32; 6];
        for _ in 0..60_000 {
            let die = stream.below(6).unwrap();
            counts[die as usize] += 1;
        }
        // Six standard deviations of a binomial with p = 1/6.
        assert!(counts.iter().all(|&count| count.abs_diff(10_000) < 550), "{counts:?}");
        assert_eq!(stream.below(0), None);
        assert_eq!(stream.below(1), Some(0));
    }
}

//! The Mersenne Twister, seeded with bytes and used as CPython's `random.Random` does.

use sha2::{Digest as _, Sha512};
use std::collections::BTreeSet;

const SIZE: usize = 624;
const MIDDLE: usize = 397;

/// The generator.
#[derive(Debug, Clone)]
pub struct Twister {
    state: [u32; SIZE],
    used: usize,
}

impl Twister {
    /// As `Random(seed)` for a seed of bytes: the key is the number that `seed ‖ SHA-512(seed)` spells, cut into words
    /// with the least significant first.
    pub fn from_bytes(seed: &[u8]) -> Self {
        let mut bytes = seed.to_vec();
        bytes.extend_from_slice(&Sha512::digest(seed));
        let mut key: Vec<u32> = bytes
            .rchunks(4)
            .map(|chunk| chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)))
            .collect();
        // Leading zeros of the number shorten the key.
        while key.len() > 1 && key.last() == Some(&0) {
            key.pop();
        }
        Self::from_key(&key)
    }

    fn from_key(key: &[u32]) -> Self {
        let mut state = [0u32; SIZE];
        let mut last = 19_650_218u32;
        for (place, word) in (0u32..).zip(state.iter_mut()) {
            if place > 0 {
                last = 1_812_433_253u32.wrapping_mul(last ^ last >> 30).wrapping_add(place);
            }
            *word = last;
        }
        let mut at = Walk { state, place: 1 };
        let words = key.iter().zip(0u32..).cycle().take(SIZE.max(key.len()));
        for (word, index) in words {
            at.step(|here, before| {
                (here ^ (before ^ before >> 30).wrapping_mul(1_664_525))
                    .wrapping_add(*word)
                    .wrapping_add(index)
            });
        }
        for _ in 1..SIZE {
            let place = u32::try_from(at.place).unwrap_or(0);
            at.step(|here, before| {
                (here ^ (before ^ before >> 30).wrapping_mul(1_566_083_941)).wrapping_sub(place)
            });
        }
        let mut state = at.state;
        state[0] = 0x8000_0000;
        Self { state, used: SIZE }
    }

    /// The next 32 bits.
    pub fn word(&mut self) -> u32 {
        if self.used >= SIZE {
            self.turn();
        }
        let mut y = self.state.get(self.used).copied().unwrap_or(0);
        self.used += 1;
        y ^= y >> 11;
        y ^= y << 7 & 0x9d2c_5680;
        y ^= y << 15 & 0xefc6_0000;
        y ^ y >> 18
    }

    fn turn(&mut self) {
        for place in 0..SIZE {
            let read = |offset: usize| self.state.get((place + offset) % SIZE).copied().unwrap_or(0);
            let y = read(0) & 0x8000_0000 | read(1) & 0x7fff_ffff;
            let twisted = read(MIDDLE) ^ y >> 1 ^ if y & 1 == 1 { 0x9908_b0df } else { 0 };
            if let Some(word) = self.state.get_mut(place) {
                *word = twisted;
            }
        }
        self.used = 0;
    }

    /// `getrandbits(bits)`, for at most 32 of them; none draws nothing.
    pub fn bits(&mut self, bits: u32) -> u32 {
        if bits == 0 { 0 } else { self.word() >> (32 - bits.min(32)) }
    }

    /// A number below `bound`; 0 for a bound of 0. Draws as many bits as the bound itself has.
    pub fn below(&mut self, bound: u32) -> u32 {
        let bits = u32::BITS - bound.leading_zeros();
        loop {
            let drawn = self.bits(bits);
            if drawn < bound || bound == 0 {
                return drawn;
            }
        }
    }

    /// `sample(range(among), count)`, in the order of drawing.
    pub fn sample(&mut self, among: u32, count: u32) -> Vec<u32> {
        let count = count.min(among);
        let mut most = 21u64;
        if count > 5 {
            let mut power = 1u64;
            while power < 3 * u64::from(count) {
                power *= 4;
            }
            most += power;
        }
        if u64::from(among) <= most {
            let mut pool: Vec<u32> = (0..among).collect();
            return (0..count)
                .filter_map(|_| {
                    let place = self.below(u32::try_from(pool.len()).unwrap_or(u32::MAX)) as usize;
                    (place < pool.len()).then(|| pool.swap_remove(place))
                })
                .collect();
        }
        let mut seen = BTreeSet::new();
        (0..count)
            .map(|_| {
                loop {
                    let drawn = self.below(among);
                    if seen.insert(drawn) {
                        return drawn;
                    }
                }
            })
            .collect()
    }

    /// `shuffle` of the numbers below `count`.
    pub fn shuffled(&mut self, count: u32) -> Vec<u32> {
        let mut all: Vec<u32> = (0..count).collect();
        for place in (1..count).rev() {
            let other = self.below(place + 1);
            all.swap(place as usize, other as usize);
        }
        all
    }
}

/// A walk over the state while it is being seeded.
struct Walk {
    state: [u32; SIZE],
    place: usize,
}

impl Walk {
    /// Replaces the word here by what `mix` makes of it and of the word before, and moves on.
    fn step(&mut self, mix: impl FnOnce(u32, u32) -> u32) {
        let before = self.state.get(self.place - 1).copied().unwrap_or(0);
        if let Some(word) = self.state.get_mut(self.place) {
            *word = mix(*word, before);
        }
        self.place += 1;
        if self.place >= SIZE {
            let last = self.state.last().copied().unwrap_or(0);
            self.state[0] = last;
            self.place = 1;
        }
    }
}

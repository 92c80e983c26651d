//! The number formats of GGUF tensors, and their values as 32-bit floats.
//!
//! A quantised row is a run of blocks of 32 values: a half-precision scale `d`, in the `_1` formats also a half-precision
//! least value `m`, and small whole numbers `q`. A value is `d·q`, or `d·q + m`, in single precision and in that order.

use anyhow::{Result, bail};
use half::{bf16, f16};

/// How a tensor's values are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    F32,
    F16,
    Bf16,
    /// Four bits, `d·(q − 8)`.
    Q4_0,
    /// Four bits, `d·q + m`.
    Q4_1,
    /// Five bits, `d·(q − 16)`.
    Q5_0,
    /// Five bits, `d·q + m`.
    Q5_1,
    /// Eight bits with sign, `d·q`.
    Q8_0,
}

const BLOCK: usize = 32;

impl Kind {
    /// The format with this number in the file's index.
    pub(crate) fn from_code(code: u32) -> Result<Self> {
        Ok(match code {
            0 => Self::F32,
            1 => Self::F16,
            2 => Self::Q4_0,
            3 => Self::Q4_1,
            6 => Self::Q5_0,
            7 => Self::Q5_1,
            8 => Self::Q8_0,
            30 => Self::Bf16,
            other => bail!(
                "number format {other} is not supported; supported are F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1 and Q8_0"
            ),
        })
    }

    /// Values in one block.
    pub(crate) fn block_len(self) -> usize {
        match self {
            Self::F32 | Self::F16 | Self::Bf16 => 1,
            _ => BLOCK,
        }
    }

    /// Bytes of one block.
    pub(crate) fn block_bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Q4_0 => 2 + BLOCK / 2,
            Self::Q4_1 => 2 + 2 + BLOCK / 2,
            Self::Q5_0 => 2 + 4 + BLOCK / 2,
            Self::Q5_1 => 2 + 2 + 4 + BLOCK / 2,
            Self::Q8_0 => 2 + BLOCK,
        }
    }

    /// The values of a run of whole blocks; bytes after the last whole block are left out.
    pub(crate) fn to_f32(self, bytes: &[u8]) -> Vec<f32> {
        let mut out = Vec::with_capacity(bytes.len() / self.block_bytes() * self.block_len());
        for block in bytes.chunks_exact(self.block_bytes()) {
            match self {
                Self::F32 => out.push(f32::from_le_bytes([block[0], block[1], block[2], block[3]])),
                Self::F16 => out.push(f16_at(block, 0)),
                Self::Bf16 => out.push(bf16::from_le_bytes([block[0], block[1]]).to_f32()),
                Self::Q4_0 => {
                    let d = f16_at(block, 0);
                    out.extend(nibbles(&block[2..]).map(|q| d * (f32::from(q) - 8.0)));
                }
                Self::Q4_1 => {
                    let (d, m) = (f16_at(block, 0), f16_at(block, 2));
                    out.extend(nibbles(&block[4..]).map(|q| d * f32::from(q) + m));
                }
                Self::Q5_0 => {
                    let d = f16_at(block, 0);
                    out.extend(five_bits(&block[2..]).map(|q| d * (f32::from(q) - 16.0)));
                }
                Self::Q5_1 => {
                    let (d, m) = (f16_at(block, 0), f16_at(block, 2));
                    out.extend(five_bits(&block[4..]).map(|q| d * f32::from(q) + m));
                }
                Self::Q8_0 => {
                    let d = f16_at(block, 0);
                    out.extend(block[2..].iter().map(|&q| d * f32::from(q.cast_signed())));
                }
            }
        }
        out
    }
}

fn f16_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// The 32 numbers of 16 bytes: first all low halves, then all high halves.
fn nibbles(packed: &[u8]) -> impl Iterator<Item = u8> + '_ {
    packed.iter().map(|b| b & 15).chain(packed.iter().map(|b| b >> 4))
}

/// As [`nibbles`], with a fifth bit for each number out of the 32-bit word in front.
fn five_bits(block: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let (high, low) = block.split_at(4);
    let high = u32::from_le_bytes([high[0], high[1], high[2], high[3]]);
    nibbles(low).enumerate().map(move |(i, q)| q | (((high >> i) & 1) as u8) << 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block with d = 0.5, m = −1 (where the format has one), a word of high bits and the bytes that follow.
    fn block(minimum: bool, high: Option<u32>, rest: &[u8]) -> Vec<u8> {
        let mut out = f16::from_f32(0.5).to_le_bytes().to_vec();
        if minimum {
            out.extend(f16::from_f32(-1.0).to_le_bytes());
        }
        if let Some(high) = high {
            out.extend(high.to_le_bytes());
        }
        out.extend(rest);
        out
    }

    /// Low halves 0 to 15 in order, high halves 15 down to 0.
    fn ramp() -> Vec<u8> {
        (0u8..16).map(|i| i | (15 - i) << 4).collect()
    }

    #[test]
    fn four_bits_are_low_halves_first() {
        let centred = Kind::Q4_0.to_f32(&block(false, None, &ramp()));
        let shifted = Kind::Q4_1.to_f32(&block(true, None, &ramp()));
        for i in 0..16 {
            let (low, high) = (i as f32, (15 - i) as f32);
            assert_eq!((centred[i], centred[16 + i]), (0.5 * (low - 8.0), 0.5 * (high - 8.0)));
            assert_eq!((shifted[i], shifted[16 + i]), (0.5 * low - 1.0, 0.5 * high - 1.0));
        }
    }

    #[test]
    fn the_fifth_bit_belongs_to_the_value_of_its_number() {
        let high = 1 | 1 << 31;
        let centred = Kind::Q5_0.to_f32(&block(false, Some(high), &ramp()));
        let shifted = Kind::Q5_1.to_f32(&block(true, Some(high), &ramp()));
        assert_eq!(centred[0], 0.0);
        assert_eq!(centred[1], 0.5 * (1.0 - 16.0));
        assert_eq!(centred[31], 0.0);
        assert_eq!(shifted[0], 0.5 * 16.0 - 1.0);
        assert_eq!(shifted[30], 0.5 * 1.0 - 1.0);
        assert_eq!(shifted[31], 0.5 * 16.0 - 1.0);
    }

    #[test]
    fn eight_bits_carry_a_sign() {
        let rest: Vec<u8> = (0..32).map(|i: i8| (i - 16).cast_unsigned()).collect();
        let values = Kind::Q8_0.to_f32(&block(false, None, &rest));
        assert_eq!(values, (0..32).map(|i| 0.5 * (i - 16) as f32).collect::<Vec<_>>());
    }

    #[test]
    fn plain_floats_keep_their_value() {
        assert_eq!(Kind::F32.to_f32(&1.5f32.to_le_bytes()), [1.5]);
        assert_eq!(Kind::F16.to_f32(&f16::from_f32(-2.25).to_le_bytes()), [-2.25]);
        assert_eq!(Kind::Bf16.to_f32(&bf16::from_f32(3.0).to_le_bytes()), [3.0]);
    }

    #[test]
    fn an_unknown_format_is_named() {
        let error = Kind::from_code(14).unwrap_err().to_string();
        assert!(error.contains("number format 14"), "{error}");
    }
}

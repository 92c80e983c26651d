//! A bounded reader of GGUF files: header, key-value pairs, where each tensor's bytes lie, and their values as 32-bit floats.
//!
//! Nothing in the file is believed before it is checked against the bytes that are there: counts and lengths against what
//! remains, tensor places against the end of the file. A broken file gives an error that says where it broke.
//! The crates that read GGUF come with a tensor library (candle) or read its index alone; xtask is compiled first on a fresh
//! machine and converts one file.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use half::{bf16, f16};
use serde::de::DeserializeOwned;
use serde_json::Value;

const MAX_AXES: u32 = 4;
const DEFAULT_ALIGNMENT: usize = 32;
const MAX_ALIGNMENT: usize = 1 << 16;
/// The smallest key-value pair: length of the key, type, one byte.
const LEAST_PAIR: u64 = 8 + 4 + 1;
/// The smallest tensor entry: length of the name, number of axes, type, offset.
const LEAST_TENSOR: u64 = 8 + 4 + 4 + 8;
/// Values of one quantised block.
const BLOCK: usize = 32;

/// A parsed file.
#[derive(Debug)]
pub(crate) struct Gguf<'a> {
    values: BTreeMap<String, Value>,
    /// Every tensor by name.
    pub(crate) tensors: BTreeMap<String, Tensor<'a>>,
}

/// One tensor: its shape with the slowest axis first, and its stored bytes, which are whole blocks of its kind.
#[derive(Debug, Clone)]
pub(crate) struct Tensor<'a> {
    pub(crate) shape: Vec<usize>,
    kind: Kind,
    bytes: &'a [u8],
}

impl<'a> Gguf<'a> {
    /// Reads the index of a whole file held in memory.
    pub(crate) fn parse(file: &'a [u8]) -> Result<Self> {
        let mut cursor = Cursor { left: file };
        ensure!(
            cursor.take(4).ok() == Some(b"GGUF"),
            "not a GGUF file: it does not begin with the letters GGUF"
        );
        let version = u32::from_le_bytes(cursor.array()?);
        ensure!(version == 2 || version == 3, "GGUF version {version} is not supported, only 2 and 3");
        let (tensor_count, pair_count) = (cursor.u64()?, cursor.u64()?);
        cursor.room_for(pair_count, LEAST_PAIR, "key-value pairs")?;
        cursor.room_for(tensor_count, LEAST_TENSOR, "tensors")?;

        let mut values = BTreeMap::new();
        for number in 0..pair_count {
            let (key, value) = cursor.pair().with_context(|| format!("key-value pair {number}"))?;
            ensure!(values.insert(key.clone(), value).is_none(), "the key {key} occurs twice");
        }
        let entry = |number| cursor.tensor().with_context(|| format!("tensor entry {number}"));
        let entries = (0..tensor_count).map(entry).collect::<Result<Vec<_>>>()?;

        let alignment = values.get("general.alignment").map(|value| value.as_u64().unwrap_or(0));
        let alignment = alignment.map_or(DEFAULT_ALIGNMENT, |n| usize::try_from(n).unwrap_or(0));
        ensure!(
            alignment.is_power_of_two() && alignment <= MAX_ALIGNMENT,
            "general.alignment must be a power of two up to {MAX_ALIGNMENT}"
        );
        let data = (file.len() - cursor.left.len()).next_multiple_of(alignment);
        let mut tensors = BTreeMap::new();
        for (name, shape, kind, offset) in entries {
            let bytes = place(file, data, &shape, kind, offset).with_context(|| format!("tensor {name}"))?;
            let twice = tensors.insert(name.clone(), Tensor { shape, kind, bytes });
            ensure!(twice.is_none(), "the tensor {name} occurs twice");
        }
        Ok(Self { values, tensors })
    }

    /// The value under a key, if the file has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// A value of some type that must be there.
    pub(crate) fn read<T: DeserializeOwned>(&self, key: &str) -> Result<T> {
        let value = self.get(key).with_context(|| format!("the GGUF file has no value {key}"))?;
        T::deserialize(value).with_context(|| format!("the GGUF value {key} is of another type"))
    }
}

/// A tensor's bytes in a file whose data begin at `data`.
fn place<'a>(file: &'a [u8], data: usize, shape: &[usize], kind: Kind, offset: u64) -> Result<&'a [u8]> {
    let (len, bytes) = kind.block();
    let row = shape.last().copied().unwrap_or(1);
    ensure!(row % len == 0, "rows of {row} do not divide into blocks of {len} ({kind:?})");
    let size = shape.iter().try_fold(1usize, |n, &axis| n.checked_mul(axis));
    let size = size.and_then(|n| (n / len).checked_mul(bytes)).context("its size overflows")?;
    let start = usize::try_from(offset).ok().and_then(|n| n.checked_add(data));
    let range =
        start.and_then(|start| Some(start..start.checked_add(size)?)).context("its place overflows")?;
    file.get(range.clone()).with_context(|| {
        let end = file.len();
        format!(
            "its bytes {range:?} lie beyond the end of the file ({end} bytes): it is cut short or damaged"
        )
    })
}

/// What is not read yet.
struct Cursor<'a> {
    left: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        self.left.split_off(..n).context("the file ends inside its index")
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        Ok(self.take(N)?.try_into()?)
    }

    fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Refuses a count whose items could not fit in what is left, so that memory follows the file's size and not its claims.
    fn room_for(&self, count: u64, least: u64, what: &str) -> Result<()> {
        let left = self.left.len() as u64;
        ensure!(count <= left / least, "the file claims {count} {what}, but only {left} bytes are left");
        Ok(())
    }

    fn text(&mut self) -> Result<String> {
        let len = self.u64()?;
        self.room_for(len, 1, "bytes of text")?;
        let bytes = self.take(len as usize)?;
        Ok(std::str::from_utf8(bytes).context("a text is not UTF-8")?.to_owned())
    }

    fn pair(&mut self) -> Result<(String, Value)> {
        let key = self.text()?;
        let value = match u32::from_le_bytes(self.array()?) {
            9 => self.list(),
            kind => self.scalar(kind),
        };
        let value = value.with_context(|| format!("the value {key}"))?;
        Ok((key, value))
    }

    fn scalar(&mut self, kind: u32) -> Result<Value> {
        Ok(match kind {
            0 => u8::from_le_bytes(self.array()?).into(),
            1 => i8::from_le_bytes(self.array()?).into(),
            2 => u16::from_le_bytes(self.array()?).into(),
            3 => i16::from_le_bytes(self.array()?).into(),
            4 => u32::from_le_bytes(self.array()?).into(),
            5 => i32::from_le_bytes(self.array()?).into(),
            // The double with the shortest decimals that means the same single: 1e-5 and not 9.999999747378752e-6.
            6 => f32::from_le_bytes(self.array()?).to_string().parse::<f64>()?.into(),
            7 => match self.array()? {
                [0] => false.into(),
                [1] => true.into(),
                [other] => bail!("a truth value is {other}, not 0 or 1"),
            },
            8 => self.text()?.into(),
            9 => bail!("lists of lists are not supported"),
            10 => self.u64()?.into(),
            11 => i64::from_le_bytes(self.array()?).into(),
            12 => f64::from_le_bytes(self.array()?).into(),
            other => bail!("{other} is not a type of value"),
        })
    }

    fn list(&mut self) -> Result<Value> {
        let kind = u32::from_le_bytes(self.array()?);
        let least = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            _ => 8,
        };
        let len = self.u64()?;
        self.room_for(len, least, "list entries")?;
        (0..len).map(|_| self.scalar(kind)).collect()
    }

    /// A tensor as the index tells of it, before its place is known: name, shape, kind, offset.
    fn tensor(&mut self) -> Result<(String, Vec<usize>, Kind, u64)> {
        let name = self.text()?;
        let axes = u32::from_le_bytes(self.array()?);
        ensure!((1..=MAX_AXES).contains(&axes), "the tensor {name} has {axes} axes");
        let axis = |_| usize::try_from(self.u64()?).context("an axis is too long");
        let mut shape = (0..axes).map(axis).collect::<Result<Vec<_>>>()?;
        shape.reverse();
        let kind = u32::from_le_bytes(self.array()?);
        let kind = Kind::from_code(kind).with_context(|| format!("the tensor {name}"))?;
        Ok((name, shape, kind, self.u64()?))
    }
}

/// How a tensor's values are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    F32,
    F16,
    Bf16,
    /// A block is a half-precision scale `d`, with `least` also a half-precision least value `m`, and small whole numbers `q`
    /// of so many bits. A value is `d·q + m`, or `d` times `q` around zero, in single precision and in that order.
    Quantised {
        bits: u8,
        least: bool,
    },
}

impl Kind {
    /// The format with this number in the file's index.
    fn from_code(code: u32) -> Result<Self> {
        let quantised = |bits, least| Self::Quantised { bits, least };
        Ok(match code {
            0 => Self::F32,
            1 => Self::F16,
            2 => quantised(4, false),
            3 => quantised(4, true),
            6 => quantised(5, false),
            7 => quantised(5, true),
            8 => quantised(8, false),
            30 => Self::Bf16,
            other => bail!(
                "number format {other} is not supported; supported are F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1 and Q8_0"
            ),
        })
    }

    /// Values and bytes of one block.
    fn block(self) -> (usize, usize) {
        match self {
            Self::F32 => (1, 4),
            Self::F16 | Self::Bf16 => (1, 2),
            Self::Quantised { bits, least } => {
                (BLOCK, 2 + 2 * usize::from(least) + BLOCK * usize::from(bits) / 8)
            }
        }
    }
}

impl Tensor<'_> {
    /// The values, in the order of the shape.
    pub(crate) fn to_f32(&self) -> Vec<f32> {
        let mut out = Vec::with_capacity(self.shape.iter().product());
        for block in self.bytes.chunks_exact(self.kind.block().1) {
            match self.kind {
                Kind::F32 => out.push(f32::from_le_bytes([block[0], block[1], block[2], block[3]])),
                Kind::F16 => out.push(f16_at(block, 0)),
                Kind::Bf16 => out.push(bf16::from_le_bytes([block[0], block[1]]).to_f32()),
                Kind::Quantised { bits: 8, .. } => {
                    let d = f16_at(block, 0);
                    out.extend(block[2..].iter().map(|&q| d * f32::from(q.cast_signed())));
                }
                Kind::Quantised { bits, least } => {
                    let d = f16_at(block, 0);
                    let (middle, m) =
                        if least { (0.0, f16_at(block, 2)) } else { (f32::from(1u8 << (bits - 1)), 0.0) };
                    let rest = &block[if least { 4 } else { 2 }..];
                    let (high, packed) = rest.split_at(rest.len() - BLOCK / 2);
                    // The fifth bits of all numbers, in order.
                    let high = high.iter().rev().fold(0u32, |word, byte| word << 8 | u32::from(*byte));
                    // First all low halves, then all high halves.
                    let halves = packed.iter().map(|b| b & 15).chain(packed.iter().map(|b| b >> 4));
                    out.extend(halves.enumerate().map(|(i, q)| {
                        let q = f32::from(q | (((high >> i) & 1) as u8) << 4);
                        if least { d * q + m } else { d * (q - middle) }
                    }));
                }
            }
        }
        out
    }
}

fn f16_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
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

    /// The values of one block in the format with this number.
    fn values(code: u32, bytes: &[u8]) -> Vec<f32> {
        let kind = Kind::from_code(code).expect("a known format");
        assert_eq!(bytes.len(), kind.block().1);
        Tensor { shape: vec![kind.block().0], kind, bytes }.to_f32()
    }

    /// Low halves 0 to 15 in order, high halves 15 down to 0.
    fn ramp() -> Vec<u8> {
        (0u8..16).map(|i| i | (15 - i) << 4).collect()
    }

    #[test]
    fn four_bits_are_low_halves_first() {
        let centred = values(2, &block(false, None, &ramp()));
        let shifted = values(3, &block(true, None, &ramp()));
        for i in 0..16 {
            let (low, high) = (i as f32, (15 - i) as f32);
            assert_eq!((centred[i], centred[16 + i]), (0.5 * (low - 8.0), 0.5 * (high - 8.0)));
            assert_eq!((shifted[i], shifted[16 + i]), (0.5 * low - 1.0, 0.5 * high - 1.0));
        }
    }

    #[test]
    fn the_fifth_bit_belongs_to_the_value_of_its_number() {
        let high = 1 | 1 << 31;
        let centred = values(6, &block(false, Some(high), &ramp()));
        let shifted = values(7, &block(true, Some(high), &ramp()));
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
        let values = values(8, &block(false, None, &rest));
        assert_eq!(values, (0..32).map(|i| 0.5 * (i - 16) as f32).collect::<Vec<_>>());
    }

    #[test]
    fn plain_floats_keep_their_value() {
        assert_eq!(values(0, &1.5f32.to_le_bytes()), [1.5]);
        assert_eq!(values(1, &f16::from_f32(-2.25).to_le_bytes()), [-2.25]);
        assert_eq!(values(30, &bf16::from_f32(3.0).to_le_bytes()), [3.0]);
    }

    #[test]
    fn an_unknown_format_is_named() {
        let error = Kind::from_code(14).unwrap_err().to_string();
        assert!(error.contains("number format 14"), "{error}");
    }
}

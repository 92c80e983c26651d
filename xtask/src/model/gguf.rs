//! A bounded reader of GGUF files: header, key-value pairs and where each tensor's bytes lie.
//!
//! Nothing in the file is believed before it is checked against the bytes that are there: counts and lengths against what
//! remains, tensor places against the end of the file. A broken file gives an error that says where it broke.

use std::collections::BTreeMap;
use std::ops::Range;

use anyhow::{Context, Result, bail, ensure};

use super::dequant::Kind;

/// A value of the key-value section, widened to the largest type of its sort.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Uint(u64),
    Int(i64),
    /// Kept at the file's precision, so that `1e-5` is written as such and not with the digits of its double.
    F32(f32),
    F64(f64),
    Bool(bool),
    Str(String),
    Array(Vec<Value>),
}

/// One tensor: its shape with the slowest axis first, and its bytes' place in the file.
#[derive(Debug, Clone)]
pub(crate) struct TensorInfo {
    pub(crate) shape: Vec<usize>,
    pub(crate) kind: Kind,
    pub(crate) bytes: Range<usize>,
}

/// A parsed file. Every tensor's byte range lies inside the bytes that were parsed.
#[derive(Debug)]
pub(crate) struct Gguf<'a> {
    file: &'a [u8],
    values: BTreeMap<String, Value>,
    tensors: BTreeMap<String, TensorInfo>,
}

const MAX_AXES: u32 = 4;
const DEFAULT_ALIGNMENT: usize = 32;
const MAX_ALIGNMENT: usize = 1 << 16;
/// The smallest key-value pair: length of the key, type, one byte.
const LEAST_PAIR: u64 = 8 + 4 + 1;
/// The smallest tensor entry: length of the name, number of axes, type, offset.
const LEAST_TENSOR: u64 = 8 + 4 + 4 + 8;

impl<'a> Gguf<'a> {
    /// Reads the index of a whole file held in memory.
    pub(crate) fn parse(file: &'a [u8]) -> Result<Self> {
        let mut cursor = Cursor { file, at: 0 };
        ensure!(
            cursor.take(4).ok() == Some(b"GGUF"),
            "not a GGUF file: it does not begin with the letters GGUF"
        );
        let version = cursor.u32()?;
        ensure!(version == 2 || version == 3, "GGUF version {version} is not supported, only 2 and 3");
        let tensor_count = cursor.u64()?;
        let pair_count = cursor.u64()?;
        cursor.room_for(pair_count, LEAST_PAIR, "key-value pairs")?;
        cursor.room_for(tensor_count, LEAST_TENSOR, "tensors")?;

        let mut values = BTreeMap::new();
        for number in 0..pair_count {
            let (key, value) = cursor.pair().with_context(|| format!("key-value pair {number}"))?;
            ensure!(values.insert(key.clone(), value).is_none(), "the key {key} occurs twice");
        }
        let mut entries = Vec::new();
        for number in 0..tensor_count {
            entries.push(cursor.tensor().with_context(|| format!("tensor entry {number}"))?);
        }

        let alignment = match values.get("general.alignment") {
            None => DEFAULT_ALIGNMENT,
            Some(Value::Uint(n)) => usize::try_from(*n).unwrap_or(0),
            Some(other) => bail!("general.alignment should be a whole number, not {other:?}"),
        };
        ensure!(
            alignment.is_power_of_two() && alignment <= MAX_ALIGNMENT,
            "general.alignment must be a power of two up to {MAX_ALIGNMENT}"
        );
        let data_start = cursor.at.next_multiple_of(alignment);

        let mut tensors = BTreeMap::new();
        for Entry { name, shape, kind, offset } in entries {
            let bytes = place(file.len(), data_start, &shape, kind, offset)
                .with_context(|| format!("tensor {name}"))?;
            ensure!(
                tensors.insert(name.clone(), TensorInfo { shape, kind, bytes }).is_none(),
                "the tensor {name} occurs twice"
            );
        }
        Ok(Self { file, values, tensors })
    }

    /// The value under a key, if the file has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    fn require(&self, key: &str) -> Result<&Value> {
        self.get(key).with_context(|| format!("the GGUF file has no value {key}"))
    }

    /// A whole number that must be there and not be negative.
    pub(crate) fn uint(&self, key: &str) -> Result<u64> {
        match self.require(key)? {
            Value::Uint(n) => Ok(*n),
            Value::Int(n) => u64::try_from(*n).with_context(|| format!("{key} is negative")),
            _ => bail!("the GGUF value {key} is not a whole number"),
        }
    }

    /// A single-precision number that must be there.
    pub(crate) fn f32(&self, key: &str) -> Result<f32> {
        match self.require(key)? {
            Value::F32(x) if x.is_finite() => Ok(*x),
            _ => bail!("the GGUF value {key} is not a finite 32-bit float"),
        }
    }

    /// A text that must be there.
    pub(crate) fn str(&self, key: &str) -> Result<&str> {
        match self.require(key)? {
            Value::Str(text) => Ok(text),
            _ => bail!("the GGUF value {key} is not a text"),
        }
    }

    /// A list of texts that must be there.
    pub(crate) fn strings(&self, key: &str) -> Result<Vec<&str>> {
        let Value::Array(items) = self.require(key)? else { bail!("the GGUF value {key} is not a list") };
        items
            .iter()
            .map(|item| match item {
                Value::Str(text) => Ok(text.as_str()),
                _ => bail!("the GGUF value {key} has an entry that is not a text"),
            })
            .collect()
    }

    /// A list of whole numbers that must be there.
    pub(crate) fn ints(&self, key: &str) -> Result<Vec<i64>> {
        let Value::Array(items) = self.require(key)? else { bail!("the GGUF value {key} is not a list") };
        items
            .iter()
            .map(|item| match item {
                Value::Int(n) => Ok(*n),
                Value::Uint(n) => {
                    i64::try_from(*n).with_context(|| format!("{key} has an entry out of range"))
                }
                _ => bail!("the GGUF value {key} has an entry that is not a whole number"),
            })
            .collect()
    }

    /// Every tensor by name.
    pub(crate) fn tensors(&self) -> &BTreeMap<String, TensorInfo> {
        &self.tensors
    }

    /// The stored bytes of a tensor of this file.
    pub(crate) fn bytes(&self, tensor: &TensorInfo) -> &'a [u8] {
        self.file.get(tensor.bytes.clone()).unwrap_or_default()
    }
}

/// Where a tensor's bytes lie in a file of `file_len` bytes whose data begin at `data_start`.
fn place(
    file_len: usize,
    data_start: usize,
    shape: &[usize],
    kind: Kind,
    offset: u64,
) -> Result<Range<usize>> {
    let row = shape.last().copied().unwrap_or(1);
    let elements =
        shape.iter().try_fold(1usize, |n, &axis| n.checked_mul(axis)).context("its size overflows")?;
    ensure!(
        row % kind.block_len() == 0,
        "rows of {row} do not divide into blocks of {} ({kind:?})",
        kind.block_len()
    );
    let size = (elements / kind.block_len()).checked_mul(kind.block_bytes()).context("its size overflows")?;
    let start = usize::try_from(offset)
        .ok()
        .and_then(|n| n.checked_add(data_start))
        .context("its offset overflows")?;
    let end = start.checked_add(size).context("its place overflows")?;
    ensure!(
        end <= file_len,
        "its bytes {start}..{end} lie beyond the end of the file ({file_len} bytes): the file is cut short or damaged"
    );
    Ok(start..end)
}

/// A tensor as the index tells of it, before its place is known.
struct Entry {
    name: String,
    shape: Vec<usize>,
    kind: Kind,
    offset: u64,
}

struct Cursor<'a> {
    file: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let bytes = self.at.checked_add(n).and_then(|end| self.file.get(self.at..end));
        let bytes =
            bytes.with_context(|| format!("the file ends inside its index, at byte {}", self.file.len()))?;
        self.at += n;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        Ok(self.take(N)?.try_into()?)
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Refuses a count whose items could not fit in what is left, so that memory follows the file's size and not its claims.
    fn room_for(&self, count: u64, least: u64, what: &str) -> Result<()> {
        let left = (self.file.len() - self.at) as u64;
        ensure!(count <= left / least, "the file claims {count} {what}, but only {left} bytes are left");
        Ok(())
    }

    fn text(&mut self) -> Result<String> {
        let len = self.u64()?;
        self.room_for(len, 1, "bytes of text")?;
        let at = self.at;
        let bytes = self.take(len as usize)?;
        Ok(std::str::from_utf8(bytes)
            .with_context(|| format!("the text at byte {at} is not UTF-8"))?
            .to_owned())
    }

    fn pair(&mut self) -> Result<(String, Value)> {
        let key = self.text()?;
        let kind = self.u32()?;
        let value = match kind {
            9 => self.list(),
            _ => self.scalar(kind),
        };
        let value = value.with_context(|| format!("the value {key}"))?;
        Ok((key, value))
    }

    fn scalar(&mut self, kind: u32) -> Result<Value> {
        Ok(match kind {
            0 => Value::Uint(u8::from_le_bytes(self.array()?).into()),
            1 => Value::Int(i8::from_le_bytes(self.array()?).into()),
            2 => Value::Uint(u16::from_le_bytes(self.array()?).into()),
            3 => Value::Int(i16::from_le_bytes(self.array()?).into()),
            4 => Value::Uint(self.u32()?.into()),
            5 => Value::Int(i32::from_le_bytes(self.array()?).into()),
            6 => Value::F32(f32::from_le_bytes(self.array()?)),
            7 => match self.array()? {
                [0] => Value::Bool(false),
                [1] => Value::Bool(true),
                [other] => bail!("a truth value is {other}, not 0 or 1"),
            },
            8 => Value::Str(self.text()?),
            9 => bail!("lists of lists are not supported"),
            10 => Value::Uint(self.u64()?),
            11 => Value::Int(i64::from_le_bytes(self.array()?)),
            12 => Value::F64(f64::from_le_bytes(self.array()?)),
            other => bail!("{other} is not a type of value"),
        })
    }

    fn list(&mut self) -> Result<Value> {
        let kind = self.u32()?;
        let least = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            _ => 8,
        };
        let len = self.u64()?;
        self.room_for(len, least, "list entries")?;
        (0..len).map(|_| self.scalar(kind)).collect::<Result<_>>().map(Value::Array)
    }

    fn tensor(&mut self) -> Result<Entry> {
        let name = self.text()?;
        let axes = self.u32()?;
        ensure!((1..=MAX_AXES).contains(&axes), "the tensor {name} has {axes} axes");
        let mut shape = (0..axes)
            .map(|_| usize::try_from(self.u64()?).context("an axis is too long"))
            .collect::<Result<Vec<_>>>()?;
        shape.reverse();
        let kind = Kind::from_code(self.u32()?).with_context(|| format!("the tensor {name}"))?;
        Ok(Entry { name, shape, kind, offset: self.u64()? })
    }
}

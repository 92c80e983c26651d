use super::{StoredDtype, source::read_error};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    io::{self, Read},
};

/// Most bytes of a header.
pub const HEADER_BYTES: u64 = 16 << 20;
/// Most tensors of a file.
pub const MOST_TENSORS: usize = 1 << 16;
/// Most bytes of a tensor's name.
const NAME_BYTES: usize = 512;
/// Most dimensions of a tensor.
const MOST_DIMENSIONS: usize = 16;
/// Key of the header that is no tensor.
const METADATA: &str = "__metadata__";

/// A tensor in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Name, distinct inside a source.
    pub name: String,
    /// Type of the elements.
    pub dtype: StoredDtype,
    /// Dimensions; none for a single value.
    pub shape: Vec<u64>,
    /// First byte of the tensor, counted from the file's first byte of data.
    pub begin: u64,
    /// Bytes of the tensor.
    pub bytes: u64,
}

/// A tensor to be written: name, dtype, dimensions.
pub type TensorSpec<'a> = (&'a str, StoredDtype, &'a [u64]);

/// Why bytes are not a safetensors file, or could not be read.
#[derive(Debug, thiserror::Error)]
pub enum TensorError {
    /// The bytes could not be read.
    #[error("cannot read tensors")]
    Read {
        /// What the reader says.
        source: io::Error,
    },
    /// The bytes end before they should.
    #[error("the bytes end early")]
    Truncated,
    /// The header is larger than allowed, or holds too much.
    #[error("the safetensors header has {got} {what}, at most {most} are allowed")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much.
        got: u64,
        /// How much is allowed.
        most: u64,
    },
    /// The header is not JSON of the right shape.
    #[error("the safetensors header cannot be read: {detail}")]
    Malformed {
        /// What the reader stumbled over.
        detail: String,
    },
    /// A tensor does not lie where and how it should.
    #[error("tensor {name:?} {detail}")]
    Tensor {
        /// Its name.
        name: String,
        /// What is wrong.
        detail: String,
    },
    /// The data has another length than the header says.
    #[error("the file has {got} bytes of data, its header speaks of {expected}")]
    Length {
        /// What the header says.
        expected: u64,
        /// What is there.
        got: u64,
    },
}

/// The header of a safetensors file, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    json: Vec<u8>,
    tensors: Vec<TensorInfo>,
    metadata: BTreeMap<String, String>,
    data_bytes: u64,
}

impl Header {
    /// Reads the length and the header from the start of a file of `file_bytes` bytes.
    ///
    /// Errors: everything but a whole, strict header whose tensors fill the rest of the file exactly.
    pub fn read(reader: &mut impl Read, file_bytes: u64) -> Result<Self, TensorError> {
        let mut length = [0; 8];
        reader.read_exact(&mut length).map_err(read_error)?;
        let length = u64::from_le_bytes(length);
        let room = file_bytes.checked_sub(8).ok_or(TensorError::Truncated)?;
        if length > HEADER_BYTES {
            return Err(TensorError::TooLarge { what: "bytes", got: length, most: HEADER_BYTES });
        }
        let rest = room.checked_sub(length).ok_or(TensorError::Truncated)?;
        // At most HEADER_BYTES, so it fits.
        let mut json = vec![0; usize::try_from(length).unwrap_or(0)];
        reader.read_exact(&mut json).map_err(read_error)?;
        let header = Self::parse(json)?;
        if header.data_bytes != rest {
            return Err(TensorError::Length { expected: header.data_bytes, got: rest });
        }
        Ok(header)
    }

    /// Checks a header's JSON.
    pub fn parse(json: Vec<u8>) -> Result<Self, TensorError> {
        if json.len() as u64 > HEADER_BYTES {
            return Err(TensorError::TooLarge { what: "bytes", got: json.len() as u64, most: HEADER_BYTES });
        }
        let raw: Raw = serde_json::from_slice(&json)
            .map_err(|error| TensorError::Malformed { detail: error.to_string() })?;
        let mut tensors = Vec::with_capacity(raw.tensors.len());
        for (name, entry) in raw.tensors {
            tensors.push(check(name, entry)?);
        }
        // Tensors without elements take no room; among equals the name decides, so that the order is one.
        tensors.sort_by(|a, b| (a.begin, a.bytes, &a.name).cmp(&(b.begin, b.bytes, &b.name)));
        let mut data_bytes = 0u64;
        for tensor in &tensors {
            if tensor.begin != data_bytes {
                let detail = format!("begins at byte {}, the one before ends at {data_bytes}", tensor.begin);
                return Err(TensorError::Tensor { name: tensor.name.clone(), detail });
            }
            data_bytes = tensor.begin.saturating_add(tensor.bytes);
        }
        Ok(Self { json, tensors, metadata: raw.metadata, data_bytes })
    }

    /// Makes the header of a file that holds these tensors in this order, padded so that the data begins at a
    /// multiple of eight bytes.
    ///
    /// Errors: as for [`Self::parse`], of a name given twice among others.
    pub fn build(
        tensors: &[TensorSpec<'_>],
        metadata: &BTreeMap<String, String>,
    ) -> Result<Self, TensorError> {
        let refuse = |error: serde_json::Error| TensorError::Malformed { detail: error.to_string() };
        let mut text = String::from("{");
        if !metadata.is_empty() {
            text.push_str(&format!("{METADATA:?}:{}", serde_json::to_string(metadata).map_err(refuse)?));
        }
        let mut begin = 0u64;
        for (name, dtype, shape) in tensors {
            let bytes = byte_count(name, *dtype, shape)?;
            let end = begin.saturating_add(bytes);
            if text.len() > 1 {
                text.push(',');
            }
            let name = serde_json::to_string(name).map_err(refuse)?;
            let shape = serde_json::to_string(shape).map_err(refuse)?;
            let dtype = dtype.name();
            text.push_str(&format!(
                "{name}:{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":[{begin},{end}]}}"
            ));
            begin = end;
        }
        text.push('}');
        while text.len() % 8 != 0 {
            text.push(' ');
        }
        Self::parse(text.into_bytes())
    }

    /// The JSON, byte for byte as it was read.
    pub fn json(&self) -> &[u8] {
        &self.json
    }

    /// The tensors in the order of their data.
    pub fn tensors(&self) -> &[TensorInfo] {
        &self.tensors
    }

    /// Text that the file carries beside its tensors.
    pub const fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// Bytes of data.
    pub const fn data_bytes(&self) -> u64 {
        self.data_bytes
    }

    /// Where the data begins in a file.
    pub fn data_start(&self) -> u64 {
        8 + self.json.len() as u64
    }

    /// Bytes of the whole file.
    pub fn file_bytes(&self) -> u64 {
        self.data_start().saturating_add(self.data_bytes)
    }
}

/// Bytes of a tensor.
fn byte_count(name: &str, dtype: StoredDtype, shape: &[u64]) -> Result<u64, TensorError> {
    let refuse = |detail: &str| TensorError::Tensor { name: name.to_owned(), detail: detail.to_owned() };
    if shape.len() > MOST_DIMENSIONS {
        return Err(refuse("has too many dimensions"));
    }
    // A dimension of 0 makes the product 0 whatever stands beside it.
    let elements = if shape.contains(&0) {
        Some(0)
    } else {
        shape.iter().try_fold(1u64, |product, &side| product.checked_mul(side))
    };
    let bits = elements.and_then(|elements| elements.checked_mul(dtype.bits()));
    let bits = bits.ok_or_else(|| refuse("has a shape beyond any memory"))?;
    if bits % 8 != 0 {
        return Err(refuse("does not end at a whole byte"));
    }
    Ok(bits / 8)
}

fn check(name: String, entry: RawTensor) -> Result<TensorInfo, TensorError> {
    let refuse = |name: String, detail: String| Err(TensorError::Tensor { name, detail });
    if name.len() > NAME_BYTES {
        let most = NAME_BYTES as u64;
        return Err(TensorError::TooLarge { what: "bytes in a name", got: name.len() as u64, most });
    }
    let Some(dtype) = StoredDtype::by_name(&entry.dtype) else {
        let dtype: String = entry.dtype.chars().take(32).collect();
        return refuse(name, format!("has the unknown dtype {dtype:?}"));
    };
    let bytes = byte_count(&name, dtype, &entry.shape)?;
    let [begin, end] = entry.data_offsets;
    if end.checked_sub(begin) != Some(bytes) {
        let detail = format!("lies at bytes {begin} to {end}, its shape asks for {bytes} bytes");
        return refuse(name, detail);
    }
    Ok(TensorInfo { name, dtype, shape: entry.shape, begin, bytes })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTensor {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

#[derive(Default)]
struct Raw {
    metadata: BTreeMap<String, String>,
    tensors: Vec<(String, RawTensor)>,
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_map(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut raw = Raw::default();
        let mut names = BTreeSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if !names.insert(name.clone()) {
                return Err(A::Error::custom(format_args!("{name:?} stands in it twice")));
            }
            if name == METADATA {
                raw.metadata = map.next_value()?;
            } else if raw.tensors.len() == MOST_TENSORS {
                return Err(A::Error::custom(format_args!("it names more than {MOST_TENSORS} tensors")));
            } else {
                raw.tensors.push((name, map.next_value()?));
            }
        }
        Ok(raw)
    }
}

/// Type of a tensor's elements, by the name that safetensors headers give it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "each is the name of a number format")]
pub enum StoredDtype {
    Bool,
    F4,
    F6E2M3,
    F6E3M2,
    U8,
    I8,
    F8E5M2,
    F8E4M3,
    F8E8M0,
    I16,
    U16,
    F16,
    BF16,
    I32,
    U32,
    F32,
    C64,
    F64,
    I64,
    U64,
}

use StoredDtype::{
    BF16, Bool, C64, F4, F6E2M3, F6E3M2, F8E4M3, F8E5M2, F8E8M0, F16, F32, F64, I8, I16, I32, I64, U8, U16,
    U32, U64,
};

/// Every dtype with its name and its bits.
const TABLE: [(StoredDtype, &str, u64); 20] = [
    (Bool, "BOOL", 8),
    (F4, "F4", 4),
    (F6E2M3, "F6_E2M3", 6),
    (F6E3M2, "F6_E3M2", 6),
    (U8, "U8", 8),
    (I8, "I8", 8),
    (F8E5M2, "F8_E5M2", 8),
    (F8E4M3, "F8_E4M3", 8),
    (F8E8M0, "F8_E8M0", 8),
    (I16, "I16", 16),
    (U16, "U16", 16),
    (F16, "F16", 16),
    (BF16, "BF16", 16),
    (I32, "I32", 32),
    (U32, "U32", 32),
    (F32, "F32", 32),
    (C64, "C64", 64),
    (F64, "F64", 64),
    (I64, "I64", 64),
    (U64, "U64", 64),
];

impl StoredDtype {
    /// Every dtype that is known here, each once.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.into_iter().map(|(dtype, _, _)| dtype)
    }

    /// The dtype of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        TABLE.into_iter().find(|(_, other, _)| *other == name).map(|(dtype, _, _)| dtype)
    }

    fn row(self) -> (&'static str, u64) {
        TABLE.into_iter().find(|(dtype, _, _)| *dtype == self).map_or(("", 0), |(_, name, bits)| (name, bits))
    }

    /// Name in a safetensors header.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// Bits of an element: 16 for `BF16`, below 8 for packed formats.
    pub fn bits(self) -> u64 {
        self.row().1
    }

    /// Bytes of the words by which two tensors are compared: an element, or one byte where elements are smaller.
    pub(crate) fn word_bytes(self) -> usize {
        match self.bits() {
            16 => 2,
            32 => 4,
            64 => 8,
            _ => 1,
        }
    }
}

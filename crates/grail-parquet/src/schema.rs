//! The columns, once for the writer and once for the reader.

use crate::thrift::Value;

/// The schema in Parquet's own notation.
pub(crate) const MESSAGE: &str = "
message grail_window {
  required int32 group (INTEGER(32, false));
  required int32 rollout (INTEGER(8, false));
  required group tokens (LIST) { repeated group list { required int32 element (INTEGER(32, false)); } }
  required binary sketch;
  required group logprobs (LIST) { repeated group list { required int32 element (INTEGER(16, true)); } }
  required float reward;
}";

/// Key of the metadata that holds header, counts, root and signature.
pub(crate) const SEAL_KEY: &str = "grail.window";

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    Group,
    Rollout,
    Tokens,
    Sketch,
    Logprobs,
    Reward,
}

/// The columns, in file order.
pub(crate) const COLUMNS: [Column; 6] =
    [Column::Group, Column::Rollout, Column::Tokens, Column::Sketch, Column::Logprobs, Column::Reward];

const INT32: i64 = 1;
const FLOAT: i64 = 4;
const BYTE_ARRAY: i64 = 6;

impl Column {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::Rollout => "rollout",
            Self::Tokens => "tokens",
            Self::Sketch => "sketch",
            Self::Logprobs => "logprobs",
            Self::Reward => "reward",
        }
    }

    /// Parquet's number of the physical type.
    pub(crate) const fn physical(self) -> i64 {
        match self {
            Self::Reward => FLOAT,
            Self::Sketch => BYTE_ARRAY,
            _ => INT32,
        }
    }

    /// Whether each row holds a list of values.
    pub(crate) const fn is_list(self) -> bool {
        matches!(self, Self::Tokens | Self::Logprobs)
    }

    /// Parquet's number of the logical type, in its older spelling that every writer adds.
    const fn converted(self) -> Option<i64> {
        match self {
            Self::Group | Self::Tokens => Some(UINT_32),
            Self::Rollout => Some(UINT_8),
            Self::Logprobs => Some(INT_16),
            Self::Sketch | Self::Reward => None,
        }
    }
}

const REQUIRED: i64 = 0;
const REPEATED: i64 = 2;
const LIST: i64 = 3;
const UINT_8: i64 = 11;
const UINT_32: i64 = 13;
const INT_16: i64 = 16;

/// One element of a schema as it must stand in a footer.
#[derive(PartialEq)]
struct Element<'a> {
    physical: Option<i64>,
    repetition: Option<i64>,
    name: Option<&'a [u8]>,
    children: Option<i64>,
    converted: Option<i64>,
}

/// Compares a footer's schema with ours; `Err` names the first element that differs.
pub(crate) fn check(found: &[Value<'_>]) -> Result<(), String> {
    let mut want = Vec::with_capacity(found.len());
    for column in COLUMNS {
        let name = column.name();
        let leaf = |name| Element {
            physical: Some(column.physical()),
            repetition: Some(REQUIRED),
            name: Some(name),
            children: None,
            converted: column.converted(),
        };
        if column.is_list() {
            let branch = |name, repetition, converted| Element {
                physical: None,
                repetition: Some(repetition),
                name: Some(name),
                children: Some(1),
                converted,
            };
            want.push(branch(name.as_bytes(), REQUIRED, Some(LIST)));
            want.push(branch(b"list", REPEATED, None));
            want.push(leaf(b"element"));
        } else {
            want.push(leaf(name.as_bytes()));
        }
    }
    let Some((root, elements)) = found.split_first() else { return Err("the schema is empty".into()) };
    if root.int(5) != Some(COLUMNS.len() as i64) {
        return Err(format!("the schema does not have {} columns", COLUMNS.len()));
    }
    if elements.len() != want.len() {
        return Err(format!("the schema has {} elements, {} are expected", elements.len(), want.len()));
    }
    for (element, want) in elements.iter().zip(want) {
        let got = Element {
            physical: element.int(1),
            repetition: element.int(3),
            name: element.bytes(4),
            // Some writers give leaves a child count of zero.
            children: element.int(5).filter(|count| *count != 0),
            converted: element.int(6),
        };
        if got != want {
            let name = String::from_utf8_lossy(got.name.unwrap_or_default()).into_owned();
            let want = String::from_utf8_lossy(want.name.unwrap_or_default()).into_owned();
            let name: String = name.chars().take(40).collect();
            return Err(format!("{name:?} stands where {want:?} belongs, or is of another type"));
        }
    }
    Ok(())
}

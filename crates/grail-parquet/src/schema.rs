//! The columns, once for the writer and once for the reader.

use crate::thrift::{Struct, Value};

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

/// Parquet's number of the encoding of values, of the encoding of levels, of the codec, and of the kind of page.
pub(crate) const PLAIN: i64 = 0;
pub(crate) const RLE: i64 = 3;
pub(crate) const ZSTD: i64 = 6;
pub(crate) const DATA_PAGE: i64 = 0;

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

    /// The names from the root down to the values.
    pub(crate) fn path(self) -> Vec<&'static str> {
        if self.is_list() { vec![self.name(), "list", "element"] } else { vec![self.name()] }
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
const OPTIONAL: i64 = 1;
const REPEATED: i64 = 2;
const LIST: i64 = 3;
const UINT_8: i64 = 11;
const UINT_32: i64 = 13;
const INT_16: i64 = 16;

/// One element of a schema as it must stand in a footer.
struct Element<'a> {
    physical: Option<i64>,
    repetition: Option<i64>,
    name: Option<&'a [u8]>,
    children: Option<i64>,
    converted: Option<i64>,
}

impl Element<'_> {
    /// The name in quotes, of a length that fits a message.
    fn shown(&self) -> String {
        let name: String = String::from_utf8_lossy(self.name.unwrap_or_default()).chars().take(40).collect();
        format!("{name:?}")
    }
}

/// A number of Parquet's by its name there.
fn word(number: Option<i64>, names: &[&str]) -> String {
    let Some(number) = number else { return "none".to_owned() };
    let name = usize::try_from(number).ok().and_then(|index| names.get(index));
    name.map_or_else(|| format!("number {number}"), |name| (*name).to_owned())
}

fn repetition(number: Option<i64>) -> String {
    match number {
        Some(OPTIONAL) => "optional (it may be missing)".to_owned(),
        other => word(other, &["required", "optional", "repeated"]),
    }
}

fn physical(number: Option<i64>) -> String {
    let names =
        ["BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"];
    word(number, &names)
}

fn converted(number: Option<i64>) -> String {
    let names = [
        "UTF8",
        "MAP",
        "MAP_KEY_VALUE",
        "LIST",
        "ENUM",
        "DECIMAL",
        "DATE",
        "TIME_MILLIS",
        "TIME_MICROS",
        "TIMESTAMP_MILLIS",
        "TIMESTAMP_MICROS",
        "UINT_8",
        "UINT_16",
        "UINT_32",
        "UINT_64",
        "INT_8",
        "INT_16",
        "INT_32",
        "INT_64",
        "JSON",
        "BSON",
        "INTERVAL",
    ];
    word(number, &names)
}

/// The elements behind the root, in order.
fn elements() -> Vec<Element<'static>> {
    let mut elements = Vec::new();
    for column in COLUMNS {
        let leaf = |name: &'static str| Element {
            physical: Some(column.physical()),
            repetition: Some(REQUIRED),
            name: Some(name.as_bytes()),
            children: None,
            converted: column.converted(),
        };
        if column.is_list() {
            let branch = |name: &'static str, repetition, converted| Element {
                physical: None,
                repetition: Some(repetition),
                name: Some(name.as_bytes()),
                children: Some(1),
                converted,
            };
            elements.push(branch(column.name(), REQUIRED, Some(LIST)));
            elements.push(branch("list", REPEATED, None));
            elements.push(leaf("element"));
        } else {
            elements.push(leaf(column.name()));
        }
    }
    elements
}

/// The schema as the writer puts it into a footer: the logical type in both spellings.
pub(crate) fn structs() -> Vec<Struct> {
    let mut structs = vec![Struct::new().bytes(4, b"grail_window").i32(5, COLUMNS.len() as i64)];
    for Element { physical, repetition, name, children, converted } in elements() {
        let numbers = Struct::new().some_i32(1, physical).some_i32(3, repetition);
        let named = numbers.bytes(4, name.unwrap_or_default());
        let element = named.some_i32(5, children).some_i32(6, converted);
        let integer = |bits, signed| {
            let integer = Struct::new().i8(1, bits).bool(2, signed);
            Struct::new().inner(10, integer)
        };
        let logical = match converted {
            Some(LIST) => Struct::new().inner(3, Struct::new()),
            Some(UINT_8) => integer(8, false),
            Some(UINT_32) => integer(32, false),
            Some(INT_16) => integer(16, true),
            _ => {
                structs.push(element);
                continue;
            }
        };
        structs.push(element.inner(10, logical));
    }
    structs
}

/// Compares a footer's schema with ours; `Err` names the first element that differs, what it is and what it must be.
pub(crate) fn check(found: &[Value<'_>]) -> Result<(), String> {
    let want = elements();
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
        if got.name != want.name {
            return Err(format!("{} stands where {} belongs", got.shown(), want.shown()));
        }
        let name = want.shown();
        // One at a time, the one that a writer's settings change most often first.
        if got.repetition != want.repetition {
            let (is, must) = (repetition(got.repetition), repetition(want.repetition));
            let hint = match (got.repetition, want.repetition) {
                (Some(OPTIONAL), Some(REQUIRED)) => " (write it as not nullable)",
                _ => "",
            };
            return Err(format!("{name} is {is} and must be {must}{hint}"));
        }
        if got.children != want.children {
            let count = |children: Option<i64>| children.unwrap_or(0);
            let (has, must) = (count(got.children), count(want.children));
            return Err(format!("{name} has {has} children and must have {must}"));
        }
        if got.physical != want.physical {
            let (is, must) = (physical(got.physical), physical(want.physical));
            return Err(format!("{name} has the physical type {is} and must have {must}"));
        }
        if got.converted != want.converted {
            let (is, must) = (converted(got.converted), converted(want.converted));
            return Err(format!("{name} has the converted type {is} and must have {must}"));
        }
    }
    Ok(())
}

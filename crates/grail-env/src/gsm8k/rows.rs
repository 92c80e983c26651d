//! Rows of question and answer, and a reader for the published jsonl.

use grail_protocol::hash::{Digest, Hasher};
use serde::Deserialize;
use std::fmt;

/// Largest data set read, in bytes.
pub const MOST_BYTES: usize = 64 << 20;
/// Most rows of a data set.
pub const MOST_ROWS: usize = 1 << 20;
/// Longest question or answer, in bytes.
pub const LONGEST_TEXT: usize = 16 << 10;

/// One row of a data set, as published.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row<'rows> {
    /// The word problem, as published.
    pub question: &'rows str,
    /// The worked solution; the gold answer follows `####`.
    pub answer: &'rows str,
}

/// Questions and answers by number.
pub trait Rows: fmt::Debug + Send + Sync {
    /// Number of rows.
    fn count(&self) -> u32;

    /// Row `index`, for every index below [`Rows::count`].
    fn row(&self, index: u32) -> Option<Row<'_>>;

    /// What the rows are, in their order: `H("grail/1 gsm8k rows", question_0, answer_0, question_1, …)`.
    fn digest(&self) -> Digest {
        let mut hasher = Hasher::new("grail/1 gsm8k rows");
        for row in (0..self.count()).filter_map(|index| self.row(index)) {
            hasher.field(row.question.as_bytes());
            hasher.field(row.answer.as_bytes());
        }
        hasher.finish()
    }
}

/// Why bytes are not a data set. `line` counts from 1.
#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    /// Above [`MOST_BYTES`].
    #[error("data set has {got} bytes, at most {MOST_BYTES} are read")]
    TooLarge {
        /// Bytes given.
        got: usize,
    },
    /// Above [`MOST_ROWS`].
    #[error("data set has more than {MOST_ROWS} rows")]
    TooMany,
    /// No row at all.
    #[error("data set has no rows")]
    Empty,
    /// A line that is no JSON object with texts `question` and `answer`.
    #[error("line {line} is not a row with question and answer")]
    Row {
        /// Where.
        line: usize,
        /// What the JSON reader says.
        #[source]
        source: serde_json::Error,
    },
    /// A question or answer above [`LONGEST_TEXT`].
    #[error("line {line} holds a text of {got} bytes, at most {LONGEST_TEXT} are allowed")]
    Length {
        /// Where.
        line: usize,
        /// Its bytes.
        got: usize,
    },
}

/// The published form: one JSON object a line with the texts `question` and `answer`, held in memory.
///
/// Other fields of the object and blank lines are ignored, and neither is part of the digest.
#[derive(Clone, PartialEq, Eq)]
pub struct JsonlRows(Vec<OwnedRow>);

#[derive(Clone, PartialEq, Eq, Deserialize)]
struct OwnedRow {
    question: String,
    answer: String,
}

impl JsonlRows {
    /// Reads unpacked jsonl.
    ///
    /// Errors: see [`RowsError`]; every limit is checked before the memory it guards is spent.
    pub fn read(jsonl: &[u8]) -> Result<Self, RowsError> {
        if jsonl.len() > MOST_BYTES {
            return Err(RowsError::TooLarge { got: jsonl.len() });
        }
        let mut rows = Vec::new();
        for (index, line) in jsonl.split(|&byte| byte == b'\n').enumerate() {
            if line.trim_ascii().is_empty() {
                continue;
            }
            if rows.len() == MOST_ROWS {
                return Err(RowsError::TooMany);
            }
            let line_number = index + 1;
            let row: OwnedRow = serde_json::from_slice(line)
                .map_err(|source| RowsError::Row { line: line_number, source })?;
            let got = row.question.len().max(row.answer.len());
            if got > LONGEST_TEXT {
                return Err(RowsError::Length { line: line_number, got });
            }
            rows.push(row);
        }
        if rows.is_empty() { Err(RowsError::Empty) } else { Ok(Self(rows)) }
    }
}

impl Rows for JsonlRows {
    fn count(&self) -> u32 {
        // Bounded by MOST_ROWS when it was read.
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    fn row(&self, index: u32) -> Option<Row<'_>> {
        let row = self.0.get(usize::try_from(index).ok()?)?;
        Some(Row { question: &row.question, answer: &row.answer })
    }
}

impl fmt::Debug for JsonlRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JsonlRows({} rows)", self.0.len())
    }
}

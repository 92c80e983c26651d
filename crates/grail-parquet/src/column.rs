//! From pages to the fields of rollouts.

use grail_artifact::{
    limits::Limits,
    window::{DecodeError, RolloutRecord, check_size},
};

use crate::{
    field,
    footer::{Footer, RowGroup},
    levels, malformed,
    page::{Page, Pages},
    schema::{COLUMNS, Column},
};

/// Fills the rollouts, column by column.
pub(crate) fn fill(
    rollouts: &mut [RolloutRecord],
    footer: &Footer,
    file: &[u8],
    limits: &Limits,
) -> Result<(), DecodeError> {
    for group in &footer.row_groups {
        let rows = rollouts
            .get_mut(group.first_row..group.first_row.saturating_add(group.rows))
            .ok_or_else(|| malformed("a row group has more rows than the file"))?;
        fill_group(rows, group, file, limits)?;
    }
    Ok(())
}

fn fill_group(
    rows: &mut [RolloutRecord],
    group: &RowGroup,
    file: &[u8],
    limits: &Limits,
) -> Result<(), DecodeError> {
    for (column, chunk) in COLUMNS.into_iter().zip(&group.chunks) {
        let mut pages = Pages::new(file, chunk)?;
        let most = limits.tokens_per_rollout;
        let filled = match column {
            Column::Tokens => fill_lists(&mut pages, rows, most, column, |row, bytes| {
                row.tokens.push(u32::from_le_bytes(bytes));
                Some(row.tokens.len())
            })?,
            Column::Logprobs => fill_lists(&mut pages, rows, most, column, |row, bytes| {
                row.logprobs.push(i16::try_from(i32::from_le_bytes(bytes)).ok()?);
                Some(row.logprobs.len())
            })?,
            Column::Sketch => fill_sketches(&mut pages, rows, most)?,
            Column::Group | Column::Rollout | Column::Reward => fill_plain(&mut pages, rows, column)?,
        };
        if filled != rows.len() {
            return Err(field(column.name(), format!("has {filled} rows where the file has {}", rows.len())));
        }
    }
    Ok(())
}

fn out_of_range(column: Column) -> DecodeError {
    field(column.name(), "holds a value outside its range")
}

fn odd_size(column: Column) -> DecodeError {
    field(column.name(), "a page has another size than its values")
}

/// One value of four bytes a row. Returns how many rows were filled.
fn fill_plain(
    pages: &mut Pages<'_>,
    rows: &mut [RolloutRecord],
    column: Column,
) -> Result<usize, DecodeError> {
    let mut filled = 0;
    while let Some(Page { values, body }) = pages.next()? {
        let (words, rest) = body.as_chunks::<4>();
        if words.len() != values || !rest.is_empty() {
            return Err(odd_size(column));
        }
        let targets = rows.get_mut(filled..).unwrap_or_default();
        for (row, word) in targets.iter_mut().zip(words) {
            match column {
                Column::Group => row.group.0 = u32::from_le_bytes(*word),
                Column::Rollout => {
                    let index = u32::from_le_bytes(*word);
                    row.rollout.0 = u8::try_from(index).map_err(|_| out_of_range(column))?;
                }
                _ => row.reward = f32::from_le_bytes(*word),
            }
        }
        filled += values;
    }
    Ok(filled)
}

/// A length and that many bytes a row.
fn fill_sketches(pages: &mut Pages<'_>, rows: &mut [RolloutRecord], most: u32) -> Result<usize, DecodeError> {
    let mut filled = 0;
    while let Some(Page { values, mut body }) = pages.next()? {
        let targets = rows.get_mut(filled..).and_then(|rows| rows.get_mut(..values));
        let targets = targets.ok_or_else(|| field("sketch", "has more rows than the file"))?;
        for row in targets {
            let (length, rest) = body.split_first_chunk::<4>().ok_or_else(|| odd_size(Column::Sketch))?;
            let length = u32::from_le_bytes(*length);
            check_size("length of a rollout", u64::from(length), u64::from(most))?;
            let (bytes, rest) =
                rest.split_at_checked(length as usize).ok_or_else(|| odd_size(Column::Sketch))?;
            row.sketch = bytes.iter().map(|byte| byte.cast_signed()).collect();
            body = rest;
        }
        if !body.is_empty() {
            return Err(odd_size(Column::Sketch));
        }
        filled += values;
    }
    Ok(filled)
}

/// A list of four-byte values a row. `push` appends a value and returns the new length, or `None` for a value
/// outside the column's range.
fn fill_lists(
    pages: &mut Pages<'_>,
    rows: &mut [RolloutRecord],
    most: u32,
    column: Column,
    push: impl Fn(&mut RolloutRecord, [u8; 4]) -> Option<usize>,
) -> Result<usize, DecodeError> {
    let (mut starts, mut present) = (Vec::new(), Vec::new());
    let mut filled = 0usize;
    // Whether the current row may still grow: an empty list may not.
    let mut open = false;
    while let Some(Page { values, body }) = pages.next()? {
        // Every value takes four bytes or is an empty list, of which there is at most one a row.
        check_size("number of values of a page", values as u64, (body.len() / 4 + rows.len()) as u64)?;
        let (repetitions, body) = levels::split(body)?;
        let (definitions, body) = levels::split(body)?;
        levels::decode(repetitions, values, &mut starts)?;
        levels::decode(definitions, values, &mut present)?;
        let (words, rest) = body.as_chunks::<4>();
        let mut words = words.iter();
        for (continues, present) in starts.iter().zip(&present) {
            if *continues == 0 {
                filled += 1;
                open = *present == 1;
            } else if !open || *present == 0 {
                return Err(field(column.name(), "a list continues where none was begun"));
            }
            let row = filled.checked_sub(1).and_then(|index| rows.get_mut(index));
            let row = row.ok_or_else(|| field(column.name(), "has more rows than the file"))?;
            if *present == 1 {
                let word = words.next().ok_or_else(|| odd_size(column))?;
                let length = push(row, *word).ok_or_else(|| out_of_range(column))?;
                check_size("length of a rollout", length as u64, u64::from(most))?;
            }
        }
        if words.next().is_some() || !rest.is_empty() {
            return Err(odd_size(column));
        }
    }
    Ok(filled)
}

//! The Python original's sparse codec, version 3.1, written again to compare sizes: a test holds it against the
//! original's payloads, the example `delta_figures` uses it.

use std::{error::Error, fmt::Write as _};

/// The changed words of one tensor, in ascending places.
pub(crate) struct Entries {
    pub(crate) name: String,
    pub(crate) shape: Vec<u64>,
    /// `bfloat16`, `float16` or `float32`.
    pub(crate) dtype: String,
    pub(crate) places: Vec<u64>,
    /// The words themselves: this codec knows no differences.
    pub(crate) values: Vec<u8>,
}

/// Header and entries, as they go into the compressor.
pub(crate) fn payload(tensors: &mut [Entries]) -> Result<Vec<u8>, Box<dyn Error>> {
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    let mut header = String::from(r#"{"version":31,"tensors":["#);
    let mut data = Vec::new();
    for tensor in tensors.iter().filter(|tensor| !tensor.places.is_empty()) {
        let columns = tensor.shape.iter().skip(1).product::<u64>().max(1);
        let (mut rows, mut cols) = (Vec::new(), Vec::new());
        let mut last = None;
        for place in &tensor.places {
            let (row, col) = (place / columns, place % columns);
            let (above, left) = last.unwrap_or((0, 0));
            rows.push(row - above);
            // Absolute where the row changes.
            cols.push(if last.is_some() && row == above { col - left } else { col });
            last = Some((row, col));
        }
        let begin = data.len();
        let row_dtype = numbers(&rows, true, &mut data)?;
        let middle = data.len();
        let col_dtype = numbers(&cols, false, &mut data)?;
        let end = data.len();
        data.extend(&tensor.values);
        if !header.ends_with('[') {
            header.push(',');
        }
        write!(
            header,
            r#"{{"name":{},"shape":{},"num_nonzero":{},"value_dtype":"{}","row_dtype":"{row_dtype}","col_dtype":"{col_dtype}","indices_offset":{begin},"indices_size":{},"rows_size":{},"cols_size":{},"values_offset":{end},"values_size":{}}}"#,
            ascii(&serde_json::to_string(&tensor.name)?),
            serde_json::to_string(&tensor.shape)?,
            tensor.places.len(),
            tensor.dtype,
            end - begin,
            middle - begin,
            end - middle,
            tensor.values.len(),
        )?;
    }
    header.push_str("]}");
    let mut payload = u32::try_from(header.len())?.to_le_bytes().to_vec();
    payload.extend(header.as_bytes());
    payload.extend(data);
    Ok(payload)
}

/// Writes numbers in the narrowest width that holds the largest, and names it. Columns never take one byte.
fn numbers(all: &[u64], may_be_bytes: bool, data: &mut Vec<u8>) -> Result<&'static str, Box<dyn Error>> {
    let largest = all.iter().copied().max().unwrap_or(0);
    let (name, width) = if may_be_bytes && largest <= 0xff {
        ("uint8", 1)
    } else if largest <= 0xffff {
        ("uint16", 2)
    } else if largest <= 0x7fff_ffff {
        ("int32", 4)
    } else {
        return Err("a number beyond what the original can write".into());
    };
    for number in all {
        data.extend(number.to_le_bytes().iter().take(width));
    }
    Ok(name)
}

/// JSON with everything beyond ASCII escaped.
fn ascii(json: &str) -> String {
    let mut text = String::new();
    for letter in json.chars() {
        if letter.is_ascii() {
            text.push(letter);
        } else {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    text
}

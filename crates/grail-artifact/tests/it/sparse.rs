//! Sparse deltas that the Python original recorded, each with weights to lead from and to: read by a test and by the
//! example `delta_vectors`.

use grail_artifact::tensors::{Header, StoredDtype, TensorSpec};
use serde_json::Value;
use std::collections::BTreeMap;

/// One recorded delta.
pub(crate) struct Recorded {
    pub(crate) id: String,
    pub(crate) codec: String,
    /// Safetensors files.
    pub(crate) base: Vec<u8>,
    pub(crate) current: Vec<u8>,
    /// Bytes of the original's frame.
    pub(crate) frame: usize,
    /// Words that differ.
    pub(crate) entries: u64,
}

/// A tensor of the original's, and its bytes.
struct Tensor<'a> {
    name: &'a str,
    dtype: &'a str,
    shape: Vec<u64>,
    bytes: Vec<u8>,
}

/// The steps of `checkpoint_repo.json`: each against the weights of the step before.
pub(crate) fn chain(file: &Value) -> Vec<Recorded> {
    let steps = list(file, "steps");
    let pairs = steps.windows(2).map(|pair| {
        let (before, step) = (&pair[0], &pair[1]);
        let (base, current) = (list(before, "weights"), list(step, "weights"));
        let window = step["window"].as_u64().unwrap();
        let key = format!("grail/checkpoints/checkpoint-{window}/DELTA/delta_sparse.bin.zst");
        let (from, to) = (tensors(base), tensors(current));
        let differ = |(a, b): (&Tensor<'_>, &Tensor<'_>)| {
            let word = word_bytes(a.dtype);
            a.bytes.chunks(word).zip(b.bytes.chunks(word)).filter(|(a, b)| a != b).count()
        };
        Recorded {
            id: window.to_string(),
            codec: text(step, "codec").to_owned(),
            entries: from.iter().zip(&to).map(differ).sum::<usize>() as u64,
            base: file_of(&from),
            current: file_of(&to),
            frame: stored_bytes(text(&file["objects_b64"], &key)),
        }
    });
    pairs.collect()
}

/// The cases of `sparse_codec.json`. What their base was is not recorded: here each tensor is filled with the smallest
/// word that is none of its entries, so that every entry is a change and no difference is easier than its value.
pub(crate) fn codec(file: &Value) -> Vec<Recorded> {
    let cases = list(file, "cases").iter().map(|case| {
        let mut entries = 0;
        let (mut from, mut to) = (Vec::new(), Vec::new());
        for tensor in list(case, "decoded") {
            let (dtype, shape) = (text(tensor, "value_dtype"), numbers(tensor, "shape"));
            let word = word_bytes(dtype);
            let values = hex::decode(text(tensor, "values_le_hex")).unwrap();
            let fill =
                (0u32..).map(u32::to_le_bytes).find(|fill| !values.chunks(word).any(|v| v == &fill[..word]));
            let fill = &fill.unwrap()[..word];
            let count = shape.iter().product::<u64>() as usize;
            let mut bytes = fill.repeat(count);
            let tensor_of = |bytes| Tensor { name: text(tensor, "name"), dtype, shape: shape.clone(), bytes };
            from.push(tensor_of(bytes.clone()));
            for (place, value) in places(tensor, &shape).into_iter().zip(values.chunks(word)) {
                bytes[place * word..][..word].copy_from_slice(value);
                entries += 1;
            }
            to.push(tensor_of(bytes));
        }
        Recorded {
            id: text(case, "id").to_owned(),
            codec: text(case, "codec").to_owned(),
            base: file_of(&from),
            current: file_of(&to),
            frame: stored_bytes(text(case, "frame_b64")),
            entries,
        }
    });
    cases.collect()
}

/// Flat places of a tensor's entries: version 2 has them so, the later ones have rows and columns.
pub(crate) fn places(tensor: &Value, shape: &[u64]) -> Vec<usize> {
    let columns = shape.iter().skip(1).product::<u64>() as usize;
    let all = |value: &Value| -> Vec<usize> {
        value.as_array().unwrap().iter().map(|place| place.as_u64().unwrap() as usize).collect()
    };
    match list(tensor, "indices") {
        [rows @ Value::Array(_), cols] => {
            all(rows).into_iter().zip(all(cols)).map(|(row, col)| row * columns + col).collect()
        }
        _ => all(&tensor["indices"]),
    }
}

/// The safetensors file that holds recorded tensors.
pub(crate) fn safetensors(recorded: &[Value]) -> Vec<u8> {
    file_of(&tensors(recorded))
}

fn tensors(recorded: &[Value]) -> Vec<Tensor<'_>> {
    let tensor = |tensor| Tensor {
        name: text(tensor, "name"),
        dtype: text(tensor, "dtype"),
        shape: numbers(tensor, "shape"),
        bytes: hex::decode(text(tensor, "data_le_hex")).unwrap(),
    };
    recorded.iter().map(tensor).collect()
}

fn file_of(tensors: &[Tensor<'_>]) -> Vec<u8> {
    let spec =
        |tensor: &'_ Tensor<'_>| -> (StoredDtype, Vec<u64>) { (dtype(tensor.dtype), tensor.shape.clone()) };
    let kinds: Vec<_> = tensors.iter().map(spec).collect();
    let specs: Vec<TensorSpec<'_>> = tensors
        .iter()
        .zip(&kinds)
        .map(|(tensor, (dtype, shape))| (tensor.name, *dtype, &shape[..]))
        .collect();
    let header = Header::build(&specs, &BTreeMap::new()).unwrap();
    let mut bytes = (header.json().len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.json());
    for tensor in tensors {
        bytes.extend(&tensor.bytes);
    }
    bytes
}

fn dtype(name: &str) -> StoredDtype {
    match name {
        "bfloat16" => StoredDtype::BF16,
        "float16" => StoredDtype::F16,
        "float32" => StoredDtype::F32,
        other => panic!("{other}"),
    }
}

fn word_bytes(dtype: &str) -> usize {
    if dtype == "float32" { 4 } else { 2 }
}

/// Bytes behind a base64 text.
fn stored_bytes(base64: &str) -> usize {
    base64.len() / 4 * 3 - base64.bytes().rev().take_while(|letter| *letter == b'=').count()
}

fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().unwrap()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap()
}

fn numbers(value: &Value, field: &str) -> Vec<u64> {
    list(value, field).iter().map(|number| number.as_u64().unwrap()).collect()
}

//! Weights as a safetensors file, written as a stream.
//!
//! Bytes (source: the format's description at huggingface/safetensors): length of the header as little-endian `u64`; the
//! header, a JSON object from names to type, shape and place; then the tensors, little-endian, one after another.

use super::error::{Doing, TrainError};
use crate::{device::Dtype, error::LoadError};
use grail_artifact::tensors::StoredDtype;
use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};
use tch::{Device, Kind, Tensor};

/// Numbers converted at once.
const CONVERTED: i64 = 4 << 20;

/// Writes tensors to a new safetensors file, all in one number format, and waits until they are on the disk.
///
/// The file is written under its own name: put it into a folder that nobody reads yet. Memory: a few megabytes.
/// The order of the tensors is kept; names must differ.
///
/// Errors: [`LoadError::File`], among others when the disk is full.
pub fn write_tensors(path: &Path, tensors: &[(String, Tensor)], dtype: Dtype) -> Result<(), TrainError> {
    let failed = || LoadError::file("write", path);
    let mut file = BufWriter::new(File::create(path).map_err(failed())?);
    let header = header(tensors, dtype);
    file.write_all(&(header.len() as u64).to_le_bytes()).map_err(failed())?;
    file.write_all(header.as_bytes()).map_err(failed())?;
    let mut buffer = Vec::new();
    for (_, tensor) in tensors {
        let flat = tensor.f_detach().and_then(|flat| flat.f_reshape([-1])).doing("reading a tensor")?;
        let whole = flat.numel() as i64;
        let mut start = 0;
        while start < whole {
            let length = CONVERTED.min(whole - start);
            let bytes = flat
                .f_narrow(0, start, length)
                .and_then(|part| part.f_to_device_(Device::Cpu, dtype.kind(), false, false))
                .and_then(|part| part.f_contiguous()?.f_view_dtype(Kind::Uint8))
                .doing("converting a tensor")?;
            buffer.resize(bytes.numel(), 0);
            bytes.f_copy_data_u8(&mut buffer, bytes.numel()).doing("copying a tensor")?;
            file.write_all(&buffer).map_err(failed())?;
            start += length;
        }
    }
    let file = file.into_inner().map_err(|error| failed()(error.into_error()))?;
    Ok(file.sync_all().map_err(failed())?)
}

/// The header, padded with spaces to a multiple of eight bytes. Its spelling is part of a checkpoint's digest: it stays.
fn header(tensors: &[(String, Tensor)], dtype: Dtype) -> String {
    let (stored, width) = match dtype {
        Dtype::F32 => (StoredDtype::F32, 4),
        Dtype::Bf16 => (StoredDtype::BF16, 2),
    };
    let mut start = 0;
    let mut entries = Vec::new();
    for (name, tensor) in tensors {
        let end = start + tensor.numel() * width;
        let (name, stored, shape) = (serde_json::Value::from(name.as_str()), stored.name(), tensor.size());
        entries.push(format!(
            r#"{name}:{{"dtype":"{stored}","shape":{shape:?},"data_offsets":[{start},{end}]}}"#
        ));
        start = end;
    }
    let mut text = format!("{{{}}}", entries.join(","));
    while !text.len().is_multiple_of(8) {
        text.push(' ');
    }
    text
}

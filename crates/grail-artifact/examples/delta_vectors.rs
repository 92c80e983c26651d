//! Sizes of our deltas beside those of the frames that the Python original recorded:
//! `cargo run -p grail-artifact --example delta_vectors -- fixtures/vectors/python/infra`.
//!
//! Prints a JSON list, a case an entry. Set `chain` has the real steps of `checkpoint_repo.json`; set `codec` the entries of
//! `sparse_codec.json` over a constant base, as the base is not recorded. The cases of `sparse_delta.json` have no frames.
#![allow(clippy::print_stdout)]

#[path = "../tests/it/sparse.rs"]
#[allow(dead_code, reason = "the tests need more of it")]
mod sparse;

use grail_artifact::{
    delta::{Base, DeltaOptions, encode},
    tensors::SafetensorsFile,
};
use serde_json::{Value, json};
use sparse::Recorded;
use std::{error::Error, fs, io::Cursor, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: delta_vectors FOLDER")?;
    let read = |name: &str| -> Result<Value, Box<dyn Error>> {
        Ok(serde_json::from_slice(&fs::read(Path::new(&folder).join(name))?)?)
    };
    let mut cases = Vec::new();
    for (set, recorded) in [
        ("chain", sparse::chain(&read("checkpoint_repo.json")?)),
        ("codec", sparse::codec(&read("sparse_codec.json")?)),
    ] {
        for case in recorded {
            let ours = delta_bytes(&case)?;
            cases.push(json!({
                "set": set, "id": case.id, "codec": case.codec, "entries": case.entries, "ours": ours, "frame": case.frame,
            }));
        }
    }
    println!("{}", serde_json::to_string_pretty(&cases)?);
    Ok(())
}

fn delta_bytes(case: &Recorded) -> Result<u64, Box<dyn Error>> {
    let options = DeltaOptions::default();
    let open = |bytes: &Vec<u8>| SafetensorsFile::open(Cursor::new(bytes.clone()));
    let mut base = Base::take(open(&case.base)?, options, &mut |_| {})?;
    let encoded = encode(&mut base, &mut open(&case.current)?, &mut Vec::new(), options, &mut |_| {})?;
    Ok(encoded.bytes)
}

//! Tests on the tiny models of `fixtures/models/hf`, and on SmolLM2 where the cache has it.

mod forward;

use crate::{Model, Options};
use grail_protocol::words::CheckpointId;
use std::path::PathBuf;

pub(crate) fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

pub(crate) fn tiny(name: &str) -> Model {
    let folder = fixtures().join("models/hf").join(name);
    let options = Options { threads: Some(2), ..Options::default() };
    Model::load(&folder, &options, CheckpointId::from_bytes([7; 32])).unwrap()
}

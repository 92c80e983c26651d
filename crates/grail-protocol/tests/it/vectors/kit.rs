//! How a vector file is laid out, and small readers for its values.
//!
//! A file holds `{"topic", "about", "cases": [{"in": …, "out": …}, …]}`. Bytes are hexadecimal text, floats are
//! their IEEE bits as numbers, so nothing is lost to decimal.

use serde_json::{Value, json};

/// One law: what its file says about it, the inputs written into the file, and the law itself.
pub(crate) struct Topic {
    /// File name without extension.
    pub(crate) name: &'static str,
    /// One sentence for readers of the file.
    pub(crate) about: &'static str,
    /// Inputs of the cases, when the file is written.
    pub(crate) inputs: fn() -> Vec<Value>,
    /// From the input to the output that everyone must get.
    pub(crate) derive: fn(&Value) -> Value,
}

impl Topic {
    /// Derives every case of a file's text again. Panics with the first case that differs.
    pub(crate) fn check(&self, text: &str) {
        let file: Value = serde_json::from_str(text).unwrap();
        assert_eq!(file["topic"], json!(self.name));
        assert_eq!(file["about"], json!(self.about));
        let cases = file["cases"].as_array().unwrap();
        assert_eq!(cases.len(), (self.inputs)().len(), "{}: cases are missing from the file", self.name);
        for case in cases {
            assert_eq!((self.derive)(&case["in"]), case["out"], "{}: {}", self.name, case["in"]);
        }
    }
}

pub(crate) fn int(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

pub(crate) fn int32(value: &Value) -> u32 {
    int(value).try_into().unwrap()
}

pub(crate) fn float(value: &Value) -> f32 {
    f32::from_bits(int32(value))
}

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(text(value)).unwrap()
}

pub(crate) fn bytes32(value: &Value) -> [u8; 32] {
    bytes(value).try_into().unwrap()
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

/// A key that differs for every number.
pub(crate) fn key(number: u64) -> String {
    hex::encode(grail_protocol::hash::digest("grail/1 vector key", &[&number.to_le_bytes()]))
}

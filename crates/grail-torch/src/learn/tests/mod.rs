//! Tests against what the Python trainer computes, and of what it does not know.

mod choosing;
mod heads;
mod learning;
mod losses;
mod models;
mod optimizing;
mod saving;

use serde_json::Value;
use std::path::PathBuf;
use tch::{Device, Kind, Tensor};

pub(crate) fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

/// A vector file of the Python trainer.
pub(crate) fn vectors(name: &str) -> Value {
    let path = fixtures().join("vectors/python/infra").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

pub(crate) fn cases<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    let cases = value[key].as_array().unwrap();
    assert!(!cases.is_empty(), "{key} has no cases");
    cases
}

pub(crate) fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

pub(crate) fn counts(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|number| number.as_u64().unwrap() as usize).collect()
}

pub(crate) fn texts(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

/// Nested lists of numbers as a tensor.
pub(crate) fn tensor(value: &Value, kind: Kind) -> Tensor {
    let mut shape = Vec::new();
    let mut flat = Vec::new();
    let mut level = value;
    while let Some(list) = level.as_array() {
        shape.push(list.len() as i64);
        match list.first() {
            Some(first) => level = first,
            None => break,
        }
    }
    flatten(value, &mut flat);
    Tensor::from_slice(&flat).view(shape.as_slice()).to_device_(Device::Cpu, kind, false, true)
}

fn flatten(value: &Value, flat: &mut Vec<f64>) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| flatten(value, flat)),
        number => flat.push(number.as_f64().unwrap()),
    }
}

pub(crate) fn farthest(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.size(), b.size());
    if a.numel() == 0 { 0.0 } else { (a - b).abs().max().to_kind(Kind::Double).double_value(&[]) }
}

#[track_caller]
pub(crate) fn near(found: f64, wanted: f64, tolerance: f64, what: &str) {
    let allowed = tolerance * wanted.abs().max(1.0);
    assert!((found - wanted).abs() <= allowed, "{what}: {found} instead of {wanted}");
}

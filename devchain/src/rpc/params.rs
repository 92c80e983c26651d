//! Parameters of a request, read with the kind that is expected.

use super::RpcError;
use crate::text::{Hash, unhex};
use serde_json::{Map, Value};

/// What follows a method's name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params(Vec<Value>);

impl Params {
    /// Of a request's `params`. An object counts as the only parameter.
    pub(crate) fn of(value: Option<Value>) -> Result<Self, RpcError> {
        match value {
            None | Some(Value::Null) => Ok(Self::default()),
            Some(Value::Array(items)) => Ok(Self(items)),
            Some(object @ Value::Object(_)) => Ok(Self(vec![object])),
            Some(_) => Err(RpcError::request("params are neither a list nor an object")),
        }
    }

    /// The parameter at a place; null counts as absent.
    pub(crate) fn get(&self, place: usize) -> Option<&Value> {
        self.0.get(place).filter(|value| !value.is_null())
    }

    pub(crate) fn need(&self, place: usize, name: &str) -> Result<&Value, RpcError> {
        self.get(place).ok_or_else(|| RpcError::params(format!("parameter {place}, {name}, is missing")))
    }

    pub(crate) fn text(&self, place: usize, name: &str) -> Result<&str, RpcError> {
        let value = self.need(place, name)?;
        value.as_str().ok_or_else(|| RpcError::params(format!("parameter {place}, {name}, is no text")))
    }

    pub(crate) fn bytes(&self, place: usize, name: &str) -> Result<Vec<u8>, RpcError> {
        bytes_of(self.need(place, name)?, name)
    }

    /// Bytes, or `None` where the parameter is absent.
    pub(crate) fn bytes_if_any(&self, place: usize, name: &str) -> Result<Option<Vec<u8>>, RpcError> {
        self.get(place).map(|value| bytes_of(value, name)).transpose()
    }

    /// Hash of a block, or `None` where the parameter is absent.
    pub(crate) fn block(&self, place: usize) -> Result<Option<Hash>, RpcError> {
        self.get(place).map(|value| hash_of(value, "the hash of a block")).transpose()
    }

    /// The only parameter as an object; absent: an empty one.
    pub(crate) fn object(&self) -> Result<Map<String, Value>, RpcError> {
        match self.get(0) {
            None => Ok(Map::new()),
            Some(Value::Object(object)) => Ok(object.clone()),
            Some(_) => Err(RpcError::params("the parameter is no object")),
        }
    }
}

/// A whole number under `name` of an object, in `range`.
pub(crate) fn number_in(
    object: &Map<String, Value>,
    name: &str,
    range: std::ops::RangeInclusive<u64>,
) -> Result<Option<u64>, RpcError> {
    let Some(value) = object.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
    match value.as_u64() {
        Some(number) if range.contains(&number) => Ok(Some(number)),
        _ => Err(RpcError::params(format!(
            "{name} is {value}, not a whole number from {} to {}",
            range.start(),
            range.end()
        ))),
    }
}

/// A number as clients send it: as such, or in hex with its prefix.
pub(crate) fn block_number(value: &Value) -> Result<u32, RpcError> {
    let number = match value {
        Value::Number(number) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
        Value::String(text) => {
            text.strip_prefix("0x").and_then(|digits| u32::from_str_radix(digits, 16).ok())
        }
        _ => None,
    };
    number.ok_or_else(|| RpcError::params(format!("{value} is not the number of a block")))
}

pub(crate) fn bytes_of(value: &Value, name: &str) -> Result<Vec<u8>, RpcError> {
    let text = value.as_str().ok_or_else(|| RpcError::params(format!("{name} is no text")))?;
    unhex(text).map_err(|error| RpcError::params(format!("{name} is not hex: {error}")))
}

pub(crate) fn hash_of(value: &Value, name: &str) -> Result<Hash, RpcError> {
    let bytes = bytes_of(value, name)?;
    let length = bytes.len();
    let wrong = |_| RpcError::params(format!("{name} has {length} bytes, not 32"));
    Ok(Hash(bytes.try_into().map_err(wrong)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn parameters_that_are_not_there_are_named() {
        let params = Params::of(Some(json!(["0x01", null, 5]))).unwrap();
        assert_eq!(params.bytes(0, "key").unwrap(), [1]);
        assert!(params.block(1).unwrap().is_none());
        for error in [params.text(1, "name").unwrap_err(), params.text(2, "name").unwrap_err()] {
            assert_eq!(error.code, -32602);
            assert!(error.data.unwrap().as_str().unwrap().contains("name"));
        }
        assert_eq!(params.block(0).unwrap_err().code, -32602);
        assert_eq!(Params::of(Some(json!(7))).unwrap_err().code, -32600);
    }

    #[test]
    fn an_object_is_read_with_its_ranges() {
        let object = Params::of(Some(json!({"count": 3}))).unwrap().object().unwrap();
        assert_eq!(number_in(&object, "count", 1..=9).unwrap(), Some(3));
        assert_eq!(number_in(&object, "other", 1..=9).unwrap(), None);
        assert!(number_in(&object, "count", 4..=9).is_err());
        for bad in [json!({"count": -1}), json!({"count": 1.5}), json!({"count": "3"})] {
            let object = Params::of(Some(json!([bad]))).unwrap().object().unwrap();
            assert!(number_in(&object, "count", 1..=9).is_err());
        }
    }

    #[test]
    fn numbers_of_blocks_come_in_two_forms() {
        assert_eq!(block_number(&json!(7)).unwrap(), 7);
        assert_eq!(block_number(&json!("0x1f")).unwrap(), 31);
        for bad in [json!(-1), json!("7"), json!("0x"), json!(4_294_967_296u64), json!([])] {
            assert!(block_number(&bad).is_err(), "{bad}");
        }
    }
}

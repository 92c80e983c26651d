//! `dev_*`: what no real node lets its users do.

use super::{
    Params, RpcError,
    params::{block_number, bytes_of, hash_of, number_in},
    seal_or_say,
};
use crate::{
    chain::{Chain, Seal},
    state::Change,
};
use serde_json::{Value, json};

/// Blocks that one request may ask for.
const MAX_NEW_BLOCKS: u64 = 100_000;
/// The end of the year 9999, in milliseconds.
const MAX_TIME: u64 = 253_402_300_799_999;

/// What `dev_newBlock` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NewBlocks {
    pub(crate) count: u64,
    /// Time of the first of them, at least.
    pub(crate) at_least: Option<u64>,
}

impl NewBlocks {
    pub(crate) fn of(params: &Params) -> Result<Self, RpcError> {
        let object = params.object()?;
        known(&object, &["count", "timestamp"])?;
        Ok(Self {
            count: number_in(&object, "count", 1..=MAX_NEW_BLOCKS)?.unwrap_or(1),
            at_least: number_in(&object, "timestamp", 0..=MAX_TIME)?,
        })
    }
}

/// Answers one of these methods, or `None` where it is another. `dev_newBlock` and `dev_snapshot` take long and are
/// carried out piece by piece by whoever owns the connection.
pub(super) fn answer(chain: &mut Chain, method: &str, params: &Params) -> Result<Option<Value>, RpcError> {
    let answer = match method {
        "dev_setStorage" => {
            chain.set_storage(&changes(params)?)?;
            json!(chain.history().best().hash.to_string())
        }
        "dev_setHead" => {
            let which = params.need(0, "the hash or number of a block")?;
            let hash = match which.as_str() {
                Some(text) if text.len() >= 64 => hash_of(which, "the hash of a block")?,
                _ => {
                    let number = block_number(which)?;
                    let unknown = || RpcError::params(format!("the best chain has no block {number}"));
                    chain.history().hash_at(number).ok_or_else(unknown)?
                }
            };
            chain.set_head(hash)?;
            json!(hash.to_string())
        }
        "dev_reorg" => {
            let object = params.object()?;
            known(&object, &["depth", "blocks"])?;
            let depth = number_in(&object, "depth", 1..=u64::from(u32::MAX >> 1))?.unwrap_or(1);
            let blocks = number_in(&object, "blocks", 1..=u64::from(u32::MAX))?.unwrap_or(depth + 1);
            let narrow = |number| u32::try_from(number).unwrap_or(u32::MAX);
            let head = chain.reorganise(narrow(depth), narrow(blocks))?;
            if chain.habits().seal == Seal::Instant && chain.pool().iter().next().is_some() {
                seal_or_say(chain);
            }
            json!(head.to_string())
        }
        _ => return Ok(None),
    };
    Ok(Some(answer))
}

/// Pairs of a key and a value, or null in place of it.
fn changes(params: &Params) -> Result<Vec<Change>, RpcError> {
    let pairs = params.need(0, "the pairs of key and value")?;
    let pairs = pairs.as_array().ok_or_else(|| RpcError::params("the pairs are no list"))?;
    let pair = |pair: &Value| match pair.as_array().map(Vec::as_slice) {
        Some([key, Value::Null]) => Ok((bytes_of(key, "a key")?, None)),
        Some([key, value]) => Ok((bytes_of(key, "a key")?, Some(bytes_of(value, "a value")?))),
        _ => Err(RpcError::params("a pair is not [key, value] or [key, null]")),
    };
    pairs.iter().map(pair).collect()
}

/// A name that nobody reads is a mistake of the caller, and would silently mean the default.
fn known(object: &serde_json::Map<String, Value>, names: &[&str]) -> Result<(), RpcError> {
    match object.keys().find(|key| !names.contains(&key.as_str())) {
        Some(key) => Err(RpcError::params(format!("{key:?} is none of {}", names.join(", ")))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(value: Value) -> Params {
        Params::of(Some(value)).unwrap()
    }

    #[test]
    fn blocks_are_asked_for_in_either_form() {
        let three = NewBlocks { count: 3, at_least: None };
        assert_eq!(NewBlocks::of(&params(json!([{"count": 3}]))), Ok(three));
        assert_eq!(NewBlocks::of(&params(json!({"count": 3}))), Ok(three));
        assert_eq!(NewBlocks::of(&params(json!([]))), Ok(NewBlocks { count: 1, at_least: None }));
        for bad in [json!([{"count": 0}]), json!([{"count": 100_001}]), json!([{"blocks": 3}]), json!([3])] {
            assert_eq!(NewBlocks::of(&params(bad)).unwrap_err().code, -32602);
        }
    }

    #[test]
    fn storage_is_written_or_removed() {
        let read = changes(&params(json!([[["0x01", "02"], ["0x03", null]]]))).unwrap();
        assert_eq!(read, [(vec![1], Some(vec![2])), (vec![3], None)]);
        for bad in [json!([]), json!(["0x01"]), json!([["0x01"]]), json!([[["0x01"]]]), json!([[[1, 2]]])] {
            assert_eq!(changes(&params(bad)).unwrap_err().code, -32602);
        }
    }
}

//! `state_*`: storage, the runtime's functions, its metadata, at any block whose state is kept.

use super::{
    Params, RpcError,
    params::{bytes_of, hash_of},
};
use crate::{
    chain::Chain,
    executor::RuntimeError,
    state::State,
    text::{Hash, hex0x},
};
use parity_scale_codec::Decode as _;
use serde_json::{Value, json};

/// Keys that are given at once, as nodes do.
const MAX_KEYS: u64 = 1_000;
const METADATA: &str = "Metadata_metadata";

/// Answers one of these methods, or `None` where it is another.
pub(super) fn answer(chain: &mut Chain, method: &str, params: &Params) -> Result<Option<Value>, RpcError> {
    let answer = match method {
        "state_getStorage" | "state_getStorageAt" => {
            let key = params.bytes(0, "the key")?;
            state(chain, params.block(1)?)?.get(&key).map_or(Value::Null, |value| json!(hex0x(value)))
        }
        "state_getStorageHash" | "state_getStorageHashAt" => {
            let key = params.bytes(0, "the key")?;
            let value = state(chain, params.block(1)?)?.get(&key).cloned();
            value.map_or(Value::Null, |value| json!(Hash::of(&value).to_string()))
        }
        "state_getStorageSize" | "state_getStorageSizeAt" => {
            let key = params.bytes(0, "the key")?;
            state(chain, params.block(1)?)?.get(&key).map_or(Value::Null, |value| json!(value.len()))
        }
        "state_queryStorageAt" => query(chain, params)?,
        "state_getKeysPaged" | "state_getKeysPagedAt" => keys(chain, params)?,
        "state_call" | "state_callAt" => {
            let function = params.text(0, "the function")?;
            let parameter = params.bytes(1, "its parameter")?;
            let state = state(chain, params.block(2)?)?;
            json!(hex0x(chain.call(&state, function, &parameter)?.value))
        }
        "state_getMetadata" => {
            let state = state(chain, params.block(0)?)?;
            let outcome = chain.call(&state, METADATA, &[])?;
            let metadata = Vec::<u8>::decode(&mut &*outcome.value).map_err(|_| {
                crate::ChainError::from(RuntimeError::answer(METADATA, &outcome.value, "a text of bytes"))
            })?;
            json!(hex0x(metadata))
        }
        "state_getRuntimeVersion" | "state_getRuntimeVersionAt" | "chain_getRuntimeVersion" => {
            let state = state(chain, params.block(0)?)?;
            chain.version_of(&state)?
        }
        _ => return Ok(None),
    };
    Ok(Some(answer))
}

fn state(chain: &Chain, at: Option<Hash>) -> Result<State, RpcError> {
    Ok(chain.history().state(at.unwrap_or(chain.history().best().hash))?)
}

fn query(chain: &Chain, params: &Params) -> Result<Value, RpcError> {
    let keys = params.need(0, "the keys")?;
    let keys = keys.as_array().ok_or_else(|| RpcError::params("the keys are no list"))?;
    let hash = match params.get(1) {
        Some(hash) => hash_of(hash, "the hash of a block")?,
        None => chain.history().best().hash,
    };
    let state = state(chain, Some(hash))?;
    let change = |key: &Value| {
        let value = state.get(&bytes_of(key, "a key")?).map(hex0x);
        Ok(json!([key, value]))
    };
    let changes = keys.iter().map(change).collect::<Result<Vec<_>, RpcError>>()?;
    Ok(json!([{"block": hash.to_string(), "changes": changes}]))
}

fn keys(chain: &Chain, params: &Params) -> Result<Value, RpcError> {
    let prefix = params.bytes_if_any(0, "the prefix")?.unwrap_or_default();
    let count = params.need(1, "the count")?;
    let count = count.as_u64().ok_or_else(|| RpcError::params("the count is no whole number"))?;
    if count > MAX_KEYS {
        return Err(RpcError::count(count, MAX_KEYS));
    }
    let after = params.bytes_if_any(2, "the key to begin after")?;
    let state = state(chain, params.block(3)?)?;
    let keys = state.keys(&prefix, after.as_deref()).take(usize::try_from(count).unwrap_or(0));
    Ok(json!(keys.map(hex0x).collect::<Vec<_>>()))
}

//! What each JSON-RPC method answers. Knows nothing of sockets.
//!
//! Methods are those that subxt's legacy backend and the Python SDKs of Bittensor call. `chainHead_*` and `archive_*`
//! are not among them, so clients that can choose fall back to these.

mod chain_methods;
mod dev_methods;
mod error;
mod params;
mod state_methods;

pub(crate) use dev_methods::NewBlocks;
pub(crate) use error::RpcError;
pub(crate) use params::Params;

use crate::chain::{Chain, Seal};
use crate::text::Hash;
use serde_json::{Value, json};

/// One question of a client.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// What the answer is to be marked with; absent: none is wanted.
    pub(crate) id: Option<Value>,
    pub(crate) method: String,
    pub(crate) params: Params,
}

impl Request {
    /// Of a JSON value. The error carries the id as far as there is one.
    pub(crate) fn of(value: Value) -> Result<Self, (Value, RpcError)> {
        let Value::Object(mut object) = value else {
            return Err((Value::Null, RpcError::request("a request is an object")));
        };
        let id = object.remove("id");
        let told = id.clone().unwrap_or_default();
        let wrong = |what| (told.clone(), RpcError::request(what));
        if !matches!(id, None | Some(Value::Null | Value::Number(_) | Value::String(_))) {
            return Err((Value::Null, RpcError::request("the id is neither a number nor a text")));
        }
        if object.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
            return Err(wrong("jsonrpc is not \"2.0\""));
        }
        let Some(Value::String(method)) = object.remove("method") else {
            return Err(wrong("the method is missing or no text"));
        };
        let params = Params::of(object.remove("params")).map_err(|error| (told, error))?;
        Ok(Self { id, method, params })
    }
}

/// A response as it is sent.
pub(crate) fn response(id: &Value, result: Result<Value, RpcError>) -> Value {
    match result {
        Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        Err(error) => json!({"jsonrpc": "2.0", "id": id, "error": error.json()}),
    }
}

/// Heads, statuses and versions that clients can follow.
pub(crate) const SUBSCRIPTIONS: [&str; 5] = [
    "author_submitAndWatchExtrinsic",
    "chain_subscribeAllHeads",
    "chain_subscribeFinalizedHeads",
    "chain_subscribeNewHeads",
    "state_subscribeRuntimeVersion",
];

/// How each of them is ended.
pub(crate) const UNSUBSCRIPTIONS: [&str; 5] = [
    "author_unwatchExtrinsic",
    "chain_unsubscribeAllHeads",
    "chain_unsubscribeFinalizedHeads",
    "chain_unsubscribeNewHeads",
    "state_unsubscribeRuntimeVersion",
];

/// Methods that are answered at once. Aliases of older nodes are understood and not listed.
const METHODS: &[&str] = &[
    "account_nextIndex",
    "author_pendingExtrinsics",
    "author_submitExtrinsic",
    "chain_getBlock",
    "chain_getBlockHash",
    "chain_getFinalizedHead",
    "chain_getHead",
    "chain_getHeader",
    "dev_newBlock",
    "dev_reorg",
    "dev_setHead",
    "dev_setStorage",
    "dev_snapshot",
    "rpc_methods",
    "state_call",
    "state_getKeysPaged",
    "state_getMetadata",
    "state_getRuntimeVersion",
    "state_getStorage",
    "state_getStorageAt",
    "state_getStorageHash",
    "state_getStorageSize",
    "state_queryStorageAt",
    "system_accountNextIndex",
    "system_chain",
    "system_chainType",
    "system_health",
    "system_name",
    "system_nodeRoles",
    "system_properties",
    "system_version",
];

/// Answers one question about the chain, or changes it.
pub(crate) fn answer(chain: &mut Chain, method: &str, params: &Params) -> Result<Value, RpcError> {
    match method {
        "rpc_methods" => {
            let mut methods = [METHODS, &SUBSCRIPTIONS, &UNSUBSCRIPTIONS].concat();
            methods.sort_unstable();
            Ok(json!({"methods": methods}))
        }
        "author_submitExtrinsic" => {
            let (hash, _) = submit(chain, params.bytes(0, "the extrinsic")?)?;
            Ok(json!(hash.to_string()))
        }
        _ => {
            let groups = [chain_methods::answer, state_methods::answer, dev_methods::answer];
            for group in groups {
                if let Some(answer) = group(chain, method, params)? {
                    return Ok(answer);
                }
            }
            Err(RpcError::method(method))
        }
    }
}

/// Takes an extrinsic; seals a block for it where the chain does so. `true`: it fitted the next block.
pub(crate) fn submit(chain: &mut Chain, bytes: Vec<u8>) -> Result<(Hash, bool), RpcError> {
    let (hash, ready) = chain.submit(bytes)?;
    if ready && chain.habits().seal == Seal::Instant {
        seal_or_say(chain);
    }
    Ok((hash, ready))
}

/// Seals for what waits. That it fails is no fault of the client, who has its extrinsic in the pool.
fn seal_or_say(chain: &mut Chain) {
    if let Err(error) = chain.seal(None) {
        tracing::error!(target: "grail::devchain", %error, "no block could be sealed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_is_none_is_told_with_its_id() {
        let cases = [
            (json!(5), Value::Null),
            (json!({"id": 5, "method": "a"}), json!(5)),
            (json!({"jsonrpc": "1.0", "id": "x", "method": "a"}), json!("x")),
            (json!({"jsonrpc": "2.0", "id": 5}), json!(5)),
            (json!({"jsonrpc": "2.0", "id": 5, "method": 6}), json!(5)),
            (json!({"jsonrpc": "2.0", "id": 5, "method": "a", "params": 1}), json!(5)),
            (json!({"jsonrpc": "2.0", "id": [5], "method": "a"}), Value::Null),
        ];
        for (value, id) in cases {
            let (told, error) = Request::of(value.clone()).unwrap_err();
            assert_eq!((told, error.code), (id, -32600), "{value}");
        }
    }

    #[test]
    fn lists_of_methods_are_sorted_and_without_doubles() {
        for list in [METHODS, &SUBSCRIPTIONS, &UNSUBSCRIPTIONS] {
            assert!(list.windows(2).all(|pair| pair[0] < pair[1]), "{list:?}");
        }
    }
}

//! `chain_*`, `system_*`, and what waits in the pool.

use super::{Params, RpcError, params::block_number};
use crate::{
    chain::Chain,
    text::{Hash, hex0x},
};
use serde_json::{Value, json};

/// Answers one of these methods, or `None` where it is another.
pub(super) fn answer(chain: &mut Chain, method: &str, params: &Params) -> Result<Option<Value>, RpcError> {
    let answer = match method {
        "chain_getHead" => json!(chain.history().best().hash.to_string()),
        "chain_getFinalizedHead" | "chain_getFinalisedHead" => {
            json!(chain.history().finalized().to_string())
        }
        "chain_getBlockHash" => block_hash(chain, params.get(0))?,
        "chain_getHeader" => {
            let hash = params.block(0)?.unwrap_or(chain.history().best().hash);
            chain.history().block(hash).map_or(Value::Null, |block| block.notice.header.clone())
        }
        "chain_getBlock" => {
            let hash = params.block(0)?.unwrap_or(chain.history().best().hash);
            chain.history().block(hash).map_or(Value::Null, |block| {
                let extrinsics: Vec<String> = block.extrinsics.iter().map(hex0x).collect();
                json!({
                    "block": {"header": block.notice.header, "extrinsics": extrinsics},
                    "justifications": null,
                })
            })
        }
        "author_pendingExtrinsics" => {
            json!(chain.pool().iter().map(|one| hex0x(&one.bytes)).collect::<Vec<_>>())
        }
        "system_accountNextIndex" | "account_nextIndex" => {
            let account = account(params.text(0, "the account")?)?;
            json!(chain.next_index(&account)?)
        }
        "system_chain" => json!(chain.about().name),
        "system_chainType" => chain.about().kind.clone(),
        "system_properties" => chain.about().properties.clone(),
        "system_name" => json!("grail-devchain"),
        "system_version" => json!(env!("CARGO_PKG_VERSION")),
        "system_nodeRoles" => json!(["Authority"]),
        "system_health" => json!({"peers": 0, "isSyncing": false, "shouldHavePeers": false}),
        _ => return Ok(None),
    };
    Ok(Some(answer))
}

/// Hash of a block by its number, of the best one without, of several in a list.
fn block_hash(chain: &Chain, which: Option<&Value>) -> Result<Value, RpcError> {
    let hash = |hash: Option<Hash>| hash.map_or(Value::Null, |hash| json!(hash.to_string()));
    match which {
        None => Ok(hash(Some(chain.history().best().hash))),
        Some(Value::Array(numbers)) => {
            let one = |number| Ok(hash(chain.history().hash_at(block_number(number)?)));
            Ok(Value::Array(numbers.iter().map(one).collect::<Result<_, RpcError>>()?))
        }
        Some(number) => Ok(hash(chain.history().hash_at(block_number(number)?))),
    }
}

/// An account as an SS58 address of any network, or as 32 bytes in hex.
fn account(text: &str) -> Result<[u8; 32], RpcError> {
    let wrong = || RpcError::params(format!("{:?} is no account", text.chars().take(80).collect::<String>()));
    let bytes = match smoldot::identity::ss58::decode(text) {
        Ok(address) => address.public_key.as_ref().to_vec(),
        Err(_) => crate::text::unhex(text).map_err(|_| wrong())?,
    };
    bytes.try_into().map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_two_forms() {
        let alice = account("5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY").unwrap();
        assert_eq!(account(&hex0x(alice)).unwrap(), alice);
        for bad in ["", "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQZ", "0x00", "alice"] {
            assert_eq!(account(bad).unwrap_err().code, -32602, "{bad}");
        }
    }
}

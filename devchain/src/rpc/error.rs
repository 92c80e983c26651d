//! Errors as JSON-RPC tells them, with the codes that nodes of Substrate use.

use crate::{
    chain::{
        ChainError, SubmitError,
        pool::{Refusal, Unfit},
    },
    error::DevchainError,
    snapshot::SnapshotError,
};
use serde_json::{Value, json};

/// An error that is sent to the client.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RpcError {
    pub(crate) code: i32,
    pub(crate) message: String,
    pub(crate) data: Option<Value>,
}

impl RpcError {
    fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    fn with(code: i32, message: impl Into<String>, data: impl Into<Value>) -> Self {
        Self { code, message: message.into(), data: Some(data.into()) }
    }

    /// The text is not JSON.
    pub(crate) fn parse(error: &serde_json::Error) -> Self {
        Self::with(-32700, "Parse error", error.to_string())
    }

    /// The JSON is not a request.
    pub(crate) fn request(what: &str) -> Self {
        Self::with(-32600, "Invalid request", what)
    }

    /// There is no such method.
    pub(crate) fn method(name: &str) -> Self {
        let name: String = name.chars().take(80).collect();
        Self::with(-32601, "Method not found", format!("{name}; rpc_methods lists what there is"))
    }

    /// A parameter is missing or of the wrong kind.
    pub(crate) fn params(what: impl Into<String>) -> Self {
        Self::with(-32602, "Invalid params", what.into())
    }

    /// More is asked for than is given.
    pub(crate) fn limit(what: impl Into<String>) -> Self {
        Self::new(-32005, what)
    }

    /// More storage keys are asked for than are given at once.
    pub(crate) fn count(value: u64, most: u64) -> Self {
        Self::new(4002, format!("count exceeds maximum value. value: {value}, max: {most}"))
    }

    /// The node itself failed.
    pub(crate) fn internal(what: impl Into<String>) -> Self {
        Self::with(-32603, "Internal error", what.into())
    }

    /// As part of a response.
    pub(crate) fn json(&self) -> Value {
        match &self.data {
            Some(data) => json!({"code": self.code, "message": self.message, "data": data}),
            None => json!({"code": self.code, "message": self.message}),
        }
    }
}

impl From<ChainError> for RpcError {
    fn from(error: ChainError) -> Self {
        let text = chain_of(&error);
        match error {
            ChainError::NoSuchBlock { .. } | ChainError::Discarded { .. } => {
                Self::new(4003, format!("Client error: UnknownBlock: {text}"))
            }
            ChainError::Runtime(_) => Self::new(4003, format!("Client error: Execution failed: {text}")),
            ChainError::Fork { .. } => Self::params(text),
            ChainError::Spec(_) | ChainError::Inherent { .. } => Self::internal(text),
        }
    }
}

impl From<SubmitError> for RpcError {
    fn from(error: SubmitError) -> Self {
        let refusal = match error {
            SubmitError::Format { bytes } => {
                let words = "Extrinsic has invalid format: its length is not the one it begins with";
                return Self::with(1001, words, format!("{bytes} bytes"));
            }
            SubmitError::Chain(error) => {
                let text = chain_of(&error);
                return Self::with(1002, "Verification Error: the runtime did not answer", text);
            }
            SubmitError::Refused(refusal) => refusal,
        };
        match refusal {
            Refusal::Unfit(Unfit::Invalid(reason)) => Self::with(1010, "Invalid Transaction", reason.words()),
            Refusal::Unfit(Unfit::Unknown(reason)) => {
                Self::with(1011, "Unknown Transaction Validity", format!("{reason:?}"))
            }
            Refusal::AlreadyThere(hash) => {
                Self::with(1013, "Transaction Already Imported", format!("{hash:?}"))
            }
            Refusal::LowPriority { old, new } => Self::with(
                1014,
                format!("Priority is too low: ({old} vs {new})"),
                "The transaction has too low priority to replace another transaction already in the pool.",
            ),
            Refusal::Full => Self::with(
                1016,
                "Immediately Dropped",
                "The transaction couldn't enter the pool because of the limit",
            ),
            Refusal::NoTags => Self::with(
                1019,
                "No tags provided",
                "Transaction does not provide any tags, so the pool can't identify it",
            ),
        }
    }
}

impl From<SnapshotError> for RpcError {
    fn from(error: SnapshotError) -> Self {
        Self::with(-32000, "No snapshot was written", chain_of(&error))
    }
}

impl From<DevchainError> for RpcError {
    fn from(error: DevchainError) -> Self {
        match error {
            DevchainError::Chain(error) => error.into(),
            DevchainError::Snapshot(error) => error.into(),
            DevchainError::Listen { .. } | DevchainError::Thread(_) | DevchainError::Gone => {
                Self::internal(chain_of(&error))
            }
        }
    }
}

/// An error with its causes.
fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut at = error.source();
    while let Some(cause) = at {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        at = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{chain::pool::Invalid, text::Hash};

    #[test]
    fn the_pool_speaks_as_a_node_does() {
        let refused = |reason| RpcError::from(SubmitError::Refused(reason)).json();
        assert_eq!(
            refused(Refusal::Unfit(Unfit::Invalid(Invalid::Custom(1)))),
            json!({"code": 1010, "message": "Invalid Transaction", "data": "Custom error: 1"})
        );
        assert_eq!(
            refused(Refusal::Unfit(Unfit::Invalid(Invalid::Stale)))["data"],
            "Transaction is outdated"
        );
        assert_eq!(refused(Refusal::LowPriority { old: 2, new: 1 })["code"], 1014);
        assert_eq!(refused(Refusal::AlreadyThere(Hash([1; 32])))["code"], 1013);
    }

    #[test]
    fn a_state_that_is_gone_is_told_as_nodes_tell_it() {
        let error = RpcError::from(ChainError::Discarded { hash: Hash([0; 32]) });
        let expected = format!("Client error: UnknownBlock: State already discarded for {}", Hash([0; 32]));
        assert_eq!((error.code, error.message), (4003, expected));
    }
}

//! One call into a runtime: its code in smoldot's interpreter, its questions about storage answered from a [`State`].

use crate::state::{CODE, Change, HEAP_PAGES, State};
use crate::text::hex0x;
use serde_json::{Value, json};
use smoldot::executor::{
    CoreVersionRef, host,
    runtime_call::{self, LogEmitInfo, OffchainContext, RuntimeCall, StorageProofSizeBehavior},
    storage_diff::TrieDiff,
    storage_heap_pages_to_value, vm,
};
use smoldot::trie::{Nibble, TrieEntryVersion, bytes_to_nibbles, nibbles_to_bytes_suffix_extend};
use std::{iter, sync::Arc};

/// Runtimes that are kept ready. More than one is needed only around an upgrade.
const KEPT_MACHINES: usize = 3;
/// Words of a runtime that are kept for the error of a call, in bytes.
const MAX_WORDS: usize = 4 << 10;
/// What a runtime may say: errors and warnings.
const LOG_LEVEL: u32 = 2;

/// Why a call into the runtime gave no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// The state has no `:code`.
    #[error("the state has no runtime: its item `:code` is absent")]
    NoCode,
    /// `:heappages` is not what it should be.
    #[error("the item `:heappages` of the state is not a number of pages: {detail}")]
    HeapPages {
        /// What the executor says.
        detail: String,
    },
    /// The code is not a runtime that can be executed.
    #[error("the runtime's code of {bytes} bytes cannot be loaded: {detail}")]
    Code {
        /// Bytes of the code as stored.
        bytes: usize,
        /// What the executor says.
        detail: String,
    },
    /// The function is not there, or cannot be called.
    #[error("the runtime has no function {function} that can be called: {detail}")]
    Start {
        /// Name of the function.
        function: String,
        /// What the executor says.
        detail: String,
    },
    /// The function stopped half-way.
    #[error("the runtime failed in {function}: {detail}{words}")]
    Trap {
        /// Name of the function.
        function: String,
        /// What the executor says.
        detail: String,
        /// What the runtime logged on the way, empty or beginning with a line break.
        words: String,
    },
    /// The function asked for something that only an offchain worker has.
    #[error("{function} needs an offchain worker, which a devchain has not")]
    Offchain {
        /// Name of the function.
        function: String,
    },
    /// The function's answer is not what such a function answers.
    #[error("{function} answered {answer}, which is not {expected}")]
    Answer {
        /// Name of the function.
        function: String,
        /// First bytes of the answer, in hex.
        answer: String,
        /// What was expected, in words.
        expected: &'static str,
    },
}

impl RuntimeError {
    pub(crate) fn answer(function: &str, answer: &[u8], expected: &'static str) -> Self {
        let answer = hex0x(answer.get(..32).unwrap_or(answer));
        Self::Answer { function: function.to_owned(), answer, expected }
    }
}

/// What a call gave.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The answer, SCALE-encoded.
    pub(crate) value: Vec<u8>,
    /// What it changed in storage; not applied to anything.
    pub(crate) changes: Vec<Change>,
}

/// The runtimes in use, the last used first.
#[derive(Debug, Default)]
pub(crate) struct Machines(Vec<Machine>);

impl Machines {
    /// Calls a function of the runtime that `state` holds.
    pub(crate) fn call(
        &mut self,
        state: &State,
        function: &str,
        parameter: &[u8],
    ) -> Result<Outcome, RuntimeError> {
        self.of(state)?.call(state, function, parameter)
    }

    /// What the runtime of `state` says about itself.
    pub(crate) fn version(&mut self, state: &State) -> Result<Value, RuntimeError> {
        Ok(self.of(state)?.version.clone())
    }

    fn of(&mut self, state: &State) -> Result<&mut Machine, RuntimeError> {
        let code = state.get(CODE).ok_or(RuntimeError::NoCode)?;
        let same = |machine: &Machine| Arc::ptr_eq(&machine.code, code) || machine.code == *code;
        match self.0.iter().position(same) {
            Some(place) => {
                let machine = self.0.remove(place);
                self.0.insert(0, machine);
            }
            None => {
                self.0.insert(0, Machine::new(code.clone(), state.get(HEAP_PAGES).map(|value| &**value))?);
                self.0.truncate(KEPT_MACHINES);
            }
        }
        self.0.first_mut().ok_or(RuntimeError::NoCode)
    }
}

/// One runtime, ready to be called.
struct Machine {
    code: Arc<[u8]>,
    heap_pages: vm::HeapPages,
    version: Value,
    /// Absent only while a call runs, or after one that did not come back.
    prototype: Option<host::HostVmPrototype>,
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Machine").field("version", &self.version).finish_non_exhaustive()
    }
}

impl Machine {
    fn new(code: Arc<[u8]>, heap_pages: Option<&[u8]>) -> Result<Self, RuntimeError> {
        let heap_pages = storage_heap_pages_to_value(heap_pages)
            .map_err(|error| RuntimeError::HeapPages { detail: error.to_string() })?;
        let prototype = load(&code, heap_pages)?;
        let version = version_json(prototype.runtime_version().decode());
        Ok(Self { code, heap_pages, version, prototype: Some(prototype) })
    }

    fn call(&mut self, state: &State, function: &str, parameter: &[u8]) -> Result<Outcome, RuntimeError> {
        let prototype = match self.prototype.take() {
            Some(prototype) => prototype,
            None => load(&self.code, self.heap_pages)?,
        };
        let started = runtime_call::run(runtime_call::Config {
            virtual_machine: prototype,
            function_to_call: function,
            parameter: iter::once(parameter),
            storage_main_trie_changes: TrieDiff::empty(),
            storage_proof_size_behavior: StorageProofSizeBehavior::ConstantReturnValue(0),
            max_log_level: LOG_LEVEL,
            calculate_trie_changes: false,
        });
        let mut running = match started {
            Ok(running) => running,
            Err((error, prototype)) => {
                self.prototype = Some(prototype);
                return Err(RuntimeError::Start { function: function.to_owned(), detail: error.to_string() });
            }
        };
        let mut words = String::new();
        loop {
            running = match running {
                RuntimeCall::Finished(Ok(success)) => {
                    let value = success.virtual_machine.value().as_ref().to_vec();
                    self.prototype = Some(success.virtual_machine.into_prototype());
                    let changes = success.storage_changes.into_main_trie_diff().diff_into_iter_unordered();
                    let changes = changes.map(|(key, value, ())| (key, value)).collect();
                    return Ok(Outcome { value, changes });
                }
                RuntimeCall::Finished(Err(error)) => {
                    let detail = error.detail.to_string();
                    self.prototype = Some(error.prototype);
                    return Err(RuntimeError::Trap { function: function.to_owned(), detail, words });
                }
                RuntimeCall::StorageGet(ask) => {
                    // Child tries are always empty: no pallet that a subnet uses has one.
                    let value = match ask.child_trie().is_some() {
                        true => None,
                        false => state.get(ask.key().as_ref()).cloned(),
                    };
                    ask.inject_value(value.map(|value| (iter::once(value), TrieEntryVersion::V1)))
                }
                RuntimeCall::NextKey(ask) => answer_next_key(ask, state),
                // Merkle values are not kept; the roots that come of it are not the trie's.
                RuntimeCall::ClosestDescendantMerkleValue(ask) => ask.resume_unknown(),
                RuntimeCall::SignatureVerification(ask) => ask.verify_and_resume(),
                RuntimeCall::LogEmit(log) => {
                    if let LogEmitInfo::Log { target, message, .. } = log.info() {
                        let (target, message) = (target.to_string(), message.to_string());
                        tracing::debug!(target: "grail::devchain::runtime", %target, "{message}");
                        if words.len() < MAX_WORDS {
                            words.push_str("\n  ");
                            words.extend(message.chars().take(MAX_WORDS - words.len()));
                        }
                    }
                    log.resume()
                }
                RuntimeCall::OffchainStorageSet(set) => set.resume(),
                RuntimeCall::Offchain(asked) => {
                    self.prototype = Some(OffchainContext::into_prototype(asked));
                    return Err(RuntimeError::Offchain { function: function.to_owned() });
                }
            };
        }
    }
}

fn load(code: &[u8], heap_pages: vm::HeapPages) -> Result<host::HostVmPrototype, RuntimeError> {
    host::HostVmPrototype::new(host::Config {
        module: code,
        heap_pages,
        exec_hint: vm::ExecHint::ForceWasmi { lazy_validation: true },
        // Runtimes import curve functions that only their own node has; they fail when called, not before.
        allow_unresolved_imports: true,
    })
    .map_err(|error| RuntimeError::Code { bytes: code.len(), detail: error.to_string() })
}

fn answer_next_key(ask: runtime_call::NextKey, state: &State) -> RuntimeCall {
    // Branch nodes are asked for where a root is computed, which is not done here.
    if ask.branch_nodes() || ask.child_trie().is_some() {
        return ask.inject_key(None::<iter::Empty<Nibble>>);
    }
    let key: Vec<u8> = nibbles_to_bytes_suffix_extend(ask.key()).collect();
    let prefix: Vec<u8> = nibbles_to_bytes_suffix_extend(ask.prefix()).collect();
    let next = state.next_key(&key, ask.or_equal()).filter(|next| next.starts_with(&prefix));
    ask.inject_key(next.map(|next| bytes_to_nibbles(next.iter().copied())))
}

/// As `state_getRuntimeVersion` tells it.
fn version_json(version: CoreVersionRef<'_>) -> Value {
    let apis: Vec<Value> =
        version.apis.clone().map(|api| json!([hex0x(api.name_hash), api.version])).collect();
    json!({
        "specName": version.spec_name,
        "implName": version.impl_name,
        "authoringVersion": version.authoring_version,
        "specVersion": version.spec_version,
        "implVersion": version.impl_version,
        "transactionVersion": version.transaction_version.unwrap_or(1),
        "stateVersion": u8::from(matches!(version.state_version, Some(TrieEntryVersion::V1))),
        "apis": apis,
    })
}

//! Chain specs, plain and raw, and how they become the state of a genesis block.
//!
//! A raw spec lists every storage item. A plain one holds the runtime's code and a patch: the runtime itself gives a
//! preset, the patch is merged over it, and the runtime turns the result into storage.

use crate::{
    executor::{Machines, RuntimeError},
    state::{CODE, State},
    text::unhex,
};
use parity_scale_codec::{Decode as _, Encode as _};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

/// A spec file is at most so large. Those of public networks with their genesis have some tens of megabytes.
pub const MAX_SPEC_BYTES: u64 = 64 << 20;

const GET_PRESET: &str = "GenesisBuilder_get_preset";
const BUILD_STATE: &str = "GenesisBuilder_build_state";

/// Why a chain spec cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// The file cannot be read.
    #[error("cannot read the chain spec {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is far larger than a spec.
    #[error("{} has more than {MAX_SPEC_BYTES} bytes, which no chain spec has", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The text is not a chain spec.
    #[error("this is not a chain spec in JSON")]
    Json(#[from] serde_json::Error),
    /// There is no genesis in it that could be used.
    #[error(
        "the chain spec has neither genesis.raw nor genesis.runtimeGenesis; the older form genesis.runtime must be \
         made raw by the node that wrote it (`build-spec --raw`)"
    )]
    NoGenesis,
    /// Child tries are not supported.
    #[error("the chain spec has child tries (genesis.raw.childrenDefault), which a devchain does not keep")]
    ChildTries,
    /// A text in it is not hex.
    #[error("{place} of the chain spec is not hex")]
    Hex {
        /// Where in the file.
        place: String,
        /// What is wrong with it.
        source: hex::FromHexError,
    },
    /// A number in the genesis that this program would not hand on unchanged.
    #[error(
        "the genesis holds the number {number} at {place}, a fraction or beyond 64 bits; make the spec raw with the \
         node that wrote it (`build-spec --raw`)"
    )]
    Number {
        /// The number as it was read.
        number: String,
        /// Where it stands.
        place: String,
    },
    /// The runtime failed while it made the genesis.
    #[error("the runtime of the chain spec cannot make its genesis")]
    Runtime(#[from] RuntimeError),
    /// The runtime does not like the configuration.
    #[error("the runtime refuses the genesis of the chain spec: {message}")]
    Refused {
        /// What it says.
        message: String,
    },
}

/// What a chain tells clients about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct About {
    /// Name, as `system_chain` answers it.
    pub(crate) name: String,
    /// Short name.
    pub(crate) id: String,
    /// As `system_chainType` answers it.
    pub(crate) kind: Value,
    /// As `system_properties` answers it.
    pub(crate) properties: Value,
}

/// A spec that was read and is well-formed.
#[derive(Debug)]
pub(crate) struct Spec {
    pub(crate) about: About,
    genesis: Genesis,
}

#[derive(Debug)]
enum Genesis {
    Raw(State),
    Patch { code: Vec<u8>, patch: Value },
    Whole { code: Vec<u8>, config: Value },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SpecFile {
    name: String,
    id: String,
    #[serde(default)]
    chain_type: Value,
    #[serde(default)]
    properties: Value,
    genesis: GenesisFile,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GenesisFile {
    raw: Option<RawFile>,
    runtime_genesis: Option<PlainFile>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawFile {
    top: BTreeMap<String, String>,
    #[serde(default)]
    children_default: Map<String, Value>,
}

#[derive(Deserialize)]
struct PlainFile {
    code: String,
    patch: Option<Value>,
    config: Option<Value>,
}

impl Spec {
    /// Reads a spec from a file of bounded size.
    pub(crate) fn read(path: &Path) -> Result<Self, SpecError> {
        let read = || -> io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            File::open(path)?.take(MAX_SPEC_BYTES + 1).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().map_err(|source| SpecError::Read { path: path.to_owned(), source })?;
        if bytes.len() as u64 > MAX_SPEC_BYTES {
            return Err(SpecError::TooLarge { path: path.to_owned() });
        }
        Self::parse(&bytes)
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, SpecError> {
        let file: SpecFile = serde_json::from_slice(bytes)?;
        let about = About {
            name: file.name,
            id: file.id,
            kind: if file.chain_type.is_null() { json!("Development") } else { file.chain_type },
            properties: if file.properties.is_object() { file.properties } else { json!({}) },
        };
        let genesis = match (file.genesis.raw, file.genesis.runtime_genesis) {
            (Some(raw), _) => raw_genesis(&raw)?,
            (None, Some(plain)) => {
                let code = decode("genesis.runtimeGenesis.code", &plain.code)?;
                match (plain.config, plain.patch) {
                    (Some(config), _) => Genesis::Whole { code, config },
                    (None, patch) => Genesis::Patch { code, patch: patch.unwrap_or_else(|| json!({})) },
                }
            }
            (None, None) => return Err(SpecError::NoGenesis),
        };
        Ok(Self { about, genesis })
    }

    /// Every storage item of the genesis block. Executes the runtime where the spec is plain.
    pub(crate) fn state(self, machines: &mut Machines) -> Result<State, SpecError> {
        let (code, config) = match self.genesis {
            Genesis::Raw(state) => return Ok(state),
            Genesis::Whole { code, config } => (code, config),
            Genesis::Patch { code, patch } => {
                let mut config = preset(machines, &code)?;
                merge(&mut config, patch);
                (code, config)
            }
        };
        no_lossy_numbers(&config, "genesis")?;
        let bare = bare(&code);
        let outcome = machines.call(&bare, BUILD_STATE, &config.to_string().encode())?;
        match Result::<(), String>::decode(&mut &*outcome.value) {
            Ok(Ok(())) => {}
            Ok(Err(message)) => return Err(SpecError::Refused { message }),
            Err(_) => {
                return Err(RuntimeError::answer(BUILD_STATE, &outcome.value, "a result").into());
            }
        }
        let mut state = bare;
        state.apply(&outcome.changes);
        Ok(state)
    }
}

/// A state that holds a runtime and nothing else.
fn bare(code: &[u8]) -> State {
    [(CODE.to_vec(), code.to_vec())].into_iter().collect()
}

/// What the runtime itself takes for a genesis where nobody says more.
fn preset(machines: &mut Machines, code: &[u8]) -> Result<Value, SpecError> {
    let outcome = machines.call(&bare(code), GET_PRESET, &None::<String>.encode())?;
    let unlike = || RuntimeError::answer(GET_PRESET, &outcome.value, "an optional text in JSON");
    let text = Option::<Vec<u8>>::decode(&mut &*outcome.value).map_err(|_| unlike())?;
    match text {
        Some(text) => serde_json::from_slice(&text).map_err(|_| unlike().into()),
        None => Ok(json!({})),
    }
}

/// Lays `patch` over `base`: objects are merged, everything else is replaced, null removes.
fn merge(base: &mut Value, patch: Value) {
    match (base, patch) {
        (Value::Object(base), Value::Object(patch)) => {
            for (key, value) in patch {
                if value.is_null() {
                    base.remove(&key);
                } else {
                    merge(base.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (base, patch) => *base = patch,
    }
}

/// Numbers beyond 64 bits are read as fractions, silently: better refused than another genesis made.
fn no_lossy_numbers(value: &Value, place: &str) -> Result<(), SpecError> {
    match value {
        Value::Number(number) if number.is_f64() => {
            Err(SpecError::Number { number: number.to_string(), place: place.to_owned() })
        }
        Value::Array(items) => {
            items.iter().try_for_each(|item| no_lossy_numbers(item, &format!("{place}[]")))
        }
        Value::Object(items) => {
            items.iter().try_for_each(|(key, item)| no_lossy_numbers(item, &format!("{place}.{key}")))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

fn raw_genesis(raw: &RawFile) -> Result<Genesis, SpecError> {
    if !raw.children_default.is_empty() {
        return Err(SpecError::ChildTries);
    }
    let item = |(key, value): (&String, &String)| {
        Ok((decode("a key of genesis.raw.top", key)?, decode(&format!("genesis.raw.top.{key}"), value)?))
    };
    Ok(Genesis::Raw(raw.top.iter().map(item).collect::<Result<State, SpecError>>()?))
}

fn decode(place: &str, text: &str) -> Result<Vec<u8>, SpecError> {
    unhex(text).map_err(|source| SpecError::Hex { place: place.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(genesis: &Value) -> Vec<u8> {
        json!({"name": "A", "id": "a", "genesis": genesis}).to_string().into_bytes()
    }

    #[track_caller]
    fn refused(bytes: &[u8], expected: &str) {
        let error = Spec::parse(bytes).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }

    #[test]
    fn a_raw_spec_is_its_items() {
        let bytes = spec(&json!({"raw": {"top": {"0x01": "0xff", "02": "0x"}, "childrenDefault": {}}}));
        let spec = Spec::parse(&bytes).unwrap();
        assert_eq!(spec.about.kind, "Development");
        let state = spec.state(&mut Machines::default()).unwrap();
        assert_eq!(state.iter().collect::<Vec<_>>(), [(&[1][..], &[255][..]), (&[2], &[])]);
    }

    #[test]
    fn what_is_no_spec_is_named() {
        refused(b"{", "not a chain spec");
        refused(b"{\"name\": \"A\"}", "not a chain spec");
        refused(&spec(&json!({})), "neither genesis.raw nor genesis.runtimeGenesis");
        refused(&spec(&json!({"raw": {"top": {"0x1": "0x"}}})), "a key of genesis.raw.top");
        refused(&spec(&json!({"raw": {"top": {"0x11": "0xg0"}}})), "genesis.raw.top.0x11");
        refused(&spec(&json!({"raw": {"top": {}, "childrenDefault": {"0x": {}}}})), "child tries");
        refused(&spec(&json!({"runtimeGenesis": {"code": "zz"}})), "genesis.runtimeGenesis.code");
    }

    #[test]
    fn code_that_is_no_runtime_is_an_error() {
        let bytes = spec(&json!({"runtimeGenesis": {"code": "0x0011", "patch": {}}}));
        let error = Spec::parse(&bytes).unwrap().state(&mut Machines::default()).unwrap_err();
        assert!(matches!(error, SpecError::Runtime(RuntimeError::Code { bytes: 2, .. })), "{error:?}");
    }

    #[test]
    fn a_patch_is_laid_over_the_preset() {
        let mut base = json!({"a": {"b": 1, "c": [1, 2]}, "d": 4});
        merge(&mut base, json!({"a": {"c": [3], "e": {"f": 1}}, "d": null}));
        assert_eq!(base, json!({"a": {"b": 1, "c": [3], "e": {"f": 1}}}));
    }

    #[test]
    fn numbers_that_would_change_are_refused() {
        let config: Value = serde_json::from_str("{\"a\": [{\"b\": 100000000000000000000}]}").unwrap();
        let error = no_lossy_numbers(&config, "genesis").unwrap_err();
        assert!(error.to_string().contains("genesis.a[].b"), "{error}");
        assert!(no_lossy_numbers(&json!([u64::MAX, -1]), "genesis").is_ok());
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = Spec::read(Path::new("no/such/spec.json")).unwrap_err();
        assert!(error.to_string().contains("no/such/spec.json"), "{error}");
    }
}

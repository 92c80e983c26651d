//! What this crate needs of a runtime, held against its metadata by name before anything is read or written.
//!
//! Storage that every read rests on must be there in the shape that is stated, or the runtime is refused. Everything
//! else that is missing or differs becomes a [`SurfacePart`] with what is not possible without it, and only that is
//! refused when it is asked for.

use crate::{
    commitment, errors,
    keys::{Item, KeyHasher, LOOSE, SURFACE},
};
use scale_info::{PortableRegistry, TypeDef, form::PortableForm};
use std::fmt::{self, Write as _};
use subxt::{Metadata, metadata::StorageHasher};

/// What kind of thing a part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartKind {
    /// An item of storage.
    Storage,
    /// A call that is written.
    Call,
    /// A constant of a pallet.
    Constant,
    /// An error that decides what is done next.
    Error,
    /// An event that says what became of a transaction.
    Event,
    /// A method of a runtime API.
    Api,
    /// A signed extension that puts bytes into a transaction.
    Extension,
}

impl fmt::Display for PartKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Storage => "storage",
            Self::Call => "the call",
            Self::Constant => "the constant",
            Self::Error => "the error",
            Self::Event => "the event",
            Self::Api => "the runtime API",
            Self::Extension => "the signed extension",
        })
    }
}

/// How a runtime has a part.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum PartState {
    /// As this build knows it.
    Present,
    /// Not there, as in some runtimes that this build knows; it does without.
    Absent,
    /// Not there, although every known runtime has it.
    Missing,
    /// There in another form.
    Differs {
        /// What differs.
        how: String,
    },
}

/// One part of a runtime that this build reads or writes.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SurfacePart {
    /// What it is.
    pub kind: PartKind,
    /// Pallet and name, as in the metadata.
    pub name: String,
    /// How the runtime has it.
    #[serde(flatten)]
    pub state: PartState,
    /// What is not possible without it.
    pub without: &'static str,
    /// Whether nothing at all can be read without it.
    pub vital: bool,
}

impl SurfacePart {
    /// Whether an operator should be told: it is missing where every runtime has it, or differs.
    pub fn is_trouble(&self) -> bool {
        matches!(self.state, PartState::Missing | PartState::Differs { .. })
    }
}

impl fmt::Display for SurfacePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, name, .. } = self;
        match &self.state {
            PartState::Present => write!(f, "{kind} {name} is as known"),
            PartState::Absent => write!(f, "{kind} {name} is not in this runtime: {}", self.without),
            PartState::Missing => write!(f, "{kind} {name} is missing: {}", self.without),
            PartState::Differs { how } => write!(f, "{kind} {name} {how}: {}", self.without),
        }
    }
}

/// A call that is written here.
struct Written {
    pallet: &'static str,
    name: &'static str,
    arguments: &'static [&'static str],
    everywhere: bool,
    without: &'static str,
}

const fn written(name: &'static str, arguments: &'static [&'static str], everywhere: bool) -> Written {
    Written {
        pallet: "SubtensorModule",
        name,
        arguments,
        everywhere,
        without: "weights cannot be set in this way",
    }
}

const CALLS: &[Written] = &[
    Written {
        pallet: "Commitments",
        name: "set_commitment",
        arguments: &["netuid", "info"],
        everywhere: true,
        without: "read credentials cannot be published",
    },
    written("set_weights", &["netuid", "dests", "weights", "version_key"], true),
    written("set_mechanism_weights", &["netuid", "mecid", "dests", "weights", "version_key"], false),
    written("commit_crv3_weights", &["netuid", "commit", "reveal_round"], false),
    written(
        "commit_timelocked_weights",
        &["netuid", "commit", "reveal_round", "commit_reveal_version"],
        false,
    ),
    written(
        "commit_timelocked_mechanism_weights",
        &["netuid", "mecid", "commit", "reveal_round", "commit_reveal_version"],
        false,
    ),
];

/// Pallet and name of every call that is written, with its arguments.
pub fn calls() -> impl Iterator<Item = (String, &'static [&'static str])> {
    CALLS.iter().map(|call| (format!("{}.{}", call.pallet, call.name), call.arguments))
}

/// Constants: pallet, name, shape, whether every runtime has it, and what is done without.
const CONSTANTS: &[(&str, &str, &str, bool, &str)] = &[
    ("System", "SS58Prefix", "u16", true, "addresses are written with prefix 42"),
    ("SubtensorModule", "MaxTempo", "u16", false, "an epoch counts as forced after 50,400 blocks"),
];

/// Events: pallet, name, and a field that must be there.
const EVENTS: &[(&str, &str, &str)] =
    &[("System", "ExtrinsicSuccess", "dispatch_info"), ("System", "ExtrinsicFailed", "dispatch_error")];

/// Methods of runtime APIs: trait, method, and what is done without.
const APIS: &[(&str, &str, &str)] = &[
    (STAKE_API.0, STAKE_API.1, "stake is that in the subnet's own token, from storage"),
    (CHECK_API.0, CHECK_API.1, "transactions are sent without the node's check beforehand"),
];

/// The API that knows the whole subnet with everybody's stake.
pub(crate) const STAKE_API: (&str, &str) = ("SubnetInfoRuntimeApi", "get_subnet_state");

/// The pool's own check of a transaction.
pub(crate) const CHECK_API: (&str, &str) = ("TaggedTransactionQueue", "validate_transaction");

/// Signed extensions whose bytes are written here; others must have none.
const EXTENSIONS: &[&str] = &[
    "CheckSpecVersion",
    "CheckTxVersion",
    "CheckGenesis",
    "CheckMortality",
    "CheckEra",
    "CheckNonce",
    "ChargeTransactionPayment",
    "ChargeAssetTxPayment",
    "ChargeTransactionPaymentWrapper",
    "CheckMetadataHash",
    "VerifyMultiSignature",
];

/// Everything that is read and written, with how these metadata have it.
pub(crate) fn survey(metadata: &Metadata) -> Vec<SurfacePart> {
    let mut parts: Vec<SurfacePart> = SURFACE.iter().map(|item| storage(metadata, item)).collect();
    parts.extend(LOOSE.iter().map(|item| {
        let pallet = metadata.pallet_by_name(item.pallet);
        let entry = pallet.and_then(|pallet| pallet.storage()?.entry_by_name(item.name));
        let state = match entry {
            None => PartState::Absent,
            Some(entry) if entry.keys().len() != item.parts => {
                PartState::Differs { how: "is kept under another kind of key".into() }
            }
            Some(_) => PartState::Present,
        };
        part(PartKind::Storage, item.pallet, item.name, state, item.without)
    }));
    parts.extend(CALLS.iter().map(|call| {
        let pallet = metadata.pallet_by_name(call.pallet);
        let found = pallet.as_ref().and_then(|pallet| pallet.call_variant_by_name(call.name));
        let fields = found
            .map(|call| call.fields.iter().filter_map(|field| field.name.as_deref()).collect::<Vec<_>>());
        let state = match fields {
            None => absent(call.everywhere),
            Some(fields) if fields != call.arguments => {
                let how =
                    format!("takes ({}) in place of ({})", fields.join(", "), call.arguments.join(", "));
                PartState::Differs { how }
            }
            Some(_) => PartState::Present,
        };
        part(PartKind::Call, call.pallet, call.name, state, call.without)
    }));
    parts.extend(CONSTANTS.iter().map(|&(pallet, name, shape, everywhere, without)| {
        let found = metadata.pallet_by_name(pallet).and_then(|pallet| pallet.constant_by_name(name));
        let state = match found.map(|constant| shape_of(metadata.types(), constant.ty())) {
            None => absent(everywhere),
            Some(found) if found != shape => differs(&found, shape),
            Some(_) => PartState::Present,
        };
        part(PartKind::Constant, pallet, name, state, without)
    }));
    parts.extend(errors::MODULE_ERRORS.iter().map(|class| {
        let home = metadata.pallets().find(|pallet| {
            pallet.error_variants().is_some_and(|all| all.iter().any(|error| error.name == class.name))
        });
        let state = if home.is_some() { PartState::Present } else { PartState::Absent };
        let pallet = home.map_or("any pallet", |pallet| pallet.name());
        part(PartKind::Error, pallet, class.name, state, "it cannot be met")
    }));
    parts.extend(EVENTS.iter().map(|&(pallet, name, field)| {
        let found = metadata.pallet_by_name(pallet);
        let found = found.as_ref().and_then(|pallet| pallet.event_variants());
        let event = found.and_then(|all| all.iter().find(|event| event.name == name));
        let state = match event {
            None => PartState::Missing,
            Some(event) if !event.fields.iter().any(|found| found.name.as_deref() == Some(field)) => {
                PartState::Differs { how: format!("has no field {field}") }
            }
            Some(_) => PartState::Present,
        };
        part(PartKind::Event, pallet, name, state, "what became of a transaction cannot be told")
    }));
    // Metadata of version 14 know no runtime APIs at all.
    let any = metadata.runtime_api_traits().len() > 0;
    parts.extend(APIS.iter().filter(|_| any).map(|&(api, name, without)| {
        let found = metadata.runtime_api_trait_by_name(api).and_then(|api| api.method_by_name(name));
        let state = if found.is_some() { PartState::Present } else { PartState::Missing };
        part(PartKind::Api, api, name, state, without)
    }));
    parts.extend(extensions(metadata));
    parts
}

/// Whether the runtime cannot be worked with at all, and why.
pub(crate) fn refusal(parts: &[SurfacePart]) -> Option<String> {
    let vital: Vec<String> = parts
        .iter()
        .filter(|part| part.vital && part.is_trouble())
        .map(|part| match &part.state {
            PartState::Differs { how } => format!("{} {how}", part.name),
            _ => format!("{} is missing", part.name),
        })
        .collect();
    (!vital.is_empty()).then(|| vital.join("; "))
}

fn part(kind: PartKind, pallet: &str, name: &str, state: PartState, without: &'static str) -> SurfacePart {
    SurfacePart { kind, name: format!("{pallet}.{name}"), state, without, vital: false }
}

fn absent(everywhere: bool) -> PartState {
    if everywhere { PartState::Missing } else { PartState::Absent }
}

fn differs(found: &str, known: &str) -> PartState {
    PartState::Differs { how: format!("holds {found} in place of {known}") }
}

fn storage(metadata: &Metadata, item: &Item) -> SurfacePart {
    let state = state_of(metadata, item);
    let mut part = part(PartKind::Storage, item.pallet, item.name, state, item.without());
    part.vital = item.everywhere;
    part
}

fn state_of(metadata: &Metadata, item: &Item) -> PartState {
    let pallet = metadata.pallet_by_name(item.pallet);
    let Some(entry) = pallet.and_then(|pallet| pallet.storage()?.entry_by_name(item.name)) else {
        return absent(item.everywhere);
    };
    let types = metadata.types();
    let value = shape_of(types, entry.value_ty());
    if value != item.value {
        return differs(&value, item.value);
    }
    let same = entry.keys().len() == item.key.len()
        && entry.keys().zip(item.key).all(|(found, (hasher, shape))| {
            let hashed = matches!(
                (found.hasher, hasher),
                (StorageHasher::Identity, KeyHasher::Identity)
                    | (StorageHasher::Twox64Concat, KeyHasher::Twox64Concat)
                    | (StorageHasher::Blake2_128Concat, KeyHasher::Blake2_128Concat)
            );
            hashed && shape_of(types, found.key_id) == *shape
        });
    if !same {
        return PartState::Differs { how: "is kept under another kind of key".into() };
    }
    let odd = item.value.contains("Data").then(|| check_fields_of_commitments(types)).flatten();
    odd.map_or(PartState::Present, |how| PartState::Differs { how })
}

/// The enumeration of the kinds that a commitment's field may have.
pub(crate) fn kinds_of_fields(types: &PortableRegistry) -> Option<&scale_info::TypeDefVariant<PortableForm>> {
    let data = types.types.iter().find(|kind| {
        let path = &kind.ty.path.segments;
        path.last().is_some_and(|name| name == "Data") && path.iter().any(|part| part.contains("commitments"))
    })?;
    let TypeDef::Variant(kinds) = &data.ty.type_def else { return None };
    Some(kinds)
}

/// The codec of [`crate::commitment`] relies on the indices of the kinds.
fn check_fields_of_commitments(types: &PortableRegistry) -> Option<String> {
    let Some(kinds) = kinds_of_fields(types) else {
        return Some("has fields that are no enumeration".into());
    };
    let expected = (0..=commitment::MAX_RAW)
        .filter_map(|length| Some((commitment::kind_name(length), u8::try_from(length + 1).ok()?)))
        .chain([("BigRaw".to_owned(), 136)]);
    for (name, index) in expected {
        if !kinds.variants.iter().any(|kind| kind.name == name && kind.index == index) {
            return Some(format!("has fields whose kind {name} is not number {index}"));
        }
    }
    None
}

/// Extensions that put bytes into a transaction and are not known: without their bytes nothing can be signed.
fn extensions(metadata: &Metadata) -> Vec<SurfacePart> {
    let empty = |id: u32| matches!(shape_of(metadata.types(), id).as_str(), "()" | "");
    let all = metadata.extrinsic().transaction_extensions_to_use_for_encoding();
    all.map(|extension| {
        let name = extension.identifier();
        let has_bytes = !(empty(extension.extra_ty()) && empty(extension.additional_ty()));
        let state = if has_bytes && !EXTENSIONS.contains(&name) {
            let shape = shape_of(metadata.types(), extension.extra_ty());
            PartState::Differs { how: format!("adds {shape}, which this build does not know") }
        } else {
            PartState::Present
        };
        SurfacePart {
            kind: PartKind::Extension,
            name: name.to_owned(),
            state,
            without: "nothing can be written to the chain; update this program",
            vital: false,
        }
    })
    .collect()
}

/// The shape of a type: wrappers of one unnamed field are seen through, enumerations go by their last name.
pub fn shape_of(types: &PortableRegistry, id: u32) -> String {
    fn write(types: &PortableRegistry, id: u32, depth: u8, into: &mut String) {
        let Some(kind) = types.resolve(id).filter(|_| depth < 16) else {
            into.push('?');
            return;
        };
        let inner = |id: u32, into: &mut String| write(types, id, depth + 1, into);
        match &kind.type_def {
            TypeDef::Primitive(primitive) => {
                let _ = write!(into, "{}", format!("{primitive:?}").to_lowercase());
            }
            TypeDef::Composite(composite) => match &composite.fields[..] {
                [only] if only.name.is_none() => inner(only.ty.id, into),
                fields if fields.iter().all(|field| field.name.is_some()) && !fields.is_empty() => {
                    list(fields, "{", "}", into, inner);
                }
                fields => list(fields, "(", ")", into, inner),
            },
            TypeDef::Variant(_) => {
                into.push_str(kind.path.segments.last().map_or("enum", |name| name));
            }
            TypeDef::Sequence(sequence) => {
                into.push_str("Vec<");
                inner(sequence.type_param.id, into);
                into.push('>');
            }
            TypeDef::Array(array) => {
                into.push('[');
                inner(array.type_param.id, into);
                let _ = write!(into, ";{}]", array.len);
            }
            TypeDef::Tuple(tuple) => {
                into.push('(');
                for (place, field) in tuple.fields.iter().enumerate() {
                    if place > 0 {
                        into.push(',');
                    }
                    inner(field.id, into);
                }
                into.push(')');
            }
            TypeDef::Compact(compact) => {
                into.push_str("Compact<");
                inner(compact.type_param.id, into);
                into.push('>');
            }
            TypeDef::BitSequence(_) => into.push_str("bits"),
        }
    }
    fn list(
        fields: &[scale_info::Field<PortableForm>],
        open: &str,
        close: &str,
        into: &mut String,
        inner: impl Fn(u32, &mut String),
    ) {
        into.push_str(open);
        for (place, field) in fields.iter().enumerate() {
            if place > 0 {
                into.push(',');
            }
            if let Some(name) = &field.name {
                let _ = write!(into, "{name}:");
            }
            inner(field.ty.id, into);
        }
        into.push_str(close);
    }
    let mut shape = String::new();
    write(types, id, 0, &mut shape);
    shape
}

//! One version of the chain's runtime: its metadata, held against what this crate expects, and what follows from it:
//! the bytes of calls, transactions to sign, and what became of them.
//!
//! Nothing here is compiled in from a network. Calls and errors are found by name in the metadata that the node gave;
//! items of storage must have the shape that [`crate::keys::SURFACE`] states.

use crate::{
    commitment,
    errors::{self, ChainRefusal},
    keys::{Item, KeyHasher, SURFACE},
    reveal::PayloadForm,
};
use grail_ports::{chain::WeightRow, sign::ChainCall};
use grail_protocol::{
    sign::Signature,
    words::{BlockHash, BlockNumber, Hotkey, UnixMillis},
};
use parity_scale_codec::{Compact, Decode as _};
use scale_info::{PortableRegistry, TypeDef, form::PortableForm};
use sp_crypto_hashing::blake2_256;
use std::fmt::{self, Write as _};
use subxt::{
    ArcMetadata, Metadata, OfflineClient, SubstrateConfig,
    client::OfflineClientAtBlock,
    config::{
        DefaultExtrinsicParamsBuilder,
        substrate::{AccountId32, H256, MultiSignature, SpecVersionForRange},
    },
    dynamic::Value,
    error::DispatchError,
    events::Phase,
    metadata::StorageHasher,
};

/// Most bytes of metadata that are read; a runtime of today has a third of a million.
pub const MAX_METADATA: usize = 8 << 20;

/// Why a runtime cannot be worked with.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// Bytes that are no metadata.
    #[error("the node's metadata ({bytes} bytes) cannot be read: {why}")]
    Metadata {
        /// Their number.
        bytes: usize,
        /// What the decoder says.
        why: String,
    },
    /// Something has another shape than this build knows.
    #[error("runtime {spec} is not one that this build knows: {what}; update this program")]
    Shape {
        /// Version of the runtime.
        spec: u32,
        /// What differs.
        what: String,
    },
    /// A call could not be put into bytes.
    #[error("the call {call} cannot be written for runtime {spec}: {why}")]
    Call {
        /// Pallet and name.
        call: String,
        /// Version of the runtime.
        spec: u32,
        /// What the encoder says.
        why: String,
    },
    /// Events of a block that cannot be read.
    #[error("the events of a block cannot be read with runtime {spec}: {why}")]
    Events {
        /// Version of the runtime.
        spec: u32,
        /// What the decoder says.
        why: String,
    },
}

/// A call by name, with its arguments.
#[derive(Debug, Clone)]
pub struct Call {
    pallet: &'static str,
    name: &'static str,
    arguments: Vec<Value>,
}

/// What an extrinsic is bound to besides its call: nonce and mortal era, as the signed extensions ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtrinsicParams {
    /// The account's next nonce.
    pub nonce: u64,
    /// Blocks for which it is valid; a power of two, 4 to 65,536.
    pub mortality: u64,
    /// Block from which it is valid.
    pub birth: BlockNumber,
    /// Hash of that block.
    pub birth_hash: BlockHash,
}

/// A signed extrinsic, encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedExtrinsic {
    /// The bytes that are sent.
    pub bytes: Vec<u8>,
    /// BLAKE2b-256 of the bytes: the hash by which explorers and nodes know it.
    pub hash: [u8; 32],
    /// Block from which it is valid.
    pub birth: BlockNumber,
    /// First block in which it is not valid any more.
    pub death: BlockNumber,
}

/// How sealed weights are sent to this runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealing {
    call: &'static str,
    mechanism: Option<u8>,
    versioned: bool,
    /// What is sealed.
    pub form: PayloadForm,
}

/// Calls that are written here: pallet, name, arguments, and whether every runtime has it.
const CALLS: &[(&str, &str, &[&str], bool)] = &[
    ("Commitments", "set_commitment", &["netuid", "info"], true),
    ("SubtensorModule", "set_weights", &["netuid", "dests", "weights", "version_key"], true),
    (
        "SubtensorModule",
        "set_mechanism_weights",
        &["netuid", "mecid", "dests", "weights", "version_key"],
        false,
    ),
    ("SubtensorModule", "commit_crv3_weights", &["netuid", "commit", "reveal_round"], false),
    (
        "SubtensorModule",
        "commit_timelocked_weights",
        &["netuid", "commit", "reveal_round", "commit_reveal_version"],
        false,
    ),
    (
        "SubtensorModule",
        "commit_timelocked_mechanism_weights",
        &["netuid", "mecid", "commit", "reveal_round", "commit_reveal_version"],
        false,
    ),
];

/// The API that knows stake, and the fields that are read of its answer.
pub(crate) const STAKE_API: (&str, &str) = ("SubnetInfoRuntimeApi", "get_subnet_state");

/// One version of the runtime of one chain.
pub struct Runtime {
    metadata: ArcMetadata,
    spec: u32,
    offline: OfflineClient<SubstrateConfig>,
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("spec", &self.spec).finish_non_exhaustive()
    }
}

impl Runtime {
    /// Reads metadata and holds it against what this build expects.
    pub fn new(
        metadata: &[u8],
        spec: u32,
        transaction_version: u32,
        genesis: BlockHash,
    ) -> Result<Self, RuntimeError> {
        let broken = |why: String| RuntimeError::Metadata { bytes: metadata.len(), why };
        if metadata.len() > MAX_METADATA {
            return Err(broken(format!("more than {MAX_METADATA} bytes are not read")));
        }
        let metadata = Metadata::decode_from(metadata).map_err(|error| broken(error.to_string()))?.arc();
        check(&metadata).map_err(|what| RuntimeError::Shape { spec, what })?;
        let versions =
            SpecVersionForRange { block_range: 0..u64::MAX, spec_version: spec, transaction_version };
        let config = SubstrateConfig::builder()
            .set_genesis_hash(H256(*genesis.as_bytes()))
            .set_spec_version_for_block_ranges([versions])
            .set_metadata_for_spec_versions([(spec, metadata.clone())])
            .build();
        Ok(Self { metadata, spec, offline: OfflineClient::new_with_config(config) })
    }

    /// Version of the runtime.
    pub fn spec(&self) -> u32 {
        self.spec
    }

    /// Whether the runtime has an item of storage.
    pub fn has(&self, item: &Item) -> bool {
        let pallet = self.metadata.pallet_by_name(item.pallet);
        pallet.and_then(|pallet| pallet.storage()?.entry_by_name(item.name)).is_some()
    }

    /// What an item holds where nothing is stored; `None` for items that are then absent.
    pub fn default_of(&self, item: &Item) -> Option<Vec<u8>> {
        let entry = self.metadata.pallet_by_name(item.pallet)?.storage()?.entry_by_name(item.name)?;
        entry.default_value().map(<[u8]>::to_vec)
    }

    /// Whether the runtime has a call.
    pub fn has_call(&self, pallet: &str, name: &str) -> bool {
        let pallet = self.metadata.pallet_by_name(pallet);
        pallet.and_then(|pallet| pallet.call_variant_by_name(name)).is_some()
    }

    /// Whether any pallet has an error of that name.
    pub fn has_error(&self, name: &str) -> bool {
        let variants = self.metadata.pallets().filter_map(|pallet| pallet.error_variants());
        variants.flatten().any(|variant| variant.name == name)
    }

    /// The two bytes by which a block names an error of a pallet.
    pub fn error_index(&self, pallet: &str, name: &str) -> Option<(u8, u8)> {
        let pallet = self.metadata.pallet_by_name(pallet)?;
        let error = pallet.error_variants()?.iter().find(|variant| variant.name == name)?;
        Some((pallet.error_index(), error.index))
    }

    /// The two bytes with which a call begins.
    pub fn call_index(&self, pallet: &str, name: &str) -> Option<[u8; 2]> {
        let pallet = self.metadata.pallet_by_name(pallet)?;
        Some([pallet.call_index(), pallet.call_variant_by_name(name)?.index])
    }

    /// How sealed weights of a mechanism are sent; `None` when this runtime cannot take any for it.
    pub fn sealing(&self, mechanism: u8) -> Option<Sealing> {
        let with_hotkey = PayloadForm::WithHotkey;
        let ways = if mechanism > 0 {
            vec![("commit_timelocked_mechanism_weights", Some(mechanism), true, with_hotkey)]
        } else {
            vec![
                ("commit_timelocked_weights", None, true, with_hotkey),
                ("commit_crv3_weights", None, false, PayloadForm::Bare),
            ]
        };
        let known = ways.into_iter().find(|(call, ..)| self.has_call("SubtensorModule", call));
        known.map(|(call, mechanism, versioned, form)| Sealing { call, mechanism, versioned, form })
    }

    /// The bytes of a call: index of the pallet, index of the call, arguments.
    pub fn encode(&self, call: &Call) -> Result<Vec<u8>, RuntimeError> {
        let at = self.at()?;
        at.transactions().call_data(&call.dynamic()).map_err(|error| self.unwritable(call, &error))
    }

    /// A transaction to sign.
    pub fn unsigned<'a>(
        &'a self,
        call: &'a Call,
        terms: &ExtrinsicParams,
    ) -> Result<UnsignedExtrinsic<'a>, RuntimeError> {
        Ok(UnsignedExtrinsic { runtime: self, call, terms: *terms })
    }

    /// What became of the extrinsic number `index` of a block with these events; `None` when they do not say.
    pub fn outcome(
        &self,
        events: Vec<u8>,
        index: u32,
    ) -> Result<Option<Result<(), ChainRefusal>>, RuntimeError> {
        let unreadable = |why: String| RuntimeError::Events { spec: self.spec, why };
        let at = self.at()?;
        let events = at.events().from_bytes(events);
        for event in events.iter() {
            let event = event.map_err(|error| unreadable(error.to_string()))?;
            if event.phase() != Phase::ApplyExtrinsic(index) || event.pallet_name() != "System" {
                continue;
            }
            match event.event_name() {
                "ExtrinsicSuccess" => return Ok(Some(Ok(()))),
                "ExtrinsicFailed" => {
                    let error = DispatchError::decode_from(event.field_bytes(), self.metadata.clone())
                        .map_err(|error| unreadable(error.to_string()))?;
                    return Ok(Some(Err(self.refusal(&error))));
                }
                _ => {}
            }
        }
        Ok(None)
    }

    fn refusal(&self, error: &DispatchError) -> ChainRefusal {
        match error {
            DispatchError::Module(module) => match module.details() {
                Ok(details) => errors::of_module(details.pallet.name(), &details.variant.name),
                Err(_) => errors::of_dispatch(module.details_string()),
            },
            other => errors::of_dispatch(other.to_string()),
        }
    }

    /// The moment that a block's own body states; `None` when its first extrinsics do not set the clock.
    pub fn moment_of_body(&self, extrinsics: &[Vec<u8>]) -> Option<UnixMillis> {
        let set = self.call_index("Timestamp", "set")?;
        extrinsics.iter().take(8).find_map(|extrinsic| {
            let input = &mut &extrinsic[..];
            Compact::<u32>::decode(input).ok()?;
            // The top bit says that it is signed; the rest is the format, 4 or 5.
            let version = u8::decode(input).ok()?;
            if version & 0x80 != 0 || <[u8; 2]>::decode(input).ok()? != set {
                return None;
            }
            Compact::<u64>::decode(input).ok().map(|moment| UnixMillis(moment.0))
        })
    }

    /// Hotkeys and their whole stake on the subnet in RAO, out of the answer of [`STAKE_API`]; `None` when it has
    /// another form than this build reads.
    pub(crate) fn stakes(&self, answer: &[u8]) -> Option<Vec<(Hotkey, u64)>> {
        let method = self.metadata.runtime_api_trait_by_name(STAKE_API.0)?.method_by_name(STAKE_API.1)?;
        let types = self.metadata.types();
        let input = &mut &answer[..];
        // `Some`, then the fields in the order of the metadata; only two are kept.
        let TypeDef::Variant(option) = &types.resolve(method.output_ty())?.type_def else { return None };
        let some = option.variants.iter().find(|variant| variant.name == "Some")?;
        if u8::decode(input).ok()? != some.index {
            return None;
        }
        let TypeDef::Composite(state) = &types.resolve(some.fields.first()?.ty.id)?.type_def else {
            return None;
        };
        let (mut hotkeys, mut stakes) = (None, None);
        for field in &state.fields {
            let shape = shape_of(types, field.ty.id);
            match field.name.as_deref()? {
                "hotkeys" if shape == "Vec<[u8;32]>" => {
                    hotkeys = Some(Vec::<[u8; 32]>::decode(input).ok()?);
                }
                "total_stake" if shape == "Vec<Compact<u64>>" => {
                    stakes = Some(Vec::<Compact<u64>>::decode(input).ok()?);
                }
                _ => {
                    subxt::ext::scale_value::scale::decode_as_type(input, field.ty.id, types).ok()?;
                }
            }
            if hotkeys.is_some() && stakes.is_some() {
                break;
            }
        }
        let (hotkeys, stakes) = (hotkeys?, stakes?);
        (hotkeys.len() == stakes.len()).then(|| {
            let hotkeys = hotkeys.into_iter().map(Hotkey::from_bytes);
            hotkeys.zip(stakes.into_iter().map(|stake| stake.0)).collect()
        })
    }

    /// Whether the runtime answers [`STAKE_API`].
    pub(crate) fn tells_stake(&self) -> bool {
        let api = self.metadata.runtime_api_trait_by_name(STAKE_API.0);
        api.is_some_and(|api| api.method_by_name(STAKE_API.1).is_some())
    }

    fn at(&self) -> Result<OfflineClientAtBlock<SubstrateConfig>, RuntimeError> {
        self.offline
            .at_block(0u64)
            .map_err(|error| RuntimeError::Shape { spec: self.spec, what: error.to_string() })
    }

    fn unwritable(&self, call: &Call, error: &dyn std::error::Error) -> RuntimeError {
        let mut why = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let _ = write!(why, ": {error}");
            cause = error.source();
        }
        RuntimeError::Call { call: format!("{}.{}", call.pallet, call.name), spec: self.spec, why }
    }
}

/// An extrinsic that waits for its signature.
#[derive(Debug)]
pub struct UnsignedExtrinsic<'a> {
    runtime: &'a Runtime,
    call: &'a Call,
    terms: ExtrinsicParams,
}

impl UnsignedExtrinsic<'_> {
    fn with<T>(
        &self,
        work: impl FnOnce(&mut Signable<'_>) -> Result<T, subxt::error::ExtrinsicError>,
    ) -> Result<T, RuntimeError> {
        let at = self.runtime.at()?;
        let terms = &self.terms;
        let params = DefaultExtrinsicParamsBuilder::<SubstrateConfig>::new()
            .nonce(terms.nonce)
            .mortal_from_unchecked(terms.mortality, terms.birth.0, H256(*terms.birth_hash.as_bytes()))
            .build();
        let call = self.call.dynamic();
        let transactions = at.transactions();
        let mut signable = transactions
            .create_signable_offline(&call, params)
            .map_err(|error| self.runtime.unwritable(self.call, &error))?;
        work(&mut signable).map_err(|error| self.runtime.unwritable(self.call, &error))
    }

    /// What the hotkey signs, in its parts.
    pub fn to_sign(&self) -> Result<ChainCall, RuntimeError> {
        let broken = |why: &str| RuntimeError::Call {
            call: format!("{}.{}", self.call.pallet, self.call.name),
            spec: self.runtime.spec,
            why: why.to_owned(),
        };
        // What the extensions add does not depend on the call, and a short call's payload is not hashed.
        let short = Call::set_commitment(0, &[]);
        let probe = UnsignedExtrinsic { runtime: self.runtime, call: &short, terms: self.terms };
        let short = self.runtime.encode(&short)?;
        let nobody = (Hotkey::from_bytes([0; 32]), Signature::from_bytes([0; 64]));
        let sent = probe.finish(&nobody.0, &nobody.1)?.bytes;
        let mut body = &sent[..];
        Compact::<u32>::decode(&mut body)
            .map_err(|_| broken("a transaction does not begin with its length"))?;
        // Format, kind of address and account, kind of signature and signature.
        let extra = body.get(1 + 33 + 65..).and_then(|rest| rest.strip_suffix(&short[..]));
        let extra = extra.ok_or_else(|| broken("a transaction is laid out in another way than known"))?;
        let payload = probe.with(|signable| signable.signer_payload())?;
        let additional = payload.strip_prefix(&short[..]).and_then(|rest| rest.strip_prefix(extra));
        let additional =
            additional.ok_or_else(|| broken("a payload is laid out in another way than known"))?;
        let parts = ChainCall {
            name: self.call.name.to_owned(),
            call: self.runtime.encode(self.call)?,
            extra: extra.to_vec(),
            additional: additional.to_vec(),
        };
        let whole = [&parts.call[..], extra, additional].concat();
        let whole = if whole.len() > 256 { blake2_256(&whole).to_vec() } else { whole };
        if self.with(|signable| signable.signer_payload())? != whole {
            return Err(broken("its payload is laid out in another way than known"));
        }
        Ok(parts)
    }

    /// The signed extrinsic as it is sent.
    ///
    /// Errors: [`RuntimeError::Call`] when the runtime cannot encode the call.
    pub fn finish(&self, hotkey: &Hotkey, signature: &Signature) -> Result<SignedExtrinsic, RuntimeError> {
        let signature = MultiSignature::Sr25519(*signature.as_bytes());
        let account = AccountId32(*hotkey.as_bytes());
        let bytes = self.with(|signable| {
            signable.sign_with_account_and_signature(&account, &signature).map(|sent| sent.into_encoded())
        })?;
        let birth = self.terms.birth;
        let death = BlockNumber(birth.0.saturating_add(self.terms.mortality));
        Ok(SignedExtrinsic { hash: blake2_256(&bytes), bytes, birth, death })
    }
}

type Signable<'a> = subxt::transactions::SignableTransaction<
    'a,
    SubstrateConfig,
    subxt::client::OfflineClientAtBlockImpl<SubstrateConfig>,
    subxt::transactions::DynamicPayload<Vec<Value>>,
>;

impl Call {
    /// `Commitments.set_commitment` of one field with these bytes.
    pub fn set_commitment(netuid: u16, bytes: &[u8]) -> Self {
        let field = Value::unnamed_variant(commitment::kind_name(bytes.len()), [Value::from_bytes(bytes)]);
        let info = Value::named_composite([("fields", Value::unnamed_composite([field]))]);
        Self {
            pallet: "Commitments",
            name: "set_commitment",
            arguments: vec![number(u64::from(netuid)), info],
        }
    }

    /// `SubtensorModule.set_weights`, or `set_mechanism_weights` for a mechanism other than 0.
    pub fn set_weights(netuid: u16, mechanism: u8, row: &WeightRow, version_key: u64) -> Self {
        let list = |values: Vec<u16>| {
            Value::unnamed_composite(values.into_iter().map(|value| number(u64::from(value))))
        };
        let dests = list(row.iter().map(|pair| pair.0).collect());
        let weights = list(row.iter().map(|pair| pair.1).collect());
        let mut arguments = vec![number(u64::from(netuid))];
        if mechanism > 0 {
            arguments.push(number(u64::from(mechanism)));
        }
        arguments.extend([dests, weights, number(version_key)]);
        let name = if mechanism > 0 { "set_mechanism_weights" } else { "set_weights" };
        Self { pallet: "SubtensorModule", name, arguments }
    }

    /// Sealed weights, by the call that the runtime has. `version` is left out where the runtime takes none.
    pub fn commit_weights(netuid: u16, sealing: &Sealing, sealed: &[u8], round: u64, version: u16) -> Self {
        let mut arguments = vec![number(u64::from(netuid))];
        arguments.extend(sealing.mechanism.map(|mechanism| number(u64::from(mechanism))));
        arguments.extend([Value::from_bytes(sealed), number(round)]);
        if sealing.versioned {
            arguments.push(number(u64::from(version)));
        }
        Self { pallet: "SubtensorModule", name: sealing.call, arguments }
    }

    fn dynamic(&self) -> subxt::transactions::DynamicPayload<Vec<Value>> {
        subxt::dynamic::tx(self.pallet, self.name, self.arguments.clone())
    }
}

fn number(value: u64) -> Value {
    Value::u128(u128::from(value))
}

/// Everything in the metadata that differs from what is expected, in one sentence.
fn check(metadata: &Metadata) -> Result<(), String> {
    let mut differences = Vec::new();
    for item in SURFACE {
        differences.extend(check_item(metadata, item));
    }
    for (pallet, name, arguments, everywhere) in CALLS {
        let found = metadata.pallet_by_name(pallet);
        let Some(call) = found.as_ref().and_then(|pallet| pallet.call_variant_by_name(name)) else {
            if *everywhere {
                differences.push(format!("the call {pallet}.{name} is missing"));
            }
            continue;
        };
        let fields: Vec<&str> = call.fields.iter().filter_map(|field| field.name.as_deref()).collect();
        if fields != *arguments {
            differences.push(format!("the call {pallet}.{name} takes ({})", fields.join(", ")));
        }
    }
    if differences.is_empty() { Ok(()) } else { Err(differences.join("; ")) }
}

fn check_item(metadata: &Metadata, item: &Item) -> Option<String> {
    let name = format!("{}.{}", item.pallet, item.name);
    let pallet = metadata.pallet_by_name(item.pallet);
    let Some(entry) = pallet.and_then(|pallet| pallet.storage()?.entry_by_name(item.name)) else {
        return item.everywhere.then(|| format!("{name} is missing"));
    };
    let types = metadata.types();
    let value = shape_of(types, entry.value_ty());
    if value != item.value {
        return Some(format!("{name} holds {value} in place of {}", item.value));
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
        return Some(format!("{name} is kept under another kind of key"));
    }
    (item.value.contains("Data")).then(|| check_fields_of_commitments(types)).flatten()
}

/// The codec of [`crate::commitment`] relies on the indices of the kinds.
fn check_fields_of_commitments(types: &PortableRegistry) -> Option<String> {
    let data = types.types.iter().find(|kind| {
        let path = &kind.ty.path.segments;
        path.last().is_some_and(|name| name == "Data") && path.iter().any(|part| part.contains("commitments"))
    })?;
    let TypeDef::Variant(kinds) = &data.ty.type_def else {
        return Some("a field of a commitment is no enumeration".into());
    };
    let expected = (0..=commitment::MAX_RAW)
        .filter_map(|length| Some((commitment::kind_name(length), u8::try_from(length + 1).ok()?)))
        .chain([("BigRaw".to_owned(), 136)]);
    for (name, index) in expected {
        if !kinds.variants.iter().any(|kind| kind.name == name && kind.index == index) {
            return Some(format!("the kind {name} of a commitment's field is not number {index}"));
        }
    }
    None
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

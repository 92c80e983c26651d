//! One version of the chain's runtime: its metadata, held against what this crate expects, and what follows from it:
//! the bytes of calls, transactions to sign, and what became of them.
//!
//! Nothing here is compiled in from a network. Calls and errors are found by name in the metadata that the node gave;
//! items of storage must have the shape that [`crate::keys::SURFACE`] states. [`crate::surface`] compares the two.

use crate::{
    commitment::{self, LaterKinds},
    errors::{self, ChainRefusal},
    keys::{Item, LooseItem},
    reveal::{FORCED_AFTER, PayloadForm},
    surface::{self, PartKind, PartState, STAKE_API, SurfacePart, shape_of},
};
use grail_ports::{chain::WeightRow, sign::ChainCall};
use grail_protocol::{
    sign::Signature,
    words::{BlockHash, BlockNumber, Hotkey, UnixMillis},
};
use parity_scale_codec::{Compact, Decode};
use scale_info::TypeDef;
use sp_crypto_hashing::{blake2_128, blake2_256, twox_64, twox_128};
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
    ext::scale_value::{At as _, ValueDef},
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

/// The whole subnet, as [`STAKE_API`] tells it; lists by uid.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SubnetState {
    pub(crate) hotkeys: Vec<[u8; 32]>,
    pub(crate) permits: Vec<bool>,
    pub(crate) updates: Vec<u64>,
    pub(crate) incentives: Vec<u16>,
    /// All that counts on the subnet, in RAO.
    pub(crate) stakes: Vec<u64>,
}

/// What of [`SubnetState`] an answer holds; older and newer runtimes may lack parts.
#[derive(Debug, Default)]
struct StateParts {
    hotkeys: Option<Vec<[u8; 32]>>,
    permits: Option<Vec<bool>>,
    updates: Option<Vec<Compact<u64>>>,
    incentives: Option<Vec<Compact<u16>>>,
    stakes: Option<Vec<Compact<u64>>>,
}

/// Registration collateral of a miner, as runtimes from 435 on keep it. Amounts in RAO of the subnet's token.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct MinerCollateral {
    /// Locked now; released only as the miner earns, and kept over a deregistration.
    pub locked: u64,
    /// Floor under which earnings are locked rather than paid.
    pub min_locked: u64,
    /// Earned towards the release so far.
    pub earned: u64,
}

/// One version of the runtime of one chain.
pub struct Runtime {
    metadata: ArcMetadata,
    parts: Vec<SurfacePart>,
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
        let parts = surface::survey(&metadata);
        if let Some(what) = surface::refusal(&parts) {
            return Err(RuntimeError::Shape { spec, what });
        }
        let versions =
            SpecVersionForRange { block_range: 0..u64::MAX, spec_version: spec, transaction_version };
        let config = SubstrateConfig::builder()
            .set_genesis_hash(H256(*genesis.as_bytes()))
            .set_spec_version_for_block_ranges([versions])
            .set_metadata_for_spec_versions([(spec, metadata.clone())])
            .build();
        Ok(Self { metadata, parts, spec, offline: OfflineClient::new_with_config(config) })
    }

    /// Everything that this build reads and writes, with how this runtime has it.
    pub fn surface(&self) -> &[SurfacePart] {
        &self.parts
    }

    /// What differs about a part of the surface, if anything does.
    fn differs(&self, kind: PartKind, pallet: &str, name: &str) -> Option<&str> {
        self.parts.iter().find_map(|part| match &part.state {
            PartState::Differs { how }
                if part.kind == kind && part.name.split_once('.') == Some((pallet, name)) =>
            {
                Some(how.as_str())
            }
            _ => None,
        })
    }

    /// Whether an item may be read: there, and in the form that is known. Errors: there in another form.
    pub(crate) fn reads(&self, item: &Item) -> Result<bool, RuntimeError> {
        match self.differs(PartKind::Storage, item.pallet, item.name) {
            Some(how) => {
                let what = format!("{}.{} {how}", item.pallet, item.name);
                Err(RuntimeError::Shape { spec: self.spec, what })
            }
            None => Ok(self.has(item)),
        }
    }

    /// Blocks since an epoch ran, beyond which one is forced.
    pub fn forced_after(&self) -> u64 {
        let pallet = self.metadata.pallet_by_name("SubtensorModule");
        let constant = pallet.and_then(|pallet| pallet.constant_by_name("MaxTempo"));
        let constant = constant.and_then(|constant| <[u8; 2]>::try_from(constant.value()).ok());
        constant.map_or(FORCED_AFTER, |bytes| u64::from(u16::from_le_bytes(bytes)))
    }

    /// The key of an item whose hashers the metadata say, with its type; `None` where the runtime does not have it so.
    pub(crate) fn loose_key(&self, item: &LooseItem, parts: &[&[u8]]) -> Option<(Vec<u8>, u32)> {
        let entry = self.metadata.pallet_by_name(item.pallet)?.storage()?.entry_by_name(item.name)?;
        if entry.keys().len() != parts.len() {
            return None;
        }
        let mut key = [twox_128(item.pallet.as_bytes()), twox_128(item.name.as_bytes())].concat();
        for (found, part) in entry.keys().zip(parts) {
            match found.hasher {
                StorageHasher::Identity => {}
                StorageHasher::Twox64Concat => key.extend(twox_64(part)),
                StorageHasher::Blake2_128Concat => key.extend(blake2_128(part)),
                _ => return None,
            }
            key.extend_from_slice(part);
        }
        Some((key, entry.value_ty()))
    }

    /// What an item of another's description holds where nothing is stored.
    pub(crate) fn loose_default(&self, item: &LooseItem) -> Option<Vec<u8>> {
        let entry = self.metadata.pallet_by_name(item.pallet)?.storage()?.entry_by_name(item.name)?;
        entry.default_value().map(<[u8]>::to_vec)
    }

    /// The name of the variant of an enumeration without content.
    pub(crate) fn variant_name(&self, bytes: &[u8], kind: u32) -> Option<String> {
        let TypeDef::Variant(all) = &self.metadata.types().resolve(kind)?.type_def else { return None };
        let index = bytes.first()?;
        all.variants.iter().find(|variant| variant.index == *index).map(|variant| variant.name.clone())
    }

    /// Collateral out of its stored bytes, by the names of its fields.
    pub(crate) fn collateral(&self, bytes: &[u8], kind: u32) -> Option<MinerCollateral> {
        let types = self.metadata.types();
        let value = subxt::ext::scale_value::scale::decode_as_type(&mut &bytes[..], kind, types)
            .ok()?
            .remove_context();
        let amount = |name: &str| {
            let mut value = value.at(name)?;
            // Amounts stand in wrappers of one field.
            for _ in 0..4 {
                if let Some(number) = value.as_u128() {
                    return u64::try_from(number).ok();
                }
                let ValueDef::Composite(inside) = &value.value else { return None };
                value = inside.values().next()?;
            }
            None
        };
        let (locked, min_locked) = (amount("locked")?, amount("min_locked").unwrap_or(0));
        Some(MinerCollateral { locked, min_locked, earned: amount("earned").unwrap_or(0) })
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
    ///
    /// Errors: [`RuntimeError::Call`] when the runtime has no such call, or one with other arguments.
    pub fn encode(&self, call: &Call) -> Result<Vec<u8>, RuntimeError> {
        self.writes(call)?;
        let at = self.at()?;
        at.transactions().call_data(&call.dynamic()).map_err(|error| self.unwritable(call, &error))
    }

    /// A transaction to sign.
    pub fn unsigned<'a>(
        &'a self,
        call: &'a Call,
        terms: &ExtrinsicParams,
    ) -> Result<UnsignedExtrinsic<'a>, RuntimeError> {
        self.writes(call)?;
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

    /// The subnet out of the answer of [`STAKE_API`]; `None` when it is another one than this build reads, or none.
    pub(crate) fn subnet_state(&self, answer: &[u8]) -> Option<SubnetState> {
        let method = self.metadata.runtime_api_trait_by_name(STAKE_API.0)?.method_by_name(STAKE_API.1)?;
        let types = self.metadata.types();
        let input = &mut &answer[..];
        // `Some`, then the fields in the order of the metadata; some are kept.
        let TypeDef::Variant(option) = &types.resolve(method.output_ty())?.type_def else { return None };
        let some = option.variants.iter().find(|variant| variant.name == "Some")?;
        if u8::decode(input).ok()? != some.index {
            return None;
        }
        let TypeDef::Composite(state) = &types.resolve(some.fields.first()?.ty.id)?.type_def else {
            return None;
        };
        let mut parts = StateParts::default();
        for field in &state.fields {
            let shape = shape_of(types, field.ty.id);
            match (field.name.as_deref()?, shape.as_str()) {
                ("hotkeys", "Vec<[u8;32]>") => parts.hotkeys = Some(Decode::decode(input).ok()?),
                ("validator_permit", "Vec<bool>") => parts.permits = Some(Decode::decode(input).ok()?),
                ("last_update", "Vec<Compact<u64>>") => parts.updates = Some(Decode::decode(input).ok()?),
                ("incentives", "Vec<Compact<u16>>") => parts.incentives = Some(Decode::decode(input).ok()?),
                ("total_stake", "Vec<Compact<u64>>") => parts.stakes = Some(Decode::decode(input).ok()?),
                _ => pass(input, field.ty.id, types)?,
            }
            if let StateParts {
                hotkeys: Some(hotkeys),
                permits: Some(permits),
                updates: Some(updates),
                incentives: Some(incentives),
                stakes: Some(stakes),
            } = &mut parts
            {
                let lists = [permits.len(), updates.len(), incentives.len(), stakes.len()];
                return lists.iter().all(|length| *length == hotkeys.len()).then(|| SubnetState {
                    hotkeys: std::mem::take(hotkeys),
                    permits: std::mem::take(permits),
                    updates: updates.iter().map(|block| block.0).collect(),
                    incentives: incentives.iter().map(|share| share.0).collect(),
                    stakes: stakes.iter().map(|stake| stake.0).collect(),
                });
            }
        }
        None
    }

    /// Whether the runtime answers [`STAKE_API`].
    pub(crate) fn tells_stake(&self) -> bool {
        let api = self.metadata.runtime_api_trait_by_name(STAKE_API.0);
        api.is_some_and(|api| api.method_by_name(STAKE_API.1).is_some())
    }

    /// Whether a call can be written for this runtime: its arguments, and what signed extensions add.
    fn writes(&self, call: &Call) -> Result<(), RuntimeError> {
        let extension = self.parts.iter().find(|part| part.kind == PartKind::Extension && part.is_trouble());
        let why = match self.differs(PartKind::Call, call.pallet, call.name) {
            Some(how) => Some(format!("it {how}; update this program")),
            None => extension.map(SurfacePart::to_string),
        };
        match why {
            Some(why) => {
                let call = format!("{}.{}", call.pallet, call.name);
                Err(RuntimeError::Call { call, spec: self.spec, why })
            }
            None => Ok(()),
        }
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

/// Takes a value off the input without keeping it.
fn pass(input: &mut &[u8], kind: u32, types: &scale_info::PortableRegistry) -> Option<()> {
    use subxt::ext::scale_decode::visitor::{IgnoreVisitor, decode_with_visitor};
    decode_with_visitor(input, kind, types, IgnoreVisitor::new()).ok().map(|_| ())
}

impl LaterKinds for Runtime {
    fn pass_over(&self, kind: u8, input: &mut &[u8]) -> Option<String> {
        let types = self.metadata.types();
        let kinds = surface::kinds_of_fields(types)?;
        let known = kinds.variants.iter().find(|known| known.index == kind)?;
        let rest = &mut &**input;
        for field in &known.fields {
            pass(rest, field.ty.id, types)?;
        }
        *input = rest;
        Some(known.name.clone())
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

    /// Pallet and name.
    pub fn title(&self) -> String {
        format!("{}.{}", self.pallet, self.name)
    }

    fn dynamic(&self) -> subxt::transactions::DynamicPayload<Vec<Value>> {
        subxt::dynamic::tx(self.pallet, self.name, self.arguments.clone())
    }
}

fn number(value: u64) -> Value {
    Value::u128(u128::from(value))
}

//! What came to the runtime since the one that is executed, in metadata that were recorded of runtime 461, and what came after
//! that, added by the names and types of the generated tables of bittensor 11.3.0.

use super::recorded::{bytes as digits, metadata, newest, samples};
use crate::{
    commitment::{self, Field, StoredCommitment},
    keys,
    reveal::FORCED_AFTER,
    runtime::{Call, ExtrinsicParams, MinerCollateral, Runtime, RuntimeError},
    surface::{PartKind, PartState, SurfacePart},
};
use grail_protocol::words::{BlockHash, BlockNumber};
use parity_scale_codec::{Compact, Decode as _, Encode as _};
use scale_info::{
    Field as TypeField, Path, PortableRegistry, PortableType, Type, TypeDef, TypeDefPrimitive, TypeDefTuple,
    TypeDefVariant, Variant, form::PortableForm,
};
use subxt::ext::frame_metadata::{
    RuntimeMetadata, RuntimeMetadataPrefixed,
    v15::{
        PalletMetadata, RuntimeMetadataV15, SignedExtensionMetadata, StorageEntryMetadata, StorageEntryType,
        StorageHasher,
    },
};

/// Recorded metadata, as a tree; `None` where it is not at hand.
pub(super) fn tree() -> Option<RuntimeMetadataV15> {
    metadata("subtensor-v293.metadata-v15.scale.xz").map(|bytes| read(&bytes))
}

fn read(bytes: &[u8]) -> RuntimeMetadataV15 {
    let prefixed = RuntimeMetadataPrefixed::decode(&mut &bytes[..]).unwrap();
    let RuntimeMetadata::V15(tree) = prefixed.1 else { panic!("recorded as version 15") };
    tree
}

pub(super) fn bytes(tree: RuntimeMetadataV15) -> Vec<u8> {
    RuntimeMetadataPrefixed(u32::from_le_bytes(*b"meta"), RuntimeMetadata::V15(tree)).encode()
}

fn runtime(tree: RuntimeMetadataV15) -> Result<Runtime, RuntimeError> {
    Runtime::new(&bytes(tree), 461, 1, BlockHash::from_bytes([1; 32]))
}

pub(super) fn pallet<'a>(
    tree: &'a mut RuntimeMetadataV15,
    name: &str,
) -> &'a mut PalletMetadata<PortableForm> {
    tree.pallets.iter_mut().find(|pallet| pallet.name == name).unwrap()
}

fn primitive(types: &PortableRegistry, wanted: TypeDefPrimitive) -> u32 {
    types.types.iter().find(|kind| kind.ty.type_def == TypeDef::Primitive(wanted.clone())).unwrap().id
}

fn add(types: &mut PortableRegistry, type_def: TypeDef<PortableForm>) -> u32 {
    let id = u32::try_from(types.types.len()).unwrap();
    let path = Path { segments: vec!["later".into()] };
    types.types.push(PortableType { id, ty: Type { path, type_params: vec![], type_def, docs: vec![] } });
    id
}

fn field(name: &str, kind: u32) -> TypeField<PortableForm> {
    TypeField { name: Some(name.into()), ty: kind.into(), type_name: None, docs: vec![] }
}

fn variant(name: &str, index: u8) -> Variant<PortableForm> {
    Variant { name: name.into(), fields: vec![], index, docs: vec![] }
}

/// One more item of `SubtensorModule`, made after the likeness of another.
fn store(
    tree: &mut RuntimeMetadataV15,
    name: &str,
    change: impl FnOnce(&mut StorageEntryMetadata<PortableForm>),
) {
    let entries = &mut pallet(tree, "SubtensorModule").storage.as_mut().unwrap().entries;
    let mut entry = entries.iter().find(|entry| entry.name == "BlocksSinceLastStep").unwrap().clone();
    entry.name = name.into();
    change(&mut entry);
    entries.push(entry);
}

fn refuse(tree: &mut RuntimeMetadataV15, home: &str, name: &str) {
    let kind = pallet(tree, home).error.as_ref().unwrap().ty.id;
    let TypeDef::Variant(all) = &mut tree.types.types[kind as usize].ty.type_def else { panic!() };
    all.variants.push(variant(name, 200));
}

/// The newest recorded runtime.
fn recorded() -> RuntimeMetadataV15 {
    read(&newest())
}

/// What came after it, by the names of the same SDK's generated tables.
fn later() -> RuntimeMetadataV15 {
    let mut tree = recorded();
    let u16s = primitive(&tree.types, TypeDefPrimitive::U16);
    let variants = vec![variant("Yuma", 0), variant("Null", 1)];
    let consensus = add(&mut tree.types, TypeDef::Variant(TypeDefVariant { variants }));
    store(&mut tree, "SubnetEpochConsensus", |entry| {
        let hashers = vec![StorageHasher::Identity];
        entry.ty = StorageEntryType::Map { hashers, key: u16s.into(), value: consensus.into() };
        entry.default = vec![0];
    });
    refuse(&mut tree, "SubtensorModule", "CommitPayloadTooLarge");
    refuse(&mut tree, "SubtensorModule", "CommitQueueFull");
    let constants = &mut pallet(&mut tree, "SubtensorModule").constants;
    constants.iter_mut().find(|constant| constant.name == "MaxTempo").unwrap().value = 7_200u16.encode();
    tree
}

fn find<'a>(runtime: &'a Runtime, name: &str) -> &'a SurfacePart {
    runtime
        .surface()
        .iter()
        .find(|part| part.name.ends_with(name))
        .unwrap_or_else(|| panic!("no part {name}"))
}

#[test]
fn what_came_since_is_found_by_name() {
    let since = [
        ".LastEpochBlock",
        ".PendingEpochAt",
        ".SubnetEpochIndex",
        ".CollateralLockShare",
        ".MinerCollateral",
        ".MaxTempo",
        ".TimelockRevealFailedNotAllowed",
    ];
    let after = [".SubnetEpochConsensus", ".CommitPayloadTooLarge", ".CommitQueueFull"];
    let (recorded, latest) = (runtime(recorded()).unwrap(), runtime(later()).unwrap());
    let old = tree().map(|tree| runtime(tree).unwrap());
    for (runtime, has_since, has_after) in [
        old.as_ref().map(|old| (old, PartState::Absent, PartState::Absent)),
        Some((&recorded, PartState::Present, PartState::Absent)),
        Some((&latest, PartState::Present, PartState::Present)),
    ]
    .into_iter()
    .flatten()
    {
        let trouble: Vec<_> = runtime.surface().iter().filter(|part| part.is_trouble()).collect();
        assert!(trouble.is_empty(), "{trouble:?}");
        for (names, state) in [(&since[..], has_since), (&after[..], has_after)] {
            for name in names {
                assert_eq!(find(runtime, name).state, state, "{name} of {runtime:?}");
            }
        }
    }
    assert_eq!((recorded.forced_after(), latest.forced_after()), (FORCED_AFTER, 7_200));
    assert!(recorded.loose_key(&keys::CONSENSUS, &[&[81, 0]]).is_none());
    let (key, kind) = latest.loose_key(&keys::CONSENSUS, &[&[81, 0]]).unwrap();
    assert_eq!(key[32..], [81, 0]);
    assert_eq!(latest.variant_name(&[1], kind).as_deref(), Some("Null"));
    assert_eq!(latest.variant_name(&[9], kind), None);
}

/// Stored collateral, as bittensor-core writes samples of the recorded runtime's type.
#[test]
fn collateral_is_read_by_the_names_of_its_fields() {
    let runtime = runtime(recorded()).unwrap();
    let (key, kind) = runtime.loose_key(&keys::COLLATERAL, &[&[81, 0], &[5; 32], &[6; 32]]).unwrap();
    assert_eq!((key.len(), &key[key.len() - 32..]), (32 + 2 + 2 * 48, &[6; 32][..]));
    let told = samples();
    let told = told["kinds"]["MinerCollateralState"].as_array().unwrap();
    assert!(!told.is_empty());
    for sample in told {
        let stored = digits(&sample["scale_hex"]);
        let amount = |name: &str| sample["decoded"][name].as_u64().unwrap();
        let read = MinerCollateral {
            locked: amount("locked"),
            min_locked: amount("min_locked"),
            earned: amount("earned"),
        };
        assert_eq!(runtime.collateral(&stored, kind), Some(read));
        assert_eq!(runtime.collateral(&stored[..4], kind), None);
    }
}

#[test]
fn a_field_that_came_since_is_passed_over_by_its_name() {
    let new = runtime(recorded()).unwrap();
    let credentials = commitment::encode_field(&[b'c'; 128]).unwrap();
    let failed = [&[137][..], &vec![1u8, 2].encode(), &123u64.encode()].concat();
    let last = commitment::encode_field(b"last").unwrap();
    let stored = [&(0u64, 9u32, Compact(3u32)).encode()[..], &credentials, &failed, &last].concat();
    let read = StoredCommitment::decode_with(&stored, &new).unwrap();
    assert_eq!(read.bytes(), Some(&[b'c'; 128][..]));
    let named = Field::Later { kind: 137, name: Some("TimelockRevealFailed".into()) };
    assert_eq!(read.fields[1..], [named, Field::Bytes(b"last".to_vec())]);
}

#[test]
fn what_is_gone_is_named_and_only_what_needs_it_is_refused() {
    let Some(mut tree) = tree() else { return };
    let call = pallet(&mut tree, "SubtensorModule").calls.as_ref().unwrap().ty.id;
    let TypeDef::Variant(calls) = &mut tree.types.types[call as usize].ty.type_def else { panic!() };
    for call in &mut calls.variants {
        if call.name == "set_weights" {
            call.fields.push(field("mode", call.fields[0].ty.id));
        }
    }
    calls.variants.retain(|call| call.name != "commit_crv3_weights");
    let entries = &mut pallet(&mut tree, "SubtensorModule").storage.as_mut().unwrap().entries;
    entries.retain(|entry| !["Burn", "TotalHotkeyAlpha"].contains(&entry.name.as_str()));
    let runtime = runtime(tree).unwrap();
    let told: Vec<String> =
        runtime.surface().iter().filter(|part| part.is_trouble()).map(SurfacePart::to_string).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains(
            "the call SubtensorModule.set_weights takes (netuid, dests, weights, version_key, mode)"
        )
    );
    let burn = find(&runtime, ".Burn").to_string();
    assert_eq!(
        burn,
        "storage SubtensorModule.Burn is not in this runtime: the price of a registration is not known"
    );
    let refused = runtime.encode(&Call::set_weights(81, 0, &vec![(1, 2)], 0)).unwrap_err().to_string();
    assert!(refused.contains("set_weights") && refused.contains("mode"), "{refused}");
    runtime.encode(&Call::set_commitment(81, b"still")).unwrap();
}

#[test]
fn extensions_that_came_since_hinder_only_where_they_add_bytes() {
    let (Some(mut quiet), Some(mut loud)) = (tree(), tree()) else { return };
    let number = primitive(&loud.types, TypeDefPrimitive::U64);
    let nothing = add(&mut quiet.types, TypeDef::Tuple(TypeDefTuple { fields: vec![] }));
    let extension = |identifier: &str, ty: u32, signed: u32| SignedExtensionMetadata {
        identifier: identifier.into(),
        ty: ty.into(),
        additional_signed: signed.into(),
    };
    quiet.extrinsic.signed_extensions.push(extension("CheckShieldedTxValidity", nothing, nothing));
    loud.extrinsic.signed_extensions.push(extension("CheckSomethingNew", number, number));
    let call = Call::set_commitment(81, b"hello");
    let (birth, birth_hash) = (BlockNumber(1), BlockHash::from_bytes([1; 32]));
    let terms = ExtrinsicParams { nonce: 3, mortality: 32, birth, birth_hash };
    let quiet = runtime(quiet).unwrap();
    let parts = quiet.unsigned(&call, &terms).unwrap().to_sign().unwrap();
    assert_eq!(parts.extra.len(), 5, "era, nonce, tip, mode: it adds nothing");
    let loud = runtime(loud).unwrap();
    let refused = loud.unsigned(&call, &terms).unwrap_err().to_string();
    assert!(refused.contains("CheckSomethingNew") && refused.contains("update"), "{refused}");
    assert_eq!(find(&loud, "CheckSomethingNew").kind, PartKind::Extension);
}

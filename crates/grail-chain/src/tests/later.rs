//! A runtime as bittensor 11.3.0 knows it, made of recorded metadata and what came since: names and types are those of
//! that package's generated tables (spec 446 and later). No runtime of that age can be had, only its description.

use super::recorded::metadata;
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
    Field as TypeField, Path, PortableRegistry, PortableType, Type, TypeDef, TypeDefComposite,
    TypeDefPrimitive, TypeDefTuple, TypeDefVariant, Variant, form::PortableForm,
};
use subxt::ext::frame_metadata::{
    RuntimeMetadata, RuntimeMetadataPrefixed,
    v15::{
        PalletConstantMetadata, PalletMetadata, RuntimeMetadataV15, SignedExtensionMetadata,
        StorageEntryMetadata, StorageEntryType, StorageHasher,
    },
};

/// Recorded metadata, as a tree; `None` where it is not at hand.
pub(super) fn tree() -> Option<RuntimeMetadataV15> {
    let bytes = metadata("subtensor-v293.metadata-v15.scale.xz")?;
    let prefixed = RuntimeMetadataPrefixed::decode(&mut &bytes[..]).unwrap();
    let RuntimeMetadata::V15(tree) = prefixed.1 else { panic!("recorded as version 15") };
    Some(tree)
}

pub(super) fn bytes(tree: RuntimeMetadataV15) -> Vec<u8> {
    RuntimeMetadataPrefixed(u32::from_le_bytes(*b"meta"), RuntimeMetadata::V15(tree)).encode()
}

fn runtime(tree: RuntimeMetadataV15) -> Result<Runtime, RuntimeError> {
    Runtime::new(&bytes(tree), 446, 1, BlockHash::from_bytes([1; 32]))
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

/// Everything that came since, by the names of bittensor 11.3.0.
fn later() -> Option<RuntimeMetadataV15> {
    let mut tree = tree()?;
    for name in ["LastEpochBlock", "PendingEpochAt", "SubnetEpochIndex"] {
        store(&mut tree, name, |_| {});
    }
    let (u16s, u64s) =
        (primitive(&tree.types, TypeDefPrimitive::U16), primitive(&tree.types, TypeDefPrimitive::U64));
    let u128s = primitive(&tree.types, TypeDefPrimitive::U128);
    let account = tree
        .types
        .types
        .iter()
        .find(|kind| kind.ty.path.segments.last().is_some_and(|name| name == "AccountId32"));
    let account = account.unwrap().id;
    let variants = vec![variant("Yuma", 0), variant("Null", 1)];
    let consensus = add(&mut tree.types, TypeDef::Variant(TypeDefVariant { variants }));
    let wrapper = vec![TypeField { name: None, ty: u64s.into(), type_name: None, docs: vec![] }];
    let amount = add(&mut tree.types, TypeDef::Composite(TypeDefComposite { fields: wrapper }));
    let bits = vec![field("bits", u128s)];
    let fixed = add(&mut tree.types, TypeDef::Composite(TypeDefComposite { fields: bits }));
    let fields = vec![
        field("locked", amount),
        field("drain_ratio", fixed),
        field("min_locked", amount),
        field("earned", amount),
    ];
    let collateral = add(&mut tree.types, TypeDef::Composite(TypeDefComposite { fields }));
    let parts = vec![u16s.into(), account.into(), account.into()];
    let key = add(&mut tree.types, TypeDef::Tuple(TypeDefTuple { fields: parts }));
    let map = |hashers: Vec<StorageHasher>, key: u32, value: u32| StorageEntryType::Map {
        hashers,
        key: key.into(),
        value: value.into(),
    };
    let (identity, concat) = (StorageHasher::Identity, StorageHasher::Blake2_128Concat);
    store(&mut tree, "SubnetEpochConsensus", |entry| {
        entry.ty = map(vec![identity.clone()], u16s, consensus);
        entry.default = vec![0];
    });
    store(&mut tree, "CollateralLockShare", |entry| {
        entry.ty = map(vec![identity.clone()], u16s, u16s);
        entry.default = vec![0, 0];
    });
    let hashers = vec![identity.clone(), concat.clone(), concat];
    store(&mut tree, "MinerCollateral", |entry| entry.ty = map(hashers, key, collateral));
    refuse(&mut tree, "SubtensorModule", "CommitPayloadTooLarge");
    refuse(&mut tree, "SubtensorModule", "CommitQueueFull");
    refuse(&mut tree, "Commitments", "TimelockRevealFailedNotAllowed");
    let tempo = PalletConstantMetadata {
        name: "MaxTempo".into(),
        ty: u16s.into(),
        value: 7_200u16.encode(),
        docs: vec![],
    };
    pallet(&mut tree, "SubtensorModule").constants.push(tempo);
    let data = tree.types.types.iter_mut().find(|kind| {
        let path = &kind.ty.path.segments;
        path.last().is_some_and(|name| name == "Data") && path.iter().any(|part| part.contains("commitments"))
    });
    let TypeDef::Variant(kinds) = &mut data.unwrap().ty.type_def else { panic!() };
    let mut failed = kinds.variants.iter().find(|kind| kind.name == "TimelockEncrypted").unwrap().clone();
    (failed.name, failed.index) = ("TimelockRevealFailed".into(), 137);
    kinds.variants.push(failed);
    Some(tree)
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
    let (Some(old), Some(new)) = (tree(), later()) else { return };
    let (old, new) = (runtime(old).unwrap(), runtime(new).unwrap());
    for runtime in [&old, &new] {
        let trouble: Vec<_> = runtime.surface().iter().filter(|part| part.is_trouble()).collect();
        assert!(trouble.is_empty(), "{trouble:?}");
    }
    for name in [
        ".LastEpochBlock",
        ".PendingEpochAt",
        ".SubnetEpochIndex",
        ".SubnetEpochConsensus",
        ".CollateralLockShare",
        ".MinerCollateral",
        ".MaxTempo",
        ".CommitPayloadTooLarge",
        ".CommitQueueFull",
        ".TimelockRevealFailedNotAllowed",
    ] {
        assert_eq!(find(&old, name).state, PartState::Absent, "{name}");
        assert_eq!(find(&new, name).state, PartState::Present, "{name}");
    }
    assert_eq!((old.forced_after(), new.forced_after()), (FORCED_AFTER, 7_200));
    assert!(old.loose_key(&keys::CONSENSUS, &[&[81, 0]]).is_none());
    let (key, kind) = new.loose_key(&keys::CONSENSUS, &[&[81, 0]]).unwrap();
    assert_eq!(key[32..], [81, 0]);
    assert_eq!(new.variant_name(&[1], kind).as_deref(), Some("Null"));
    assert_eq!(new.variant_name(&[9], kind), None);
    let (key, kind) = new.loose_key(&keys::COLLATERAL, &[&[81, 0], &[5; 32], &[6; 32]]).unwrap();
    assert_eq!((key.len(), &key[key.len() - 32..]), (32 + 2 + 2 * 48, &[6; 32][..]));
    let stored = (7_000_000_000u64, 1u128 << 64, 5u64, 3u64).encode();
    let read = MinerCollateral { locked: 7_000_000_000, min_locked: 5, earned: 3 };
    assert_eq!(new.collateral(&stored, kind), Some(read));
    assert_eq!(new.collateral(&stored[..4], kind), None);
}

#[test]
fn a_field_that_came_since_is_passed_over_by_its_name() {
    let Some(new) = later() else { return };
    let new = runtime(new).unwrap();
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

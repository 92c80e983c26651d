use super::*;
use crate::{
    manifest::{FileEntry, MANIFEST_VERSION, Manifest, ManifestError, PUBLISHED_VERSION},
    tensors::TensorRoot,
    window::RootHex,
};
use grail_protocol::{
    draw::SamplingPolicy,
    params::DEV,
    profile::NumericProfile,
    sign::HotkeyPair,
    words::{CheckpointId, UnixMillis, WindowStart},
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn trainer() -> HotkeyPair {
    HotkeyPair::from_seed(&[7; 32]).unwrap()
}

fn delta(makes: &str) -> DeltaFile {
    DeltaFile { makes: makes.into(), size: 3, sha256: "cd".repeat(32) }
}

fn manifest(window: u64, sequence: u64) -> Manifest {
    let file = |name: &str| FileEntry { name: name.into(), size: 5, sha256: "ab".repeat(32) };
    Manifest {
        version: PUBLISHED_VERSION,
        window: WindowStart(window),
        sequence,
        environments: vec!["sat/1".parse().unwrap()],
        policy: SamplingPolicy::DEFAULT,
        max_new_tokens: 128,
        numeric: NumericProfile::StrictF32,
        files: vec![file("config.json"), file("model.safetensors")],
        publication: Some(Publication {
            kind: PublicationKind::Delta,
            step: Some(DeltaStep {
                base: CheckpointId::from_bytes([1; 32]),
                base_window: WindowStart(window - 20),
                deltas: vec![delta("model.safetensors")],
            }),
            tensors: TensorRoot([2; 32]),
            trained_on: RootHex([3; 32]),
            trainer: trainer().hotkey(),
            signature: None,
        }),
    }
}

fn signed(window: u64, sequence: u64) -> Manifest {
    let mut manifest = manifest(window, sequence);
    manifest.sign(&trainer(), [9; 32]).unwrap();
    manifest
}

fn verify(manifest: &Manifest, last: Option<u64>) -> Result<Manifest, ManifestError> {
    verify_manifest(&manifest.to_json().unwrap(), &DEV, Trust::Trainer(&trainer().hotkey()), last)
}

#[test]
fn a_signed_manifest_is_read_and_the_signature_is_no_part_of_its_identity() {
    let manifest = manifest(100, 4);
    let signed = signed(100, 4);
    assert_eq!(signed.id(), manifest.id());
    assert_eq!(verify(&signed, None), Ok(signed.clone()));
    assert_eq!(verify(&signed, Some(3)), Ok(signed));
}

#[test]
fn every_value_of_a_publication_is_part_of_the_identity() {
    type Change = fn(&mut Publication);
    let changes: [Change; 10] = [
        |p| p.kind = PublicationKind::Full,
        |p| p.step = None,
        |p| p.step.as_mut().unwrap().base = CheckpointId::from_bytes([9; 32]),
        |p| p.step.as_mut().unwrap().base_window.0 -= 20,
        |p| p.step.as_mut().unwrap().deltas[0].makes = "config.json".into(),
        |p| p.step.as_mut().unwrap().deltas[0].size += 1,
        |p| p.step.as_mut().unwrap().deltas[0].sha256 = "ef".repeat(32),
        |p| p.tensors.0[0] ^= 1,
        |p| p.trained_on.0[0] ^= 1,
        |p| p.trainer = HotkeyPair::from_seed(&[8; 32]).unwrap().hotkey(),
    ];
    let before = manifest(100, 4).id();
    for (index, change) in changes.into_iter().enumerate() {
        let mut other = manifest(100, 4);
        change(other.publication.as_mut().unwrap());
        assert_ne!(other.id(), before, "change {index}");
        let mut signed = signed(100, 4);
        change(signed.publication.as_mut().unwrap());
        assert!(verify(&signed, None).is_err(), "change {index} keeps no signature");
    }
}

#[test]
fn a_manifest_by_anybody_else_is_refused() {
    let other = HotkeyPair::from_seed(&[8; 32]).unwrap();
    let mut foreign = manifest(100, 4);
    foreign.publication.as_mut().unwrap().trainer = other.hotkey();
    foreign.sign(&other, [9; 32]).unwrap();
    let expected = trainer().hotkey();
    assert_eq!(verify(&foreign, None), Err(ManifestError::WrongKey { expected, got: other.hotkey() }));

    // The trainer's name over another's signature.
    foreign.publication.as_mut().unwrap().trainer = expected;
    assert_eq!(verify(&foreign, None), Err(ManifestError::BadSignature { trainer: expected }));
    assert_eq!(verify(&manifest(100, 4), None), Err(ManifestError::Unsigned));
    assert!(matches!(manifest(100, 4).sign(&other, [9; 32]), Err(ManifestError::WrongKey { .. })));
}

#[test]
fn an_older_sequence_and_the_same_once_more_are_refused() {
    for (got, last) in [(4, 4), (4, 5), (0, 0)] {
        assert_eq!(verify(&signed(100, got), Some(last)), Err(ManifestError::OldSequence { got, last }));
    }
}

#[test]
fn an_unknown_version_is_named_whatever_it_holds() {
    let bytes = br#"{"version": 3, "shape": "unheard of"}"#;
    let refused = verify_manifest(bytes, &DEV, Trust::Genesis, None);
    assert_eq!(refused, Err(ManifestError::UnknownVersion { got: 3 }));
}

#[test]
fn only_who_says_so_takes_an_unsigned_first_model() {
    let mut genesis = manifest(100, 0);
    (genesis.version, genesis.publication) = (MANIFEST_VERSION, None);
    let bytes = genesis.to_json().unwrap();
    assert_eq!(verify_manifest(&bytes, &DEV, Trust::Genesis, None), Ok(genesis.clone()));
    assert_eq!(verify(&genesis, None), Err(ManifestError::Unsigned));
    let published = signed(100, 4);
    let refused = verify_manifest(&published.to_json().unwrap(), &DEV, Trust::Genesis, None);
    assert_eq!(refused, Err(ManifestError::Unexpected { trainer: trainer().hotkey() }));
}

#[test]
fn publications_that_make_no_sense_are_refused() {
    type Change = fn(&mut Publication);
    let changes: [Change; 6] = [
        |p| p.step = None,
        |p| p.step.as_mut().unwrap().base_window = WindowStart(100),
        |p| p.step.as_mut().unwrap().deltas.clear(),
        |p| p.step.as_mut().unwrap().deltas[0].makes = "other.safetensors".into(),
        |p| p.step.as_mut().unwrap().deltas[0].sha256.push('0'),
        |p| p.step.as_mut().unwrap().deltas.push(delta("config.json")),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let mut bad = manifest(100, 4);
        change(bad.publication.as_mut().unwrap());
        match bad.check(&DEV) {
            Err(ManifestError::Field { field: "publication", .. }) => {}
            other => panic!("change {index}: {other:?}"),
        }
    }
}

#[test]
fn keys_have_one_spelling_and_prefixes_end_in_a_slash() {
    let place = CheckpointPlace::Window(WindowStart(71_950));
    let key = place.file(FileName::new("model.safetensors").unwrap());
    assert_eq!(key.to_string(), "checkpoints/window-71950/model.safetensors");
    assert_eq!(key.to_string().parse(), Ok(key));
    assert_eq!("milestone-0".parse(), Ok(CheckpointPlace::Milestone(WindowStart(0))));
    for bad in [
        "windows/window-1/a",
        "checkpoints/window-1",
        "checkpoints/window-01/a",
        "checkpoints/window-+1/a",
        "checkpoints/window--1/a",
        "checkpoints/window-1/a/b",
        "checkpoints/window-1/..",
        "checkpoints/window-1/",
        "checkpoints/other-1/a",
        "checkpoints/window-99999999999999999999/a",
    ] {
        assert!(bad.parse::<CheckpointKey>().is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn no_prefix_touches_another_checkpoint(a: u64, b: u64, milestones: (bool, bool), name in "[a-z]{1,5}") {
        let place = |window, milestone| {
            let window = WindowStart(window);
            if milestone { CheckpointPlace::Milestone(window) } else { CheckpointPlace::Window(window) }
        };
        for b in [b, a.saturating_mul(10), a / 10, a] {
            let (one, other) = (place(a, milestones.0), place(b, milestones.1));
            let key = other.file(FileName::new(name.clone()).unwrap()).to_string();
            prop_assert_eq!(key.starts_with(&one.prefix()), one == other);
        }
    }
}

fn listing(place: CheckpointPlace, names: &[(&str, u64)]) -> Vec<Listed> {
    stored(place, names, 0)
}

fn stored(place: CheckpointPlace, names: &[(&str, u64)], at: u64) -> Vec<Listed> {
    let listed = |(name, size): &(&str, u64)| Listed {
        key: place.file(FileName::new(*name).unwrap()),
        size: *size,
        stored_at: UnixMillis(at),
    };
    names.iter().map(listed).collect()
}

#[test]
fn a_checkpoint_is_complete_with_marker_manifest_and_every_size() {
    let place = CheckpointPlace::Window(WindowStart(100));
    let delta = [("manifest.json", 9), ("model.safetensors.delta", 3), ("READY", 65)];
    let of = |names: &[(&str, u64)]| Inventory::new(listing(place, names));
    let manifest = manifest(100, 4);
    assert_eq!(of(&delta).readiness(place, &manifest), Readiness::Complete);
    assert_eq!(of(&delta[..2]).readiness(place, &manifest), Readiness::NotReady);
    assert_eq!(of(&delta[1..]).readiness(place, &manifest), Readiness::NotReady);
    let broken =
        |names: &[&str]| Readiness::Broken { files: names.iter().map(|n| (*n).to_owned()).collect() };
    let short = [delta[0], ("model.safetensors.delta", 2), delta[2]];
    assert_eq!(of(&short).readiness(place, &manifest), broken(&["model.safetensors.delta"]));

    // A full checkpoint that also offers a delta needs both ways whole.
    let mut both = manifest.clone();
    both.publication.as_mut().unwrap().kind = PublicationKind::Full;
    assert_eq!(of(&delta).readiness(place, &both), broken(&["config.json", "model.safetensors"]));
    let all = [&delta[..], &[("config.json", 5), ("model.safetensors", 5)]].concat();
    assert_eq!(of(&all).readiness(place, &both), Readiness::Complete);
}

#[test]
fn the_newest_is_so_by_window_and_only_when_ready() {
    let window = |w| CheckpointPlace::Window(WindowStart(w));
    let ready = [("manifest.json", 9), ("READY", 65)];
    let mut objects = listing(window(300), &ready);
    objects.extend(listing(window(1_000), &ready));
    objects.extend(listing(window(330), &ready[..1]));
    objects.extend(listing(CheckpointPlace::Milestone(WindowStart(2_000)), &ready));
    let inventory = Inventory::new(objects);
    let before = |w| {
        let moment = Moment { before: WindowStart(w), marked_by: UnixMillis(0) };
        inventory.ready_for(moment).map(|w| w.0).collect::<Vec<_>>()
    };
    assert_eq!(before(5_000), [1_000, 300]);
    assert_eq!(before(1_000), [300]);
    assert_eq!(before(300), [0; 0]);
}

#[test]
fn what_was_marked_too_late_is_for_the_window_after() {
    let ready = [("manifest.json", 9), ("READY", 65)];
    let place = |w| CheckpointPlace::Window(WindowStart(w));
    let mut objects = stored(place(20), &ready, 57_000);
    // Published in window 40, and finished when window 60 had begun.
    objects.extend(stored(place(40), &ready, 121_000));
    let inventory = Inventory::new(objects);
    let of = |w: u64, first: u64| {
        let moment = Moment::of(&DEV, WindowStart(w), UnixMillis(first));
        inventory.ready_for(moment).next().map(|w| w.0)
    };
    // Blocks are 3 s apart, so window 40 begins at 120 s; a marker of 57 s is settled for it, and for 59.9 s not.
    assert_eq!(of(40, 120_000), Some(20));
    assert_eq!(of(40, 59_999), None);
    assert_eq!(of(60, 123_999), Some(20));
    assert_eq!(of(60, 124_000), Some(40));
    assert_eq!(of(80, 240_000), Some(40));
}

#[test]
fn the_marker_is_deleted_first() {
    let place = CheckpointPlace::Window(WindowStart(100));
    let files = [("a.json", 1), ("READY", 65), ("manifest.json", 9), ("A", 1)];
    let names: Vec<String> = Inventory::new(listing(place, &files))
        .keys_to_delete(place)
        .iter()
        .map(|k| k.name.to_string())
        .collect();
    assert_eq!(names, ["READY", "manifest.json", "A", "a.json"]);
}

#[test]
fn the_digest_of_windows_depends_on_each_of_them() {
    let file = |window: u64, key: u8, root: u8| {
        (WindowStart(window), grail_protocol::words::Hotkey::from_bytes([key; 32]), [root; 32])
    };
    let set = |files: &[_]| windows_digest(&files.iter().copied().collect::<BTreeSet<_>>());
    let before = set(&[file(1, 2, 3), file(1, 4, 5)]);
    assert_eq!(before, set(&[file(1, 4, 5), file(1, 2, 3)]));
    for other in [
        set(&[]),
        set(&[file(1, 2, 3)]),
        set(&[file(2, 2, 3), file(1, 4, 5)]),
        set(&[file(1, 2, 3), file(1, 4, 6)]),
    ] {
        assert_ne!(before, other);
    }
}

/// Any shelf: windows of 20 blocks, some gone, some not ready, each whole or made from an older one, some unreadable.
fn any_shelf() -> impl Strategy<Value = Vec<Held>> {
    let one = (0u8..8, 0u8..10, 1u64..4, any::<bool>());
    prop::collection::vec(one, 1..60).prop_map(|ones| {
        let mut held = Vec::new();
        for (index, (presence, needs, back, milestone)) in (0u64..).zip(ones) {
            let window = WindowStart(index * 20);
            let needs = match needs {
                0..3 => Needs::Nothing,
                3..9 => {
                    index.checked_sub(back).map_or(Needs::Nothing, |base| Needs::Base(WindowStart(base * 20)))
                }
                _ => Needs::Unknown,
            };
            if presence > 0 {
                held.push(Held { place: CheckpointPlace::Window(window), ready: presence > 1, needs });
            }
            if milestone && index % 7 == 0 {
                held.push(Held {
                    place: CheckpointPlace::Milestone(window),
                    ready: presence > 2,
                    needs: Needs::Nothing,
                });
            }
        }
        held
    })
}

proptest! {
    #[test]
    fn a_plan_never_deletes_what_a_kept_chain_needs(held in any_shelf(), last in 1usize..12, every in 0u64..9) {
        let retention = Retention { last, milestone_every: every, window_length: 20 };
        let plan = plan(&held, retention);
        for one in &held {
            prop_assert!(plan.keep.contains_key(&one.place) != plan.delete.contains(&one.place));
            if let (true, Needs::Base(base)) = (plan.keep.contains_key(&one.place), one.needs) {
                prop_assert!(!plan.delete.contains(&CheckpointPlace::Window(base)), "{:?} needs {base}", one.place);
            }
            if plan.keep.contains_key(&one.place) && one.ready && one.needs == Needs::Unknown {
                prop_assert!(plan.delete.iter().all(|gone| gone.window() >= one.place.window()));
            }
            if matches!(one.place, CheckpointPlace::Milestone(_)) {
                prop_assert!(plan.keep.contains_key(&one.place));
            }
        }
        let ready: Vec<CheckpointPlace> = held
            .iter()
            .filter(|one| one.ready && matches!(one.place, CheckpointPlace::Window(_)))
            .map(|one| one.place)
            .collect();
        for place in ready.iter().rev().take(last) {
            prop_assert_eq!(plan.keep.get(place), Some(&Reason::Newest));
        }
        if ready.is_empty() {
            prop_assert!(plan.delete.is_empty());
        }
        // What is kept stays kept when the plan was carried out.
        let left: Vec<Held> = held.iter().copied().filter(|one| plan.keep.contains_key(&one.place)).collect();
        prop_assert!(super::plan(&left, retention).delete.is_empty());
    }
}

#[test]
fn needs_are_read_from_manifests() {
    let place = |w| CheckpointPlace::Window(WindowStart(w));
    let names = [("manifest.json", 9), ("READY", 65)];
    let inventory = Inventory::new([60, 80, 100].into_iter().flat_map(|w| listing(place(w), &names)));
    let mut full = manifest(80, 3);
    full.publication.as_mut().unwrap().kind = PublicationKind::Full;
    let manifests = BTreeMap::from([(place(80), full), (place(100), manifest(100, 4))]);
    let needs: Vec<Needs> = Held::all(&inventory, &manifests).iter().map(|one| one.needs).collect();
    assert_eq!(needs, [Needs::Unknown, Needs::Nothing, Needs::Base(WindowStart(80))]);
}

#[test]
fn a_milestone_is_kept_once() {
    let held = |place, ready| Held { place, ready, needs: Needs::Nothing };
    let (old, copy) = (CheckpointPlace::Window(WindowStart(0)), CheckpointPlace::Milestone(WindowStart(0)));
    let newest = held(CheckpointPlace::Window(WindowStart(20)), true);
    let retention = Retention { last: 1, milestone_every: 100, window_length: 20 };
    let plan_with = |copy_ready| plan(&[held(old, true), held(copy, copy_ready), newest], retention);
    assert!(plan_with(true).delete.contains(&old));
    assert_eq!(plan_with(false).keep.get(&old), Some(&Reason::Milestone));
}

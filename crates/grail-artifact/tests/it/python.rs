//! Where our rule is the Python original's, against what the original does; where it differs, how.

use crate::{original, sparse};
use grail_artifact::{
    checkpoint::{CheckpointPlace, FileName, Held, Inventory, Listed, Moment, Needs, Retention, plan},
    delta::{Base, DeltaOptions, Encoded, apply, encode},
    tensors::SafetensorsFile,
};
use grail_protocol::hash::sha256;
use grail_protocol::words::{UnixMillis, WindowStart};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    io::Cursor,
    path::Path,
};

fn vectors(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/vectors/python/infra").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().unwrap()
}

fn number(value: &Value, field: &str) -> u64 {
    value[field].as_u64().unwrap()
}

fn numbers(value: &Value, field: &str) -> BTreeSet<u64> {
    list(value, field).iter().map(|number| number.as_u64().unwrap()).collect()
}

/// Every window up to `current`, whole ones every `interval` windows and deltas against the one before between them.
fn shelf(current: u64, length: u64, interval: u64) -> Vec<Held> {
    let held = |window: u64| {
        let whole = (window / length).is_multiple_of(interval);
        let needs = if whole { Needs::Nothing } else { Needs::Base(WindowStart(window - length)) };
        Held { place: CheckpointPlace::Window(WindowStart(window)), ready: true, needs }
    };
    (0..=current / length).map(|index| held(index * length)).collect()
}

fn kept(held: &[Held], retention: Retention) -> BTreeSet<u64> {
    plan(held, retention).keep.keys().map(|place| place.window().0).collect()
}

/// The original kept the ids 0 to 9 by name, of which only 0 is a window; for us no window is special.
#[test]
fn retention_is_that_of_the_first_releases_but_for_the_ids_0_to_9() {
    let file = vectors("retention.json");
    for case in list(&file, "seed_era_policy") {
        let (current, length) = (number(case, "current_window"), number(case, "window_length"));
        let retention = Retention {
            last: number(case, "keep_limit") as usize,
            milestone_every: number(case, "milestone_interval"),
            window_length: length,
        };
        let mut theirs = numbers(case, "keep");
        theirs.retain(|window| *window > 9);
        let mut ours = kept(&shelf(current, length, 1), retention);
        // Ours keeps window 0 where it is a milestone, as theirs does by its name.
        assert_eq!(ours.remove(&0), retention.milestone_every > 0);
        assert_eq!(ours, theirs, "{case}");
    }
}

/// The later original keeps the first ten windows for ever, and everything since the anchor before the last. Ours keeps
/// the last ten and what they are made from, back to the anchor below them; of theirs only what is
/// older than that anchor goes, and of what is not in theirs ours keeps only what milestones are made from.
#[test]
fn retention_with_anchors_goes_back_to_the_anchor_below_the_last_ten() {
    let file = vectors("retention.json");
    let mut compared = 0;
    for case in list(&file, "current_policy") {
        let Some(current) = case["current_window"].as_i64().and_then(|window| u64::try_from(window).ok())
        else {
            continue;
        };
        let (length, interval) = (number(case, "window_length"), number(case, "delta_base_interval"));
        let every = number(case, "milestone_interval");
        let retention = Retention { last: 10, milestone_every: every, window_length: length };
        let ours = kept(&shelf(current, length, interval), retention);
        let theirs = numbers(case, "keep");
        let anchor_of = |window: u64| window - window % (interval * length);
        let anchor = anchor_of(current.saturating_sub(9 * length));
        // Where anchors are close, theirs keeps fewer than ten; and of a milestone that is a delta theirs deletes what it
        // is made from.
        for more in ours.difference(&theirs) {
            let made_from = |window: &u64| {
                retention.is_milestone(WindowStart(*window)) && anchor_of(*window) <= *more && more < window
            };
            assert!(*more >= anchor || theirs.iter().any(made_from), "{more} {case}");
        }
        let gone: BTreeSet<u64> = theirs.difference(&ours).copied().collect();
        assert!(gone.iter().all(|window| *window < anchor), "{gone:?} {anchor} {case}");
        compared += 1;
    }
    assert!(compared > 5);
}

/// Where a delta's base is not known the original deletes what may be the base; ours keeps everything older.
#[test]
fn chains_are_kept_as_the_original_keeps_them_where_every_base_is_known() {
    let file = vectors("retention.json");
    let mut known = 0;
    for case in list(&file, "chain_windows") {
        let bases: BTreeMap<u64, u64> = case["prev_window"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(k, v)| (k.parse().unwrap(), v.as_u64().unwrap()))
            .collect();
        let anchors: BTreeMap<u64, u64> = case["anchor_window"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(k, v)| (k.parse().unwrap(), v.as_u64().unwrap()))
            .collect();
        let retained = numbers(case, "retained_deltas");
        let newest = *retained.last().unwrap();
        let windows: BTreeSet<u64> = bases
            .keys()
            .chain(bases.values())
            .chain(anchors.values())
            .chain(&retained)
            .copied()
            .filter(|w| *w <= newest)
            .collect();
        let held: Vec<Held> = windows
            .iter()
            .map(|window| {
                let needs = match (bases.get(window), anchors.get(window)) {
                    (Some(base), _) => Needs::Base(WindowStart(*base)),
                    (None, Some(_)) => Needs::Unknown,
                    (None, None) => Needs::Nothing,
                };
                Held { place: CheckpointPlace::Window(WindowStart(*window)), ready: true, needs }
            })
            .collect();
        let retention = Retention { last: retained.len(), milestone_every: 0, window_length: 30 };
        let ours = kept(&held, retention);
        let theirs: BTreeSet<u64> = numbers(case, "keep").union(&retained).copied().collect();
        if retained.iter().all(|window| {
            std::iter::successors(Some(*window), |window| bases.get(window).copied())
                .all(|window| bases.contains_key(&window) || !anchors.contains_key(&window))
        }) {
            assert_eq!(ours, theirs, "{case}");
            known += 1;
        }
        assert!(ours.is_superset(&theirs.intersection(&windows).copied().collect()), "{case}");
    }
    assert!(known > 0);
}

/// The original takes the checkpoint that became ready last; ours the one of the newest window among those that are
/// ready. In this bucket both are the same.
#[test]
fn the_newest_ready_checkpoint_is_the_originals() {
    let file = vectors("checkpoint_repo.json");
    let mut ready: BTreeMap<u64, u64> = BTreeMap::new();
    for key in file["objects_b64"].as_object().unwrap().keys() {
        let Some((place, marker)) =
            key.strip_prefix("grail/checkpoints/checkpoint-").unwrap().split_once('/')
        else {
            panic!("{key}")
        };
        if let Some(at) = marker.strip_prefix("READY-") {
            ready.insert(place.parse().unwrap(), at.parse().unwrap());
        }
    }
    let table = file["latest_ready_before"].as_object().unwrap();
    assert!(table.len() > 5);
    for (before, theirs) in table {
        let before: u64 = before.parse().unwrap();
        let there = ready.iter().filter(|(_, at)| **at < before);
        let objects = there.flat_map(|(window, _)| {
            let place = CheckpointPlace::Window(WindowStart(*window));
            [place.file(FileName::ready()), place.file(FileName::manifest())].map(|key| Listed {
                key,
                size: 1,
                stored_at: UnixMillis(0),
            })
        });
        let inventory = Inventory::new(objects);
        let ours = inventory.ready_for(Moment { before: WindowStart(before), ..Moment::ANY }).next();
        assert_eq!(ours.map(|window| window.0), theirs.as_u64(), "before {before}");
    }
}

/// Goes from one file to the other with a delta of ours; gives what the encoder says.
fn there(id: &str, from: Vec<u8>, to: Vec<u8>) -> Encoded {
    let open = |bytes: Vec<u8>| SafetensorsFile::open(Cursor::new(bytes)).unwrap();
    let mut base = Base::take(open(from), DeltaOptions::default(), &mut |_| {}).unwrap();
    let mut delta = Vec::new();
    let encoded =
        encode(&mut base, &mut open(to.clone()), &mut delta, DeltaOptions::default(), &mut |_| {}).unwrap();
    let mut out = Cursor::new(Vec::new());
    apply(&mut &delta[..], &mut base, &mut out, 1 << 24, DeltaOptions::default(), &mut |_| {}).unwrap();
    assert!(out.into_inner() == to, "{id}");
    encoded
}

/// Ours ends at the current weights in every case. The original does so only where nothing is lost: it compares by
/// value, casts everything to one dtype, leaves new tensors out, and has a threshold, which ours has not.
#[test]
fn deltas_reach_the_current_weights_in_every_case_of_the_original() {
    let file = vectors("sparse_delta.json");
    let mut lost_by_theirs = Vec::new();
    for case in list(&file, "cases") {
        let id = case["id"].as_str().unwrap();
        let (from, to) =
            (sparse::safetensors(list(case, "base")), sparse::safetensors(list(case, "current")));
        let encoded = there(id, from, to);
        if case["current_hash"] != case["reconstructed_hash"] {
            lost_by_theirs.push(id);
        } else if id != "nan_same" {
            // Theirs counts an unchanged NaN as changed.
            assert_eq!(encoded.changed, number(&case["stats"], "nonzero_params"), "{id}");
        }
    }
    assert_eq!(lost_by_theirs, ["threshold", "signed_zero", "mixed_dtype", "missing_in_base"]);
}

/// The original's frames of these are recorded. Ours begin with 80 bytes of roots and size, which the original keeps in
/// other files; the rest is smaller than its frames in every version, though the cases are so small that headers weigh most.
#[test]
fn the_originals_recorded_entries_and_steps_lead_to_the_same_weights_with_ours() {
    let chain = sparse::chain(&vectors("checkpoint_repo.json"));
    let codec = sparse::codec(&vectors("sparse_codec.json"));
    assert_eq!((chain.len(), codec.len()), (5, 46));
    let mut sums: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for case in chain.into_iter().chain(codec) {
        let encoded = there(&case.id, case.base, case.current);
        assert_eq!(encoded.changed, case.entries, "{}", case.id);
        let (ours, theirs) = sums.entry(case.codec).or_default();
        *ours += encoded.bytes as usize - 80;
        *theirs += case.frame;
    }
    assert!(sums.len() == 3 && sums.values().all(|(ours, theirs)| ours < theirs), "{sums:?}");
}

/// The codec written again for `delta_figures` makes the payloads that the original made.
#[test]
fn payloads_of_the_original_are_made_again_byte_for_byte() {
    let file = vectors("sparse_codec.json");
    let mut made = 0;
    for case in list(&file, "cases").iter().filter(|case| case["codec"] == "v3.1") {
        let entries = |tensor: &Value| {
            let shape: Vec<u64> = list(tensor, "shape").iter().map(|side| side.as_u64().unwrap()).collect();
            original::Entries {
                name: tensor["name"].as_str().unwrap().to_owned(),
                dtype: tensor["value_dtype"].as_str().unwrap().to_owned(),
                places: sparse::places(tensor, &shape).into_iter().map(|place| place as u64).collect(),
                values: hex::decode(tensor["values_le_hex"].as_str().unwrap()).unwrap(),
                shape,
            }
        };
        let mut tensors: Vec<original::Entries> = list(case, "decoded").iter().map(entries).collect();
        let payload = original::payload(&mut tensors).unwrap();
        assert_eq!(hex::encode(sha256(&payload)), case["payload_sha256"].as_str().unwrap(), "{}", case["id"]);
        made += 1;
    }
    assert!(made > 10);
}

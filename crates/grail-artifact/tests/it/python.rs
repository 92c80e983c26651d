//! Where our rule is the Python original's, against what the original does; where it differs, how.

use grail_artifact::{
    checkpoint::{FileName, Held, Inventory, Needs, Place, Retention, plan},
    delta::{Base, Options, apply, encode},
    tensors::{Dtype, Header, SafetensorsFile, TensorSpec},
};
use grail_protocol::words::WindowStart;
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
        Held { place: Place::Window(WindowStart(window)), ready: true, needs }
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
                Held { place: Place::Window(WindowStart(*window)), ready: true, needs }
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
            let place = Place::Window(WindowStart(*window));
            [place.file(FileName::ready()), place.file(FileName::manifest())].map(|key| (key, 1))
        });
        let inventory = Inventory::new(objects);
        let ours = inventory.ready_before(WindowStart(before)).next();
        assert_eq!(ours.map(|window| window.0), theirs.as_u64(), "before {before}");
    }
}

fn safetensors(tensors: &[Value]) -> Vec<u8> {
    let dtype = |name: &str| match name {
        "bfloat16" => Dtype::BF16,
        "float16" => Dtype::F16,
        "float32" => Dtype::F32,
        other => panic!("{other}"),
    };
    let shapes: Vec<Vec<u64>> = tensors
        .iter()
        .map(|tensor| list(tensor, "shape").iter().map(|side| side.as_u64().unwrap()).collect())
        .collect();
    let specs: Vec<TensorSpec<'_>> = tensors
        .iter()
        .zip(&shapes)
        .map(|(tensor, shape)| {
            (tensor["name"].as_str().unwrap(), dtype(tensor["dtype"].as_str().unwrap()), &shape[..])
        })
        .collect();
    let header = Header::build(&specs, &BTreeMap::new()).unwrap();
    let mut bytes = (header.json().len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.json());
    for tensor in tensors {
        bytes.extend(hex::decode(tensor["data_le_hex"].as_str().unwrap()).unwrap());
    }
    bytes
}

/// Ours ends at the current weights in every case. The original does so only where nothing is lost: it compares by
/// value, casts everything to one dtype, leaves new tensors out, and has a threshold, which ours has not.
#[test]
fn deltas_reach_the_current_weights_in_every_case_of_the_original() {
    let file = vectors("sparse_delta.json");
    let mut lost_by_theirs = Vec::new();
    for case in list(&file, "cases") {
        let id = case["id"].as_str().unwrap();
        let (from, to) = (safetensors(list(case, "base")), safetensors(list(case, "current")));
        let open = |bytes: Vec<u8>| SafetensorsFile::open(Cursor::new(bytes)).unwrap();
        let mut base = Base::take(open(from), Options::default(), &mut |_| {}).unwrap();
        let mut delta = Vec::new();
        let encoded =
            encode(&mut base, &mut open(to.clone()), &mut delta, Options::default(), &mut |_| {}).unwrap();
        let mut out = Cursor::new(Vec::new());
        apply(&mut &delta[..], &mut base, &mut out, 1 << 20, Options::default(), &mut |_| {}).unwrap();
        assert_eq!(out.into_inner(), to, "{id}");
        if case["current_hash"] != case["reconstructed_hash"] {
            lost_by_theirs.push(id);
        } else if id != "nan_same" {
            // Theirs counts an unchanged NaN as changed.
            assert_eq!(encoded.changed, number(&case["stats"], "nonzero_params"), "{id}");
        }
    }
    assert_eq!(lost_by_theirs, ["threshold", "signed_zero", "mixed_dtype", "missing_in_base"]);
}

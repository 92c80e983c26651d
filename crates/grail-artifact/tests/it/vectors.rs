use crate::topics::TOPICS;
use serde_json::{Value, json};
use std::path::Path;

fn pinned(file: &str) {
    let topic = TOPICS.iter().find(|topic| file == format!("{}.json", topic.name)).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/vectors/artifact").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let file: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(file["about"], json!(topic.about));
    let cases = file["cases"].as_array().unwrap();
    assert_eq!(cases.len(), (topic.inputs)().len());
    for case in cases {
        assert_eq!((topic.derive)(&case["in"]), case["out"], "{}: {}", topic.name, case["in"]);
    }
}

#[test]
fn rollout_digests_hold() {
    pinned("rollout.json");
}

#[test]
fn header_digests_hold() {
    pinned("header.json");
}

#[test]
fn file_messages_hold() {
    pinned("file.json");
}

#[test]
fn checkpoint_identities_hold() {
    pinned("manifest.json");
}

#[test]
fn tensor_roots_hold() {
    pinned("tensors.json");
}

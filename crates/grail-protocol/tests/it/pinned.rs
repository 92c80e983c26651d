//! Reads the vector files of this crate, and has a second implementation read them too.

use crate::vectors::{self, kit};
use grail_protocol::{
    sign::{HotkeyPair, Signature, verify},
    words::{Hotkey, HotkeyError},
};
use serde_json::Value;
use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

fn read(file: &str) -> String {
    let path = fixtures().join("vectors").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn pinned(file: &str) {
    let name = file.trim_start_matches("protocol/").trim_end_matches(".json");
    vectors::all().find(|topic| topic.name == name).unwrap().check(&read(file));
}

#[test]
fn hash_vectors_hold() {
    pinned("protocol/hash.json");
}

#[test]
fn stream_vectors_hold() {
    pinned("protocol/stream.json");
}

#[test]
fn bounded_vectors_hold() {
    pinned("protocol/bounded.json");
}

#[test]
fn philox_vectors_hold() {
    pinned("protocol/philox.json");
}

#[test]
fn noise_vectors_hold() {
    pinned("protocol/noise.json");
}

#[test]
fn rounds_vectors_hold() {
    pinned("protocol/rounds.json");
}

#[test]
fn beacons_vectors_hold() {
    pinned("protocol/beacons.json");
}

#[test]
fn params_vectors_hold() {
    pinned("protocol/params.json");
}

#[test]
fn windows_vectors_hold() {
    pinned("protocol/windows.json");
}

#[test]
fn seeds_vectors_hold() {
    pinned("protocol/seeds.json");
}

#[test]
fn merkle_vectors_hold() {
    pinned("protocol/merkle.json");
}

#[test]
fn ss58_vectors_hold() {
    pinned("protocol/ss58.json");
}

#[test]
fn draws_vectors_hold() {
    pinned("protocol/draws.json");
}

#[test]
fn sketch_vectors_hold() {
    pinned("protocol/sketch.json");
}

#[test]
fn distance_vectors_hold() {
    pinned("protocol/distance.json");
}

#[test]
fn logprob_vectors_hold() {
    pinned("protocol/logprob.json");
}

#[test]
fn every_topic_has_a_file_and_every_file_a_topic() {
    let mut files: Vec<String> = std::fs::read_dir(fixtures().join("vectors/protocol"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let mut topics: Vec<String> = vectors::all().map(|topic| format!("{}.json", topic.name)).collect();
    topics.sort();
    assert_eq!(files, topics);
}

fn python_original(name: &str) -> Value {
    serde_json::from_str(&read(name)).unwrap()
}

/// Signatures by `bittensor.Keypair` verify here; forgeries do not.
#[test]
fn signatures_of_the_python_original_verify() {
    let file = python_original("python/sr25519.json");
    let (mut genuine, mut refused) = (0, 0);
    for case in kit::list(&file["signatures"]) {
        let hotkey: Hotkey = kit::text(&case["ss58"]).parse().unwrap();
        let message = kit::bytes(&case["message_hex"]);
        let signature: Option<[u8; 64]> = kit::bytes(&case["signature"]).try_into().ok();
        let holds = signature.is_some_and(|s| verify(&hotkey, &message, &Signature::from_bytes(s)));
        // The wallet library also takes a signature over the message wrapped in <Bytes>…</Bytes>; GRAIL/1 takes one
        // meaning per signature.
        let wrapped = case["note"].as_str().is_some_and(|note| note.starts_with("signature over <Bytes>"));
        assert_eq!(holds, case["valid"].as_bool().unwrap() && !wrapped, "{case}");
        *if holds { &mut genuine } else { &mut refused } += 1;
    }
    assert!(genuine >= 8 && refused >= 10, "{genuine} genuine, {refused} refused");
}

#[test]
fn seeds_of_the_python_original_expand_to_its_keys() {
    let file = python_original("python/sr25519.json");
    let mut seeds = 0;
    for case in kit::list(&file["keys"]) {
        let hotkey: Hotkey = kit::text(&case["ss58"]).parse().unwrap();
        assert_eq!(hotkey.as_bytes(), &kit::bytes32(&case["public_key"]));
        if let Some(seed) = case["seed"].as_str() {
            let seed = hex::decode(seed.trim_start_matches("0x")).unwrap().try_into().unwrap();
            assert_eq!(HotkeyPair::from_seed(&seed).unwrap().hotkey(), hotkey);
            seeds += 1;
        }
    }
    assert!(seeds >= 3);
}

#[test]
fn addresses_of_the_python_original_read_alike() {
    let file = python_original("python/ss58.json");
    let mut read = 0;
    for case in kit::list(&file["ss58"]) {
        let hotkey = kit::text(&case["text"]).parse::<Hotkey>();
        match (case["accepted"].as_bool().unwrap(), hotkey) {
            (true, Ok(hotkey)) => {
                assert_eq!(hotkey.as_bytes(), &kit::bytes32(&case["public_key"]));
                read += 1;
            }
            // The original takes addresses of any network; GRAIL/1 takes those with prefix 42.
            (true, Err(HotkeyError::Prefix { .. })) | (false, Err(_)) => {}
            (_, other) => panic!("{case}: {other:?}"),
        }
    }
    assert_eq!(read, 2);
}

/// `fixtures/scripts/protocol_vectors.py` derives every vector again from the words of the book.
#[test]
fn a_second_implementation_agrees() {
    let script = fixtures().join("scripts/protocol_vectors.py");
    let run = Command::new("python3").arg(&script).arg(fixtures().join("vectors")).output();
    match run {
        Ok(run) => {
            let said = String::from_utf8_lossy(&run.stdout);
            assert!(run.status.success(), "{said}{}", String::from_utf8_lossy(&run.stderr));
            assert!(said.contains("agree"), "{said}");
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "SKIPPED: the second implementation, no python3 ({error})");
        }
    }
}

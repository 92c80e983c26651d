use super::*;
use crate::limits::LIMITS;
use grail_protocol::{beacon::Beacon, sign};
use proptest::prelude::*;

fn header(hotkey: Hotkey) -> WindowHeader {
    WindowHeader {
        version: VERSION,
        network: "dev-0001".parse().unwrap(),
        window: WindowStart(40),
        hotkey,
        checkpoint: CheckpointId::from_bytes([2; 32]),
        env: "sat/1".parse().unwrap(),
        randomness: WindowRandomness::Beacon(Beacon { round: 7, signature: [9; 48] }),
        numeric: NumericProfile::StrictF32,
        generator: "grail-miner 0.1.0".into(),
    }
}

prop_compose! {
    fn record()(group in 0u32..4, rollout in 0u8..16, length in 0usize..40, fill: u8, reward in -1f32..1.0) -> RolloutRecord {
        RolloutRecord {
            group: GroupIndex(group),
            rollout: RolloutIndex(rollout),
            tokens: (0..length as u32).map(|i| i * 7 + u32::from(fill)).collect(),
            sketch: (0..length).map(|i| (i as i8).wrapping_add(fill as i8)).collect(),
            logprobs: (0..length).map(|i| -(i as i16)).collect(),
            reward,
        }
    }
}

fn sealed(rollouts: Vec<RolloutRecord>) -> WindowFile {
    let pair = sign::HotkeyPair::from_seed(&[1; 32]).unwrap();
    WindowFile::seal(header(pair.hotkey()), rollouts, |message| pair.sign(message, [4; 32]))
}

proptest! {
    #[test]
    fn json_round_trips(rollouts in proptest::collection::vec(record(), 0..12)) {
        let file = sealed(rollouts);
        let bytes = JsonCodec.encode(&file).unwrap();
        prop_assert_eq!(JsonCodec.decode(&bytes, &LIMITS).unwrap(), file);
    }

    #[test]
    fn cut_json_is_an_error(rollouts in proptest::collection::vec(record(), 1..3), cut in any::<prop::sample::Index>()) {
        let bytes = JsonCodec.encode(&sealed(rollouts)).unwrap();
        prop_assert!(JsonCodec.decode(&bytes[..cut.index(bytes.len())], &LIMITS).is_err());
    }

    #[test]
    fn every_field_of_a_rollout_is_signed(record in record(), which in 0usize..6) {
        let mut other = record.clone();
        match which {
            0 => other.group.0 += 1,
            1 => other.rollout.0 += 1,
            2 => other.tokens.push(0),
            3 => other.sketch.push(0),
            4 => other.logprobs.push(0),
            _ => other.reward += 1.0,
        }
        prop_assert_ne!(rollout_digest(&record), rollout_digest(&other));
    }
}

#[test]
fn every_field_of_the_header_is_signed() {
    let base = header(Hotkey::from_bytes([1; 32]));
    let others = [
        WindowHeader { version: 2, ..base.clone() },
        WindowHeader { network: "dev-0002".parse().unwrap(), ..base.clone() },
        WindowHeader { window: WindowStart(60), ..base.clone() },
        WindowHeader { hotkey: Hotkey::from_bytes([2; 32]), ..base.clone() },
        WindowHeader { checkpoint: CheckpointId::from_bytes([3; 32]), ..base.clone() },
        WindowHeader { env: "sat/2".parse().unwrap(), ..base.clone() },
        WindowHeader { randomness: WindowRandomness::BlockHashOnly, ..base.clone() },
        WindowHeader { numeric: NumericProfile::StrictBf16, ..base.clone() },
        WindowHeader { generator: "another".into(), ..base.clone() },
    ];
    for other in others {
        assert_ne!(header_digest(&base), header_digest(&other), "{other:?}");
    }
    let message = file_message(&base, &[0; 32], 1, 16);
    assert_ne!(message, file_message(&base, &[1; 32], 1, 16));
    assert_ne!(message, file_message(&base, &[0; 32], 2, 16));
    assert_ne!(message, file_message(&base, &[0; 32], 1, 32));
}

#[test]
fn sizes_are_bounded_before_they_matter() {
    let mut file = sealed(Vec::new());
    file.groups = u32::MAX;
    let bytes = serde_json::to_vec(&file).unwrap();
    let tight = Limits { file_bytes: 10, ..LIMITS };
    assert!(matches!(JsonCodec.decode(&bytes, &tight), Err(DecodeError::TooLarge { what: "file", .. })));
    assert!(matches!(
        JsonCodec.decode(&bytes, &LIMITS),
        Err(DecodeError::TooLarge { what: "number of groups", .. })
    ));
    let nested = "[".repeat(100_000);
    assert!(JsonCodec.decode(nested.as_bytes(), &LIMITS).is_err());
}

#[test]
fn unknown_fields_and_odd_text_are_refused() {
    let file = sealed(Vec::new());
    let mut value = serde_json::to_value(&file).unwrap();
    value["surplus"] = 1.into();
    assert!(JsonCodec.decode(value.to_string().as_bytes(), &LIMITS).is_err());
    let mut odd = file;
    odd.header.generator = "line\nbreak".into();
    let bytes = serde_json::to_vec(&odd).unwrap();
    assert!(matches!(JsonCodec.decode(&bytes, &LIMITS), Err(DecodeError::Field { .. })));
}

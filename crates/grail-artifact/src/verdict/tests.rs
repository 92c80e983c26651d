use super::*;
use grail_protocol::{sign::HotkeyPair, words::RolloutIndex};

fn pair(byte: u8) -> HotkeyPair {
    HotkeyPair::from_seed(&[byte; 32]).unwrap()
}

fn reason(group: u32, rollout: u8) -> RefusalReason {
    RefusalReason {
        group: Some(GroupIndex(group)),
        rollout: Some(RolloutIndex(rollout)),
        token: Some(6),
        code: "sketch-rms".into(),
        measured: Some("0.97".into()),
        allowed: Some("0.02".into()),
        told: "the sketch is 0.97 spreads away".into(),
    }
}

fn file() -> VerdictFile {
    let group = |index: u32| GroupVerdict {
        group: GroupIndex(index),
        rewards: vec![81_500, 0],
        right: vec![true, false],
    };
    let of = |byte: u8, groups: Vec<GroupVerdict>| FileVerdict {
        hotkey: Hotkey::from_bytes([byte; 32]),
        root: Some(RootHex([byte; 32])),
        groups,
        refused: BTreeMap::from([("sketch-rms".into(), 2)]),
        undecided: BTreeMap::new(),
        counts: Some(FileCounts {
            groups: 9,
            checked: 3,
            valid: 4,
            right: 2,
            unique: 1,
            extrapolation: 1_333_333,
        }),
        reasons: vec![reason(1, 0), reason(1, 1)],
    };
    let mut file = VerdictFile {
        version: VERDICT_VERSION,
        network: "dev-1".parse().unwrap(),
        window: WindowStart(40),
        checkpoint: CheckpointId::from_bytes([5; 32]),
        env: "sat/1".parse().unwrap(),
        validator: pair(9).hotkey(),
        challenge: RootHex([6; 32]),
        files: vec![of(1, vec![group(0), group(2)]), of(2, vec![])],
        signature: None,
    };
    file.sign(&pair(9), [0; 32]);
    file
}

fn verify(file: &VerdictFile) -> Result<VerdictFile, VerdictError> {
    let (network, env, validator) = ("dev-1".parse().unwrap(), "sat/1".parse().unwrap(), pair(9).hotkey());
    let expected = ExpectedWindow {
        network: &network,
        window: WindowStart(40),
        checkpoint: CheckpointId::from_bytes([5; 32]),
        env: &env,
        validator: &validator,
        rollouts_per_group: 2,
    };
    VerdictFile::verify(&file.to_json().unwrap(), &expected)
}

#[test]
fn what_was_signed_reads_back() {
    let file = file();
    assert_eq!(verify(&file), Ok(file));
}

#[test]
fn no_value_can_change_under_the_signature() {
    type Change = fn(&mut VerdictFile);
    let changes: [Change; 19] = [
        |f| f.files[0].counts = None,
        |f| f.files[0].counts.as_mut().unwrap().unique = 2,
        |f| f.files[0].counts.as_mut().unwrap().extrapolation = 1_000_000,
        |f| drop(f.files[0].reasons.pop()),
        |f| f.files[0].reasons[0].token = None,
        |f| f.files[0].reasons[1].rollout = Some(RolloutIndex(2)),
        |f| f.files[0].reasons[0].code = "draw-margin".into(),
        |f| f.files[0].reasons[0].measured = Some("0.03".into()),
        |f| f.files[0].reasons[0].allowed = Some("0.01".into()),
        |f| f.files[0].reasons[0].told.push('!'),
        |f| f.challenge.0[0] += 1,
        |f| f.files[0].hotkey = Hotkey::from_bytes([0; 32]),
        |f| f.files[0].root = Some(RootHex([7; 32])),
        |f| f.files[0].groups[0].group = GroupIndex(1),
        |f| f.files[0].groups[0].rewards[1] = 81_500,
        |f| f.files[0].groups[0].right[1] = true,
        |f| f.files[0].refused.clear(),
        |f| f.files[1].undecided = BTreeMap::from([("not-proven".into(), 1)]),
        |f| f.files.truncate(1),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let mut other = file();
        change(&mut other);
        let refused = verify(&other);
        assert_eq!(
            refused,
            Err(VerdictError::BadSignature { validator: pair(9).hotkey() }),
            "change {index}"
        );
    }
}

#[test]
fn verdicts_about_something_else_are_named() {
    type Change = fn(&mut VerdictFile);
    let changes: [(&str, Change); 4] = [
        ("network", |f| f.network = "dev-2".parse().unwrap()),
        ("window", |f| f.window = WindowStart(20)),
        ("checkpoint", |f| f.checkpoint = CheckpointId::from_bytes([4; 32])),
        ("environment", |f| f.env = "sat/2".parse().unwrap()),
    ];
    for (want, change) in changes {
        let mut other = file();
        change(&mut other);
        other.sign(&pair(9), [0; 32]);
        assert!(
            matches!(verify(&other), Err(VerdictError::Foreign { field, .. }) if field == want),
            "{want}"
        );
    }
    let mut stranger = file();
    stranger.sign(&pair(8), [0; 32]);
    assert!(matches!(verify(&stranger), Err(VerdictError::Foreign { field: "validator", .. })));
    stranger.validator = pair(9).hotkey();
    assert!(matches!(verify(&stranger), Err(VerdictError::BadSignature { .. })));
    stranger.signature = None;
    assert_eq!(verify(&stranger), Err(VerdictError::Unsigned));
    for version in [0, 3] {
        stranger.version = version;
        assert_eq!(verify(&stranger), Err(VerdictError::UnknownVersion { got: version }));
    }
}

#[test]
fn contradictions_are_refused_even_when_signed() {
    type Change = fn(&mut VerdictFile);
    let changes: [Change; 17] = [
        |f| f.version = 1,
        |f| f.files[0].counts.as_mut().unwrap().checked = 10,
        |f| f.files[0].counts.as_mut().unwrap().valid = 7,
        |f| f.files[0].counts.as_mut().unwrap().unique = 3,
        |f| f.files[0].counts.as_mut().unwrap().extrapolation = 9_000_001,
        |f| f.files[0].counts.as_mut().unwrap().extrapolation = 999_999,
        |f| f.files[0].reasons.swap(0, 1),
        |f| f.files[0].reasons[1].rollout = Some(RolloutIndex(0)),
        |f| f.files[0].reasons[0].told = "x".repeat(TOLD_BYTES + 1),
        |f| f.files[0].reasons[0].measured = Some("\u{1b}[2J".into()),
        |f| f.files[0].reasons[0].group = None,
        |f| f.files[0].reasons = (0..257).map(|group| reason(group, 0)).collect(),
        // What was wrong before:
        |f| f.files.swap(0, 1),
        |f| f.files[0].groups.swap(0, 1),
        |f| f.files[0].groups[0].rewards.push(0),
        |f| f.files[0].groups[0].rewards[0] = 100_001,
        |f| f.files[0].root = None,
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let mut other = file();
        change(&mut other);
        other.sign(&pair(9), [0; 32]);
        let refused = verify(&other);
        assert!(matches!(refused, Err(VerdictError::Contradiction { .. })), "change {index}: {refused:?}");
    }
}

#[test]
fn an_older_file_is_read_as_it_was() {
    let mut old = file();
    old.version = 1;
    for one in &mut old.files {
        (one.counts, one.reasons) = (None, Vec::new());
    }
    // The digest that version 1 signed, byte for byte, of the same values.
    let of_one = |one: &FileVerdict| {
        let mut fields = vec![one.hotkey.as_bytes().to_vec(), one.root.unwrap().0.to_vec()];
        fields.push((one.groups.len() as u64).to_le_bytes().to_vec());
        for group in &one.groups {
            fields.push(u64::from(group.group.0).to_le_bytes().to_vec());
            fields.push([81_500u32.to_le_bytes(), 0u32.to_le_bytes()].concat());
            fields.push(vec![1, 0]);
        }
        fields.push(1u64.to_le_bytes().to_vec());
        fields.push(b"sketch-rms".to_vec());
        fields.push(2u64.to_le_bytes().to_vec());
        fields.push(0u64.to_le_bytes().to_vec());
        fields
    };
    let mut hasher = grail_protocol::hash::Hasher::new("grail/1 verdicts");
    let number = |n: u64| n.to_le_bytes().to_vec();
    let head = [
        number(1),
        b"dev-1".to_vec(),
        number(40),
        vec![5; 32],
        b"sat/1".to_vec(),
        pair(9).hotkey().as_bytes().to_vec(),
        vec![6; 32],
        number(2),
    ];
    for field in head.into_iter().chain(old.files.iter().flat_map(of_one)) {
        hasher.field(&field);
    }
    assert_eq!(verdict_message(&old), hasher.finish());
    old.sign(&pair(9), [0; 32]);
    assert_eq!(verify(&old), Ok(old.clone()));
    let json = String::from_utf8(old.to_json().unwrap()).unwrap();
    assert!(!json.contains("counts") && !json.contains("reasons"), "{json}");
}

#[test]
fn a_reader_without_a_model_reads_what_was_said_and_by_whom() {
    let (network, validator, bytes) = ("dev-1".parse().unwrap(), pair(9).hotkey(), file().to_json().unwrap());
    let said =
        SaidBy { network: &network, window: WindowStart(40), validator: &validator, rollouts_per_group: 2 };
    assert_eq!(VerdictFile::open(&bytes, &said), Ok(file()));
    let other = SaidBy { window: WindowStart(60), ..said };
    assert!(matches!(VerdictFile::open(&bytes, &other), Err(VerdictError::Foreign { field: "window", .. })));
    let mut forged = file();
    forged.files[0].refused.clear();
    let refused = VerdictFile::open(&forged.to_json().unwrap(), &said);
    assert_eq!(refused, Err(VerdictError::BadSignature { validator }));
}

#[test]
fn reasons_are_bounded_in_count_and_size() {
    assert_eq!([0, 1, 64, 65, 256, 16_384, 1 << 20].map(reasons_for_each), [256, 256, 256, 252, 64, 1, 1]);
    let long = RefusalReason {
        code: "c".repeat(999),
        measured: Some("ä".repeat(999)),
        allowed: Some("\n".into()),
        told: "\u{1b}[31m".repeat(999),
        ..reason(0, 0)
    };
    assert!(long.trouble().is_some());
    let bounded = long.bounded();
    assert_eq!((bounded.trouble(), bounded.allowed.as_deref()), (None, Some("?")));
    assert!(bounded.told.len() <= TOLD_BYTES && bounded.measured.unwrap().len() <= VALUE_BYTES);
}

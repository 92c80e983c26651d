use super::*;
use std::collections::BTreeSet;

fn at() -> RolloutPlace {
    RolloutPlace { group: GroupIndex(3), rollout: RolloutIndex(5) }
}

/// One of each.
fn examples() -> Vec<Rejection> {
    let key = |byte| Hotkey::from_bytes([byte; 32]);
    let root = |byte| RootHex([byte; 32]);
    let checkpoint = |byte| CheckpointId::from_bytes([byte; 32]);
    vec![
        Rejection::LateUpload { stored_at: UnixMillis(1_500), deadline: UnixMillis(1_000), late_by_ms: 500 },
        Rejection::FileTooLarge { what: "file".into(), got: 10_000_000_000, most: 367_001_600 },
        Rejection::FileMalformed { detail: "EOF while parsing".into() },
        Rejection::FieldInvalid { field: "generator".into(), detail: "holds '\\n'".into() },
        Rejection::WrongVersion { claimed: 2, expected: 1 },
        Rejection::WrongNetwork { claimed: "a".parse().unwrap(), expected: "b".parse().unwrap() },
        Rejection::WrongWindow { claimed: WindowStart(20), expected: WindowStart(40) },
        Rejection::WrongHotkey { claimed: key(1), expected: key(2) },
        Rejection::WrongCheckpoint { claimed: checkpoint(1), expected: checkpoint(2) },
        Rejection::WrongEnvironment { claimed: "sat/1".parse().unwrap(), expected: "sat/2".parse().unwrap() },
        Rejection::WrongRandomness { claimed: "Beacon(1, ab)".into(), expected: "block hash only".into() },
        Rejection::WrongNumericProfile {
            claimed: NumericProfile::StrictF32,
            expected: NumericProfile::StrictBf16,
        },
        Rejection::WrongGroupCount { signed: 3, found: 2 },
        Rejection::WrongRolloutCount { signed: 33, found: 32 },
        Rejection::WrongRoot { signed: root(1), found: root(2) },
        Rejection::WrongSignature { hotkey: key(1) },
        Rejection::GroupGap { missing: GroupIndex(1), next: GroupIndex(2) },
        Rejection::GroupSize { group: GroupIndex(0), got: 15, want: 16 },
        Rejection::DuplicateRollout { at: at() },
        Rejection::RolloutOrder {
            found: at(),
            expected: RolloutPlace { group: GroupIndex(3), rollout: RolloutIndex(4) },
        },
        Rejection::RolloutLengths { at: at(), tokens: 4, sketch: 3, logprobs: 4 },
        Rejection::EmptyCompletion { at: at() },
        Rejection::CompletionTooLong { at: at(), got: 13, most: 12 },
        Rejection::TokenOutsideVocabulary { at: at(), position: 2, token: 300, vocabulary: 300 },
        Rejection::RewardNotFinite { at: at(), claimed: "NaN".into() },
        Rejection::SketchOutOfRange { at: at(), position: 7 },
        Rejection::LogprobPositive { at: at(), position: 7, units: 1 },
        Rejection::EndTokenInside { position: 3, token: 256, length: 9 },
        Rejection::UnfinishedCompletion { length: 4, cap: 12, last: 65 },
        Rejection::SketchRms { measured: 0.97, allowed: 0.02, worst: 2.5, worst_at: 6 },
        Rejection::SketchPosition { position: 6, measured: 0.1, allowed: 0.093_75 },
        Rejection::DrawOutsideNucleus { position: 1, token: 65, winner: 66, margin: 4.5 },
        Rejection::DrawMargin { position: 1, token: 65, winner: 66, measured: 0.5, allowed: 0.01 },
        Rejection::DrawMargins { first: 1, count: 2, allowed: 1, threshold: 0.003 },
        Rejection::LogprobError {
            position: 2,
            claimed: -1.0,
            recomputed: -1.5,
            measured: 0.5,
            allowed: 0.004,
        },
        Rejection::LogprobDigits {
            changed: 200,
            of: 384,
            expected: 12.5,
            over: Over::Group,
            log10: -70.5,
            limit_log10: -9.0,
        },
        Rejection::RewardMismatch { claimed: 0.815, recomputed: 0.0 },
    ]
}

#[test]
fn every_code_is_listed_once_and_equals_the_json_tag() {
    let listed: BTreeSet<&str> = ALL_CODES.iter().copied().collect();
    assert_eq!(listed.len(), ALL_CODES.len(), "a code is listed twice");
    let made: BTreeSet<&str> = examples().iter().map(Rejection::code).collect();
    assert_eq!(made, listed);
    for example in examples() {
        let json = serde_json::to_value(&example).unwrap();
        assert_eq!(json["code"], example.code());
        assert_eq!(serde_json::from_value::<Rejection>(json).unwrap(), example);
    }
}

#[test]
fn every_explanation_is_one_sentence_with_its_numbers_and_a_way_out() {
    for example in examples() {
        let (clause, sentence) = (example.to_string(), example.explain());
        assert!(clause.starts_with(|c: char| c.is_lowercase() || c.is_ascii_digit()), "{clause}");
        assert!(!clause.ends_with('.') && !clause.contains('\n'), "{clause}");
        assert!(sentence.starts_with(&clause) && sentence.ends_with('.'), "{sentence}");
        // Every number of the variant stands in its clause, unless it is an index into the protocol's own limits.
        let json = serde_json::to_value(&example).unwrap();
        for key in ["measured", "allowed", "got", "most", "signed", "found", "position", "length", "token"] {
            let Some(number) = json.get(key).filter(|value| value.is_number()) else { continue };
            let number = number.as_f64().unwrap();
            let spelt = [format!("{number}"), format!("{number:.4}"), format!("{}", number as f32)];
            assert!(spelt.iter().any(|text| clause.contains(text)), "{key} = {number} is not in: {clause}");
        }
    }
}

#[test]
fn a_strangers_words_are_cut_and_tamed() {
    let error = DecodeError::Malformed { detail: "\u{1b}[31m".repeat(1_000) };
    let Rejection::FileMalformed { detail } = Rejection::from(error) else { panic!("another code") };
    assert_eq!(detail.chars().count(), DETAIL_CHARS);
    assert!(!detail.contains('\u{1b}'));
}

#[test]
fn every_rejection_has_figures_and_a_reason_that_readers_take() {
    for example in examples() {
        let figures = example.figures();
        assert!(figures.measured.is_some() || figures.allowed.is_some(), "{}", example.code());
        let reason = example.reason(Some(at()));
        assert_eq!((reason.code.as_str(), reason.group), (example.code(), Some(GroupIndex(3))));
        assert!(reason.told.len() <= grail_artifact::verdict::TOLD_BYTES && !reason.told.contains('\n'));
        // Both numbers of a threshold stand beside each other.
        let json = serde_json::to_value(&example).unwrap();
        for (key, figure) in [("measured", &figures.measured), ("allowed", &figures.allowed)] {
            let Some(number) = json.get(key).and_then(serde_json::Value::as_f64) else { continue };
            let told: f64 = figure.as_ref().unwrap().parse().unwrap_or(f64::NAN);
            let counted = example.code() == "draw-margins";
            assert!(counted || (told - number).abs() < 1e-6, "{key} of {}: {told}", example.code());
        }
    }
    let whole = Rejection::WrongNetwork { claimed: "a".parse().unwrap(), expected: "b".parse().unwrap() };
    assert_eq!((whole.reason(None).group, whole.reason(None).measured.as_deref()), (None, Some("a")));
    let placed = Rejection::EmptyCompletion { at: at() }.reason(None);
    assert_eq!((placed.group, placed.rollout), (Some(GroupIndex(3)), Some(RolloutIndex(5))));
}

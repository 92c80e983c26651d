//! Version 5 against the vectors that the original wrote.

use grail_lab::v5::{
    CHALLENGED,
    challenge::{indices, indices_in_range},
    logprob, prf,
    sketch::{self, BUCKETS, bucket, coefficient, coefficients, largest, tolerance},
    twister::Twister,
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

fn file(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap()
}

/// A number, or one of the texts that JSON has no number for.
fn real(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| text(value).parse().unwrap())
}

fn tokens(case: &Value) -> Vec<u32> {
    // The original hashes the low 32 bits.
    list(&case["tokens"]).iter().map(|token| token.as_i64().unwrap() as u32).collect()
}

fn places(value: &Value) -> Vec<usize> {
    list(value).iter().map(|place| place.as_u64().unwrap() as usize).collect()
}

fn state(hex_text: &Value) -> Vec<f32> {
    let bytes = hex::decode(text(hex_text)).unwrap();
    bytes.chunks_exact(4).map(|four| f32::from_be_bytes(four.try_into().unwrap())).collect()
}

#[test]
fn prf_is_the_originals() {
    for case in list(&file(include_str!("../../../../fixtures/vectors/python/v5/prf.json"))["cases"]) {
        let (Some(label), Some(parts)) = (case["label_hex"].as_str(), case["parts_hex"].as_array()) else {
            continue;
        };
        let parts: Vec<Vec<u8>> = parts.iter().map(|part| hex::decode(text(part)).unwrap()).collect();
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        let Ok(length) = usize::try_from(number(&case["out_bytes"])) else { continue };
        let output = prf::prf(&hex::decode(label).unwrap(), &parts, length);
        if case.get("error").is_some() {
            assert!(output.is_err(), "{case}");
            continue;
        }
        let output = output.unwrap();
        match case.get("out_hex") {
            Some(expected) => assert_eq!(hex::encode(output), text(expected)),
            // Long outputs are recorded by their digest.
            None => assert_eq!(hex::encode(Sha256::digest(output)), text(&case["out_sha256"])),
        }
    }
}

#[test]
fn randomness_is_cleaned_as_the_original_does() {
    let vectors = file(include_str!("../../../../fixtures/vectors/python/v5/hex_normalisation.json"));
    for case in list(&vectors["cases"]) {
        let input = text(&case["input"]);
        match case.get("r_vec_v5") {
            Some(expected) => {
                let expected: Vec<i64> = list(expected).iter().map(number).collect();
                let found: Vec<i64> = coefficients(input, 16).unwrap().into_iter().map(i64::from).collect();
                assert_eq!(found, expected, "{input:?}");
            }
            None => assert!(coefficients(input, 16).is_err(), "{input:?}"),
        }
        let found = indices(&[1, 2, 3], input, 20, 3);
        match case.get("indices_3_of_20") {
            Some(expected) => assert_eq!(found.unwrap(), places(expected), "{input:?}"),
            None => assert!(found.is_err(), "{input:?}"),
        }
    }
}

#[test]
fn coefficients_are_the_originals() {
    let vectors = file(include_str!("../../../../fixtures/vectors/python/v5/r_vec_v5.json"));
    for case in list(&vectors["cases"]) {
        let expected: Vec<i64> = list(&case["coeffs"]).iter().map(number).collect();
        let found = coefficients(text(&case["randomness"]), expected.len()).unwrap();
        assert_eq!(found.into_iter().map(i64::from).collect::<Vec<_>>(), expected);
    }
    for row in list(&vectors["int16_map"]) {
        let bits = i16::try_from(number(&row["i16"])).unwrap();
        assert_eq!(i64::from(coefficient(bits)), number(&row["coeff"]), "{bits}");
    }
}

#[test]
fn the_twister_samples_and_shuffles_as_cpython() {
    let vectors = file(include_str!("../../../../fixtures/vectors/python/v5/mt_sample_shuffle.json"));
    let mut compared = 0;
    for case in list(&vectors["cases"]) {
        let seed = hex::decode(text(&case["seed_hex"])).unwrap();
        let (among, count) = (number(&case["n"]) as u32, number(&case["k"]) as u32);
        let sample = Twister::from_bytes(&seed).sample(among, count);
        assert_eq!(sample.into_iter().map(|i| i as usize).collect::<Vec<_>>(), places(&case["sample"]));
        if let Some(expected) = case.get("shuffle").filter(|shuffle| shuffle.is_array()) {
            let shuffled = Twister::from_bytes(&seed).shuffled(among);
            assert_eq!(shuffled.into_iter().map(|i| i as usize).collect::<Vec<_>>(), places(expected));
            compared += 1;
        }
    }
    assert!(compared > 10, "{compared} shuffles");
}

#[test]
fn challenged_positions_are_the_originals() {
    let vectors = file(include_str!("../../../../fixtures/vectors/python/v5/indices.json"));
    for case in list(&vectors["cases"]) {
        let (Some(length), Some(count)) = (case["seq_len"].as_u64(), case["k"].as_u64()) else { continue };
        let found = indices(&tokens(case), text(&case["randomness"]), length as usize, count as usize);
        match case.get("indices") {
            Some(expected) => assert_eq!(found.unwrap(), places(expected)),
            None => assert!(found.is_err(), "{case}"),
        }
    }
}

#[test]
fn challenged_positions_of_a_range_are_the_originals() {
    let vectors = file(include_str!("../../../../fixtures/vectors/python/v5/indices_in_range.json"));
    for case in list(&vectors["cases"]) {
        let (Some(start), Some(end)) = (case["start"].as_u64(), case["end"].as_u64()) else { continue };
        let count = number(&case["k"]) as usize;
        let range = start as usize..end as usize;
        let found = indices_in_range(&tokens(case), text(&case["randomness"]), range, count);
        match case.get("indices") {
            Some(expected) => assert_eq!(found.unwrap(), places(expected)),
            None => assert!(found.is_err(), "{case}"),
        }
    }
}

#[test]
fn buckets_are_the_originals() {
    let vectors = file(include_str!("../../../../fixtures/vectors/python/v5/buckets.json"));
    let row = |row: &Value, value: f64| {
        assert_eq!(i64::from(bucket(value, BUCKETS)), number(&row[1]), "{row}");
        assert_eq!(i64::from(bucket(value, 2 * BUCKETS)), number(&row[2]), "{row}");
    };
    for one in list(&vectors["rows"]) {
        row(one, f64::from(f32::from_bits(u32::from_str_radix(text(&one[0]), 16).unwrap())));
    }
    for one in list(&vectors["f64_rows"]) {
        row(one, f64::from_bits(u64::from_str_radix(text(&one[0]), 16).unwrap()));
    }
}

#[test]
fn sketches_are_the_originals() {
    let vectors = file(include_str!("../../../../fixtures/vectors/python/v5/sketches.json"));
    let normative = |case: &&Value| case.get("tie_dependent").is_none();
    let cases: Vec<&Value> = list(&vectors["cases"]).iter().filter(normative).collect();
    assert!(cases.len() > 20);
    for case in cases {
        let (state, count) = (state(&case["hidden_f32_hex"]), number(&case["topk"]) as usize);
        let all_zero = state.iter().all(|value| *value == 0.0);
        if let Some(expected) = case.get("topk_indices").filter(|_| !all_zero) {
            assert_eq!(largest(&state, count), places(expected), "{}", case["note"]);
        }
        let coefficients = coefficients(text(&case["randomness"]), count).unwrap();
        assert_eq!(
            sketch::sketch(&state, &coefficients).unwrap(),
            number(&case["sketch"]),
            "{}",
            case["note"]
        );
    }
}

#[test]
fn the_tolerance_accepts_what_the_original_accepts() {
    let vectors = file(include_str!("../../../../fixtures/vectors/python/v5/tolerance.json"));
    for row in list(&vectors["rows"]) {
        assert_eq!(tolerance(number(&row[0]) as usize), number(&row[1]));
    }
    let state = state(&vectors["decision_hidden_f32_hex"]);
    let coefficients = coefficients(text(&vectors["decision_randomness"]), 16).unwrap();
    let own = sketch::sketch(&state, &coefficients).unwrap();
    assert_eq!(own, number(&vectors["decision_validator_sketch"]));
    let mut compared = 0;
    for case in list(&vectors["decisions"]) {
        // Floats, texts and booleans have no place in an integer.
        let (Some(claimed), Some(accepted)) = (case["miner_sketch"].as_i64(), case["accepted"].as_bool())
        else {
            continue;
        };
        let position = number(&case["position"]) as usize;
        assert_eq!(sketch::passes(claimed, own, position), accepted, "{case}");
        compared += 1;
    }
    assert!(compared > 40, "{compared} decisions");
}

#[test]
fn the_median_of_deviations_is_the_originals() {
    let vectors = file(include_str!("../../../../fixtures/vectors/python/v5/logprob_check.json"));
    let (mut accepted, mut refused) = (0, 0);
    for case in list(&vectors["cases"]) {
        if case["note"] == "no model values" {
            // There the original's verifier had lost its own numbers, which is no input here.
            continue;
        }
        let (prompt, length) =
            (number(&case["prompt_length"]) as usize, number(&case["completion_length"]) as usize);
        let claimed = list(&case["claimed"]);
        let model = list(&case["model_logprobs"]);
        if length < CHALLENGED || claimed.len() != list(&case["tokens"]).len() || model.len() != CHALLENGED {
            // Refused for its form, before any number is compared.
            assert_eq!(case["valid"], false, "{}", case["note"]);
            continue;
        }
        let randomness = text(&case["challenge_randomness"]);
        let chosen =
            indices_in_range(&tokens(case), randomness, prompt..prompt + length, CHALLENGED).unwrap();
        assert_eq!(chosen, places(&case["challenged"]));
        let pairs = chosen.iter().zip(model).map(|(place, model)| (real(model), real(&claimed[*place])));
        let pairs: Vec<(f64, f64)> = pairs.collect();
        let valid = logprob::passes(pairs.iter().copied());
        assert_eq!(valid, case["valid"], "{}", case["note"]);
        if let (Some(expected), Some(found)) = (case["median_dev"].as_f64(), logprob::median_deviation(pairs))
        {
            assert!((expected - found).abs() < 1e-12, "{}: {found}", case["note"]);
        }
        if valid { accepted += 1 } else { refused += 1 }
    }
    assert!(accepted > 3 && refused > 3, "{accepted} accepted, {refused} refused");
}

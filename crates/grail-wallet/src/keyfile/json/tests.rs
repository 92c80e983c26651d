use super::*;
use crate::secret::{DEVELOPMENT_WORDS, SecretError};
use proptest::prelude::*;
use serde_json::{Value, json};

fn read(text: &str) -> Result<Content, WalletError> {
    Content::of(Path::new("hotkeys/x"), text.as_bytes())
}

/// All fields of the development key.
fn whole() -> Value {
    let seed = Seed::from_words(DEVELOPMENT_WORDS, "").unwrap();
    let pair = seed.pair().unwrap();
    let mut value: Value = serde_json::from_slice(&new_keyfile(&pair, None, Some(&seed)).unwrap()).unwrap();
    value["secretPhrase"] = json!(DEVELOPMENT_WORDS);
    value
}

#[test]
fn a_written_file_reads_back() {
    let content = read(&whole().to_string()).unwrap();
    assert_eq!(content.pair.unwrap().hotkey(), content.hotkey);
    let public = public_keyfile(&content.hotkey).unwrap();
    let again = Content::of(Path::new("x"), &public).unwrap();
    assert!(again.hotkey == content.hotkey && again.pair.is_none());
}

#[test]
fn one_form_is_enough_and_nulls_are_absences() {
    let whole = whole();
    let hotkey = read(&whole.to_string()).unwrap().hotkey;
    for (field, signs) in [
        ("secretPhrase", true),
        ("secretSeed", true),
        ("privateKey", true),
        ("ss58Address", false),
        ("publicKey", false),
        ("accountId", false),
    ] {
        let mut one = json!({ "accountId": null, "secretSeed": null, "cryptoType": null, "added": [1, 2] });
        one[field] = whole[field].clone();
        let content = read(&one.to_string()).unwrap();
        assert_eq!((content.hotkey, content.pair.is_some()), (hotkey, signs), "{field}");
    }
    let old = format!("{}\n", whole["publicKey"].as_str().unwrap());
    let public = Content::of(Path::new("hotkeys/xpub.txt"), old.as_bytes()).unwrap();
    assert!(public.hotkey == hotkey && public.pair.is_none());
}

/// A public key to one tool, a seed to another: nobody guesses, and nobody shows it.
#[test]
fn bare_digits_are_read_in_public_files_alone_and_shown_nowhere() {
    let ones = "1".repeat(64);
    for text in [
        format!("0x{ones}"),
        format!("\n 0x{ones}\n"),
        format!("0X{ones}"),
        format!("0x{ones}{ones}"),
        "0x1".into(),
    ] {
        let error = read(&text).err().unwrap();
        let said = format!("{error} {error:?}");
        assert!(matches!(error, WalletError::BareDigits { .. }), "{said}");
        assert!(!said.contains("111"), "{said}");
    }
    // One that is cut or too long is refused in a public file as well, and not quoted.
    for text in [format!("0x{ones}1"), "0x1".into(), format!("0xzz{}", "1".repeat(62))] {
        let error = Content::of(Path::new("hotkeys/xpub.txt"), text.as_bytes()).err().unwrap();
        let said = format!("{error} {error:?}");
        assert!(matches!(error, WalletError::Field { .. }) && !said.contains("111"), "{said}");
    }
}

/// bittensor-wallet 3.0.10 to 4.0.1 refuse a file that has it.
#[test]
fn what_is_written_names_no_crypto_type() {
    let whole = whole();
    assert!(whole.get("cryptoType").is_none() && whole.get("secretSeed").is_some(), "{whole}");
    let mut with = whole;
    with["cryptoType"] = json!(1);
    assert!(read(&with.to_string()).unwrap().pair.is_some(), "and is read where others write it");
}

#[test]
fn an_expanded_secret_is_taken_in_either_form_when_the_public_half_tells_which() {
    let mut value = json!({});
    // The development key as Ed25519 libraries write it; the example of schnorrkel's own documentation.
    value["privateKey"] = json!(
        "0x28b0ae221c6bb06856b287f60d7ea0d98552ea5a16db16956849aa371db3eb51fd190cce74df356432b410bd64682309d6dedb27c76845daf388557cbac3ca34"
    );
    value["ss58Address"] = whole()["ss58Address"].clone();
    let content = read(&value.to_string()).unwrap();
    assert_eq!(content.pair.unwrap().hotkey(), content.hotkey);
}

#[test]
fn every_contradiction_is_found() {
    let other = HotkeyPair::from_seed(&[3; 32]).unwrap();
    let stranger: Value =
        serde_json::from_slice(&new_keyfile(&other, None, Some(&Seed::from_bytes([3; 32]))).unwrap())
            .unwrap();
    for field in ["ss58Address", "publicKey", "accountId", "secretSeed", "privateKey"] {
        let mut value = whole();
        value[field] = stranger[field].clone();
        let error = read(&value.to_string()).err().unwrap();
        assert!(matches!(error, WalletError::Disagree { .. }), "{field}: {error}");
        assert!(error.to_string().contains("5DfhGyQd"), "{error}");
    }
}

#[test]
fn each_mistake_has_its_name_and_none_quotes_a_secret() {
    let with = |field: &str, value: Value| {
        let mut whole = whole();
        whole[field] = value;
        whole.to_string()
    };
    type Check = fn(&WalletError) -> bool;
    let cases: Vec<(String, Check)> = vec![
        ("{}".into(), |error| matches!(error, WalletError::Empty { .. })),
        ("not json".into(), |error| matches!(error, WalletError::Form { .. })),
        ("{\"secretPhrase\": \"bottom drive".into(), |error| matches!(error, WalletError::Form { .. })),
        (with("secretPhrase", json!(7)), |error| matches!(error, WalletError::Form { .. })),
        (with("cryptoType", json!(0)), |error| matches!(error, WalletError::KeyType { got: 0, .. })),
        (with("secretPhrase", json!("bottom drive obey")), |error| {
            matches!(error, WalletError::Secret { source: SecretError::WordCount { got: 3 }, .. })
        }),
        (with("secretSeed", json!("0xfac7")), |error| matches!(error, WalletError::Secret { .. })),
        (with("privateKey", json!("0x00")), |error| matches!(error, WalletError::Field { .. })),
        (with("privateKey", json!("ff".repeat(64))), |error| {
            matches!(error, WalletError::Field { .. } | WalletError::Disagree { .. })
        }),
        (with("privateKey", json!("00".repeat(64))), |error| matches!(error, WalletError::Field { .. })),
        (with("publicKey", json!("0x46")), |error| matches!(error, WalletError::Field { .. })),
        (with("ss58Address", json!("5Dfh")), |error| matches!(error, WalletError::Address { .. })),
    ];
    for (text, expected) in cases {
        let error = read(&text).err().unwrap();
        let said = format!("{error} {error:?}");
        assert!(expected(&error), "{said}");
        for secret in ["bottom", "obey", "fac7959d", "05d65584"] {
            assert!(!said.contains(secret), "{said}");
        }
    }
}

proptest! {
    #[test]
    fn cut_and_flipped_files_are_refused_or_name_the_same_key(at in 0usize..700, bit in 0u8..8, cut in any::<bool>()) {
        let text = whole().to_string();
        let hotkey = read(&text).unwrap().hotkey;
        let mut bytes = text.into_bytes();
        let at = at % bytes.len();
        if cut { bytes.truncate(at) } else { bytes[at] ^= 1 << bit }
        if let Ok(content) = Content::of(Path::new("x"), &bytes) {
            // A flip in a field's name takes the field away; what is left still agrees. One that turns `cryptoType` of
            // the value 1 into another number is refused.
            prop_assert_eq!(content.hotkey, hotkey);
        }
    }

    #[test]
    fn noise_is_refused(noise in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Content::of(Path::new("x"), &noise).is_err());
    }
}

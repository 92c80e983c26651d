//! Hotkeys as other tools write them: `fixtures/wallets`, of each tool and version that docs/book/wallets.md names.

use grail_protocol::{sign::verify, words::Hotkey};
use grail_wallet::{Wallet, WalletError, keyfile::Scheme, secret::pair_from_uri, signer::sign_here};
use std::{fs, io, path::PathBuf};
use zeroize::Zeroizing;

const WORDS: &str = "5DfhGyQdFobKM8NsWvEeAKk5EQQgYe9AydgJ7rMB6E1EqRzV";
const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
const SEED: &str = "5DoFL8df5ey4F5kihqT3rfHbV4BVNE8vh2tEuKjfvAxfyRrA";

fn root() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "../../fixtures/wallets"].iter().collect()
}

fn nobody() -> io::Result<Zeroizing<String>> {
    panic!("a plain file needs no password")
}

fn password(word: &str) -> impl FnMut() -> io::Result<Zeroizing<String>> {
    let word = word.to_owned();
    move || Ok(Zeroizing::new(word.clone()))
}

#[test]
fn every_plain_hotkey_opens_and_signs() {
    let bob: Hotkey = pair_from_uri("//Bob").unwrap().hotkey();
    let list = Wallet::list(&root()).unwrap();
    assert!(list.len() >= 6, "{list:?}");
    for wallet in list {
        for (hot, address) in [("words", WORDS), ("alice", ALICE), ("seed", SEED)] {
            let hotkey = Wallet::new(&root(), &wallet.cold, hot).unwrap();
            let pair =
                hotkey.unlock(&mut nobody).unwrap_or_else(|error| panic!("{}/{hot}: {error}", wallet.cold));
            assert_eq!(pair.hotkey().to_ss58(), address, "{}/{hot}", wallet.cold);
            assert_eq!(hotkey.public().unwrap(), pair.hotkey());
            assert!(verify(&pair.hotkey(), b"x", &sign_here(&pair, b"x").unwrap()));
        }
        // polkadot-js has no coldkeys.
        if wallet.cold.starts_with("bittensor") {
            assert_eq!(wallet.coldkey, Some(bob), "{}", wallet.cold);
        }
    }
}

#[test]
fn sealed_ones_open_with_their_password_alone() {
    for (cold, scheme) in
        [("bittensor-wallet-4.1.1", Scheme::Nacl), ("polkadot-keyring-14.0.3", Scheme::PolkadotJs)]
    {
        let wallet = Wallet::new(&root(), cold, "sealed").unwrap();
        assert_eq!(wallet.scheme().unwrap(), scheme);
        assert_eq!(wallet.unlock(&mut password("Pw 7 lang")).unwrap().hotkey().to_ss58(), WORDS);
        let wrong = wallet.unlock(&mut password("pw 7 lang")).unwrap_err();
        assert!(matches!(wrong, WalletError::WrongPassword { .. }), "{wrong}");
    }
    // An export says its address openly; `$NACL` keeps it for itself.
    let public = |cold| Wallet::new(&root(), cold, "sealed").unwrap().public();
    assert_eq!(public("polkadot-keyring-14.0.3").unwrap().to_ss58(), WORDS);
    assert!(matches!(public("bittensor-wallet-4.1.1"), Err(WalletError::PublicUnknown { .. })));
}

#[test]
fn exports_of_polkadot_js_that_give_no_hotkey_are_named() {
    let ed25519 = Wallet::new(&root(), "polkadot-keyring-14.0.3", "other-kind").unwrap();
    let error = ed25519.unlock(&mut nobody).unwrap_err();
    assert!(matches!(error, WalletError::KeyType { got: 0, .. }), "{error}");

    let dir = tempfile::tempdir().unwrap();
    let good = fs::read_to_string(root().join("polkadot-keyring-14.0.3/hotkeys/sealed")).unwrap();
    let plain = fs::read_to_string(root().join("polkadot-keyring-14.0.3/hotkeys/words")).unwrap();
    let cases = [
        ("another version", good.replace("\"version\":\"3\"", "\"version\":\"2\"")),
        ("another seal", good.replace("\"scrypt\"", "\"argon2\"")),
        ("cut", good.replace("\"encoded\":\"", "\"encoded\":\"AA==\",\"rest\":\"")),
        // 2³⁰ rounds would take a terabyte: `AAACAAEAAAAIAAAA` holds N, p and r.
        ("too much memory", numbers(&good)),
        ("no key inside", plain.replace("\"encoded\":\"MFMC", "\"encoded\":\"MFMD")),
        ("no base64", plain.replace("\"encoded\":\"M", "\"encoded\":\"?")),
    ];
    for (what, text) in cases {
        assert!(text != good && text != plain, "{what} changes something");
        fs::create_dir_all(dir.path().join("cold/hotkeys")).unwrap();
        fs::write(dir.path().join("cold/hotkeys/x"), &text).unwrap();
        let wallet = Wallet::new(dir.path(), "cold", "x").unwrap();
        let error = wallet.unlock(&mut password("Pw 7 lang")).unwrap_err();
        assert!(matches!(error, WalletError::Damaged { .. }), "{what}: {error}");
        let encoded = text.split("\"encoded\":\"").nth(1).unwrap().split('"').next().unwrap();
        assert!(!error.to_string().contains(encoded), "{what}: {error}");
    }
}

/// An export with the numbers of its scrypt changed: N = 2³⁰.
fn numbers(export: &str) -> String {
    use base64::Engine as _;
    let engine = base64::engine::general_purpose::STANDARD;
    let mut parts = export.splitn(4, '"');
    let (brace, name, colon, rest) =
        (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
    let (encoded, rest) = rest.split_once('"').unwrap();
    let mut bytes = engine.decode(encoded).unwrap();
    bytes[32..36].copy_from_slice(&(1u32 << 30).to_le_bytes());
    format!("{brace}\"{name}\"{colon}\"{}\"{rest}", engine.encode(bytes))
}

#[test]
fn bare_digits_in_a_hotkeys_own_file_are_shown_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let digits = "1".repeat(64);
    fs::create_dir_all(dir.path().join("cold/hotkeys")).unwrap();
    fs::write(dir.path().join("cold/hotkeys/hot"), format!("0x{digits}")).unwrap();
    let wallet = Wallet::new(dir.path(), "cold", "hot").unwrap();
    let list = Wallet::list(dir.path()).unwrap();
    let said = [
        format!("{:?}", wallet.public().unwrap_err()),
        wallet.public().unwrap_err().to_string(),
        wallet.unlock(&mut nobody).unwrap_err().to_string(),
        format!("{list:?}"),
    ];
    let address = Hotkey::from_bytes([0x11; 32]).to_ss58();
    for text in &said {
        assert!(!text.contains("11111") && !text.contains(&address), "{text}");
    }
    assert!(said[1].contains("a public key and others as a secret seed"), "{}", said[1]);
    // Beside it, named as a public file, the same form is a public key.
    fs::rename(dir.path().join("cold/hotkeys/hot"), dir.path().join("cold/coldkeypub.txt")).unwrap();
    let list = Wallet::list(dir.path()).unwrap();
    assert_eq!(list[0].coldkey, Some(Hotkey::from_bytes([0x11; 32])));
}

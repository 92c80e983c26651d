//! What Bittensor's own tools wrote, and what they made of it.

use grail_protocol::{sign::verify, words::Hotkey};
use grail_wallet::{
    Wallet, WalletError,
    keyfile::Scheme,
    secret::{Seed, pair_from_uri},
    signer::sign_here,
};
use serde_json::Value;
use std::{fs, io, path::Path};
use zeroize::Zeroizing;

fn vector(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/vectors/python/wallet").join(name);
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// A wallet whose hotkey file holds these bytes.
fn wallet(root: &Path, bytes: &[u8]) -> Wallet {
    let wallet = Wallet::new(root, "cold", "hot").unwrap();
    fs::create_dir_all(wallet.path().parent().unwrap()).unwrap();
    fs::write(wallet.path(), bytes).unwrap();
    wallet
}

fn open(bytes: &[u8], password: &str) -> Result<(Scheme, Hotkey), WalletError> {
    let root = tempfile::tempdir().unwrap();
    let wallet = wallet(root.path(), bytes);
    let pair = wallet.unlock(&mut || Ok(Zeroizing::new(password.to_owned())))?;
    Ok((wallet.scheme()?, pair.hotkey()))
}

fn address(plain_text: &Value) -> Hotkey {
    let plain: Value = serde_json::from_str(text(plain_text)).unwrap();
    text(&plain["ss58Address"]).parse().unwrap()
}

/// Every encryption of `keyfiles.json`. Each NaCl case fills 512 MiB for some seconds, so there is one test for all.
#[test]
fn encrypted_keyfiles_of_the_python_wallet_open() {
    let file = vector("keyfiles.json");
    let mut seen = Vec::new();
    for case in list(&file["encrypted"]) {
        let bytes = hex::decode(text(&case["encrypted_hex"])).unwrap();
        let (scheme, hotkey) = open(&bytes, text(&case["password"])).unwrap();
        assert_eq!(hotkey, address(&case["plain_text"]));
        let detected = text(&case["detected"]);
        assert_eq!(detected, if scheme == Scheme::Nacl { "NaCl" } else { "Ansible Vault" });
        seen.push(scheme.name());
    }
    seen.sort();
    assert_eq!(seen, ["ansible-vault", "ansible-vault", "nacl", "nacl"]);
}

#[test]
fn refused_keyfiles_of_the_python_wallet_are_refused_by_name() {
    let file = vector("keyfiles.json");
    for case in list(&file["refused"]) {
        let bytes = hex::decode(text(&case["encrypted_hex"])).unwrap();
        let error = open(&bytes, text(&case["password"])).unwrap_err();
        let named = matches!(
            error,
            WalletError::WrongPassword { .. }
                | WalletError::Damaged { .. }
                | WalletError::UnknownScheme { .. }
        );
        assert!(named && error.to_string().contains("hotkeys/hot"), "{}: {error}", case["note"]);
    }
    assert!(list(&file["refused"]).len() >= 3);
}

#[test]
fn plain_keyfiles_of_the_python_wallet_read_alike() {
    let file = vector("keyfiles.json");
    let mut signing = 0;
    for case in list(&file["plain"]) {
        let root = tempfile::tempdir().unwrap();
        let wallet = wallet(root.path(), text(&case["text"]).as_bytes());
        let mut nobody = || Err(io::Error::other("nobody is there to ask"));
        if case.get("error").is_some() {
            assert!(wallet.public().is_err() && wallet.unlock(&mut nobody).is_err(), "{case}");
            continue;
        }
        assert_eq!(wallet.public().unwrap().to_ss58(), text(&case["ss58"]));
        match (wallet.unlock(&mut nobody), case["can_sign"].as_bool().unwrap()) {
            (Ok(pair), true) => {
                let signature = sign_here(&pair, b"hello").unwrap();
                assert!(verify(&pair.hotkey(), b"hello", &signature));
                signing += 1;
            }
            (Err(WalletError::NoSecret { .. }), false) => {}
            (other, _) => panic!("{case}: {other:?}"),
        }
    }
    assert_eq!(signing, 3);
}

#[test]
fn the_oldest_encryption_opens() {
    let file = vector("fernet.json");
    for case in list(&file["encrypted"]) {
        let (scheme, hotkey) = open(text(&case["token"]).as_bytes(), text(&case["password"])).unwrap();
        assert_eq!((scheme, hotkey), (Scheme::Fernet, address(&case["plain_text"])));
    }
    let token = text(&file["encrypted"][0]["token"]);
    assert!(matches!(
        open(token.as_bytes(), "nope"),
        Err(WalletError::WrongPassword { scheme: Scheme::Fernet, .. })
    ));
}

#[test]
fn keys_of_the_python_wallet_are_derived_alike() {
    let file = vector("sr25519.json");
    let (mut words, mut seeds, mut uris, mut files) = (0, 0, 0, 0);
    for case in list(&file["keys"]) {
        let pair = match text(&case["kind"]) {
            "mnemonic" => {
                words += 1;
                let mnemonic = text(&case["mnemonic"]);
                assert_eq!(pair_from_uri(mnemonic).unwrap().hotkey().to_ss58(), text(&case["ss58"]));
                Seed::from_words(mnemonic, "").and_then(|seed| seed.pair())
            }
            "seed" => {
                seeds += 1;
                assert_eq!(
                    pair_from_uri(text(&case["seed"])).unwrap().hotkey().to_ss58(),
                    text(&case["ss58"])
                );
                Seed::from_hex(text(&case["seed"])).and_then(|seed| seed.pair())
            }
            "uri" => {
                uris += 1;
                pair_from_uri(text(&case["uri"]))
            }
            other => panic!("a key of kind {other}"),
        };
        let hotkey = pair.unwrap().hotkey();
        assert_eq!(hotkey.to_ss58(), text(&case["ss58"]), "{case}");
        assert_eq!(hex::encode(hotkey.as_bytes()), text(&case["public_key"]));
        if let Some(content) = case.get("keyfile_json").filter(|content| content.is_object()) {
            files += 1;
            let opened = open(content.to_string().as_bytes(), "").unwrap();
            assert_eq!(opened, (Scheme::Plain, hotkey), "{case}");
        }
    }
    assert!(words >= 4 && seeds >= 3 && uris >= 9 && files >= 15, "{words} {seeds} {uris} {files}");
}

/// Numbers at the edge of 64 bits, names around 32 bytes, passwords, mnemonics of every length, and what is refused.
#[test]
fn paths_at_their_edges_are_derived_alike() {
    let file = vector("paths.json");
    let (mut made, mut refused) = (0, 0);
    for case in list(&file["uris"]) {
        let hotkey = pair_from_uri(text(&case["uri"])).ok().map(|pair| pair.hotkey().to_ss58());
        assert_eq!(hotkey.as_deref(), case["ss58"].as_str(), "{case}");
        *if hotkey.is_some() { &mut made } else { &mut refused } += 1;
    }
    assert!(made >= 35 && refused >= 10, "{made} {refused}");
}

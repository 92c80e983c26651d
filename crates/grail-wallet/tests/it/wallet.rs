//! The folder of wallets: found, listed, made, and every way in which it can be wrong.

use grail_protocol::{
    sign::{HotkeyPair, verify},
    words::Hotkey,
};
use grail_wallet::{
    Wallet, WalletError,
    keyfile::Scheme,
    secret::{Words, pair_from_uri},
    signer::sign_here,
    wallet::KeyOrigin,
};
use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

const WORDS: &str = "bottom drive obey lake curtain smoke basket hold race lonely fit walk";

fn nobody() -> io::Result<Zeroizing<String>> {
    panic!("a plain file needs no password")
}

fn import(uri: &str) -> KeyOrigin {
    KeyOrigin::Import(Zeroizing::new(uri.to_owned()))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn put(path: &PathBuf, bytes: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// The error, whose text names the file of the wallet.
#[track_caller]
fn refused(wallet: &Wallet) -> WalletError {
    let error = wallet.unlock(&mut || Ok(Zeroizing::new("pw".to_owned()))).unwrap_err();
    assert!(error.to_string().contains("cold/hotkeys"), "{error}");
    error
}

#[test]
fn a_new_hotkey_opens_signs_and_is_never_made_twice() {
    let root = tempfile::tempdir().unwrap();
    let wallet = Wallet::new(root.path(), "cold", "hot").unwrap();
    let made = wallet.create(&KeyOrigin::Draw(Words::Twelve), None).unwrap();
    assert!(!made.has_coldkey);
    assert_eq!((mode(&wallet.path()), mode(&wallet.public_path())), (0o600, 0o644));
    assert_eq!(mode(wallet.path().parent().unwrap()), 0o700);
    let pair = wallet.unlock(&mut nobody).unwrap();
    assert_eq!((pair.hotkey(), wallet.public().unwrap()), (made.hotkey, made.hotkey));
    let words = made.words.unwrap();
    assert_eq!(pair_from_uri(&words).unwrap().hotkey(), made.hotkey);
    assert!(verify(&made.hotkey, b"x", &sign_here(&pair, b"x").unwrap()));
    let before = fs::read(wallet.path()).unwrap();
    for _ in 0..2 {
        let again = wallet.create(&KeyOrigin::Draw(Words::Twelve), None).unwrap_err();
        assert!(matches!(&again, WalletError::Exists { .. }), "{again}");
        // With the secret gone and the public file left, neither is written.
        assert_eq!(fs::read(wallet.path()).unwrap_or_else(|_| before.clone()), before);
        let _ = fs::remove_file(wallet.path());
    }
    let left = fs::read_dir(wallet.public_path().parent().unwrap()).unwrap().count();
    assert_eq!(left, 1, "nothing half-written is left");
}

#[test]
fn words_seeds_and_paths_are_imported() {
    let root = tempfile::tempdir().unwrap();
    let seed = "0x4a50f6328ae0ada0342ef0f7b032f7f7e4624c055c6a2aef254310544dd19a96";
    let cases = [
        (WORDS.to_owned(), "5DfhGyQdFobKM8NsWvEeAKk5EQQgYe9AydgJ7rMB6E1EqRzV"),
        (format!("  {WORDS}\n"), "5DfhGyQdFobKM8NsWvEeAKk5EQQgYe9AydgJ7rMB6E1EqRzV"),
        (seed.to_owned(), "5DoFL8df5ey4F5kihqT3rfHbV4BVNE8vh2tEuKjfvAxfyRrA"),
        (seed[2..].to_owned(), "5DoFL8df5ey4F5kihqT3rfHbV4BVNE8vh2tEuKjfvAxfyRrA"),
        ("//Alice".to_owned(), "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"),
    ];
    for (index, (uri, address)) in cases.into_iter().enumerate() {
        let wallet = Wallet::new(root.path(), "cold", &format!("hot{index}")).unwrap();
        let made = wallet.create(&import(&uri), None).unwrap();
        assert_eq!(made.hotkey.to_ss58(), address);
        assert!(made.words.is_none(), "who imports words has them");
        assert_eq!(wallet.unlock(&mut nobody).unwrap().hotkey(), made.hotkey);
    }
    let wallet = Wallet::new(root.path(), "cold", "bad").unwrap();
    let error = wallet.create(&import("not twelve words"), None).unwrap_err();
    assert!(matches!(error, WalletError::Secret { .. }) && !wallet.path().exists());
}

/// Makes, opens and mistypes: three rounds of 512 MiB, so one test.
#[test]
fn an_encrypted_hotkey_opens_with_its_password_alone() {
    let root = tempfile::tempdir().unwrap();
    let wallet = Wallet::new(root.path(), "cold", "hot").unwrap();
    let made = wallet.create(&import("//Alice"), Some("Pässwörd")).unwrap();
    let bytes = fs::read(wallet.path()).unwrap();
    assert!(bytes.starts_with(b"$NACL") && wallet.scheme().unwrap() == Scheme::Nacl);
    assert_eq!(wallet.public().unwrap(), made.hotkey, "from the public file, without a password");
    let right = wallet.unlock(&mut || Ok(Zeroizing::new("Pässwörd".to_owned())));
    assert_eq!(right.unwrap().hotkey(), made.hotkey);
    assert!(matches!(refused(&wallet), WalletError::WrongPassword { scheme: Scheme::Nacl, .. }));
    let none = wallet.unlock(&mut || Err(io::Error::other("no terminal"))).unwrap_err();
    assert!(matches!(none, WalletError::NoPassword { .. }));
    fs::remove_file(wallet.public_path()).unwrap();
    assert!(matches!(wallet.public().unwrap_err(), WalletError::PublicUnknown { .. }));
    // Cut before anything is derived.
    put(&wallet.path(), &bytes[..20]);
    assert!(matches!(refused(&wallet), WalletError::Damaged { .. }));
}

#[test]
fn a_missing_wallet_names_those_that_exist_and_the_command_that_makes_one() {
    let root = tempfile::tempdir().unwrap();
    let wanted = Wallet::new(root.path(), "cold", "hot").unwrap();
    let error = wanted.public().unwrap_err().to_string();
    assert!(error.contains("no wallet is there") && error.contains("grail keys new"), "{error}");
    for hot in ["miner", "validator"] {
        Wallet::new(root.path(), "other", hot).unwrap().create(&import("//A"), None).unwrap();
    }
    let error = refused(&wanted).to_string();
    for word in ["other/miner, other/validator", "--wallet-cold cold --wallet-hot hot"] {
        assert!(error.contains(word), "{error}");
    }
    let nowhere = Wallet::new(&root.path().join("none"), "a", "b").unwrap();
    assert!(matches!(nowhere.public().unwrap_err(), WalletError::NotFound { .. }));
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let root = Path::new("/nowhere");
    for bad in ["", ".", "..", "../x", "a/b", "a\\b", ".hidden", "a\0b", "a\nb", &"x".repeat(129)] {
        assert!(matches!(Wallet::new(root, bad, "hot"), Err(WalletError::Name { .. })), "{bad:?}");
        assert!(matches!(Wallet::new(root, "cold", bad), Err(WalletError::Name { .. })), "{bad:?}");
    }
    assert!(matches!(Wallet::new(root, "cold", "hotpub.txt"), Err(WalletError::Name { .. })));
    assert!(Wallet::new(root, "my wallet", "default-2.b").is_ok());
}

#[test]
fn what_is_no_keyfile_is_named() {
    let root = tempfile::tempdir().unwrap();
    let wallet = Wallet::new(root.path(), "cold", "hot").unwrap();
    put(&wallet.path(), vec![b'{'; (64 << 10) + 1]);
    let error = refused(&wallet);
    assert!(matches!(error, WalletError::TooLarge { got: 65_537, .. }), "{error}");
    put(&wallet.path(), vec![b'{'; 64 << 10]);
    assert!(matches!(refused(&wallet), WalletError::Form { .. }));
    for unknown in [&b""[..], b"age-encryption.org/v1", b"bottom drive obey", &[0xff; 40]] {
        put(&wallet.path(), unknown);
        let error = refused(&wallet);
        assert!(matches!(&error, WalletError::UnknownScheme { .. }), "{error}");
        assert!(!error.to_string().contains("bottom"));
    }
    fs::remove_file(wallet.path()).unwrap();
    fs::create_dir(wallet.path()).unwrap();
    assert!(matches!(refused(&wallet), WalletError::NotAFile { .. }));
    assert!(matches!(wallet.create(&import("//A"), None), Err(WalletError::Exists { .. })));
}

#[test]
fn a_public_file_of_another_key_is_found_out() {
    let root = tempfile::tempdir().unwrap();
    let (alice, bob) = ("alice", "bob");
    for (name, uri) in [(alice, "//Alice"), (bob, "//Bob")] {
        Wallet::new(root.path(), "cold", name).unwrap().create(&import(uri), None).unwrap();
    }
    let wallet = Wallet::new(root.path(), "cold", alice).unwrap();
    let other = Wallet::new(root.path(), "cold", bob).unwrap();
    fs::copy(other.public_path(), wallet.public_path()).unwrap();
    for error in [refused(&wallet), wallet.public().unwrap_err()] {
        let said = error.to_string();
        assert!(matches!(error, WalletError::Disagree { .. }), "{said}");
        assert!(
            said.contains("alicepub.txt") && said.contains("5FHneW46") && said.contains("5GrwvaEF"),
            "{said}"
        );
    }
    put(&wallet.public_path(), "{");
    assert!(
        matches!(wallet.public().unwrap_err(), WalletError::Form { path, .. } if path == wallet.public_path())
    );
}

#[test]
fn a_list_shows_everything_and_opens_no_coldkey() {
    let root = tempfile::tempdir().unwrap();
    assert!(Wallet::list(&root.path().join("none")).unwrap().is_empty());
    let alice: Hotkey = pair_from_uri("//Alice").unwrap().hotkey();
    let cold = root.path().join("treasury");
    // A coldkey that could not be read if anybody tried.
    fs::create_dir_all(cold.join("coldkey")).unwrap();
    put(&cold.join("coldkeypub.txt"), format!("{{\"ss58Address\":\"{alice}\"}}"));
    for hot in ["b", "a"] {
        Wallet::new(root.path(), "treasury", hot).unwrap().create(&import("//Bob"), None).unwrap();
    }
    put(&cold.join("hotkeys/broken"), "what is this");
    put(&root.path().join("notes.txt"), "no wallet");
    fs::create_dir(root.path().join("empty")).unwrap();
    fs::create_dir(root.path().join(".hidden")).unwrap();
    let list = Wallet::list(root.path()).unwrap();
    assert_eq!(list.len(), 1);
    assert_eq!((list[0].cold.as_str(), list[0].coldkey), ("treasury", Some(alice)));
    let names: Vec<_> = list[0].hotkeys.iter().map(|hotkey| hotkey.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "broken"]);
    assert!(list[0].hotkeys[0].hotkey.is_ok() && list[0].hotkeys[0].scheme == Some(Scheme::Plain));
    assert!(matches!(list[0].hotkeys[2].hotkey, Err(WalletError::UnknownScheme { .. })));
    let made = Wallet::new(root.path(), "treasury", "c").unwrap().create(&import("//Eve"), None).unwrap();
    assert!(made.has_coldkey);
}

#[test]
fn a_key_that_others_may_read_is_noticed() {
    let root = tempfile::tempdir().unwrap();
    let wallet = Wallet::new(root.path(), "cold", "hot").unwrap();
    wallet.create(&import("//Alice"), None).unwrap();
    assert_eq!(wallet.open_to_others(), None);
    fs::set_permissions(wallet.path(), fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(wallet.open_to_others(), Some(0o640));
    assert!(wallet.unlock(&mut nobody).is_ok(), "warned about, not refused");
}

#[test]
fn nothing_prints_a_secret() {
    let root = tempfile::tempdir().unwrap();
    let wallet = Wallet::new(root.path(), "cold", "hot").unwrap();
    wallet.create(&import(WORDS), None).unwrap();
    let pair: HotkeyPair = wallet.unlock(&mut nobody).unwrap();
    let printed = format!("{pair:?} {wallet:?}");
    assert!(printed.contains("5DfhGyQd") && !printed.contains("fac7959d") && !printed.contains("bottom"));
}

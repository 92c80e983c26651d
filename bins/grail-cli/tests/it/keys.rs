//! `grail keys` and `grail signer` as an operator meets them.

use super::{grail, refuses, text, works};
use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, Command, Stdio},
};

const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";

fn json(arguments: &[&str]) -> serde_json::Value {
    serde_json::from_str(&works(&[arguments, &["--json"]].concat())).unwrap()
}

/// A root with the hotkey `cold/alice`, which is //Alice.
fn root() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let secret = root.path().join("secret.txt");
    fs::write(&secret, "//Alice\n").unwrap();
    let folder = root.path().join("wallets");
    works(&[&["keys", "new", "--import", text(&secret)][..], &alice(&folder)].concat());
    root
}

fn alice(folder: &Path) -> Vec<&str> {
    vec!["--wallet-path", text(folder), "--wallet-cold", "cold", "--wallet-hot", "alice"]
}

#[test]
fn a_hotkey_is_made_listed_and_shown() {
    let root = root();
    let folder = root.path().join("wallets");
    let shown = json(&[&["keys", "show", "--unlock"][..], &alice(&folder)].concat());
    assert_eq!((shown["hotkey"].as_str(), shown["kept"].as_str()), (Some(ALICE), Some("plain")));
    // The names of Bittensor's own flags do the same.
    let shown = works(&[
        "keys",
        "show",
        "--wallet.path",
        text(&folder),
        "--wallet.name",
        "cold",
        "--wallet.hotkey",
        "alice",
    ]);
    assert!(shown.contains(ALICE) && shown.contains("hotkeys/alice"), "{shown}");
    let made = json(&[
        "keys",
        "new",
        "--wallet-root",
        text(&folder),
        "--wallet-cold",
        "cold",
        "--wallet-hot",
        "b",
        "--words",
        "24",
    ]);
    assert_eq!(made["words"].as_str().unwrap().split(' ').count(), 24);
    let list = json(&["keys", "list", "--wallet-root", text(&folder)]);
    let names: Vec<_> = list.as_array().unwrap().iter().map(|row| row["hot"].as_str().unwrap()).collect();
    assert_eq!(names, ["alice", "b"]);
    assert_eq!(list[1]["hotkey"], made["hotkey"]);
    let table = works(&["keys", "list", "--wallet-root", text(&folder)]);
    assert!(table.contains(ALICE) && table.contains("plain"), "{table}");
    refuses(&[&["keys", "new"][..], &alice(&folder)].concat(), &["exists", "never overwritten"]);
    let missing =
        ["keys", "show", "--wallet-path", text(&folder), "--wallet-cold", "cold", "--wallet-hot", "zoe"];
    refuses(&missing, &["zoe", "cold/alice, cold/b", "grail keys new"]);
}

#[test]
fn signatures_are_made_and_checked_in_both_forms() {
    let root = root();
    let folder = root.path().join("wallets");
    for form in [&[][..], &["--plain"]] {
        let sign = [&["keys", "sign", "--message", "mine"][..], form, &alice(&folder)].concat();
        let signed = json(&sign);
        let signature = signed["signature"].as_str().unwrap();
        let check = |message: &str, more: &[&str]| {
            let arguments =
                ["keys", "verify", "--hotkey", ALICE, "--signature", signature, "--message", message];
            super::grail(&[&arguments[..], more].concat()).status.code()
        };
        assert_eq!(check("mine", form), Some(0));
        assert_eq!(check("yours", form), Some(1));
        let other: &[&str] = if form.is_empty() { &["--plain"] } else { &[] };
        assert_eq!(check("mine", other), Some(1), "one form is not the other");
    }
    refuses(
        &["keys", "verify", "--hotkey", ALICE, "--signature", "00", "--message", "x"],
        &["128 hexadecimal"],
    );
    let large = root.path().join("large");
    fs::write(&large, vec![0; (1 << 20) + 1]).unwrap();
    refuses(
        &[&["keys", "sign", "--file", text(&large)][..], &alice(&folder)].concat(),
        &["large", "SHA-256"],
    );
}

#[test]
fn mistakes_with_keys_are_named() {
    let root = root();
    let folder = root.path().join("wallets");
    let empty = root.path().join("empty");
    fs::write(&empty, "").unwrap();
    let new = |more: &[&str]| {
        let place = ["keys", "new", "--wallet-path", text(&folder), "--wallet-hot", "new"];
        [&place[..], more].concat().iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()
    };
    let refused = |arguments: Vec<String>, words: &[&str]| {
        refuses(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), words);
    };
    refused(new(&["--import", text(&empty)]), &["empty"]);
    refused(new(&["--import", "nowhere.txt"]), &["nowhere.txt"]);
    fs::write(&empty, "bottom drive obey lake\n").unwrap();
    refused(new(&["--import", text(&empty)]), &["12, 15, 18, 21 or 24 words, these are 4"]);
    fs::write(&empty, "\n").unwrap();
    refused(new(&["--encrypt", "--password-file", text(&empty)]), &["empty password"]);
    assert!(!folder.join("default").exists());
    fs::write(folder.join("cold/hotkeys/alice"), "gAAAAAnonsense").unwrap();
    let open =
        [&["keys", "sign", "--message", "x", "--password-file", text(&empty)][..], &alice(&folder)].concat();
    refuses(&open, &["hotkeys/alice", "damaged"]);
}

/// A process that ends with the test.
struct Kept(Child);

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_signer_process_signs_what_it_may() {
    let root = root();
    let folder = root.path().join("wallets");
    let house = root.path().join("run");
    fs::create_dir(&house).unwrap();
    let socket = house.join("s.sock");
    let start = |more: &[&str]| {
        let first = ["signer", "--socket", text(&socket)];
        [&first[..], &alice(&folder), more].concat().iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()
    };
    fs::set_permissions(&house, fs::Permissions::from_mode(0o755)).unwrap();
    let refused = |arguments: Vec<String>, words: &[&str]| {
        refuses(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), words);
    };
    refused(start(&[]), &["mode 700", "mkdir -m 700"]);
    fs::set_permissions(&house, fs::Permissions::from_mode(0o700)).unwrap();
    refused(start(&["--allow", "transfer_everything"]), &["transfer_everything", "set_weights"]);
    refused(start(&["--labels", "coffee"]), &["coffee", "verdicts"]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_grail"))
        .args(start(&["--labels", "message", "--allow", "set_weights,set_commitment", "--netuid", "81"]))
        .stderr(Stdio::piped())
        .spawn()
        .map(Kept)
        .unwrap();
    // The line that says it listens.
    let mut lines = BufReader::new(child.0.stderr.take().unwrap()).lines();
    let line = lines.by_ref().map(Result::unwrap).find(|line| line.contains("signs as")).unwrap();
    assert!(line.contains(ALICE), "{line}");
    let sign = ["keys", "sign", "--message", "hello", "--signer", text(&socket)];
    let signed = json(&sign);
    assert_eq!(signed["hotkey"], ALICE);
    let signature = signed["signature"].as_str().unwrap();
    works(&["keys", "verify", "--hotkey", ALICE, "--signature", signature, "--message", "hello"]);
    refused(start(&[]), &["already listens"]);
    drop(child);
    refuses(&sign, &["no signer answers", "grail signer --socket"]);
}

/// What the program complains of, with exit code 2.
#[track_caller]
fn complaint(arguments: &[&str]) -> String {
    let output = grail(arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A public key to one tool and a seed to another: called neither, and shown nowhere.
#[test]
fn bare_digits_are_called_ambiguous_and_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("wallets");
    fs::create_dir_all(folder.join("cold/hotkeys")).unwrap();
    fs::write(folder.join("cold/hotkeys/alice"), format!("0x{}", "1".repeat(64))).unwrap();
    let told = [
        works(&["keys", "list", "--wallet-path", text(&folder)]),
        works(&["keys", "list", "--json", "--wallet-path", text(&folder)]),
        complaint(&[&["keys", "show"][..], &alice(&folder)].concat()),
        complaint(&[&["keys", "show", "--unlock"][..], &alice(&folder)].concat()),
    ];
    for text in told {
        let words: String = text.split_whitespace().collect();
        assert!(!words.contains("11111") && words.contains("secretseed"), "{text}");
    }
}

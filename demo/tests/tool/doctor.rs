//! `grail doctor` on a development network.

use super::{model, text, works};
use grail_artifact::keys::{WindowEncoding, WindowKey};
use grail_ports::{
    chain::{ChainView as _, ChainWrite as _},
    shelf::WindowShelf as _,
};
use grail_roles::clock::SystemClock;
use grail_store::{ReadCredentials, Shelf, Transfer, WriteCredentials};
use serde_json::Value;
use std::{path::Path, process::Command, sync::Arc};
use tokio::runtime::Runtime;

/// An account, whose bucket is not asked for here.
const ACCOUNT: &str = "0123456789abcdef0123456789abcdef";

/// Variables of a participant.
fn variables() -> Vec<(&'static str, String)> {
    [
        ("R2_ACCOUNT_ID", ACCOUNT),
        ("R2_BUCKET_ID", ACCOUNT),
        ("R2_ENDPOINT_URL", "http://127.0.0.1:1"),
        ("R2_ALLOW_HTTP", "true"),
        ("R2_WRITE_ACCESS_KEY_ID", "writer"),
        ("R2_WRITE_SECRET_ACCESS_KEY", "writer-secret"),
        ("R2_READ_ACCESS_KEY_ID", "reader"),
        ("R2_READ_SECRET_ACCESS_KEY", "reader-secret"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .to_vec()
}

/// The checks as JSON, with the exit code.
fn checks(dir: &Path, arguments: &[&str], variables: &[(&str, String)]) -> (Vec<Value>, i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_grail-devnet"));
    // `grail-devnet` holds the roles, and so finds libtorch before it says a word.
    #[expect(clippy::disallowed_methods, reason = "where libraries lie is the tester's own")]
    let libraries = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    command.env_clear().current_dir(dir).arg("doctor").args(arguments).arg("--json");
    command
        .env("HOME", dir)
        .env("LD_LIBRARY_PATH", libraries)
        .envs(variables.iter().map(|(name, value)| (name, value)));
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|odd| panic!("{odd}: {error}"));
    (told["checks"].as_array().unwrap().clone(), output.status.code().unwrap())
}

/// Codes of everything that is not good, with their standing.
fn codes(checks: &[Value]) -> Vec<(String, String)> {
    let word = |check: &Value, name: &str| check[name].as_str().unwrap_or_default().to_owned();
    let with_code = checks.iter().filter(|check| check["code"].is_string());
    with_code.map(|check| (word(check, "code"), word(check, "standing"))).collect()
}

#[test]
fn a_development_network_is_looked_at_too_and_its_chain_tells_what_was_committed() {
    let runtime = Runtime::new().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (net, model) = (dir.path().join("net"), model(dir.path()));
    works(&["init", text(&net), "--model", text(&model), "--miners", "alice", "--validators", "victor"]);
    let mut variables = variables();
    variables.extend([("GRAIL_DEVNET", text(&net).to_owned()), ("GRAIL_KEY", "alice".to_owned())]);
    let look = |role: &str, variables: &[(&str, String)]| {
        checks(dir.path(), &["--only", "store,wallet,chain,beacon", "--role", role], variables)
    };
    let (checks, exit) = look("miner", &variables);
    assert_eq!(codes(&checks), [("not-committed".to_owned(), "warning".to_owned())], "{checks:#?}");
    assert_eq!(exit, 2);

    let devnet = grail_devnet::open(&net).unwrap();
    let chain = devnet.chain(Arc::new(SystemClock)).unwrap();
    let write = WriteCredentials::new("writer", "writer-secret").unwrap();
    let commit = |read: ReadCredentials| {
        let hotkey = devnet.key("alice").unwrap().hotkey();
        let bytes = read.commitment(&write).unwrap();
        runtime.block_on(chain.as_hotkey(hotkey).commit(&bytes)).unwrap();
    };
    commit(ReadCredentials::new(ACCOUNT, "reader", "another-secret").unwrap());
    let (found, exit) = look("miner", &variables);
    assert_eq!((codes(&found), exit), (vec![("commitment-differs".to_owned(), "bad".to_owned())], 1));
    commit(ReadCredentials::new(ACCOUNT, "reader", "reader-secret").unwrap());
    let (found, exit) = look("miner", &variables);
    assert_eq!((codes(&found), exit), (vec![], 0), "{found:#?}");
    let told = |check: &str, found: &[Value]| {
        let line = found.iter().find(|line| line["check"] == check).unwrap();
        line["told"].as_str().unwrap().to_owned()
    };
    assert_eq!(told("window", &found), "no file of ours in the last 8 windows");
    let key = WindowKey {
        hotkey: devnet.key("alice").unwrap().hotkey(),
        window: devnet.network().params.window_of(runtime.block_on(chain.head()).unwrap().number),
        encoding: WindowEncoding::Parquet,
    };
    let shelf = Shelf::folder(devnet.shelf(), Transfer::default()).unwrap();
    runtime.block_on(shelf.put(&key.into(), "mined".into())).unwrap();
    let (found, _) = look("miner", &variables);
    assert!(told("window", &found).contains(", 5 bytes, "), "{found:#?}");
    let (found, _) = look("validator", &variables);
    assert_eq!(codes(&found), [("no-permit".to_owned(), "bad".to_owned())]);
    assert!(found.iter().all(|line| line["check"] != "window"), "a validator uploads none: {found:#?}");

    let newcomer = devnet.new_key("newcomer").unwrap();
    variables.push(("GRAIL_KEY", "newcomer".to_owned()));
    let (found, _) = look("miner", &variables);
    assert!(codes(&found).contains(&("not-registered".to_owned(), "bad".to_owned())), "{found:#?}");
    assert!(serde_json::to_string(&found).unwrap().contains(&newcomer.to_string()));
}

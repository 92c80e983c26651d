//! `grail doctor` as an operator meets it: each wrong set-up named for what it is, with what to do.

use super::{
    house::{self, ACCOUNT, ANYTHING, House, READ, Rules},
    text,
};
use axum::{Router, http::StatusCode, routing::get};
use grail_protocol::beacon::{BeaconChain, quicknet};
use serde_json::Value;
use std::{
    fs,
    path::Path,
    process::{Command, Output},
    sync::{Arc, Mutex},
};
use tokio::{net::TcpListener, runtime::Runtime};

/// Variables of a set-up in order.
fn variables(url: &str) -> Vec<(&'static str, String)> {
    [
        ("R2_ACCOUNT_ID", ACCOUNT),
        ("R2_BUCKET_ID", ACCOUNT),
        ("R2_ENDPOINT_URL", url),
        ("R2_ALLOW_HTTP", "true"),
        ("R2_WRITE_ACCESS_KEY_ID", "writer"),
        ("R2_WRITE_SECRET_ACCESS_KEY", "writer-secret"),
        ("R2_READ_ACCESS_KEY_ID", "reader"),
        ("R2_READ_SECRET_ACCESS_KEY", "reader-secret"),
    ]
    .into_iter()
    .map(|(name, value)| (name, value.to_owned()))
    .collect()
}

fn doctor(dir: &Path, arguments: &[&str], variables: &[(&str, String)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_grail"));
    command.env_clear().current_dir(dir).arg("doctor").args(arguments);
    command.env("HOME", dir).envs(variables.iter().map(|(name, value)| (name, value)));
    command.output().unwrap()
}

/// The checks as JSON, with the exit code.
fn checks(dir: &Path, arguments: &[&str], variables: &[(&str, String)]) -> (Vec<Value>, i32) {
    let output = doctor(dir, &[arguments, &["--json"]].concat(), variables);
    let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!(
            "{error}: {} {}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    });
    let code = output.status.code().unwrap();
    assert_eq!(told["exit_code"], code);
    (told["checks"].as_array().unwrap().clone(), code)
}

/// Codes of everything that is not good, with their standing.
fn codes(checks: &[Value]) -> Vec<(String, String)> {
    let word = |check: &Value, name: &str| check[name].as_str().unwrap_or_default().to_owned();
    let with_code = checks.iter().filter(|check| check["code"].is_string());
    with_code.map(|check| (word(check, "code"), word(check, "standing"))).collect()
}

struct WrongSetUp {
    named: &'static str,
    rules: Rules,
    changed: &'static [(&'static str, &'static str)],
}

fn wrong(named: &'static str, changed: &'static [(&'static str, &'static str)]) -> WrongSetUp {
    WrongSetUp { named, rules: Rules::default(), changed }
}

#[test]
fn wrong_set_ups_are_each_named_with_a_remedy() {
    let runtime = Runtime::new().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let writing_reader = vec![("writer", "writer-secret", ANYTHING), ("reader", "reader-secret", ANYTHING)];
    let reading_writer = vec![("writer", "writer-secret", READ), ("reader", "reader-secret", READ)];
    let cases = [
        wrong("endpoint-unreachable", &[("R2_ENDPOINT_URL", "http://127.0.0.1:1")]),
        wrong("plain-http", &[("R2_ALLOW_HTTP", "false")]),
        wrong(
            "no-such-bucket",
            &[
                ("R2_ACCOUNT_ID", "ffffffffffffffffffffffffffffffff"),
                ("R2_BUCKET_ID", "ffffffffffffffffffffffffffffffff"),
            ],
        ),
        wrong("bucket-name-not-account", &[("R2_BUCKET_ID", "windows")]),
        wrong("wrong-write-key-id", &[("R2_WRITE_ACCESS_KEY_ID", "nobody")]),
        wrong("wrong-write-secret", &[("R2_WRITE_SECRET_ACCESS_KEY", "typo")]),
        wrong("wrong-read-key-id", &[("R2_READ_ACCESS_KEY_ID", "nobody")]),
        wrong("wrong-read-secret", &[("R2_READ_SECRET_ACCESS_KEY", "typo")]),
        wrong(
            "equal-keys",
            &[("R2_READ_ACCESS_KEY_ID", "writer"), ("R2_READ_SECRET_ACCESS_KEY", "writer-secret")],
        ),
        wrong(
            "account-mismatch",
            &[("R2_WRITE_ACCESS_KEY_ID", "nobody"), ("R2_READ_ACCESS_KEY_ID", "nobody-else")],
        ),
        wrong(
            "secrets-crossed",
            &[
                ("R2_WRITE_SECRET_ACCESS_KEY", "reader-secret"),
                ("R2_READ_SECRET_ACCESS_KEY", "writer-secret"),
            ],
        ),
        wrong("setting-missing", &[("R2_READ_ACCESS_KEY_ID", "")]),
        WrongSetUp {
            named: "read-key-can-write",
            rules: Rules { keys: writing_reader, ..Rules::default() },
            changed: &[],
        },
        WrongSetUp {
            named: "write-key-cannot-write",
            rules: Rules { keys: reading_writer, ..Rules::default() },
            changed: &[],
        },
        WrongSetUp {
            named: "wrong-region",
            rules: Rules { region: Some("eu-north-1"), ..Rules::default() },
            changed: &[],
        },
        WrongSetUp {
            named: "clock-skew",
            rules: Rules { ahead_ms: 3_600_000, ..Rules::default() },
            changed: &[],
        },
        // A store that says `Unauthorized` to everything.
        WrongSetUp {
            named: "wrong-write-pair",
            rules: Rules { vague: true, ..Rules::default() },
            changed: &[("R2_WRITE_SECRET_ACCESS_KEY", "typo")],
        },
    ];
    for WrongSetUp { named, rules, changed } in cases {
        let house = runtime.block_on(house::open(rules));
        let mut variables = variables(&house.url);
        variables.extend(changed.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let (checks, exit) = checks(dir.path(), &["--only", "store"], &variables);
        let expected = vec![(named.to_owned(), "bad".to_owned())];
        assert_eq!((codes(&checks), exit), (expected, 1), "{checks:#?}");
        let mistake = checks.iter().find(|check| check["code"] == named).unwrap();
        assert!(mistake["remedy"].as_str().is_some_and(|remedy| remedy.len() > 10), "{mistake}");
        let all = serde_json::to_string(&checks).unwrap();
        assert!(!all.contains("writer-secret") && !all.contains("reader-secret"), "{all}");
    }
}

#[test]
fn a_good_bucket_passes_and_people_see_one_line_a_check() {
    let runtime = Runtime::new().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let house: House = runtime.block_on(house::open(Rules::default()));
    let output = doctor(dir.path(), &["--only", "store"], &variables(&house.url));
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}");
    for check in ["endpoint", "clock", "keys", "bucket", "region", "write", "read", "read-only"] {
        assert!(told.contains(&format!("✓ store-{check}: ")), "{told}");
    }
    assert!(told.contains("all is well"), "{told}");
}

#[test]
fn a_configuration_that_cannot_be_read_is_the_first_thing_told() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(".env"), "GRAIL_MODLE=x\nNETUID=many\n").unwrap();
    let (checks, exit) = checks(dir.path(), &[], &[]);
    assert_eq!(exit, 1);
    let told: Vec<&str> = checks.iter().map(|check| check["told"].as_str().unwrap()).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains(".env line 1") && told[0].contains("did you mean GRAIL_MODEL?"), "{told:?}");
    assert!(told[1].contains(".env line 2: NETUID cannot be \"many\""), "{told:?}");
}

#[test]
fn a_missing_wallet_is_named_and_so_is_the_command_that_makes_one() {
    let dir = tempfile::tempdir().unwrap();
    let (found, exit) = checks(dir.path(), &["--only", "wallet"], &[]);
    assert_eq!((codes(&found), exit), (vec![("wallet-not-found".to_owned(), "bad".to_owned())], 1));
    let wallet = found.iter().find(|check| check["check"] == "wallet").unwrap();
    assert!(wallet["remedy"].as_str().unwrap().contains("grail keys new"), "{wallet}");
}

#[test]
fn relays_that_fail_are_told_apart() {
    let runtime = Runtime::new().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let serve = |router: Router| {
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(async move { axum::serve(listener, router).await.unwrap() });
        url
    };
    let hangs = serve(Router::new().fallback(|| async { std::future::pending::<StatusCode>().await }));
    let other = serve(Router::new().route(
        "/info",
        get(|| async {
            let key = "00".repeat(96);
            format!("{{\"hash\":\"{}\",\"public_key\":\"{key}\"}}", "8990".repeat(16))
        }),
    ));
    let odd = serve(Router::new().fallback(|| async { "<html>welcome</html>" }));
    let gone = "http://127.0.0.1:1".to_owned();
    let relays = [hangs, other, odd, gone].join(",");
    let (found, exit) = checks(dir.path(), &["--only", "beacon"], &[("GRAIL_BEACON_RELAYS", relays)]);
    let found: Vec<String> = codes(&found).into_iter().map(|(code, _)| code).collect();
    assert_eq!(
        found,
        ["beacon-unreachable", "relay-hangs", "relay-other-chain", "relay-odd", "relay-unreachable"]
    );
    assert_eq!(exit, 1);
}

#[test]
fn a_relay_is_asked_for_the_beacon_that_the_settings_describe() {
    let runtime = Runtime::new().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let hash = "8990".repeat(16);
    // quicknet's key under another hash: what is asked for is that hash.
    let chain = BeaconChain { hash: hash.clone(), ..quicknet() };
    fs::write(dir.path().join("beacon.json"), serde_json::to_vec(&chain).unwrap()).unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&asked);
    let router = Router::new().fallback(move |uri: axum::http::Uri| async move {
        heard.lock().unwrap().push(uri.path().to_owned());
        StatusCode::NOT_FOUND
    });
    let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).unwrap();
    let relay = format!("http://{}", listener.local_addr().unwrap());
    runtime.spawn(async move { axum::serve(listener, router).await.unwrap() });
    let node = ("BT_NETWORK", "ws://127.0.0.1:1".to_owned());
    let variables = [node, ("GRAIL_BEACON_CHAIN", "beacon.json".into()), ("GRAIL_BEACON_RELAYS", relay)];
    checks(dir.path(), &["--only", "beacon"], &variables);
    let asked = asked.lock().unwrap();
    // A relay that lacks the chain is asked which one it has.
    let about_a_chain: Vec<&String> = asked.iter().filter(|path| path.as_str() != "/info").collect();
    assert!(!about_a_chain.is_empty() && about_a_chain.iter().all(|path| path.contains(&hash)), "{asked:?}");
}

#[cfg(unix)]
#[test]
fn a_file_without_secrets_may_be_read_by_others() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let toml = dir.path().join("grail.toml");
    let standing = |text: &str| {
        fs::write(&toml, text).unwrap();
        fs::set_permissions(&toml, fs::Permissions::from_mode(0o640)).unwrap();
        let secret = ("R2_WRITE_SECRET_ACCESS_KEY", "0123456789abcdef0123456789abcdef".to_owned());
        let (found, _) = checks(dir.path(), &["--only", "machine"], &[secret]);
        codes(&found).iter().any(|(code, _)| code == "configuration-open-to-others")
    };
    assert!(!standing("[model]\ndevice = \"cpu\"\n"), "the secret is in the environment");
    assert!(standing("[store]\nread_secret_access_key = \"0123456789abcdef0123456789abcdef\"\n"));
}

#[test]
fn the_machine_is_described() {
    let dir = tempfile::tempdir().unwrap();
    let (found, _) = checks(dir.path(), &["--only", "machine"], &[]);
    for check in ["accelerator", "open-files", "cache", "disk"] {
        assert!(found.iter().any(|found| found["check"] == check), "{check}: {found:#?}");
    }
}

#[test]
fn variables_of_others_are_told_and_stop_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let set = |name: &'static str, value: &str| vec![(name, value.to_owned())];
    for (variables, told) in [
        (set("GRAIL_PORT", "tcp://192.0.2.7:80"), None),
        (set("GRAIL_SERVICE_HOST", "192.0.2.7"), None),
        (set("GRAIL_PORT_80_TCP_ADDR", "192.0.2.7"), None),
        (set("BT_LOGGING_DEBUG", "1"), None),
        (set("BT_WALLET_NAME", "default"), None),
        (set("BT_WALLET_NAME", "ada"), Some("ours is BT_WALLET_COLD")),
        (set("R2_GRADIENTS_ACCOUNT_ID", "x"), None),
        (set("R2_BUCKT_ID", "x"), Some("did you mean R2_BUCKET_ID?")),
        (set("GRAIL_XYZZY", "x"), Some("nobody reads \"GRAIL_XYZZY\"")),
    ] {
        let (found, _) = checks(dir.path(), &["--only", "machine"], &variables);
        let configuration: Vec<_> = found.iter().filter(|line| line["check"] == "configuration").collect();
        assert_eq!(configuration[0]["standing"], "good", "{configuration:#?}");
        let warning = configuration.get(1).map(|line| line["told"].as_str().unwrap().to_owned());
        match told {
            None => assert_eq!(warning, None),
            Some(words) => assert!(warning.as_ref().is_some_and(|told| told.contains(words)), "{warning:?}"),
        }
    }
}

/// `grail` in a folder of its own, so that no other program lies beside it; with `script`, a program of the miner does.
fn role(dir: &Path, script: Option<&str>, variables: &[(&str, &str)]) -> (Vec<(String, String)>, Value) {
    use std::os::unix::fs::PermissionsExt as _;
    let bin = tempfile::tempdir().unwrap();
    let program = bin.path().join("grail");
    std::fs::copy(env!("CARGO_BIN_EXE_grail"), &program).unwrap();
    if let Some(script) = script {
        let miner = bin.path().join("grail-miner");
        std::fs::write(&miner, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&miner, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", dir).current_dir(dir);
    command.args(["doctor", "--only", "role", "--json"]).envs(variables.iter().copied());
    let output = command.output().unwrap();
    let told: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (codes(told["checks"].as_array().unwrap()), told)
}

#[test]
fn what_stops_a_miner_at_its_start_is_a_finding() {
    let dir = tempfile::tempdir().unwrap();
    let bad = |code: &str| (code.to_owned(), "bad".to_owned());
    let (found, _) = role(dir.path(), None, &[]);
    // The model, and the bucket.
    assert_eq!(found, [bad("setting-missing"), bad("setting-missing")]);

    let model = dir.path().join("model");
    std::fs::create_dir(&model).unwrap();
    for name in [
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "model.safetensors",
    ] {
        std::fs::copy(super::fixture("models/tiny").join(name), model.join(name)).unwrap();
    }
    let mut settings = variables("https://s3.example");
    settings.extend([
        ("BT_NETWORK", "local".to_owned()),
        ("NETUID", "2".to_owned()),
        ("GRAIL_MODEL", text(&model).to_owned()),
        ("GRAIL_CACHE_DIR", text(dir.path()).to_owned()),
    ]);
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let (found, told) = role(dir.path(), None, &settings);
    assert_eq!(found, [bad("manifest-missing")], "{told:#}");

    let describe = |more: &[&str]| {
        let own = ["checkpoint", "describe", "--replace", "--profile", "dev", "--model", text(&model)];
        super::works(&[&own[..], more].concat());
    };
    describe(&["--environments", "arith-1", "--max-new-tokens", "48"]);
    let answer = "echo '{\"description\":\"tiny\",\"context_length\":512,\"end_tokens\":[2]}'";
    let (found, told) = role(dir.path(), Some(answer), &settings);
    assert_eq!(found, [], "{told:#}");
    let (found, _) = role(dir.path(), None, &settings);
    assert_eq!(found, [("program-not-installed".to_owned(), "warning".to_owned())]);
    let missing = "echo 'error while loading shared libraries: libtorch_cpu.so: cannot open shared object file' >&2; exit 127";
    assert_eq!(role(dir.path(), Some(missing), &settings).0, [bad("libtorch-not-found")]);
    let other = "echo 'symbol lookup error: undefined symbol: _ZN2at' >&2; exit 127";
    assert_eq!(role(dir.path(), Some(other), &settings).0, [bad("libtorch-other-version")]);

    describe(&["--environments", "gsm8k", "--max-new-tokens", "48"]);
    assert_eq!(role(dir.path(), Some(answer), &settings).0, [bad("rows-missing")]);
    describe(&["--environments", "arith-1", "--max-new-tokens", "1000"]);
    assert_eq!(role(dir.path(), Some(answer), &settings).0, [bad("context-too-short")]);
    std::fs::write(model.join("chat_template.jinja"), "{{ raise_exception('no') }}").unwrap();
    let found = role(dir.path(), Some(answer), &settings).0;
    assert_eq!(found, [bad("file-not-in-manifest"), bad("template-unusable")]);
}

/// Stores that are nearly S3, and an address with the bucket in it: the doctor says what a miner would meet.
#[test]
fn what_is_wrong_with_a_look_alike_is_told() {
    use super::lookalike::{Habit, Lookalike};
    let runtime = Runtime::new().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let told = |habit: Habit, behind: &str| {
        let server = runtime.block_on(Lookalike::start(habit, ACCOUNT));
        let url = format!("{}{behind}", server.url);
        let (checks, exit) = checks(dir.path(), &["--only", "store"], &variables(&url));
        let codes: Vec<String> = codes(&checks).into_iter().map(|(code, _)| code).collect();
        (codes.join(" "), exit, server.buckets())
    };
    assert_eq!(told(Habit::R2, ""), (String::new(), 0, 1));
    assert_eq!(told(Habit::Versioned, ""), ("bucket-versioned".to_owned(), 2, 1));
    assert_eq!(told(Habit::NoTime, ""), ("no-last-modified".to_owned(), 1, 1));
    assert_eq!(told(Habit::MakesBuckets, ""), ("no-such-bucket".to_owned(), 1, 0));
    let with_bucket = format!("/{ACCOUNT}");
    assert_eq!(told(Habit::None, &with_bucket), ("endpoint-with-bucket".to_owned(), 1, 1));
    assert_eq!(told(Habit::None, "/grail"), ("endpoint-with-path".to_owned(), 1, 1));
}

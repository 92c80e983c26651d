//! The program: what it prints, and how it ends.

use crate::{ask, patiently, spec};
use serde_json::Value;
use std::{path::Path, process::Stdio};
use subxt_rpcs::{client::RpcClient, rpc_params};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
};

fn program(line: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_grail-devchain"));
    command.args(line).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs it to its end: whether it went well, and both streams.
async fn run(line: &[&str]) -> (bool, String, String) {
    let output = patiently(program(line).env_remove("GRAIL_SUBTENSOR_SPEC").output()).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn without_a_chain_it_says_what_to_name() {
    let (fine, _, told) = run(&["run"]).await;
    assert!(!fine && told.contains("GRAIL_SUBTENSOR_SPEC"), "{told}");
    let (fine, _, told) = run(&["info", "--spec", "no/such.json", "--json"]).await;
    assert!(!fine);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert!(told["error"].as_str().unwrap().contains("no/such.json"), "{told}");
    let (fine, help, _) = run(&["--help"]).await;
    assert!(fine && help.contains("dev_newBlock") && help.contains("Examples"), "{help}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_tells_makes_and_runs_a_chain() {
    let Some(spec) = spec() else { return };
    let spec = spec.to_str().unwrap();
    let (fine, info, told) = run(&["info", "--spec", spec, "--json"]).await;
    assert!(fine, "{told}");
    let info: Value = serde_json::from_str(&info).unwrap();
    assert_eq!((&info["specVersion"], &info["codeBytes"]), (&Value::from(293), &Value::from(1_410_126)));

    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (first, second) = (path("a.snapshot"), path("b.snapshot"));
    let line = ["snapshot", &first, "--spec", spec, "--blocks", "3", "--set", "0x6d61726b=0102"];
    let (fine, told, problem) = run(&line).await;
    assert!(fine && told.contains("block 4"), "{told}{problem}");

    let line = ["run", "--snapshot", &first, "--listen", "127.0.0.1:0", "--save", &second, "--json"];
    let mut child = program(&line).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let started: Value = serde_json::from_str(&patiently(lines.next_line()).await.unwrap().unwrap()).unwrap();
    let client = RpcClient::from_insecure_url(started["url"].as_str().unwrap()).await.unwrap();
    assert_eq!(ask(&client, "state_getStorage", rpc_params!["6d61726b"]).await, "0x0102");
    ask(&client, "dev_newBlock", rpc_params![]).await;
    let head: Value = serde_json::from_str(&patiently(lines.next_line()).await.unwrap().unwrap()).unwrap();
    assert_eq!(head["number"], 5);

    // Ctrl-c ends it well, with its snapshot written.
    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().await.unwrap().success());
    assert!(patiently(child.wait()).await.unwrap().success());
    let last: Value = serde_json::from_str(&patiently(lines.next_line()).await.unwrap().unwrap()).unwrap();
    assert_eq!(last["stopped"]["number"], 5);
    assert!(Path::new(&second).exists());
    let (fine, info, _) = run(&["info", "--snapshot", &second]).await;
    assert!(fine && info.contains("best block  5"), "{info}");
}

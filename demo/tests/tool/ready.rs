//! What cannot be answered or loaded is refused where a network is made, and named by every look at it.

use super::{devnet, fixture, refuses, text, tiny, works};
use serde_json::{Map, Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Two rows, as published: one that fits no context, and one that does.
fn rows(dir: &Path) -> PathBuf {
    let row = |question: &str, answer: &str| json!({ "question": question, "answer": answer }).to_string();
    let long = "Ann has 3 pens. ".repeat(400) + "How many pens has Ann?";
    let path = dir.join("rows.jsonl");
    let short = row("Tom has 2 cups and buys 3. How many?", "2+3=5\n#### 5");
    fs::write(&path, [row(&long, "3 pens.\n#### 3"), short].join("\n")).unwrap();
    path
}

/// What a role's `check` says, and whether all is well.
fn check(role: &str, net: &Path, key: &str, model: &Path, more: &[&str]) -> (String, bool) {
    let own = [role, "check", "--devnet", text(net), "--key", key, "--model", text(model)];
    let output = devnet(&[&own[..], more].concat());
    (String::from_utf8(output.stdout).unwrap(), output.status.success())
}

#[test]
fn a_problem_longer_than_the_context_is_refused_by_name_where_a_network_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let (net, model, rows) = (dir.path().join("net"), tiny(dir.path()), rows(dir.path()));
    let init =
        ["init", text(&net), "--model", text(&model), "--profile", "dev-fast", "--max-new-tokens", "48"];
    let of_rows = ["--environments", "gsm8k", "--gsm8k", text(&rows)];
    refuses(&[&init[..], &of_rows].concat(), &["gsm8k row 1", "a cap of 48", "context of 512"]);
    assert!(!net.exists(), "a refused network leaves nothing behind");
}

#[test]
fn a_cap_beyond_the_context_is_refused_where_a_network_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let (net, model) = (dir.path().join("net"), tiny(dir.path()));
    let init = ["init", text(&net), "--model", text(&model), "--environments", "arith-1", "--max-new-tokens"];
    refuses(&[&init[..], &["1000"]].concat(), &["a cap of 1000", "context of 512"]);
    works(&[&init[..], &["48"]].concat());
}

/// The network of somebody who looked at nothing: its manifest was made by hand.
fn careless(dir: &Path, model: &Path, cap: u32, gsm8k: Option<&Path>) -> PathBuf {
    use grail_protocol::{draw::SamplingPolicy, params, profile::NumericProfile};
    let net = dir.join("net");
    let founder = |name: &str, validator_permit| grail_devnet::Founder {
        name: name.into(),
        stake: 1.0,
        validator_permit,
    };
    let options = grail_devnet::DevnetOptions {
        params: params::DEV_FAST,
        genesis: grail_ports::clock::Clock::now(&grail_roles::clock::SystemClock),
        founders: vec![founder("miner", false), founder("validator", true)],
        trainer: None,
    };
    grail_devnet::init(&net, &options).unwrap();
    let bytes = gsm8k.map(|path| fs::read(path).unwrap());
    let name = if bytes.is_some() { "gsm8k" } else { "arith-1" };
    let environment = grail_node::network::environment(name, bytes.as_deref()).unwrap();
    if let Some(bytes) = &bytes {
        fs::create_dir(net.join("datasets")).unwrap();
        fs::write(net.join("datasets/gsm8k.jsonl"), bytes).unwrap();
    }
    let terms = grail_store::checkpoint::Terms {
        environments: vec![environment.id().unwrap()],
        policy: SamplingPolicy::DEFAULT,
        max_new_tokens: cap,
        numeric: NumericProfile::StrictF32,
    };
    let manifest = grail_store::checkpoint::describe(model, terms, &mut |_| {}).unwrap();
    fs::write(net.join("manifest.json"), manifest.to_json().unwrap()).unwrap();
    net
}

#[test]
fn the_check_of_each_role_names_what_stops_its_first_window_and_so_does_its_start() {
    let dir = tempfile::tempdir().unwrap();
    let model = tiny(dir.path());
    let reports = dir.path().join("reports");
    let reports = ["--reports", text(&reports)];
    let net = careless(dir.path(), &model, 1_000, None);
    for (role, key, more) in [("mine", "miner", &[][..]), ("validate", "validator", &reports[..])] {
        let (said, well) = check(role, &net, key, &model, more);
        assert!(!well && said.contains("✗ context: arith: no problem has room"), "{said}");
        let run = [role, "run", "--devnet", text(&net), "--key", key, "--model", text(&model)];
        refuses(&[&run[..], more].concat(), &["context", "a cap of 1000", "context of 512"]);
    }
}

#[test]
fn a_row_too_long_is_told_by_every_look_and_stops_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let model = tiny(dir.path());
    let net = careless(dir.path(), &model, 48, Some(&rows(dir.path())));
    let (said, well) = check("mine", &net, "miner", &model, &[]);
    assert!(well && said.contains("! context: gsm8k: gsm8k row 1 has no room"), "{said}");
    // Without its rows nobody can go through a window.
    fs::remove_file(net.join("datasets/gsm8k.jsonl")).unwrap();
    let (said, well) = check("mine", &net, "miner", &model, &[]);
    assert!(!well && said.contains("✗ data: ") && said.contains("gsm8k/1:"), "{said}");
}

#[test]
fn a_file_beside_the_manifest_gets_one_answer_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let model = tiny(dir.path());
    let net = careless(dir.path(), &model, 48, None);
    for stray in ["extra.json", "chat_template.jinja"] {
        fs::write(model.join(stray), "{}").unwrap();
        let (said, well) = check("mine", &net, "miner", &model, &[]);
        assert!(!well && said.contains(stray) && said.contains("not in the checkpoint's manifest"), "{said}");
        let told = devnet(&[
            "doctor",
            "--only",
            "role",
            "--json",
            "--devnet",
            text(&net),
            "--key",
            "miner",
            "--model",
            text(&model),
        ]);
        let told = String::from_utf8(told.stdout).unwrap();
        assert!(told.contains("\"file-not-in-manifest\"") && told.contains(stray), "{told}");
        let run = ["mine", "run", "--devnet", text(&net), "--key", "miner", "--model", text(&model)];
        refuses(&run, &[stray, "not in the checkpoint's manifest"]);
        fs::remove_file(model.join(stray)).unwrap();
    }
}

/// The tensors of a safetensors file, with their bytes.
fn tensors(path: &Path) -> Vec<(String, Value, Vec<u8>)> {
    let bytes = fs::read(path).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Map<String, Value> = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let data = &bytes[8 + length..];
    let of = |(name, entry): (String, Value)| {
        let at = |end: usize| entry["data_offsets"][end].as_u64().unwrap() as usize;
        let bytes = data[at(0)..at(1)].to_vec();
        (name, entry, bytes)
    };
    header.into_iter().filter(|(name, _)| name != "__metadata__").map(of).collect()
}

fn shard(path: &Path, tensors: &[(String, Value, Vec<u8>)]) {
    let (mut header, mut data) = (Map::new(), Vec::<u8>::new());
    for (name, entry, bytes) in tensors {
        let offsets = [data.len(), data.len() + bytes.len()];
        let entry = json!({ "dtype": entry["dtype"], "shape": entry["shape"], "data_offsets": offsets });
        header.insert(name.clone(), entry);
        data.extend(bytes);
    }
    let header = serde_json::to_vec(&header).unwrap();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    file.extend(data);
    fs::write(path, file).unwrap();
}

#[test]
fn weights_that_contradict_themselves_are_refused_where_a_network_is_made() {
    let norm = "model.norm.weight";
    let mut all = tensors(&fixture("models/tiny/model.safetensors"));
    let at = all.iter().position(|(name, ..)| name == norm).unwrap();
    let right = all.remove(at);
    let stale = (right.0.clone(), right.1.clone(), vec![0; right.2.len()]);
    let (first, second) = all.split_at(all.len() / 2);
    for right_in_first in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let model = tiny(dir.path());
        fs::remove_file(model.join("model.safetensors")).unwrap();
        let names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
        let (one, two) = if right_in_first { (&right, &stale) } else { (&stale, &right) };
        let mut map = Map::new();
        for (name, part, more) in [(names[0], first, one), (names[1], second, two)] {
            let part: Vec<_> = part.iter().chain([more]).cloned().collect();
            shard(&model.join(name), &part);
            map.extend(part.into_iter().map(|(tensor, ..)| (tensor, name.into())));
        }
        map.insert(norm.into(), names[usize::from(!right_in_first)].into());
        let index = json!({ "metadata": {}, "weight_map": map });
        fs::write(model.join("model.safetensors.index.json"), index.to_string()).unwrap();
        let net = dir.path().join("net");
        let init = ["init", text(&net), "--model", text(&model), "--environments", "arith-1"];
        refuses(&[&init[..], &["--max-new-tokens", "48"]].concat(), &[norm, names[0], names[1]]);
    }
}

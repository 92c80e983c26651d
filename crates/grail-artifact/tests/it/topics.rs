//! What is pinned, for the test that reads the files and the example that writes them.
//!
//! A file holds `{"topic", "about", "cases": [{"in": …, "out": …}, …]}`. Inputs are the objects as JSON spells them in
//! files and manifests; outputs are digests in hexadecimal.

use grail_artifact::{
    checkpoint::manifest_message,
    manifest::Manifest,
    tensors::{self, Census, SafetensorsFile, StoredDtype, TensorSpec},
    window::{RolloutRecord, RootHex, WindowHeader, file_message, header_digest, rollout_digest, root_of},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, io::Cursor};

/// One derivation: file name, a sentence about it, inputs when the file is written, and the derivation.
pub(crate) struct Topic {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) inputs: fn() -> Vec<Value>,
    pub(crate) derive: fn(&Value) -> Value,
}

pub(crate) const TOPICS: &[Topic] = &[
    Topic {
        name: "rollout",
        about: "digest of a rollout",
        inputs: rollouts,
        derive: |input| json!(hex::encode(rollout_digest(&read::<RolloutRecord>(input)))),
    },
    Topic {
        name: "header",
        about: "digest of a header",
        inputs: headers,
        derive: |input| json!(hex::encode(header_digest(&read::<WindowHeader>(input)))),
    },
    Topic {
        name: "file",
        about: "root over rollouts, and the message that the hotkey signs",
        inputs: || {
            let header = headers().remove(0);
            [0, 1, 3]
                .map(|count| json!({"header": header, "groups": count, "rollouts": rollouts()[..count]}))
                .into()
        },
        derive: |input| {
            let rollouts: Vec<RolloutRecord> = read(&input["rollouts"]);
            let root = root_of(&rollouts);
            let (groups, count) = (read(&input["groups"]), rollouts.len() as u32);
            let message = file_message(&read(&input["header"]), &root, groups, count);
            json!({"root": String::from(RootHex(root)), "message": hex::encode(message)})
        },
    },
    Topic {
        name: "manifest",
        about: "identity of a checkpoint, and the message that its trainer signs",
        inputs: manifests,
        derive: |input| {
            let manifest = read::<Manifest>(input);
            json!({"id": manifest.id().to_string(), "signed": hex::encode(manifest_message(&manifest))})
        },
    },
    Topic {
        name: "tensors",
        about: "root over tensors; the data of each is repeated so many times",
        inputs: tensor_sets,
        derive: tensor_root,
    },
];

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

fn rollouts() -> Vec<Value> {
    vec![
        json!({"group": 0, "rollout": 0, "tokens": [], "sketch": [], "logprobs": [], "reward": 0.0}),
        json!({"group": 7, "rollout": 15, "tokens": [1, 2, 151_643], "sketch": [-127, 0, 127], "logprobs": [-1, -32_768, 0], "reward": 0.85}),
        json!({"group": 4_095, "rollout": 3, "tokens": [4_294_967_295u32], "sketch": [1], "logprobs": [-7], "reward": -0.05}),
        json!({"group": 1, "rollout": 1, "tokens": [5, 6], "sketch": [1, 2, 3], "logprobs": [], "reward": 1.0}),
    ]
}

fn headers() -> Vec<Value> {
    let header = json!({
        "version": 1,
        "network": "dev-0001",
        "window": 71_950,
        "hotkey": "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY",
        "checkpoint": "02".repeat(32),
        "env": "gsm8k/1:ab12",
        "randomness": {"beacon": {"round": 1_000, "signature": "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39"}},
        "numeric": "strict-f32",
        "generator": "grail-miner 0.1.0",
    });
    let mut plain = header.clone();
    plain["randomness"] = json!("block-hash-only");
    plain["numeric"] = json!("strict-bf16");
    plain["generator"] = json!("");
    vec![header, plain]
}

fn manifests() -> Vec<Value> {
    let file = |name: &str, size: u64| json!({"name": name, "size": size, "sha256": "ab".repeat(32)});
    let manifest = json!({
        "version": 1,
        "window": 0,
        "sequence": 0,
        "environments": ["sat/1", "gsm8k/1:ab12"],
        "policy": {"temperature": 1.0, "top_p": 0.95},
        "max_new_tokens": 1_024,
        "numeric": "strict-f32",
        "files": [file("config.json", 5), file("model.safetensors", 1 << 40)],
    });
    let mut later = manifest.clone();
    later["window"] = json!(71_950);
    later["sequence"] = json!(17);
    later["policy"] = json!({"temperature": 0.7, "top_p": 1.0});
    later["environments"] = json!(["sat/1"]);
    let mut full = later.clone();
    full["version"] = json!(2);
    full["publication"] = json!({
        "kind": "full",
        "tensors": "03".repeat(32),
        "trained_on": "04".repeat(32),
        "trainer": "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY",
    });
    let mut delta = full.clone();
    delta["publication"]["kind"] = json!("delta");
    delta["publication"]["step"] = json!({
        "base": "05".repeat(32),
        "base_window": 71_900,
        "deltas": [{"makes": "model.safetensors", "size": 77, "sha256": "cd".repeat(32)}],
    });
    delta["publication"]["signature"] = json!("06".repeat(64));
    vec![manifest, later, full, delta]
}

fn tensor_sets() -> Vec<Value> {
    let tensor = |name: &str, dtype: &str, shape: &[u64], data: &str, times: usize| json!({"name": name, "dtype": dtype, "shape": shape, "data": data, "times": times});
    vec![
        json!([]),
        json!([
            tensor("b", "BF16", &[2, 1], "803f0080", 1),
            tensor("a.none", "F32", &[0, 4], "", 0),
            tensor("B", "F64", &[], "000000000000f87f", 1),
        ]),
        json!([tensor("two blocks and a byte", "U8", &[(8 << 20) + 1], "07", (8 << 20) + 1)]),
    ]
}

fn tensor_root(input: &Value) -> Value {
    let data = |tensor: &Value| {
        let unit = hex::decode(tensor["data"].as_str().unwrap()).unwrap();
        unit.repeat(read(&tensor["times"]))
    };
    let tensors: Vec<(String, StoredDtype, Vec<u64>, Vec<u8>)> = input
        .as_array()
        .unwrap()
        .iter()
        .map(|tensor| {
            let dtype = StoredDtype::by_name(tensor["dtype"].as_str().unwrap()).unwrap();
            (read(&tensor["name"]), dtype, read(&tensor["shape"]), data(tensor))
        })
        .collect();
    let specs: Vec<TensorSpec<'_>> =
        tensors.iter().map(|(name, dtype, shape, _)| (name.as_str(), *dtype, &shape[..])).collect();
    let header = tensors::Header::build(&specs, &BTreeMap::new()).unwrap();
    let mut file = (header.json().len() as u64).to_le_bytes().to_vec();
    file.extend(header.json());
    tensors.iter().for_each(|(_, _, _, data)| file.extend(data));
    let mut file = SafetensorsFile::open(Cursor::new(file)).unwrap();
    json!(Census::take(&mut file, 1, &mut |_| {}).unwrap().root().to_string())
}

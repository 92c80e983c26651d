//! What is pinned, for the test that reads the files and the example that writes them.
//!
//! A file holds `{"topic", "about", "cases": [{"in": …, "out": …}, …]}`. Inputs are the objects as JSON spells them in
//! files and manifests; outputs are digests in hexadecimal.

use grail_artifact::{
    manifest::Manifest,
    window::{Header, RolloutRecord, RootHex, file_message, header_digest, rollout_digest, root_of},
};
use serde_json::{Value, json};

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
        derive: |input| json!(hex::encode(header_digest(&read::<Header>(input)))),
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
        about: "identity of a checkpoint",
        inputs: manifests,
        derive: |input| json!(read::<Manifest>(input).id().to_string()),
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
    vec![manifest, later]
}

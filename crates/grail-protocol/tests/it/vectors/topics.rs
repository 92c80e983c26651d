//! The laws that need no model: hash, streams, noise, rounds, parameters, seeds, trees, text forms.

use super::kit::{Topic, bytes, bytes32, int, int32, key, list, text};
use grail_protocol::{
    beacon::{Beacon, BeaconError, WindowRandomness, quicknet},
    draw::{Noise, SamplingPolicy},
    hash::{Digest, digest, sha256},
    merkle,
    params::Params,
    philox::philox4x32_10,
    profile::NumericProfile,
    seed::{DrawKey, WindowContext, challenge_stream},
    stream::Stream,
    words::{
        BlockHash, BlockNumber, CheckpointId, GroupIndex, Hotkey, RolloutIndex, UnixMillis, WindowStart,
    },
};
use serde_json::{Value, json};

/// All of them, by file name.
pub(crate) const TOPICS: &[Topic] = &[
    Topic {
        name: "hash",
        about: "H(label, fields…) = SHA-256 over each part with its length as u32 LE before it",
        inputs: || {
            vec![
                json!({"label": "", "fields": []}),
                json!({"label": "grail/1 window", "fields": []}),
                json!({"label": "grail/1 window", "fields": [""]}),
                json!({"label": "label", "fields": ["61", "6263"]}),
                json!({"label": "label", "fields": ["6162", "63"]}),
                json!({"label": "größe", "fields": [key(1), key(2), "00".repeat(1000)]}),
            ]
        },
        derive: |input| {
            let fields: Vec<Vec<u8>> = list(&input["fields"]).iter().map(bytes).collect();
            let fields: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
            json!(hex::encode(digest(text(&input["label"]), &fields)))
        },
    },
    Topic {
        name: "stream",
        about: "ChaCha20, 64-bit block counter from 0, 64-bit stream id; first 40 bytes and words 100 to 103",
        inputs: || {
            [(0, 0), (1, 0), (1, 1), (2, 0xffff_ffff), (3, u64::MAX)]
                .map(|(k, nonce)| {
                    let key = if k == 0 { "00".repeat(32) } else { key(k) };
                    json!({"key": key, "nonce": nonce})
                })
                .into()
        },
        derive: |input| {
            let stream = || Stream::new(&bytes32(&input["key"]), int(&input["nonce"]));
            let mut first = [0; 40];
            stream().fill(&mut first);
            let mut later = stream();
            let words: Vec<u32> = (0..104).map(|_| later.word()).skip(100).collect();
            json!({"bytes": hex::encode(first), "words": words})
        },
    },
    Topic {
        name: "bounded",
        about: "Stream.below(bound): words at or above the largest multiple of the bound are rejected; null for bound 0",
        inputs: || {
            let bounds = json!([
                6,
                6,
                6,
                1,
                2,
                0,
                10,
                1_000,
                0x8000_0001u32,
                0x8000_0001u32,
                0xffff_ffffu32,
                3_000_000_000u32,
                3_000_000_000u32,
                7
            ]);
            (1..5).map(|k| json!({"key": key(k), "nonce": k, "bounds": bounds})).collect()
        },
        derive: |input| {
            let mut stream = Stream::new(&bytes32(&input["key"]), int(&input["nonce"]));
            let draws = list(&input["bounds"]).iter().map(|bound| stream.below(int32(bound)));
            json!(draws.collect::<Vec<_>>())
        },
    },
    Topic {
        name: "philox",
        about: "Philox4x32-10; the first three cases are the known answers published with Random123",
        inputs: || {
            let mut cases = vec![
                json!({"counter": [0, 0, 0, 0], "key": [0, 0]}),
                json!({"counter": [u32::MAX, u32::MAX, u32::MAX, u32::MAX], "key": [u32::MAX, u32::MAX]}),
                json!({"counter": [0x243f_6a88u32, 0x85a3_08d3u32, 0x1319_8a2eu32, 0x0370_7344u32], "key": [0xa409_3822u32, 0x299f_31d0u32]}),
            ];
            for k in 1..6 {
                let mut stream = Stream::new(&[9; 32], k);
                let words: Vec<u32> = (0..6).map(|_| stream.word()).collect();
                cases.push(json!({"counter": words[..4], "key": words[4..]}));
            }
            cases
        },
        derive: |input| {
            let counter: Vec<u32> = list(&input["counter"]).iter().map(int32).collect();
            let key: Vec<u32> = list(&input["key"]).iter().map(int32).collect();
            json!(philox4x32_10(counter.try_into().unwrap(), key.try_into().unwrap()))
        },
    },
    Topic {
        name: "noise",
        about: "G(t, v) of the draw rule: the 32 random bits of a token, and −ln(−ln u) as bits of an f64",
        inputs: || {
            (1..5)
                .map(|k| json!({"key": key(k), "t": (k - 1) * 511, "tokens": [0, 1, 2, 3, 4, 5, 49_151, 152_063, u32::MAX]}))
                .collect()
        },
        derive: |input| {
            let noise = Noise::new(&DrawKey::from_bytes(bytes32(&input["key"])), int32(&input["t"]));
            let tokens: Vec<u32> = list(&input["tokens"]).iter().map(int32).collect();
            let words: Vec<u32> = tokens.iter().map(|token| noise.word(*token)).collect();
            let gumbel: Vec<u64> = tokens.iter().map(|token| noise.gumbel(*token).to_bits()).collect();
            json!({"words": words, "gumbel": gumbel})
        },
    },
    Topic {
        name: "rounds",
        about: "quicknet: the first round strictly after a moment (ms), and when that round appears",
        inputs: || {
            let genesis = quicknet().genesis.0;
            let offsets = [0, 1, 2_999, 3_000, 3_001, 70_196_633_000];
            let mut cases: Vec<Value> = offsets.iter().map(|o| json!({"moment": genesis + o})).collect();
            cases.extend([
                json!({"moment": genesis - 1}),
                json!({"moment": 0}),
                json!({"moment": 1_763_000_000_000u64}),
            ]);
            cases
        },
        derive: |input| {
            let chain = quicknet();
            let round = chain.round_after(UnixMillis(int(&input["moment"])));
            json!({"round": round, "time": chain.time_of(round).0})
        },
    },
    Topic {
        name: "beacons",
        about: "quicknet rounds recorded from its relays with their randomness, and forgeries with the reason of refusal",
        inputs: beacon_inputs,
        derive: |input| {
            let signature = bytes(&input["signature"]).try_into().unwrap();
            match quicknet().verify(&Beacon { round: int(&input["round"]), signature }) {
                Ok(randomness) => json!({"randomness": hex::encode(randomness)}),
                Err(BeaconError::Forged { .. }) => json!({"refused": "forged"}),
                Err(BeaconError::Point { .. }) => json!({"refused": "not a point"}),
                Err(BeaconError::PublicKey) => json!({"refused": "public key"}),
            }
        },
    },
    Topic {
        name: "params",
        about: "digest of each network profile's constants",
        inputs: || ["main", "dev", "dev-fast"].map(|name| json!({"profile": name})).into(),
        derive: |input| json!(hex::encode(Params::by_name(text(&input["profile"])).unwrap().digest())),
    },
    Topic {
        name: "windows",
        about: "the window of a block, and the rounds that seed it and challenge its files",
        inputs: || {
            let mut cases = Vec::new();
            for profile in ["main", "dev", "dev-fast"] {
                for block in [0u64, 49, 50, 71_999, 1 << 40] {
                    cases.push(json!({"profile": profile, "block": block, "first_block_time": 1_763_000_000_123u64, "last_block_time": 1_763_000_588_123u64}));
                }
            }
            cases
        },
        derive: |input| {
            let params = Params::by_name(text(&input["profile"])).unwrap();
            let window = params.window_of(BlockNumber(int(&input["block"])));
            let [first, last] =
                ["first_block_time", "last_block_time"].map(|name| UnixMillis(int(&input[name])));
            json!({
                "window": window.0,
                "last_block": params.last_block(window).0,
                "next": params.next_window(window).0,
                "upload_deadline": params.upload_deadline(last).0,
                "generation_round": params.generation_round(&quicknet(), first),
                "challenge_round": params.challenge_round(&quicknet(), last),
            })
        },
    },
    Topic {
        name: "seeds",
        about: "from a window's context to the seeds of window, problem, draw and sketch, and the first words of problem and challenge streams",
        inputs: || {
            (0..6u64)
                .map(|k| {
                    json!({
                        "network": (["main", "dev-0001"][k as usize % 2]),
                        "profile": (["main", "dev", "dev-fast"][k as usize % 3]),
                        "window": k * 50,
                        "block_hash": key(10 + k),
                        "beacon_signature": if k % 3 == 2 { Value::Null } else { json!(key(20 + k) + &key(21 + k)[..32]) },
                        "checkpoint": key(30 + k),
                        "env": (["sat/1", "gsm8k/1:ab12"][k as usize % 2]),
                        "hotkey": key(40 + k),
                        "group": k * 1_000,
                        "rollout": (k * 3) % 16,
                        "challenge": key(50 + k),
                    })
                })
                .collect()
        },
        derive: derive_seeds,
    },
    Topic {
        name: "merkle",
        about: "root over digests SHA-256(index as u64 LE), and the path of one of them",
        inputs: || {
            let cases = [(0, 0), (1, 0), (2, 1), (3, 0), (3, 2), (5, 4), (16, 7), (33, 32), (1_000, 999)];
            cases.map(|(leaves, index)| json!({"leaves": leaves, "index": index})).into()
        },
        derive: |input| {
            let leaves: Vec<Digest> = (0..int(&input["leaves"])).map(|i| sha256(&i.to_le_bytes())).collect();
            let path = merkle::path(&leaves, int(&input["index"]) as usize);
            let path = path.map(|path| path.iter().map(hex::encode).collect::<Vec<_>>());
            json!({"root": hex::encode(merkle::root(&leaves)), "path": path})
        },
    },
    Topic {
        name: "ss58",
        about: "public keys and their text with prefix 42",
        inputs: || {
            let mut cases: Vec<Value> = (60..66).map(|k| json!({"key": key(k)})).collect();
            cases.push(json!({"key": "00".repeat(32)}));
            cases.push(json!({"key": "ff".repeat(32)}));
            cases
        },
        derive: |input| {
            let hotkey = Hotkey::from_bytes(bytes32(&input["key"]));
            assert_eq!(hotkey.to_string().parse(), Ok(hotkey));
            json!(hotkey.to_string())
        },
    },
];

fn beacon_inputs() -> Vec<Value> {
    // As the relays of quicknet publish them.
    let recorded = [
        (
            1,
            "b55e7cb2d5c613ee0b2e28d6750aabbb78c39dcc96bd9d38c2c2e12198df95571de8e8e402a0cc48871c7089a2b3af4b",
        ),
        (
            123,
            "b75c69d0b72a5d906e854e808ba7e2accb1542ac355ae486d591aa9d43765482e26cd02df835d3546d23c4b13e0dfc92",
        ),
        (
            1_000,
            "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39",
        ),
        (
            8_193,
            "8632896dc6436e5757a55efaa7b3eea5d1027dc6ac1a0dca90dcff21504117b8a525296fa25a86a5c8b972adf7bfa366",
        ),
        (
            10_000_000,
            "a187c9f5800521e986b5658924696682071ce7ae965486e8fd08bc2c4758bdbb9ed9ecb7beee392a38214e321ecd434f",
        ),
    ];
    let mut cases: Vec<Value> =
        recorded.iter().map(|(round, signature)| json!({"round": round, "signature": signature})).collect();
    let genuine = recorded[2].1;
    // Of another round; the negated point (its sign bit flipped); off the curve; infinity; nothing.
    cases.push(json!({"round": 999, "signature": genuine}));
    cases.push(json!({"round": 1_000, "signature": genuine.replacen('b', "9", 1)}));
    cases.push(json!({"round": 1_000, "signature": genuine.replace("5e39", "5e3a")}));
    cases.push(json!({"round": 1_000, "signature": format!("c0{}", "00".repeat(47))}));
    cases.push(json!({"round": 1_000, "signature": "00".repeat(48)}));
    cases
}

fn derive_seeds(input: &Value) -> Value {
    let randomness = match &input["beacon_signature"] {
        Value::Null => WindowRandomness::BlockHashOnly,
        signature => {
            WindowRandomness::Beacon(Beacon { round: 1, signature: bytes(signature).try_into().unwrap() })
        }
    };
    let context = WindowContext {
        network: text(&input["network"]).parse().unwrap(),
        params: Params::by_name(text(&input["profile"])).unwrap(),
        window: WindowStart(int(&input["window"])),
        block_hash: BlockHash::from_bytes(bytes32(&input["block_hash"])),
        randomness,
        checkpoint: CheckpointId::from_bytes(bytes32(&input["checkpoint"])),
        env: text(&input["env"]).parse().unwrap(),
        // No part of the seeds: the checkpoint's identity covers them.
        policy: SamplingPolicy::DEFAULT,
        numeric: NumericProfile::StrictF32,
        max_new_tokens: 64,
    };
    let hotkey = Hotkey::from_bytes(bytes32(&input["hotkey"]));
    let seed = context.seed();
    let problem = seed.problem(&hotkey, GroupIndex(int32(&input["group"])));
    let rollout = RolloutIndex(int(&input["rollout"]) as u8);
    let words = |mut stream: Stream| (0..4).map(|_| stream.word()).collect::<Vec<_>>();
    json!({
        "window": hex::encode(seed.as_bytes()),
        "problem": hex::encode(problem.as_bytes()),
        "draw": hex::encode(problem.draw_key(rollout).as_bytes()),
        "sketch": hex::encode(problem.sketch_key(rollout).as_bytes()),
        "problem_words": words(problem.stream()),
        "challenge_words": words(challenge_stream(&seed, &bytes32(&input["challenge"]), &hotkey)),
    })
}

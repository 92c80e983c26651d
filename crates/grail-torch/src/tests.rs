//! What answers and what learns are one decoder: the same log-probabilities, the same folders, the same words.

mod bad_weights;

use crate::{
    Dtype, FolderWeights, Layout, LearningModel, LoadOptions, Model, Prompted, TorchOracle, write_tensors,
};
use grail_ports::model::{GroupProbe, Oracle as _, ProbeRollout, RolloutKeys};
use grail_protocol::{
    draw::SamplingPolicy,
    seed::ProblemSeed,
    words::{CheckpointId, RolloutIndex},
};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tch::{Device, Kind, Tensor};

const FAMILIES: [&str; 3] = ["llama", "qwen2", "qwen3"];
const CPU: (Kind, Device) = (Kind::Float, Device::Cpu);

fn tiny(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/models/hf").join(name)
}

fn serve(folder: &Path) -> Result<Model, crate::LoadError> {
    let options = LoadOptions { threads: Some(1), ..LoadOptions::default() };
    Model::load(folder, &options, CheckpointId::from_bytes([7; 32]))
}

#[test]
fn what_answers_and_what_learns_give_the_same_log_probabilities() {
    let prompt = [5, 9, 150, 2, 77];
    let completions: [&[u32]; 4] = [&[7, 8, 9], &[3], &[100, 101, 102, 103, 104, 4, 4, 191], &[7, 8]];
    for name in FAMILIES {
        let problem = ProblemSeed::from_bytes([3; 32]);
        let rollouts = completions.iter().zip((0..).map(RolloutIndex)).map(|(completion, index)| {
            let keys = RolloutKeys { draw: problem.draw_key(index), sketch: problem.sketch_key(index) };
            ProbeRollout { completion: completion.to_vec(), keys }
        });
        let probe = GroupProbe {
            prompt: prompt.to_vec(),
            rollouts: rollouts.collect(),
            policy: SamplingPolicy { temperature: 1.0, top_p: 1.0 },
            nucleus_slack: 0.0,
        };
        let read = TorchOracle::new(serve(&tiny(name)).unwrap()).read(&probe).unwrap();
        let served: Vec<f32> =
            read.iter().flat_map(|readout| readout.draws.iter().map(|draw| draw.logprob)).collect();

        let model = LearningModel::load(&tiny(name), CPU, None).unwrap();
        let groups = [Prompted { prompt: &prompt, completions: completions.to_vec() }];
        let layout = Layout::shared(model.config(), &groups, CPU).unwrap();
        let learned = model.measure(&layout, 3, false).unwrap().logprobs;
        let learned: Vec<f32> = Vec::try_from(&learned).unwrap();
        assert_eq!(served.len(), learned.len());
        for (served, learned) in served.iter().zip(&learned) {
            assert!((served - learned).abs() <= 1e-4, "{name}: {served} and {learned}");
        }
    }
}

/// A copy of a tiny model that a test may spoil.
fn copy(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(tiny(name)).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    folder
}

fn edit(folder: &Path, file: &str, change: impl FnOnce(&mut Value)) {
    let path = folder.join(file);
    let mut value: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut value);
    fs::write(path, value.to_string()).unwrap();
}

fn configure(folder: &Path, changes: Value) {
    let Value::Object(changes) = changes else { panic!("changes are an object") };
    edit(folder, "config.json", |config| config.as_object_mut().unwrap().extend(changes));
}

fn forget(folder: &Path, field: &str) {
    edit(folder, "config.json", |config| drop(config.as_object_mut().unwrap().remove(field)));
}

/// Every tensor of the tiny qwen2, in memory.
fn tensors() -> Vec<(String, Tensor)> {
    Tensor::read_safetensors(tiny("qwen2").join("model.safetensors")).unwrap()
}

fn store(folder: &Path, file: &str, tensors: &[(String, Tensor)]) {
    write_tensors(&folder.join(file), tensors, Dtype::F32).unwrap();
}

/// Both halves of the tiny qwen2, with an index.
fn in_parts(folder: &Path) {
    let all = tensors();
    let (a, b) = all.split_at(all.len() / 2);
    store(folder, "a.safetensors", a);
    store(folder, "b.safetensors", b);
    let place = |file: &'static str| move |(name, _): &(String, Tensor)| (name.clone(), Value::from(file));
    let map: serde_json::Map<String, Value> =
        a.iter().map(place("a.safetensors")).chain(b.iter().map(place("b.safetensors"))).collect();
    fs::remove_file(folder.join("model.safetensors")).unwrap();
    fs::write(folder.join("model.safetensors.index.json"), json!({ "weight_map": map }).to_string()).unwrap();
}

fn with_head(folder: &Path, head: impl FnOnce(&Tensor) -> Tensor) {
    let mut all = tensors();
    let embedding = &all.iter().find(|(name, _)| name == "model.embed_tokens.weight").unwrap().1;
    let head = head(embedding);
    all.push(("lm_head.weight".into(), head));
    store(folder, "model.safetensors", &all);
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        words += &format!(": {source}");
        next = source.source();
    }
    words
}

#[test]
fn what_one_refuses_the_other_refuses_with_the_same_words() {
    type Spoil = fn(&Path);
    let cases: &[(&str, &str, Spoil)] = &[
        ("qwen2", "layers of type \"sliding_attention\"", |f| {
            configure(f, json!({"layer_types": ["full_attention", "sliding_attention"]}));
        }),
        ("llama", "partial_rotary_factor 0.5", |f| configure(f, json!({"partial_rotary_factor": 0.5}))),
        ("qwen3", "partial_rotary_factor 0.25", |f| {
            configure(f, json!({"rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.25}}));
        }),
        ("qwen2", "head_dim is missing and 4 does not divide 66", |f| {
            configure(f, json!({"hidden_size": 66}))
        }),
        ("qwen2", "num_key_value_heads 32 does not divide 4 heads", |f| forget(f, "num_key_value_heads")),
        ("qwen3", "q_norm.weight has shape [24], the config asks for [128]", |f| forget(f, "head_dim")),
        ("qwen3", "head_dim is null", |f| configure(f, json!({"head_dim": null}))),
        ("llama", "\"llama3\" and, by its old name, the type \"linear\"", |f| {
            edit(f, "config.json", |config| config["rope_scaling"]["type"] = json!("linear"));
        }),
        ("llama", "rope_scaling and rope_parameters, which differ", |f| {
            configure(f, json!({"rope_parameters": {"rope_type": "default"}}));
        }),
        ("qwen2", "rope_theta 1000000, and rope_theta 10000 inside the rope", |f| {
            configure(f, json!({"rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0}}));
        }),
        ("qwen2", "a sliding attention window", |f| configure(f, json!({"use_sliding_window": true}))),
        ("qwen2", "the activation \"gelu\"", |f| configure(f, json!({"hidden_act": "gelu"}))),
        ("qwen2", "quantised weights", |f| configure(f, json!({"quantization_config": {"bits": 4}}))),
        ("qwen2", "\"GPT2LMHeadModel\" is not supported", |f| {
            configure(f, json!({"architectures": ["GPT2LMHeadModel"]}));
        }),
        ("qwen2", "vocab_size is missing", |f| forget(f, "vocab_size")),
        ("qwen2", "vocabulary mismatch", |f| configure(f, json!({"vocab_size": 191}))),
        ("qwen3", "has shape [80, 64], the config asks for [81, 64]", |f| {
            configure(f, json!({"intermediate_size": 81}));
        }),
        ("llama", "self_attn.q_proj.bias is missing", |f| configure(f, json!({"attention_bias": true}))),
        ("qwen2", "lm_head.weight is missing", |f| configure(f, json!({"tie_word_embeddings": false}))),
        ("qwen2", "no end token", |f| {
            edit(f, "generation_config.json", |config| config["eos_token_id"] = json!([]));
        }),
        ("qwen2", "generation_config.json: the eos_token_id 192 is outside the vocabulary of 192", |f| {
            edit(f, "generation_config.json", |config| config["eos_token_id"] = json!([2, 192]));
        }),
        ("qwen2", "no end token", |f| {
            fs::remove_file(f.join("generation_config.json")).unwrap();
            forget(f, "eos_token_id");
            fs::write(f.join("tokenizer_config.json"), r#"{"eos_token": "</s>"}"#).unwrap();
        }),
        ("qwen2", "16777217 bytes, at most 16777216 are allowed", |f| {
            let file = f.join("model.safetensors");
            fs::write(&file, ((16u64 << 20) + 1).to_le_bytes()).unwrap();
            fs::File::options().write(true).open(file).unwrap().set_len(20 << 20).unwrap();
        }),
        ("qwen2", "is truncated or padded", |f| {
            fs::File::options()
                .append(true)
                .open(f.join("model.safetensors"))
                .unwrap()
                .set_len(9_999)
                .unwrap();
        }),
        ("qwen2", "model.norm.weight is stored as F64", |f| {
            let bytes = fs::read(tiny("qwen2").join("model.safetensors")).unwrap();
            let read = safetensors::SafeTensors::deserialize(&bytes).unwrap();
            let wide = [0; 64 * 8];
            let views = read.iter().map(|(name, view)| match name {
                "model.norm.weight" => {
                    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F64, vec![64], &wide);
                    (name, view.unwrap())
                }
                _ => (name, view),
            });
            safetensors::serialize_to_file(views, None, &f.join("model.safetensors")).unwrap();
        }),
        ("qwen2", "model.safetensors and, for a model in parts, model.safetensors.index.json", |f| {
            in_parts(f);
            store(f, "model.safetensors", &tensors());
        }),
        ("qwen2", "stands in", |f| {
            in_parts(f);
            let (name, norm) = tensors().into_iter().find(|(name, _)| name == "model.norm.weight").unwrap();
            for file in ["a.safetensors", "b.safetensors"] {
                let path = f.join(file);
                let mut held = Tensor::read_safetensors(&path).unwrap();
                if held.iter().all(|(other, _)| *other != name) {
                    held.push((name.clone(), norm.zeros_like()));
                    store(f, file, &held);
                }
            }
        }),
        ("qwen2", "which does not hold it", |f| {
            in_parts(f);
            edit(f, "model.safetensors.index.json", |index| {
                let held = &mut index["weight_map"]["model.norm.weight"];
                *held =
                    json!(if *held == json!("a.safetensors") { "b.safetensors" } else { "a.safetensors" });
            });
        }),
        ("qwen2", "which is not in the folder", |f| {
            in_parts(f);
            edit(f, "model.safetensors.index.json", |index| {
                index["weight_map"]["model.norm.weight"] = json!("../b.safetensors");
            });
        }),
        ("qwen2", "lm_head.weight is not the embedding", |f| with_head(f, Tensor::zeros_like)),
        ("qwen2", "the architecture \"Qwen2ForCausalLM\" and the model_type \"llama\"", |f| {
            configure(f, json!({"model_type": "llama"}));
        }),
        ("qwen2", "pad_token_id 192 is outside the vocabulary of 192", |f| {
            configure(f, json!({"pad_token_id": 192}));
        }),
        ("qwen2", "generation_config.json names no eos_token_id", |f| {
            edit(f, "generation_config.json", |config| config["eos_token_id"] = json!(null));
        }),
        ("qwen2", "the folder holds an adapter", |f| {
            fs::write(f.join("adapter_config.json"), r#"{"base_model_name_or_path": "elsewhere"}"#).unwrap();
        }),
        ("qwen2", "cannot read", |f| fs::remove_file(f.join("config.json")).unwrap()),
    ];
    for (name, words, spoil) in cases {
        let folder = copy(name);
        spoil(folder.path());
        let served = serve(folder.path()).err().unwrap_or_else(|| panic!("{words}: served"));
        let learned = LearningModel::load(folder.path(), CPU, None).err();
        let learned = learned.unwrap_or_else(|| panic!("{words}: learned"));
        assert_eq!(chain(&served), chain(&learned));
        assert!(chain(&served).contains(words), "{:?} does not say {words:?}", chain(&served));
    }
    let nowhere = Path::new("no/such/folder");
    assert_eq!(
        serve(nowhere).unwrap_err().to_string(),
        LearningModel::load(nowhere, CPU, None).unwrap_err().to_string()
    );
}

#[test]
fn what_says_the_same_twice_is_loaded_by_both() {
    type Change = fn(&Path);
    let cases: &[(&str, Change)] = &[
        // As transformers 4.43 and later write it.
        ("llama", |f| edit(f, "config.json", |config| config["rope_scaling"]["type"] = json!("llama3"))),
        ("qwen2", |f| {
            configure(f, json!({"rope_scaling": {"rope_type": "default", "type": "default"}}));
        }),
        ("qwen2", |f| {
            configure(f, json!({"rope_parameters": {"rope_type": "default", "rope_theta": 1_000_000.0}}));
        }),
        ("qwen2", |f| with_head(f, Tensor::copy)),
        ("qwen2", in_parts),
        ("qwen2", |f| configure(f, json!({"num_key_value_heads": 2, "head_dim": null}))),
        ("qwen2", |f| configure(f, json!({"pad_token_id": -1}))),
    ];
    for (name, change) in cases {
        let folder = copy(name);
        change(folder.path());
        let (served, whole) = (serve(folder.path()).unwrap(), serve(&tiny(name)).unwrap());
        let states = |model: &Model| model.states(&[5, 9, 150], &[&[7, 8]]).unwrap();
        assert_eq!(states(&served), states(&whole));
        LearningModel::load(folder.path(), CPU, None).unwrap();
    }
}

#[test]
fn a_tensor_is_seen_in_place_or_copied() {
    let weights = FolderWeights::open_folder(&tiny("qwen2")).unwrap();
    let (seen, own) =
        (weights.map("model.norm.weight", &[64]).unwrap(), weights.get("model.norm.weight").unwrap());
    assert!(seen.equal(&own) && seen.data_ptr() != own.data_ptr());
    assert!(weights.has("model.norm.weight") && !weights.has("model.norm.bias"));
}

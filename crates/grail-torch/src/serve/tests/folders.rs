//! Folders that cannot be loaded, each with its own sentence.

use super::*;
use serde_json::{Value, json};
use std::fs;

/// A copy of a tiny model that a test may spoil.
fn copy(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(tiny_folder(name)).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    folder
}

fn refusal(folder: &Path) -> String {
    let fault = grail_ports::Fault::from(load(folder).unwrap_err());
    println!("{}", fault.chain());
    fault.chain()
}

fn edit(folder: &Path, file: &str, change: impl FnOnce(&mut Value)) {
    let path = folder.join(file);
    let mut value: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut value);
    fs::write(path, value.to_string()).unwrap();
}

#[test]
fn configs_that_are_not_supported_are_named() {
    let cases: [(Value, &str); 14] = [
        (
            json!({"architectures": ["GPT2LMHeadModel"]}),
            "\"GPT2LMHeadModel\" is not supported; supported are Llama",
        ),
        (json!({"use_sliding_window": true}), "sliding attention window"),
        (
            json!({"layer_types": ["full_attention", "sliding_attention"]}),
            "layers of type \"sliding_attention\"",
        ),
        (json!({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}), "the rope type \"yarn\""),
        (
            json!({"rope_scaling": {"rope_type": "llama3", "factor": 4.0}}),
            "low_freq_factor of the rope is None",
        ),
        (json!({"hidden_act": "gelu"}), "the activation \"gelu\""),
        (json!({"quantization_config": {"bits": 4}}), "quantised weights"),
        (json!({"head_dim": 15}), "head_dim 15 is odd"),
        (json!({"num_key_value_heads": 3}), "num_key_value_heads 3 does not divide 4 heads"),
        (json!({"num_hidden_layers": 0}), "num_hidden_layers 0 is not within 1 to 1024"),
        (json!({"vocab_size": 1_000_000_000_000i64}), "vocab_size 1000000000000 is not within"),
        (json!({"rms_norm_eps": -1.0}), "rms_norm_eps -1 is not between"),
        (json!({"hidden_size": null}), "hidden_size is missing"),
        (
            json!({"vocab_size": 191}),
            "vocabulary mismatch: model.embed_tokens.weight holds 192 tokens, config.json says 191",
        ),
    ];
    for (changes, words) in cases {
        let folder = copy("qwen2");
        edit(folder.path(), "config.json", |config| {
            let Value::Object(changes) = changes else { panic!("changes are an object") };
            config.as_object_mut().unwrap().extend(changes);
        });
        let text = refusal(folder.path());
        assert!(text.contains(words), "{text:?} does not say {words:?}");
    }
}

#[test]
fn missing_and_damaged_files_are_named() {
    type Damage = fn(&Path);
    let cases: [(&str, &str, Damage); 9] = [
        ("qwen2", "cannot read", |f| fs::remove_file(f.join("config.json")).unwrap()),
        ("qwen2", "config.json is not what it should be", |f| fs::write(f.join("config.json"), "{").unwrap()),
        ("qwen2", "model.safetensors", |f| fs::remove_file(f.join("model.safetensors")).unwrap()),
        ("llama", "which is not in the folder", |f| {
            fs::remove_file(f.join("model-00002-of-00002.safetensors")).unwrap();
        }),
        ("llama", "which is not in the folder", |f| {
            edit(f, "model.safetensors.index.json", |index| {
                index["weight_map"]["lm_head.weight"] = json!("../llama/model-00001-of-00002.safetensors");
            });
        }),
        ("qwen2", "is truncated or padded", |f| cut(f, 100_000)),
        ("qwen2", "is truncated or padded", |f| cut(f, 20)),
        ("qwen2", "is truncated or padded", |f| cut(f, 3)),
        ("qwen2", "no valid safetensors header", |f| {
            fs::write(f.join("model.safetensors"), [&9u64.to_le_bytes()[..], b"not json!"].concat()).unwrap();
        }),
    ];
    for (name, words, damage) in cases {
        let folder = copy(name);
        damage(folder.path());
        let text = refusal(folder.path());
        assert!(text.contains(words), "{text:?} does not say {words:?}");
    }
    assert!(refusal(Path::new("no/such/folder")).contains("there is no model folder no/such/folder"));
}

fn cut(folder: &Path, bytes: u64) {
    fs::File::options().write(true).open(folder.join("model.safetensors")).unwrap().set_len(bytes).unwrap();
}

#[test]
fn every_truncation_is_noticed() {
    let folder = copy("qwen2");
    let file = folder.path().join("model.safetensors");
    let whole = fs::read(&file).unwrap();
    for length in (0..whole.len()).step_by(9_973).chain([whole.len() - 1]) {
        fs::write(&file, &whole[..length]).unwrap();
        assert!(load(folder.path()).is_err(), "{length} of {} bytes load", whole.len());
    }
}

#[test]
fn tensors_that_do_not_fit_the_config_are_named() {
    let cases = [
        (
            "llama",
            json!({"tie_word_embeddings": true, "attention_bias": true}),
            "self_attn.q_proj.bias is missing",
        ),
        ("qwen3", json!({"intermediate_size": 81}), "has shape [80, 64], the config asks for [81, 64]"),
        ("qwen2", json!({"num_hidden_layers": 3}), "model.layers.2.input_layernorm.weight is missing"),
        ("qwen2", json!({"tie_word_embeddings": false}), "lm_head.weight is missing"),
    ];
    for (name, changes, words) in cases {
        let folder = copy(name);
        edit(folder.path(), "config.json", |config| {
            let Value::Object(changes) = changes else { panic!("changes are an object") };
            config.as_object_mut().unwrap().extend(changes);
        });
        let text = refusal(folder.path());
        assert!(text.contains(words), "{text:?} does not say {words:?}");
    }
}

#[test]
fn end_tokens_come_from_generation_config_first() {
    let folder = copy("qwen2");
    edit(folder.path(), "generation_config.json", |config| config["eos_token_id"] = json!([9, 5, 9]));
    assert_eq!(load(folder.path()).unwrap().card().end_tokens, [9, 5]);
    fs::remove_file(folder.path().join("generation_config.json")).unwrap();
    assert_eq!(load(folder.path()).unwrap().card().end_tokens, [2]);
    edit(folder.path(), "config.json", |config| config["eos_token_id"] = json!(500));
    assert!(
        refusal(folder.path()).contains("config.json: the eos_token_id 500 is outside the vocabulary of 192")
    );
}

#[test]
fn options_out_of_range_are_named() {
    let options = LoadOptions { threads: Some(0), ..LoadOptions::default() };
    let error = Model::load(&tiny_folder("llama"), &options, CheckpointId::from_bytes([0; 32])).unwrap_err();
    assert!(error.to_string().contains("threads is 0"));
    for rows in [0, 3, 12, 8_192] {
        let error = TorchGenerator::new(tiny("llama"), rows).unwrap_err();
        assert!(error.to_string().contains(&format!("batch_rows is {rows}, possible are powers of two")));
    }
}

#[test]
fn a_missing_cuda_device_is_named() {
    let options =
        LoadOptions { place: crate::ComputePlace::Cuda(99), threads: Some(1), ..LoadOptions::default() };
    let error = Model::load(&tiny_folder("llama"), &options, CheckpointId::from_bytes([0; 32])).unwrap_err();
    assert!(error.to_string().starts_with("cannot use the CUDA device 99: "), "{error}");
}

#[test]
fn bf16_computes_near_f32() {
    let options = LoadOptions { dtype: crate::Dtype::Bf16, threads: Some(1), ..LoadOptions::default() };
    for name in FAMILIES {
        let exact = tiny(name);
        let narrow = Model::load(&tiny_folder(name), &options, CheckpointId::from_bytes([0; 32])).unwrap();
        let group = group(3, 20, 4);
        let claimed = answers(&narrow, 4, std::slice::from_ref(&group), &RULE).remove(0);
        let mut gap = Gap::default();
        gap.add(&claimed, &read(&exact, &probe(&group, &claimed, &RULE)));
        println!("{name}: bf16 against f32 {gap:?}");
        assert!(gap.sketch_rms < 0.2 && gap.logprob < 1.0, "{gap:?}");
    }
}

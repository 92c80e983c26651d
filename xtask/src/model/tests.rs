use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use half::f16;
use indicatif::ProgressBar;
use proptest::prelude::*;
use safetensors::SafeTensors;
use serde_json::{Value, json};

use super::gguf::Gguf;
use super::llama::{self, Sizes};
use super::vocabulary::Vocabulary;
use super::{WEIGHTS, convert_gguf};

/// A GGUF file in the making: a Llama model with one layer, 32 hidden values, two heads of 16 and one key head.
#[derive(Clone)]
struct Maker {
    values: BTreeMap<&'static str, Vec<u8>>,
    tensors: BTreeMap<String, (Vec<u64>, u32, Vec<u8>)>,
}

const TOKENS: [&str; 8] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "a", "b", "c", "ab", "abc"];

fn text(value: &str) -> Vec<u8> {
    [&(value.len() as u64).to_le_bytes()[..], value.as_bytes()].concat()
}

fn kind(code: u32, payload: &[u8]) -> Vec<u8> {
    [&code.to_le_bytes()[..], payload].concat()
}

fn number(value: u32) -> Vec<u8> {
    kind(4, &value.to_le_bytes())
}

fn float(value: f32) -> Vec<u8> {
    kind(6, &value.to_le_bytes())
}

fn string(value: &str) -> Vec<u8> {
    kind(8, &text(value))
}

fn list(code: u32, items: &[Vec<u8>]) -> Vec<u8> {
    let head = [code.to_le_bytes().to_vec(), (items.len() as u64).to_le_bytes().to_vec()].concat();
    kind(9, &[head, items.concat()].concat())
}

/// Rows of 32 values in Q8_0 with scale 1; every value of a row is the row's number.
fn rows(count: u8) -> Vec<u8> {
    let row = |n: u8| [f16::ONE.to_le_bytes().to_vec(), vec![n; 32]].concat();
    (0..count).flat_map(row).collect()
}

impl Maker {
    fn new() -> Self {
        let strings = |items: &[&str]| list(8, &items.iter().map(|item| text(item)).collect::<Vec<_>>());
        let kinds: Vec<Vec<u8>> =
            [3i32, 3, 3, 1, 1, 1, 1, 1].iter().map(|k| k.to_le_bytes().to_vec()).collect();
        let values = BTreeMap::from([
            ("general.architecture", string("llama")),
            ("llama.block_count", number(1)),
            ("llama.context_length", number(128)),
            ("llama.embedding_length", number(32)),
            ("llama.feed_forward_length", number(64)),
            ("llama.attention.head_count", number(2)),
            ("llama.attention.head_count_kv", number(1)),
            ("llama.rope.dimension_count", number(16)),
            ("llama.rope.freq_base", float(100_000.0)),
            ("llama.attention.layer_norm_rms_epsilon", float(1e-5)),
            ("tokenizer.ggml.model", string("gpt2")),
            ("tokenizer.ggml.pre", string("smollm")),
            ("tokenizer.ggml.tokens", strings(&TOKENS)),
            ("tokenizer.ggml.token_type", list(5, &kinds)),
            ("tokenizer.ggml.merges", strings(&["a b", "ab c"])),
            ("tokenizer.ggml.bos_token_id", number(1)),
            ("tokenizer.ggml.eos_token_id", number(2)),
            ("tokenizer.ggml.unknown_token_id", number(0)),
            ("tokenizer.ggml.padding_token_id", number(2)),
            ("tokenizer.ggml.add_bos_token", kind(7, &[0])),
            ("tokenizer.chat_template", string("{{ messages[0].content }}")),
        ]);
        let mut maker = Self { values, tensors: BTreeMap::new() };
        let norm: Vec<u8> = (0..32).flat_map(|i| (i as f32 / 4.0).to_le_bytes()).collect();
        let matrices: [(&str, [u64; 2]); 8] = [
            ("token_embd", [32, 8]),
            ("blk.0.attn_q", [32, 32]),
            ("blk.0.attn_k", [32, 16]),
            ("blk.0.attn_v", [32, 16]),
            ("blk.0.attn_output", [32, 32]),
            ("blk.0.ffn_gate", [32, 64]),
            ("blk.0.ffn_up", [32, 64]),
            ("blk.0.ffn_down", [64, 32]),
        ];
        for (name, shape) in matrices {
            let blocks = shape[0] / 32 * shape[1];
            maker.tensors.insert(format!("{name}.weight"), (shape.to_vec(), 8, rows(blocks as u8)));
        }
        for name in ["output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"] {
            maker.tensors.insert(format!("{name}.weight"), (vec![32], 0, norm.clone()));
        }
        maker
    }

    fn value(mut self, key: &'static str, value: Vec<u8>) -> Self {
        self.values.insert(key, value);
        self
    }

    fn without(mut self, name: &str) -> Self {
        assert!(self.values.remove(name).is_some() || self.tensors.remove(name).is_some(), "{name}");
        self
    }

    fn tensor(mut self, name: &str, shape: &[u64], code: u32, bytes: Vec<u8>) -> Self {
        self.tensors.insert(name.to_owned(), (shape.to_vec(), code, bytes));
        self
    }

    fn file(&self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(3u32.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.values.len() as u64).to_le_bytes());
        for (key, value) in &self.values {
            out.extend(text(key));
            out.extend(value);
        }
        let mut data = Vec::new();
        for (name, (shape, code, bytes)) in &self.tensors {
            data.resize(data.len().next_multiple_of(32), 0);
            out.extend(text(name));
            out.extend((shape.len() as u32).to_le_bytes());
            out.extend(shape.iter().flat_map(|axis| axis.to_le_bytes()));
            out.extend(code.to_le_bytes());
            out.extend((data.len() as u64).to_le_bytes());
            data.extend(bytes);
        }
        out.resize(out.len().next_multiple_of(32), 0);
        out.extend(data);
        out
    }

    /// Everything that can be refused before a file is written.
    fn read(&self) -> anyhow::Result<()> {
        read(&self.file())
    }

    #[track_caller]
    fn refused(&self, expected: &str) {
        let error = format!("{:#}", self.read().expect_err("the file is wrong"));
        assert!(error.contains(expected), "{error}");
    }
}

fn read(file: &[u8]) -> anyhow::Result<()> {
    let gguf = Gguf::parse(file)?;
    let sizes = Sizes::read(&gguf)?;
    Vocabulary::read(&gguf)?;
    llama::weights(&gguf, &sizes, &ProgressBar::hidden())?;
    Ok(())
}

/// JSON files by name.
type Files = BTreeMap<String, Value>;
/// Shape and first value of every row, by tensor.
type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Fills a folder with a small converted model.
pub(super) fn small_folder(folder: &Path) {
    convert_gguf(&Maker::new().file(), folder, &ProgressBar::hidden()).expect("converted");
}

/// What the converted model consists of.
fn converted(maker: &Maker) -> (Files, Tensors) {
    let room = tempfile::tempdir().expect("temporary folder");
    let folder = room.path().join("model");
    convert_gguf(&maker.file(), &folder, &ProgressBar::hidden()).expect("converted");
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(&folder).expect("listing") {
        let path = entry.expect("entry").path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let value = serde_json::from_slice(&fs::read(&path).expect("readable")).expect("JSON");
            files.insert(path.file_name().expect("name").to_string_lossy().into_owned(), value);
        }
    }
    let bytes = fs::read(folder.join(WEIGHTS)).expect("weights");
    let weights = SafeTensors::deserialize(&bytes).expect("safetensors");
    let firsts = |view: &safetensors::tensor::TensorView<'_>| {
        let row = view.shape().last().copied().unwrap_or(1);
        let values: Vec<f32> =
            view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        values.chunks(row).map(|row| row[0]).collect()
    };
    let tensors =
        weights.iter().map(|(name, view)| (name.to_owned(), (view.shape().to_vec(), firsts(&view))));
    (files, tensors.collect())
}

#[test]
fn weights_get_their_names_shapes_and_order_of_rows() {
    let (_, tensors) = converted(&Maker::new());
    assert_eq!(tensors.len(), 11);
    let of = |name: &str| tensors.get(name).unwrap_or_else(|| panic!("{name} is missing"));
    assert_eq!(of("model.embed_tokens.weight"), &(vec![8, 32], (0..8).map(|n| n as f32).collect()));
    // Two heads of 16 rows: in each, first the even rows, then the odd ones.
    let head = |start: u8| (0..8).map(move |i| start + 2 * i).chain((0..8).map(move |i| start + 2 * i + 1));
    let q: Vec<f32> = head(0).chain(head(16)).map(f32::from).collect();
    assert_eq!(of("model.layers.0.self_attn.q_proj.weight"), &(vec![32, 32], q));
    let k: Vec<f32> = head(0).map(f32::from).collect();
    assert_eq!(of("model.layers.0.self_attn.k_proj.weight"), &(vec![16, 32], k));
    let v: Vec<f32> = (0..16).map(|n| n as f32).collect();
    assert_eq!(of("model.layers.0.self_attn.v_proj.weight"), &(vec![16, 32], v));
    // Rows of two blocks; the first value of each is its first block's.
    let down: Vec<f32> = (0..32).map(|n| 2.0 * n as f32).collect();
    assert_eq!(of("model.layers.0.mlp.down_proj.weight"), &(vec![32, 64], down));
    assert_eq!(of("model.norm.weight").0, [32]);
}

#[test]
fn configuration_says_what_the_file_says() {
    let (files, _) = converted(&Maker::new());
    let config = &files["config.json"];
    for (key, value) in [
        ("architectures", json!(["LlamaForCausalLM"])),
        ("model_type", json!("llama")),
        ("hidden_size", json!(32)),
        ("intermediate_size", json!(64)),
        ("num_attention_heads", json!(2)),
        ("num_key_value_heads", json!(1)),
        ("head_dim", json!(16)),
        ("num_hidden_layers", json!(1)),
        ("vocab_size", json!(8)),
        ("max_position_embeddings", json!(128)),
        ("rope_theta", json!(100_000.0)),
        ("rms_norm_eps", json!(1e-5)),
        ("tie_word_embeddings", json!(true)),
        ("eos_token_id", json!(2)),
    ] {
        assert_eq!(config[key], value, "{key}");
    }
    assert_eq!(
        files["generation_config.json"],
        json!({"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2})
    );
}

#[test]
fn a_head_of_its_own_is_kept_and_said() {
    let untied = Maker::new().tensor("output.weight", &[32, 8], 8, rows(8));
    let (files, tensors) = converted(&untied);
    assert_eq!(files["config.json"]["tie_word_embeddings"], json!(false));
    assert_eq!(tensors["lm_head.weight"].0, [8, 32]);
}

#[test]
fn the_tokenizer_has_tokens_merges_and_both_splits() {
    let (files, _) = converted(&Maker::new());
    let tokenizer = &files["tokenizer.json"];
    let vocab: BTreeMap<String, usize> =
        serde_json::from_value(tokenizer["model"]["vocab"].clone()).expect("ids");
    assert_eq!(vocab, TOKENS.iter().enumerate().map(|(id, token)| ((*token).to_owned(), id)).collect());
    assert_eq!(tokenizer["model"]["merges"], json!([["a", "b"], ["ab", "c"]]));
    let splits = &tokenizer["pre_tokenizer"]["pretokenizers"];
    assert_eq!((&splits[0]["type"], &splits[1]["type"]), (&json!("Digits"), &json!("ByteLevel")));
    assert_eq!(splits[0]["individual_digits"], json!(true));
    let added = tokenizer["added_tokens"].as_array().expect("list");
    assert_eq!(added.iter().map(|token| token["content"].clone()).collect::<Vec<_>>(), TOKENS[..3]);
    let config = &files["tokenizer_config.json"];
    assert_eq!(config["eos_token"], json!("<|im_end|>"));
    assert_eq!(config["chat_template"], json!("{{ messages[0].content }}"));
}

#[test]
fn another_kind_of_file_is_named() {
    assert!(read(b"PK\x03\x04").unwrap_err().to_string().contains("not a GGUF file"));
    assert!(read(b"").unwrap_err().to_string().contains("not a GGUF file"));
    let mut old = Maker::new().file();
    old[4] = 1;
    assert!(read(&old).unwrap_err().to_string().contains("version 1 is not supported"));
}

#[test]
fn what_is_not_a_plain_llama_model_is_refused() {
    let maker = Maker::new;
    maker().value("general.architecture", string("qwen2")).refused("architecture is qwen2");
    maker().value("llama.rope.scaling.type", string("yarn")).refused("rotary scaling");
    maker().value("llama.block_count", number(2)).refused("blk.1.attn_norm.weight is missing");
    maker().value("llama.block_count", number(u32::MAX)).refused("llama.block_count is 4294967295");
    maker().value("llama.attention.head_count", number(0)).refused("head_count is 0");
    maker().without("llama.rope.freq_base").refused("no value llama.rope.freq_base");
    maker().without("blk.0.attn_q.weight").refused("blk.0.attn_q.weight is missing");
    maker().tensor("rope_freqs.weight", &[8], 0, vec![0; 32]).refused("rope_freqs.weight has no place");
    maker().tensor("output_norm.weight", &[8], 0, vec![0; 32]).refused("has shape [8], not [32]");
    maker().tensor("output_norm.weight", &[32], 14, vec![0; 128]).refused("number format 14");
    maker().tensor("output.weight", &[16, 16], 8, rows(8)).refused("do not divide into blocks of 32");
}

#[test]
fn a_tokenizer_of_another_sort_is_refused() {
    let maker = Maker::new;
    maker().value("tokenizer.ggml.model", string("llama")).refused("sort llama");
    maker().value("tokenizer.ggml.pre", string("qwen2")).refused("qwen2");
    maker().value("tokenizer.ggml.add_bos_token", kind(7, &[1])).refused("add_bos_token");
    maker().value("tokenizer.ggml.eos_token_id", number(8)).refused("eos_token_id is 8");
    maker().value("tokenizer.ggml.merges", list(8, &[text("ab")])).refused("no space between");
    maker().value("tokenizer.ggml.token_type", list(5, &[])).refused("8 tokens have 0 kinds");
}

#[test]
fn tokens_and_embeddings_must_be_as_many() {
    let maker = Maker::new().tensor("token_embd.weight", &[32, 7], 8, rows(7));
    let room = tempfile::tempdir().expect("temporary folder");
    let error = convert_gguf(&maker.file(), room.path(), &ProgressBar::hidden()).unwrap_err().to_string();
    assert_eq!(error, "8 tokens have 7 embeddings");
}

#[test]
fn a_file_cut_at_any_byte_is_refused() {
    let file = Maker::new().file();
    assert!(read(&file).is_ok());
    for len in 0..file.len() {
        assert!(read(&file[..len]).is_err(), "cut to {len} bytes of {}", file.len());
    }
}

#[test]
fn claims_beyond_the_file_take_no_memory() {
    let most = u64::MAX.to_le_bytes();
    for at in [8, 16] {
        let mut file = Maker::new().file();
        file[at..at + 8].copy_from_slice(&most);
        let error = format!("{:#}", read(&file).unwrap_err());
        assert!(error.contains("the file claims"), "{error}");
    }
    let huge = kind(9, &[&5u32.to_le_bytes()[..], &most].concat());
    Maker::new().value("tokenizer.ggml.token_type", huge).refused("list entries");
    let long = kind(8, &most);
    Maker::new().value("tokenizer.chat_template", long).refused("bytes of text");
    let axes = [1 << 40, 1 << 40];
    Maker::new().tensor("output.weight", &axes, 0, Vec::new()).refused("its size overflows");
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let room = tempfile::tempdir().expect("temporary folder");
    let place = room.path().join("taken");
    fs::write(&place, "a file").expect("written");
    let error = convert_gguf(&Maker::new().file(), &place, &ProgressBar::hidden()).unwrap_err();
    assert!(format!("{error:#}").contains("taken"), "{error:#}");
}

proptest! {
    /// Values may change unseen (the wheel's digest guards them); reading must never fail otherwise than by an error.
    #[test]
    fn a_flipped_byte_never_breaks_the_reader(at in any::<prop::sample::Index>(), bits in 1u8..) {
        let mut file = Maker::new().file();
        let at = at.index(file.len());
        file[at] ^= bits;
        let _: anyhow::Result<()> = read(&file);
    }

    #[test]
    fn noise_after_the_magic_never_breaks_the_reader(noise in prop::collection::vec(any::<u8>(), 0..300)) {
        let file = [&b"GGUF\x03\0\0\0"[..], &noise].concat();
        prop_assert!(read(&file).is_err());
    }
}

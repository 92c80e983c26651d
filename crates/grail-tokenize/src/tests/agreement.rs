//! Ids, decoded text and rendered chats against what transformers made of the same (fixtures/scripts/tokenizer_fixtures.py).

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use grail_ports::model::{Message, Tokenize as _};
use grail_testkit::doors::conformance;
use serde::Deserialize;

use super::{fixture, reduced};
use crate::Tokenizer;

#[derive(Deserialize)]
struct Vectors {
    texts: Vec<Text>,
    chats: Vec<Chat>,
}

#[derive(Deserialize)]
struct Text {
    text: String,
    ids: Vec<u32>,
    decoded: String,
    /// The ids with control tokens read as letters, where there are any in the text.
    without_control: Option<Vec<u32>>,
    decoded_without_control: Option<String>,
}

#[derive(Deserialize)]
struct Chat {
    messages: Vec<Message>,
    add_generation_prompt: bool,
    rendered: String,
    /// Left out where a message holds a control token: there we differ on purpose.
    ids: Option<Vec<u32>>,
}

fn vectors(name: &str) -> Vectors {
    let text = fs::read_to_string(fixture("vectors/tokenize").join(name)).expect("vectors");
    serde_json::from_str(&text).expect("vectors in their form")
}

fn check(tokenizer: &Tokenizer, name: &str) {
    let Vectors { texts, chats } = vectors(name);
    assert_eq!(texts.len(), 200);
    for Text { text, ids, decoded, without_control, decoded_without_control } in &texts {
        assert_eq!(&tokenizer.encode(text, false).unwrap(), ids, "ids of {text:?}");
        let plain = tokenizer.encode_untrusted(text).unwrap();
        assert_eq!(&plain, without_control.as_ref().unwrap_or(ids), "ids of {text:?} without control tokens");
        assert_eq!(&tokenizer.decode_with(ids, false).unwrap(), decoded, "text of {ids:?}");
        let skipped = decoded_without_control.as_ref().unwrap_or(decoded);
        assert_eq!(
            &tokenizer.decode_with(ids, true).unwrap(),
            skipped,
            "text of {ids:?} without control tokens"
        );
    }
    assert!(texts.iter().filter(|t| t.without_control.is_some()).count() > 30);

    for Chat { messages, add_generation_prompt, rendered, ids } in &chats {
        let ours = tokenizer.render_chat(messages, *add_generation_prompt).unwrap();
        assert_eq!(&ours, rendered, "{messages:?}");
        let ours = tokenizer.encode_chat_with(messages, *add_generation_prompt).unwrap();
        match ids {
            Some(ids) => assert_eq!(&ours, ids, "{messages:?}"),
            None => assert_ne!(ours, tokenizer.encode(rendered, false).unwrap(), "{messages:?}"),
        }
    }
    assert!(chats.iter().filter(|chat| chat.ids.is_some()).count() >= 40);
}

#[test]
fn smollm2_agrees_with_transformers() {
    check(&reduced("smollm2"), "smollm2.json");
}

#[test]
fn qwen3_agrees_with_transformers() {
    check(&reduced("qwen3"), "qwen3.json");
}

#[test]
fn the_whole_smollm2_agrees_with_transformers() {
    let folder = cache().map(|cache| cache.join("models/smollm2-135m-instruct"));
    match folder.filter(|folder| folder.is_dir()) {
        Some(folder) => check(&Tokenizer::open(&folder).unwrap(), "smollm2.json"),
        None => skipped("the SmolLM2 model is not in the cache (cargo xtask model smollm2)"),
    }
}

#[test]
fn the_whole_qwen3_agrees_with_transformers() {
    let source = cache().map(|cache| cache.join("downloads/qwen3-tokenizer"));
    let Some(source) = source.filter(|folder| folder.is_dir()) else {
        return skipped(
            "the whole Qwen3 tokenizer is not in the cache (fixtures/scripts/fetch_qwen3_tokenizer.sh)",
        );
    };
    let folder = super::Copy::of("qwen3");
    fs::copy(source.join("tokenizer.json"), folder.path("tokenizer.json")).unwrap();
    fs::copy(source.join("tokenizer_config.json"), folder.path("tokenizer_config.json")).unwrap();
    let tokenizer = folder.open().unwrap();
    assert_eq!(tokenizer.vocab_size(), 151_669);
    check(&tokenizer, "qwen3.json");
}

#[test]
fn end_tokens_and_sizes_are_those_of_the_model() {
    let smollm2 = reduced("smollm2");
    assert_eq!(smollm2.eos_ids(), [2]);
    assert_eq!(smollm2.id_of("<|im_end|>"), Some(2));
    let qwen3 = reduced("qwen3");
    assert_eq!(qwen3.eos_ids(), [151_645, 151_643]);
    assert_eq!(qwen3.vocab_size(), 151_669);
    assert_eq!(qwen3.model_vocab_size(), 151_936);
}

#[test]
fn the_tokenizers_keep_the_promises_of_their_door() {
    for name in ["smollm2", "qwen3"] {
        conformance::tokenize(&reduced(name));
    }
}

#[test]
fn through_the_door_a_chat_ends_where_the_assistant_begins() {
    let tokenizer = reduced("smollm2");
    let chat = super::user("Hi");
    let ids = tokenizer.encode_chat(&chat).unwrap();
    assert_eq!(ids, tokenizer.encode_chat_with(&chat, true).unwrap());
    assert!(tokenizer.decode(&ids).unwrap().ends_with("<|im_end|>\n<|im_start|>assistant\n"));
    assert_eq!(tokenizer.end_tokens(), [2]);
    assert_eq!(tokenizer.vocabulary(), 49_152);
    let bare = super::Copy::of("smollm2").edit("tokenizer_config.json", |config| {
        config["chat_template"] = serde_json::Value::Null;
    });
    let fault = bare.open().unwrap().encode_chat(&chat).unwrap_err();
    assert_eq!(fault.chain(), "encode a conversation: the model folder has no chat template");
}

#[test]
fn ids_without_a_token_have_no_text() {
    let qwen3 = reduced("qwen3");
    let mut ids = qwen3.encode("ab", false).unwrap();
    ids.insert(0, 151_900);
    ids.push(u32::MAX);
    assert_eq!(qwen3.decode_with(&ids, false).unwrap(), "ab");
}

#[expect(clippy::disallowed_methods, reason = "a test looks for what an earlier command may have fetched")]
fn cache() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty());
    if let Some(own) = set("GRAIL_CACHE_DIR") {
        return Some(own.into());
    }
    let user = set("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    user.or_else(|| Some(Path::new(&set("HOME")?).join(".cache"))).map(|path| path.join("grail"))
}

#[expect(clippy::print_stderr, reason = "a test that did not look must say so")]
fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}");
}

//! What a folder may lack or have wrong, each with its own error.

use std::path::Path;

use grail_ports::model::{Message, Speaker};
use serde_json::json;

use super::Copy;
use crate::{TokenizeError, Tokenizer};

/// Opens a folder that is wrong and returns the error with its causes.
#[track_caller]
fn refused(folder: &Copy) -> TokenizeError {
    folder.open().expect_err("the folder is wrong")
}

#[test]
fn a_missing_folder_and_a_missing_tokenizer_are_told_apart() {
    let error = Tokenizer::open(Path::new("no/such/folder")).unwrap_err();
    assert!(matches!(error, TokenizeError::MissingFolder { .. }));
    assert_eq!(error.to_string(), "there is no model folder no/such/folder");
    let error = refused(&Copy::of("smollm2").without("tokenizer.json"));
    assert!(
        matches!(&error, TokenizeError::MissingFile { path } if path.ends_with("tokenizer.json")),
        "{error}"
    );
}

#[test]
fn a_tokenizer_cut_short_is_malformed() {
    let folder = Copy::of("smollm2");
    let text = std::fs::read_to_string(folder.path("tokenizer.json")).unwrap();
    let error = refused(&folder.with("tokenizer.json", &text[..text.len() / 2]));
    assert!(matches!(error, TokenizeError::Malformed { .. }), "{error}");
}

#[test]
fn a_configuration_that_is_not_json_is_named() {
    for name in ["tokenizer_config.json", "generation_config.json", "config.json"] {
        let error = refused(&Copy::of("smollm2").with(name, "{"));
        assert!(matches!(&error, TokenizeError::Json { path, .. } if path.ends_with(name)), "{error}");
    }
}

#[test]
fn an_end_token_outside_the_vocabulary_is_refused() {
    let error =
        refused(&Copy::of("smollm2").with("generation_config.json", r#"{"eos_token_id": [2, 60000]}"#));
    assert!(matches!(error, TokenizeError::EndTokenOutsideVocabulary { id: 60_000 }), "{error}");
    let folder = Copy::of("smollm2")
        .without("generation_config.json")
        .edit("tokenizer_config.json", |config| config["eos_token"] = json!("<stop>"));
    let error = refused(&folder);
    assert!(matches!(&error, TokenizeError::UnknownEndToken { token } if token == "<stop>"), "{error}");
}

#[test]
fn a_folder_that_names_no_end_token_is_refused() {
    let folder = Copy::of("smollm2")
        .without("generation_config.json")
        .edit("tokenizer_config.json", |config| config["eos_token"] = json!(null));
    assert!(matches!(refused(&folder), TokenizeError::NoEndToken));
    let error = refused(&Copy::of("smollm2").with("generation_config.json", r#"{"eos_token_id": []}"#));
    assert!(matches!(error, TokenizeError::NoEndToken), "{error}");
}

#[test]
fn the_end_token_is_looked_for_in_three_files_in_order() {
    let end = |folder: &Copy| folder.open().unwrap().eos_ids().to_vec();
    let folder = Copy::of("smollm2").with("generation_config.json", r#"{"eos_token_id": [0, 2, 0]}"#);
    assert_eq!(end(&folder), [0, 2]);
    let folder = folder
        .with("generation_config.json", "{}")
        .with("config.json", r#"{"eos_token_id": 1, "vocab_size": 49152}"#);
    // Transformers looks no further than a generation_config.json that is there.
    assert!(matches!(refused(&folder), TokenizeError::EndTokenContradicted));
    let folder = folder.without("generation_config.json");
    assert_eq!(end(&folder), [1]);
    let folder = folder.without("config.json").edit("tokenizer_config.json", |config| {
        config["eos_token"] = json!({"content": "<|im_end|>", "lstrip": false});
    });
    assert_eq!(end(&folder), [2]);
}

#[test]
fn a_tokenizer_larger_than_the_model_is_refused() {
    let error = refused(&Copy::of("qwen3").with("config.json", r#"{"vocab_size": 151000}"#));
    assert!(
        matches!(error, TokenizeError::VocabularyTooLarge { id: 151_000.., model: 151_000, .. }),
        "{error}"
    );
}

/// The case pad-token-beyond-table: many published folders pad with a token that the model has no row for.
#[test]
fn a_control_token_beyond_the_table_is_carried_as_long_as_nobody_needs_it() {
    let beyond = |special: bool| {
        Copy::of("marks")
            .edit("tokenizer.json", |tokenizer| {
                let mut token = tokenizer["added_tokens"][2].clone();
                token["content"] = json!("[PAD]");
                token["id"] = json!(303);
                token["special"] = json!(special);
                tokenizer["added_tokens"].as_array_mut().unwrap().push(token);
            })
            .edit("tokenizer_config.json", |config| config["pad_token"] = json!("[PAD]"))
            .edit("config.json", |config| config["vocab_size"] = json!(303))
    };
    let tokenizer = beyond(true).open().unwrap();
    let chat = super::user("a [PAD] b");
    assert_eq!(
        tokenizer.encode_chat_with(&chat, true).unwrap(),
        super::reduced("marks").encode_chat_with(&chat, true).unwrap()
    );
    assert_eq!((tokenizer.vocab_size(), tokenizer.model_vocab_size()), (303, 303));

    let printed = beyond(true).with("chat_template.jinja", "{{ pad_token }}").open().unwrap();
    let error = printed.encode_chat_with(&chat, true).unwrap_err();
    assert!(
        matches!(&error, TokenizeError::BeyondTable { token, id: 303, .. } if token == "[PAD]"),
        "{error}"
    );
    let error = refused(&beyond(true).with("generation_config.json", r#"{"eos_token_id": [302, 303]}"#));
    assert!(matches!(&error, TokenizeError::BeyondTable { token, .. } if token == "[PAD]"), "{error}");
    let error = refused(&beyond(false));
    assert!(
        matches!(&error, TokenizeError::VocabularyTooLarge { token, id: 303, .. } if token == "[PAD]"),
        "{error}"
    );
}

#[test]
fn what_tokenizer_config_names_is_added_as_transformers_adds_it() {
    // A text of the vocabulary becomes a token that the template can write, under the id that it has.
    let named = Copy::of("smollm2")
        .edit("tokenizer_config.json", |config| config["bos_token"] = json!("Ġthe"))
        .with("chat_template.jinja", "{{ bos_token }}x");
    let tokenizer = named.open().unwrap();
    let ids = tokenizer.encode_chat_with(&super::user("Hi"), true).unwrap();
    assert_eq!(ids.first().copied(), tokenizer.id_of("Ġthe"));
    // One that is not there gets the next id, for which the model has no row.
    let pad =
        Copy::of("smollm2").edit("tokenizer_config.json", |config| config["pad_token"] = json!("[PAD]"));
    assert!(pad.open().unwrap().id_of("[PAD]").is_some());
    // Where no tokens are listed, an older file names them.
    let map = Copy::of("smollm2")
        .edit("tokenizer_config.json", |config| {
            drop(config.as_object_mut().unwrap().remove("added_tokens_decoder"))
        })
        .with("special_tokens_map.json", r#"{"bos_token": {"content": "<|im_end|>"}}"#)
        .with("chat_template.jinja", "{{ bos_token }}");
    assert_eq!(map.open().unwrap().render_chat(&super::user("Hi"), true).unwrap(), "<|im_end|>");
    let error = refused(&Copy::of("smollm2").edit("tokenizer_config.json", |config| {
        config["added_tokens_decoder"] = json!({"2": {"content": "<|im_end|>", "special": false}});
    }));
    assert!(matches!(&error, TokenizeError::TokenContradicted { token } if token == "<|im_end|>"), "{error}");
}

#[test]
fn a_control_token_that_normalising_changes_is_refused() {
    let error = refused(&Copy::of("smollm2").edit("tokenizer.json", |tokenizer| {
        tokenizer["normalizer"] = json!({"type": "Prepend", "prepend": "_"});
        tokenizer["added_tokens"][2]["normalized"] = json!(true);
    }));
    assert!(matches!(&error, TokenizeError::ControlToken { token, .. } if token == "<|im_end|>"), "{error}");
}

/// The case tokenizer-metaspace-first: a mark before the first piece of a prompt alone, before every piece, or none.
#[test]
fn spaces_before_pieces_stand_where_transformers_puts_them() {
    #[derive(serde::Deserialize)]
    struct Expected {
        text: String,
        ids: Vec<u32>,
    }
    let chat = [
        Message::new(Speaker::System, "Solve the problem. Think first."),
        Message::new(Speaker::User, "Ann has 9 pens. How many pens are left?"),
        Message::new(Speaker::Assistant, "9 - 2 = 7"),
        Message::new(Speaker::User, "Sam has 2 cups.\n"),
    ];
    let folder = super::fixture("tokenizers/metaspace");
    let expected = std::fs::read(folder.join("expected.json")).unwrap();
    let expected: std::collections::BTreeMap<String, Expected> = serde_json::from_slice(&expected).unwrap();
    assert_eq!(expected.len(), 4);
    for (name, expected) in expected {
        let tokenizer = Tokenizer::open(&folder.join(&name)).unwrap();
        assert_eq!(tokenizer.render_chat(&chat, true).unwrap(), expected.text, "{name}");
        assert_eq!(tokenizer.encode_chat_with(&chat, true).unwrap(), expected.ids, "{name}");
        assert_eq!(tokenizer.encode(&expected.text, false).unwrap(), expected.ids, "{name}");
    }
}

#[test]
fn control_tokens_that_cannot_be_kept_apart_are_refused() {
    let edit = |change: fn(&mut serde_json::Value)| {
        Copy::of("smollm2").edit("tokenizer.json", |tokenizer| change(&mut tokenizer["added_tokens"][2]))
    };
    let error = refused(&edit(|token| token["rstrip"] = json!(true)));
    assert!(matches!(&error, TokenizeError::ControlToken { token, .. } if token == "<|im_end|>"), "{error}");
    let one = Copy::of("smollm2").edit("tokenizer.json", |tokenizer| {
        let id = tokenizer["model"]["vocab"]["!"].clone();
        let mut token = tokenizer["added_tokens"][2].clone();
        token["content"] = json!("!");
        token["id"] = id;
        tokenizer["added_tokens"].as_array_mut().unwrap().push(token);
    });
    let error = refused(&one);
    assert!(matches!(&error, TokenizeError::ControlToken { token, .. } if token == "!"), "{error}");
}

#[test]
fn a_first_token_is_added_only_on_demand() {
    let folder = Copy::of("smollm2").edit("tokenizer.json", |tokenizer| {
        tokenizer["post_processor"] = json!({
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<|im_start|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<|im_start|>": {"id": "<|im_start|>", "ids": [1], "tokens": ["<|im_start|>"]}},
        });
    });
    let tokenizer = folder.open().unwrap();
    let bare = tokenizer.encode("the", false).unwrap();
    let mut with_first = vec![1];
    with_first.extend(&bare);
    assert_eq!(tokenizer.encode("the", true).unwrap(), with_first);
    assert_eq!(tokenizer.encode_untrusted("the").unwrap(), bare);
}

#[test]
fn lengths_that_a_tokenizer_was_made_with_cut_and_fill_nothing() {
    let folder = Copy::of("smollm2").edit("tokenizer.json", |tokenizer| {
        tokenizer["truncation"] =
            json!({"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0});
        tokenizer["padding"] = json!({
            "strategy": {"Fixed": 64}, "direction": "Right", "pad_to_multiple_of": null,
            "pad_id": 0, "pad_type_id": 0, "pad_token": "<|endoftext|>",
        });
    });
    let text = "one two three four";
    let ids = folder.open().unwrap().encode(text, false).unwrap();
    assert_eq!(ids, super::reduced("smollm2").encode(text, false).unwrap());
}

#[test]
fn spaces_are_cleaned_up_where_the_configuration_asks_for_it() {
    let folder = Copy::of("smollm2")
        .edit("tokenizer_config.json", |config| config["clean_up_tokenization_spaces"] = json!(true));
    let tokenizer = folder.open().unwrap();
    let ids = tokenizer.encode("Hello , world ! it 's", false).unwrap();
    assert_eq!(tokenizer.decode_with(&ids, false).unwrap(), "Hello, world! it's");
}

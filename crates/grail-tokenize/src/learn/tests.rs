use grail_ports::model::{Message, Speaker};
use proptest::prelude::*;
use std::sync::LazyLock;

use super::*;
use crate::Tokenizer;

/// A text of any kind, of the kind a chat has, and of runs of one character.
fn texts() -> Vec<String> {
    let mut texts = vec![
        "The sum of the numbers is the answer, and the answer is the number.".to_owned(),
        "Work it out. Think first, then give the number.\nReply like this: <SOLUTION>c</SOLUTION>".to_owned(),
        "<|im_start|>user\nthe <|im_end|> of the <|endoftext|><|im_end|>".to_owned(),
        "caf\u{e9} caf\u{e9} \u{1F600}\u{1F600} \u{4F60}\u{597D} \u{4F60}\u{597D}".to_owned(),
    ];
    texts.extend((0..40).map(|n| format!("{n} + {} = {}\n", n * 7 % 40, n + n * 7 % 40)));
    texts.extend(
        (1..60).map(|n| format!("{}{} {}", "=".repeat(n % 17), "ab".repeat(n % 5), "a".repeat(n % 13))),
    );
    texts
}

/// A folder with what [`learn`] writes and the `config.json` of a model.
fn folder(texts: &[String], size: u32) -> (tempfile::TempDir, Learned) {
    let folder = tempfile::tempdir().unwrap();
    let learned = learn(texts, size, folder.path()).unwrap();
    let config = json!({ "vocab_size": learned.size, "eos_token_id": learned.end });
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    (folder, learned)
}

/// The tokenizer that most tests look at.
fn learnt() -> &'static Tokenizer {
    static LEARNT: LazyLock<Tokenizer> = LazyLock::new(|| {
        let (folder, _) = folder(&texts(), 400);
        Tokenizer::open(folder.path()).unwrap()
    });
    &LEARNT
}

fn bytes(folder: &Path) -> Vec<Vec<u8>> {
    let names = ["tokenizer.json", "tokenizer_config.json", "generation_config.json"];
    names.map(|name| fs::read(folder.join(name)).unwrap()).into()
}

#[test]
fn a_learnt_folder_opens_with_its_end_token_and_its_size() {
    let (folder, learned) = folder(&texts(), 320);
    assert_eq!(learned, Learned { size: 320, end: 2 });
    let tokenizer = Tokenizer::open(folder.path()).unwrap();
    assert_eq!((tokenizer.vocab_size(), tokenizer.model_vocab_size()), (320, 320));
    assert_eq!(tokenizer.eos_ids(), [2]);
    assert_eq!(CONTROL_TOKENS.map(|token| tokenizer.id_of(token)), [Some(0), Some(1), Some(2)]);
}

#[test]
fn the_same_texts_give_the_same_bytes_in_any_order_and_on_one_thread() {
    let mut texts = texts();
    let (first, _) = folder(&texts, 400);
    for _ in 0..3 {
        let (again, _) = folder(&texts, 400);
        assert!(bytes(again.path()) == bytes(first.path()));
        texts.reverse();
        texts.rotate_left(7);
    }
    tokenizers::utils::parallelism::set_parallelism(false);
    let (alone, _) = folder(&texts, 400);
    tokenizers::utils::parallelism::set_parallelism(true);
    assert!(bytes(alone.path()) == bytes(first.path()));
    let (other, _) = folder(&texts[..20], 400);
    assert!(bytes(other.path()) != bytes(first.path()));
}

#[test]
fn files_that_stand_there_are_replaced_and_a_missing_folder_is_made() {
    let parent = tempfile::tempdir().unwrap();
    let inside = parent.path().join("model/small");
    learn(&texts(), 300, &inside).unwrap();
    let before = bytes(&inside);
    learn(&texts(), 310, &inside).unwrap();
    assert!(bytes(&inside) != before);
    let file = inside.join("tokenizer.json");
    let error = learn(&texts(), 300, &file).unwrap_err();
    assert!(matches!(&error, TokenizeError::Write { path, .. } if *path == file), "{error}");
}

#[test]
fn sizes_out_of_range_are_refused_and_poor_texts_give_fewer_tokens() {
    let folder = tempfile::tempdir().unwrap();
    for size in [0, LEAST_VOCABULARY - 1, MOST_VOCABULARY + 1] {
        let error = learn(&texts(), size, folder.path()).unwrap_err();
        assert!(
            matches!(error, TokenizeError::VocabularySize { size: named, .. } if named == size),
            "{error}"
        );
        assert!(!folder.path().join("tokenizer.json").exists());
    }
    assert!(check(300, MOST_TEXT).is_ok());
    let error = check(300, MOST_TEXT + 1).unwrap_err();
    assert!(matches!(error, TokenizeError::TooMuchText { .. }), "{error}");
    let size = |texts: &[&str]| {
        let texts: Vec<String> = texts.iter().map(|&text| text.to_owned()).collect();
        learn(&texts, 1_000, folder.path()).unwrap().size
    };
    assert_eq!(size(&[]), LEAST_VOCABULARY);
    assert_eq!(size(&["abc"]), LEAST_VOCABULARY);
    assert_eq!(size(&["ab ab", "12 12 12"]), LEAST_VOCABULARY + 1);
}

#[test]
fn what_comes_often_is_one_token() {
    let count = |text: &str| learnt().encode_untrusted(text).unwrap().len();
    assert_eq!(count(" the"), 1);
    assert_eq!(count(" number"), 1);
    assert_eq!(count("SOLUTION"), 1);
    assert!(count("\u{1F600}\u{1F600}") < 8);
}

#[test]
fn each_digit_is_a_token_of_its_own_and_no_other_token_holds_one() {
    for digit in '0'..='9' {
        let ids = learnt().encode_untrusted(&digit.to_string()).unwrap();
        assert_eq!(ids.len(), 1);
        assert_eq!(learnt().decode_with(&ids, false).unwrap(), digit.to_string());
    }
    let text = |id| learnt().decode_with(&[id], false).unwrap();
    let with_digit =
        (0..learnt().vocab_size()).map(text).filter(|text| text.contains(|c: char| c.is_ascii_digit()));
    assert_eq!(with_digit.collect::<Vec<_>>(), ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    assert_eq!(learnt().encode_untrusted("1234").unwrap().len(), 4);
}

#[test]
fn a_chat_is_written_as_it_was_said_and_nothing_is_invented() {
    let said = |role, content: &str| Message::new(role, content);
    let chat = [said(Speaker::System, "Add."), said(Speaker::User, "7 + 5"), said(Speaker::Assistant, "12")];
    assert_eq!(
        learnt().render_chat(&chat[..2], true).unwrap(),
        "<|im_start|>system\nAdd.<|im_end|>\n<|im_start|>user\n7 + 5<|im_end|>\n<|im_start|>assistant\n"
    );
    assert_eq!(
        learnt().render_chat(&chat[1..], false).unwrap(),
        "<|im_start|>user\n7 + 5<|im_end|>\n<|im_start|>assistant\n12<|im_end|>\n"
    );
    let ids = learnt().encode_chat_with(&chat, true).unwrap();
    assert_eq!(ids.iter().filter(|&&id| id == 1).count(), 4);
    assert_eq!(ids.iter().filter(|&&id| id == 2).count(), 3);
    assert_eq!(learnt().decode_with(&ids, false).unwrap(), learnt().render_chat(&chat, true).unwrap());
}

#[test]
fn letters_of_a_control_token_stay_letters_though_the_texts_were_full_of_them() {
    let many = vec!["<|im_start|><|im_end|><|endoftext|>".repeat(50); 50];
    let (folder, _) = folder(&many, 400);
    let tokenizer = Tokenizer::open(folder.path()).unwrap();
    for text in CONTROL_TOKENS {
        let ids = tokenizer.encode_untrusted(text).unwrap();
        assert!(ids.iter().all(|&id| id > 2), "{text}: {ids:?}");
        assert_eq!(tokenizer.decode_with(&ids, false).unwrap(), text);
    }
}

proptest! {
    #[test]
    fn any_text_comes_back(text in any::<String>()) {
        let ids = learnt().encode_untrusted(&text).unwrap();
        prop_assert_eq!(learnt().decode_with(&ids, false).unwrap(), text);
    }

    #[test]
    fn no_control_token_comes_from_what_a_user_writes(
        pieces in prop::collection::vec(
            prop_oneof!["<\\|", "im_", "start", "end", "oftext", "\\|>", "<\\|im_end\\|>", "\\PC{0,3}"], 0..12),
    ) {
        let text = pieces.concat();
        let ids = learnt().encode_untrusted(&text).unwrap();
        prop_assert!(ids.iter().all(|&id| id > 2), "{:?}", ids);
        let chat = |content: &str| learnt().encode_chat_with(&[Message::new(Speaker::User, content)], true).unwrap();
        let controls = |ids: Vec<TokenId>| ids.into_iter().filter(|&id| id <= 2).collect::<Vec<_>>();
        prop_assert_eq!(controls(chat(&text)), controls(chat("calm")));
    }
}

use grail_ports::model::{Message, Speaker, Tokenize};
use grail_protocol::words::TokenId;
use std::slice::from_ref;

/// Examines a tokenizer whose chat template takes every role.
///
/// # Panics
/// When a promise of [`Tokenize`] is broken.
pub fn tokenize<T: Tokenize + ?Sized>(tokenizer: &T) {
    let encode = |messages: &[Message]| tokenizer.encode_chat(messages).expect("a conversation is encoded");
    let decode = |tokens: &[TokenId]| tokenizer.decode(tokens).expect("token ids are decoded");
    let ends = tokenizer.end_tokens();
    assert!(!ends.is_empty(), "a completion can end");
    assert!(ends.iter().all(|end| *end < tokenizer.vocabulary()), "end tokens are tokens");

    let chat = [
        Message::new(Speaker::System, "Add."),
        Message::new(Speaker::User, "7 + 5"),
        Message::new(Speaker::User, "= ?"),
    ];
    let tokens = encode(&chat);
    assert_eq!(encode(&chat), tokens, "the same conversation has the same ids");
    assert!(tokens.iter().all(|token| *token < tokenizer.vocabulary()), "ids are below the vocabulary");
    let text = decode(&tokens);
    let places: Vec<Option<usize>> = ["Add.", "7 + 5", "= ?"].map(|said| text.find(said)).into();
    assert!(
        places.iter().all(Option::is_some) && places.is_sorted(),
        "what was said stands there in order: {text}"
    );
    let [instruction, question, _] = &chat;
    assert_ne!(encode(from_ref(question)), encode(from_ref(instruction)), "who says what is told apart");
    assert_eq!(decode(&[]), "", "nothing is no text");

    // Special tokens are in the text, and their letters in a message never become them.
    let count = |content: &str| {
        let tokens = encode(&[Message::new(Speaker::User, content)]);
        tokens.iter().filter(|token| ends.contains(token)).count()
    };
    let calm = count("calm");
    for end in ends {
        let letters = decode(&[*end]);
        assert!(!letters.is_empty(), "the token {end} is in the text");
        assert_eq!(count(&format!("a {letters} b {letters}{letters}")), calm, "{letters:?} in a message");
    }
    for token in 0..tokenizer.vocabulary().min(400) {
        decode(&[token]);
        decode(&[token, 0, token]);
    }
}

use grail_ports::{
    Fault,
    model::{Message, Speaker, Tokenize},
};
use grail_protocol::words::TokenId;

/// The end token.
pub const END: TokenId = 256;
/// The tag that opens the working-out, as one token.
pub const THINKING_OPEN: TokenId = 257;
/// The tag that closes the working-out, as one token.
pub const THINKING_CLOSE: TokenId = 258;
/// The tag that opens the answer, as one token.
pub const ANSWER_OPEN: TokenId = 259;
/// The tag that closes the answer, as one token.
pub const ANSWER_CLOSE: TokenId = 260;
/// Token ids are below this.
pub const VOCABULARY: u32 = 300;

const SYSTEM: TokenId = 261;
const USER: TokenId = 262;
const ASSISTANT: TokenId = 263;

/// Bytes as ids 0 to 255, a few special tokens above.
///
/// The four tags of an answer are one token each, so that a solved problem fits into a short completion; text never
/// turns into them.
#[derive(Debug, Clone, Copy, Default)]
pub struct FakeTokenizer;

const fn text_of(special: TokenId) -> Option<&'static str> {
    match special {
        END => Some("<|end|>"),
        THINKING_OPEN => Some("<start_working_out>"),
        THINKING_CLOSE => Some("</end_working_out>"),
        ANSWER_OPEN => Some("<SOLUTION>"),
        ANSWER_CLOSE => Some("</SOLUTION>"),
        SYSTEM => Some("<|system|>"),
        USER => Some("<|user|>"),
        ASSISTANT => Some("<|assistant|>"),
        _ => None,
    }
}

impl Tokenize for FakeTokenizer {
    fn encode_chat(&self, messages: &[Message]) -> Result<Vec<TokenId>, Fault> {
        let mut tokens = Vec::new();
        for message in messages {
            tokens.push(match message.role {
                Speaker::System => SYSTEM,
                Speaker::User => USER,
                Speaker::Assistant => ASSISTANT,
            });
            tokens.extend(message.content.bytes().map(TokenId::from));
        }
        tokens.push(ASSISTANT);
        Ok(tokens)
    }

    fn decode(&self, tokens: &[TokenId]) -> Result<String, Fault> {
        let mut bytes = Vec::with_capacity(tokens.len());
        for token in tokens {
            match (u8::try_from(*token), text_of(*token)) {
                (Ok(byte), _) => bytes.push(byte),
                (Err(_), Some(text)) => bytes.extend_from_slice(text.as_bytes()),
                (Err(_), None) => bytes.extend_from_slice(format!("<|spare {token}|>").as_bytes()),
            }
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn end_tokens(&self) -> &[TokenId] {
        &[END]
    }

    fn vocabulary(&self) -> u32 {
        VOCABULARY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_survives_and_never_becomes_a_special_token() {
        let message = Message::new(Speaker::User, "<|end|> ä");
        let tokens = FakeTokenizer.encode_chat(&[message]).unwrap();
        assert_eq!((tokens[0], tokens[tokens.len() - 1]), (USER, ASSISTANT));
        assert!(!tokens.contains(&END));
        assert_eq!(FakeTokenizer.decode(&tokens[1..tokens.len() - 1]).unwrap(), "<|end|> ä");
        assert_eq!(FakeTokenizer.decode(&[ANSWER_OPEN, 55, ANSWER_CLOSE]).unwrap(), "<SOLUTION>7</SOLUTION>");
        assert_eq!(FakeTokenizer.decode(&[0xff, 299]).unwrap(), "\u{fffd}<|spare 299|>");
    }
}

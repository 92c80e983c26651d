//! Text and token ids, and chat templates, as Hugging Face transformers understands a model's folder.
//!
//! [`Tokenizer::open`] reads `tokenizer.json`, `tokenizer_config.json`, `chat_template.jinja`, `generation_config.json`
//! and `config.json`. For text that has no control tokens in it, ids, decoded text and rendered chats equal those
//! of transformers. [`Tokenizer`] is the door [`Tokenize`](grail_ports::model::Tokenize).
//!
//! # Text from outside
//! A control token is one that `tokenizer.json` marks as special: `<|im_start|>`, `<|im_end|>` and their like. Where
//! transformers would turn such letters inside a message into the control token, [`Tokenizer::encode_chat_with`] and
//! [`Tokenizer::encode_untrusted`] turn them into the tokens of those letters. So nobody can end a turn or open a new one
//! by writing a message. Tokens that are added to the vocabulary without being special, such as Qwen's `<think>`, mean the
//! same wherever they come from.
//!
//! How: before rendering, each control token in a message is broken by a mark, a private-use character that occurs in
//! no message and not in the template. A message's end is marked too where it could become the beginning of a control
//! token, and its beginning where it could become an end. The rendered text is cut at its whole control tokens, which are
//! the template's own; the marks are taken out of what lies between, and that is encoded with the control tokens switched
//! off. Since transformers also encodes what lies between control tokens piece by piece, all merges across the border
//! of a message and the template's words happen as they do there.
//!
//! What this trusts the template with: to print a message's pieces in one run or with its own words between them. A template
//! that cuts a message into pieces and joins them without their middle could still build a control token.
//! Trimming a message is provided for.
//!
//! # Dates
//! Templates may ask for today's date through `strftime_now`. That name is left undefined here, because the miner and the
//! validator must derive the same prompt at different times; published templates then fall back to a fixed date.
//!
//! # New tokenizers
//! [`learn()`] makes the tokenizer of a small model from texts and writes the files that [`Tokenizer::open`] reads.

mod control;
mod error;
mod folder;
mod jinja;
mod learn;
mod template;
#[cfg(test)]
mod tests;
mod tokenizer;

pub use error::TokenizeError;
pub use learn::{CONTROL_TOKENS, LEAST_VOCABULARY, Learned, MOST_VOCABULARY, learn};
pub use tokenizer::Tokenizer;

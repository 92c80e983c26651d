//! Making a small tokenizer from texts, for a model that is trained from nothing.
//!
//! The tokenizer is of the kind that SmolLM2 has: byte-level, so that every text has tokens; each digit a token of its
//! own, so that a small model sees numbers as we write them; turns of a chat in ChatML. Unlike there, the template
//! adds no system message that nobody wrote.

use std::fs;
use std::path::Path;

use grail_protocol::words::TokenId;
use serde_json::{Value, json};
use tokenizers::AddedToken;
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;

use crate::TokenizeError;

/// The control tokens: end of a text (and filler), begin of a turn, end of a turn. Their ids are 0, 1 and 2.
pub const CONTROL_TOKENS: [&str; 3] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];

/// The id that ends a turn, and so a completion.
const END: TokenId = 2;

/// The smallest vocabulary: control tokens and bytes.
pub const LEAST_VOCABULARY: u32 = 3 + 256;

/// The largest vocabulary that is learnt.
pub const MOST_VOCABULARY: u32 = 1 << 16;

/// Most bytes of texts that are learnt from: the trainer counts pairs in 32 bits with a sign.
const MOST_TEXT: usize = 1 << 30;

const TEMPLATE: &str = "\
{% for message in messages %}\
{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}\
{% endfor %}\
{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/// What [`learn`] made, for the `config.json` of a model that goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Learned {
    /// Tokens of the vocabulary; the model's table needs as many rows.
    pub size: u32,
    /// The id that ends a completion.
    pub end: TokenId,
}

/// Learns a vocabulary of `size` tokens from texts and writes `tokenizer.json`, `tokenizer_config.json` and
/// `generation_config.json` into a model's folder, which is made if it is not there; files of these names are replaced.
///
/// With a `config.json` beside them, [`Tokenizer::open`](crate::Tokenizer::open) opens the folder. The vocabulary is
/// smaller than asked for when the texts have too few pairs that come twice; [`Learned::size`] says how large it is.
/// The same texts and size give the same bytes, in whatever order the texts come and on however many threads.
///
/// # Errors
/// A size outside [`LEAST_VOCABULARY`] to [`MOST_VOCABULARY`]; more than a gibibyte of texts; a folder or file that
/// cannot be written; a failure of the tokenizer library.
pub fn learn(texts: &[String], size: u32, folder: &Path) -> Result<Learned, TokenizeError> {
    check(size, texts.iter().map(String::len).sum())?;
    let library = |source| TokenizeError::Learn { source };
    let mut tokenizer = untaught();
    tokenizer.train(&mut trainer(size), texts.iter()).map_err(library)?;
    let rows = tokenizer.get_vocab_size(true);
    let learned = Learned { size: u32::try_from(rows).unwrap_or(size), end: END };
    let tokenizer = tokenizer.to_string(true).map_err(library)?;

    fs::create_dir_all(folder).map_err(|source| TokenizeError::Write { path: folder.to_owned(), source })?;
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        fs::write(&path, text + "\n").map_err(|source| TokenizeError::Write { path, source })
    };
    write("tokenizer.json", tokenizer)?;
    write("tokenizer_config.json", pretty(&about()))?;
    write("generation_config.json", pretty(&json!({ "eos_token_id": END, "pad_token_id": 0 })))?;
    Ok(learned)
}

/// Refuses what the trainer would not survive or could not count.
fn check(size: u32, bytes: usize) -> Result<(), TokenizeError> {
    if !(LEAST_VOCABULARY..=MOST_VOCABULARY).contains(&size) {
        return Err(TokenizeError::VocabularySize { size, least: LEAST_VOCABULARY, most: MOST_VOCABULARY });
    }
    if bytes > MOST_TEXT {
        return Err(TokenizeError::TooMuchText { bytes, most: MOST_TEXT });
    }
    Ok(())
}

/// A tokenizer without tokens. It cuts a text at each digit and into words before it looks for tokens.
fn untaught() -> tokenizers::Tokenizer {
    // No space is added before a text.
    let bytes = || ByteLevel::new(false, true, true);
    let mut tokenizer = tokenizers::Tokenizer::new(BPE::default());
    tokenizer
        .with_pre_tokenizer(Some(Sequence::new(vec![Digits::new(true).into(), bytes().into()])))
        .with_decoder(Some(bytes()));
    tokenizer
}

/// Control tokens first, then every byte, then the pairs that come most often; of equal ones that with smaller ids.
fn trainer(size: u32) -> TrainerWrapper {
    let trainer = BpeTrainer::builder()
        .show_progress(false)
        .vocab_size(size as usize)
        .min_frequency(2)
        .special_tokens(CONTROL_TOKENS.map(|text| AddedToken::from(text, true)).into())
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    TrainerWrapper::BpeTrainer(trainer)
}

fn about() -> Value {
    let [filler, _, end] = CONTROL_TOKENS;
    json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": end,
        "pad_token": filler,
        "clean_up_tokenization_spaces": false,
        "chat_template": TEMPLATE,
    })
}

fn pretty(value: &Value) -> String {
    format!("{value:#}")
}

#[cfg(test)]
mod tests;

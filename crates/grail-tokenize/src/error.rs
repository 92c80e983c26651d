use std::path::PathBuf;

use grail_protocol::words::TokenId;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a tokenizer cannot be opened, used or made.
#[derive(Debug, thiserror::Error)]
pub enum TokenizeError {
    /// The model's folder is not there.
    #[error("there is no model folder {}", path.display())]
    MissingFolder {
        /// The folder asked for.
        path: PathBuf,
    },
    /// The folder lacks a file that every model needs.
    #[error("the model folder lacks {}", path.display())]
    MissingFile {
        /// The file looked for.
        path: PathBuf,
    },
    /// A file is there and cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is larger than any such file should be.
    #[error("{} is larger than {most} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Most bytes that are read.
        most: u64,
    },
    /// A file is not the JSON it should be.
    #[error("{} is not understood", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: serde_json::Error,
    },
    /// `tokenizer.json` does not describe a tokenizer.
    #[error("{} does not describe a tokenizer", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What the tokenizer library said.
        source: Cause,
    },
    /// A control token whose text cannot be kept apart from ordinary text.
    #[error("the control token {token:?} is not supported: {reason}")]
    ControlToken {
        /// Its text.
        token: String,
        /// What is unusual about it.
        reason: &'static str,
    },
    /// The tokenizer has an id that the model's table of embeddings has not.
    #[error(
        "the token {token:?} of tokenizer.json has the id {id}, which lies outside the model's vocabulary of {model} \
         (vocab_size of config.json): remove the token, or mark it as special if no prompt needs it"
    )]
    VocabularyTooLarge {
        /// The token's text.
        token: String,
        /// Its id.
        id: TokenId,
        /// Rows of the model's table, from `config.json`.
        model: u32,
    },
    /// A control token without a row in the model's table is in a prompt, or ends texts.
    #[error(
        "the token {token:?} has the id {id}, and the model's table has {rows} rows (vocab_size of config.json): neither \
         the chat template nor eos_token_id can use it"
    )]
    BeyondTable {
        /// The token's text.
        token: String,
        /// Its id.
        id: TokenId,
        /// Rows of the model's table.
        rows: u32,
    },
    /// `generation_config.json` is there and names no end token, and `config.json` does.
    #[error(
        "generation_config.json names no eos_token_id, so that transformers ends no text, and config.json names one: name it \
         in generation_config.json"
    )]
    EndTokenContradicted,
    /// Two files differ in whether a token is special.
    #[error(
        "tokenizer.json and the added_tokens_decoder of tokenizer_config.json differ in whether the token {token:?} is \
         special: make them agree"
    )]
    TokenContradicted {
        /// The token's text.
        token: String,
    },
    /// No file of the folder says which token ends a text.
    #[error(
        "no end token: neither generation_config.json nor config.json nor tokenizer_config.json names one"
    )]
    NoEndToken,
    /// The end token's text is not in the vocabulary.
    #[error("the end token {token:?} is not in the vocabulary")]
    UnknownEndToken {
        /// Its text.
        token: String,
    },
    /// The end token's id is not in the vocabulary.
    #[error("the end token's id {id} is not in the vocabulary")]
    EndTokenOutsideVocabulary {
        /// The id.
        id: TokenId,
    },
    /// The folder has no chat template.
    #[error("the model folder has no chat template")]
    NoTemplate,
    /// Several templates, none of which is the default one.
    #[error("none of the model's chat templates is named default")]
    NoDefaultTemplate,
    /// A default template in a folder of the folder, which transformers would take and a checkpoint does not carry.
    #[error("{} would be the chat template, and checkpoints carry no folders: make it chat_template.jinja", path.display())]
    HiddenTemplate {
        /// The file.
        path: PathBuf,
    },
    /// The chat template is not a template.
    #[error("the chat template is malformed")]
    TemplateSyntax {
        /// Where and why.
        source: Cause,
    },
    /// The chat template cannot be rendered for these messages, or refuses them.
    #[error("the chat template cannot be rendered")]
    Render {
        /// What the template said.
        source: Cause,
    },
    /// The messages use every private-use character there is, so that none is left to mark control tokens with.
    #[error("the messages hold every private-use character")]
    NoMarkLeft,
    /// The tokenizer library failed on a text.
    #[error("the text cannot be encoded")]
    Encode {
        /// What it said.
        source: Cause,
    },
    /// The tokenizer library failed on ids.
    #[error("the ids cannot be decoded")]
    Decode {
        /// What it said.
        source: Cause,
    },
    /// A vocabulary to be learnt is too small to hold every byte, or larger than any that is learnt.
    #[error("a vocabulary of {size} tokens cannot be learnt; {least} to {most} can")]
    VocabularySize {
        /// Tokens asked for.
        size: u32,
        /// Fewest tokens.
        least: u32,
        /// Most tokens.
        most: u32,
    },
    /// More text than a vocabulary is learnt from.
    #[error("{bytes} bytes of text are too much to learn from; at most {most} can be")]
    TooMuchText {
        /// Bytes of all texts.
        bytes: usize,
        /// Most bytes.
        most: usize,
    },
    /// The tokenizer library failed on texts to be learnt from, or on what was learnt.
    #[error("the vocabulary cannot be learnt")]
    Learn {
        /// What it said.
        source: Cause,
    },
    /// A file or folder cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

//! The files of a model's folder that concern text.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use grail_protocol::words::TokenId;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::TokenizeError;

/// The largest published tokenizers take about 30 MB.
const MOST_TOKENIZER_BYTES: u64 = 256 << 20;
const MOST_CONFIG_BYTES: u64 = 16 << 20;

/// A model's folder, known to be there.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

/// What is read of `tokenizer_config.json`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct TokenizerConfig {
    pub(crate) bos_token: Option<NamedToken>,
    pub(crate) eos_token: Option<NamedToken>,
    pub(crate) unk_token: Option<NamedToken>,
    pub(crate) pad_token: Option<NamedToken>,
    #[serde(default)]
    pub(crate) clean_up_tokenization_spaces: bool,
    pub(crate) chat_template: Option<Templates>,
}

/// A token by its text, bare or with its properties around it.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum NamedToken {
    Bare(String),
    Described { content: String },
}

impl NamedToken {
    pub(crate) fn text(&self) -> &str {
        let (Self::Bare(text) | Self::Described { content: text }) = self;
        text
    }
}

/// One template, or several by name.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Templates {
    One(String),
    Several(Vec<NamedTemplate>),
}

#[derive(Debug, Deserialize)]
pub(crate) struct NamedTemplate {
    name: String,
    template: String,
}

/// What is read of `generation_config.json` and `config.json`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ModelConfig {
    pub(crate) eos_token_id: Option<Ids>,
    pub(crate) vocab_size: Option<u32>,
    pub(crate) max_position_embeddings: Option<u32>,
}

/// One id or a list of them.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Ids {
    One(TokenId),
    Several(Vec<TokenId>),
}

impl Ids {
    pub(crate) fn into_vec(self) -> Vec<TokenId> {
        match self {
            Self::One(id) => vec![id],
            Self::Several(ids) => ids,
        }
    }
}

impl Folder {
    pub(crate) fn open(path: &Path) -> Result<Self, TokenizeError> {
        if !path.is_dir() {
            return Err(TokenizeError::MissingFolder { path: path.to_owned() });
        }
        Ok(Self(path.to_owned()))
    }

    /// Path and bytes of `tokenizer.json`.
    pub(crate) fn tokenizer(&self) -> Result<(PathBuf, Vec<u8>), TokenizeError> {
        let path = self.0.join("tokenizer.json");
        match read(&path, MOST_TOKENIZER_BYTES)? {
            Some(bytes) => Ok((path, bytes)),
            None => Err(TokenizeError::MissingFile { path }),
        }
    }

    pub(crate) fn tokenizer_config(&self) -> Result<TokenizerConfig, TokenizeError> {
        self.json("tokenizer_config.json")
    }

    pub(crate) fn generation_config(&self) -> Result<ModelConfig, TokenizeError> {
        self.json("generation_config.json")
    }

    pub(crate) fn config(&self) -> Result<ModelConfig, TokenizeError> {
        self.json("config.json")
    }

    /// The chat template: `chat_template.jinja` wins over the one in `tokenizer_config.json`, as in transformers.
    pub(crate) fn template(&self, config: &mut TokenizerConfig) -> Result<Option<String>, TokenizeError> {
        let path = self.0.join("chat_template.jinja");
        if let Some(bytes) = read(&path, MOST_CONFIG_BYTES)? {
            let text = String::from_utf8(bytes)
                .map_err(|source| TokenizeError::TemplateSyntax { source: source.into() })?;
            return Ok(Some(text));
        }
        match config.chat_template.take() {
            None => Ok(None),
            Some(Templates::One(text)) => Ok(Some(text)),
            Some(Templates::Several(all)) => {
                let default = all.into_iter().find(|one| one.name == "default");
                default.map(|one| Some(one.template)).ok_or(TokenizeError::NoDefaultTemplate)
            }
        }
    }

    /// A JSON file; its defaults when it is not there.
    fn json<T: DeserializeOwned + Default>(&self, name: &str) -> Result<T, TokenizeError> {
        let path = self.0.join(name);
        match read(&path, MOST_CONFIG_BYTES)? {
            None => Ok(T::default()),
            Some(bytes) => {
                serde_json::from_slice(&bytes).map_err(|source| TokenizeError::Json { path, source })
            }
        }
    }
}

/// A whole file of at most `most` bytes; nothing when there is none.
fn read(path: &Path, most: u64) -> Result<Option<Vec<u8>>, TokenizeError> {
    let failed = |source| TokenizeError::Read { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > most {
        return Err(TokenizeError::TooLarge { path: path.to_owned(), most });
    }
    Ok(Some(bytes))
}

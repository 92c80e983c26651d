//! The files of a model's folder that concern text.

use std::collections::BTreeMap;
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
    #[serde(default)]
    pub(crate) clean_up_tokenization_spaces: bool,
    pub(crate) chat_template: Option<Templates>,
    /// Tokens by id, as tools before transformers 5 list them.
    added_tokens_decoder: Option<BTreeMap<String, AddedToken>>,
    extra_special_tokens: Option<ExtraTokens>,
    additional_special_tokens: Option<Vec<NamedToken>>,
    /// The rest, among it `bos_token` and its like.
    #[serde(flatten)]
    rest: BTreeMap<String, serde_json::Value>,
}

/// Tokens without a name of their own, or with one.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum ExtraTokens {
    Listed(Vec<NamedToken>),
    Named(BTreeMap<String, NamedToken>),
}

/// A token with its properties.
#[derive(Debug, Clone, Deserialize)]
struct AddedToken {
    content: String,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    normalized: Option<bool>,
    #[serde(default)]
    special: bool,
}

/// Names that every tokenizer of transformers has for special tokens, in its order.
const NAMED_TOKENS: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

impl TokenizerConfig {
    /// The special tokens by name, as templates may print them: first those that every tokenizer has.
    pub(crate) fn named_tokens(&self) -> Vec<(String, String)> {
        let text = |value: &serde_json::Value| {
            serde_json::from_value::<Option<NamedToken>>(value.clone()).ok().flatten()
        };
        let mut named: Vec<_> = NAMED_TOKENS
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), text(self.rest.get(name)?)?.text().to_owned())))
            .collect();
        let own = |name: &str| name.ends_with("_token") && !NAMED_TOKENS.contains(&name);
        for (name, value) in self.rest.iter().filter(|(name, value)| own(name) && value.is_string()) {
            named.extend(value.as_str().map(|text| (name.clone(), text.to_owned())));
        }
        if let Some(ExtraTokens::Named(more)) = &self.extra_special_tokens {
            named.extend(more.iter().map(|(name, token)| (name.clone(), token.text().to_owned())));
        }
        named
    }

    /// The tokens that are listed with their properties, by id.
    pub(crate) fn listed_tokens(&self) -> Vec<tokenizers::AddedToken> {
        let listed = self.added_tokens_decoder.iter().flatten();
        let mut listed: Vec<_> =
            listed.filter_map(|(id, token)| Some((id.parse::<TokenId>().ok()?, token))).collect();
        listed.sort_by_key(|(id, _)| *id);
        listed.into_iter().map(|(_, token)| token.as_added()).collect()
    }

    /// The tokens that are special because they have a name, or are called so, in transformers' order.
    pub(crate) fn special_tokens(&self) -> Vec<tokenizers::AddedToken> {
        let extra = match &self.extra_special_tokens {
            Some(ExtraTokens::Listed(extra)) if !extra.is_empty() => Some(extra),
            Some(ExtraTokens::Named(extra)) if !extra.is_empty() => None,
            _ => self.additional_special_tokens.as_ref(),
        };
        let extra = extra.into_iter().flatten().map(|token| token.text().to_owned());
        let named = self.named_tokens().into_iter().map(|(_, text)| text);
        named.chain(extra).map(|text| tokenizers::AddedToken::from(text, true)).collect()
    }

    /// Whether a file of the years before is asked for names.
    fn wants_map(&self) -> bool {
        self.added_tokens_decoder.is_none()
    }
}

impl AddedToken {
    fn as_added(&self) -> tokenizers::AddedToken {
        tokenizers::AddedToken::from(self.content.clone(), self.special)
            .single_word(self.single_word)
            .lstrip(self.lstrip)
            .rstrip(self.rstrip)
            .normalized(self.normalized.unwrap_or(!self.special))
    }
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
    ByName(BTreeMap<String, String>),
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

    /// `tokenizer_config.json`, over which transformers lays `special_tokens_map.json` where it lists no added tokens.
    pub(crate) fn tokenizer_config(&self) -> Result<TokenizerConfig, TokenizeError> {
        let mut config: TokenizerConfig = self.json("tokenizer_config.json")?;
        if config.wants_map() {
            let map: BTreeMap<String, serde_json::Value> = self.json("special_tokens_map.json")?;
            let names = map.into_iter().filter(|(name, value)| name.ends_with("_token") && !value.is_null());
            config.rest.extend(names);
        }
        Ok(config)
    }

    /// `generation_config.json`, where there is one.
    pub(crate) fn generation_config(&self) -> Result<Option<ModelConfig>, TokenizeError> {
        if self.0.join("generation_config.json").exists() {
            return self.json("generation_config.json").map(Some);
        }
        Ok(None)
    }

    pub(crate) fn config(&self) -> Result<ModelConfig, TokenizeError> {
        self.json("config.json")
    }

    /// The chat template. As in transformers, files win over `tokenizer_config.json`: `chat_template.jinja`, and what lies in
    /// `additional_chat_templates`. A default there would win over both, and is refused: a checkpoint has no folders in it.
    pub(crate) fn template(&self, config: &mut TokenizerConfig) -> Result<Option<String>, TokenizeError> {
        let text = |bytes: Vec<u8>| {
            String::from_utf8(bytes).map_err(|source| TokenizeError::TemplateSyntax { source: source.into() })
        };
        let more = self.0.join("additional_chat_templates");
        let hidden = more.join("default.jinja");
        if hidden.exists() {
            return Err(TokenizeError::HiddenTemplate { path: hidden });
        }
        if let Some(bytes) = read(&self.0.join("chat_template.jinja"), MOST_CONFIG_BYTES)? {
            return text(bytes).map(Some);
        }
        if holds_templates(&more)? {
            // These alone replace what tokenizer_config.json says.
            return Err(TokenizeError::NoDefaultTemplate);
        }
        match config.chat_template.take() {
            None => Ok(None),
            Some(Templates::One(text)) => Ok(Some(text)),
            Some(Templates::Several(all)) => {
                // Of two of one name, the later.
                let default = all.into_iter().rev().find(|one| one.name == "default");
                default.map(|one| Some(one.template)).ok_or(TokenizeError::NoDefaultTemplate)
            }
            Some(Templates::ByName(mut all)) => {
                all.remove("default").map(Some).ok_or(TokenizeError::NoDefaultTemplate)
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

/// Whether a folder holds a template.
fn holds_templates(folder: &Path) -> Result<bool, TokenizeError> {
    let failed = |source| TokenizeError::Read { path: folder.to_owned(), source };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(false);
        }
        Err(error) => return Err(failed(error)),
    };
    for entry in entries {
        if entry.map_err(failed)?.path().extension().is_some_and(|extension| extension == "jinja") {
            return Ok(true);
        }
    }
    Ok(false)
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

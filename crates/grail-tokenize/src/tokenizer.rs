use std::collections::BTreeMap;
use std::path::Path;

use grail_ports::model::{Message, Tokenize};
use grail_ports::{Door, Fault, Retry};
use grail_protocol::words::TokenId;
use tokenizers::normalizers::NormalizerWrapper;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::metaspace::PrependScheme;
use tokenizers::{NormalizedString, Normalizer as _};

use crate::TokenizeError;
use crate::control::{Control, Piece};
use crate::folder::{Folder, Ids, ModelConfig, TokenizerConfig};
use crate::template::{ChatTemplate, Turn};

/// A model's way from text to token ids and back, with its chat template and its end tokens.
#[derive(Debug)]
pub struct Tokenizer {
    /// Turns the letters of a control token into that token.
    whole: tokenizers::Tokenizer,
    /// The same, with control tokens switched off: their letters are ordinary text.
    plain: tokenizers::Tokenizer,
    /// The same for what does not begin the prompt, where the tokenizer treats the beginning in its own way (Metaspace with
    /// the prepend scheme `first`).
    inner: Option<tokenizers::Tokenizer>,
    control: Control,
    template: Option<ChatTemplate>,
    end: Vec<TokenId>,
    vocab_size: u32,
    model_vocab_size: u32,
    context_length: Option<u32>,
    /// Control tokens whose ids lie beyond the model's table, by id.
    beyond: BTreeMap<TokenId, String>,
    clean_up: bool,
}

impl Tokenizer {
    /// Opens the tokenizer of a model's folder.
    ///
    /// # Errors
    /// A missing or damaged file; a tokenizer with ids beyond the model's table, save control tokens, which only the template
    /// could write; end tokens that are missing, contradicted or not in the vocabulary; a chat template that does not
    /// compile. A folder without a chat template opens, and only rendering a chat fails.
    pub fn open(folder: &Path) -> Result<Self, TokenizeError> {
        let folder = Folder::open(folder)?;
        let (path, bytes) = folder.tokenizer()?;
        let mut whole = tokenizers::Tokenizer::from_bytes(bytes)
            .map_err(|source| TokenizeError::Malformed { path, source })?;
        // A file may carry the lengths that its makers trained with; nothing here is cut or filled up.
        whole.with_padding(None);
        whole.with_truncation(None).map_err(|source| TokenizeError::Encode { source })?;
        let mut about = folder.tokenizer_config()?;
        let model = folder.config()?;
        let end = end_tokens(&whole, named_ends(&folder, model.eos_token_id)?, &about)?;
        add_tokens(&mut whole, &about)?;
        let mut plain = whole.clone();
        plain.set_encode_special_tokens(true);

        let control = control_tokens(&whole)?;
        let beyond =
            model.vocab_size.map_or(Ok(BTreeMap::new()), |rows| beyond_table(&whole, &control, rows))?;
        let within = |id: &TokenId| !beyond.contains_key(id);
        let largest = whole.get_vocab(true).into_values().filter(within).max().unwrap_or(0);
        if let Some((id, token)) = end.iter().find_map(|id| beyond.get_key_value(id)) {
            let (id, token, rows) = (*id, token.clone(), model.vocab_size.unwrap_or(0));
            return Err(TokenizeError::BeyondTable { token, id, rows });
        }

        let template = folder.template(&mut about)?;
        let special = about.named_tokens().into_iter().collect();
        let template = template.map(|source| ChatTemplate::new(source, special)).transpose()?;
        Ok(Self {
            inner: within_prompt(&plain),
            control: Control::new(control)?,
            template,
            end,
            vocab_size: largest.saturating_add(1),
            model_vocab_size: model.vocab_size.unwrap_or(largest.saturating_add(1)),
            context_length: model.max_position_embeddings,
            beyond,
            clean_up: about.clean_up_tokenization_spaces,
            whole,
            plain,
        })
    }

    /// Ids of a text that is trusted: letters of a control token become that token.
    /// With `add_special`, also the tokens that the tokenizer puts around a text (a first token, for some models).
    ///
    /// # Errors
    /// When the tokenizer library fails.
    pub fn encode(&self, text: &str, add_special: bool) -> Result<Vec<TokenId>, TokenizeError> {
        encode(&self.whole, text, add_special)
    }

    /// Ids of a text that may come from anyone: no control token is among them.
    ///
    /// # Errors
    /// When the tokenizer library fails.
    pub fn encode_untrusted(&self, text: &str) -> Result<Vec<TokenId>, TokenizeError> {
        encode(&self.plain, text, false)
    }

    /// The text of ids. Ids that no token has (a model's table may be longer than its vocabulary) have no text; bytes that
    /// are not UTF-8 become U+FFFD. With `skip_special`, control tokens have no text either.
    ///
    /// # Errors
    /// When the tokenizer library fails.
    pub fn decode_with(&self, ids: &[TokenId], skip_special: bool) -> Result<String, TokenizeError> {
        let text = self.whole.decode(ids, skip_special).map_err(|source| TokenizeError::Decode { source })?;
        Ok(if self.clean_up { clean_up(&text) } else { text })
    }

    /// The chat as text, exactly as transformers renders it. For people and for comparison: as text, the letters of a
    /// control token in a message look like the token. Use [`Tokenizer::encode_chat_with`] for ids.
    ///
    /// # Errors
    /// When there is no template or it refuses the messages.
    pub fn render_chat(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
    ) -> Result<String, TokenizeError> {
        let turns: Vec<_> = messages.iter().map(|m| Turn::new(m.role, m.content.as_str())).collect();
        self.template()?.render(&turns, add_generation_prompt, None)
    }

    /// The chat as ids. Control tokens come from the template only, see the crate's documentation.
    ///
    /// # Errors
    /// When there is no template or it refuses the messages, or when they hold every private-use character.
    pub fn encode_chat_with(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
    ) -> Result<Vec<TokenId>, TokenizeError> {
        let template = self.template()?;
        let contents = messages.iter().map(|message| message.content.as_str());
        let mark = self.control.free_mark(contents.chain(template.own_words()))?;
        let turns: Vec<_> =
            messages.iter().map(|m| Turn::new(m.role, self.control.defuse(&m.content, mark))).collect();
        let rendered = template.render(&turns, add_generation_prompt, Some(mark))?;
        let mut ids = Vec::new();
        let mut begun = false;
        for piece in self.control.split(&rendered, mark) {
            match piece {
                Piece::Control(id) => ids.push(id),
                Piece::Text(text) => {
                    let tokenizer = self.inner.as_ref().filter(|_| begun).unwrap_or(&self.plain);
                    ids.extend(encode(tokenizer, &text, false)?);
                }
            }
            begun = true;
        }
        match ids.iter().find_map(|id| self.beyond.get_key_value(id)) {
            Some((id, token)) => {
                let (id, token, rows) = (*id, token.clone(), self.model_vocab_size);
                Err(TokenizeError::BeyondTable { token, id, rows })
            }
            None => Ok(ids),
        }
    }

    /// The ids that end a text, without repetition, in the order the model's files name them. Never empty.
    pub fn eos_ids(&self) -> &[TokenId] {
        &self.end
    }

    /// The number of ids up to the largest that a token has.
    pub fn vocab_size(&self) -> u32 {
        self.vocab_size
    }

    /// The number of ids that the model can draw: the rows of its table of embeddings, which `config.json` tells and which
    /// may be more than [`Tokenizer::vocab_size`]. Without that file, the latter.
    pub fn model_vocab_size(&self) -> u32 {
        self.model_vocab_size
    }

    /// Most positions of the model, prompt and completion together, where `config.json` says it. What computes with the model
    /// reads that file for itself, and has the last word.
    pub fn context_length(&self) -> Option<u32> {
        self.context_length
    }

    /// The id of a token by its exact text.
    pub fn id_of(&self, token: &str) -> Option<TokenId> {
        self.whole.token_to_id(token)
    }

    fn template(&self) -> Result<&ChatTemplate, TokenizeError> {
        self.template.as_ref().ok_or(TokenizeError::NoTemplate)
    }
}

impl Tokenize for Tokenizer {
    fn encode_chat(&self, messages: &[Message]) -> Result<Vec<TokenId>, Fault> {
        self.encode_chat_with(messages, true).map_err(|error| fault("encode a conversation", error))
    }

    fn decode(&self, tokens: &[TokenId]) -> Result<String, Fault> {
        self.decode_with(tokens, false).map_err(|error| fault("decode token ids", error))
    }

    fn end_tokens(&self) -> &[TokenId] {
        &self.end
    }

    fn vocabulary(&self) -> u32 {
        self.model_vocab_size
    }
}

/// No error of this crate goes away by trying again: it is about files or a bug.
fn fault(doing: &str, error: TokenizeError) -> Fault {
    Fault::new(Door::Tokenizer, Retry::Never, doing, error)
}

fn encode(
    tokenizer: &tokenizers::Tokenizer,
    text: &str,
    add_special: bool,
) -> Result<Vec<TokenId>, TokenizeError> {
    let encoding =
        tokenizer.encode_fast(text, add_special).map_err(|source| TokenizeError::Encode { source })?;
    Ok(encoding.get_ids().to_vec())
}

/// Adds what `tokenizer_config.json` names beyond `tokenizer.json`, as transformers does: a text of the vocabulary keeps its
/// id, any other gets the next one.
///
/// Errors: a token that is special in one of these files alone.
fn add_tokens(tokenizer: &mut tokenizers::Tokenizer, about: &TokenizerConfig) -> Result<(), TokenizeError> {
    let held = |tokenizer: &tokenizers::Tokenizer, text: &str| {
        tokenizer.get_added_tokens_decoder().into_values().find(|held| held.content == text)
    };
    for token in about.listed_tokens() {
        if held(tokenizer, &token.content).is_some_and(|held| held.special != token.special) {
            return Err(TokenizeError::TokenContradicted { token: token.content });
        }
        tokenizer.add_tokens(&[token]);
    }
    for token in about.special_tokens() {
        if held(tokenizer, &token.content).is_none() {
            tokenizer.add_tokens(&[token]);
        }
    }
    Ok(())
}

/// The control tokens whose ids the model's table of embeddings has no row for.
///
/// Errors: any other token there, which a text could name.
fn beyond_table(
    tokenizer: &tokenizers::Tokenizer,
    control: &BTreeMap<String, TokenId>,
    rows: u32,
) -> Result<BTreeMap<TokenId, String>, TokenizeError> {
    let mut beyond = BTreeMap::new();
    for (token, id) in tokenizer.get_vocab(true).into_iter().collect::<BTreeMap<_, _>>() {
        if id < rows {
            continue;
        }
        if !control.contains_key(&token) {
            return Err(TokenizeError::VocabularyTooLarge { token, id, model: rows });
        }
        beyond.insert(id, token);
    }
    Ok(beyond)
}

/// The end tokens that `generation_config.json` names, else `config.json`.
fn named_ends(folder: &Folder, config: Option<Ids>) -> Result<Option<Vec<TokenId>>, TokenizeError> {
    match (folder.generation_config()?, config) {
        (Some(ModelConfig { eos_token_id: Some(ids), .. }), _) | (None, Some(ids)) => {
            Ok(Some(ids.into_vec()))
        }
        (Some(_), Some(_)) => Err(TokenizeError::EndTokenContradicted),
        (_, None) => Ok(None),
    }
}

/// The tokenizer for what does not begin a prompt, where the beginning is treated in its own way.
fn within_prompt(plain: &tokenizers::Tokenizer) -> Option<tokenizers::Tokenizer> {
    fn quiet(part: &mut PreTokenizerWrapper) -> bool {
        match part {
            PreTokenizerWrapper::Metaspace(space) if space.get_prepend_scheme() == PrependScheme::First => {
                space.set_prepend_scheme(PrependScheme::Never);
                true
            }
            PreTokenizerWrapper::Sequence(parts) => {
                parts.as_mut().iter_mut().filter_map(|part| quiet(part).then_some(())).count() > 0
            }
            _ => false,
        }
    }
    let mut part = plain.get_pre_tokenizer()?.clone();
    quiet(&mut part).then(|| {
        let mut inner = plain.clone();
        inner.with_pre_tokenizer(Some(part));
        inner
    })
}

/// The tokens that the tokenizer marks as special, by text.
fn control_tokens(tokenizer: &tokenizers::Tokenizer) -> Result<BTreeMap<String, TokenId>, TokenizeError> {
    let added = tokenizer.get_added_tokens_decoder();
    let mut tokens = BTreeMap::new();
    for (id, token) in added.into_iter().collect::<BTreeMap<_, _>>() {
        if !token.special {
            continue;
        }
        let changed = |normalizer: &NormalizerWrapper| {
            let mut text = NormalizedString::from(token.content.as_str());
            normalizer.normalize(&mut text).is_err() || text.get() != token.content
        };
        if token.normalized && tokenizer.get_normalizer().is_some_and(changed) {
            let reason = "the tokenizer looks for it in normalised text, where it reads otherwise; set \"normalized\" \
                          of this token to false in tokenizer.json";
            return Err(TokenizeError::ControlToken { token: token.content, reason });
        }
        if token.lstrip || token.rstrip || token.single_word {
            let reason =
                "it takes in white space or stands alone, which chat templates for it would have to know";
            return Err(TokenizeError::ControlToken { token: token.content, reason });
        }
        tokens.insert(token.content, id);
    }
    Ok(tokens)
}

/// The end tokens that the model's configuration names by id, else the one that the tokenizer's names by text.
fn end_tokens(
    tokenizer: &tokenizers::Tokenizer,
    named: Option<Vec<TokenId>>,
    about: &TokenizerConfig,
) -> Result<Vec<TokenId>, TokenizeError> {
    let by_text = about.named_tokens().into_iter().find(|(name, _)| name == "eos_token");
    let ids = match (named, by_text) {
        (Some(ids), _) => ids,
        (None, Some((_, token))) => {
            let id = tokenizer.token_to_id(&token);
            vec![id.ok_or(TokenizeError::UnknownEndToken { token })?]
        }
        (None, None) => Vec::new(),
    };
    let mut end = Vec::new();
    for id in ids {
        if tokenizer.id_to_token(id).is_none() {
            return Err(TokenizeError::EndTokenOutsideVocabulary { id });
        }
        if !end.contains(&id) {
            end.push(id);
        }
    }
    if end.is_empty() { Err(TokenizeError::NoEndToken) } else { Ok(end) }
}

/// The spaces that transformers takes out of decoded English when a tokenizer's configuration asks for it.
fn clean_up(text: &str) -> String {
    let pairs = [
        (" .", "."),
        (" ?", "?"),
        (" !", "!"),
        (" ,", ","),
        (" ' ", "'"),
        (" n't", "n't"),
        (" 'm", "'m"),
        (" 's", "'s"),
        (" 've", "'ve"),
        (" 're", "'re"),
    ];
    pairs.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

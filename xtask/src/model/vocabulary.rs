//! The tokenizer of a GGUF file as Hugging Face files: `tokenizer.json` and `tokenizer_config.json`.

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::{Value, json};

use super::gguf::Gguf;

/// The kind llama.cpp gives to control tokens.
const CONTROL: i64 = 3;
/// The kind of ordinary tokens.
const NORMAL: i64 = 1;

/// Tokens, merges and the tokens with a role, as the GGUF file has them.
#[derive(Debug)]
pub(crate) struct Vocabulary<'a> {
    tokens: Vec<&'a str>,
    merges: Vec<(&'a str, &'a str)>,
    control: Vec<usize>,
    pub(crate) bos: u64,
    pub(crate) eos: u64,
    pub(crate) pad: u64,
    unknown: u64,
    template: &'a str,
}

impl<'a> Vocabulary<'a> {
    /// Reads and checks the tokenizer: byte-level BPE behind a split into single digits, the way of SmolLM.
    pub(crate) fn read(gguf: &'a Gguf<'_>) -> Result<Self> {
        let model = gguf.str("tokenizer.ggml.model")?;
        ensure!(
            model == "gpt2",
            "the tokenizer is of the sort {model}; only gpt2 (byte-level BPE) can be converted"
        );
        let pre = gguf.str("tokenizer.ggml.pre")?;
        ensure!(pre == "smollm", "how the tokenizer {pre} splits text is not known here; only smollm is");
        for flag in ["tokenizer.ggml.add_bos_token", "tokenizer.ggml.add_space_prefix"] {
            let off = matches!(gguf.get(flag), None | Some(super::gguf::Value::Bool(false)));
            ensure!(off, "{flag} is set, which is not supported");
        }

        let tokens = gguf.strings("tokenizer.ggml.tokens")?;
        let merges = gguf
            .strings("tokenizer.ggml.merges")?
            .into_iter()
            .map(|merge| {
                merge
                    .split_once(' ')
                    .with_context(|| format!("the merge {merge:?} has no space between its parts"))
            })
            .collect::<Result<Vec<_>>>()?;
        let kinds = gguf.ints("tokenizer.ggml.token_type")?;
        ensure!(kinds.len() == tokens.len(), "{} tokens have {} kinds", tokens.len(), kinds.len());
        let mut control = Vec::new();
        for (id, kind) in kinds.into_iter().enumerate() {
            match kind {
                CONTROL => control.push(id),
                NORMAL => {}
                other => anyhow::bail!("token {id} is of kind {other}, which is not supported"),
            }
        }
        let named = |key: &str| -> Result<u64> {
            let id = gguf.uint(key)?;
            ensure!(id < tokens.len() as u64, "{key} is {id}, but there are {} tokens", tokens.len());
            Ok(id)
        };
        Ok(Self {
            bos: named("tokenizer.ggml.bos_token_id")?,
            eos: named("tokenizer.ggml.eos_token_id")?,
            pad: named("tokenizer.ggml.padding_token_id")?,
            unknown: named("tokenizer.ggml.unknown_token_id")?,
            template: gguf.str("tokenizer.chat_template")?,
            tokens,
            merges,
            control,
        })
    }

    /// How many tokens there are.
    pub(crate) fn len(&self) -> usize {
        self.tokens.len()
    }

    fn token(&self, id: u64) -> &str {
        usize::try_from(id).ok().and_then(|id| self.tokens.get(id)).copied().unwrap_or_default()
    }

    /// The `tokenizer.json`.
    pub(crate) fn tokenizer(&self) -> impl Serialize + '_ {
        let added = self
            .control
            .iter()
            .map(|&id| {
                json!({
                    "id": id, "content": self.tokens[id], "special": true, "normalized": false,
                    "single_word": false, "lstrip": false, "rstrip": false,
                })
            })
            .collect();
        let bytes =
            json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
        TokenizerJson {
            version: "1.0",
            truncation: (),
            padding: (),
            added_tokens: added,
            normalizer: (),
            pre_tokenizer: json!({
                "type": "Sequence",
                "pretokenizers": [{"type": "Digits", "individual_digits": true}, bytes],
            }),
            post_processor: (),
            decoder: bytes,
            model: Bpe { kind: "BPE", vocab: ById(&self.tokens), merges: &self.merges },
        }
    }

    /// The `tokenizer_config.json`.
    pub(crate) fn config(&self, context: usize) -> Value {
        json!({
            "add_bos_token": false,
            "add_prefix_space": false,
            "bos_token": self.token(self.bos),
            "chat_template": self.template,
            "clean_up_tokenization_spaces": false,
            "eos_token": self.token(self.eos),
            "model_max_length": context,
            "pad_token": self.token(self.pad),
            "tokenizer_class": "PreTrainedTokenizerFast",
            "unk_token": self.token(self.unknown),
        })
    }
}

#[derive(Serialize)]
struct TokenizerJson<'a> {
    version: &'static str,
    truncation: (),
    padding: (),
    added_tokens: Vec<Value>,
    normalizer: (),
    pre_tokenizer: Value,
    post_processor: (),
    decoder: Value,
    model: Bpe<'a>,
}

/// What the file leaves out (dropout, prefixes, fallbacks) is off by default.
#[derive(Serialize)]
struct Bpe<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    vocab: ById<'a>,
    merges: &'a [(&'a str, &'a str)],
}

/// A vocabulary written in the order of ids.
struct ById<'a>(&'a [&'a str]);

impl Serialize for ById<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (id, token) in self.0.iter().enumerate() {
            map.serialize_entry(token, &id)?;
        }
        map.end()
    }
}

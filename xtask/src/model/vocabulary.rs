//! The tokenizer of a GGUF file as Hugging Face files: `tokenizer.json` and `tokenizer_config.json`.

use anyhow::{Context, Result, bail, ensure};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::gguf::Gguf;

/// The kind llama.cpp gives to control tokens.
const CONTROL: i64 = 3;
/// The kind of ordinary tokens.
const NORMAL: i64 = 1;

/// The tokenizer, and the tokens with a role.
#[derive(Debug)]
pub(crate) struct Vocabulary {
    /// How many tokens there are.
    pub(crate) len: usize,
    pub(crate) bos: usize,
    pub(crate) eos: usize,
    pub(crate) pad: usize,
    /// The `tokenizer.json`.
    pub(crate) tokenizer: Tokenizer,
    /// The `tokenizer_config.json`, without the length of the context.
    pub(crate) config: Value,
}

impl Vocabulary {
    /// Reads and checks the tokenizer: byte-level BPE behind a split into single digits, the way of SmolLM.
    pub(crate) fn read(gguf: &Gguf<'_>) -> Result<Self> {
        let text = |key: &str| gguf.read::<String>(&format!("tokenizer.{key}"));
        let model = text("ggml.model")?;
        ensure!(
            model == "gpt2",
            "the tokenizer is of the sort {model}; only gpt2 (byte-level BPE) can be converted"
        );
        let pre = text("ggml.pre")?;
        ensure!(pre == "smollm", "how the tokenizer {pre} splits text is not known here; only smollm is");
        for flag in ["tokenizer.ggml.add_bos_token", "tokenizer.ggml.add_space_prefix"] {
            let off = gguf.get(flag).is_none_or(|value| *value == Value::Bool(false));
            ensure!(off, "{flag} is set, which is not supported");
        }
        let tokens: Vec<String> = gguf.read("tokenizer.ggml.tokens")?;
        let split = |merge: String| {
            let parts = merge.split_once(' ').map(|(left, right)| (left.to_owned(), right.to_owned()));
            parts.with_context(|| format!("the merge {merge:?} has no space between its parts"))
        };
        let merges: Vec<String> = gguf.read("tokenizer.ggml.merges")?;
        let merges = merges.into_iter().map(split).collect::<Result<_>>()?;
        let kinds: Vec<i64> = gguf.read("tokenizer.ggml.token_type")?;
        ensure!(kinds.len() == tokens.len(), "{} tokens have {} kinds", tokens.len(), kinds.len());
        let mut added_tokens = Vec::new();
        for (id, (kind, token)) in kinds.into_iter().zip(&tokens).enumerate() {
            match kind {
                CONTROL => added_tokens.push(json!({
                    "id": id, "content": token, "special": true, "normalized": false,
                    "single_word": false, "lstrip": false, "rstrip": false,
                })),
                NORMAL => {}
                other => bail!("token {id} is of kind {other}, which is not supported"),
            }
        }
        let named = |name: &str| -> Result<(usize, &String)> {
            let key = format!("tokenizer.ggml.{name}_token_id");
            let id = gguf.read(&key)?;
            let token = tokens.get(id);
            Ok((id, token.with_context(|| format!("{key} is {id}, but there are {} tokens", tokens.len()))?))
        };
        let ((bos, bos_token), (eos, eos_token)) = (named("bos")?, named("eos")?);
        let ((pad, pad_token), (_, unk_token)) = (named("padding")?, named("unknown")?);
        let config = json!({
            "add_bos_token": false,
            "add_prefix_space": false,
            "bos_token": bos_token,
            "chat_template": text("chat_template")?,
            "clean_up_tokenization_spaces": false,
            "eos_token": eos_token,
            "pad_token": pad_token,
            "tokenizer_class": "PreTrainedTokenizerFast",
            "unk_token": unk_token,
        });
        let bytes =
            json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
        let digits = json!({"type": "Digits", "individual_digits": true});
        let tokenizer = Tokenizer {
            version: "1.0",
            added_tokens,
            pre_tokenizer: json!({"type": "Sequence", "pretokenizers": [digits, bytes]}),
            decoder: bytes,
            model: Bpe { kind: "BPE", vocab: tokens, merges },
            ..Tokenizer::default()
        };
        Ok(Self { len: tokenizer.model.vocab.len(), bos, eos, pad, tokenizer, config })
    }
}

/// A `tokenizer.json`, its parts in the order of the published ones.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Tokenizer {
    version: &'static str,
    truncation: (),
    padding: (),
    added_tokens: Vec<Value>,
    normalizer: (),
    pre_tokenizer: Value,
    post_processor: (),
    decoder: Value,
    model: Bpe,
}

/// What the file leaves out (dropout, prefixes, fallbacks) is off by default.
#[derive(Debug, Default, Serialize)]
struct Bpe {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(serialize_with = "by_id")]
    vocab: Vec<String>,
    merges: Vec<(String, String)>,
}

/// A vocabulary as a map, in the order of ids.
fn by_id<S: Serializer>(tokens: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(tokens.iter().zip(0u64..))
}

//! A model's folder, held against its own config before anything is computed.

use super::names::{self, EMBEDDING, HEAD};
use crate::{
    config::{self, ModelConfig},
    error::{LoadError, Named},
    weights::FolderWeights,
};
use grail_protocol::words::TokenId;
use std::path::Path;
use tch::Kind;

/// A Hugging Face folder that is known to hold a whole model: whoever computes with it accepts and refuses the same folders.
pub(crate) struct ModelFolder {
    pub(crate) config: ModelConfig,
    /// Tokens that end a completion, in the order of the file that names them.
    pub(crate) end_tokens: Vec<TokenId>,
    pub(crate) weights: FolderWeights,
}

impl ModelFolder {
    /// Reads `config.json`, `generation_config.json` and the headers of the weights, and checks that every tensor of the
    /// decoder is there as the config says.
    ///
    /// Errors: [`LoadError`], every way in which a folder can be unusable.
    pub(crate) fn open(folder: &Path) -> Result<Self, LoadError> {
        let (config, end_tokens) = config::read(folder)?;
        let adapter = folder.join("adapter_config.json");
        if adapter.is_file() {
            // Transformers then loads the base that the adapter names, from elsewhere, and not what lies here.
            let problem = "the folder holds an adapter, which is not applied here; merge it into the weights and remove";
            return Err(LoadError::Files { problem: problem.into(), path: adapter });
        }
        let weights = FolderWeights::open_folder(folder)?;
        for name in [EMBEDDING, HEAD].into_iter().filter(|name| weights.has(name)) {
            let (found, wanted) = (weights.rows(name), config.vocab_size);
            if found != wanted {
                return Err(LoadError::Config(format!(
                    "vocabulary mismatch: {name} holds {found} tokens, config.json says {wanted}"
                )));
            }
        }
        for (name, shape) in names::all(&config) {
            weights.check(&name, &shape)?;
        }
        for joined in names::joined(&config) {
            weights.check_alike(&joined)?;
        }
        let opened = Self { config, end_tokens, weights };
        if opened.config.tie_word_embeddings && opened.weights.has(HEAD) && !opened.head_is_embedding()? {
            let problem = "is not the embedding, and config.json has tie_word_embeddings true; programs differ in which \
                           they take: remove the tensor, or set tie_word_embeddings to false";
            return Err(LoadError::tensor(HEAD, problem));
        }
        Ok(opened)
    }

    /// Publishers' tools write a tied head into the file or leave it out. Where it differs from the embedding, transformers
    /// before 5.8 drops it, and later versions compute with it.
    fn head_is_embedding(&self) -> Result<bool, LoadError> {
        let table = [self.config.vocab_size, self.config.hidden_size];
        let _guard = tch::no_grad_guard();
        let (embedding, head) = (self.weights.map(EMBEDDING, &table)?, self.weights.map(HEAD, &table)?);
        let same = if embedding.kind() == head.kind() {
            head.f_equal(&embedding)
        } else {
            let wide = |tensor: &tch::Tensor| tensor.f_to_kind(Kind::Float);
            wide(&head).and_then(|head| head.f_equal(&wide(&embedding)?))
        };
        Ok(same.named("compare the head with the embedding", &[&head, &embedding])?)
    }
}

//! The model and its tokenizer.

use crate::Fault;
use grail_env::{Outcome, Problem, strip_final_end};
use grail_protocol::{
    draw::{DrawReading, SamplingPolicy},
    seed::{DrawKey, SketchKey},
    words::{CheckpointId, TokenId},
};
use std::{error::Error, fmt};

pub use grail_env::{Message, Speaker};

/// Text to token ids and back.
pub trait Tokenize: Send + Sync {
    /// Token ids of a conversation rendered by the model's chat template, up to where the assistant begins.
    ///
    /// What a message says is text from outside: it never turns into control tokens.
    fn encode_chat(&self, messages: &[Message]) -> Result<Vec<TokenId>, Fault>;

    /// Text of token ids, special tokens included; bytes that are not UTF-8 become U+FFFD.
    fn decode(&self, tokens: &[TokenId]) -> Result<String, Fault>;

    /// Tokens that end a completion, at least one.
    fn end_tokens(&self) -> &[TokenId];

    /// Ids are below this.
    fn vocabulary(&self) -> u32;
}

/// Token ids of a problem's prompt: its messages in the model's chat template, up to where the answer begins.
///
/// Errors: the tokenizer's.
pub fn prompt_of(problem: &Problem, tokenizer: &dyn Tokenize) -> Result<Vec<TokenId>, Fault> {
    tokenizer.encode_chat(&problem.messages())
}

/// A prompt beside which no completion as long as the cap has room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRoom {
    /// Tokens of the prompt.
    pub prompt: usize,
    /// Most tokens of a completion.
    pub cap: u32,
    /// Most positions of the model, prompt and completion together.
    pub context: u32,
}

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { prompt, cap, context } = self;
        write!(
            f,
            "a prompt of {prompt} tokens and a cap of {cap} do not fit the model's context of {context}"
        )
    }
}

impl Error for NoRoom {}

/// Whether a prompt of that many tokens and a completion as long as the cap fit the model's context.
///
/// The one rule for everybody: whoever makes a network or looks at one, miners before they answer, and the court.
/// Errors: they do not; nobody can answer such a problem, and nobody's answer to it is judged.
pub fn room(prompt: usize, cap: u32, context: u32) -> Result<(), NoRoom> {
    // A usize has at most 64 bits here, so this cannot wrap.
    let needed = (prompt as u64).saturating_add(u64::from(cap));
    if needed <= u64::from(context) { Ok(()) } else { Err(NoRoom { prompt, cap, context }) }
}

/// What a completion earns: one final end token removed by id, the rest decoded and judged.
///
/// Errors: the tokenizer's.
pub fn outcome_of(problem: &Problem, tokens: &[TokenId], tokenizer: &dyn Tokenize) -> Result<Outcome, Fault> {
    let text = tokenizer.decode(strip_final_end(tokens, tokenizer.end_tokens()))?;
    Ok(problem.judge(&text))
}

/// What a loaded model is, for whoever asks it and for the court. Not Hugging Face's model card, which is a README.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelCard {
    /// Id of the checkpoint that was loaded.
    pub checkpoint: CheckpointId,
    /// Width of the hidden state that sketches bind: `hidden_size` of a `config.json`.
    pub width: u32,
    /// Number of logits: `vocab_size` of a `config.json`, which may exceed the tokenizer's.
    pub vocabulary: u32,
    /// Most positions, prompt and completion together.
    pub context_length: u32,
    /// Tokens that end a completion, at least one: what the folder gives as `eos_token_id`.
    pub end_tokens: Vec<TokenId>,
    /// For people: architecture, dtype and device.
    pub description: String,
}

/// The public keys of one rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RolloutKeys {
    /// Key of the sampling noise, `K_draw`.
    pub draw: DrawKey,
    /// Key of the sketch signs, `K_sketch`.
    pub sketch: SketchKey,
}

/// One group to answer: a prompt, and the keys of each of its rollouts.
#[derive(Debug, Clone)]
pub struct GroupRequest {
    /// Prompt token ids, computed once for the group.
    pub prompt: Vec<TokenId>,
    /// Keys of each rollout; one answer is given for each, in this order.
    pub rollouts: Vec<RolloutKeys>,
}

/// How to answer, the same for every group of a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GenerationRule {
    /// Temperature and top-p of the checkpoint's manifest.
    pub policy: SamplingPolicy,
    /// Completion cap in tokens, the end token included.
    pub max_new_tokens: u32,
}

/// One answer with its proof, captured while decoding; three lists of one length.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Completion token ids, the end token included where one was drawn.
    pub tokens: Vec<TokenId>,
    /// One sketch byte a token.
    pub sketch: Vec<i8>,
    /// Log-probability of each token in nats, under the policy's temperature over the whole vocabulary.
    pub logprobs: Vec<f32>,
}

/// How far a generation is, for progress bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GenerationProgress {
    /// Tokens drawn so far, all rows together.
    pub tokens: u64,
    /// Rows of the batch that have not ended.
    pub live_rows: u32,
}

/// A model that answers by forced sampling.
pub trait Generator: Send {
    /// What is loaded.
    fn card(&self) -> &ModelCard;

    /// Answers each group; results in the order of groups and of their rollouts.
    ///
    /// `progress` is called now and then, and stops the work by returning `false`; the result is then a
    /// [`Fault`] that says it was stopped.
    fn generate(
        &mut self,
        groups: &[GroupRequest],
        rule: &GenerationRule,
        progress: &mut dyn FnMut(GenerationProgress) -> bool,
    ) -> Result<Vec<Vec<Answer>>, Fault>;
}

/// A completion to recompute, and under which keys.
#[derive(Debug, Clone)]
pub struct ProbeRollout {
    /// Claimed completion token ids, at least one, all inside the vocabulary.
    pub completion: Vec<TokenId>,
    /// The rollout's keys, derived from the problem's seed.
    pub keys: RolloutKeys,
}

/// A group to recompute: the prompt is read once for all its rollouts.
#[derive(Debug, Clone)]
pub struct GroupProbe {
    /// Prompt token ids.
    pub prompt: Vec<TokenId>,
    /// Claimed completions of that prompt, in the order of the group.
    pub rollouts: Vec<ProbeRollout>,
    /// Temperature and top-p of the checkpoint's manifest.
    pub policy: SamplingPolicy,
    /// How far the nucleus boundary may move.
    pub nucleus_slack: f64,
}

/// What the verifier's own model says of one claimed completion.
#[derive(Debug, Clone, PartialEq)]
pub struct Readout {
    /// The verifier's sketch, one byte a completion token.
    pub sketch: Vec<i8>,
    /// One reading a completion token: what the verifier's logits say of the claimed one.
    pub draws: Vec<DrawReading>,
}

/// Recomputes what an honest holder of the checkpoint would have seen.
pub trait Oracle: Send {
    /// What is loaded.
    fn card(&self) -> &ModelCard;

    /// One readout per rollout of the probe, in order.
    fn read(&mut self, probe: &GroupProbe) -> Result<Vec<Readout>, Fault>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompt_and_cap_have_room_up_to_the_last_position_and_not_beyond() {
        assert_eq!(room(464, 48, 512), Ok(()));
        assert_eq!(room(465, 48, 512), Err(NoRoom { prompt: 465, cap: 48, context: 512 }));
        assert_eq!(room(0, 1_000, 512).unwrap_err().prompt, 0);
        assert!(room(usize::MAX, u32::MAX, u32::MAX).is_err());
        let told = room(6_400, 48, 512).unwrap_err().to_string();
        assert_eq!(told, "a prompt of 6400 tokens and a cap of 48 do not fit the model's context of 512");
    }
}

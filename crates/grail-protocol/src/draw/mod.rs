//! Forced sampling: public randomness picks the token, and a verifier can tell by how much a claim missed.
//!
//! At completion step `t`, with logits `z` in f32, the next token is
//! ```text
//! argmax over v in S of  z_v / T + G(t, v),      ties to the smaller id
//! G(t, v) = −ln(−ln u),  u = (w + 1/2) / 2³²
//! w = word (v mod 4) of Philox4x32-10(key = K_draw[0..8], counter = (v/4, t, K_draw[8..12], K_draw[12..16]))
//! S = the smallest set of most probable tokens whose mass reaches top_p, after the temperature
//! ```
//! The Gumbel-max form keeps what the model considers impossible impossible: a token that did not win is admissible
//! at margin `m` with probability at most `p·e^m`.
//! Exponentials and logarithms here are our own or `libm`'s, so that no platform's maths library can disagree.
//!
//! Source: the Gumbel-max trick (Gumbel 1954; Maddison, Tarlow and Minka 2014, "A* sampling"); top-p sampling (Holtzman et al.
//! 2020, "The curious case of neural text degeneration"); vectors in `fixtures/vectors/protocol/draws.json`.

mod nucleus;
mod weights;

use crate::{philox::philox4x32_10, seed::DrawKey, words::TokenId};
use nucleus::Nucleus;
use serde::{Deserialize, Serialize};

/// How tokens are drawn: published by the checkpoint, the same for everyone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SamplingPolicy {
    /// T, which divides the logits; `0.05..=10`. The `temperature` of Hugging Face's generation config.
    pub temperature: f32,
    /// Mass that the kept tokens reach, in `(0, 1]`; 1 keeps all. The `top_p` of Hugging Face's generation config.
    pub top_p: f32,
}

impl SamplingPolicy {
    /// Temperature 1.0, top-p 0.95.
    pub const DEFAULT: Self = Self { temperature: 1.0, top_p: 0.95 };

    /// Checks the ranges: temperature finite and in `[0.05, 10]`, top-p in `(0, 1]`.
    ///
    /// Errors: [`DrawError::Policy`] with the policy as it was given.
    pub fn check(&self) -> Result<(), DrawError> {
        let temperature = (0.05..=10.0).contains(&self.temperature);
        let top_p = self.top_p > 0.0 && self.top_p <= 1.0;
        if temperature && top_p { Ok(()) } else { Err(DrawError::Policy { policy: *self }) }
    }
}

/// Why logits cannot be sampled or judged. Always trouble on our side: the miner sends no logits.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DrawError {
    /// A temperature or top-p outside its range.
    #[error("sampling policy out of range: temperature {}, top-p {}", policy.temperature, policy.top_p)]
    Policy {
        /// The policy as it was given.
        policy: SamplingPolicy,
    },
    /// NaN, infinity, or no logits at all.
    #[error("the logits are empty or not finite at token {token}")]
    NotFinite {
        /// First token whose logit is not a number one can sample from.
        token: TokenId,
    },
    /// A token outside the vocabulary reached the arithmetic; callers check ids before.
    #[error("token {token} is outside the vocabulary of {vocabulary}")]
    Vocabulary {
        /// The token that was to be judged.
        token: TokenId,
        /// Number of logits; ids are below it.
        vocabulary: usize,
    },
}

/// What a draw gives a miner: the token, and the log-probability that its window file claims.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drawn {
    /// The token with the largest `z/T + G` of the nucleus.
    pub token: TokenId,
    /// Its log-probability in nats under `softmax(z / T)` over the whole vocabulary.
    pub logprob: f32,
}

/// What a verifier sees when it holds its own logits against a claimed token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DrawReading {
    /// `max over S_in (z/T + G) − (z_a/T + G_a)` in nats, 0 where the claim wins.
    pub margin: f32,
    /// Whether the claim can lie in the nucleus at `top_p + slack`. If not, no margin excuses it.
    pub in_outer: bool,
    /// The token that the verifier's own logits draw.
    pub winner: TokenId,
    /// Log-probability of the claimed token in nats under `softmax(z / T)` over the whole vocabulary.
    pub logprob: f32,
    /// `1 − Σ p²` over the verifier's nucleus: how much a little noise can matter here.
    pub gini: f32,
}

/// Scratch memory for sampling one row after another; holds three vectors of the vocabulary's size.
#[derive(Debug, Default)]
pub struct Sampler {
    nucleus: Nucleus,
}

impl Sampler {
    /// A sampler without memory yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Draws the token of step `t` from `logits`, one per token of the vocabulary.
    ///
    /// Errors: [`DrawError::Policy`], [`DrawError::NotFinite`].
    pub fn draw(
        &mut self,
        logits: &[f32],
        policy: &SamplingPolicy,
        key: &DrawKey,
        t: u32,
    ) -> Result<Drawn, DrawError> {
        policy.check()?;
        self.nucleus.prepare(logits, policy)?;
        let noise = Noise::new(key, t);
        let top_p = f64::from(policy.top_p);
        let token = best(self.nucleus.within(logits, top_p), &noise).0;
        Ok(Drawn { token, logprob: self.nucleus.logprob(logits, token)? })
    }

    /// Holds the verifier's `logits` of step `t` against the `claimed` token.
    ///
    /// `slack` widens and narrows top-p, so that a token at the boundary decides nothing. Mass alone does not say what
    /// lies at the boundary: two tokens of nearly equal logits may swap places under the smallest drift, and with them
    /// the mass before each changes by a whole token. So tokens within `16·slack` nats count as tied:
    /// - the claim must be possible at `top_p + slack`: the tokens heavier than it by more than a tie weigh less;
    /// - it competes with tokens that are certain at `top_p − slack`: those with so little before them even when all
    ///   that are tied with them go first.
    ///
    /// Measured on 400,000 synthetic steps, honest on both sides: without ties, `strict-f32` rejected 3 tokens under
    /// normal drift of 10⁻⁴ nat and `strict-bf16` 62 under 0.02 nat; with ties none.
    ///
    /// Errors: [`DrawError::Policy`], [`DrawError::NotFinite`], [`DrawError::Vocabulary`].
    pub fn read(
        &mut self,
        logits: &[f32],
        policy: &SamplingPolicy,
        slack: f64,
        key: &DrawKey,
        t: u32,
        claimed: TokenId,
    ) -> Result<DrawReading, DrawError> {
        policy.check()?;
        self.nucleus.prepare(logits, policy)?;
        let noise = Noise::new(key, t);
        let top_p = f64::from(policy.top_p);
        let logprob = self.nucleus.logprob(logits, claimed)?;
        let own = self.nucleus.score(logits, claimed)? + noise.gumbel(claimed);
        let winner = best(self.nucleus.within(logits, top_p), &noise).0;
        let tie = TIE_PER_SLACK * slack;
        let strongest = best(self.nucleus.certain(logits, top_p - slack, tie), &noise).1;
        let in_outer = self.nucleus.possible(logits, top_p + slack, tie, claimed);
        Ok(DrawReading {
            margin: (strongest - own).max(0.0) as f32,
            in_outer,
            winner,
            logprob,
            gini: self.nucleus.gini(top_p) as f32,
        })
    }
}

/// Nats within which tokens count as tied, per unit of slack. Drift that moves each logit by up to δ moves the mass of a
/// set by less than δ/2, and swaps tokens that are up to 2δ apart; a slack that covers the one with a margin of four
/// leaves the other to ties of this width.
const TIE_PER_SLACK: f64 = 16.0;

/// The winner among `(token, z/T)` pairs, with its score; ties to the smaller id.
fn best(candidates: impl Iterator<Item = (TokenId, f64)>, noise: &Noise) -> (TokenId, f64) {
    let mut winner = (TokenId::MAX, f64::NEG_INFINITY);
    for (token, scaled) in candidates {
        // No noise of this generator exceeds the bound, so most candidates need no noise at all.
        if scaled + LARGEST_GUMBEL < winner.1 {
            continue;
        }
        let word = noise.word(token);
        if scaled + gumbel_bound(word) < winner.1 {
            continue;
        }
        let score = scaled + gumbel_of(word);
        if score > winner.1 || (score == winner.1 && token < winner.0) {
            winner = (token, score);
        }
    }
    winner
}

/// −ln(−ln(1 − 2⁻³³)) = 22.874…, rounded up.
const LARGEST_GUMBEL: f64 = 22.9;

/// Never below [`gumbel_of`] and free of logarithms: since `−ln u ≥ 1 − u ≥ 2^−(L+1)` with `L` the leading ones of the
/// word, `G ≤ (L + 1)·ln 2`, and 0.7 is above ln 2 by far more than a logarithm can be off.
#[inline]
fn gumbel_bound(word: u32) -> f64 {
    f64::from(word.leading_ones() + 1) * 0.7
}

/// `−ln(−ln u)` with `u = (word + 1/2) / 2³²`.
#[inline]
fn gumbel_of(word: u32) -> f64 {
    let u = (f64::from(word) + 0.5) / 4_294_967_296.0;
    -libm::log(-libm::log(u))
}

/// The Gumbel noise of one step under one key: a value for each token, in any order, without the ones between.
#[derive(Debug, Clone, Copy)]
pub struct Noise {
    key: [u32; 2],
    tail: [u32; 2],
    step: u32,
}

impl Noise {
    /// Noise of completion step `t` (0-based) under `key`.
    pub fn new(key: &DrawKey, t: u32) -> Self {
        let mut words = [0u32; 4];
        for (word, bytes) in words.iter_mut().zip(key.as_bytes().chunks_exact(4)) {
            if let Ok(bytes) = bytes.try_into() {
                *word = u32::from_le_bytes(bytes);
            }
        }
        let [k0, k1, c2, c3] = words;
        Self { key: [k0, k1], tail: [c2, c3], step: t }
    }

    /// The 32 random bits `w` of a token: word `v mod 4` of Philox under counter `v / 4` and the step.
    #[inline]
    pub fn word(&self, token: TokenId) -> u32 {
        let [c2, c3] = self.tail;
        let [w0, w1, w2, w3] = philox4x32_10([token / 4, self.step, c2, c3], self.key);
        match token % 4 {
            0 => w0,
            1 => w1,
            2 => w2,
            _ => w3,
        }
    }

    /// `G(t, v) = −ln(−ln u)` in nats: −3.13 to 22.9, about 0.58 on average.
    #[inline]
    pub fn gumbel(&self, token: TokenId) -> f64 {
        gumbel_of(self.word(token))
    }
}

#[cfg(test)]
mod tests;

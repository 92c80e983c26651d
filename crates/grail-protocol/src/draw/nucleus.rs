//! The top-p set: the smallest set of most probable tokens whose mass reaches `top_p`.

use super::{DrawError, SamplingPolicy, weights};
use crate::words::TokenId;

/// Candidates of one row, most probable first, with what is needed to cut them at any mass near `top_p`.
#[derive(Debug, Default)]
pub(super) struct Nucleus {
    weights: Vec<f32>,
    /// By falling weight, ties by rising token.
    candidates: Vec<Candidate>,
    max: f32,
    temperature: f64,
    total: f64,
}

/// A token with its weight, in one number that sorts as candidates do: the complement of the weight's bits, which for
/// weights that are not negative fall as weights rise, above the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate(u64);

impl Candidate {
    fn new(weight: f32, token: TokenId) -> Self {
        Self(u64::from(!weight.to_bits()) << 32 | u64::from(token))
    }

    fn weight(self) -> f64 {
        f64::from(f32::from_bits(!((self.0 >> 32) as u32)))
    }

    fn token(self) -> TokenId {
        self.0 as u32
    }
}

/// How far above `top_p` the candidates reach, so that an outer set can be cut from them too.
const WIDEST_SLACK: f64 = 0.01;
/// Weights that are looked at together for candidates.
const STRIDE: usize = 64;

impl Nucleus {
    pub(super) fn prepare(&mut self, logits: &[f32], policy: &SamplingPolicy) -> Result<(), DrawError> {
        self.max = weights::largest(logits)
            .map_err(|token| DrawError::NotFinite { token: u32::try_from(token).unwrap_or(u32::MAX) })?;
        self.temperature = f64::from(policy.temperature);
        self.total = weights::weigh(logits, self.max, 1.0 / policy.temperature, &mut self.weights);

        // Tokens lighter than this weigh together at most what lies outside the widest set, so none of them is in it.
        let outside = (1.0 - f64::from(policy.top_p) - WIDEST_SLACK).max(0.0);
        let floor = (outside * self.total / logits.len() as f64) as f32;
        self.candidates.clear();
        for (chunk, first) in self.weights.chunks(STRIDE).zip((0u32..).step_by(STRIDE)) {
            // Most strides hold none; this test has no branch inside and runs on whole vectors.
            if !chunk.iter().fold(false, |any, weight| any | (*weight >= floor)) {
                continue;
            }
            let heavy = chunk.iter().zip(first..).filter(|(weight, _)| **weight >= floor && **weight > 0.0);
            self.candidates.extend(heavy.map(|(weight, token)| Candidate::new(*weight, token)));
        }
        self.candidates.sort_unstable();
        Ok(())
    }

    /// Tokens of the set at mass `top_p`, with `z/T`; never empty. The token that crosses the mass belongs to the set.
    /// `logits` are those that were prepared.
    pub(super) fn within(&self, logits: &[f32], top_p: f64) -> impl Iterator<Item = (TokenId, f64)> {
        self.prefix(top_p).filter_map(|candidate| {
            let z = logits.get(candidate.token() as usize)?;
            Some((candidate.token(), f64::from(*z) / self.temperature))
        })
    }

    fn prefix(&self, top_p: f64) -> impl Iterator<Item = Candidate> {
        let goal = top_p * self.total;
        let mut mass = 0.0;
        self.candidates.iter().copied().enumerate().map_while(move |(rank, candidate)| {
            let inside = rank == 0 || mass < goal;
            mass += candidate.weight();
            inside.then_some(candidate)
        })
    }

    /// The set that no drift can argue away, with `z/T`: tokens before which the mass stays below `top_p` even when
    /// every token up to `tie` nats lighter goes first. May be empty.
    pub(super) fn certain(
        &self,
        logits: &[f32],
        top_p: f64,
        tie: f64,
    ) -> impl Iterator<Item = (TokenId, f64)> {
        let goal = top_p * self.total;
        let mut ahead = self.everyone(logits).peekable();
        let mut through = 0.0;
        let mut before = 0.0;
        self.everyone(logits)
            .map_while(move |(candidate, scaled)| {
                while let Some((lighter, _)) = ahead.next_if(|(_, other)| *other >= scaled - tie) {
                    through += lighter.weight();
                }
                // From here on even the strictly heavier ones reach the mass.
                if before >= goal {
                    return None;
                }
                before += candidate.weight();
                Some((through - candidate.weight() < goal).then_some((candidate.token(), scaled)))
            })
            .flatten()
    }

    /// Whether a token can be in the set at mass `top_p` under some drift: whether the tokens that are more than `tie`
    /// nats heavier weigh less than that together.
    pub(super) fn possible(&self, logits: &[f32], top_p: f64, tie: f64, token: TokenId) -> bool {
        let Some((_, own)) = self.everyone(logits).find(|(candidate, _)| candidate.token() == token) else {
            return false;
        };
        let heavier = self.everyone(logits).take_while(|(_, scaled)| *scaled > own + tie);
        let mass: f64 = heavier.map(|(candidate, _)| candidate.weight()).sum();
        mass == 0.0 || mass < top_p * self.total
    }

    /// All candidates with `z/T`, in order.
    fn everyone(&self, logits: &[f32]) -> impl Iterator<Item = (Candidate, f64)> {
        self.candidates.iter().filter_map(|candidate| {
            let z = logits.get(candidate.token() as usize)?;
            Some((*candidate, f64::from(*z) / self.temperature))
        })
    }

    /// `z/T` of any token.
    pub(super) fn score(&self, logits: &[f32], token: TokenId) -> Result<f64, DrawError> {
        let z =
            logits.get(token as usize).ok_or(DrawError::Vocabulary { token, vocabulary: logits.len() })?;
        Ok(f64::from(*z) / self.temperature)
    }

    /// Log-probability of any token in nats, over the whole vocabulary.
    pub(super) fn logprob(&self, logits: &[f32], token: TokenId) -> Result<f32, DrawError> {
        let scaled = self.score(logits, token)? - f64::from(self.max) / self.temperature;
        Ok((scaled - libm::log(self.total)).min(0.0) as f32)
    }

    /// `1 − Σ p²` over the set at mass `top_p`, renormalised.
    pub(super) fn gini(&self, top_p: f64) -> f64 {
        let (mut mass, mut squares) = (0.0, 0.0);
        for candidate in self.prefix(top_p) {
            let weight = candidate.weight();
            mass += weight;
            squares += weight * weight;
        }
        if mass > 0.0 { 1.0 - squares / (mass * mass) } else { 0.0 }
    }
}

//! The top-p set: the smallest set of most probable tokens whose mass reaches `top_p`.

use super::{DrawError, SamplingPolicy, weights};
use crate::words::TokenId;

/// Candidates of one row, most probable first, with what is needed to cut them at any mass near `top_p`.
#[derive(Debug, Default)]
pub(super) struct Nucleus {
    weights: Vec<f32>,
    /// `(weight, token, z/T)`, by falling weight, ties by rising token.
    candidates: Vec<(f32, TokenId, f64)>,
    max: f32,
    temperature: f64,
    total: f64,
}

/// How far above `top_p` the candidates reach, so that an outer set can be cut from them too.
const WIDEST_SLACK: f64 = 0.01;

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
        let scale = self.temperature;
        let rows = self.weights.iter().zip(logits).enumerate();
        self.candidates.extend(
            rows.filter(|(_, (weight, _))| **weight >= floor && **weight > 0.0)
                .map(|(token, (weight, z))| (*weight, token as TokenId, f64::from(*z) / scale)),
        );
        self.candidates.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        Ok(())
    }

    /// Tokens of the set at mass `top_p`, with `z/T`; never empty. The token that crosses the mass belongs to the set.
    pub(super) fn within(&self, top_p: f64) -> impl Iterator<Item = (TokenId, f64)> {
        let goal = top_p * self.total;
        let mut mass = 0.0;
        self.candidates
            .iter()
            .enumerate()
            .take_while(move |(rank, (weight, _, _))| {
                let inside = *rank == 0 || mass < goal;
                mass += f64::from(*weight);
                inside
            })
            .map(|(_, (_, token, scaled))| (*token, *scaled))
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
        let count = self.within(top_p).count();
        let (mut mass, mut squares) = (0.0, 0.0);
        for (weight, _, _) in self.candidates.iter().take(count) {
            let weight = f64::from(*weight);
            mass += weight;
            squares += weight * weight;
        }
        if mass > 0.0 { 1.0 - squares / (mass * mass) } else { 0.0 }
    }
}

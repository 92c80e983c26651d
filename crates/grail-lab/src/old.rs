//! The same lies beside the Python network's proof: its sketch and its median of log-probabilities.

use crate::v5::{
    CHALLENGED,
    challenge::indices_in_range,
    logprob,
    sketch::{TOP, coefficients, passes, sketch},
};
use crate::{LabError, stand::Scene};
use grail_artifact::window::RolloutRecord;
use grail_protocol::{logprob::dequantise, params::ROLLOUTS_PER_PROBLEM, words::TokenId};
use grail_torch::Model;
use serde::Serialize;

/// The window's randomness, which a miner knows.
const KNOWN: &str = "6a09e667f3bcc908b2fb1366ea957d3e3adec17512775099da2f590b0667322a";
/// The challenge's randomness, which nobody knows before the upload.
const CHALLENGE: &str = "bb67ae8584caa73b25742d7078b83b8925d834ccc4dda6f2f12dae5d30a6f2a1";

/// What a miner of that network would send about one rollout.
#[derive(Debug, Clone, PartialEq)]
pub struct OldClaim {
    /// One sketch a completion token.
    pub sketches: Vec<i64>,
    /// Claimed log-probabilities in nats.
    pub logprobs: Vec<f64>,
}

impl OldClaim {
    /// The claims of a record beside sketches of that network.
    pub fn of(record: &RolloutRecord, sketches: Vec<i64>) -> Self {
        let logprobs = record.logprobs.iter().map(|units| f64::from(dequantise(*units))).collect();
        Self { sketches, logprobs }
    }
}

/// Computes sketches of that network.
#[derive(Debug)]
pub struct OldSketches {
    coefficients: Vec<i8>,
}

impl OldSketches {
    /// Under the laboratory's randomness.
    ///
    /// Errors: none that could happen.
    pub fn new() -> Result<Self, LabError> {
        let coefficients = coefficients(KNOWN, TOP).map_err(|error| LabError::inside(error.to_string()))?;
        Ok(Self { coefficients })
    }

    /// The sketch of one state.
    ///
    /// Errors: a state that is narrower than sixteen values.
    pub fn sketch(&self, state: &[f32]) -> Result<i64, LabError> {
        sketch(state, &self.coefficients).map_err(|error| LabError::inside(error.to_string()))
    }

    /// Sketches of completions of a window, under a model.
    ///
    /// Errors: the model's trouble.
    pub fn of(&self, model: &Model, scene: &Scene, texts: &[&[TokenId]]) -> Result<Vec<Vec<i64>>, LabError> {
        let mut all = Vec::with_capacity(texts.len());
        for (asked, texts) in scene.groups.iter().zip(texts.chunks(usize::from(ROLLOUTS_PER_PROBLEM))) {
            for states in model.states(&asked.request.prompt, texts)? {
                all.push(states.rows().map(|state| self.sketch(state)).collect::<Result<Vec<_>, _>>()?);
            }
        }
        Ok(all)
    }
}

/// What that network's two checks say, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct OldTally {
    /// Rollouts looked at, lies alone.
    pub rollouts: u64,
    /// Those whose sketches pass.
    pub sketch_accepted: u64,
    /// Those whose log-probabilities pass.
    pub logprob_accepted: u64,
    /// Those that pass both.
    pub accepted: u64,
}

/// One rollout as that network's validator sees it.
#[derive(Debug, Clone, Copy)]
pub struct OldCase<'a> {
    /// Prompt tokens.
    pub prompt: &'a [TokenId],
    /// Completion tokens.
    pub completion: &'a [TokenId],
    /// What the miner sends.
    pub claim: &'a OldClaim,
    /// The validator's own sketches.
    pub sketches: &'a [i64],
    /// The validator's own log-probabilities.
    pub logprobs: &'a [f64],
}

impl OldTally {
    /// Judges one rollout. Completions shorter than 32 tokens, which that network refuses for their length alone, are looked
    /// at as a whole instead.
    ///
    /// Errors: none that could happen.
    pub fn judge(&mut self, case: &OldCase<'_>) -> Result<(), LabError> {
        let tokens: Vec<u32> = case.prompt.iter().chain(case.completion).copied().collect();
        let start = case.prompt.len();
        let range = start..start + case.completion.len();
        let chosen = indices_in_range(&tokens, CHALLENGE, range, CHALLENGED)
            .map_err(|error| LabError::inside(error.to_string()))?;
        let sketch = chosen.iter().all(|place| {
            let at = place - start;
            let (claimed, own) = (case.claim.sketches.get(at), case.sketches.get(at));
            claimed.zip(own).is_some_and(|(claimed, own)| passes(*claimed, *own, *place))
        });
        let pairs = chosen.iter().filter_map(|place| {
            let at = place - start;
            Some((*case.logprobs.get(at)?, *case.claim.logprobs.get(at)?))
        });
        let logprob = logprob::passes(pairs);
        self.rollouts += 1;
        self.sketch_accepted += u64::from(sketch);
        self.logprob_accepted += u64::from(logprob);
        self.accepted += u64::from(sketch && logprob);
        Ok(())
    }
}

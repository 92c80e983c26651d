//! Who picks the next token.

use grail_protocol::{
    draw::{DrawError, Drawn, Sampler, SamplingPolicy},
    seed::DrawKey,
    words::TokenId,
};

/// The row for which a token is picked.
#[derive(Debug, Clone, Copy)]
pub struct PickPlace<'a> {
    /// Index of its group in the request.
    pub group: usize,
    /// Index of its rollout in the group.
    pub rollout: usize,
    /// Key of its sampling noise.
    pub key: &'a DrawKey,
    /// What it drew so far.
    pub drawn: &'a [TokenId],
}

impl PickPlace<'_> {
    /// Completion position of the token to pick.
    pub fn step(&self) -> u32 {
        u32::try_from(self.drawn.len()).unwrap_or(u32::MAX)
    }
}

/// Picks a row's next token from its logits.
pub trait Pick: std::fmt::Debug + Send + Sync {
    /// The token, and the log-probability that is claimed for it.
    ///
    /// Errors: those of the sampler.
    fn pick(
        &self,
        sampler: &mut Sampler,
        logits: &[f32],
        policy: &SamplingPolicy,
        place: &PickPlace<'_>,
    ) -> Result<Drawn, DrawError>;
}

/// The draw that the protocol forces: what every program uses.
#[derive(Debug, Clone, Copy, Default)]
pub struct Forced;

impl Pick for Forced {
    fn pick(
        &self,
        sampler: &mut Sampler,
        logits: &[f32],
        policy: &SamplingPolicy,
        place: &PickPlace<'_>,
    ) -> Result<Drawn, DrawError> {
        sampler.draw(logits, policy, place.key, place.step())
    }
}

//! Ways of picking tokens that are not the published one.

use grail_protocol::{
    draw::{DrawError, Drawn, Sampler, SamplingPolicy},
    seed::DrawKey,
    words::TokenId,
};
use grail_torch::{Pick, PickPlace};

/// What is far below every logit and still a number.
const NEVER: f32 = -1e30;

/// How tokens are picked. The log-probability is always the true one under the published policy.
#[derive(Debug, Clone)]
pub(super) enum Habit {
    /// Temperature and top-p of one's own.
    Policy(SamplingPolicy),
    /// Only among the most probable ones.
    TopK(usize),
    /// The most probable one.
    Greedy,
    /// Noise of one's own.
    OwnNoise(u8),
    /// These tokens never.
    Without(Vec<TokenId>),
    /// These tokens first, one list for all rollouts of a group.
    After(Vec<Vec<TokenId>>),
    /// The second one, wherever it loses by less than this many nats.
    SecondWithin(f32),
}

impl Pick for Habit {
    fn pick(
        &self,
        sampler: &mut Sampler,
        logits: &[f32],
        policy: &SamplingPolicy,
        place: &PickPlace<'_>,
    ) -> Result<Drawn, DrawError> {
        let step = place.step();
        let token = match self {
            Self::Policy(own) => sampler.draw(logits, own, place.key, step)?.token,
            Self::TopK(count) => {
                let mut sorted = logits.to_vec();
                let last = count.saturating_sub(1).min(sorted.len().saturating_sub(1));
                let (_, least, _) = sorted.select_nth_unstable_by(last, |a, b| b.total_cmp(a));
                let least = *least;
                let kept: Vec<f32> = logits.iter().map(|z| if *z >= least { *z } else { NEVER }).collect();
                sampler.draw(&kept, policy, place.key, step)?.token
            }
            Self::Greedy => {
                let most = (0u32..).zip(logits).max_by(|(_, a), (_, b)| a.total_cmp(b));
                most.map_or(0, |(token, _)| token)
            }
            Self::OwnNoise(twist) => {
                let bytes = place.key.as_bytes().map(|byte| byte ^ twist);
                sampler.draw(logits, policy, &DrawKey::from_bytes(bytes), step)?.token
            }
            Self::Without(tokens) => {
                let kept = hiding(logits, tokens);
                sampler.draw(&kept, policy, place.key, step)?.token
            }
            Self::After(prefixes) => {
                match prefixes.get(place.group).and_then(|prefix| prefix.get(place.drawn.len())) {
                    Some(token) => *token,
                    None => sampler.draw(logits, policy, place.key, step)?.token,
                }
            }
            Self::SecondWithin(nats) => {
                let first = sampler.draw(logits, policy, place.key, step)?.token;
                let rest = hiding(logits, &[first]);
                let second = sampler.draw(&rest, policy, place.key, step)?.token;
                let reading = sampler.read(logits, policy, 0.0, place.key, step, second)?;
                if reading.in_outer && reading.margin <= *nats { second } else { first }
            }
        };
        let logprob = sampler.read(logits, policy, 0.0, place.key, step, token)?.logprob;
        Ok(Drawn { token, logprob })
    }
}

fn hiding(logits: &[f32], tokens: &[TokenId]) -> Vec<f32> {
    let mut kept = logits.to_vec();
    for token in tokens {
        if let Some(z) = kept.get_mut(*token as usize) {
            *z = NEVER;
        }
    }
    kept
}

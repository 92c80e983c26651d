use grail_protocol::{
    draw::{DrawError, Sampler, SamplingPolicy},
    seed::DrawKey,
    words::TokenId,
};

/// What is far below every logit and still a number.
const NEVER: f32 = -1e30;

/// A way of picking tokens that is not the published one. Whoever picks otherwise has the model at hand, and loses nothing
/// by telling the truth about sketch and log-probabilities.
#[derive(Debug, Clone, PartialEq)]
pub enum Habit {
    /// Divides the logits by another temperature.
    Temperature(f32),
    /// Keeps another mass.
    TopP(f32),
    /// Only among so many of the most probable tokens.
    TopK(usize),
    /// The most probable token.
    Greedy,
    /// Noise of one's own: the first byte of the published key is flipped by these bits.
    OwnNoise(u8),
    /// These tokens never.
    Without(Vec<TokenId>),
    /// These tokens first, one list for all rollouts of a group.
    After(Vec<Vec<TokenId>>),
    /// Draws honestly, but puts the most probable other token at this position where the completion reaches it.
    SwapAt(u32),
    /// The second token of a draw, wherever it loses by between so much and so little.
    CloseCalls {
        /// Least loss in nats.
        more: f32,
        /// Largest loss in nats.
        less: f32,
    },
}

/// Where a token is picked.
#[derive(Debug, Clone, Copy)]
pub struct DrawPlace<'a> {
    /// Key of the rollout's draws.
    pub key: &'a DrawKey,
    /// Group of the batch.
    pub group: usize,
    /// Position in the completion.
    pub position: u32,
}

impl Habit {
    /// The token that is picked.
    ///
    /// Errors: logits that cannot be drawn from.
    pub fn pick(
        &self,
        sampler: &mut Sampler,
        logits: &[f32],
        policy: &SamplingPolicy,
        place: &DrawPlace<'_>,
    ) -> Result<TokenId, DrawError> {
        let mut draw = |logits: &[f32], policy: &SamplingPolicy, key: &DrawKey| {
            sampler.draw(logits, policy, key, place.position).map(|drawn| drawn.token)
        };
        match self {
            Self::Temperature(temperature) => {
                draw(logits, &SamplingPolicy { temperature: *temperature, ..*policy }, place.key)
            }
            Self::TopP(top_p) => draw(logits, &SamplingPolicy { top_p: *top_p, ..*policy }, place.key),
            Self::TopK(count) => {
                let mut sorted = logits.to_vec();
                let last = count.saturating_sub(1).min(sorted.len().saturating_sub(1));
                let (_, least, _) = sorted.select_nth_unstable_by(last, |a, b| b.total_cmp(a));
                let least = *least;
                let kept: Vec<f32> = logits.iter().map(|z| if *z >= least { *z } else { NEVER }).collect();
                draw(&kept, policy, place.key)
            }
            Self::Greedy => Ok(most_likely(logits)),
            Self::OwnNoise(bits) => {
                let mut key = *place.key.as_bytes();
                let [first, ..] = &mut key;
                *first ^= bits;
                draw(logits, policy, &DrawKey::from_bytes(key))
            }
            Self::Without(tokens) => draw(&hiding(logits, tokens), policy, place.key),
            Self::After(prefixes) => {
                let chosen = prefixes.get(place.group).and_then(|prefix| prefix.get(place.position as usize));
                chosen.map_or_else(|| draw(logits, policy, place.key), |token| Ok(*token))
            }
            Self::SwapAt(position) => {
                let honest = draw(logits, policy, place.key)?;
                Ok(if *position == place.position { most_likely(&hiding(logits, &[honest])) } else { honest })
            }
            Self::CloseCalls { more, less } => {
                let honest = draw(logits, policy, place.key)?;
                let second = draw(&hiding(logits, &[honest]), policy, place.key)?;
                let read = sampler.read(logits, policy, 0.0, place.key, place.position, second)?;
                let close = read.in_outer && (*more..*less).contains(&read.margin);
                Ok(if close { second } else { honest })
            }
        }
    }
}

fn most_likely(logits: &[f32]) -> TokenId {
    let best = (0u32..).zip(logits).max_by(|(_, a), (_, b)| a.total_cmp(b));
    best.map_or(0, |(token, _)| token)
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

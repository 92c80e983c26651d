use super::{
    FakeModel,
    fake::{generate_with, model_fault, sketch_of},
    tokenizer::END,
};
use grail_ports::{
    Fault,
    model::{Answer, GenerationProgress, GenerationRule, Generator, GroupRequest, ModelCard, RolloutKeys},
};
use grail_protocol::{
    draw::{Sampler, SamplingPolicy},
    seed::DrawKey,
    words::TokenId,
};

/// A way to choose tokens that is not the protocol's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Habit {
    /// Divides the logits by another temperature.
    Temperature(f32),
    /// Keeps another mass.
    TopP(f32),
    /// Takes the most probable token.
    Greedy,
    /// Draws with keys of its own.
    OtherKeys,
    /// Never ends before the cap.
    SuppressEnd,
    /// Draws honestly, but puts another likely token at this position where the completion reaches it.
    SwapAt(u32),
    /// Takes the runner-up of a draw wherever it loses by between so much and so little.
    CloseCalls {
        /// Least loss in nats.
        more: f32,
        /// Largest loss in nats.
        less: f32,
    },
}

/// A miner that holds the right model and uses it wrongly. Sketches and log-probabilities of what it sends are true,
/// so that only its choices can give it away.
#[derive(Debug, Clone)]
pub struct Liar {
    /// The model.
    pub model: FakeModel,
    /// What it does.
    pub habit: Habit,
}

impl Liar {
    fn choose(
        &self,
        logits: &[f32],
        policy: &SamplingPolicy,
        keys: &RolloutKeys,
        position: u32,
        sampler: &mut Sampler,
    ) -> Result<TokenId, Fault> {
        let mut own = Sampler::new();
        let mut draw = |logits: &[f32], policy: &SamplingPolicy, key: &DrawKey| {
            let drawn = own.draw(logits, policy, key, position);
            drawn.map(|drawn| drawn.token).map_err(|e| model_fault("draw a token", e))
        };
        match self.habit {
            Habit::Temperature(temperature) => {
                draw(logits, &SamplingPolicy { temperature, ..*policy }, &keys.draw)
            }
            Habit::TopP(top_p) => draw(logits, &SamplingPolicy { top_p, ..*policy }, &keys.draw),
            Habit::Greedy => Ok(most_likely(logits)),
            Habit::OtherKeys => {
                let mut key = *keys.draw.as_bytes();
                key[0] ^= 1;
                draw(logits, policy, &DrawKey::from_bytes(key))
            }
            Habit::SuppressEnd => {
                let mut without = logits.to_vec();
                without[END as usize] = -100.0;
                draw(&without, policy, &keys.draw)
            }
            Habit::SwapAt(place) if place == position => {
                let honest = draw(logits, policy, &keys.draw)?;
                let mut without = logits.to_vec();
                without[honest as usize] = -100.0;
                Ok(most_likely(&without))
            }
            Habit::SwapAt(_) => draw(logits, policy, &keys.draw),
            Habit::CloseCalls { more, less } => {
                let honest = draw(logits, policy, &keys.draw)?;
                let mut without = logits.to_vec();
                without[honest as usize] = -100.0;
                let second = draw(&without, policy, &keys.draw)?;
                let read = sampler.read(logits, policy, 0.0, &keys.draw, position, second);
                let read = read.map_err(|e| model_fault("read a draw", e))?;
                let close = read.in_outer && (more..less).contains(&read.margin);
                Ok(if close { second } else { honest })
            }
        }
    }
}

fn most_likely(logits: &[f32]) -> TokenId {
    let best = (0u32..).zip(logits).max_by(|a, b| a.1.total_cmp(b.1));
    best.map_or(0, |(token, _)| token)
}

impl Generator for Liar {
    fn card(&self) -> &ModelCard {
        self.model.card()
    }

    fn generate(
        &mut self,
        groups: &[GroupRequest],
        rule: &GenerationRule,
        progress: &mut dyn FnMut(GenerationProgress) -> bool,
    ) -> Result<Vec<Vec<Answer>>, Fault> {
        let (mut sampler, mut reading) = (Sampler::new(), Sampler::new());
        let liar = &*self;
        generate_with(liar.model.card(), groups, rule, progress, &mut |group, index| {
            let keys = &group.rollouts[index];
            let mut reader = liar.model.start(&group.prompt);
            let mut answer = Answer { tokens: Vec::new(), sketch: Vec::new(), logprobs: Vec::new() };
            while reader.position() < rule.max_new_tokens {
                let (row, position) = (reader.row(), reader.position());
                let token = liar.choose(&row.logits, &rule.policy, keys, position, &mut sampler)?;
                let read = reading
                    .read(&row.logits, &rule.policy, 0.0, &keys.draw, position, token)
                    .map_err(|e| model_fault("read a draw", e))?;
                answer.tokens.push(token);
                answer.logprobs.push(read.logprob);
                answer.sketch.push(sketch_of(&row, keys, position)?);
                reader.push(token);
                if token == END {
                    break;
                }
            }
            Ok(answer)
        })
    }
}

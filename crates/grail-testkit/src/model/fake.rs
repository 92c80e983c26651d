use super::tokenizer::{END, VOCABULARY};
use grail_ports::{
    Door, Fault, Retry,
    model::{
        Answer, GenerationProgress, GenerationRule, Generator, GroupProbe, GroupRequest, ModelCard, Oracle,
        ProbeRollout, Readout, RolloutKeys, room,
    },
};
use grail_protocol::{
    draw::Sampler,
    sketch::sketch,
    stream::Stream,
    words::{CheckpointId, TokenId},
};
use std::{collections::BTreeMap, sync::Arc};

/// Values of a hidden state.
const WIDTH: u32 = 64;
const CONTEXT_LENGTH: u32 = 16_384;

/// A model without weights: logits and hidden state of a position are drawn by a keystream whose key is the model's
/// seed and whose number is a digest of all tokens before the position.
///
/// Deterministic, a few microseconds a token, and unlike text in every other way: one changed token changes all that
/// follows. An end token is drawn with a probability near 0.1 at each step.
#[derive(Debug, Clone)]
pub struct FakeModel {
    card: ModelCard,
    weights: u64,
    noise: Option<Noise>,
    scripts: Arc<BTreeMap<Vec<TokenId>, Vec<Vec<TokenId>>>>,
}

#[derive(Debug, Clone, Copy)]
struct Noise {
    size: f32,
    seed: u64,
}

/// What the model holds at one position.
pub(super) struct Row {
    pub(super) state: Vec<f32>,
    pub(super) logits: Vec<f32>,
}

impl FakeModel {
    /// The model with these weights, under the name of a checkpoint.
    pub fn new(checkpoint: CheckpointId, weights: u64) -> Self {
        let card = ModelCard {
            checkpoint,
            width: WIDTH,
            vocabulary: VOCABULARY,
            context_length: CONTEXT_LENGTH,
            end_tokens: vec![END],
            description: format!("fake model with weights {weights}"),
        };
        Self { card, weights, noise: None, scripts: Arc::default() }
    }

    /// The same model on a machine whose arithmetic differs by `size`, relative to the spread of states and logits.
    #[must_use]
    pub fn with_noise(mut self, size: f32, seed: u64) -> Self {
        self.noise = Some(Noise { size, seed });
        self
    }

    /// The same model with room for so many positions.
    #[must_use]
    pub fn with_context(mut self, positions: u32) -> Self {
        self.card.context_length = positions;
        self
    }

    /// The same model with other weights, still under the name of its checkpoint: what a liar loads.
    #[must_use]
    pub fn with_weights(mut self, weights: u64) -> Self {
        self.weights = weights;
        self
    }

    /// A model that knows these completions of these prompts by heart: it follows one of them nearly always.
    #[must_use]
    pub fn with_scripts(mut self, scripts: BTreeMap<Vec<TokenId>, Vec<Vec<TokenId>>>) -> Self {
        self.scripts = Arc::new(scripts);
        self
    }

    /// What the model is said to be.
    pub const fn card(&self) -> &ModelCard {
        &self.card
    }

    /// Reads a prompt and stands before the first completion token.
    pub(super) fn start(&self, prompt: &[TokenId]) -> Reader<'_> {
        let scripts = self.scripts.get(prompt).map_or(&[][..], Vec::as_slice);
        let mut reader = Reader { model: self, digest: mix(self.weights), completion: Vec::new(), scripts };
        for token in prompt {
            reader.digest = advance(reader.digest, *token);
        }
        reader
    }
}

/// A place in a text.
pub(super) struct Reader<'model> {
    model: &'model FakeModel,
    digest: u64,
    completion: Vec<TokenId>,
    scripts: &'model [Vec<TokenId>],
}

impl Reader<'_> {
    pub(super) fn position(&self) -> u32 {
        self.completion.len() as u32
    }

    pub(super) fn push(&mut self, token: TokenId) {
        self.digest = advance(self.digest, token);
        self.completion.push(token);
    }

    pub(super) fn row(&self) -> Row {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&self.model.weights.to_le_bytes());
        let mut stream = Stream::new(&key, self.digest);
        let mut state: Vec<f32> = (0..WIDTH).map(|_| bell(&mut stream)).collect();
        let mut logits: Vec<f32> = (0..VOCABULARY).map(|_| 2.5 * bell(&mut stream)).collect();
        // ln Σ exp over 300 such logits lies near 8.6.
        logits[END as usize] = 6.4 + 0.2 * logits[END as usize];
        for script in self.scripts {
            if let Some(next) = script.strip_prefix(self.completion.as_slice()).and_then(|rest| rest.first())
            {
                logits[*next as usize] = 20.0;
            }
        }
        if let Some(Noise { size, seed }) = self.model.noise {
            key[8..16].copy_from_slice(&seed.to_le_bytes());
            let mut stream = Stream::new(&key, self.digest);
            state.iter_mut().chain(&mut logits).for_each(|value| *value += size * bell(&mut stream));
        }
        Row { state, logits }
    }
}

/// A value with a bell shape, spread 1, at most 3.5.
fn bell(stream: &mut Stream) -> f32 {
    let sum: i32 = stream.word().to_le_bytes().into_iter().map(i32::from).sum();
    // Four bytes: mean 510, spread √(4 · (256² − 1)/12).
    (sum - 510) as f32 / 147.8
}

fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn advance(digest: u64, token: TokenId) -> u64 {
    mix(digest ^ mix(u64::from(token)))
}

/// The sketch of a completion under any model and keys.
pub(super) fn sketch_of(row: &Row, keys: &RolloutKeys, position: u32) -> Result<i8, Fault> {
    sketch(&row.state, &keys.sketch, position).map_err(|e| model_fault("sketch a state of the fake model", e))
}

pub(super) fn model_fault(doing: &str, source: impl std::error::Error + Send + Sync + 'static) -> Fault {
    Fault::new(Door::Model, Retry::Never, doing, source)
}

/// Walks through a generation of any kind: `answer` makes one rollout of a group.
pub(super) fn generate_with(
    card: &ModelCard,
    groups: &[GroupRequest],
    rule: &GenerationRule,
    progress: &mut dyn FnMut(GenerationProgress) -> bool,
    answer: &mut dyn FnMut(&GroupRequest, usize) -> Result<Answer, Fault>,
) -> Result<Vec<Vec<Answer>>, Fault> {
    let mut tokens = 0;
    let mut answers = Vec::with_capacity(groups.len());
    for group in groups {
        room(group.prompt.len(), rule.max_new_tokens, card.context_length)
            .map_err(|no_room| Fault::plain(Door::Model, Retry::Never, no_room.to_string()))?;
        let mut rows = Vec::with_capacity(group.rollouts.len());
        for index in 0..group.rollouts.len() {
            let row = answer(group, index)?;
            tokens += row.tokens.len() as u64;
            rows.push(row);
            let live_rows = (group.rollouts.len() - index - 1) as u32;
            if !progress(GenerationProgress { tokens, live_rows }) {
                return Err(Fault::plain(Door::Model, Retry::Later, "the generation was stopped"));
            }
        }
        answers.push(rows);
    }
    Ok(answers)
}

impl Generator for FakeModel {
    fn card(&self) -> &ModelCard {
        &self.card
    }

    fn generate(
        &mut self,
        groups: &[GroupRequest],
        rule: &GenerationRule,
        progress: &mut dyn FnMut(GenerationProgress) -> bool,
    ) -> Result<Vec<Vec<Answer>>, Fault> {
        let mut sampler = Sampler::new();
        let model = &*self;
        generate_with(&model.card, groups, rule, progress, &mut |group, index| {
            let keys = &group.rollouts[index];
            let mut reader = model.start(&group.prompt);
            let mut answer = Answer { tokens: Vec::new(), sketch: Vec::new(), logprobs: Vec::new() };
            while reader.position() < rule.max_new_tokens {
                let (row, position) = (reader.row(), reader.position());
                let drawn = sampler
                    .draw(&row.logits, &rule.policy, &keys.draw, position)
                    .map_err(|e| model_fault("draw a token", e))?;
                answer.tokens.push(drawn.token);
                answer.logprobs.push(drawn.logprob);
                answer.sketch.push(sketch_of(&row, keys, position)?);
                reader.push(drawn.token);
                if drawn.token == END {
                    break;
                }
            }
            Ok(answer)
        })
    }
}

impl Oracle for FakeModel {
    fn card(&self) -> &ModelCard {
        &self.card
    }

    fn read(&mut self, probe: &GroupProbe) -> Result<Vec<Readout>, Fault> {
        let mut sampler = Sampler::new();
        let mut read = |rollout: &ProbeRollout| {
            let mut reader = self.start(&probe.prompt);
            let mut readout = Readout { sketch: Vec::new(), draws: Vec::new() };
            for token in &rollout.completion {
                let (row, position) = (reader.row(), reader.position());
                let key = &rollout.keys.draw;
                let reading = sampler
                    .read(&row.logits, &probe.policy, probe.nucleus_slack, key, position, *token)
                    .map_err(|e| model_fault("read a draw", e))?;
                readout.draws.push(reading);
                readout.sketch.push(sketch_of(&row, &rollout.keys, position)?);
                reader.push(*token);
            }
            Ok(readout)
        };
        probe.rollouts.iter().map(&mut read).collect()
    }
}

/// An oracle that fails: at the call of that number (from 0) and at every later one.
#[derive(Debug, Clone)]
pub struct FaultyOracle {
    /// The oracle that answers until then.
    pub model: FakeModel,
    /// Calls that still succeed.
    pub good_calls: u32,
}

impl Oracle for FaultyOracle {
    fn card(&self) -> &ModelCard {
        self.model.card()
    }

    fn read(&mut self, probe: &GroupProbe) -> Result<Vec<Readout>, Fault> {
        match self.good_calls.checked_sub(1) {
            Some(left) => {
                self.good_calls = left;
                self.model.read(probe)
            }
            None => Err(Fault::plain(Door::Model, Retry::Later, "the fake device is out of memory")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use grail_protocol::{
        draw::SamplingPolicy,
        seed::{DrawKey, SketchKey},
    };

    const RULE: GenerationRule = GenerationRule { policy: SamplingPolicy::DEFAULT, max_new_tokens: 64 };

    fn group(rollouts: u8) -> GroupRequest {
        let keys =
            |i| RolloutKeys { draw: DrawKey::from_bytes([i; 32]), sketch: SketchKey::from_bytes([i; 32]) };
        GroupRequest { prompt: vec![1, 2, 3], rollouts: (0..rollouts).map(keys).collect() }
    }

    fn answers(mut model: FakeModel) -> Vec<Answer> {
        model.generate(&[group(64)], &RULE, &mut |_| true).unwrap().remove(0)
    }

    fn model() -> FakeModel {
        FakeModel::new(CheckpointId::from_bytes([1; 32]), 7)
    }

    #[test]
    fn answers_are_a_function_of_weights_prompt_and_keys() {
        assert_eq!(answers(model()), answers(model()));
        assert_ne!(answers(model()), answers(model().with_weights(8)));
    }

    #[test]
    fn completions_end_by_themselves_after_about_ten_tokens() {
        let lengths: Vec<usize> = answers(model()).iter().map(|answer| answer.tokens.len()).collect();
        let mean = lengths.iter().sum::<usize>() as f64 / lengths.len() as f64;
        assert!((5.0..20.0).contains(&mean), "{mean} of {lengths:?}");
    }

    #[test]
    fn the_oracle_agrees_with_the_generator_up_to_noise() {
        let rollouts: Vec<ProbeRollout> = answers(model())
            .iter()
            .zip(group(64).rollouts)
            .map(|(answer, keys)| ProbeRollout { completion: answer.tokens.clone(), keys })
            .collect();
        let probe = GroupProbe { prompt: vec![1, 2, 3], rollouts, policy: RULE.policy, nucleus_slack: 1e-4 };
        let exact = model().read(&probe).unwrap();
        for (readout, answer) in exact.iter().zip(answers(model())) {
            assert_eq!(readout.sketch, answer.sketch);
            assert!(readout.draws.iter().all(|draw| draw.margin == 0.0 && draw.in_outer));
        }
        let noisy = model().with_noise(1e-5, 3).read(&probe).unwrap();
        assert_ne!(noisy, exact);
        assert!(noisy.iter().flat_map(|readout| &readout.draws).all(|draw| draw.margin < 1e-3));
    }

    #[test]
    fn a_script_is_followed() {
        let script = vec![65, 66, END];
        let scripted = model().with_scripts(BTreeMap::from([(vec![1, 2, 3], vec![script.clone()])]));
        let followed = answers(scripted).iter().filter(|answer| answer.tokens == script).count();
        assert!(followed > 60, "{followed} of 64");
    }
}

use super::{
    FakeModel,
    fake::{generate_with, model_fault, sketch_of},
    tokenizer::END,
};
use grail_ports::{
    Fault,
    model::{Answer, GenerationProgress, GenerationRule, Generator, GroupRequest, ModelCard},
};
use grail_protocol::draw::Sampler;
use grail_verify::lies::{DrawPlace, Habit};

/// A miner that holds the right model and uses it wrongly. Sketches and log-probabilities of what it sends are true,
/// so that only its choices can give it away.
#[derive(Debug, Clone)]
pub struct CheatingGenerator {
    /// The model.
    pub model: FakeModel,
    /// What it does.
    pub habit: Habit,
}

impl Generator for CheatingGenerator {
    fn card(&self) -> &ModelCard {
        self.model.card()
    }

    fn generate(
        &mut self,
        groups: &[GroupRequest],
        rule: &GenerationRule,
        progress: &mut dyn FnMut(GenerationProgress) -> bool,
    ) -> Result<Vec<Vec<Answer>>, Fault> {
        let mut sampler = Sampler::new();
        let liar = &*self;
        generate_with(liar.model.card(), groups, rule, progress, &mut |group, index| {
            let keys = &group.rollouts[index];
            let mut reader = liar.model.start(&group.prompt);
            let mut answer = Answer { tokens: Vec::new(), sketch: Vec::new(), logprobs: Vec::new() };
            while reader.position() < rule.max_new_tokens {
                let (row, position) = (reader.row(), reader.position());
                let place = DrawPlace { key: &keys.draw, group: 0, position };
                let token = liar
                    .habit
                    .pick(&mut sampler, &row.logits, &rule.policy, &place)
                    .map_err(|e| model_fault("draw a token", e))?;
                let read = sampler
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

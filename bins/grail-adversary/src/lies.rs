//! Lies that a miner could tell, as wrappers around an honest generator.

use grail_ports::{
    Fault,
    model::{Answer, GenerationProgress, GenerationRule, Generator, GroupRequest, ModelCard},
};

/// What to lie about.
#[derive(Debug, Clone, Copy, PartialEq, clap::ValueEnum)]
pub(crate) enum Lie {
    /// Honest text, and the same sketch byte at every position.
    ConstantSketch,
    /// Text drawn at temperature 1.3, passed off as drawn at the published one.
    Temperature,
    /// Text drawn with noise of the miner's own choosing.
    WrongSeed,
}

/// A generator that answers honestly and then lies about it.
pub(crate) struct Liar<G> {
    honest: G,
    lie: Lie,
}

impl<G> Liar<G> {
    /// Wraps a generator.
    pub(crate) fn new(honest: G, lie: Lie) -> Self {
        Self { honest, lie }
    }
}

/// Factor on the temperature of [`Lie::Temperature`].
const HOTTER: f32 = 1.3;

impl<G: Generator> Generator for Liar<G> {
    fn card(&self) -> &ModelCard {
        self.honest.card()
    }

    fn generate(
        &mut self,
        groups: &[GroupRequest],
        rule: &GenerationRule,
        progress: &mut dyn FnMut(GenerationProgress) -> bool,
    ) -> Result<Vec<Vec<Answer>>, Fault> {
        let (mut groups, mut rule) = (groups.to_vec(), *rule);
        match self.lie {
            Lie::ConstantSketch => {}
            Lie::Temperature => rule.policy.temperature *= HOTTER,
            Lie::WrongSeed => {
                for keys in groups.iter_mut().flat_map(|group| &mut group.rollouts) {
                    let flipped = keys.draw.as_bytes().map(|byte| !byte);
                    keys.draw = grail_protocol::seed::DrawKey::from_bytes(flipped);
                }
            }
        }
        let mut answers = self.honest.generate(&groups, &rule, progress)?;
        if self.lie == Lie::ConstantSketch {
            for answer in answers.iter_mut().flatten() {
                answer.sketch.fill(0);
            }
        }
        Ok(answers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use grail_ports::model::RolloutKeys;
    use grail_protocol::{
        draw::SamplingPolicy,
        seed::{DrawKey, SketchKey},
        words::CheckpointId,
    };

    /// Tells what it was asked, in the shape of an answer.
    struct Echo(ModelCard);

    impl Generator for Echo {
        fn card(&self) -> &ModelCard {
            &self.0
        }
        fn generate(
            &mut self,
            groups: &[GroupRequest],
            rule: &GenerationRule,
            _progress: &mut dyn FnMut(GenerationProgress) -> bool,
        ) -> Result<Vec<Vec<Answer>>, Fault> {
            let answer = |keys: &RolloutKeys| Answer {
                tokens: keys.draw.as_bytes().iter().map(|byte| u32::from(*byte)).collect(),
                sketch: vec![7; 32],
                logprobs: vec![rule.policy.temperature; 32],
            };
            Ok(groups.iter().map(|group| group.rollouts.iter().map(answer).collect()).collect())
        }
    }

    fn told(lie: Lie) -> Answer {
        let card = ModelCard {
            checkpoint: CheckpointId::from_bytes([0; 32]),
            width: 1,
            vocabulary: 256,
            context_length: 64,
            end_tokens: vec![0],
            description: String::new(),
        };
        let keys = RolloutKeys { draw: DrawKey::from_bytes([1; 32]), sketch: SketchKey::from_bytes([2; 32]) };
        let request = GroupRequest { prompt: vec![1], rollouts: vec![keys] };
        let rule = GenerationRule { policy: SamplingPolicy::DEFAULT, max_new_tokens: 32 };
        let mut answers = Liar::new(Echo(card), lie).generate(&[request], &rule, &mut |_| true).unwrap();
        answers.remove(0).remove(0)
    }

    #[test]
    fn each_lie_changes_what_it_says_and_nothing_else() {
        let constant = told(Lie::ConstantSketch);
        assert_eq!((constant.sketch, constant.logprobs[0], constant.tokens[0]), (vec![0; 32], 1.0, 1));
        let hotter = told(Lie::Temperature);
        assert_eq!((hotter.sketch[0], hotter.logprobs[0], hotter.tokens[0]), (7, HOTTER, 1));
        let seeded = told(Lie::WrongSeed);
        assert_eq!((seeded.sketch[0], seeded.logprobs[0], seeded.tokens[0]), (7, 1.0, 254));
    }
}

use super::{Lie, Tells, all};
use grail_ports::{
    Fault,
    model::{Answer, GenerationProgress, GenerationRule, Generator, GroupRequest, ModelCard},
};

/// What a lie was called before it had its name.
const FORMER_NAMES: [(&str, &str); 1] = [("wrong-seed", "own-seed")];

/// The lie of that name; an older name of one counts too.
pub fn named(name: &str) -> Option<&'static Lie> {
    let today = FORMER_NAMES.iter().find(|(former, _)| *former == name).map_or(name, |(_, today)| *today);
    all().find(|lie| lie.name == today)
}

/// A lie that a miner tells by exchanging its generator: the table has others that take more than that.
#[derive(Debug, Clone, Copy)]
pub struct MiningLie(&'static Lie);

impl MiningLie {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        all().filter(|lie| matches!(lie.tells, Tells::Sketch(_) | Tells::Asks(_))).map(Self)
    }

    /// The one of that name, or of an older one.
    pub fn named(name: &str) -> Option<Self> {
        let lie = named(name)?;
        Self::all().find(|mining| mining.name() == lie.name)
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        self.0.name
    }
}

/// An honest generator whose answers are lied about.
#[derive(Debug)]
pub struct Lying<G> {
    honest: G,
    lie: MiningLie,
}

impl<G> Lying<G> {
    /// A generator that tells a lie.
    pub const fn new(honest: G, lie: MiningLie) -> Self {
        Self { honest, lie }
    }
}

impl<G: Generator> Generator for Lying<G> {
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
        if let Tells::Asks(change) = self.lie.0.tells {
            change(&mut groups, &mut rule);
        }
        let mut answers = self.honest.generate(&groups, &rule, progress)?;
        if let Tells::Sketch(edit) = self.lie.0.tells {
            answers.iter_mut().flatten().for_each(|answer| edit(&mut answer.sketch));
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

    fn told(name: &str) -> Answer {
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
        let mut answers = Lying::new(Echo(card), MiningLie::named(name).unwrap())
            .generate(&[request], &rule, &mut |_| true)
            .unwrap();
        answers.remove(0).remove(0)
    }

    #[test]
    fn each_lie_changes_what_it_says_and_nothing_else() {
        let constant = told("constant-sketch");
        assert_eq!((constant.sketch, constant.logprobs[0], constant.tokens[0]), (vec![17; 32], 1.0, 1));
        let hotter = told("temperature");
        assert_eq!((hotter.sketch[0], hotter.logprobs[0], hotter.tokens[0]), (7, 1.3, 1));
        let seeded = told("wrong-seed");
        assert_eq!((seeded.sketch[0], seeded.logprobs[0], seeded.tokens[0]), (7, 1.0, 0));
    }

    #[test]
    fn what_takes_more_than_a_generator_is_not_told_by_one() {
        assert!(MiningLie::all().any(|lie| lie.name() == "zero-sketch"));
        assert!(MiningLie::named("copied-file").is_none());
        assert!(named("no-such-lie").is_none());
    }
}

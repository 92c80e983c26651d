//! What a liar has in the fake world.

use super::World;
use crate::model::{CheatingGenerator, VOCABULARY};
use grail_artifact::window::{RolloutRecord, WindowFile, WindowHeader};
use grail_ports::{
    Door, Fault, Retry,
    model::{
        GenerationRule, Generator as _, GroupProbe, GroupRequest, Oracle as _, ProbeRollout, Tokenize,
        outcome_of,
    },
};
use grail_protocol::{seed::WindowContext, words::TokenId};
use grail_verify::lies::{Computation, Foreign, Habit, Lie, Means, ToldLie};

impl World {
    /// The file that tells a lie in so many groups.
    ///
    /// # Panics
    /// For a lie that the fake model cannot tell: one without [`Lie::on_fake`].
    pub fn told(&self, lie: &Lie, groups: u32) -> WindowFile {
        lie.tell(&Hand { world: self, groups }).unwrap_or_else(|fault| panic!("{}: {fault}", lie.name)).file
    }
}

/// A liar of so many groups.
struct Hand<'a> {
    world: &'a World,
    groups: u32,
}

fn cannot(what: &str) -> Fault {
    Fault::plain(Door::Inside, Retry::Never, format!("the fake world cannot {what}"))
}

impl Means for Hand<'_> {
    fn window(&self) -> &WindowContext {
        &self.world.context
    }

    fn header(&self) -> WindowHeader {
        self.world.header()
    }

    fn vocabulary(&self) -> u32 {
        VOCABULARY
    }

    fn tokenizer(&self) -> &dyn Tokenize {
        &self.world.tokenizer
    }

    fn honest(&self, more: u32) -> Result<Vec<RolloutRecord>, Fault> {
        Ok(self.world.honest(self.groups + more).rollouts)
    }

    fn earlier(&self) -> Result<WindowFile, Fault> {
        Ok(self.world.but(|setup| setup.window.0 -= 20).honest(self.groups))
    }

    fn seal(&self, header: WindowHeader, records: Vec<RolloutRecord>) -> Result<WindowFile, Fault> {
        Ok(self.world.seal(header, records))
    }

    fn asked(
        &self,
        change: &dyn Fn(&mut [GroupRequest], &mut GenerationRule),
    ) -> Result<Vec<RolloutRecord>, Fault> {
        let mut requests: Vec<GroupRequest> =
            (0..self.groups).map(|group| self.world.request(group)).collect();
        let mut rule = self.world.rule();
        change(&mut requests, &mut rule);
        let answers = self.world.model.clone().generate(&requests, &rule, &mut |_| true)?;
        Ok(self.world.pack(answers))
    }

    fn picked(&self, habit: Habit) -> Result<Vec<RolloutRecord>, Fault> {
        Ok(self.world.answer(&mut CheatingGenerator { model: self.world.model.clone(), habit }, self.groups))
    }

    fn proven(&self, _: Vec<Vec<TokenId>>) -> Result<Vec<RolloutRecord>, Fault> {
        Err(cannot("prove texts"))
    }

    fn encode(&self, _: &str) -> Result<Vec<TokenId>, Fault> {
        Err(cannot("encode a text"))
    }

    fn succeeds(&self, record: &RolloutRecord, tokens: &[TokenId]) -> Result<bool, Fault> {
        Ok(outcome_of(&self.world.problem(record.group.0), tokens, &self.world.tokenizer)?.success)
    }

    fn computed(&self, computation: Computation) -> Result<Vec<RolloutRecord>, Fault> {
        let model = self.world.model.clone();
        let mut model = match computation {
            Computation::OtherWeights => model.with_weights(0xbad),
            Computation::Noise(size) => model.with_noise(size, 5),
            Computation::MadeUpPrompt(prompt) => return self.after(prompt),
            _ => return Err(cannot("compute otherwise")),
        };
        Ok(self.world.answer(&mut model, self.groups))
    }

    fn foreign(&self, foreign: Foreign) -> Result<ToldLie, Fault> {
        let others = || self.world.but(|setup| setup.miner += 1).honest(self.groups);
        match foreign {
            Foreign::File => Ok(others().into()),
            Foreign::Rollouts => Ok(self.seal(self.header(), others().rollouts)?.into()),
            Foreign::Texts | Foreign::Guessed => Err(cannot("prove texts")),
        }
    }
}

impl Hand<'_> {
    /// True texts with the sketches that the right model and keys give after another prompt.
    fn after(&self, prompt: &[TokenId]) -> Result<Vec<RolloutRecord>, Fault> {
        let mut model = self.world.model.clone();
        let mut records = self.honest(0)?;
        for (group, records) in (0u32..).zip(records.chunks_mut(16)) {
            let request = self.world.request(group);
            let rollouts = records.iter().zip(&request.rollouts);
            let probe = GroupProbe {
                prompt: prompt.to_vec(),
                rollouts: rollouts
                    .map(|(record, keys)| ProbeRollout { completion: record.tokens.clone(), keys: *keys })
                    .collect(),
                policy: self.world.context.policy,
                nucleus_slack: 0.0,
            };
            let readouts = model.read(&probe)?;
            records.iter_mut().zip(readouts).for_each(|(record, readout)| record.sketch = readout.sketch);
        }
        Ok(records)
    }
}

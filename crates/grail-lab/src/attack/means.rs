use super::{Bank, MINER};
use crate::{
    LabError,
    stand::{Stand, beacon, header, pair, seal},
};
use grail_artifact::window::{RolloutRecord, WindowFile, WindowHeader};
use grail_ports::{
    Fault,
    model::{GenerationRule, GroupRequest, Oracle as _, Tokenize},
};
use grail_protocol::{
    draw::{DrawError, Drawn, Sampler, SamplingPolicy},
    params::ROLLOUTS_PER_PROBLEM,
    seed::WindowContext,
    sketch::sketch,
    words::TokenId,
};
use grail_torch::{Forced, Model, Pick, PickPlace, TorchOracle};
use grail_verify::lies::{Computation, DrawPlace, Foreign, Habit, Means, ToldLie};
use std::sync::Arc;

/// What a liar has on a stand.
pub(super) struct Hand<'a> {
    pub(super) stand: &'a Stand,
    pub(super) other: Option<&'a Model>,
    pub(super) bank: &'a Bank,
    /// Another window of the same miner.
    pub(super) earlier: &'a Bank,
    /// The mean hidden state of honest rollouts.
    pub(super) mean: &'a [f32],
}

impl Hand<'_> {
    fn requests(&self) -> Vec<GroupRequest> {
        self.bank.scene.groups.iter().map(|asked| asked.request.clone()).collect()
    }

    fn answered(
        &self,
        model: &Model,
        requests: &[GroupRequest],
        rule: &GenerationRule,
        pick: Arc<dyn Pick>,
    ) -> Result<Vec<RolloutRecord>, Fault> {
        let answers = self.stand.answers(model, requests, rule, pick)?;
        Ok(self.stand.records(&self.bank.scene, answers)?)
    }

    fn texts(&self) -> Vec<Vec<TokenId>> {
        self.bank.honest.iter().map(|record| record.tokens.clone()).collect()
    }

    /// The true texts with the sketch that the model gives after other prompts, one a group.
    fn after(&self, prompts: impl Iterator<Item = Vec<TokenId>>) -> Result<Vec<RolloutRecord>, Fault> {
        let mut oracle = TorchOracle::new(self.stand.model.clone());
        let mut records = self.bank.honest.clone();
        let groups = records.chunks_mut(usize::from(ROLLOUTS_PER_PROBLEM));
        for ((asked, prompt), records) in self.bank.scene.groups.iter().zip(prompts).zip(groups) {
            let texts: Vec<Vec<TokenId>> = records.iter().map(|record| record.tokens.clone()).collect();
            let mut probe = self.stand.probe(asked, &texts);
            probe.prompt = prompt;
            for (record, readout) in records.iter_mut().zip(oracle.read(&probe)?) {
                record.sketch = readout.sketch;
            }
        }
        Ok(records)
    }

    /// The true texts with the sketch of one state.
    fn of_state(&self, state: &[f32]) -> Result<Vec<RolloutRecord>, Fault> {
        let mut records = self.bank.honest.clone();
        let keys = self.bank.scene.groups.iter().flat_map(|asked| &asked.request.rollouts);
        for (record, keys) in records.iter_mut().zip(keys) {
            for (step, byte) in (0u32..).zip(record.sketch.iter_mut()) {
                *byte =
                    sketch(state, &keys.sketch, step).map_err(|error| LabError::inside(error.to_string()))?;
            }
        }
        Ok(records)
    }
}

impl Means for Hand<'_> {
    fn window(&self) -> &WindowContext {
        &self.bank.scene.context
    }

    fn header(&self) -> WindowHeader {
        header(&self.bank.scene.context, self.bank.scene.hotkey)
    }

    fn vocabulary(&self) -> u32 {
        self.stand.model.card().vocabulary
    }

    fn tokenizer(&self) -> &dyn Tokenize {
        &self.stand.tokenizer
    }

    fn honest(&self, _: u32) -> Result<Vec<RolloutRecord>, Fault> {
        Ok(self.bank.honest.clone())
    }

    fn earlier(&self) -> Result<WindowFile, Fault> {
        let scene = &self.earlier.scene;
        self.seal(header(&scene.context, scene.hotkey), self.earlier.honest.clone())
    }

    fn seal(&self, header: WindowHeader, records: Vec<RolloutRecord>) -> Result<WindowFile, Fault> {
        Ok(seal(header, records, MINER)?)
    }

    fn asked(
        &self,
        change: &dyn Fn(&mut [GroupRequest], &mut GenerationRule),
    ) -> Result<Vec<RolloutRecord>, Fault> {
        let (mut requests, mut rule) = (self.requests(), self.stand.rule());
        change(&mut requests, &mut rule);
        self.answered(&self.stand.model, &requests, &rule, Arc::new(Forced))
    }

    fn picked(&self, habit: Habit) -> Result<Vec<RolloutRecord>, Fault> {
        self.answered(&self.stand.model, &self.requests(), &self.stand.rule(), Arc::new(Picking(habit)))
    }

    fn proven(&self, texts: Vec<Vec<TokenId>>) -> Result<Vec<RolloutRecord>, Fault> {
        Ok(self.stand.proven(&self.bank.scene, by_group(texts))?)
    }

    fn encode(&self, text: &str) -> Result<Vec<TokenId>, Fault> {
        Ok(self.stand.tokenizer.encode_untrusted(text).map_err(LabError::from)?)
    }

    fn succeeds(&self, record: &RolloutRecord, tokens: &[TokenId]) -> Result<bool, Fault> {
        let asked = self.bank.scene.groups.get(record.group.0 as usize);
        let asked = asked.ok_or_else(|| LabError::inside("a record of no group"))?;
        Ok(self.stand.succeeds(&asked.problem, tokens)?)
    }

    fn computed(&self, computation: Computation) -> Result<Vec<RolloutRecord>, Fault> {
        let groups = &self.bank.scene.groups;
        match computation {
            Computation::NextPrompt => {
                self.after(groups.iter().cycle().skip(1).map(|asked| asked.request.prompt.clone()))
            }
            Computation::MadeUpPrompt(prompt) => self.after(std::iter::repeat(prompt.to_vec())),
            Computation::MeanState => self.of_state(self.mean),
            _ => {
                let missing = || LabError::inside("a lie about weights without other weights");
                let other = self.other.ok_or_else(missing)?;
                self.answered(other, &self.requests(), &self.stand.rule(), Arc::new(Forced))
            }
        }
    }

    fn foreign(&self, foreign: Foreign) -> Result<ToldLie, Fault> {
        // The roles are turned: the miner of the bank is the other one, and the file lies in the next one's place.
        let context = &self.bank.scene.context;
        let next = pair(MINER + 1)?.hotkey();
        let own = |records| seal(header(context, next), records, MINER + 1);
        let told = |file: WindowFile| ToldLie { hotkey: Some(next), ..file.into() };
        match foreign {
            Foreign::File => Ok(told(self.seal(self.header(), self.bank.honest.clone())?)),
            Foreign::Rollouts => Ok(told(own(self.bank.honest.clone())?)),
            Foreign::Texts => {
                let groups = u32::try_from(self.bank.scene.groups.len()).unwrap_or(u32::MAX);
                let scene = self.stand.scene(context.clone(), MINER + 1, groups)?;
                Ok(told(own(self.stand.proven(&scene, by_group(self.texts()))?)?))
            }
            Foreign::Guessed => {
                let mut truth = context.clone();
                truth.randomness = beacon(truth.window.0, 1);
                let file = self.seal(header(&truth, self.bank.scene.hotkey), self.bank.honest.clone())?;
                Ok(ToldLie { window: Some(truth), ..file.into() })
            }
        }
    }
}

/// Texts of a whole window, group by group.
fn by_group(texts: Vec<Vec<TokenId>>) -> Vec<Vec<Vec<TokenId>>> {
    texts.chunks(usize::from(ROLLOUTS_PER_PROBLEM)).map(<[Vec<TokenId>]>::to_vec).collect()
}

/// Picks tokens by a habit; the log-probability is always the true one under the published policy.
#[derive(Debug)]
struct Picking(Habit);

impl Pick for Picking {
    fn pick(
        &self,
        sampler: &mut Sampler,
        logits: &[f32],
        policy: &SamplingPolicy,
        place: &PickPlace<'_>,
    ) -> Result<Drawn, DrawError> {
        let step = place.step();
        let place = DrawPlace { key: place.key, group: place.group, position: step };
        let token = self.0.pick(sampler, logits, policy, &place)?;
        let logprob = sampler.read(logits, policy, 0.0, place.key, step, token)?.logprob;
        Ok(Drawn { token, logprob })
    }
}

use super::WorldSetup;
use crate::model::{FakeModel, FakeTokenizer, VOCABULARY};
use bytes::Bytes;
use grail_artifact::{
    keys::WindowEncoding,
    limits::{LIMITS, Limits},
    window::{
        DecodeError, JsonCodec, RolloutRecord, VERSION, WindowCodec, WindowFile, WindowHeader, check_limits,
    },
};
use grail_env::{Environment, Problem};
use grail_ports::{
    model::{Answer, GenerationRule, Generator, GroupRequest, Oracle, RolloutKeys, outcome_of, prompt_of},
    shelf::{Fetched, ObjectMeta},
};
use grail_protocol::{
    logprob,
    params::ROLLOUTS_PER_PROBLEM,
    seed::{ProblemSeed, WindowContext},
    sign::HotkeyPair,
    words::{GroupIndex, Hotkey, RolloutIndex},
};
use grail_verify::{Case, MinerReport, verify_file};

/// One window, one miner, one environment and a model that everybody can run in microseconds.
#[derive(Debug)]
pub struct World {
    /// What it is made from.
    pub setup: WorldSetup,
    /// The window as everybody derives it.
    pub context: WindowContext,
    /// Its environment.
    pub environment: Environment,
    /// The checkpoint's tokenizer.
    pub tokenizer: FakeTokenizer,
    /// The checkpoint's model.
    pub model: FakeModel,
    /// The miner.
    pub miner: HotkeyPair,
    limits: Limits,
}

impl World {
    /// The world of a setup.
    pub fn new(setup: WorldSetup) -> Self {
        Self {
            context: setup.context(),
            environment: Environment::Sat,
            tokenizer: FakeTokenizer,
            model: setup.model(),
            miner: setup.keys(),
            limits: Limits { file_bytes: setup.file_bytes, ..LIMITS },
            setup,
        }
    }

    /// The world of a changed setup; the model keeps what it knows by heart here.
    #[must_use]
    pub fn but(&self, change: impl FnOnce(&mut WorldSetup)) -> Self {
        let mut world = Self::new(self.setup.with(change));
        world.model = self.model.clone();
        world
    }

    /// The hotkey that a validator asks for.
    pub const fn hotkey(&self) -> Hotkey {
        self.setup.hotkey
    }

    /// The header that an honest file of this window carries.
    pub fn header(&self) -> WindowHeader {
        WindowHeader {
            version: VERSION,
            network: self.context.network.clone(),
            window: self.context.window,
            hotkey: self.hotkey(),
            checkpoint: self.context.checkpoint,
            env: self.context.env.clone(),
            randomness: self.context.randomness.clone(),
            numeric: self.context.numeric,
            generator: "grail-testkit".into(),
        }
    }

    /// How completions are drawn in this window.
    pub const fn rule(&self) -> GenerationRule {
        GenerationRule { policy: self.context.policy, max_new_tokens: self.context.max_new_tokens }
    }

    /// Seed of one of the miner's problems.
    pub fn seed(&self, group: u32) -> ProblemSeed {
        self.context.seed().problem(&self.hotkey(), GroupIndex(group))
    }

    /// One of the miner's problems.
    pub fn problem(&self, group: u32) -> Problem {
        self.environment.generate(&self.seed(group)).expect("every seed has a problem")
    }

    /// A group to answer, with its sixteen rollouts.
    pub fn request(&self, group: u32) -> GroupRequest {
        let seed = self.seed(group);
        let keys = |i| RolloutKeys {
            draw: seed.draw_key(RolloutIndex(i)),
            sketch: seed.sketch_key(RolloutIndex(i)),
        };
        let prompt = prompt_of(&self.problem(group), &self.tokenizer).expect("the fake tokenizer encodes");
        GroupRequest { prompt, rollouts: (0..ROLLOUTS_PER_PROBLEM).map(keys).collect() }
    }

    /// Answers groups `0..groups` and packs them as records, rewards included.
    ///
    /// # Panics
    /// When the generator fails; the fakes do not.
    pub fn answer(&self, generator: &mut dyn Generator, groups: u32) -> Vec<RolloutRecord> {
        let requests: Vec<GroupRequest> = (0..groups).map(|group| self.request(group)).collect();
        let answers =
            generator.generate(&requests, &self.rule(), &mut |_| true).expect("the fake model answers");
        self.pack(answers)
    }

    /// Answers as records, with the rewards they earn.
    pub(super) fn pack(&self, answers: Vec<Vec<Answer>>) -> Vec<RolloutRecord> {
        let mut records = Vec::new();
        for (group, answers) in (0u32..).zip(answers) {
            let problem = self.problem(group);
            let answers = (0u8..).zip(answers);
            records.extend(answers.map(|(index, answer)| self.record(&problem, group, index, answer)));
        }
        records
    }

    fn record(&self, problem: &Problem, group: u32, rollout: u8, answer: Answer) -> RolloutRecord {
        let reward = self.reward(problem, &answer.tokens);
        RolloutRecord {
            group: GroupIndex(group),
            rollout: RolloutIndex(rollout),
            logprobs: answer
                .logprobs
                .iter()
                .map(|nats| logprob::quantise(*nats).expect("a number"))
                .collect(),
            tokens: answer.tokens,
            sketch: answer.sketch,
            reward,
        }
    }

    /// The reward that a completion earns.
    pub fn reward(&self, problem: &Problem, tokens: &[u32]) -> f32 {
        let outcome = outcome_of(problem, tokens, &self.tokenizer).expect("the fake tokenizer decodes");
        outcome.reward.total().as_f32()
    }

    /// Signs records as they are.
    pub fn seal(&self, header: WindowHeader, records: Vec<RolloutRecord>) -> WindowFile {
        WindowFile::seal(header, records, |message| self.miner.sign(message, [7; 32]))
    }

    /// An honest file of so many groups.
    pub fn honest(&self, groups: u32) -> WindowFile {
        let records = self.answer(&mut self.model.clone(), groups);
        self.seal(self.header(), records)
    }

    /// The file on the shelf, as JSON.
    ///
    /// # Panics
    /// For rewards that JSON cannot spell.
    pub fn shelve(&self, file: &WindowFile) -> Fetched {
        self.shelve_bytes(JsonCodec.encode(file).expect("files of finite rewards have JSON"))
    }

    /// Bytes on the shelf.
    pub fn shelve_bytes(&self, body: Vec<u8>) -> Fetched {
        let meta = ObjectMeta { size: body.len() as u64, stored_at: self.setup.stored_at, tag: None };
        Fetched { body: Bytes::from(body), meta }
    }

    /// What a validator brings to this window's file.
    pub fn case<'a>(&'a self, codec: &'a dyn WindowCodec) -> Case<'a> {
        Case {
            context: &self.context,
            hotkey: &self.setup.hotkey,
            deadline: self.setup.deadline,
            codec,
            limits: &self.limits,
            sampling: &self.setup.sampling,
            challenge: self.setup.challenge.as_bytes(),
            environment: &self.environment,
            tokenizer: &self.tokenizer,
            vocabulary: VOCABULARY,
            context_length: self.model.card().context_length,
        }
    }

    /// The validator's model, on a machine whose arithmetic differs a little from the miner's.
    pub fn oracle(&self) -> FakeModel {
        self.model.clone().with_noise(1e-5, 99)
    }

    /// An honest validator's verdict about a file, handed over without an encoding.
    pub fn verify(&self, file: WindowFile) -> MinerReport {
        let fetched = self.shelve_bytes(Vec::new());
        self.verify_with(fetched, &HandOver(file), &mut self.oracle())
    }

    /// A verdict about bytes on the shelf, with a codec and an oracle of one's own.
    pub fn verify_with(
        &self,
        fetched: Fetched,
        codec: &dyn WindowCodec,
        oracle: &mut dyn Oracle,
    ) -> MinerReport {
        verify_file(fetched, &self.case(codec), oracle, &mut |_| true)
    }
}

/// A codec that reads every file as the one it holds: for claims that an encoding could not carry, and for speed.
#[derive(Debug, Clone)]
pub struct HandOver(pub WindowFile);

impl WindowCodec for HandOver {
    fn encoding(&self) -> WindowEncoding {
        WindowEncoding::Json
    }

    fn encode(&self, _: &WindowFile) -> Result<Vec<u8>, String> {
        Ok(Vec::new())
    }

    fn decode(&self, _: &[u8], limits: &Limits) -> Result<WindowFile, DecodeError> {
        check_limits(&self.0, limits)?;
        Ok(self.0.clone())
    }
}

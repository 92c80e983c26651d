//! The stand: one loaded checkpoint, and windows in which a miner answers under it.

use crate::LabError;
use bytes::Bytes;
use grail_artifact::{
    limits::LIMITS,
    window::{RolloutRecord, VERSION, WindowCodec as _, WindowFile, WindowHeader},
};
use grail_env::{Environment, Problem};
use grail_parquet::ParquetCodec;
use grail_ports::{
    model::{
        Answer, GenerationRule, Generator as _, GroupProbe, GroupRequest, Oracle as _, ProbeRollout,
        RolloutKeys, Tokenize as _, outcome_of, prompt_of,
    },
    shelf::{Fetched, ObjectMeta},
};
use grail_protocol::{
    beacon::{Beacon, WindowRandomness},
    draw::SamplingPolicy,
    hash::digest,
    logprob,
    params::{MAIN, ROLLOUTS_PER_PROBLEM},
    profile::NumericProfile,
    seed::WindowContext,
    sign::HotkeyPair,
    words::{
        BlockHash, CheckpointId, GroupIndex, Hotkey, NetworkId, RolloutIndex, TokenId, UnixMillis,
        WindowStart,
    },
};
use grail_store::checkpoint::{Terms, describe};
use grail_tokenize::Tokenizer;
use grail_torch::{ComputePlace, Dtype, Forced, LoadOptions, Model, Pick, TorchGenerator, TorchOracle};
use grail_verify::{Case, Sampling};
use std::{path::PathBuf, sync::Arc};

/// Latest moment for an upload; moments mean nothing else here.
pub const DEADLINE: UnixMillis = UnixMillis(1_000_000);

/// Which model, and how it is asked.
#[derive(Debug, Clone)]
pub struct StandSetup {
    /// What tables call it.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Where problems come from.
    pub environment: Environment,
    /// Completion cap in tokens.
    pub max_new_tokens: u32,
    /// Number format of weights and arithmetic; decides the numeric profile.
    pub dtype: Dtype,
    /// Where the model computes.
    pub place: ComputePlace,
    /// Who computes on a processor.
    pub kernels: grail_torch::Kernels,
    /// Threads of the model.
    pub threads: usize,
    /// Rows decoded at once: a power of two.
    pub batch_rows: usize,
}

impl StandSetup {
    /// The profile that belongs to the number format.
    pub const fn numeric(&self) -> NumericProfile {
        match self.dtype {
            Dtype::F32 => NumericProfile::StrictF32,
            Dtype::Bf16 => NumericProfile::StrictBf16,
        }
    }

    /// How the model is loaded.
    pub const fn options(&self) -> LoadOptions {
        LoadOptions {
            place: self.place,
            dtype: self.dtype,
            held: grail_torch::HeldWeights::AsPublished,
            kernels: self.kernels,
            threads: Some(self.threads),
        }
    }
}

/// One loaded checkpoint with everything that miner and validator share.
#[derive(Debug)]
pub struct Stand {
    /// How it was set up.
    pub setup: StandSetup,
    /// The honest model.
    pub model: Model,
    /// Text and tokens.
    pub tokenizer: Tokenizer,
    /// Identity of the checkpoint.
    pub checkpoint: CheckpointId,
}

/// A group that is asked.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The problem.
    pub problem: Problem,
    /// Its prompt, and the keys of its rollouts.
    pub request: GroupRequest,
}

/// One window of one miner.
#[derive(Debug, Clone)]
pub struct Scene {
    /// The window as everybody derives it.
    pub context: WindowContext,
    /// The miner's key.
    pub hotkey: Hotkey,
    /// Its problems.
    pub groups: Vec<Asked>,
}

impl Stand {
    /// Loads a checkpoint.
    ///
    /// Errors: whatever is wrong with the folder.
    pub fn open(setup: StandSetup) -> Result<Self, LabError> {
        let terms = Terms {
            environments: vec![setup.environment.id()?],
            policy: SamplingPolicy::DEFAULT,
            max_new_tokens: setup.max_new_tokens,
            numeric: setup.numeric(),
        };
        let checkpoint = describe(&setup.folder, terms, &mut |_| ()).map_err(grail_ports::Fault::from)?.id();
        let tokenizer = Tokenizer::open(&setup.folder)?;
        let model = Model::load(&setup.folder, &setup.options(), checkpoint)?;
        Ok(Self { setup, model, tokenizer, checkpoint })
    }

    /// How completions are drawn.
    pub const fn rule(&self) -> GenerationRule {
        GenerationRule { policy: SamplingPolicy::DEFAULT, max_new_tokens: self.setup.max_new_tokens }
    }

    /// The window of that number, of the public network's rules: with a beacon, and without a way around it.
    pub fn context(&self, window: u32) -> Result<WindowContext, LabError> {
        let block_hash = BlockHash::from_bytes(digest("grail lab block", &[&window.to_le_bytes()]));
        Ok(WindowContext {
            network: NetworkId::new("lab-0001")?,
            params: MAIN,
            window: WindowStart((u64::from(window) + 1) * MAIN.window_length),
            block_hash,
            randomness: beacon(u64::from(window), 0),
            checkpoint: self.checkpoint,
            env: self.setup.environment.id()?,
            policy: SamplingPolicy::DEFAULT,
            numeric: self.setup.numeric(),
            max_new_tokens: self.setup.max_new_tokens,
        })
    }

    /// The first `groups` problems of a miner in a window.
    pub fn scene(&self, context: WindowContext, miner: u8, groups: u32) -> Result<Scene, LabError> {
        let (seed, hotkey) = (context.seed(), pair(miner)?.hotkey());
        let asked = |group: u32| -> Result<Asked, LabError> {
            let problem_seed = seed.problem(&hotkey, GroupIndex(group));
            let problem = self.setup.environment.generate(&problem_seed)?;
            let keys = |rollout: RolloutIndex| RolloutKeys {
                draw: problem_seed.draw_key(rollout),
                sketch: problem_seed.sketch_key(rollout),
            };
            let rollouts = (0..ROLLOUTS_PER_PROBLEM).map(|rollout| keys(RolloutIndex(rollout))).collect();
            let request = GroupRequest { prompt: prompt_of(&problem, &self.tokenizer)?, rollouts };
            Ok(Asked { problem, request })
        };
        Ok(Scene { context, hotkey, groups: (0..groups).map(asked).collect::<Result<_, _>>()? })
    }

    /// What an honest miner would put into its file.
    pub fn honest(&self, scene: &Scene) -> Result<Vec<RolloutRecord>, LabError> {
        let requests: Vec<GroupRequest> = scene.groups.iter().map(|asked| asked.request.clone()).collect();
        let answers = self.answers(&self.model, &requests, &self.rule(), Arc::new(Forced))?;
        self.records(scene, answers)
    }

    /// Answers of some model under some rule whose tokens are picked in some way.
    pub fn answers(
        &self,
        model: &Model,
        requests: &[GroupRequest],
        rule: &GenerationRule,
        pick: Arc<dyn Pick>,
    ) -> Result<Vec<Vec<Answer>>, LabError> {
        let mut generator = TorchGenerator::picking(model.clone(), self.setup.batch_rows, pick)?;
        Ok(generator.generate(requests, rule, &mut |_| true)?)
    }

    /// Answers as records, with the rewards they earn.
    pub fn records(&self, scene: &Scene, answers: Vec<Vec<Answer>>) -> Result<Vec<RolloutRecord>, LabError> {
        let mut records = Vec::new();
        for ((group, asked), answers) in (0u32..).zip(&scene.groups).zip(answers) {
            for (rollout, answer) in (0u8..).zip(answers) {
                let logprobs = answer.logprobs.iter().map(|nats| logprob::quantise(*nats));
                let logprobs = logprobs.collect::<Option<Vec<i16>>>();
                records.push(RolloutRecord {
                    group: GroupIndex(group),
                    rollout: RolloutIndex(rollout),
                    reward: self.reward(&asked.problem, &answer.tokens)?,
                    logprobs: logprobs
                        .ok_or_else(|| LabError::inside("the model gave a log-probability of NaN"))?,
                    tokens: answer.tokens,
                    sketch: answer.sketch,
                });
            }
        }
        Ok(records)
    }

    /// Records of completions that came from anywhere, with the sketch and the log-probabilities that one honest prefill
    /// gives: what an insider would do.
    pub fn proven(
        &self,
        scene: &Scene,
        completions: Vec<Vec<Vec<TokenId>>>,
    ) -> Result<Vec<RolloutRecord>, LabError> {
        let mut oracle = TorchOracle::new(self.model.clone());
        let mut answers = Vec::with_capacity(completions.len());
        for (asked, completions) in scene.groups.iter().zip(completions) {
            let probe = self.probe(asked, &completions);
            let readouts = oracle.read(&probe)?;
            let group = completions.into_iter().zip(readouts).map(|(tokens, readout)| Answer {
                tokens,
                sketch: readout.sketch,
                logprobs: readout.draws.iter().map(|draw| draw.logprob).collect(),
            });
            answers.push(group.collect());
        }
        self.records(scene, answers)
    }

    /// What a validator would ask about completions of a group.
    pub fn probe(&self, asked: &Asked, completions: &[Vec<TokenId>]) -> GroupProbe {
        let rollouts = asked.request.rollouts.iter().zip(completions);
        GroupProbe {
            prompt: asked.request.prompt.clone(),
            rollouts: rollouts
                .map(|(keys, completion)| ProbeRollout { completion: completion.clone(), keys: *keys })
                .collect(),
            policy: self.rule().policy,
            nucleus_slack: self.setup.numeric().thresholds().nucleus_slack,
        }
    }

    /// What a completion earns.
    pub fn reward(&self, problem: &Problem, tokens: &[TokenId]) -> Result<f32, LabError> {
        Ok(outcome_of(problem, tokens, &self.tokenizer)?.reward.total().as_f32())
    }

    /// Whether a completion is right.
    pub fn succeeds(&self, problem: &Problem, tokens: &[TokenId]) -> Result<bool, LabError> {
        Ok(outcome_of(problem, tokens, &self.tokenizer)?.success)
    }

    /// What a validator brings to a file of that window that lies under that key.
    pub fn case<'a>(&'a self, context: &'a WindowContext, hotkey: &'a Hotkey) -> Case<'a> {
        Case {
            context,
            hotkey,
            deadline: DEADLINE,
            codec: &ParquetCodec,
            limits: &LIMITS,
            sampling: &Sampling::ALL,
            challenge: &[0; 32],
            environment: &self.setup.environment,
            tokenizer: &self.tokenizer,
            vocabulary: self.model.card().vocabulary,
            context_length: self.model.card().context_length,
        }
    }

    /// Tokens that end a completion.
    pub fn ends(&self) -> &[TokenId] {
        self.tokenizer.end_tokens()
    }
}

/// A miner's key.
pub fn pair(miner: u8) -> Result<HotkeyPair, LabError> {
    HotkeyPair::from_seed(&[miner; 32]).ok_or_else(|| LabError::inside("32 bytes are no seed"))
}

/// A beacon that nobody checks: the court takes the one it is given, whose signature the beacon door checked.
pub fn beacon(round: u64, variant: u8) -> WindowRandomness {
    let half = digest("grail lab beacon", &[&round.to_le_bytes(), &[variant]]);
    let mut signature = [0; 48];
    for (byte, value) in signature.iter_mut().zip(half.iter().chain(&half)) {
        *byte = *value;
    }
    WindowRandomness::Beacon(Beacon { round: 1_000 + round, signature })
}

/// The header that an honest file of that window carries.
pub fn header(context: &WindowContext, hotkey: Hotkey) -> WindowHeader {
    WindowHeader {
        version: VERSION,
        network: context.network.clone(),
        window: context.window,
        hotkey,
        checkpoint: context.checkpoint,
        env: context.env.clone(),
        randomness: context.randomness.clone(),
        numeric: context.numeric,
        generator: "grail-miner 0.1.0".into(),
    }
}

/// A file signed by a miner.
pub fn seal(header: WindowHeader, records: Vec<RolloutRecord>, miner: u8) -> Result<WindowFile, LabError> {
    let pair = pair(miner)?;
    // A signature blinds with chance; the same bytes every time make an experiment repeatable.
    Ok(WindowFile::seal(header, records, |message| pair.sign(message, [7; 32])))
}

/// A file as the bytes that lie on the shelf.
pub fn encode(file: &WindowFile) -> Result<Vec<u8>, LabError> {
    ParquetCodec.encode(file).map_err(LabError::inside)
}

/// Bytes on the shelf.
pub fn shelved(body: Vec<u8>, stored_at: UnixMillis) -> Fetched {
    let meta = ObjectMeta { size: body.len() as u64, stored_at, tag: None };
    Fetched { body: Bytes::from(body), meta }
}

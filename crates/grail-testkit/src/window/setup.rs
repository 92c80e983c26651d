use crate::model::{ANSWER_CLOSE, ANSWER_OPEN, END, FakeModel, FakeTokenizer, THINKING_CLOSE, THINKING_OPEN};
use grail_artifact::limits::LIMITS;
use grail_env::{Environment, Problem};
use grail_ports::model::prompt_of;
use grail_protocol::{
    beacon::{Beacon, WindowRandomness},
    draw::SamplingPolicy,
    params::{DEV, Params},
    policy::Seeding,
    profile::NumericProfile,
    seed::WindowContext,
    sign::HotkeyPair,
    words::{
        BlockHash, CheckpointId, EnvId, GroupIndex, Hotkey, NetworkId, TokenId, UnixMillis, WindowStart,
    },
};
use grail_verify::Sampling;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything that fixes a [`World`](super::World); the `context.json` beside a sample window file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorldSetup {
    /// Network.
    pub network: NetworkId,
    /// Name of its parameters.
    pub params: String,
    /// What the network states of its seeds.
    #[serde(default, skip_serializing_if = "is_unsaid")]
    pub seeding: Seeding,
    /// Window.
    pub window: WindowStart,
    /// Hash of the window's first block.
    pub block_hash: BlockHash,
    /// The window's randomness.
    pub randomness: WindowRandomness,
    /// The checkpoint.
    pub checkpoint: CheckpointId,
    /// The environment; worlds know `sat/1`.
    pub env: EnvId,
    /// How tokens are drawn.
    pub policy: SamplingPolicy,
    /// Numeric profile.
    pub numeric: NumericProfile,
    /// Completion cap.
    pub max_new_tokens: u32,
    /// The miner whose file is asked for.
    pub hotkey: Hotkey,
    /// A key for tests: the seed of the miner's hotkey is this number, eight little-endian bytes and zeros.
    pub miner: u64,
    /// Latest moment at which the file may be stored.
    pub deadline: UnixMillis,
    /// When it was stored.
    pub stored_at: UnixMillis,
    /// How many groups are proven.
    pub sampling: Sampling,
    /// Randomness of the challenge round.
    pub challenge: BlockHash,
    /// Most bytes of the stored object.
    pub file_bytes: u64,
    /// Weights of the fake model.
    pub weights: u64,
    /// Groups whose solutions the fake model knows by heart.
    pub known_by_heart: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_unsaid(seeding: &Seeding) -> bool {
    *seeding == Seeding::Unsaid
}

impl WorldSetup {
    /// An ordinary window of miner number 1.
    ///
    /// # Panics
    /// Never: the words are spelt right.
    pub fn new() -> Self {
        let stored_at = UnixMillis(1_763_000_000_000);
        let mut setup = Self {
            network: "dev-0001".parse().expect("a word"),
            params: DEV.profile.into(),
            seeding: Seeding::Unsaid,
            window: WindowStart(40),
            block_hash: BlockHash::from_bytes([1; 32]),
            // Not a signature that verifies: the court compares beacons, the door for them checks signatures.
            randomness: WindowRandomness::Beacon(Beacon { round: 1_000, signature: [0xb0; 48] }),
            checkpoint: CheckpointId::from_bytes([2; 32]),
            env: "sat/1".parse().expect("a word"),
            policy: SamplingPolicy::DEFAULT,
            numeric: NumericProfile::StrictF32,
            max_new_tokens: 12,
            hotkey: Hotkey::from_bytes([0; 32]),
            miner: 1,
            deadline: stored_at.plus(60_000),
            stored_at,
            sampling: Sampling::DEFAULT,
            challenge: BlockHash::from_bytes([5; 32]),
            file_bytes: LIMITS.file_bytes,
            weights: 7,
            known_by_heart: 0,
        };
        setup.hotkey = setup.keys().hotkey();
        setup
    }

    /// The same with changes; the hotkey follows the miner's number.
    #[must_use]
    pub fn with(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut setup = self.clone();
        change(&mut setup);
        setup.hotkey = setup.keys().hotkey();
        setup
    }

    /// The miner's key.
    pub(super) fn keys(&self) -> HotkeyPair {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.miner.to_le_bytes());
        HotkeyPair::from_seed(&seed).expect("32 bytes are a seed")
    }

    /// The window as a validator derives it.
    ///
    /// # Panics
    /// When the parameters have no such name.
    pub fn context(&self) -> WindowContext {
        WindowContext {
            network: self.network.clone(),
            params: Params {
                seeding: self.seeding,
                ..Params::by_name(&self.params).expect("a known network profile")
            },
            window: self.window,
            block_hash: self.block_hash,
            randomness: self.randomness.clone(),
            checkpoint: self.checkpoint,
            env: self.env.clone(),
            policy: self.policy,
            numeric: self.numeric,
            max_new_tokens: self.max_new_tokens,
        }
    }

    /// The model, with what it knows by heart.
    pub(super) fn model(&self) -> FakeModel {
        let (seed, mut scripts) = (self.context().seed(), BTreeMap::new());
        for group in 0..self.known_by_heart {
            let problem = Environment::Sat.generate(&seed.problem(&self.hotkey, GroupIndex(group)));
            let problem = problem.expect("every seed has a problem");
            let prompt = prompt_of(&problem, &FakeTokenizer).expect("the fake tokenizer encodes");
            scripts.insert(prompt, completions(&problem));
        }
        FakeModel::new(self.checkpoint, self.weights).with_scripts(scripts)
    }
}

impl Default for WorldSetup {
    fn default() -> Self {
        Self::new()
    }
}

/// Up to three right completions of a problem, and a wrong one: what [`FakeModel::with_scripts`] may know by heart.
pub fn completions(problem: &Problem) -> Vec<Vec<TokenId>> {
    let Problem::Sat(sat) = problem else { return Vec::new() };
    let formula = sat.formula();
    let answers = formula.solutions().take(3).map(|solution| solution.text(formula.variables()));
    answers
        .chain(["?".to_owned()])
        .map(|answer| {
            let mut tokens = vec![THINKING_OPEN, THINKING_CLOSE, ANSWER_OPEN];
            tokens.extend(answer.bytes().map(TokenId::from));
            tokens.extend([ANSWER_CLOSE, END]);
            tokens
        })
        .collect()
}

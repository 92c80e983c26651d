//! A network on this disk with windows that were mined and judged before the test began.

use grail_artifact::{
    keys::{VerdictKey, WindowKey},
    manifest::Manifest,
    verdict::{FileVerdict, GroupVerdict, VERDICT_VERSION, VerdictFile},
    window::{RolloutRecord, RootHex, VERSION, WindowCodec as _, WindowFile, WindowHeader},
};
use grail_devnet::{Devnet, DevnetOptions, Founder};
use grail_env::{Environment, arith::Arith};
use grail_parquet::ParquetCodec;
use grail_ports::{
    clock::Clock as _,
    model::{GenerationRule, Generator as _, GroupRequest, RolloutKeys, outcome_of, prompt_of},
};
use grail_protocol::{
    draw::SamplingPolicy,
    logprob,
    params::DEV_FAST,
    profile::NumericProfile,
    seed::WindowContext,
    sign::HotkeyPair,
    words::{GroupIndex, RolloutIndex, UnixMillis, WindowStart},
};
use grail_roles::clock::SystemClock;
use grail_store::checkpoint::{Terms, describe};
use grail_tokenize::Tokenizer;
use grail_torch::{Model, TorchGenerator};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Groups of a window.
const GROUPS: u32 = 2;

/// The committed model.
pub(crate) fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/models/tiny")
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A network that began so many windows ago, with a trainer, a miner and a validator, and a model's manifest.
pub(crate) fn network(dir: &Path, trainer: Option<&str>, windows_ago: u64) -> Devnet {
    let founder =
        |name: &str, stake, validator_permit| Founder { name: name.into(), stake, validator_permit };
    let ago = windows_ago * DEV_FAST.window_length * DEV_FAST.block_time_ms;
    let options = DevnetOptions {
        params: DEV_FAST,
        genesis: UnixMillis(SystemClock.now().0 - ago),
        founders: vec![founder("validator", 1_000.0, true), founder("miner", 1.0, false)],
        trainer: trainer.map(str::to_owned),
    };
    let net = grail_devnet::init(dir, &options).unwrap();
    let terms = Terms {
        environments: vec![Environment::Arith(Arith::new(1).unwrap()).id().unwrap()],
        policy: SamplingPolicy::DEFAULT,
        max_new_tokens: 32,
        numeric: NumericProfile::StrictF32,
    };
    let manifest = describe(&model(), terms, &mut |_| {}).unwrap();
    fs::write(dir.join("manifest.json"), manifest.to_json().unwrap()).unwrap();
    net
}

/// Mines and judges windows as an honest miner and an honest validator would have.
pub(crate) fn mine(net: &Devnet, windows: u64) {
    let view = grail_node::network::look_local(&grail_demo::Devnets, net.dir(), false).unwrap();
    let manifest = view.first.clone().unwrap();
    let tokenizer = Tokenizer::open(&model()).unwrap();
    let options = grail_torch::LoadOptions { threads: Some(1), ..grail_torch::LoadOptions::default() };
    let loaded = Model::load(&model(), &options, manifest.id()).unwrap();
    let mut generator = TorchGenerator::new(loaded, 16).unwrap();
    let (miner, validator) = (net.key("miner").unwrap(), net.key("validator").unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for window in (0..windows).map(|turn| WindowStart(turn * DEV_FAST.window_length)) {
        let context = runtime.block_on(view.sources.window(&manifest, window)).unwrap().unwrap();
        let (file, groups) = answered(&context, &miner, &mut generator, &tokenizer);
        let encoding = ParquetCodec.encoding();
        let key = WindowKey { hotkey: miner.hotkey(), window, encoding };
        put(net, &key.to_string(), &ParquetCodec.encode(&file).unwrap());
        let verdicts = verdicts(&context, &manifest, &file, groups, &validator);
        let key = VerdictKey { validator: validator.hotkey(), window };
        put(net, &key.to_string(), &verdicts.to_json().unwrap());
    }
}

fn answered(
    context: &WindowContext,
    miner: &HotkeyPair,
    generator: &mut TorchGenerator,
    tokenizer: &Tokenizer,
) -> (WindowFile, Vec<GroupVerdict>) {
    let environment = Environment::Arith(Arith::new(1).unwrap());
    let rule = GenerationRule { policy: context.policy, max_new_tokens: context.max_new_tokens };
    let (mut records, mut verdicts) = (Vec::new(), Vec::new());
    for group in (0..GROUPS).map(GroupIndex) {
        let seed = context.seed().problem(&miner.hotkey(), group);
        let problem = environment.generate(&seed).unwrap();
        let rollouts = (0..16).map(RolloutIndex);
        let keys = rollouts
            .map(|rollout| RolloutKeys { draw: seed.draw_key(rollout), sketch: seed.sketch_key(rollout) });
        let request =
            GroupRequest { prompt: prompt_of(&problem, tokenizer).unwrap(), rollouts: keys.collect() };
        let answers = generator.generate(&[request], &rule, &mut |_| true).unwrap().pop().unwrap();
        let mut verdict = GroupVerdict { group, rewards: Vec::new(), right: Vec::new() };
        for (rollout, answer) in (0u8..).map(RolloutIndex).zip(answers) {
            let outcome = outcome_of(&problem, &answer.tokens, tokenizer).unwrap();
            verdict.rewards.push(outcome.reward.total().hundred_thousandths());
            verdict.right.push(outcome.success);
            let logprobs = answer.logprobs.iter().map(|nats| logprob::quantise(*nats).unwrap()).collect();
            let (tokens, sketch, reward) = (answer.tokens, answer.sketch, outcome.reward.total().as_f32());
            records.push(RolloutRecord { group, rollout, tokens, sketch, logprobs, reward });
        }
        verdicts.push(verdict);
    }
    let header = WindowHeader {
        version: VERSION,
        network: context.network.clone(),
        window: context.window,
        hotkey: miner.hotkey(),
        checkpoint: context.checkpoint,
        env: context.env.clone(),
        randomness: context.randomness.clone(),
        numeric: context.numeric,
        generator: "a test".into(),
    };
    (WindowFile::seal(header, records, |message| miner.sign(message, [0; 32])), verdicts)
}

fn verdicts(
    context: &WindowContext,
    manifest: &Manifest,
    file: &WindowFile,
    groups: Vec<GroupVerdict>,
    validator: &HotkeyPair,
) -> VerdictFile {
    let of_file = FileVerdict {
        hotkey: file.header.hotkey,
        root: Some(file.root),
        groups,
        refused: Default::default(),
        undecided: Default::default(),
        counts: None,
        reasons: Vec::new(),
    };
    let mut verdicts = VerdictFile {
        version: VERDICT_VERSION,
        network: context.network.clone(),
        window: context.window,
        checkpoint: manifest.id(),
        env: context.env.clone(),
        validator: validator.hotkey(),
        challenge: RootHex([0; 32]),
        files: vec![of_file],
        signature: None,
    };
    verdicts.sign(validator, [0; 32]);
    verdicts
}

fn put(net: &Devnet, key: &str, bytes: &[u8]) {
    let path = net.shelf().join(key);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// `grail-devnet train run` over a network.
pub(crate) fn run(net: &Path, state: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_grail-devnet"));
    command.args(["train", "run", "--devnet", text(net), "--key", "trainer", "--model", text(&model())]);
    command.args(["--state", text(state), "--threads", "1", "--from", "0"]).args(more);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

//! Tests on the tiny models of `fixtures/models/hf`, and on SmolLM2 where the cache has it.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "tests say what they measured, and look for the cache"
)]

mod adversary;
mod decode;
mod folders;
mod forward;
mod smollm2;

use crate::{
    KernelPath, Kernels, LoadOptions, Model, TorchGenerator, TorchOracle,
    serve::{model::Engine, readout::Rows},
};
use grail_ports::model::{
    Answer, GenerationRule, Generator as _, GroupProbe, GroupRequest, Oracle as _, ProbeRollout, Readout,
    RolloutKeys,
};
use grail_protocol::{
    draw::SamplingPolicy,
    profile::NumericProfile,
    seed::ProblemSeed,
    sketch::distance,
    words::{CheckpointId, RolloutIndex},
};
use std::path::{Path, PathBuf};

const FAMILIES: [&str; 3] = ["llama", "qwen2", "qwen3"];
const RULE: GenerationRule = GenerationRule { policy: SamplingPolicy::DEFAULT, max_new_tokens: 48 };

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

fn tiny_folder(name: &str) -> PathBuf {
    fixtures().join("models/hf").join(name)
}

fn load(folder: &Path) -> Result<Model, crate::LoadError> {
    // One thread: the tests themselves run side by side.
    let options = LoadOptions { threads: Some(1), ..LoadOptions::default() };
    Model::load(folder, &options, CheckpointId::from_bytes([7; 32]))
}

/// Everybody who computes here.
fn everybody() -> Vec<Kernels> {
    KernelPath::here().map(Kernels::Path).chain([Kernels::Libtorch]).collect()
}

fn load_with(folder: &Path, kernels: Kernels) -> Model {
    let options = LoadOptions { threads: Some(1), kernels, ..LoadOptions::default() };
    Model::load(folder, &options, CheckpointId::from_bytes([7; 32])).unwrap()
}

/// The final state of a text's last token, and its logits.
fn last(model: &Model, text: &[u32]) -> (Vec<f32>, Vec<f32>) {
    let _guard = tch::no_grad_guard();
    let mut engine = model.engine();
    let Engine { network, crew, .. } = &mut *engine;
    let (_, state) = network.prefill(crew, text).unwrap();
    let mut logits = Rows::default();
    network.logits(crew, &state, 0..1, &mut logits).unwrap();
    (state.rows.row(0).unwrap().to_vec(), logits.row(0).unwrap().to_vec())
}

fn tiny(name: &str) -> Model {
    load(&tiny_folder(name)).unwrap()
}

fn keys(seed: u8, count: u8) -> Vec<RolloutKeys> {
    let problem = ProblemSeed::from_bytes([seed; 32]);
    (0..count)
        .map(RolloutIndex)
        .map(|i| RolloutKeys { draw: problem.draw_key(i), sketch: problem.sketch_key(i) })
        .collect()
}

fn group(seed: u8, prompt: usize, rollouts: u8) -> GroupRequest {
    let prompt = (0..prompt).map(|i| 3 + (i as u32 * 31 + u32::from(seed) * 7) % 180).collect();
    GroupRequest { prompt, rollouts: keys(seed, rollouts) }
}

fn answers(
    model: &Model,
    batch_rows: usize,
    groups: &[GroupRequest],
    rule: &GenerationRule,
) -> Vec<Vec<Answer>> {
    TorchGenerator::new(model.clone(), batch_rows).unwrap().generate(groups, rule, &mut |_| true).unwrap()
}

fn probe(group: &GroupRequest, answers: &[Answer], rule: &GenerationRule) -> GroupProbe {
    let pairs = group.rollouts.iter().zip(answers);
    GroupProbe {
        prompt: group.prompt.clone(),
        rollouts: pairs
            .map(|(keys, answer)| ProbeRollout { completion: answer.tokens.clone(), keys: *keys })
            .collect(),
        policy: rule.policy,
        nucleus_slack: NumericProfile::StrictF32.thresholds().nucleus_slack,
    }
}

fn read(model: &Model, probe: &GroupProbe) -> Vec<Readout> {
    TorchOracle::new(model.clone()).read(probe).unwrap()
}

/// The largest differences between claims and readouts.
#[derive(Debug, Clone, Copy, Default)]
struct Gap {
    margin: f32,
    outside: usize,
    sketch_worst: f32,
    sketch_rms: f32,
    logprob: f32,
    tokens: usize,
}

impl Gap {
    fn add(&mut self, answers: &[Answer], readouts: &[Readout]) {
        assert_eq!(answers.len(), readouts.len());
        for (answer, readout) in answers.iter().zip(readouts) {
            assert_eq!(answer.tokens.len(), readout.draws.len());
            for (draw, claimed) in readout.draws.iter().zip(&answer.logprobs) {
                self.margin = self.margin.max(draw.margin);
                self.outside += usize::from(!draw.in_outer);
                self.logprob = self.logprob.max((draw.logprob - claimed).abs());
            }
            let sketch = distance(&answer.sketch, &readout.sketch).unwrap();
            self.sketch_worst = self.sketch_worst.max(sketch.worst);
            self.sketch_rms = self.sketch_rms.max(sketch.rms);
            self.tokens += answer.tokens.len();
        }
    }

    /// Whether the strict f32 profile lets everything pass.
    fn passes(&self) -> bool {
        let limits = NumericProfile::StrictF32.thresholds();
        self.margin <= limits.margin_soft
            && self.outside == 0
            && self.sketch_worst <= limits.sketch_hard
            && self.sketch_rms <= limits.sketch_rms
            && self.logprob <= limits.logprob
    }
}

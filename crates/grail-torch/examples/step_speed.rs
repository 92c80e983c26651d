//! Measures GRPO steps over one group:
//! `step_speed MODEL_FOLDER [rows] [prompt] [new] [threads] [runs] [nothing|layers] [head_chunk] [--save FOLDER] [--cuda]
//! [--bf16]`.
//!
//! Prints one JSON object. The prompt is text of the model's own training language (the token ids of
//! `fixtures/vectors/smollm2/greedy.json`), completions are random tokens that the model itself gave their log-probabilities.
//! With `--save`, the weights before and after the last step go to `before.safetensors` and `after.safetensors` in the
//! folder, as bfloat16; the optimizer's masters are 32-bit floats, and so is the model without `--bf16`.
//! `xtask/peer/grpo_step.py` measures the same step in plain PyTorch.
#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use grail_protocol::stream::Stream;
use grail_torch::ComputePlace;
use grail_torch::{
    Compute, Dtype, Group, Layout, LearnerSettings, LearningModel, Prompted, Recompute, Reference, Rollout,
    Schedule, StepLearner, write_tensors,
};
mod common;

use common::{cpu_seconds, memory, text};
use std::{
    error::Error,
    path::{Path, PathBuf},
    time::Instant,
};
use tch::Device;

fn main() -> Result<(), Box<dyn Error>> {
    let usage = "usage: step_speed MODEL_FOLDER [rows] [prompt] [new] [threads] [runs] [nothing|layers] [head_chunk] \
                 [--save FOLDER] [--cuda] [--bf16]";
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut flag = |name: &str| {
        let before = arguments.len();
        arguments.retain(|argument| argument != name);
        arguments.len() < before
    };
    let place = if flag("--cuda") { ComputePlace::Cuda(0) } else { ComputePlace::Cpu };
    let bf16 = flag("--bf16");
    let save: Option<PathBuf> = match arguments.iter().position(|argument| argument == "--save") {
        Some(at) => {
            let folder = arguments.get(at + 1).ok_or(usage)?.into();
            arguments.drain(at..at + 2);
            Some(folder)
        }
        None => None,
    };
    let folder = arguments.first().ok_or(usage)?;
    let number = |index: usize, default: usize| match arguments.get(index) {
        Some(text) => text.parse::<usize>(),
        None => Ok(default),
    };
    let (rows, prompt, new) = (number(1, 16)?, number(2, 100)?, number(3, 128)?);
    let (threads, runs) = (number(4, 2)?, number(5, 3)?);
    let recompute = match arguments.get(6).map(String::as_str) {
        None | Some("nothing") => Recompute::Nothing,
        Some("layers") => Recompute::Layers,
        Some(_) => return Err(usage.into()),
    };
    let place = Compute { place, bf16, threads }.open()?;
    let model = LearningModel::load(Path::new(folder), place, None)?;
    let vocabulary = u32::try_from(model.config().vocab_size)?;
    let mut stream = Stream::new(&[0; 32], 0);
    let completions: Vec<Vec<u32>> =
        (0..rows).map(|_| (0..new).filter_map(|_| stream.below(vocabulary)).collect()).collect();
    let group = group(&model, text(prompt)?, &completions)?;

    let settings = LearnerSettings::default();
    let settings = LearnerSettings {
        recompute,
        token_budget: 1 << 20,
        head_chunk: number(7, settings.head_chunk)?,
        // The full rate from the first step on, as the peer has it.
        schedule: Schedule { rate: 1e-6, warmup: 0, ..settings.schedule },
        ..settings
    };
    let mut learner = StepLearner::new(model, settings)?;
    let write = |name: &str, learner: &StepLearner| match &save {
        Some(folder) => write_tensors(&folder.join(name), &learner.model().export()?, Dtype::Bf16),
        None => Ok(()),
    };
    let mut measures = Vec::new();
    for run in 1..=runs {
        if run == runs {
            write("before.safetensors", &learner)?;
        }
        let (clock, cpu) = (Instant::now(), cpu_seconds());
        let report = learner.grpo(std::slice::from_ref(&group), Reference::None)?;
        if let Device::Cuda(index) = place.1 {
            // The last kernels of a step are under way when it returns.
            tch::Cuda::synchronize(index as i64);
        }
        let (seconds, cpu) = (clock.elapsed().as_secs_f64(), cpu_seconds() - cpu);
        measures.push(serde_json::json!({
            "seconds": seconds,
            "cpu_seconds": cpu,
            // Counted as a trainer without shared prompts would: every rollout with its prompt.
            "tokens_per_second": (rows * (prompt + new)) as f64 / seconds,
            "tokens_computed": report.tokens_computed,
            "loss": report.figures.loss(),
            "outcome": format!("{:?}", report.outcome),
        }));
    }
    write("after.safetensors", &learner)?;
    let report = serde_json::json!({
        "model": folder, "computing": format!("{place:?}"), "rows": rows, "prompt_tokens": prompt, "new_tokens": new, "threads": threads,
        "recompute": recompute, "head_chunk": settings.head_chunk, "peak_rss_mb": memory("VmHWM:"), "runs": measures,
    });
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}

/// Completions with the model's own log-probabilities; every other one did well.
fn group(model: &LearningModel, prompt: Vec<u32>, completions: &[Vec<u32>]) -> Result<Group, Box<dyn Error>> {
    let prompted = Prompted { prompt: &prompt, completions: completions.iter().map(Vec::as_slice).collect() };
    let layout = Layout::shared(model.config(), &[prompted], model.place())?;
    let logprobs: Vec<f32> = Vec::try_from(&model.measure(&layout, 256, false)?.logprobs)?;
    let new = completions.first().map_or(1, Vec::len).max(1);
    let rollouts = completions.iter().zip(logprobs.chunks(new)).enumerate();
    let rollouts = rollouts.map(|(index, (completion, behaviour))| Rollout {
        completion: completion.clone(),
        behaviour: behaviour.to_vec(),
        advantage: if index % 2 == 0 { 0.5 } else { -0.5 },
    });
    Ok(Group { rollouts: rollouts.collect(), prompt })
}

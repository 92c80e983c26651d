//! Measures generation and verification of one group:
//! `group_speed MODEL_FOLDER [rows] [prompt] [new] [threads] [runs] [--cuda] [--bf16] [--avx512|--avx2|--portable|--libtorch]`.
//!
//! Prints one JSON object. The prompt is text of the model's own training language (the token ids of
//! `fixtures/vectors/smollm2/greedy.json`), and no token ends a completion: every row runs to the cap.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program that measures time and prints it"
)]

use grail_ports::model::{
    GenerationRule, Generator as _, GroupProbe, GroupRequest, Oracle as _, ProbeRollout, RolloutKeys,
};
use grail_protocol::{
    draw::SamplingPolicy,
    seed::ProblemSeed,
    words::{CheckpointId, RolloutIndex},
};
use grail_torch::{
    ComputePlace, Dtype, KernelPath, Kernels, LoadOptions, Model, TorchGenerator, TorchOracle,
};
mod common;

use common::{cpu_seconds, memory, text};
use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

fn main() -> Result<(), Box<dyn Error>> {
    let (flags, arguments): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    let usage = "usage: group_speed MODEL_FOLDER [rows] [prompt] [new] [threads] [runs] [--cuda] [--bf16] [--avx512|--avx2|--portable|--libtorch]";
    let (mut place, mut dtype, mut kernels) = (ComputePlace::Cpu, Dtype::F32, Kernels::Fastest);
    for flag in &flags {
        match flag.as_str() {
            "--cuda" => place = ComputePlace::Cuda(0),
            "--bf16" => dtype = Dtype::Bf16,
            "--libtorch" => kernels = Kernels::Libtorch,
            path if KernelPath::ALL.iter().any(|known| path.strip_prefix("--") == Some(known.name())) => {
                let named =
                    KernelPath::ALL.into_iter().find(|known| path.strip_prefix("--") == Some(known.name()));
                kernels = named.map_or(Kernels::Fastest, Kernels::Path);
            }
            _ => return Err(usage.into()),
        }
    }
    let folder = arguments.first().ok_or(usage)?;
    let number = |index: usize, default: usize| match arguments.get(index) {
        Some(text) => text.parse::<usize>(),
        None => Ok(default),
    };
    let (rows, prompt, new) = (number(1, 16)?, number(2, 150)?, number(3, 128)?);
    let (threads, runs) = (number(4, 2)?, number(5, 3)?);

    let started = Instant::now();
    let options = LoadOptions { place, dtype, kernels, threads: Some(threads), ..LoadOptions::default() };
    let unending = unending(Path::new(folder))?;
    let model = Model::load(&unending, &options, CheckpointId::from_bytes([0; 32]))?;
    let load_seconds = started.elapsed().as_secs_f64();
    let rss_loaded = memory("VmRSS:");

    let prompt = text(prompt)?;
    let rule = GenerationRule { policy: SamplingPolicy::DEFAULT, max_new_tokens: new as u32 };
    let mut generator = TorchGenerator::new(model.clone(), rows)?;
    let mut oracle = TorchOracle::new(model);
    let mut measures = Vec::new();
    for run in 0..runs {
        let mut seed = [0u8; 32];
        seed[..8].copy_from_slice(&(run as u64).to_le_bytes());
        let problem = ProblemSeed::from_bytes(seed);
        let keys: Vec<RolloutKeys> = (0..rows)
            .map(|rollout| RolloutIndex(rollout as u8))
            .map(|rollout| RolloutKeys {
                draw: problem.draw_key(rollout),
                sketch: problem.sketch_key(rollout),
            })
            .collect();
        let request = GroupRequest { prompt: prompt.clone(), rollouts: keys.clone() };
        let cpu = cpu_seconds();
        let answers = generator.generate(&[request], &rule, &mut |_| true)?.pop().unwrap_or_default();
        let cpu = cpu_seconds() - cpu;
        let effort = generator.effort();
        let total = effort.total.as_secs_f64();
        let probe = GroupProbe {
            prompt: prompt.clone(),
            rollouts: keys
                .into_iter()
                .zip(&answers)
                .map(|(keys, answer)| ProbeRollout { completion: answer.tokens.clone(), keys })
                .collect(),
            policy: rule.policy,
            nucleus_slack: if dtype == Dtype::F32 { 1e-4 } else { 5e-3 },
        };
        let (clock, verify_cpu) = (Instant::now(), cpu_seconds());
        let readouts = oracle.read(&probe)?;
        let verify_cpu = cpu_seconds() - verify_cpu;
        let verify = clock.elapsed().as_secs_f64();
        let margin = readouts.iter().flat_map(|r| &r.draws).map(|d| d.margin).fold(0f32, f32::max);
        let agree = readouts.iter().zip(&answers).all(|(r, a)| r.sketch.len() == a.tokens.len());
        if !agree {
            return Err("the oracle read another number of tokens".into());
        }
        measures.push(serde_json::json!({
            "tokens": effort.tokens,
            "seconds": total,
            "cpu_seconds": cpu,
            "tokens_per_second": effort.tokens as f64 / total,
            "share_model": effort.model.as_secs_f64() / total,
            "share_draw": effort.draw.as_secs_f64() / total,
            "share_proof": effort.proof.as_secs_f64() / total,
            "steps": effort.steps,
            "verify_seconds": verify,
            "verify_cpu_seconds": verify_cpu,
            "verify_tokens_per_second": effort.tokens as f64 / verify,
            "largest_margin": margin,
        }));
    }
    let report = serde_json::json!({
        "model": folder, "computing": format!("{dtype:?} on {place:?}"), "rows": rows, "prompt_tokens": prompt.len(), "new_tokens": new, "threads": threads,
        "load_seconds": load_seconds,
        "rss_after_load_mb": rss_loaded, "peak_rss_mb": memory("VmHWM:"), "runs": measures,
    });
    println!("{}", serde_json::to_string_pretty(&report)?);
    fs::remove_dir_all(unending)?;
    Ok(())
}

/// The model's folder with another end token, one that is never drawn in practice.
fn unending(folder: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let copy = std::env::temp_dir().join(format!("grail-speed-{}", std::process::id()));
    fs::create_dir_all(&copy)?;
    for entry in fs::read_dir(folder.canonicalize()?)? {
        let path = entry?.path();
        let name = path.file_name().ok_or("a file without a name")?;
        if name != "generation_config.json" {
            std::os::unix::fs::symlink(&path, copy.join(name))?;
        }
    }
    let config: serde_json::Value = serde_json::from_slice(&fs::read(copy.join("config.json"))?)?;
    let last = config["vocab_size"].as_u64().ok_or("config.json has no vocab_size")? - 1;
    fs::write(copy.join("generation_config.json"), serde_json::json!({ "eos_token_id": last }).to_string())?;
    Ok(copy)
}

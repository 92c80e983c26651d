//! Measures generation and verification of one group: `speed MODEL_FOLDER [rows] [prompt] [new] [threads] [runs]`.
//!
//! Prints one JSON object. No token ends a completion here: every row runs to the cap.
#![allow(clippy::print_stdout)]

use grail_infer::{Model, Options, TorchGenerator, TorchOracle};
use grail_ports::model::{
    Answer, GenerationRule, Generator as _, GroupProbe, GroupRequest, Oracle as _, ProbeRollout, RolloutKeys,
};
use grail_protocol::{
    draw::SamplingPolicy,
    seed::ProblemSeed,
    words::{CheckpointId, RolloutIndex},
};
use std::{error::Error, fs, path::Path, time::Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder =
        arguments.first().ok_or("usage: speed MODEL_FOLDER [rows] [prompt] [new] [threads] [runs]")?;
    let number = |index: usize, default: usize| match arguments.get(index) {
        Some(text) => text.parse::<usize>(),
        None => Ok(default),
    };
    let (rows, prompt, new) = (number(1, 16)?, number(2, 150)?, number(3, 128)?);
    let (threads, runs) = (number(4, 2)?, number(5, 3)?);

    let started = Instant::now();
    let options = Options { threads: Some(threads), ..Options::default() };
    let model = Model::load(Path::new(folder), &options, CheckpointId::from_bytes([0; 32]))?;
    let load_seconds = started.elapsed().as_secs_f64();
    let vocabulary = model.card().vocabulary;
    let rss_loaded = memory("VmRSS:");

    // Any fixed tokens will do: time does not depend on the text.
    let prompt: Vec<u32> = (0..prompt as u32).map(|i| (1_000 + 7_919 * i) % vocabulary).collect();
    let rule = GenerationRule { policy: SamplingPolicy::DEFAULT, max_new_tokens: new as u32 };
    let mut generator = TorchGenerator::new(model.clone(), rows)?;
    let mut oracle = TorchOracle::new(model);
    let mut measures = Vec::new();
    for run in 0..runs {
        // The end token may cut rows short; only keys that never draw it are used.
        let (keys, answers, group) = full_length(&mut generator, &prompt, rows, &rule, run)?;
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
            nucleus_slack: 1e-4,
        };
        let clock = Instant::now();
        let readouts = oracle.read(&probe)?;
        let verify = clock.elapsed().as_secs_f64();
        let margin = readouts.iter().flat_map(|r| &r.draws).map(|d| d.margin).fold(0f32, f32::max);
        let agree = readouts.iter().zip(&answers).all(|(r, a)| r.sketch.len() == a.tokens.len());
        if !agree {
            return Err("the oracle read another number of tokens".into());
        }
        measures.push(serde_json::json!({
            "group": group,
            "tokens": effort.tokens,
            "seconds": total,
            "tokens_per_second": effort.tokens as f64 / total,
            "share_model": effort.model.as_secs_f64() / total,
            "share_draw": effort.draw.as_secs_f64() / total,
            "share_proof": effort.proof.as_secs_f64() / total,
            "steps": effort.steps,
            "verify_seconds": verify,
            "verify_tokens_per_second": effort.tokens as f64 / verify,
            "largest_margin": margin,
        }));
    }
    let report = serde_json::json!({
        "model": folder, "rows": rows, "prompt_tokens": prompt.len(), "new_tokens": new, "threads": threads,
        "load_seconds": load_seconds,
        "rss_after_load_mb": rss_loaded, "peak_rss_mb": memory("VmHWM:"), "runs": measures,
    });
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}

type Full = (Vec<RolloutKeys>, Vec<Answer>, u64);

/// Generates one group from a seed of which no rollout ends before the cap, when one of a few seeds is such.
fn full_length(
    generator: &mut TorchGenerator,
    prompt: &[u32],
    rows: usize,
    rule: &GenerationRule,
    run: usize,
) -> Result<Full, Box<dyn Error>> {
    let mut seed = [0u8; 32];
    seed[..8].copy_from_slice(&(run as u64).to_le_bytes());
    let problem = ProblemSeed::from_bytes(seed);
    let keys: Vec<RolloutKeys> = (0..rows)
        .map(|i| RolloutIndex(i as u8))
        .map(|i| RolloutKeys { draw: problem.draw_key(i), sketch: problem.sketch_key(i) })
        .collect();
    let request = GroupRequest { prompt: prompt.to_vec(), rollouts: keys.clone() };
    let answers = generator.generate(&[request], rule, &mut |_| true)?.pop().unwrap_or_default();
    Ok((keys, answers, run as u64))
}

/// A line of `/proc/self/status` in MB, 0 where there is none.
fn memory(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(field));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0) / 1_024
}

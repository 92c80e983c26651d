//! Generation and verification of one group on SmolLM2, beside transformers: ours and the peer run in turn, pair by
//! pair, so that a machine whose speed drifts drifts for both.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::{Figure, Measure, Outcome, peer};
use crate::config::Config;
use crate::{cargo, libtorch, model, report, workspace};

const PROMPT: usize = 150;
const THREADS: usize = 2;
const PAIRS: usize = 3;

/// One size of batch.
pub(super) struct Group {
    name: &'static str,
    about: &'static str,
    rows: usize,
    new: usize,
}

/// The sizes that are measured.
pub(super) const GROUPS: [Group; 3] = [
    Group {
        name: "infer/group-of-16",
        about: "16 rollouts x 128 tokens after one prompt of 150, and their verification, beside transformers",
        rows: 16,
        new: 128,
    },
    Group {
        name: "infer/group-of-4",
        about: "4 rollouts x 48 tokens after one prompt of 150, and their verification, beside transformers",
        rows: 4,
        new: 48,
    },
    Group {
        name: "infer/group-of-1",
        about: "1 rollout x 48 tokens after a prompt of 150, and its verification, beside transformers",
        rows: 1,
        new: 48,
    },
];

/// What `group_speed` prints, as far as it is used here.
#[derive(Debug, Deserialize)]
struct Ours {
    peak_rss_mb: f64,
    runs: Vec<OurRun>,
}

#[derive(Debug, Deserialize)]
struct OurRun {
    tokens_per_second: f64,
    share_draw: f64,
    share_proof: f64,
    verify_tokens_per_second: f64,
}

#[derive(Debug, Deserialize)]
struct PeerGeneration {
    tokens_per_second: Vec<f64>,
}

#[derive(Debug, Deserialize)]
struct PeerForward {
    new_tokens_per_second: Vec<f64>,
}

/// What one pair gave.
#[derive(Debug)]
struct Pair {
    ours: OurRun,
    peak_rss_mb: f64,
    peer_generates: f64,
    peer_reads: f64,
}

impl Measure for Group {
    fn name(&self) -> &str {
        self.name
    }

    fn about(&self) -> &str {
        self.about
    }

    fn run(&self, config: &Config) -> Result<Outcome> {
        let library = libtorch::ensure(config)?;
        let folder = model::ensure_smollm2(&config.cache)?;
        let python = match peer::python(config)? {
            Ok(python) => python,
            Err(why) => return Ok(Outcome::NotMeasured(why)),
        };
        let mut build = cargo::command(config, Some(&library))?;
        build.args(["build", "--locked", "--package", "grail-infer", "--example", "group_speed"]);
        cargo::run(&mut build)?;

        let own = || -> Result<Ours> {
            let mut program = Command::new(config.target_dir.join("debug/examples/group_speed"));
            program.envs(cargo::variables(config, Some(&library))).arg(&folder);
            program.args([self.rows, PROMPT, self.new, THREADS, 1].map(|n| n.to_string()));
            output(&mut program)
        };
        let peer = |script: &str| -> Result<Command> {
            let mut program = Command::new(&python);
            program.arg(workspace::root()?.join("xtask/peer").join(script)).arg(&folder);
            for (flag, n) in [
                ("--rows", self.rows),
                ("--prompt", PROMPT),
                ("--new", self.new),
                ("--threads", THREADS),
                ("--runs", 1),
            ] {
                program.args([flag, &n.to_string()]);
            }
            Ok(program)
        };
        let mut pairs = Vec::new();
        for pair in 1..=PAIRS {
            report::note(&format!("pair {pair} of {PAIRS}"));
            let mut ours = own()?;
            let generation: PeerGeneration = output(&mut peer("generate.py")?)?;
            let forward: PeerForward = output(&mut peer("prefill.py")?)?;
            let first = |values: Vec<f64>| values.into_iter().next().context("the peer printed no run");
            pairs.push(Pair {
                ours: ours.runs.pop().context("group_speed printed no run")?,
                peak_rss_mb: ours.peak_rss_mb,
                peer_generates: first(generation.tokens_per_second)?,
                peer_reads: first(forward.new_tokens_per_second)?,
            });
        }
        Ok(Outcome::Measured(self.figures(&pairs)))
    }
}

impl Group {
    fn figures(&self, pairs: &[Pair]) -> Vec<Figure> {
        let command = format!("cargo xtask bench {}", self.name);
        let figure = |what: &str, unit: &str, value: &dyn Fn(&Pair) -> f64, peer: Option<(&str, Ratio)>| {
            let values: Vec<f64> = pairs.iter().map(value).collect();
            let ratios: Option<Vec<f64>> = peer.as_ref().map(|(_, ratio)| pairs.iter().map(ratio).collect());
            let middle = median(&values);
            Figure {
                name: format!("{}/{what}", self.name),
                value: middle,
                unit: unit.into(),
                peer: peer.as_ref().map(|(name, _)| (*name).to_owned()),
                ratio: ratios.map(|ratios| median(&ratios)),
                spread: (middle != 0.0).then(|| half_range(&values) / middle),
                command: command.clone(),
            }
        };
        vec![
            figure(
                "generate",
                "tokens/s",
                &|pair| pair.ours.tokens_per_second,
                Some(("transformers generate", |pair| pair.ours.tokens_per_second / pair.peer_generates)),
            ),
            figure(
                "verify",
                "tokens/s",
                &|pair| pair.ours.verify_tokens_per_second,
                Some(("transformers forward, prompt not shared", |pair| {
                    pair.ours.verify_tokens_per_second / pair.peer_reads
                })),
            ),
            figure(
                "verify against generate",
                "tokens/s",
                &|pair| pair.ours.verify_tokens_per_second,
                Some(("our own generation", |pair| {
                    pair.ours.verify_tokens_per_second / pair.ours.tokens_per_second
                })),
            ),
            figure("proof share of generation", "%", &|pair| 100.0 * pair.ours.share_proof, None),
            figure("drawing share of generation", "%", &|pair| 100.0 * pair.ours.share_draw, None),
            figure("peak memory", "MB", &|pair| pair.peak_rss_mb, None),
        ]
    }
}

type Ratio = fn(&Pair) -> f64;

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

/// Half the way from the smallest to the largest: of three pairs there is no better interval.
fn half_range(values: &[f64]) -> f64 {
    let largest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let smallest = values.iter().copied().fold(f64::INFINITY, f64::min);
    (largest - smallest) / 2.0
}

/// Runs a program that prints one JSON object.
fn output<T: serde::de::DeserializeOwned>(program: &mut Command) -> Result<T> {
    let shown = cargo::shown(program);
    let done = program
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start {shown}"))?;
    if !done.status.success() {
        bail!("`{shown}` failed ({})", done.status);
    }
    serde_json::from_slice(&done.stdout).with_context(|| format!("`{shown}` did not print what was expected"))
}

/// A model of seven billion parameters on a CUDA device.
pub(super) struct OnDevice;

impl Measure for OnDevice {
    fn name(&self) -> &str {
        "infer/cuda-7b"
    }

    fn about(&self) -> &str {
        "generation and verification of a Qwen2.5-7B-shaped model in bf16 on a CUDA device"
    }

    fn run(&self, _: &Config) -> Result<Outcome> {
        let device = PathBuf::from("/dev/nvidia0");
        Ok(Outcome::NotMeasured(if device.exists() {
            "the measure for a CUDA device is not written yet".into()
        } else {
            "no CUDA device is at hand".into()
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(ours: f64, peer: f64) -> Pair {
        let ours = OurRun {
            tokens_per_second: ours,
            share_draw: 0.05,
            share_proof: 0.001,
            verify_tokens_per_second: 2.0 * ours,
        };
        Pair { ours, peak_rss_mb: 800.0, peer_generates: peer, peer_reads: peer }
    }

    #[test]
    fn ratios_are_taken_pair_by_pair() {
        // The machine was half as fast for the second pair; the ratio does not notice.
        let figures = GROUPS[0].figures(&[pair(400.0, 100.0), pair(200.0, 50.0), pair(380.0, 95.0)]);
        let generate = &figures[0];
        assert_eq!((generate.value, generate.ratio), (380.0, Some(4.0)));
        assert_eq!(generate.spread, Some(100.0 / 380.0));
        assert_eq!(figures[1].ratio, Some(8.0));
        assert_eq!(figures[2].ratio, Some(2.0));
        assert_eq!((figures[3].value, figures[3].ratio), (0.1, None));
    }
}

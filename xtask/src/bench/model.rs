//! Generation and verification of one group on SmolLM2, beside transformers.

use std::process::Command;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::runs::{self, Profile, Runs, output};
use super::{Figure, Measure, Outcome, peer};
use crate::config::Config;
use crate::{cargo, libtorch, model};

const PROMPT: usize = 150;
const THREADS: usize = 2;

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
        let program = runs::example(config, Some(&library), ("grail-infer", "group_speed"), Profile::Dev)?;

        let own = || -> Result<Ours> {
            let mut program = Command::new(&program);
            program.envs(cargo::variables(config, Some(&library))).arg(&folder);
            program.args([self.rows, PROMPT, self.new, THREADS, 1].map(|n| n.to_string()));
            output(&mut program)
        };
        let sizes = [
            ("--rows", self.rows),
            ("--prompt", PROMPT),
            ("--new", self.new),
            ("--threads", THREADS),
            ("--runs", 1),
        ];
        let pairs = runs::in_turn(|| {
            let mut ours = own()?;
            let generation: PeerGeneration =
                output(&mut peer::script(&python, "generate.py", &folder, sizes)?)?;
            let forward: PeerForward = output(&mut peer::script(&python, "prefill.py", &folder, sizes)?)?;
            let first = |values: Vec<f64>| values.into_iter().next().context("the peer printed no run");
            Ok(Pair {
                ours: ours.runs.pop().context("group_speed printed no run")?,
                peak_rss_mb: ours.peak_rss_mb,
                peer_generates: first(generation.tokens_per_second)?,
                peer_reads: first(forward.new_tokens_per_second)?,
            })
        })?;
        Ok(Outcome::Measured(self.figures(&pairs)))
    }
}

impl Group {
    fn figures(&self, pairs: &[Pair]) -> Vec<Figure> {
        let runs = Runs { measure: self.name, all: pairs };
        vec![
            runs.figure(
                "generate",
                "tokens/s",
                |pair| pair.ours.tokens_per_second,
                Some(("transformers generate", |pair| pair.ours.tokens_per_second / pair.peer_generates)),
            ),
            runs.figure(
                "verify",
                "tokens/s",
                |pair| pair.ours.verify_tokens_per_second,
                Some(("transformers forward, prompt not shared", |pair| {
                    pair.ours.verify_tokens_per_second / pair.peer_reads
                })),
            ),
            runs.figure(
                "verify against generate",
                "tokens/s",
                |pair| pair.ours.verify_tokens_per_second,
                Some(("our own generation", |pair| {
                    pair.ours.verify_tokens_per_second / pair.ours.tokens_per_second
                })),
            ),
            runs.figure("proof share of generation", "%", |pair| 100.0 * pair.ours.share_proof, None),
            runs.figure("drawing share of generation", "%", |pair| 100.0 * pair.ours.share_draw, None),
            runs.figure("peak memory", "MB", |pair| pair.peak_rss_mb, None),
        ]
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

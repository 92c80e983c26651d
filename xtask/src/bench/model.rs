//! Generation and verification of one group beside transformers: on SmolLM2, and the work that other measures share.

use std::path::Path;
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
pub(super) struct Pair {
    ours: OurRun,
    peak_rss_mb: f64,
    peer_generates: f64,
    peer_reads: f64,
}

/// Where both sides compute, and in which numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum On {
    /// A processor, in 32-bit floats.
    Processor,
    /// A CUDA device, in brain floats.
    Device,
}

impl On {
    /// Flags of our programs.
    pub(super) const fn ours(self) -> &'static [&'static str] {
        match self {
            Self::Processor => &[],
            Self::Device => &["--cuda", "--bf16"],
        }
    }

    /// Flags of the peer's scripts.
    pub(super) const fn peer(self) -> &'static [&'static str] {
        match self {
            Self::Processor => &[],
            Self::Device => &["--device", "cuda", "--dtype", "bfloat16"],
        }
    }

    /// Runs of a process, of which the last counts: a device's first ones pay for kernels that are chosen and loaded.
    const fn runs(self) -> usize {
        match self {
            Self::Processor => 1,
            Self::Device => 3,
        }
    }
}

/// What both sides do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work {
    pub(super) on: On,
    pub(super) rows: usize,
    pub(super) new: usize,
    pub(super) threads: usize,
}

impl Work {
    /// Ours and the peer in turn, on one model.
    ///
    /// # Errors
    /// When a program does not build, fails, or prints something else.
    pub(super) fn pairs(
        self,
        config: &Config,
        library: &Path,
        python: &Path,
        folder: &Path,
    ) -> Result<Vec<Pair>> {
        let Self { on, rows, new, threads } = self;
        let program = runs::example(config, Some(library), ("grail-torch", "group_speed"), Profile::Dev)?;
        let sizes = [
            ("--rows", rows),
            ("--prompt", PROMPT),
            ("--new", new),
            ("--threads", threads),
            ("--runs", on.runs()),
        ];
        let script = |name| -> Result<Command> {
            let mut script = peer::script(python, name, folder, sizes)?;
            script.args(on.peer());
            Ok(script)
        };
        let last = |values: Vec<f64>| values.last().copied().context("the peer printed no run");
        runs::in_turn(|| {
            let mut ours = Command::new(&program);
            ours.envs(cargo::variables(config, Some(library))).arg(folder);
            ours.args(sizes.map(|(_, size)| size.to_string())).args(on.ours());
            let mut ours: Ours = output(&mut ours)?;
            let generation: PeerGeneration = output(&mut script("generate.py")?)?;
            let forward: PeerForward = output(&mut script("prefill.py")?)?;
            Ok(Pair {
                ours: ours.runs.pop().context("group_speed printed no run")?,
                peak_rss_mb: ours.peak_rss_mb,
                peer_generates: last(generation.tokens_per_second)?,
                peer_reads: last(forward.new_tokens_per_second)?,
            })
        })
    }
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
        let work = Work { on: On::Processor, rows: self.rows, new: self.new, threads: THREADS };
        let pairs = work.pairs(config, &library, &python, &folder)?;
        Ok(Outcome::Measured(figures(self.name, &pairs)))
    }
}

/// The figures of pairs.
pub(super) fn figures(measure: &str, pairs: &[Pair]) -> Vec<Figure> {
    let runs = Runs { measure, all: pairs };
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
        let figures = figures("m", &[pair(400.0, 100.0), pair(200.0, 50.0), pair(380.0, 95.0)]);
        let generate = &figures[0];
        assert_eq!((generate.value, generate.ratio), (380.0, Some(4.0)));
        assert_eq!(generate.spread, Some(100.0 / 380.0));
        assert_eq!(figures[1].ratio, Some(8.0));
        assert_eq!(figures[2].ratio, Some(2.0));
        assert_eq!((figures[3].value, figures[3].ratio), (0.1, None));
    }
}

//! A GRPO step beside plain PyTorch, on SmolLM2 in 32-bit floats on a processor or on what other measures bring; and
//! the step with what saves memory beside the one without.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use serde::Deserialize;

use super::model::On;
use super::runs::{self, Profile, Runs, after_warm_up, output};
use super::{Figure, Measure, Outcome, peer};
use crate::config::Config;
use crate::{cargo, libtorch, model};

const ROWS: usize = 16;
const PROMPT: usize = 100;
const NEW: usize = 128;
const THREADS: usize = 2;
/// One to warm up, one that counts.
const STEPS: usize = 2;

/// The program that measures our steps, and what it needs.
pub(super) struct Speed {
    program: PathBuf,
    library: PathBuf,
    model: PathBuf,
    on: On,
}

/// What passes keep, and over how many rows the head works at once: none takes the default.
#[derive(Debug, Clone, Copy)]
pub(super) struct Saving {
    pub(super) recompute: &'static str,
    pub(super) head_chunk: Option<usize>,
}

/// As a trainer starts out: nothing is computed twice, the head works by chunks.
pub(super) const DEFAULT: Saving = Saving { recompute: "nothing", head_chunk: None };
/// All that saves memory.
const SAVING: Saving = Saving { recompute: "layers", head_chunk: None };
/// Nothing that does: logits of all rows at once.
const PLAIN: Saving = Saving { recompute: "nothing", head_chunk: Some(ROWS * NEW) };

impl Speed {
    /// Fetches what is missing and builds the program.
    ///
    /// # Errors
    /// Whatever keeps it from being fetched or built.
    pub(super) fn build(config: &Config) -> Result<Self> {
        let library = libtorch::ensure(config)?;
        let model = model::ensure_smollm2(&config.cache)?;
        Self::over(config, library, model, On::Processor)
    }

    /// Builds the program for another model and another place.
    ///
    /// # Errors
    /// When it does not build.
    pub(super) fn over(config: &Config, library: PathBuf, model: PathBuf, on: On) -> Result<Self> {
        let program = runs::example(config, Some(&library), ("grail-torch", "step_speed"), Profile::Dev)?;
        Ok(Self { program, library, model, on })
    }

    /// A call of the program; the weights before and after the last step go to `save`.
    pub(super) fn command(
        &self,
        config: &Config,
        steps: usize,
        saving: Saving,
        save: Option<&Path>,
    ) -> Command {
        let mut program = Command::new(&self.program);
        program.envs(cargo::variables(config, Some(&self.library))).arg(&self.model);
        program.args([ROWS, PROMPT, NEW, THREADS, steps].map(|n| n.to_string()));
        program.arg(saving.recompute).args(saving.head_chunk.map(|n| n.to_string())).args(self.on.ours());
        if let Some(folder) = save {
            program.arg("--save").arg(folder);
        }
        program
    }

    /// Ours and the peer in turn.
    ///
    /// # Errors
    /// When a program fails or prints something else.
    pub(super) fn pairs(&self, config: &Config, python: &Path) -> Result<Vec<Pair>> {
        let sizes = [
            ("--rows", ROWS),
            ("--prompt", PROMPT),
            ("--new", NEW),
            ("--threads", THREADS),
            ("--runs", STEPS),
        ];
        runs::in_turn(|| {
            let ours = self.steps(config, DEFAULT)?;
            let mut script = peer::script(python, "grpo_step.py", &self.model, sizes)?;
            let peer: Peer = output(script.args(self.on.peer()))?;
            let theirs = Side {
                tokens_per_second: after_warm_up(peer.tokens_per_second)?,
                peak_rss_mb: peer.peak_rss_mb,
            };
            Ok(Pair { ours, theirs })
        })
    }

    fn steps(&self, config: &Config, saving: Saving) -> Result<Side> {
        let ours: Ours = output(&mut self.command(config, STEPS, saving, None))?;
        Ok(Side {
            tokens_per_second: after_warm_up(ours.runs.iter().map(|step| step.tokens_per_second))?,
            peak_rss_mb: ours.peak_rss_mb,
        })
    }
}

/// What `speed` prints, as far as it is used here.
#[derive(Debug, Deserialize)]
struct Ours {
    peak_rss_mb: f64,
    runs: Vec<OurStep>,
}

#[derive(Debug, Deserialize)]
struct OurStep {
    tokens_per_second: f64,
}

/// What `grpo_step.py` prints, as far as it is used here.
#[derive(Debug, Deserialize)]
struct Peer {
    peak_rss_mb: f64,
    tokens_per_second: Vec<f64>,
}

/// What one process gave.
#[derive(Debug, Clone, Copy)]
struct Side {
    tokens_per_second: f64,
    peak_rss_mb: f64,
}

/// What one pair gave.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    ours: Side,
    theirs: Side,
}

impl Pair {
    fn faster(&self) -> f64 {
        self.ours.tokens_per_second / self.theirs.tokens_per_second
    }

    fn smaller(&self) -> f64 {
        self.theirs.peak_rss_mb / self.ours.peak_rss_mb
    }
}

/// Our step beside the peer's.
pub(super) struct GrpoStep;

impl Measure for GrpoStep {
    fn name(&self) -> &str {
        "train/grpo-step"
    }

    fn about(&self) -> &str {
        "a GRPO step on SmolLM2, f32, 2 threads, 16 x (100 + 128) tokens, beside plain PyTorch"
    }

    fn run(&self, config: &Config) -> Result<Outcome> {
        let speed = Speed::build(config)?;
        let python = match peer::python(config)? {
            Ok(python) => python,
            Err(why) => return Ok(Outcome::NotMeasured(why)),
        };
        let pairs = speed.pairs(config, &python)?;
        Ok(Outcome::Measured(beside_the_peer(self.name(), &pairs)))
    }
}

/// Tokens are counted as a trainer without shared prompts would: every rollout with its prompt.
pub(super) fn beside_the_peer(measure: &str, pairs: &[Pair]) -> Vec<Figure> {
    let runs = Runs { measure, all: pairs };
    let peer = "PyTorch and transformers";
    vec![
        runs.figure(
            "step",
            "tokens/s",
            |pair| pair.ours.tokens_per_second,
            Some((peer, |pair| pair.faster())),
        ),
        runs.figure("peak memory", "MB", |pair| pair.ours.peak_rss_mb, Some((peer, |pair| pair.smaller()))),
        runs.figure("peak memory of the peer", "MB", |pair| pair.theirs.peak_rss_mb, None),
    ]
}

/// The step with all that saves memory beside the step without.
pub(super) struct Memory;

impl Measure for Memory {
    fn name(&self) -> &str {
        "train/memory"
    }

    fn about(&self) -> &str {
        "the same step with layers recomputed and the head by chunks, beside one that keeps everything"
    }

    fn run(&self, config: &Config) -> Result<Outcome> {
        let speed = Speed::build(config)?;
        let pairs = runs::in_turn(|| {
            Ok(Pair { ours: speed.steps(config, SAVING)?, theirs: speed.steps(config, PLAIN)? })
        })?;
        Ok(Outcome::Measured(saved(self.name(), &pairs)))
    }
}

fn saved(measure: &str, pairs: &[Pair]) -> Vec<Figure> {
    let runs = Runs { measure, all: pairs };
    let peer = "our own step that keeps everything";
    vec![
        runs.figure("peak memory", "MB", |pair| pair.ours.peak_rss_mb, Some((peer, |pair| pair.smaller()))),
        runs.figure("peak memory that keeps everything", "MB", |pair| pair.theirs.peak_rss_mb, None),
        // The bar is a share, 60 %; the ratio above is its inverse.
        runs.figure("share of that memory", "%", |pair| 100.0 / pair.smaller(), None),
        runs.figure(
            "step",
            "tokens/s",
            |pair| pair.ours.tokens_per_second,
            Some((peer, |pair| pair.faster())),
        ),
        runs.figure("share of that time", "%", |pair| 100.0 / pair.faster(), None),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(ours: (f64, f64), theirs: (f64, f64)) -> Pair {
        let side = |(tokens_per_second, peak_rss_mb)| Side { tokens_per_second, peak_rss_mb };
        Pair { ours: side(ours), theirs: side(theirs) }
    }

    #[test]
    fn more_tokens_and_less_memory_than_the_peer_are_both_above_one() {
        let figures = beside_the_peer("m", &[pair((200.0, 3000.0), (100.0, 6000.0))]);
        assert_eq!((figures[0].value, figures[0].ratio), (200.0, Some(2.0)));
        assert_eq!((figures[1].value, figures[1].ratio), (3000.0, Some(2.0)));
        assert_eq!((figures[2].value, figures[2].ratio), (6000.0, None));
    }

    #[test]
    fn memory_is_told_as_a_share_beside_what_it_costs_in_time() {
        let figures = saved("m", &[pair((80.0, 3000.0), (100.0, 6000.0))]);
        let share = |name: &str| figures.iter().find(|figure| figure.name == name).map(|figure| figure.value);
        assert_eq!(share("m/share of that memory"), Some(50.0));
        assert_eq!(share("m/share of that time"), Some(125.0));
    }

    #[test]
    fn what_the_programs_print_is_read() {
        let ours = r#"{"peak_rss_mb": 5.0, "rows": 1, "runs": [{"tokens_per_second": 2.0, "seconds": 1.0}]}"#;
        let ours: Ours = serde_json::from_str(ours).expect("ours");
        assert_eq!((ours.peak_rss_mb, ours.runs[0].tokens_per_second), (5.0, 2.0));
        let peer = r#"{"peak_rss_mb": 7.0, "tokens_per_second": [1.0, 3.0], "seconds": [2.0, 1.0]}"#;
        let peer: Peer = serde_json::from_str(peer).expect("the peer");
        assert_eq!(after_warm_up(peer.tokens_per_second).expect("a second step"), 3.0);
    }
}

//! Deltas between checkpoints: how large, how fast, beside zstd over the whole file and beside the Python original's frames.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::runs::{self, Profile, Runs, output};
use super::train::{DEFAULT, Speed};
use super::{Figure, Measure, Outcome};
use crate::config::Config;
use crate::workspace;

/// Threads of both ours and the peer.
const WORKERS: usize = 2;
/// Runs over files that are measured in seconds.
const RUNS: usize = 3;

/// What `delta_figures` prints, as far as it is used here. Speeds count the bytes of the new file; those of encoding and
/// applying include the hash of the base, which both begin with.
#[derive(Debug, Clone, Deserialize)]
struct Report {
    file_bytes: f64,
    delta_bytes: f64,
    words: f64,
    changed: f64,
    /// What zstd was given of the file, and what it made of it.
    sample_bytes: f64,
    zstd_bytes: f64,
    /// Bytes of the original's frame for the same step, where it was made.
    original_bytes: Option<f64>,
    runs: Vec<Run>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Run {
    hash_gb_s: f64,
    encode_gb_s: f64,
    apply_gb_s: f64,
    zstd_pack_gb_s: f64,
    zstd_unpack_gb_s: f64,
}

impl Report {
    /// How many times smaller than the file under zstd, as far as zstd was given it.
    fn smaller_than_zstd(&self) -> f64 {
        self.zstd_bytes / self.sample_bytes * self.file_bytes / self.delta_bytes
    }

    fn figures(&self, measure: &str) -> Vec<Figure> {
        let sizes = Runs { measure, all: std::slice::from_ref(self) };
        let speeds = Runs { measure, all: &self.runs };
        let zstd = "zstd 3 of the whole, a part a thread";
        let mut figures = vec![
            sizes.figure(
                "delta",
                "MB",
                |report| report.delta_bytes / 1e6,
                Some((zstd, Self::smaller_than_zstd)),
            ),
            sizes.figure("file", "MB", |report| report.file_bytes / 1e6, None),
            sizes.figure("words changed", "%", |report| 100.0 * report.changed / report.words, None),
            sizes.figure(
                "bits for a changed word",
                "bits",
                |report| 8.0 * report.delta_bytes / report.changed,
                None,
            ),
            speeds.figure(
                "encode, hash of the base included",
                "GB/s",
                |run| run.encode_gb_s,
                Some((zstd, |run| run.encode_gb_s / run.zstd_pack_gb_s)),
            ),
            speeds.figure(
                "apply, hash of the base included",
                "GB/s",
                |run| run.apply_gb_s,
                Some((zstd, |run| run.apply_gb_s / run.zstd_unpack_gb_s)),
            ),
            speeds.figure("hash the base", "GB/s", |run| run.hash_gb_s, None),
        ];
        if let Some(original) = self.original_bytes {
            let mut against = sizes.figure("delta", "MB", |report| report.delta_bytes / 1e6, None);
            against.peer = Some("the Python original's codec, v3.1".into());
            against.ratio = Some(original / self.delta_bytes);
            figures.insert(1, against);
        }
        figures
    }
}

fn delta_figures(config: &Config) -> Result<PathBuf> {
    runs::example(config, None, ("grail-artifact", "delta_figures"), Profile::Release)
}

/// One GRPO step of a real model.
pub(super) struct SmolLm2;

impl Measure for SmolLm2 {
    fn name(&self) -> &str {
        "checkpoint/delta-smollm2"
    }

    fn about(&self) -> &str {
        "a delta over one GRPO step on SmolLM2 (rate 1e-6, f32 masters), bf16 files on a disk, 2 threads"
    }

    fn run(&self, config: &Config) -> Result<Outcome> {
        let folder = config.target_dir.join("bench").join("delta-smollm2");
        let cannot = || format!("cannot make {} anew", folder.display());
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(cannot)?;
        }
        fs::create_dir_all(&folder).with_context(cannot)?;
        let found = over_one_step(config, &folder);
        // Half a gigabyte, whatever came of it.
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        Ok(Outcome::Measured(found?.figures(self.name())))
    }
}

fn over_one_step(config: &Config, folder: &Path) -> Result<Report> {
    let speed = Speed::build(config)?;
    let _: serde_json::Value = output(&mut speed.command(config, 1, DEFAULT, Some(folder)))?;
    let mut program = Command::new(delta_figures(config)?);
    program.args(["before", "after"].map(|name| folder.join(name).with_extension("safetensors")));
    output(program.args(["--workers", &WORKERS.to_string(), "--runs", &RUNS.to_string()]))
}

/// A step of a model of seven billion parameters that nobody has to store.
pub(super) struct Synthetic;

impl Measure for Synthetic {
    fn name(&self) -> &str {
        "checkpoint/delta-7b"
    }

    fn about(&self) -> &str {
        "a delta of a made-up Qwen2.5-7B (15 GB of bf16, 2 % of words moved by one step), from and to no disk; \
         zstd over its first GiB"
    }

    fn run(&self, config: &Config) -> Result<Outcome> {
        let mut program = Command::new(delta_figures(config)?);
        program.args(["--synthetic", "--workers", &WORKERS.to_string()]);
        let report: Report = output(&mut program)?;
        Ok(Outcome::Measured(report.figures(self.name())))
    }
}

/// What the Python original recorded.
pub(super) struct Vectors;

/// What `delta_vectors` prints.
#[derive(Debug, Deserialize)]
struct Recorded {
    set: String,
    codec: String,
    ours: f64,
    frame: f64,
}

/// Roots, size and magic, which open every delta of ours.
const OPENING: f64 = 80.0;

impl Measure for Vectors {
    fn name(&self) -> &str {
        "checkpoint/delta-vectors"
    }

    fn about(&self) -> &str {
        "deltas of ours, whole, beside the Python original's recorded frames, which hold entries and no roots; chain: recorded \
         steps, codec: recorded entries over a constant base, as theirs is unknown; all tiny"
    }

    fn run(&self, config: &Config) -> Result<Outcome> {
        let program = runs::example(config, None, ("grail-artifact", "delta_vectors"), Profile::Dev)?;
        let folder = workspace::root()?.join("fixtures/vectors/python/infra");
        let cases: Vec<Recorded> = output(Command::new(program).arg(folder))?;
        Ok(Outcome::Measured(sums(self.name(), &cases)?))
    }
}

/// A sum over each set and codec.
fn sums(measure: &str, cases: &[Recorded]) -> Result<Vec<Figure>> {
    let mut kinds: Vec<(&str, &str)> = Vec::new();
    for case in cases {
        let kind = (case.set.as_str(), case.codec.as_str());
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    if kinds.is_empty() {
        bail!("delta_vectors printed no case");
    }
    let mut figures = Vec::new();
    for (set, codec) in kinds {
        let mut sum = Sum::default();
        for case in cases.iter().filter(|case| (case.set.as_str(), case.codec.as_str()) == (set, codec)) {
            sum.cases += 1.0;
            sum.ours += case.ours;
            sum.frames += case.frame;
        }
        let runs = Runs { measure, all: &[sum] };
        let peer = format!("the original's frames, {codec}");
        figures.push(runs.figure(
            &format!("{set}, {codec}"),
            "bytes",
            |sum| sum.ours,
            Some((&peer, |sum| sum.frames / sum.ours)),
        ));
        figures.push(runs.figure(
            &format!("{set}, {codec}, without roots and size"),
            "bytes",
            Sum::entries,
            Some((&peer, |sum| sum.frames / sum.entries())),
        ));
    }
    Ok(figures)
}

#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    cases: f64,
    ours: f64,
    frames: f64,
}

impl Sum {
    /// The original keeps hashes elsewhere.
    fn entries(&self) -> f64 {
        self.ours - OPENING * self.cases
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let text = r#"{"file_bytes": 1000, "delta_bytes": 50, "words": 500, "changed": 10, "sample_bytes": 100,
            "zstd_bytes": 80, "original_bytes": 75, "workers": 2, "runs": [{"hash_gb_s": 4.0, "encode_gb_s": 2.0,
            "apply_gb_s": 3.0, "zstd_pack_gb_s": 0.5, "zstd_unpack_gb_s": 1.5}]}"#;
        serde_json::from_str(text).expect("a report")
    }

    #[test]
    fn a_sample_under_zstd_speaks_for_the_whole_file() {
        // 80 of 100 bytes are 800 of 1000.
        assert_eq!(report().smaller_than_zstd(), 16.0);
    }

    #[test]
    fn a_report_becomes_sizes_and_speeds_with_their_ratios() {
        let figures = report().figures("m");
        let ratio = |name: &str, peer: &str| {
            let named = |figure: &&Figure| {
                figure.name == name && figure.peer.as_ref().is_some_and(|found| found.contains(peer))
            };
            figures.iter().find(named).and_then(|figure| figure.ratio)
        };
        assert_eq!(ratio("m/delta", "zstd"), Some(16.0));
        assert_eq!(ratio("m/delta", "original"), Some(1.5));
        assert_eq!(ratio("m/encode, hash of the base included", "zstd"), Some(4.0));
        assert_eq!(ratio("m/apply, hash of the base included", "zstd"), Some(2.0));
        let value = |name: &str| figures.iter().find(|figure| figure.name == name).map(|figure| figure.value);
        assert_eq!(value("m/words changed"), Some(2.0));
        assert_eq!(value("m/bits for a changed word"), Some(40.0));
    }

    #[test]
    fn without_a_frame_of_the_original_nothing_is_said_about_it() {
        let figures = Report { original_bytes: None, ..report() }.figures("m");
        assert!(figures.iter().all(|figure| figure.peer.as_ref().is_none_or(|peer| peer.contains("zstd"))));
    }

    #[test]
    fn vectors_are_summed_for_each_set_and_codec() {
        let case = |set: &str, codec: &str, ours, frame| Recorded {
            set: set.into(),
            codec: codec.into(),
            ours,
            frame,
        };
        let cases = [
            case("chain", "v2", 180.0, 200.0),
            case("chain", "v3.1", 200.0, 300.0),
            case("chain", "v2", 220.0, 400.0),
        ];
        let figures = sums("m", &cases).expect("figures");
        let told: Vec<_> =
            figures.iter().map(|figure| (figure.name.as_str(), figure.value, figure.ratio)).collect();
        let expected = [
            ("m/chain, v2", 400.0, Some(1.5)),
            ("m/chain, v2, without roots and size", 240.0, Some(2.5)),
            ("m/chain, v3.1", 200.0, Some(1.5)),
            ("m/chain, v3.1, without roots and size", 120.0, Some(2.5)),
        ];
        assert_eq!(told, expected);
        assert!(sums("m", &[]).is_err());
    }
}

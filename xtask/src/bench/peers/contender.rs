//! Who takes part: our program, an older build of it, and engines of others, each run as a process of its own.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::super::runs::{output, printed};
use crate::workspace;

/// One size of group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) rows: usize,
    pub(super) new: usize,
}

/// What is the same for all.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    pub(super) prompt: usize,
    pub(super) threads: usize,
}

/// How often a process does the same: once for pages, caches and kernels that are chosen, and once that counts.
const RUNS: usize = 2;

/// What a contender did with one size.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Speed {
    /// New tokens a second, the prompt's time included.
    pub(super) generate: f64,
    /// New tokens a second of reading a finished group: our verification, others' forward pass.
    pub(super) read: Option<f64>,
    /// Seconds of a decoding step, the prompt's time spread over all.
    pub(super) step: Option<f64>,
    /// Memory of the process after loading, and its most, in MB.
    pub(super) memory: Option<(f64, f64)>,
}

/// Someone who takes part.
#[derive(Debug)]
pub(super) struct Contender {
    /// For people.
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// How one is run.
#[derive(Debug)]
pub(super) enum Kind {
    /// `group_speed`, of whatever age, over a model's folder.
    Own { program: PathBuf, variables: Vec<(&'static str, OsString)>, folder: PathBuf },
    /// A script of `xtask/peer` that takes all sizes at once, over a model.
    Script { python: PathBuf, script: &'static str, model: PathBuf, flags: Vec<&'static str> },
    /// `generate.py` and `prefill.py`, which take one size each.
    Transformers { python: PathBuf, folder: PathBuf, dtype: &'static str },
    /// llama.cpp's own benchmark. It draws its tokens by chance, so it pays for no sampling.
    Llama { program: PathBuf, model: PathBuf },
}

impl Contender {
    /// Runs all sizes once.
    ///
    /// # Errors
    /// When a process fails or prints something else.
    pub(super) fn run(&self, sizes: &[Size], setting: Setting) -> Result<Vec<Speed>> {
        match &self.kind {
            Kind::Own { program, variables, folder } => {
                let one = |size: &Size| {
                    let numbers = [size.rows, setting.prompt, size.new, setting.threads, RUNS];
                    let mut command = Command::new(program);
                    command.envs(variables.iter().map(|(name, value)| (name, value))).arg(folder);
                    output::<Own>(command.args(numbers.map(|n| n.to_string())))?.speed()
                };
                sizes.iter().map(one).collect()
            }
            Kind::Script { python, script, model, flags } => {
                let groups: Vec<String> = sizes.iter().map(|s| format!("{}x{}", s.rows, s.new)).collect();
                let mut command = peer(python, script)?;
                command.arg(model).args(["--groups", &groups.join(",")]).args(flags);
                numbers(&mut command, setting);
                let theirs: Groups = printed(command.args(["--runs", &RUNS.to_string()]))?;
                ensure!(
                    theirs.runs.len() == sizes.len(),
                    "{} measured {} sizes",
                    self.name,
                    theirs.runs.len()
                );
                Ok(theirs.runs.into_iter().map(|run| run.speed(theirs.peak_rss_mb)).collect())
            }
            Kind::Transformers { python, folder, dtype } => {
                let one = |size: &Size| {
                    let command = |script| -> Result<Command> {
                        let mut command = peer(python, script)?;
                        command.arg(folder).args(["--dtype", dtype, "--runs", "1"]);
                        command.args(["--rows", &size.rows.to_string(), "--new", &size.new.to_string()]);
                        numbers(&mut command, setting);
                        Ok(command)
                    };
                    let generation: Generation = output(&mut command("generate.py")?)?;
                    let forward: Forward = output(&mut command("prefill.py")?)?;
                    let last = |values: &[f64]| values.last().copied().context("it printed no run");
                    Ok(Speed {
                        generate: last(&generation.tokens_per_second)?,
                        read: Some(last(&forward.new_tokens_per_second)?),
                        ..Speed::default()
                    })
                };
                sizes.iter().map(one).collect()
            }
            Kind::Llama { program, model } => {
                let one = |size: &Size| {
                    // A shared prompt and the rows' tokens, with some room.
                    let cells = setting.prompt + size.rows * size.new + 256;
                    let mut command = Command::new(program);
                    command.env_remove(LIBRARIES).arg("-m").arg(model).args([
                        "-pps",
                        "--output-format",
                        "jsonl",
                    ]);
                    for (flag, number) in [
                        ("-c", cells),
                        ("-npp", setting.prompt),
                        ("-ntg", size.new),
                        ("-npl", size.rows),
                        ("-t", setting.threads),
                        ("-tb", setting.threads),
                    ] {
                        command.args([flag, &number.to_string()]);
                    }
                    let theirs: Batch = printed(&mut command)?;
                    ensure!((theirs.pl, theirs.tg) == (size.rows, size.new), "it measured another size");
                    let tokens = (size.rows * size.new) as f64;
                    Ok(Speed { generate: tokens / (theirs.t_pp + theirs.t_tg), ..Speed::default() })
                };
                sizes.iter().map(one).collect()
            }
        }
    }
}

/// Ours for libtorch must not be found by the torch of others.
const LIBRARIES: &str = "LD_LIBRARY_PATH";

fn peer(python: &PathBuf, script: &str) -> Result<Command> {
    let mut command = Command::new(python);
    command.env_remove(LIBRARIES).arg(workspace::root()?.join("xtask/peer").join(script));
    Ok(command)
}

fn numbers(command: &mut Command, setting: Setting) {
    command.args(["--prompt", &setting.prompt.to_string(), "--threads", &setting.threads.to_string()]);
}

/// What `group_speed` prints, as far as every age of it does.
#[derive(Debug, Deserialize)]
struct Own {
    rss_after_load_mb: f64,
    peak_rss_mb: f64,
    runs: Vec<OwnRun>,
}

#[derive(Debug, Deserialize)]
struct OwnRun {
    seconds: f64,
    steps: f64,
    tokens_per_second: f64,
    verify_tokens_per_second: f64,
}

impl Own {
    fn speed(&self) -> Result<Speed> {
        let run = self.runs.last().context("group_speed printed no run")?;
        Ok(Speed {
            generate: run.tokens_per_second,
            read: Some(run.verify_tokens_per_second),
            step: Some(run.seconds / run.steps),
            memory: Some((self.rss_after_load_mb, self.peak_rss_mb)),
        })
    }
}

/// What the scripts print that take all sizes at once.
#[derive(Debug, Deserialize)]
struct Groups {
    peak_rss_mb: f64,
    runs: Vec<GroupRun>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct GroupRun {
    tokens_per_second: f64,
    read_tokens_per_second: Option<f64>,
}

impl GroupRun {
    fn speed(self, peak: f64) -> Speed {
        Speed {
            generate: self.tokens_per_second,
            read: self.read_tokens_per_second,
            step: None,
            memory: Some((0.0, peak)),
        }
    }
}

/// What `generate.py` prints.
#[derive(Debug, Deserialize)]
struct Generation {
    tokens_per_second: Vec<f64>,
}

/// What `prefill.py` prints.
#[derive(Debug, Deserialize)]
struct Forward {
    new_tokens_per_second: Vec<f64>,
}

/// A line of llama.cpp's benchmark.
#[derive(Debug, Deserialize)]
struct Batch {
    pl: usize,
    tg: usize,
    t_pp: f64,
    t_tg: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program that prints what is given and leaves its arguments in a file.
    fn program(folder: &std::path::Path, prints: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let place = folder.join("program");
        let seen = folder.join("seen").display().to_string();
        let text = format!("#!/bin/sh\necho \"$@\" > '{seen}'\ncat <<'END'\n{prints}\nEND\n");
        std::fs::write(&place, text).expect("written");
        std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o755)).expect("executable");
        place
    }

    const SETTING: Setting = Setting { prompt: 150, threads: 2 };

    #[test]
    fn our_program_of_any_age_is_read_by_its_last_run() {
        let room = tempfile::tempdir().expect("temporary folder");
        let run = |speed: u32| {
            format!(
                r#"{{"seconds": 2, "steps": 8, "tokens_per_second": {speed}, "verify_tokens_per_second": 9, "share_x": 1}}"#
            )
        };
        let text =
            format!(r#"{{"rss_after_load_mb": 5, "peak_rss_mb": 7, "runs": [{}, {}]}}"#, run(1), run(3));
        let kind =
            Kind::Own { program: program(room.path(), &text), variables: Vec::new(), folder: "model".into() };
        let speeds = Contender { name: "ours".into(), kind }.run(&[Size { rows: 4, new: 48 }], SETTING);
        let expected = Speed { generate: 3.0, read: Some(9.0), step: Some(0.25), memory: Some((5.0, 7.0)) };
        assert_eq!(speeds.expect("measured"), [expected]);
        let seen = std::fs::read_to_string(room.path().join("seen")).expect("arguments");
        assert_eq!(seen, "model 4 150 48 2 2\n");
    }

    #[test]
    fn llamas_prompt_counts_and_its_chatter_does_not() {
        let room = tempfile::tempdir().expect("temporary folder");
        let text = "loading\n{\"pp\": 150, \"tg\": 48, \"pl\": 4, \"t_pp\": 1.0, \"t_tg\": 3.0}\n\nbye";
        let kind = Kind::Llama { program: program(room.path(), text), model: "m.gguf".into() };
        let llama = Contender { name: "llama".into(), kind };
        let speeds = llama.run(&[Size { rows: 4, new: 48 }], SETTING).expect("measured");
        assert_eq!(speeds, [Speed { generate: 48.0, ..Speed::default() }]);
        let error = llama.run(&[Size { rows: 1, new: 48 }], SETTING).expect_err("another size").to_string();
        assert_eq!(error, "it measured another size");
    }
}

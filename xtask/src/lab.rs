//! `cargo xtask adversaries` and `cargo xtask calibrate`: the soundness laboratory, built and run.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};

use crate::bench::{peer, runs};
use crate::config::Config;
use crate::workspace::root;
use crate::{cargo, libtorch, model, report, tiny};

/// What is tried.
#[derive(Debug, clap::Args)]
pub(crate) struct Adversaries {
    /// Which model is lied about
    #[arg(long, value_enum, default_value = "tiny")]
    model: Model,
    /// Beside ours and the Python network's, ask TOPLOC's proof (PyPI `toploc`, in the peer's Python environment)
    #[arg(long)]
    toploc: bool,
    /// Arguments for the laboratory: --rollouts N, --honest N, --only NAME, --device cuda, --json, --threads N,
    /// --list; see its --help
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

/// What is measured.
#[derive(Debug, clap::Args)]
pub(crate) struct Calibrate {
    /// Which models are asked; all when absent
    #[arg(long, value_enum)]
    model: Option<Model>,
    /// Ask no model: only count together what the files of `--with` measured. Stands before all other arguments
    #[arg(long, conflicts_with = "model")]
    merge: bool,
    /// Arguments for the laboratory: --rollouts N, --miner-by avx2,libtorch, --validator-by avx2, --every N, --one-thread,
    /// --miner cuda, --validator cuda, --with FILE, --key FILE, --out DIR, --json; see its --help
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

/// Models that the laboratory can ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Model {
    /// The tiny model that comes with the project
    Tiny,
    /// SmolLM2-135M-Instruct, fetched once
    Smollm2,
    /// The same in brain floats
    Smollm2Bf16,
}

impl Model {
    fn folder(self, config: &Config) -> Result<PathBuf> {
        match self {
            Self::Tiny => Ok(tiny::folder(root()?)),
            Self::Smollm2 => model::ensure_smollm2(&config.cache),
            Self::Smollm2Bf16 => model::ensure_bf16(&config.cache, &model::ensure_smollm2(&config.cache)?),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Tiny => "tiny",
            Self::Smollm2 => "smollm2",
            Self::Smollm2Bf16 => "smollm2-bf16",
        }
    }
}

/// Lies whose hidden states mean something to TOPLOC.
const STATES: &str = "honest,zero-sketch,mean-state-sketch,other-prompt-sketch,other-rollout-sketch,weights-0.1-percent,\
                      weights-1-percent,weights-5-percent,bf16,fp8-weights,int8-weights,int4-weights,fp8-cache,layer-dropped,\
                      temperature-1.1,own-seed";

/// Tells every lie. The exit code is that of the laboratory: 0 only if everything became what it must.
///
/// # Errors
/// When a step before it fails, or it cannot be started.
pub(crate) fn adversaries(config: &Config, args: &Adversaries) -> Result<ExitCode> {
    let (library, program) = built(config)?;
    let folder = args.model.folder(config)?;
    let mut lab = Command::new(&program);
    lab.envs(cargo::variables(config, Some(&library)));
    lab.args(["adversaries", "--model", args.model.name(), "--folder"]).arg(&folder);
    if args.toploc {
        match toploc(config, args.model, &folder, (&library, &program))? {
            Ok(results) => {
                lab.arg("--toploc").arg(results);
            }
            Err(why) => report::skipped("TOPLOC", &why),
        }
    }
    lab.args(&args.rest);
    handed_over(&mut lab)
}

/// Measures honest machines. The exit code is 0 only if every threshold holds.
///
/// # Errors
/// When a step before it fails, or it cannot be started.
pub(crate) fn calibrate(config: &Config, args: &Calibrate) -> Result<ExitCode> {
    let (library, program) = built(config)?;
    let mut lab = Command::new(&program);
    lab.envs(cargo::variables(config, Some(&library))).arg("calibrate");
    for model in [Model::Tiny, Model::Smollm2, Model::Smollm2Bf16] {
        if !args.merge && args.model.is_none_or(|only| only == model) {
            lab.arg(format!("--{}", model.name())).arg(model.folder(config)?);
        }
    }
    let on_device = args.rest.iter().any(|argument| argument.to_string_lossy().ends_with("cuda"));
    lab.args(["--machine", &machine(on_device)]);
    lab.args(&args.rest);
    handed_over(&mut lab)
}

fn built(config: &Config) -> Result<(PathBuf, PathBuf)> {
    let library = libtorch::ensure(config)?;
    report::step("building the laboratory");
    let program = runs::example(config, Some(&library), ("grail-lab", "lab"), runs::Profile::Dev)?;
    Ok((library, program))
}

fn handed_over(lab: &mut Command) -> Result<ExitCode> {
    report::step(&cargo::shown(lab));
    let status = lab.status().with_context(|| format!("cannot start {}", cargo::shown(lab)))?;
    // A program that was ended by a signal has no code of its own.
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

/// The file with TOPLOC's results, or why there is none.
fn toploc(
    config: &Config,
    model: Model,
    folder: &Path,
    (library, program): (&Path, &Path),
) -> Result<Result<PathBuf, String>> {
    let python = match peer::python(config)? {
        Ok(python) => python,
        Err(why) => return Ok(Err(why)),
    };
    let there = || {
        let mut test = Command::new(&python);
        test.args(["-c", "import toploc"]).stdout(Stdio::null()).stderr(Stdio::null());
        test.status().is_ok_and(|status| status.success())
    };
    if !there() {
        let mut install = Command::new(&python);
        install.args(["-m", "pip", "install", "--no-deps", "toploc==0.1.6"]);
        if cargo::run(&mut install).is_err() || !there() {
            return Ok(Err("toploc cannot be installed into the peer's Python environment".into()));
        }
    }
    let out = root()?.join("target").join("lab").join(model.name());
    if out.exists() {
        fs::remove_dir_all(&out).with_context(|| format!("cannot remove {}", out.display()))?;
    }
    let mut states = Command::new(program);
    states.envs(cargo::variables(config, Some(library)));
    states.args(["states", "--model", model.name(), "--only", STATES, "--folder"]).arg(folder);
    states.arg("--out").arg(&out);
    report::step("hidden states for TOPLOC");
    cargo::run(&mut states)?;
    report::step("TOPLOC's proofs of them");
    let mut script = Command::new(&python);
    script.arg(root()?.join("xtask/peer/toploc_proofs.py")).arg(&out).stderr(Stdio::inherit());
    let done = script.output().with_context(|| format!("cannot start {}", cargo::shown(&script)))?;
    if !done.status.success() {
        bail!("`{}` failed ({})", cargo::shown(&script), done.status);
    }
    let results = out.join("toploc.json");
    fs::write(&results, done.stdout).with_context(|| format!("cannot write {}", results.display()))?;
    Ok(Ok(results))
}

/// Processor, and device where one is used, in words, where the system says.
fn machine(on_device: bool) -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name =
        info.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(": "));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let name = name.map_or("a processor that does not say its name", |(_, name)| name.trim());
    let device = Command::new("nvidia-smi").args(["--query-gpu=name", "--format=csv,noheader"]).output();
    let device = device.ok().filter(|done| on_device && done.status.success());
    let device =
        device.and_then(|done| Some(String::from_utf8(done.stdout).ok()?.lines().next()?.to_owned()));
    let device = device.map_or_else(String::new, |device| format!("{device} and "));
    let has = |flag: &str| info.split_ascii_whitespace().any(|word| word == flag);
    let widest = ["amx_tile", "avx512f", "avx2"].into_iter().find(|flag| has(flag)).unwrap_or("no avx2");
    format!("{device}{name} ({widest}), {threads} threads, libtorch 2.11.0")
}

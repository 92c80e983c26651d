//! `lab calibrate`.

use crate::{Model, bar, table};
use anyhow::{Context as _, Result, ensure};
use grail_infer::Dtype;
use grail_lab::{
    calibrate::{Cell, Evidence, Measures, measure, seal_of},
    stand::Setup,
};
use grail_protocol::sign::HotkeyPair;
use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// What is measured.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder of the tiny model
    #[arg(long)]
    tiny: Option<PathBuf>,
    /// Folder of SmolLM2
    #[arg(long)]
    smollm2: Option<PathBuf>,
    /// Number formats, each a profile
    #[arg(long, value_enum, value_delimiter = ',', default_value = "f32")]
    dtype: Vec<Format>,
    /// Honest rollouts of the tiny model in each cell
    #[arg(long, default_value_t = 1_024)]
    rollouts: u32,
    /// Honest rollouts of SmolLM2 in each cell
    #[arg(long, default_value_t = 64)]
    large_rollouts: u32,
    /// Completion cap for SmolLM2
    #[arg(long, default_value_t = 64)]
    large_cap: u32,
    /// Only cells in which the miner has one thread
    #[arg(long)]
    one_thread: bool,
    /// What measured, in words, for the file
    #[arg(long, default_value = "not said")]
    machine: String,
    /// File with the seed, 64 hexadecimal digits, of the key that signs the profile files
    #[arg(long, requires = "out")]
    key: Option<PathBuf>,
    /// Folder for the profile files
    #[arg(long)]
    out: Option<PathBuf>,
    /// Print one JSON object a profile in place of the table
    #[arg(long)]
    json: bool,
}

/// Windows between the first ones of two cells.
const APART: usize = 100_000;

/// A number format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    F32,
    Bf16,
}

impl Format {
    const fn dtype(self) -> Dtype {
        match self {
            Self::F32 => Dtype::F32,
            Self::Bf16 => Dtype::Bf16,
        }
    }
}

impl Args {
    /// The command that measures the same again.
    fn command(&self, format: Format) -> String {
        let mut command = "cargo xtask calibrate".to_owned();
        match (&self.tiny, &self.smollm2) {
            (Some(_), None) => command += " --model tiny",
            (None, Some(_)) => command += " --model smollm2",
            _ => (),
        }
        command += if format == Format::F32 { " --dtype f32" } else { " --dtype bf16" };
        if self.tiny.is_some() {
            command += &format!(" --rollouts {}", self.rollouts);
        }
        if self.smollm2.is_some() {
            command += &format!(" --large-rollouts {} --large-cap {}", self.large_rollouts, self.large_cap);
        }
        if self.one_thread {
            command += " --one-thread";
        }
        command
    }
}

/// Measures; true when every threshold holds.
pub(crate) fn run(args: &Args) -> Result<bool> {
    let key = args.key.as_deref().map(read_key).transpose()?;
    let models = [
        (Model::Tiny, &args.tiny, args.rollouts, None),
        (Model::Smollm2, &args.smollm2, args.large_rollouts, Some(args.large_cap)),
    ];
    ensure!(
        models.iter().any(|model| model.1.is_some()),
        "no model to measure: give --tiny, --smollm2 or both"
    );
    let cells = if args.one_thread { Cell::one_thread() } else { Cell::all() };
    let mut holds = true;
    for format in &args.dtype {
        let mut setups: Vec<(Setup, u32)> = Vec::new();
        for (model, folder, rollouts, cap) in &models {
            if let Some(folder) = folder {
                setups.push((model.setup(folder.clone(), format.dtype(), 1, *cap)?, *rollouts));
            }
        }
        let mut measured: Vec<(&Setup, Cell, Measures)> = Vec::new();
        for (setup, rollouts) in &setups {
            for (first, cell) in (0u32..).step_by(APART).zip(&cells) {
                let name = format!("{} {:?} {} {:?}", setup.name, cell.computing, cell.batch, cell.padding);
                let bar = bar(&name)?;
                bar.set_length(u64::from(*rollouts));
                let measures = measure(setup, *cell, *rollouts, first, &mut |done| bar.set_position(done))
                    .with_context(|| format!("could not measure {name}"))?;
                bar.finish_and_clear();
                measured.push((setup, *cell, measures));
            }
        }
        let Some((first, _)) = setups.first() else { continue };
        let evidence = Evidence::new(first.numeric(), args.command(*format), args.machine.clone(), measured);
        holds &= evidence.fit.holds && evidence.bounds.false_refusals == 0;
        let bytes = evidence.to_json()?;
        if let Some(out) = &args.out {
            write(&out.join(format!("{}.json", evidence.profile)), &bytes)?;
            if let Some(pair) = &key {
                let mut entropy = [0; 32];
                entropy.copy_from_slice(&grail_protocol::hash::digest("grail lab entropy", &[&bytes]));
                let seal = serde_json::to_vec_pretty(&seal_of(&bytes, pair, entropy))?;
                write(
                    &out.join(format!("{}.seal.json", evidence.profile)),
                    &[seal, b"\n".to_vec()].concat(),
                )?;
            }
        }
        let text = if args.json { serde_json::to_string(&evidence)? + "\n" } else { shown(&evidence) };
        io::stdout().lock().write_all(text.as_bytes()).context("cannot write to standard output")?;
    }
    Ok(holds)
}

/// Whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let draft = path.with_extension("partial");
    fs::write(&draft, bytes)
        .and_then(|()| fs::rename(&draft, path))
        .with_context(|| format!("cannot write {}", path.display()))
}

fn read_key(path: &Path) -> Result<HotkeyPair> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut seed = [0; 32];
    hex::decode_to_slice(text.trim(), &mut seed)
        .ok()
        .and_then(|()| HotkeyPair::from_seed(&seed))
        .with_context(|| format!("{} does not hold 64 hexadecimal digits", path.display()))
}

fn shown(evidence: &Evidence) -> String {
    let head = [
        "model",
        "computing",
        "batch",
        "padding",
        "threads",
        "rollouts",
        "tokens",
        "lost",
        "margin",
        "sketch",
        "rms",
        "log-prob",
        "digits",
    ];
    let row = |first: [String; 5], m: &Measures| {
        let [model, computing, batch, padding, threads] = first;
        [
            model,
            computing,
            batch,
            padding,
            threads,
            m.rollouts.to_string(),
            m.tokens.to_string(),
            m.lost.to_string(),
            format!("{:.1e}", m.margin.largest),
            format!("{:.3}", m.sketch_largest()),
            format!("{:.4}", m.sketch_rms.largest),
            format!("{:.1e}", m.logprob.largest),
            m.digits.changed.to_string(),
        ]
    };
    let mut rows = vec![head.map(str::to_owned)];
    for one in &evidence.cells {
        let (cell, lower) = (one.cell, |text: String| text.to_lowercase());
        let first = [
            one.model.clone(),
            lower(format!("{:?}", cell.computing)),
            cell.batch.to_string(),
            lower(format!("{:?}", cell.padding)),
            cell.threads.to_string(),
        ];
        rows.push(row(first, &one.measures));
    }
    rows.push(row(
        ["all".into(), String::new(), String::new(), String::new(), String::new()],
        &evidence.total,
    ));
    let (bounds, fit, limits) = (evidence.bounds, evidence.fit, evidence.thresholds);
    format!(
        "{}: largest honest values\n{}\n\
         {} of {} honest rollouts would be refused, which supports a rate of at most {:.1e} (95 %).\n\
         {} of {} tokens have a margin above the soft threshold: at most {:.1e}.\n\
         threshold        in use    {}x the largest\n\
         margin (soft)    {:<8}  {:.2e}\n\
         sketch, one      {:<8}  {:.3}\n\
         sketch, rms      {:<8}  {:.4}\n\
         log-probability  {:<8.5}  {:.2e}\n\
         lost per gini    {:<8.2e}  {:.2e} (bound)\n\
         changed digits   {:<8.3}  {:.2e} (bound)\n{}\n",
        evidence.profile,
        table::columns(rows),
        bounds.false_refusals,
        bounds.rollouts,
        bounds.false_refusal_rate_at_most,
        bounds.soft_margins,
        bounds.tokens,
        bounds.soft_margin_rate_at_most,
        fit.headroom,
        limits.margin_soft,
        fit.margin,
        limits.sketch_hard,
        fit.sketch_hard,
        limits.sketch_rms,
        fit.sketch_rms,
        limits.logprob,
        fit.logprob,
        limits.lost_per_gini,
        fit.lost_per_gini,
        limits.changed_digits,
        fit.changed_digits,
        if fit.holds { "Every threshold holds." } else { "NOT EVERY THRESHOLD HOLDS." },
    )
}

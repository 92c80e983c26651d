//! `lab calibrate`.

use crate::{Model, arithmetic, bar, table};
use anyhow::{Context as _, Result, ensure};
use grail_lab::calibrate::{
    Arithmetic, Cell, CellEvidence, Device, Measures, ProfileEvidence, Run, measure, seal_of, too_low,
};
use grail_protocol::{profile::NumericProfile, sign::HotkeyPair};
use grail_torch::{ComputePlace, Dtype};
use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
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
    /// Folder of SmolLM2 in brain floats
    #[arg(long)]
    smollm2_bf16: Option<PathBuf>,
    /// Arithmetic, which names the numeric profile: f32
    #[arg(long, default_value = "f32", value_parser = arithmetic)]
    dtype: Dtype,
    /// Honest rollouts of the tiny model in each cell
    #[arg(long, default_value_t = 1_024)]
    rollouts: u32,
    /// Honest rollouts of SmolLM2 in each cell
    #[arg(long, default_value_t = 64)]
    large_rollouts: u32,
    /// Completion cap for SmolLM2
    #[arg(long, default_value_t = 64)]
    large_cap: u32,
    /// Where the miner computes: cpu, cuda
    #[arg(long, default_value = "cpu")]
    miner: Device,
    /// Where the validator computes: cpu, cuda
    #[arg(long, default_value = "cpu")]
    validator: Device,
    /// Who computes for a miner on a processor: avx512, avx2, portable, libtorch; all that run here when absent
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    miner_by: Vec<Arithmetic>,
    /// Who computes for a validator on a processor, likewise
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    validator_by: Vec<Arithmetic>,
    /// Only cells in which the miner has one thread
    #[arg(long)]
    one_thread: bool,
    /// Only every N-th cell of a pair of arithmetics, each pair beginning one further: all pairs together ask them all
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=24))]
    every: u32,
    /// Profile file of another run to be counted in: its measurements, not its conclusions. Each cell of a model counts
    /// once: runs that are put together differ in model, devices or threads
    #[arg(long, value_name = "FILE")]
    with: Vec<PathBuf>,
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

impl Args {
    /// The command that measures the same again.
    fn command(&self) -> String {
        let mut command = "cargo xtask calibrate".to_owned();
        let mut models = self.models().map(|(model, ..)| model.name());
        if let (Some(only), None) = (models.next(), models.next()) {
            command += &format!(" --model {only}");
        }
        if self.tiny.is_some() {
            command += &format!(" --rollouts {}", self.rollouts);
        }
        if self.smollm2.is_some() || self.smollm2_bf16.is_some() {
            command += &format!(" --large-rollouts {} --large-cap {}", self.large_rollouts, self.large_cap);
        }
        for (flag, device) in [("--miner", self.miner), ("--validator", self.validator)] {
            if device != Device::Cpu {
                command += &format!(" {flag} {}", device.name());
            }
        }
        for (flag, by) in [("--miner-by", &self.miner_by), ("--validator-by", &self.validator_by)] {
            if !by.is_empty() {
                let names: Vec<&str> = by.iter().map(|one| one.name()).collect();
                command += &format!(" {flag} {}", names.join(","));
            }
        }
        if self.one_thread {
            command += " --one-thread";
        }
        if self.every > 1 {
            command += &format!(" --every {}", self.every);
        }
        command
    }

    /// The models that are asked: folder, rollouts in a cell, completion cap.
    fn models(&self) -> impl Iterator<Item = (Model, &PathBuf, u32, Option<u32>)> {
        let tiny = self.tiny.iter().map(|folder| (Model::Tiny, folder, self.rollouts, None));
        let wide = self.smollm2.iter().map(|folder| (Model::Smollm2, folder));
        let large = wide.chain(self.smollm2_bf16.iter().map(|folder| (Model::Smollm2Bf16, folder)));
        let large = large.map(|(model, folder)| (model, folder, self.large_rollouts, Some(self.large_cap)));
        tiny.chain(large)
    }

    /// A run of this command on this machine, before anything was measured.
    fn empty_run(&self) -> Run {
        Run { command: self.command(), machine: self.machine.clone(), cells: Vec::new() }
    }

    /// What will be measured.
    fn plan(&self) -> Result<Vec<CellEvidence>> {
        let mut all = Vec::new();
        for (model, folder, _, cap) in self.models() {
            let name = model.setup(folder.clone(), (self.dtype, ComputePlace::Cpu), 1, cap)?.name;
            let cells = self.cells().into_iter();
            all.extend(cells.map(|cell| CellEvidence {
                model: name.clone(),
                cell,
                measures: Measures::default(),
            }));
        }
        Ok(all)
    }

    /// The cells that are asked for, pair by pair.
    fn cells(&self) -> Vec<Cell> {
        let is_asked = |(number, cell): &(usize, Cell)| {
            let turn = number % Cell::IN_PAIR + number / Cell::IN_PAIR;
            turn.is_multiple_of(self.every as usize)
                && (cell.miner, cell.validator) == (self.miner, self.validator)
                && is_among(cell.miner, cell.miner_by, &self.miner_by)
                && is_among(cell.validator, cell.validator_by, &self.validator_by)
                && !(self.one_thread && cell.threads > 1)
        };
        Cell::all().into_iter().enumerate().filter(is_asked).map(|(_, cell)| cell).collect()
    }
}

/// Whether one side of a cell is asked for: where it is a processor, somebody must be named who computes.
fn is_among(device: Device, by: Option<Arithmetic>, asked: &[Arithmetic]) -> bool {
    match (device, by) {
        (Device::Cuda, None) => true,
        (Device::Cpu, Some(by)) if asked.is_empty() => by.runs_here(),
        (Device::Cpu, Some(by)) => asked.contains(&by),
        (Device::Cpu, None) | (Device::Cuda, Some(_)) => false,
    }
}

/// Measures; true when every threshold holds. Each profile is published when it is measured.
pub(crate) fn run(args: &Args) -> Result<bool> {
    let key = args.key.as_deref().map(read_key).transpose()?;
    let before = before(&args.with)?;
    let asks = args.models().next().is_some();
    ensure!(
        asks || !before.is_empty(),
        "nothing to measure: name a model (--tiny, --smollm2, --smollm2-bf16), or files of before (--with)"
    );
    let mut holds = true;
    for profile in NumericProfile::ALL {
        let mut runs: Vec<Run> =
            before.iter().filter(|(of, _)| *of == profile).map(|(_, run)| run.clone()).collect();
        if asks && NumericProfile::OFFERED.contains(&profile) {
            // Asked first: that hours of measuring count for nothing should not be found out after them.
            let planned = Run { cells: args.plan()?, ..args.empty_run() };
            ProfileEvidence::new(profile, runs.iter().cloned().chain([planned]).collect())
                .context("choose other cells, or leave out that file")?;
            runs.push(measured(args)?);
        }
        if runs.is_empty() {
            continue;
        }
        let evidence = ProfileEvidence::new(profile, runs)?;
        holds &= evidence.fit.holds && evidence.bounds.false_refusals == 0;
        if let Some(out) = &args.out {
            publish(out, &evidence, key.as_ref())?;
        }
        let text = if args.json { serde_json::to_string(&evidence)? + "\n" } else { shown(&evidence) };
        io::stdout().lock().write_all(text.as_bytes()).context("cannot write to standard output")?;
    }
    Ok(holds)
}

/// Most bytes of a profile file that is read.
const MOST_BYTES: u64 = 16 << 20;

/// What other runs measured.
fn before(files: &[PathBuf]) -> Result<Vec<(NumericProfile, Run)>> {
    let mut all = Vec::new();
    for path in files {
        let read = || -> Result<Vec<u8>> {
            let mut bytes = Vec::new();
            File::open(path)?.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
            ensure!(bytes.len() as u64 <= MOST_BYTES, "it has more than {MOST_BYTES} bytes");
            Ok(bytes)
        };
        let bytes = read().with_context(|| format!("cannot read {}", path.display()))?;
        let (profile, runs) = ProfileEvidence::measured(&bytes)
            .with_context(|| format!("cannot count in {}", path.display()))?;
        all.extend(runs.into_iter().map(|run| (profile, run)));
    }
    Ok(all)
}

/// Measures the cells that are asked for.
fn measured(args: &Args) -> Result<Run> {
    let mut cells = Vec::new();
    for (model, folder, rollouts, cap) in args.models() {
        let setup = model.setup(folder.clone(), (args.dtype, args.miner.place()), 1, cap)?;
        for cell in args.cells() {
            let (miner, validator) = sides(&cell);
            let name = format!(
                "{} {miner} to {validator} {:?} {} {:?}",
                setup.name, cell.computing, cell.batch, cell.padding
            );
            let bar = bar(&name)?;
            bar.set_length(u64::from(rollouts));
            let measures = measure(&setup, cell, rollouts, &mut |done| bar.set_position(done))
                .with_context(|| format!("could not measure {name}"))?;
            bar.finish_and_clear();
            cells.push(CellEvidence { model: setup.name.clone(), cell, measures });
        }
    }
    Ok(Run { cells, ..args.empty_run() })
}

/// Writes the profile file, and its signature beside it where there is a key.
fn publish(out: &Path, evidence: &ProfileEvidence, key: Option<&HotkeyPair>) -> Result<()> {
    let bytes = evidence.to_json()?;
    write(&out.join(format!("{}.json", evidence.profile)), &bytes)?;
    let seal = out.join(format!("{}.seal.json", evidence.profile));
    let Some(pair) = key else {
        // A seal of before would be one of other bytes.
        return match fs::remove_file(&seal) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", seal.display()))
            }
            _ => Ok(()),
        };
    };
    let mut entropy = [0; 32];
    entropy.copy_from_slice(&grail_protocol::hash::digest("grail lab entropy", &[&bytes]));
    let signed = serde_json::to_vec_pretty(&seal_of(&bytes, pair, entropy))?;
    write(&seal, &[signed, b"\n".to_vec()].concat())
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

/// Who computes on each side: a device, or who computes on the processor.
fn sides(cell: &Cell) -> (&'static str, &'static str) {
    let name = |device: Device, by: Option<Arithmetic>| by.map_or(device.name(), Arithmetic::name);
    (name(cell.miner, cell.miner_by), name(cell.validator, cell.validator_by))
}

fn shown(evidence: &ProfileEvidence) -> String {
    let head = [
        "model",
        "miner",
        "validator",
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
    let row = |first: [String; 7], m: &Measures| {
        let [model, miner, validator, computing, batch, padding, threads] = first;
        [
            model,
            miner,
            validator,
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
    for one in evidence.runs.iter().flat_map(|run| &run.cells) {
        let (cell, lower) = (one.cell, |text: String| text.to_lowercase());
        let first = [
            one.model.clone(),
            sides(&cell).0.to_owned(),
            sides(&cell).1.to_owned(),
            lower(format!("{:?}", cell.computing)),
            cell.batch.to_string(),
            lower(format!("{:?}", cell.padding)),
            cell.threads.to_string(),
        ];
        rows.push(row(first, &one.measures));
    }
    rows.push(row(["all", "", "", "", "", "", ""].map(str::to_owned), &evidence.total));
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
        if fit.holds { "Every threshold holds.".to_owned() } else { low(evidence) },
    )
}

/// Which thresholds stand too low, and what that may mean.
fn low(evidence: &ProfileEvidence) -> String {
    let low = too_low(&evidence.thresholds, &evidence.fit, &evidence.total);
    let mut text = format!("NOT EVERY THRESHOLD HOLDS: {}.", low.join("; "));
    if low == ["lost per gini"] && evidence.total.lost == 0 {
        text += " No draw was lost; so few draws support no lower bound: measure more rollouts.";
    }
    text
}

//! `lab adversaries`.

use crate::{Model, arithmetic, bar, table};
use anyhow::{Context as _, Result, bail};
use grail_lab::{
    AttackOutcome, Court, attack,
    calibrate::Device,
    stand::Stand,
    suite::{Ground, SuitePlan, run as tell_lie},
};
use grail_torch::Dtype;
use grail_verify::lies::{Expectation, Lie};
use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// What is tried.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The model
    #[arg(long, value_enum, default_value = "tiny")]
    model: Model,
    /// Its folder
    #[arg(long)]
    folder: PathBuf,
    /// Rollouts of each attack, rounded up to whole windows
    #[arg(long, default_value_t = 1_280)]
    rollouts: u32,
    /// Rollouts of the honest control; as many as of an attack when absent
    #[arg(long)]
    honest: Option<u32>,
    /// Groups in a window
    #[arg(long, default_value_t = 8)]
    groups: u32,
    /// Only attacks whose names contain one of these
    #[arg(long)]
    only: Vec<String>,
    /// Completion cap in tokens; the model's usual one when absent
    #[arg(long)]
    cap: Option<u32>,
    /// Arithmetic, which names the numeric profile: f32
    #[arg(long, default_value = "f32", value_parser = arithmetic)]
    dtype: Dtype,
    /// Where both sides compute: cpu, cuda
    #[arg(long, default_value = "cpu")]
    device: Device,
    /// Threads of the model
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Leave out the Python network's proof
    #[arg(long)]
    no_v5: bool,
    /// Results of TOPLOC on states that `lab states` wrote
    #[arg(long)]
    toploc: Option<PathBuf>,
    /// Print one JSON object an attack, one a line, in place of the table
    #[arg(long)]
    json: bool,
    /// Say which attacks there are, and try none
    #[arg(long)]
    list: bool,
}

/// Runs the suite; true when everything became what it must.
pub(crate) fn run(args: &Args) -> Result<bool> {
    let attacks = chosen(&args.only)?;
    if args.list {
        print(&table::attacks(&attacks))?;
        return Ok(true);
    }
    let other = match &args.toploc {
        None => BTreeMap::new(),
        Some(path) => read_toploc(path)?,
    };
    let setup =
        args.model.setup(args.folder.clone(), (args.dtype, args.device.place()), args.threads, args.cap)?;
    let stand = Stand::open(setup)?;
    let honest = args.honest.unwrap_or(args.rollouts);
    let plan = SuitePlan { rollouts: args.rollouts, honest, groups: args.groups, old: !args.no_v5 };
    let answering = bar("answering honestly")?;
    let ground = Ground::lay(&stand, &plan, &mut |done, all| {
        answering.set_length(all.into());
        answering.set_position(done.into());
    })?;
    answering.finish_and_clear();
    let mut court = Court::new(&stand);
    let mut outcomes = Vec::new();
    for (lie, _) in attacks {
        let name = lie.name;
        let telling = bar(name)?;
        let mut outcome = tell_lie(&stand, &mut court, &ground, &plan, lie, &mut |done, all| {
            telling.set_length(all.into());
            telling.set_position(done.into());
        })
        .with_context(|| format!("could not try {name}"))?;
        telling.finish_and_clear();
        outcome.toploc = other.get(name).cloned();
        if args.json {
            print(&(serde_json::to_string(&outcome)? + "\n"))?;
        }
        outcomes.push(outcome);
    }
    if !args.json {
        print(&table::outcomes(&outcomes))?;
    }
    Ok(outcomes.iter().all(|outcome: &AttackOutcome| outcome.holds))
}

fn chosen(only: &[String]) -> Result<Vec<(&'static Lie, Expectation)>> {
    let known = |name: &String| attack::all().any(|(lie, _)| lie.name.contains(name.as_str()));
    if let Some(unknown) = only.iter().find(|name| !known(name)) {
        bail!("no attack has {unknown} in its name; --list shows them all");
    }
    let wanted = |lie: &Lie| only.is_empty() || only.iter().any(|name| lie.name.contains(name.as_str()));
    Ok(attack::all().filter(|(lie, _)| wanted(lie)).collect())
}

fn read_toploc(path: &Path) -> Result<BTreeMap<String, serde_json::Value>> {
    let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is not what it should be", path.display()))
}

fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("cannot write to standard output")
}

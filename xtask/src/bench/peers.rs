//! `cargo xtask bench peers`: our generation and verification beside other engines and beside an older build of ours, on one
//! model, with one prompt and as many threads.
//!
//! All take part in turn, round by round, and ratios are taken within a round, so that a machine whose speed drifts drifts for
//! all. What the machine is stands in the first lines: a speed without it says little.

mod contender;
mod install;

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use self::contender::{Contender, Kind, Setting, Size, Speed};
use self::install::{Engine, gguf, llama_program};
use super::machine::{self, Memory, Neighbour};
use super::runs::{self, Profile, half_range, median};
use super::{Figure, Measure, Outcome, peer};
use crate::config::Config;
use crate::{cargo, libtorch, model, report};

const PROMPT: usize = 150;
const THREADS: usize = 2;
/// The measure, as typed.
const NAME: &str = "peers";

/// How `peers` is measured.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct PeerArgs {
    /// peers: install those that are missing (minutes and gigabytes each), in the cache
    #[arg(long)]
    install: bool,
    /// peers: the `group_speed` that is ours, for instance of a release build; built as for the tests, if not given
    #[arg(long, value_name = "PATH")]
    own_build: Option<PathBuf>,
    /// peers: a `group_speed` that another commit built, to run beside ours
    #[arg(long, value_name = "PATH")]
    old_build: Option<PathBuf>,
    /// peers: run everything once more while another process computes on one core
    #[arg(long)]
    busy: bool,
    /// peers: only contenders whose names contain one of these; ours always takes part
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    only: Vec<String>,
    /// peers: rows of the groups
    #[arg(long, value_delimiter = ',', value_name = "NUMBERS", default_values_t = [16, 4, 1])]
    rows: Vec<usize>,
    /// peers: new tokens a row; 128 from sixteen rows on and 48 below, if not given
    #[arg(long, value_name = "NUMBER")]
    new: Option<usize>,
    /// peers: how many rounds
    #[arg(long, value_name = "NUMBER", default_value_t = 3)]
    rounds: usize,
}

/// The measure.
#[derive(Debug)]
pub(super) struct Peers(pub(super) PeerArgs);

/// What one contender did in one round with one size.
#[derive(Debug, Clone, Copy)]
struct Taken {
    contender: usize,
    size: usize,
    round: usize,
    busy: bool,
    speed: Speed,
}

impl Measure for Peers {
    fn name(&self) -> &str {
        NAME
    }

    fn about(&self) -> &str {
        "groups of 16, 4 and 1 from a bf16 checkpoint beside llama.cpp, OpenVINO, vLLM, transformers, an older build"
    }

    fn run(&self, config: &Config) -> Result<Outcome> {
        let args = &self.0;
        ensure!(args.rounds > 0, "no round was asked for");
        ensure!(args.rows.iter().all(|rows| (1..=256).contains(rows)), "groups have 1 to 256 rows");
        let sizes: Vec<Size> = args
            .rows
            .iter()
            .map(|&rows| Size { rows, new: args.new.unwrap_or(if rows < 16 { 48 } else { 128 }) })
            .collect();
        let mut contenders = contenders(config, args)?;
        let processor = machine::processor();
        let memory = machine::memory(THREADS);
        report::note(&format!(
            "{processor}; {THREADS} threads copy {:.1} GB/s (bytes read and written together) and read {:.1} GB/s",
            memory.copy / 1e9,
            memory.read / 1e9
        ));
        let mut taken = Vec::new();
        let mut loads = Vec::new();
        for round in 0..args.rounds {
            for busy in [false, true].into_iter().filter(|busy| !busy || args.busy) {
                let load = machine::load();
                loads.push(load);
                let how = if busy { ", a neighbour on one core" } else { "" };
                report::note(&format!("round {} of {}{how}; load before {load:.1}", round + 1, args.rounds));
                let neighbour = busy.then(Neighbour::start).transpose()?;
                turn(&mut contenders, &sizes, |contender, size, speed| {
                    taken.push(Taken { contender, size, round, busy, speed });
                })?;
                drop(neighbour);
            }
        }
        let weights = std::fs::metadata(bf16(config)?.join("model.safetensors"))?.len();
        let names: Vec<&str> = contenders.iter().map(|(contender, _)| contender.name.as_str()).collect();
        let mut figures = about_machine(&processor, memory, &loads);
        figures.extend(
            Table { names: &names, sizes: &sizes, taken: &taken }.figures(weights as f64 / memory.copy),
        );
        Ok(Outcome::Measured(figures))
    }
}

/// Runs everyone once who still takes part. A peer that fails is named and left out from then on; ours must not.
fn turn(
    contenders: &mut [(Contender, bool)],
    sizes: &[Size],
    mut each: impl FnMut(usize, usize, Speed),
) -> Result<()> {
    let setting = Setting { prompt: PROMPT, threads: THREADS };
    for (number, (contender, takes_part)) in contenders.iter_mut().enumerate() {
        if !*takes_part {
            continue;
        }
        match contender.run(sizes, setting) {
            Ok(speeds) => {
                let told: Vec<String> = speeds.iter().map(|speed| format!("{:.1}", speed.generate)).collect();
                report::note(&format!("{}: {} tokens/s", contender.name, told.join(", ")));
                speeds.into_iter().enumerate().for_each(|(size, speed)| each(number, size, speed));
            }
            Err(error) if number == 0 => return Err(error),
            Err(error) => {
                report::skipped(&contender.name, &format!("{error:#}"));
                *takes_part = false;
            }
        }
    }
    Ok(())
}

/// SmolLM2 in brain floats: what everyone reads.
fn bf16(config: &Config) -> Result<PathBuf> {
    model::ensure_bf16(&config.cache, &model::ensure_smollm2(&config.cache)?)
}

/// Who takes part; ours over the bf16 checkpoint is the first.
fn contenders(config: &Config, args: &PeerArgs) -> Result<Vec<(Contender, bool)>> {
    let library = libtorch::ensure(config)?;
    let wide = model::ensure_smollm2(&config.cache)?;
    let narrow = bf16(config)?;
    let program = match &args.own_build {
        Some(program) => program.clone(),
        None => runs::example(config, Some(&library), ("grail-torch", "group_speed"), Profile::Dev)?,
    };
    let own = |name: &str, program: &Path, folder: &Path| {
        let variables = cargo::variables(config, Some(&library));
        let kind = Kind::Own { program: program.to_owned(), variables, folder: folder.to_owned() };
        Contender { name: name.to_owned(), kind }
    };
    let mut all = vec![own("ours, bf16 weights", &program, &narrow)];
    let wanted =
        |name: &str| args.only.is_empty() || args.only.iter().any(|part| name.contains(part.as_str()));
    if wanted("ours, f32 weights") {
        all.push(own("ours, f32 weights", &program, &wide));
    }
    for given in args.own_build.iter().chain(&args.old_build) {
        ensure!(given.is_file(), "{} is no program", given.display());
    }
    if let Some(old) = args.old_build.as_ref().filter(|_| wanted("old build")) {
        all.push(own("old build", old, &narrow));
    }
    for (name, dtype) in [("transformers f32", "float32"), ("transformers bf16", "bfloat16")] {
        if wanted(name) {
            match peer::python(config)? {
                Ok(python) => {
                    let kind = Kind::Transformers { python, folder: narrow.clone(), dtype };
                    all.push(Contender { name: name.to_owned(), kind });
                }
                Err(why) => report::skipped(name, &why),
            }
        }
    }
    for (name, engine, what) in [
        ("llama.cpp BF16", Engine::Llama, "bf16"),
        ("llama.cpp F16", Engine::Llama, "f16"),
        ("OpenVINO F16, own choice", Engine::OpenVino, ""),
        ("OpenVINO F16, f32 arithmetic", Engine::OpenVino, "f32"),
        ("vLLM bf16", Engine::Vllm, "bfloat16"),
        ("vLLM f32", Engine::Vllm, "float32"),
    ] {
        if !wanted(name) {
            continue;
        }
        if let Err(why) = engine.ensure(config, args.install)? {
            report::skipped(name, &why);
            continue;
        }
        match engine_kind(config, &narrow, engine, what) {
            Ok(kind) => all.push(Contender { name: name.to_owned(), kind }),
            Err(error) => report::skipped(name, &format!("{error:#}")),
        }
    }
    Ok(all.into_iter().map(|contender| (contender, true)).collect())
}

/// How an installed engine is run.
fn engine_kind(config: &Config, folder: &Path, engine: Engine, what: &'static str) -> Result<Kind> {
    let python = engine.python(config);
    Ok(match engine {
        Engine::Llama => Kind::Llama { program: llama_program(config), model: gguf(config, folder, what)? },
        Engine::OpenVino => {
            let flags = if what.is_empty() { Vec::new() } else { vec!["--precision", what] };
            // llama.cpp's folder has the script that writes its file.
            let model = Engine::Llama.ensure(config, false)?.map_err(anyhow::Error::msg);
            model.and_then(|()| gguf(config, folder, "f16")).map(|model| Kind::Script {
                python,
                script: "openvino_groups.py",
                model,
                flags,
            })?
        }
        Engine::Vllm => {
            let model = folder.to_owned();
            Kind::Script { python, script: "vllm_groups.py", model, flags: vec!["--dtype", what] }
        }
    })
}

fn figure(name: String, values: &[f64], unit: &str) -> Figure {
    let value = median(values);
    Figure {
        name: format!("{NAME}/{name}"),
        value,
        unit: unit.into(),
        peer: None,
        ratio: None,
        spread: (values.len() > 1 && value != 0.0).then(|| half_range(values) / value),
        command: format!("cargo xtask bench {NAME}"),
    }
}

fn about_machine(processor: &str, memory: Memory, loads: &[f64]) -> Vec<Figure> {
    let most = loads.iter().copied().fold(0.0, f64::max);
    vec![
        figure(format!("copied by {THREADS} threads ({processor})"), &[memory.copy / 1e9], "GB/s"),
        figure(format!("read by {THREADS} threads"), &[memory.read / 1e9], "GB/s"),
        figure("load before a round, the most".into(), &[most], "processes"),
    ]
}

/// All that was taken.
struct Table<'a> {
    names: &'a [&'a str],
    sizes: &'a [Size],
    taken: &'a [Taken],
}

impl Table<'_> {
    /// A number of one contender, size and neighbourhood, round by round.
    fn values(
        &self,
        (contender, size, busy): (usize, usize, bool),
        value: impl Fn(&Speed) -> Option<f64>,
    ) -> Vec<(usize, f64)> {
        let fits = |t: &&Taken| (t.contender, t.size, t.busy) == (contender, size, busy);
        self.taken.iter().filter(fits).filter_map(|t| Some((t.round, value(&t.speed)?))).collect()
    }

    /// The figures; `limit` is the seconds that copying the weights once would take.
    fn figures(&self, limit: f64) -> Vec<Figure> {
        let mut all = Vec::new();
        for (size, Size { rows, new }) in self.sizes.iter().enumerate() {
            let group = format!("{rows} x {new}");
            for (what, value) in [
                ("generate", (|speed| Some(speed.generate)) as fn(&Speed) -> Option<f64>),
                ("verify or read", |speed| speed.read),
            ] {
                let ours = self.values((0, size, false), value);
                for (contender, name) in self.names.iter().enumerate() {
                    let theirs = self.values((contender, size, false), value);
                    all.extend(beside(format!("{group} {what}: {name}"), &theirs, &ours, contender));
                }
            }
            for (contender, name) in self.names.iter().enumerate() {
                let quiet = self.values((contender, size, false), |speed| Some(speed.generate));
                let busy = self.values((contender, size, true), |speed| Some(speed.generate));
                if !busy.is_empty() {
                    let speeds: Vec<f64> = busy.iter().map(|(_, value)| *value).collect();
                    let mut figure = figure(format!("{group} with a neighbour: {name}"), &speeds, "tokens/s");
                    figure.ratio = ratio(&busy, &quiet);
                    figure.peer = Some("it ÷ its own quiet speed".into());
                    all.push(figure);
                }
            }
            for (contender, name) in self.names.iter().enumerate() {
                let steps = self.values((contender, size, false), |speed| Some(speed.step? / limit));
                if !steps.is_empty() {
                    let times: Vec<f64> = steps.iter().map(|(_, value)| *value).collect();
                    all.push(figure(
                        format!("{group} step ÷ copying the bf16 weights: {name}"),
                        &times,
                        "times",
                    ));
                }
                let most = |speed: &Speed| speed.memory.map(|(_, peak)| peak);
                let loaded = |speed: &Speed| speed.memory.map(|(loaded, _)| loaded).filter(|mb| *mb > 0.0);
                for (what, value) in
                    [("memory when loaded", &loaded as &dyn Fn(&Speed) -> _), ("peak memory", &most)]
                {
                    let taken = self.values((contender, size, false), value);
                    if !taken.is_empty() {
                        let mb: Vec<f64> = taken.iter().map(|(_, value)| *value).collect();
                        all.push(figure(format!("{group} {what}: {name}"), &mb, "MB"));
                    }
                }
            }
        }
        all
    }
}

/// A contender's speed, with how many times as fast ours was in the same rounds.
fn beside(name: String, theirs: &[(usize, f64)], ours: &[(usize, f64)], contender: usize) -> Option<Figure> {
    if theirs.is_empty() {
        return None;
    }
    let values: Vec<f64> = theirs.iter().map(|(_, value)| *value).collect();
    let mut figure = figure(name, &values, "tokens/s");
    if contender > 0 {
        figure.ratio = ratio(ours, theirs);
        figure.peer = figure.ratio.map(|_| "ours, bf16 weights ÷ it".into());
    }
    Some(figure)
}

/// The middle of the ratios of rounds that both have.
fn ratio(above: &[(usize, f64)], below: &[(usize, f64)]) -> Option<f64> {
    let same = |round: usize| below.iter().find(|(other, _)| *other == round);
    let ratios: Vec<f64> = above.iter().filter_map(|(round, value)| Some(value / same(*round)?.1)).collect();
    (!ratios.is_empty()).then(|| median(&ratios))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(contender: usize, round: usize, busy: bool, generate: f64) -> Taken {
        let own = contender == 0;
        let speed = Speed {
            generate,
            read: own.then_some(2.0 * generate),
            step: own.then_some(0.030),
            memory: own.then_some((500.0, 800.0)),
        };
        Taken { contender, size: 0, round, busy, speed }
    }

    fn found<'a>(figures: &'a [Figure], name: &str) -> &'a Figure {
        figures.iter().find(|figure| figure.name == name).unwrap_or_else(|| panic!("no {name}: {figures:#?}"))
    }

    #[test]
    fn ratios_are_taken_within_rounds_and_a_peer_that_left_has_those_it_ran() {
        // The machine was half as fast in the second round, and the peer failed in the third.
        let all = [
            taken(0, 0, false, 100.0),
            taken(1, 0, false, 50.0),
            taken(0, 0, true, 60.0),
            taken(0, 1, false, 50.0),
            taken(1, 1, false, 25.0),
            taken(0, 1, true, 25.0),
            taken(0, 2, false, 90.0),
            taken(0, 2, true, 45.0),
        ];
        let sizes = [Size { rows: 4, new: 48 }];
        let figures = Table { names: &["ours", "theirs"], sizes: &sizes, taken: &all }.figures(0.020);
        let ours = found(&figures, "peers/4 x 48 generate: ours");
        assert_eq!((ours.value, ours.ratio, ours.peer.as_deref()), (90.0, None, None));
        let theirs = found(&figures, "peers/4 x 48 generate: theirs");
        assert_eq!((theirs.value, theirs.ratio), (50.0, Some(2.0)));
        let busy = found(&figures, "peers/4 x 48 with a neighbour: ours");
        assert_eq!((busy.value, busy.ratio), (45.0, Some(0.5)));
        assert!(!figures.iter().any(|figure| figure.name.contains("neighbour: theirs")));
        assert_eq!(found(&figures, "peers/4 x 48 verify or read: ours").value, 180.0);
        let step = found(&figures, "peers/4 x 48 step ÷ copying the bf16 weights: ours");
        assert!((step.value - 1.5).abs() < 1e-9, "{step:?}");
        assert_eq!(found(&figures, "peers/4 x 48 peak memory: ours").value, 800.0);
    }

    #[test]
    fn a_peer_that_fails_is_left_out_and_ours_is_an_error() {
        let broken = |name: &str| {
            let kind = Kind::Llama { program: "/no/such/program".into(), model: "m".into() };
            (Contender { name: name.into(), kind }, true)
        };
        let sizes = [Size { rows: 1, new: 1 }];
        assert!(turn(&mut [broken("ours")], &sizes, |_, _, _| ()).is_err());
        let mut both = [broken("ours"), broken("theirs")];
        both[0].1 = false;
        turn(&mut both, &sizes, |_, _, _| ()).expect("a peer may fail");
        assert!(!both[1].1);
    }
}

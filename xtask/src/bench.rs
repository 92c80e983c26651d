//! `cargo xtask bench`: figures with the command that gives them, and ratios against a peer of the same run.
//!
//! A measure is anything that yields [`Figure`]s. A criterion bench of a crate is one without further ado; any other is
//! a type that implements [`Measure`] and a line in [`measures`].

mod checkpoint;
mod criterion;
mod device;
mod machine;
mod model;
pub(crate) mod peer;
mod peers;
pub(crate) mod runs;
mod train;

pub(crate) use runs::{Profile, example};

use std::io::{self, Write};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::config::Config;
use crate::report;
use crate::workspace::Workspace;

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print one JSON object a figure, one a line, in place of the table
    #[arg(long)]
    json: bool,
    /// List the measures and run none
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    peers: peers::PeerArgs,
    /// Run only the measures whose names contain one of these
    names: Vec<String>,
}

/// Something that can be measured on this machine.
trait Measure {
    /// Its name, as typed on the command line.
    fn name(&self) -> &str;

    /// One line on what it measures.
    fn about(&self) -> &str;

    /// Measures; every figure with the peer of the same run, where there is one.
    ///
    /// # Errors
    /// When the measure cannot be taken. Nothing is made up in its place.
    fn run(&self, config: &Config) -> Result<Outcome>;
}

/// What came of a measure.
#[derive(Debug)]
enum Outcome {
    /// It was taken.
    Measured(Vec<Figure>),
    /// It was not, for the reason given.
    NotMeasured(String),
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Figure {
    /// What was measured.
    name: String,
    /// How much.
    value: f64,
    /// Of what.
    unit: String,
    /// What it is compared with, if anything.
    peer: Option<String>,
    /// How many times better than the peer: above one is better, whether the unit is a time or a speed.
    ratio: Option<f64>,
    /// Half the width of the 95 % interval, or half the range where there are only three runs, as a share of the value.
    spread: Option<f64>,
    /// What to type to get it again.
    command: String,
}

/// Every measure there is.
fn measures(workspace: &Workspace, args: &Args) -> Result<Vec<Box<dyn Measure>>> {
    let mut all: Vec<Box<dyn Measure>> = Vec::new();
    for group in model::GROUPS {
        all.push(Box::new(group));
    }
    all.push(Box::new(peers::Peers(args.peers.clone())));
    all.push(Box::new(train::GrpoStep));
    all.push(Box::new(train::Memory));
    for on_device in device::MEASURES {
        all.push(Box::new(on_device));
    }
    all.push(Box::new(checkpoint::SmolLm2));
    all.push(Box::new(checkpoint::Synthetic));
    all.push(Box::new(checkpoint::Vectors));
    for bench in criterion::measures(workspace)? {
        all.push(Box::new(bench));
    }
    Ok(all)
}

/// Runs the measures asked for and prints what they give.
///
/// # Errors
/// When a name fits no measure, or at the first measure that fails.
#[expect(clippy::print_stdout, reason = "the figures are the result of the command")]
pub(crate) fn run(config: &Config, args: &Args) -> Result<()> {
    let all = measures(&Workspace::load(config)?, args)?;
    let chosen = choose(&all, &args.names)?;
    if args.list {
        for measure in chosen {
            println!("{:<28} {}", measure.name(), measure.about());
        }
        return Ok(());
    }
    let mut figures = Vec::new();
    for measure in chosen {
        report::step(&format!("measuring {}", measure.name()));
        match measure.run(config).with_context(|| format!("cannot measure {}", measure.name()))? {
            Outcome::Measured(found) => {
                if args.json {
                    print_lines(&found)?;
                }
                figures.extend(found);
            }
            Outcome::NotMeasured(why) => report::skipped(measure.name(), &why),
        }
    }
    if !args.json {
        print!("{}", table(&figures));
    }
    Ok(())
}

fn choose<'a>(all: &'a [Box<dyn Measure>], names: &[String]) -> Result<Vec<&'a dyn Measure>> {
    if let Some(unknown) = names.iter().find(|name| !all.iter().any(|measure| measure.name().contains(*name)))
    {
        bail!("no measure has {unknown} in its name; `cargo xtask bench --list` shows them all");
    }
    let wanted =
        |measure: &&dyn Measure| names.is_empty() || names.iter().any(|name| measure.name().contains(name));
    Ok(all.iter().map(AsRef::as_ref).filter(wanted).collect())
}

/// A line at a time, so that a reader sees each figure when it is there.
fn print_lines(figures: &[Figure]) -> Result<()> {
    let mut out = io::stdout().lock();
    for figure in figures {
        let line = serde_json::to_string(figure).context("cannot write a figure as JSON")?;
        writeln!(out, "{line}").context("cannot write to standard output")?;
    }
    Ok(())
}

fn table(figures: &[Figure]) -> String {
    let head = ["measure", "value", "unit", "± %", "ratio", "peer"].map(str::to_owned);
    let rows = figures.iter().map(|figure| {
        [
            figure.name.clone(),
            number(figure.value),
            figure.unit.clone(),
            figure.spread.map_or_else(String::new, |spread| format!("{:.1}", spread * 100.0)),
            figure.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}")),
            figure.peer.clone().unwrap_or_default(),
        ]
    });
    let rows: Vec<[String; 6]> = std::iter::once(head).chain(rows).collect();
    let mut text = String::new();
    for row in &rows {
        for (column, cell) in row.iter().enumerate() {
            let widths = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            let pad = " ".repeat(widths.max().unwrap_or(0) - cell.chars().count());
            // Names and units start on one line, numbers end on one.
            text += &match column {
                0 | 2 | 5 => format!("{cell}{pad}  "),
                _ => format!("{pad}{cell}  "),
            };
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

/// Four digits that matter.
fn number(value: f64) -> String {
    let digits = if value == 0.0 { 0.0 } else { value.abs().log10().floor() };
    let decimals = (3.0 - digits).clamp(0.0, 9.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 9 by the clamp"
    )]
    let decimals = decimals as usize;
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(name: &str, value: f64, ratio: Option<f64>) -> Figure {
        Figure {
            name: name.into(),
            value,
            unit: "ns".into(),
            peer: ratio.map(|_| "memcpy".into()),
            ratio,
            spread: Some(0.012),
            command: "cargo bench".into(),
        }
    }

    #[test]
    fn a_figure_has_every_field_in_json_whether_known_or_not() {
        let line = serde_json::to_string(&figure("a", 1.5, None)).expect("JSON");
        let expected = r#"{"name":"a","value":1.5,"unit":"ns","peer":null,"ratio":null,"spread":0.012,"command":"cargo bench"}"#;
        assert_eq!(line, expected);
    }

    #[test]
    fn the_table_stands_in_columns() {
        let text = table(&[figure("seed", 1234.5, None), figure("draw over all", 7.0, Some(2.0))]);
        let expected = "\
measure        value  unit  ± %  ratio  peer
seed            1234  ns    1.2
draw over all  7.000  ns    1.2   2.00  memcpy
";
        assert_eq!(text, expected);
    }

    #[test]
    fn numbers_keep_four_digits() {
        assert_eq!(number(0.001_234_5), "0.001234");
        assert_eq!(number(98.765), "98.77");
        assert_eq!(number(123_456.0), "123456");
        assert_eq!(number(0.0), "0.000");
    }

    struct Named(&'static str);

    impl Measure for Named {
        fn name(&self) -> &str {
            self.0
        }

        fn about(&self) -> &str {
            "a name"
        }

        fn run(&self, _: &Config) -> Result<Outcome> {
            bail!("it is only a name")
        }
    }

    fn chosen(names: &[&str]) -> Result<Vec<String>> {
        let all = ["protocol/seed", "protocol/draw", "env/parse"]
            .map(|name| Box::new(Named(name)) as Box<dyn Measure>);
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        Ok(choose(&all, &names)?.into_iter().map(|measure| measure.name().to_owned()).collect())
    }

    #[test]
    fn parts_of_names_choose_and_no_name_chooses_all() {
        assert_eq!(chosen(&["protocol"]).expect("two"), ["protocol/seed", "protocol/draw"]);
        assert_eq!(chosen(&["parse", "seed"]).expect("two"), ["protocol/seed", "env/parse"]);
        assert_eq!(chosen(&[]).expect("all").len(), 3);
    }

    #[test]
    fn a_name_that_fits_nothing_is_an_error() {
        let error = chosen(&["seed", "sead"]).expect_err("unknown").to_string();
        assert_eq!(error, "no measure has sead in its name; `cargo xtask bench --list` shows them all");
    }
}

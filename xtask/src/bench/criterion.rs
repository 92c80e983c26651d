//! Measures that are criterion benches of our crates: finds them, runs them, reads the estimates they leave.
//!
//! A bench of a group whose name within the group starts with `peer ` is the peer of the others in that group.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::{Figure, Measure, Outcome};
use crate::config::Config;
use crate::workspace::Workspace;
use crate::{cargo, libtorch};

/// One bench target.
pub(super) struct Bench {
    name: String,
    about: String,
    package: String,
    target: String,
    needs_libtorch: bool,
}

/// The bench targets of all members. What one measures stands in the first line of its source.
///
/// # Errors
/// When a source cannot be read.
pub(super) fn measures(workspace: &Workspace) -> Result<Vec<Bench>> {
    let mut found = Vec::new();
    for (package, member) in &workspace.members {
        for (target, source) in &member.benches {
            let text =
                fs::read_to_string(source).with_context(|| format!("cannot read {}", source.display()))?;
            let about = text.lines().next().and_then(|line| line.strip_prefix("//! ")).unwrap_or_default();
            found.push(Bench {
                name: format!("{}/{target}", package.strip_prefix("grail-").unwrap_or(package)),
                about: about.to_owned(),
                package: package.clone(),
                target: target.clone(),
                needs_libtorch: workspace.is_native(package),
            });
        }
    }
    Ok(found)
}

impl Measure for Bench {
    fn name(&self) -> &str {
        &self.name
    }

    fn about(&self) -> &str {
        &self.about
    }

    fn run(&self, config: &Config) -> Result<Outcome> {
        let folder = config.target_dir.join("bench").join(&self.package).join(&self.target);
        // Estimates of an earlier run must not pass for those of this one.
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
        }
        let library = if self.needs_libtorch { Some(libtorch::ensure(config)?) } else { None };
        let mut bench = cargo::command(config, library.as_deref())?;
        bench.args(["bench", "--locked", "--package", &self.package, "--bench", &self.target]);
        let again = cargo::shown(&bench);
        // Figures are for standard output; criterion's own words go where xtask talks.
        bench.env("CRITERION_HOME", &folder).stdout(std::io::stderr());
        cargo::run(&mut bench)?;
        let found = collect(&folder)?;
        if found.is_empty() {
            bail!("{} left no estimates in {}", again, folder.display());
        }
        Ok(Outcome::Measured(figures(&self.name, &found, &again)))
    }
}

/// What criterion writes about a bench, as far as it is used here.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct About {
    group_id: String,
    function_id: Option<String>,
    value_str: Option<String>,
    throughput: Option<Throughput>,
}

/// Work done in one iteration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Throughput {
    Bytes(u64),
    BytesDecimal(u64),
    Elements(u64),
    #[serde(other)]
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
struct Estimates {
    mean: Estimate,
    slope: Option<Estimate>,
}

/// Time of an iteration in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
struct Estimate {
    confidence_interval: Interval,
    point_estimate: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
struct Interval {
    lower_bound: f64,
    upper_bound: f64,
}

#[derive(Debug, Clone, PartialEq)]
struct Found {
    about: About,
    time: Estimate,
}

/// Reads every `new/` folder below criterion's home, in the order of their paths.
fn collect(folder: &Path) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    let cannot = || format!("cannot list {}", folder.display());
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).with_context(cannot)? {
        entries.push(entry.with_context(cannot)?.path());
    }
    entries.sort();
    for path in entries.into_iter().filter(|path| path.is_dir()) {
        if path.file_name().is_some_and(|name| name == "new") {
            let about = read(&path.join("benchmark.json"))?;
            let estimates: Estimates = read(&path.join("estimates.json"))?;
            found.push(Found { about, time: estimates.slope.unwrap_or(estimates.mean) });
        } else {
            found.extend(collect(&path)?);
        }
    }
    Ok(found)
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not what criterion writes", path.display()))
}

fn figures(name: &str, found: &[Found], command: &str) -> Vec<Figure> {
    let peer_of = |one: &Found| {
        found.iter().find(|other| {
            other.about.group_id == one.about.group_id
                && other.about.value_str == one.about.value_str
                && other.is_peer()
        })
    };
    let ours = found.iter().filter(|one| !one.is_peer());
    ours.map(|one| {
        let (value, unit) = speed(one);
        let peer = peer_of(one);
        let Interval { lower_bound, upper_bound } = one.time.confidence_interval;
        Figure {
            name: format!("{name}: {}", one.title()),
            value,
            unit: unit.to_owned(),
            peer: peer
                .and_then(|peer| peer.about.function_id.as_deref()?.strip_prefix(PEER))
                .map(str::to_owned),
            ratio: peer.map(|peer| peer.time.point_estimate / one.time.point_estimate),
            spread: Some((upper_bound - lower_bound) / 2.0 / one.time.point_estimate),
            command: command.to_owned(),
        }
    })
    .collect()
}

const PEER: &str = "peer ";

impl Found {
    fn is_peer(&self) -> bool {
        self.about.function_id.as_deref().is_some_and(|function| function.starts_with(PEER))
    }

    fn title(&self) -> String {
        let About { group_id, function_id, value_str, .. } = &self.about;
        let parts =
            std::iter::once(group_id.as_str()).chain(function_id.as_deref()).chain(value_str.as_deref());
        parts.collect::<Vec<_>>().join("/")
    }
}

/// A speed where the bench says how much work an iteration is, else the time of one.
#[expect(clippy::cast_precision_loss, reason = "counts of work stay far below 2^53")]
fn speed(found: &Found) -> (f64, &'static str) {
    let nanoseconds = found.time.point_estimate;
    match found.about.throughput {
        // Bytes in a nanosecond are gigabytes in a second.
        Some(Throughput::Bytes(bytes) | Throughput::BytesDecimal(bytes)) => {
            (bytes as f64 / nanoseconds, "GB/s")
        }
        Some(Throughput::Elements(count)) => (count as f64 / nanoseconds * 1e9, "elements/s"),
        Some(Throughput::Other) | None => (nanoseconds, "ns"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(home: &Path, folder: &str, about: &str, nanoseconds: f64) {
        let folder = home.join(folder).join("new");
        fs::create_dir_all(&folder).expect("made");
        fs::write(folder.join("benchmark.json"), about).expect("written");
        let (low, high) = (nanoseconds * 0.98, nanoseconds * 1.02);
        let estimate = format!(
            r#"{{"confidence_interval":{{"confidence_level":0.95,"lower_bound":{low},"upper_bound":{high}}},
                "point_estimate":{nanoseconds},"standard_error":1.0}}"#
        );
        fs::write(folder.join("estimates.json"), format!(r#"{{"mean":{estimate},"slope":null}}"#))
            .expect("written");
    }

    fn about(function: &str, throughput: &str) -> String {
        format!(
            r#"{{"group_id":"sketch","function_id":"{function}","value_str":null,"throughput":{throughput},
                "full_id":"x","directory_name":"x","title":"x"}}"#
        )
    }

    #[test]
    fn estimates_become_figures_with_the_peer_of_their_group() {
        let home = tempfile::tempdir().expect("temporary folder");
        put(home.path(), "sketch/row", &about("row", r#"{"Bytes":4000}"#), 2000.0);
        put(home.path(), "sketch/peer_copy", &about("peer copy", "null"), 500.0);
        let found = collect(home.path()).expect("readable");
        let figures = figures("protocol/laws", &found, "cargo bench");
        assert_eq!(figures.len(), 1);
        let figure = &figures[0];
        assert_eq!(figure.name, "protocol/laws: sketch/row");
        assert_eq!((figure.value, figure.unit.as_str()), (2.0, "GB/s"));
        assert_eq!((figure.peer.as_deref(), figure.ratio), (Some("copy"), Some(0.25)));
        assert!((figure.spread.expect("a spread") - 0.02).abs() < 1e-9);
    }

    #[test]
    fn without_a_throughput_the_time_is_given_and_without_a_peer_no_ratio() {
        let home = tempfile::tempdir().expect("temporary folder");
        put(home.path(), "sketch/row", &about("row", "null"), 250.0);
        let found = collect(home.path()).expect("readable");
        let figures = figures("x", &found, "cargo bench");
        assert_eq!((figures[0].value, figures[0].unit.as_str()), (250.0, "ns"));
        assert_eq!((figures[0].ratio, figures[0].peer.as_ref()), (None, None));
    }

    #[test]
    fn a_report_in_an_unknown_form_is_an_error() {
        let home = tempfile::tempdir().expect("temporary folder");
        put(home.path(), "sketch/row", "{}", 1.0);
        assert!(
            format!("{:#}", collect(home.path()).expect_err("unknown")).contains("not what criterion writes")
        );
    }
}

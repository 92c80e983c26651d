//! Measures that are criterion benches of our crates: finds them, runs them, reads the estimates they leave.
//!
//! A bench of a group whose name within the group starts with `peer ` is the peer of the others in that group.

use std::path::Path;
use std::{fs, io};

use anyhow::{Context, Result, bail};
use serde_json::Value;

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

/// One bench, out of what criterion leaves about it.
#[derive(Debug, Clone, PartialEq)]
struct Found {
    /// Group, function and parameter; the last two may be absent.
    group: String,
    function: Option<String>,
    parameter: Option<String>,
    /// A speed where the bench says how much work an iteration is, else the time of one; and its unit.
    value: (f64, &'static str),
    /// Time of an iteration.
    nanoseconds: f64,
    /// Half the width of its interval, as a share of it.
    spread: f64,
}

/// Reads every `new/` folder below criterion's home, in the order of their paths.
fn collect(folder: &Path) -> Result<Vec<Found>> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut paths: Vec<_> = entries
        .with_context(|| format!("cannot list {}", folder.display()))?
        .iter()
        .map(fs::DirEntry::path)
        .filter(|path| path.is_dir())
        .collect();
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        if path.ends_with("new") {
            let (about, estimates) =
                (read(&path.join("benchmark.json"))?, read(&path.join("estimates.json"))?);
            let one = one(&about, &estimates);
            found.push(one.with_context(|| format!("{} is not what criterion writes", path.display()))?);
        } else {
            found.extend(collect(&path)?);
        }
    }
    Ok(found)
}

fn read(path: &Path) -> Result<Value> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not what criterion writes", path.display()))
}

fn one(about: &Value, estimates: &Value) -> Option<Found> {
    let time = estimates.get("slope").filter(|slope| !slope.is_null()).or(estimates.get("mean"))?;
    let nanoseconds = time["point_estimate"].as_f64()?;
    let end = |name: &str| time["confidence_interval"][name].as_f64();
    let work = |kind: &str| about["throughput"][kind].as_f64();
    // Bytes in a nanosecond are gigabytes in a second.
    let value = match (work("Bytes").or(work("BytesDecimal")), work("Elements")) {
        (Some(bytes), _) => (bytes / nanoseconds, "GB/s"),
        (_, Some(count)) => (count / nanoseconds * 1e9, "elements/s"),
        _ => (nanoseconds, "ns"),
    };
    let text = |name: &str| about[name].as_str().map(str::to_owned);
    Some(Found {
        group: text("group_id")?,
        function: text("function_id"),
        parameter: text("value_str"),
        value,
        nanoseconds,
        spread: (end("upper_bound")? - end("lower_bound")?) / 2.0 / nanoseconds,
    })
}

fn figures(name: &str, found: &[Found], command: &str) -> Vec<Figure> {
    let is_peer = |one: &&Found| one.peer().is_some();
    let figure = |one: &Found| {
        let same = |other: &&Found| (&other.group, &other.parameter) == (&one.group, &one.parameter);
        let peer = found.iter().filter(is_peer).find(same);
        let title = [Some(&one.group), one.function.as_ref(), one.parameter.as_ref()];
        let title: Vec<&str> = title.into_iter().flatten().map(String::as_str).collect();
        Figure {
            name: format!("{name}: {}", title.join("/")),
            value: one.value.0,
            unit: one.value.1.to_owned(),
            peer: peer.and_then(Found::peer).map(str::to_owned),
            ratio: peer.map(|peer| peer.nanoseconds / one.nanoseconds),
            spread: Some(one.spread),
            command: command.to_owned(),
        }
    };
    found.iter().filter(|one| !is_peer(one)).map(figure).collect()
}

impl Found {
    /// Whose time it is, where it is the peer of its group.
    fn peer(&self) -> Option<&str> {
        self.function.as_deref()?.strip_prefix("peer ")
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

//! Every door has a suite, and every suite is held against a fake and against an edge.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Where doors stand.
const DOORS: &str = "crates/grail-ports/src";

/// Where suites stand. A suite is a public function whose documentation has "a promise of" and names its doors.
const SUITES: &str = "crates/grail-testkit/src/doors/conformance";

/// The room of the fakes; whoever else calls a suite holds an edge against it.
const FAKES: &str = "crates/grail-testkit";

/// Rust files of the checkout by their paths.
type Sources = BTreeMap<PathBuf, String>;

/// Doors without a suite, and suites that nothing real or nothing fake passes.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn check(root: &Path, files: &[PathBuf]) -> Result<Vec<String>> {
    let mut sources = Sources::new();
    // The project's own commands are held to nothing, and this file names suites that there are not.
    let ours =
        |file: &&PathBuf| !file.starts_with("xtask") && file.extension().is_some_and(|ending| ending == "rs");
    for file in files.iter().filter(ours) {
        let path = root.join(file);
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        sources.insert(file.clone(), text);
    }
    Ok(check_sources(&sources))
}

fn check_sources(sources: &Sources) -> Vec<String> {
    let within = |folder: &'static str| sources.iter().filter(move |(file, _)| file.starts_with(folder));
    let suites: BTreeMap<String, BTreeSet<String>> =
        within(SUITES).flat_map(|(_, text)| suites(text)).collect();
    let mut problems = Vec::new();
    for (file, text) in within(DOORS) {
        for door in text.lines().filter_map(door) {
            if !suites.values().any(|doors| doors.contains(door)) {
                problems.push(format!(
                    "{}: the door {door} has no suite; write its promises down in {SUITES}",
                    file.display()
                ));
            }
        }
    }
    for suite in suites.keys() {
        let call = format!("conformance::{suite}(");
        let calls = sources.iter().filter(|(_, text)| text.contains(&call));
        let (fakes, edges): (Vec<_>, Vec<_>) = calls.partition(|(file, _)| file.starts_with(FAKES));
        for (none, who) in [(fakes.is_empty(), "no fake"), (edges.is_empty(), "no edge")] {
            if none {
                problems.push(format!(
                    "{SUITES}: {who} is held to the suite {suite}; call `{call}…)` in its tests"
                ));
            }
        }
    }
    problems
}

/// The trait that a line opens.
fn door(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("pub trait ")?;
    rest.split(|character: char| !character.is_alphanumeric()).next()
}

/// Suites of a file, each with the doors that its documentation names.
fn suites(text: &str) -> Vec<(String, BTreeSet<String>)> {
    let (mut found, mut doors) = (Vec::new(), BTreeSet::new());
    for line in text.lines() {
        if let Some(said) = line.strip_prefix("///") {
            if let Some((_, promise)) = said.split_once("a promise of") {
                doors.extend(promise.split('`').skip(1).step_by(2).map(str::to_owned));
            }
        } else if let Some(name) = function(line) {
            if !doors.is_empty() {
                found.push((name.to_owned(), std::mem::take(&mut doors)));
            }
        } else if !line.starts_with("#[") {
            doors.clear();
        }
    }
    found
}

/// The public function that a line opens.
fn function(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("pub ")?;
    let rest = rest.strip_prefix("async ").unwrap_or(rest).strip_prefix("fn ")?;
    rest.split(['<', '(']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn house(changed: &[(&str, &str)]) -> Vec<String> {
        let mut sources: BTreeMap<&str, &str> = BTreeMap::from([
            ("crates/grail-ports/src/clock.rs", "/// Time.\npub trait Clock: Send {\n}\n"),
            ("crates/grail-ports/src/chain.rs", "pub trait ChainView {}\npub trait ChainWrite {}\n"),
            (
                "crates/grail-testkit/src/doors/conformance/all.rs",
                "/// When a promise of [`Clock`] is broken.\npub async fn clock<C: Clock>(clock: &C) {}\n\
                 /// When a promise of [`ChainView`] or [`ChainWrite`] is broken.\npub fn chain(stage: &S) {}\n\
                 /// A helper.\npub fn helper() {}\n",
            ),
            ("crates/grail-testkit/src/doors/tests.rs", "conformance::clock(&c); conformance::chain(&c)"),
            ("crates/grail-chain/tests/it/main.rs", "conformance::chain(&c)"),
            ("crates/grail-roles/src/clock.rs", "conformance::clock(&c)"),
        ]);
        sources.extend(changed.iter().copied());
        let owned = sources.into_iter().map(|(file, text)| (PathBuf::from(file), text.to_owned()));
        check_sources(&owned.collect())
    }

    #[test]
    fn a_house_whose_doors_have_suites_is_tidy() {
        assert_eq!(house(&[]), Vec::<String>::new());
    }

    #[test]
    fn a_door_without_a_suite_is_named_with_its_file() {
        let problems = house(&[("crates/grail-ports/src/new.rs", "pub trait Window<T>: Send {}")]);
        assert_eq!(
            problems,
            ["crates/grail-ports/src/new.rs: the door Window has no suite; write its promises down in \
              crates/grail-testkit/src/doors/conformance"]
        );
    }

    #[test]
    fn a_suite_that_only_one_side_passes_is_named() {
        let no_edge = house(&[("crates/grail-roles/src/clock.rs", "")]);
        assert!(
            no_edge.len() == 1 && no_edge[0].contains("no edge is held to the suite clock"),
            "{no_edge:?}"
        );
        let no_fake = house(&[("crates/grail-testkit/src/doors/tests.rs", "conformance::clock(&c)")]);
        assert!(
            no_fake.len() == 1 && no_fake[0].contains("no fake is held to the suite chain"),
            "{no_fake:?}"
        );
    }
}

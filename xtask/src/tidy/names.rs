//! A public type name stands once in the workspace, so that a word means one thing.
//!
//! Rust tells `a::Place` from `b::Place`; a reader who searches for `Place` does not. What counts is every
//! `pub struct`, `enum`, `trait`, `union` and `type` of a member's `src`, tests left out. Whether such an item can be
//! reached from outside its crate is the lint `unreachable_pub`'s to say, which the workspace turns on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::workspace::Workspace;

use super::sources::{is_test, without_tests};

/// Names that stand more than once, each with the reason why one word serves both.
const TWICE_FOR_A_REASON: &[(&str, &str)] = &[];

/// Where a public type stands: its file and line.
type Position = (PathBuf, usize);

/// Names that stand twice without a reason, and reasons for names that do not.
///
/// `read` gives the text of a file, by its path relative to the root; `None` for what is no text.
pub(super) fn check(
    workspace: &Workspace,
    files: &[PathBuf],
    read: impl Fn(&Path) -> Option<String>,
) -> Vec<String> {
    let mut positions: BTreeMap<String, Vec<Position>> = BTreeMap::new();
    for file in files {
        if !is_source(workspace, file) {
            continue;
        }
        let Some(text) = read(file) else { continue };
        for (number, name) in public_types(&text) {
            positions.entry(name).or_default().push((file.clone(), number));
        }
    }
    judge(&positions, TWICE_FOR_A_REASON)
}

/// Whether a file is a member's source and not its tests.
fn is_source(workspace: &Workspace, file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "rs")
        && workspace
            .members
            .values()
            .filter_map(|member| file.strip_prefix(&member.folder).ok())
            .any(|inside| inside.starts_with("src") && !is_test(inside))
}

/// The public types that a file declares, each with its line.
fn public_types(text: &str) -> Vec<(usize, String)> {
    (1..).zip(without_tests(text)).filter_map(|(number, line)| Some((number, public_type(line)?))).collect()
}

/// The name that a line declares as a public type.
fn public_type(line: &str) -> Option<String> {
    let declared = line.trim_start().strip_prefix("pub ")?;
    let declared = declared.strip_prefix("unsafe ").unwrap_or(declared);
    let (keyword, rest) = declared.split_once(' ')?;
    if !["struct", "enum", "trait", "union", "type"].contains(&keyword) {
        return None;
    }
    let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    // A macro that declares types holds `$name` here.
    (!name.is_empty()).then_some(name)
}

fn judge(positions: &BTreeMap<String, Vec<Position>>, excused: &[(&str, &str)]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut told = BTreeSet::new();
    for (name, reason) in excused {
        let times = positions.get(*name).map_or(0, Vec::len);
        if !told.insert(*name) || times < 2 || reason.is_empty() {
            problems.push(format!(
                "{name}: in the table of names that stand twice, and it stands {times} times, \
                 or it is there again, or no reason is given"
            ));
        }
    }
    for (name, places) in positions {
        if places.len() > 1 && !told.contains(name.as_str()) {
            let places: Vec<String> =
                places.iter().map(|(file, line)| format!("{}:{line}", file.display())).collect();
            problems.push(format!(
                "the public type {name} stands {} times; rename all but one, \
                 or give a reason in xtask/src/tidy/names.rs: {}",
                places.len(),
                places.join(", ")
            ));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Member;

    fn house() -> Workspace {
        let member = |folder: &str| Member { folder: folder.into(), ..Member::default() };
        let members =
            [("a", "crates/a"), ("b", "crates/b")].map(|(name, folder)| (name.to_owned(), member(folder)));
        Workspace { members: members.into(), ..Workspace::default() }
    }

    fn problems(files: &[(&str, &str)]) -> Vec<String> {
        let paths: Vec<PathBuf> = files.iter().map(|(path, _)| path.into()).collect();
        check(&house(), &paths, |path| {
            let (_, text) = files.iter().find(|(known, _)| path == Path::new(known))?;
            Some((*text).to_owned())
        })
    }

    #[test]
    fn a_name_that_stands_twice_is_told_with_both_places() {
        let found = problems(&[
            ("crates/a/src/lib.rs", "//! A.\npub struct Place;\n"),
            ("crates/b/src/deep/place.rs", "\n\npub enum Place<T> {}\npub type Other = u8;\n"),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("Place stands 2 times"), "{found:?}");
        assert!(found[0].ends_with("crates/a/src/lib.rs:2, crates/b/src/deep/place.rs:3"), "{found:?}");
    }

    #[test]
    fn a_name_that_stands_twice_in_one_room_counts_too() {
        let found = problems(&[
            ("crates/a/src/mine.rs", "pub struct Parts;"),
            ("crates/a/src/train.rs", "pub trait Parts: Send {}"),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn what_stays_inside_a_crate_or_in_tests_or_outside_the_members_does_not_count() {
        let found = problems(&[
            ("crates/a/src/lib.rs", "pub struct Place;"),
            ("crates/b/src/lib.rs", "pub(crate) struct Place;\nstruct Place2;\n// pub struct Place;"),
            ("crates/b/src/tests.rs", "pub struct Place;"),
            ("crates/b/src/x.rs", "#[cfg(test)]\nmod tests {\n    pub struct Place;\n}"),
            ("crates/b/tests/it/main.rs", "pub struct Place;"),
            ("elsewhere/src/lib.rs", "pub struct Place;"),
            ("crates/b/src/macros.rs", "        pub struct $name(u8);\n        pub struct $name(u8);"),
        ]);
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn a_reason_excuses_and_an_idle_or_empty_one_is_told() {
        let two: BTreeMap<_, _> = [("Place".to_owned(), vec![("a.rs".into(), 1), ("b.rs".into(), 2)])].into();
        assert_eq!(judge(&two, &[("Place", "one word in both crafts")]), Vec::<String>::new());
        for excused in
            [&[("Place", "")][..], &[("Place", "why"), ("Gone", "why")], &[("Place", "a"), ("Place", "b")]]
        {
            assert_eq!(judge(&two, excused).len(), 1, "{excused:?}");
        }
    }
}

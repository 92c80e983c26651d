//! Rules on single files: size, root docs, and words that a room must not hold.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::layers::{Layer, layer_of};
use crate::workspace::Workspace;

/// Lines of a source file without its tests, at most.
const MAX_LINES: usize = 800;

/// Bytes of a file in the repository, at most.
const MAX_BYTES: u64 = 6 << 20;

/// Files that may be longer than [`MAX_LINES`], with the reason.
const LONGER_FOR_A_REASON: &[(&str, &str)] = &[];

/// A word that does not belong into some rooms.
struct Word {
    text: &'static str,
    rooms: Rooms,
    why: &'static str,
}

#[derive(Clone, Copy)]
enum Rooms {
    /// Every package.
    All,
    /// Laws, doors, court, facade.
    Pure,
    /// These, and the loops: what they keep goes through a door.
    Diskless,
}

/// Looked for in code, not in comments and not in tests.
const WORDS: &[Word] = &[
    Word {
        text: concat!("env", "::var"),
        rooms: Rooms::All,
        why: "variables are read in the configuration module of a program",
    },
    Word {
        text: concat!("env", "::set_var"),
        rooms: Rooms::All,
        why: "the environment is never written; pass the value",
    },
    Word { text: concat!("SystemTime", "::now"), rooms: Rooms::Pure, why: "time is an argument" },
    Word { text: concat!("Instant", "::now"), rooms: Rooms::Pure, why: "time is an argument" },
    Word { text: concat!("thread", "_rng"), rooms: Rooms::Pure, why: "chance is an argument" },
    Word { text: concat!("Os", "Rng"), rooms: Rooms::Pure, why: "chance is an argument" },
    Word { text: concat!("from_", "os_rng"), rooms: Rooms::Pure, why: "chance is an argument" },
    Word { text: concat!("from_", "entropy"), rooms: Rooms::Pure, why: "chance is an argument" },
    Word {
        text: concat!("std", "::fs"),
        rooms: Rooms::Diskless,
        why: "bytes come as arguments, files are for edges",
    },
    Word { text: concat!("tokio", "::fs"), rooms: Rooms::Diskless, why: "files are for edges" },
    Word { text: concat!("std", "::net"), rooms: Rooms::Pure, why: "sockets are for edges" },
    Word { text: concat!("std", "::process"), rooms: Rooms::Pure, why: "processes are for edges" },
    Word { text: concat!("std", "::thread::sleep"), rooms: Rooms::Pure, why: "waiting is for edges" },
];

/// Where the programs read their variables: the room of settings.
const CONFIG_ROOM: &str = "crates/grail-config/src/lib.rs";

/// Where a program, or xtask, reads its configuration.
const CONFIG_FILES: [&str; 2] = ["src/config.rs", "src/config/mod.rs"];

/// Folders of one machine that must not be written down. In pieces, so that this file does not hold them.
const MACHINE_PATHS: [&str; 3] = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/tmp/", "grail")];

/// Problems in the files of the checkout.
///
/// # Errors
/// When a file cannot be read.
pub(super) fn check(workspace: &Workspace, files: &[PathBuf]) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for file in files {
        let path = workspace.root.join(file);
        let cannot = || format!("cannot read {}", path.display());
        let bytes = fs::metadata(&path).with_context(cannot)?.len();
        if bytes > MAX_BYTES {
            problems.push(format!(
                "{}: {bytes} bytes; at most {MAX_BYTES} may stand in the repository",
                file.display()
            ));
            continue;
        }
        let content = fs::read(&path).with_context(cannot)?;
        // What is not text has no words.
        let Ok(text) = String::from_utf8(content) else { continue };
        let room = room_of(workspace, file);
        problems.extend(check_text(file, &text, room));
    }
    for (file, reason) in LONGER_FOR_A_REASON {
        if !files.iter().any(|path| path == Path::new(file)) || reason.is_empty() {
            problems.push(format!(
                "{file}: in the table of longer files and not in the repository, or no reason given"
            ));
        }
    }
    Ok(problems)
}

/// The package a file belongs to, as its floor and its path inside.
fn room_of<'a>(workspace: &Workspace, file: &'a Path) -> Option<(Layer, &'a Path)> {
    let (name, inside) = workspace
        .members
        .iter()
        .find_map(|(name, member)| Some((name, file.strip_prefix(&member.folder).ok()?)))?;
    Some((layer_of(name)?, inside))
}

fn check_text(file: &Path, text: &str, room: Option<(Layer, &Path)>) -> Vec<String> {
    let mut problems = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for place in MACHINE_PATHS {
            if line.contains(place) {
                problems.push(format!("{}:{number}: {place} is a path of one machine", file.display()));
            }
        }
    }
    let (Some((layer, inside)), true) = (room, file.extension().is_some_and(|extension| extension == "rs"))
    else {
        return problems;
    };
    if [Path::new("src/lib.rs"), Path::new("src/main.rs")].contains(&inside) && !text.starts_with("//!") {
        problems.push(format!("{}: a crate root opens with what the crate is for (`//!`)", file.display()));
    }
    if is_test(inside) || !inside.starts_with("src") {
        return problems;
    }
    let code = without_tests(text);
    let excused = LONGER_FOR_A_REASON.iter().any(|(longer, _)| file == Path::new(longer));
    if code.len() > MAX_LINES && !excused {
        problems.push(format!(
            "{}: {} lines without tests; at most {MAX_LINES}, or a reason in xtask/src/tidy/sources.rs",
            file.display(),
            code.len()
        ));
    }
    let is_config = matches!(layer, Layer::Wiring | Layer::Program | Layer::Automation)
        && (CONFIG_FILES.iter().any(|config| inside == Path::new(config)) || file == Path::new(CONFIG_ROOM));
    let imports = imports(&code);
    for (number, line) in (1..).zip(code) {
        if line.trim_start().starts_with("//") {
            continue;
        }
        for word in WORDS {
            let here = match word.rooms {
                Rooms::All => !(is_config && word.text.ends_with("var") && !word.text.contains("set_")),
                Rooms::Pure => layer.is_pure(),
                Rooms::Diskless => layer.is_pure() || layer == Layer::Loop,
            };
            if here && (line.contains(word.text) || imported(&imports, number, word.text)) {
                problems.push(format!("{}:{number}: no {} here: {}", file.display(), word.text, word.why));
            }
        }
    }
    problems
}

/// Modules that a file imports from within braces, by line: `use std::{` … `fs::File,` as `std::fs`.
fn imports(code: &[&str]) -> Vec<(usize, String)> {
    let (mut found, mut root) = (Vec::new(), None);
    for (number, line) in (1..).zip(code) {
        let opened = line.trim_start().strip_prefix("use ").and_then(|rest| rest.split_once("::{"));
        let (from, names) = match (opened, root) {
            (Some(opened), _) => opened,
            (None, Some(from)) => (from, *line),
            (None, None) => continue,
        };
        let heads =
            names.split([',', '{', '}']).map(|name| name.trim().split([':', ';', ' ']).next().unwrap_or(""));
        found.extend(heads.map(|head| (number, format!("{from}::{head}"))));
        root = (!names.contains("};")).then_some(from);
    }
    found
}

fn imported(imports: &[(usize, String)], line: usize, module: &str) -> bool {
    imports.iter().any(|(number, name)| *number == line && name == module)
}

/// Whether a file, named by its path inside its package, holds nothing but tests.
pub(super) fn is_test(inside: &Path) -> bool {
    let named = inside.file_stem().is_some_and(|stem| {
        let stem = stem.to_string_lossy();
        stem == "tests" || stem.ends_with("_test") || stem.ends_with("_tests")
    });
    named || inside.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "conformance")
}

/// The lines of a file up to its inline test module, which stands last by custom.
pub(super) fn without_tests(text: &str) -> Vec<&str> {
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines.windows(2).position(|pair| match pair {
        [attribute, module] => {
            attribute.trim() == "#[cfg(test)]" && module.contains("mod ") && module.trim_end().ends_with('{')
        }
        _ => false,
    });
    lines.into_iter().take(tests.unwrap_or(usize::MAX)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(layer: Layer, inside: &str, text: &str) -> Vec<String> {
        check_text(&Path::new("room").join(inside), text, Some((layer, Path::new(inside))))
    }

    #[track_caller]
    fn refused(layer: Layer, inside: &str, text: &str, expected: &str) {
        let problems = problems(layer, inside, text);
        assert!(problems.iter().any(|problem| problem.contains(expected)), "{problems:?}");
    }

    #[track_caller]
    fn fine(layer: Layer, inside: &str, text: &str) {
        assert_eq!(problems(layer, inside, text), Vec::<String>::new());
    }

    #[test]
    fn a_clock_in_a_law_is_refused_with_its_line() {
        refused(
            Layer::Law,
            "src/a.rs",
            "\nlet t = SystemTime::now();",
            "room/src/a.rs:2: no SystemTime::now here",
        );
        refused(Layer::Court, "src/a.rs", "Instant::now()", "time is an argument");
        fine(Layer::Edge, "src/a.rs", "Instant::now()");
    }

    #[test]
    fn chance_and_files_stay_out_of_pure_rooms() {
        refused(Layer::Words, "src/a.rs", "rand::thread_rng()", "chance is an argument");
        refused(Layer::Facade, "src/a.rs", "use std::fs;", "files are for edges");
        fine(Layer::Edge, "src/a.rs", "use std::fs;");
    }

    #[test]
    fn loops_have_no_disk_however_it_is_imported() {
        refused(Layer::Loop, "src/a.rs", "use std::fs;", "files are for edges");
        refused(Layer::Loop, "src/a.rs", "tokio::fs::read(path)", "files are for edges");
        refused(
            Layer::Loop,
            "src/a.rs",
            "use std::{\n    fmt,\n    fs::{self, File},\n};",
            "a.rs:3: no std::fs",
        );
        refused(Layer::Law, "src/a.rs", "use std::{fmt, fs, path::Path};", "a.rs:1: no std::fs");
        fine(Layer::Loop, "src/a.rs", "use std::{\n    fmt,\n    sync::Arc,\n};\nuse crate::{fs, work};");
        fine(Layer::Edge, "src/a.rs", "use std::{fs, io};");
    }

    #[test]
    fn variables_are_read_in_the_configuration_of_programs_only() {
        let read = "let home = std::env::var_os(\"HOME\");";
        refused(Layer::Edge, "src/config.rs", read, "no env::var here");
        refused(Layer::Program, "src/main.rs", read, "no env::var here");
        fine(Layer::Program, "src/config.rs", read);
        refused(Layer::Program, "src/config.rs", "env::set_var(\"A\", \"b\")", "never written");
    }

    #[test]
    fn comments_and_tests_may_name_what_code_may_not() {
        fine(Layer::Law, "src/a.rs", "    // no thread_rng\n    /// nor Instant::now");
        fine(Layer::Law, "src/tests.rs", "std::env::var(\"A\")");
        fine(Layer::Law, "src/sat/tests.rs", "std::env::var(\"A\")");
        fine(Layer::Law, "tests/it/main.rs", "//! Tests.\nstd::env::var(\"A\")");
        fine(Layer::Law, "src/a.rs", "fn a() {}\n#[cfg(test)]\nmod tests {\n    std::env::var(\"A\");\n}");
    }

    #[test]
    fn a_test_module_in_a_file_of_its_own_does_not_end_the_code() {
        refused(Layer::Law, "src/a.rs", "#[cfg(test)]\nmod tests;\nuse std::fs;", "a.rs:3: no std::fs here");
    }

    #[test]
    fn only_lines_of_code_count_for_the_size() {
        let long = "x();\n".repeat(MAX_LINES);
        fine(Layer::Edge, "src/a.rs", &long);
        fine(Layer::Edge, "src/a.rs", &format!("{long}#[cfg(test)]\nmod tests {{\n{long}}}"));
        refused(Layer::Edge, "src/a.rs", &format!("{long}x();"), "801 lines without tests");
    }

    #[test]
    fn a_crate_root_says_what_the_crate_is_for() {
        refused(Layer::Law, "src/lib.rs", "pub mod a;", "a crate root opens with");
        fine(Layer::Law, "src/lib.rs", "//! Knows a thing.\npub mod a;");
    }

    #[test]
    fn paths_of_one_machine_are_found_in_any_text() {
        let path = concat!("/ro", "ot/.cache");
        let found = check_text(Path::new("README.md"), &format!("see\n{path}"), None);
        assert_eq!(found, [format!("README.md:2: {} is a path of one machine", concat!("/ro", "ot/"))]);
    }

    #[test]
    fn a_file_too_large_for_the_repository_is_named() {
        let home = tempfile::tempdir().expect("temporary folder");
        let file = fs::File::create(home.path().join("big.bin")).expect("created");
        file.set_len(MAX_BYTES + 1).expect("grown");
        let workspace = Workspace { root: home.path().to_owned(), ..Workspace::default() };
        let problems = check(&workspace, &["big.bin".into()]).expect("readable");
        assert!(problems[0].starts_with("big.bin: 6291457 bytes"), "{problems:?}");
    }
}

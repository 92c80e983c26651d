use super::*;
use std::{collections::BTreeSet, fs, path::Path};

fn codes(kind: CodeKind) -> BTreeSet<&'static str> {
    all().iter().filter(|text| text.kind == kind).map(|text| text.code).collect()
}

#[test]
fn every_rejection_doubt_and_error_of_the_chain_has_a_text_and_nothing_else_has() {
    let rejections: BTreeSet<&str> = grail_verify::ALL_CODES.iter().copied().collect();
    assert_eq!(codes(CodeKind::Rejection), rejections);
    let chain: BTreeSet<&str> =
        errors::MODULE_ERRORS.iter().chain(errors::pool_errors()).map(|class| class.name).collect();
    assert_eq!(codes(CodeKind::Chain), chain);
    assert!(chain.len() > 30, "{chain:?}");
    // Doubts have no list; their names stand in one match.
    let source = fs::read_to_string(room("crates/grail-verify/src/verdict.rs")).unwrap();
    for name in arms(&source, "Self::") {
        assert!(codes(CodeKind::Doubt).contains(name.as_str()), "{name}");
    }
}

fn room(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Texts behind the arrow of match arms that begin with a word.
fn arms(source: &str, word: &str) -> Vec<String> {
    let lines = source.lines().map(str::trim).filter(|line| line.contains(word) && line.contains("=> \""));
    lines.filter_map(|line| line.split('"').nth(1).map(str::to_owned)).collect()
}

fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") && !path.ends_with("tests.rs") {
            found.push(fs::read_to_string(path).unwrap());
        }
    }
}

fn is_code(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c == '-')
}

/// Codes in the source of whoever makes findings: the second literal of `Finding::bad(` and `Finding::warning(`.
fn made(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    for call in ["Finding::bad(", "Finding::warning(", "Finding::of_error("] {
        for rest in source.split(call).skip(1) {
            let mut arguments = rest.splitn(3, ',');
            let _check = arguments.next();
            let Some(second) = arguments.next().map(str::trim) else { continue };
            let literal = second.strip_prefix('"').and_then(|text| text.split('"').next());
            found.extend(literal.filter(|text| is_code(text)).map(str::to_owned));
        }
    }
    found
}

#[test]
fn every_finding_has_a_text() {
    let texts: BTreeSet<&str> = all().iter().map(|text| text.code).collect();
    let mut found = Vec::new();
    for folder in ["bins/grail-cli/src", "bins/grail-programs/src", "crates/grail-node/src"] {
        sources(&room(folder), &mut found);
    }
    let made: BTreeSet<String> = found.iter().flat_map(|source| made(source)).collect();
    assert!(made.len() > 20, "the search finds too little: {made:?}");
    // Codes of a bucket and of relays stand in tables of their own.
    let store = fs::read_to_string(room("crates/grail-store/src/probe/mistake.rs")).unwrap();
    let store = arms(&store, " => \"").into_iter().filter(|name| is_code(name) && name.contains('-'));
    let beacon = found.iter().find(|source| source.contains("RelayTrouble::Unreachable")).unwrap();
    let relays = beacon.split('"').filter(|text| text.starts_with("relay-") && is_code(text));
    // Where a code is chosen first and handed over later: every literal that looks like one, but names of checks.
    let checks = ["beacon-relay", "checkpoint-files", "open-files", "nvidia-smi", "trainer-check"];
    let mut looked = Vec::new();
    for folder in ["bins/grail-cli/src/doctor", "crates/grail-node/src/ready"] {
        sources(&room(folder), &mut looked);
    }
    let shipped = looked.iter().map(|source| source.split("#[cfg(test)]").next().unwrap_or_default());
    let literals = shipped.flat_map(|source| source.split('"').skip(1).step_by(2)).filter(|text| {
        let other = ["-", "grail-", "store-"].iter().any(|begin| text.starts_with(begin));
        is_code(text) && text.contains('-') && !other && !checks.contains(text)
    });
    let literals: Vec<String> = literals.map(str::to_owned).collect();
    assert!(literals.len() > 40, "{literals:?}");
    let all: BTreeSet<String> =
        made.into_iter().chain(store).chain(relays.map(str::to_owned)).chain(literals).collect();
    let without: Vec<&String> = all.iter().filter(|code| !texts.contains(code.as_str())).collect();
    assert!(without.is_empty(), "no text for {without:?}; add rows to explain/findings.rs");
}

#[test]
fn every_problem_of_an_audit_has_a_text() {
    let mut found = Vec::new();
    for file in ["crates/grail-verify/src/audit/mod.rs", "crates/grail-artifact/src/bundle/mod.rs"] {
        found.extend(arms(&fs::read_to_string(room(file)).unwrap(), "Self::"));
    }
    assert!(found.len() > 12, "{found:?}");
    for name in found.iter().filter(|name| is_code(name)) {
        assert!(codes(CodeKind::Audit).contains(name.as_str()), "{name}");
    }
}

#[test]
fn texts_are_sentences_and_codes_are_unique_in_their_kind() {
    let mut seen = BTreeSet::new();
    for text in all() {
        if text.kind != CodeKind::Chain {
            assert!(seen.insert((text.code, text.kind.words())), "{} twice", text.code);
        }
        for part in [&text.means, &text.causes, &text.next] {
            assert!(part.ends_with('.') && part.len() > 8, "{}: {part:?}", text.code);
        }
    }
}

#[test]
fn a_code_is_found_as_logs_print_it_and_a_slip_is_answered_with_near_ones() {
    assert!(next_step("late-upload").unwrap().contains("--max-groups"));
    assert!(unknown("late").contains("late-upload") && unknown("zzz").contains("grail explain"));
}

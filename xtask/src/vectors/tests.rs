use tempfile::TempDir;

use super::*;

/// A checkout with one crate, whose one test reads one vector.
fn checkout() -> TempDir {
    let home = tempfile::tempdir().expect("temporary folder");
    put(&home, "fixtures/vectors/seed/window.json", "[1]");
    put(&home, "crates/grail-x/Cargo.toml", "");
    put(&home, "crates/grail-x/src/lib.rs", "#[test]\nfn seeds_match() { read(\"seed/window.json\") }");
    record(home.path(), &line("seed/window.json", "grail-x::vectors::seeds_match")).expect("recorded");
    home
}

fn put(home: &TempDir, path: &str, text: &str) {
    let path = home.path().join(path);
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(path, text).expect("written");
}

fn line(path: &str, reader: &str) -> Record {
    Record { path: path.into(), origin: "this project".into(), command: "x".into(), reader: reader.into() }
}

#[track_caller]
fn refused(home: &TempDir, expected: &str) {
    let error = check(home.path()).expect_err("a mismatch").to_string();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn this_checkout_has_every_vector_indexed_and_read() {
    let root = crate::workspace::root().expect("a root");
    if let Err(error) = check(root) {
        panic!("{error:#}");
    }
}

#[test]
fn a_recorded_vector_with_a_reader_passes() {
    check(checkout().path()).expect("in order");
}

#[test]
fn a_vector_that_was_changed_is_named_with_both_digests() {
    let home = checkout();
    put(&home, "fixtures/vectors/seed/window.json", "[2]");
    refused(&home, "checksum of");
}

#[test]
fn a_vector_outside_the_index_is_named() {
    let home = checkout();
    put(&home, "fixtures/vectors/seed/other.json", "[1]");
    refused(&home, "seed/other.json is not in the index");
}

#[test]
fn a_line_without_its_file_is_named() {
    let home = checkout();
    fs::remove_file(home.path().join("fixtures/vectors/seed/window.json")).expect("removed");
    refused(&home, "seed/window.json: cannot read");
}

#[test]
fn a_reader_that_is_gone_or_reads_something_else_is_named() {
    let home = checkout();
    put(&home, "crates/grail-x/src/lib.rs", "fn seeds_match() {}");
    refused(&home, "no source of grail-x names window.json");
    put(&home, "crates/grail-x/src/lib.rs", "// window.json");
    refused(&home, "grail-x has no test seeds_match");
    fs::remove_file(home.path().join("crates/grail-x/Cargo.toml")).expect("removed");
    refused(&home, "there is no crate grail-x");
}

#[test]
fn a_line_that_would_not_pass_is_not_recorded() {
    let home = checkout();
    put(&home, "fixtures/vectors/seed/other.json", "[1]");
    let error =
        record(home.path(), &line("seed/other.json", "grail-x::no_such_test")).expect_err("no reader");
    assert!(error.to_string().contains("grail-x has no test no_such_test"), "{error}");
    refused(&home, "seed/other.json is not in the index");
}

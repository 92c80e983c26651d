use super::*;

fn finished(home: &Path) -> PathBuf {
    let place = home.join("libtorch");
    fs::create_dir_all(place.join("lib")).expect("folder");
    let mut libraries = BTreeMap::new();
    for name in wanted_libraries() {
        fs::write(place.join(name), name).expect("written");
        libraries.insert(name.to_owned(), name.len() as u64);
    }
    let marker = Marker { wheels: wanted_wheels(), libraries };
    fs::write(place.join(MARKER), serde_json::to_string(&marker).expect("JSON")).expect("written");
    place
}

fn edit_marker(place: &Path, edit: impl FnOnce(&mut Marker)) {
    let path = place.join(MARKER);
    let text = fs::read_to_string(&path).expect("marker");
    let mut marker: Marker = serde_json::from_str(&text).expect("JSON");
    edit(&mut marker);
    fs::write(path, serde_json::to_string(&marker).expect("JSON")).expect("written");
}

#[test]
fn a_finished_folder_counts_as_complete() {
    let home = tempfile::tempdir().expect("temporary folder");
    assert!(is_complete(&finished(home.path())));
}

#[test]
fn a_folder_without_its_marker_is_not_complete() {
    let home = tempfile::tempdir().expect("temporary folder");
    let place = finished(home.path());
    fs::remove_file(place.join(MARKER)).expect("removed");
    assert!(!is_complete(&place));
}

#[test]
fn a_torn_marker_is_not_complete() {
    let home = tempfile::tempdir().expect("temporary folder");
    let place = finished(home.path());
    let text = fs::read_to_string(place.join(MARKER)).expect("marker");
    let half = text.get(..text.len() / 2).expect("ASCII");
    fs::write(place.join(MARKER), half).expect("written");
    assert!(!is_complete(&place));
}

#[test]
fn a_marker_of_other_wheels_is_not_complete() {
    let home = tempfile::tempdir().expect("temporary folder");
    let place = finished(home.path());
    edit_marker(&place, |marker| {
        for digest in marker.wheels.values_mut() {
            *digest = "0".repeat(64);
        }
    });
    assert!(!is_complete(&place));
}

#[test]
fn a_library_that_was_cut_or_forgotten_is_not_complete() {
    let home = tempfile::tempdir().expect("temporary folder");
    let place = finished(home.path());
    fs::write(place.join(STUB), "").expect("written");
    assert!(!is_complete(&place));

    let other = tempfile::tempdir().expect("temporary folder");
    let place = finished(other.path());
    edit_marker(&place, |marker| {
        marker.libraries.remove(STUB);
    });
    assert!(!is_complete(&place));
}

#[test]
fn only_named_libraries_and_headers_leave_the_wheel() {
    let torch = &SOURCES[0];
    let to = |name: &str| destination(torch, name).map(|path| path.display().to_string());
    assert_eq!(to("torch/lib/libc10.so").as_deref(), Some("lib/libc10.so"));
    assert_eq!(to("torch/include/c10/macros/Macros.h").as_deref(), Some("include/c10/macros/Macros.h"));
    assert_eq!(to("torch/lib/libtorch_cuda.so"), None);
    assert_eq!(to("torch/lib/libtorch.so"), None);
    assert_eq!(to("torch/include/"), None);
    assert_eq!(to("torch/include/../../../etc/passwd"), None);
    assert_eq!(to("torch/include//etc/passwd"), None);
}

#[test]
fn digests_are_pinned_in_full() {
    for source in &SOURCES {
        assert_eq!(hex::decode(source.wheel.sha256).expect("hex").len(), 32);
        assert!(source.wheel.requirement.contains("=="));
        assert!(source.wheel.file.contains(source.wheel.platform));
    }
}

#[test]
fn a_failing_compiler_is_quoted_with_the_next_step() {
    let home = tempfile::tempdir().expect("temporary folder");
    // The libraries to link against are not there, so any compiler refuses.
    let compiler = compiler(None).expect("the workspace needs a C++ compiler");
    let error = link_stub(&compiler, home.path()).expect_err("nothing to link").to_string();
    assert!(error.contains("could not link the stub libtorch.so"), "{error}");
    assert!(error.contains("torch_cpu"), "{error}");
    assert!(error.contains("next step:"), "{error}");
}

#[test]
fn a_compiler_that_does_not_run_is_named() {
    let error = compiler(Some(OsStr::new("no-such-compiler"))).expect_err("not there").to_string();
    assert!(error.contains("CXX names no-such-compiler"), "{error}");
}

#[test]
fn a_libtorch_of_ones_own_is_looked_at_before_use() {
    let home = tempfile::tempdir().expect("temporary folder");
    let error = check_own(home.path()).expect_err("an empty folder").to_string();
    assert!(error.contains("lib/libtorch_cpu.so is not in it"), "{error}");
    assert!(error.contains("unset LIBTORCH"), "{error}");
}

fn config(library_path: Option<&str>) -> Config {
    Config {
        cache: Cache::new("/cache".into()),
        cargo_home: None,
        own_libtorch: None,
        target_dir: "/cache/build".into(),
        cargo: "cargo".into(),
        cxx: None,
        library_path: library_path.map(Into::into),
        subtensor_spec: None,
    }
}

#[track_caller]
fn check_search(before: Option<&str>, expected: &str) {
    let variables = variables(&config(before), Path::new("/t"));
    let search = variables.iter().find(|(name, _)| *name == "LD_LIBRARY_PATH").expect("a search path");
    assert_eq!(search.1, expected);
}

#[test]
fn the_library_path_is_extended_and_not_replaced() {
    check_search(None, "/t/lib");
    check_search(Some("/other"), "/t/lib:/other");
    check_search(Some("/other:/t/lib"), "/other:/t/lib");
}

/// What `fetch-libtorch` asks pip for is what the archive is made from, and CUDA's list has the same wheels.
#[test]
fn the_lists_of_the_package_pin_the_wheels_of_this_file() {
    let root = crate::workspace::root().expect("a root");
    let list = |name: &str| {
        let text = std::fs::read_to_string(root.join("packaging/libtorch").join(name)).expect("a list");
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>()
    };
    let ours: Vec<String> = SOURCES
        .iter()
        .map(|source| format!("{} --hash=sha256:{}", source.wheel.requirement, source.wheel.sha256))
        .collect();
    assert_eq!(list("cpu.txt"), ours);
    let cuda = list("cuda.txt");
    assert!(ours.iter().all(|line| cuda.contains(line)), "{cuda:?}");
    for line in &cuda {
        let (_, digest) = line.split_once(" --hash=sha256:").expect("a digest");
        assert!(digest.len() == 64 && digest.chars().all(|digit| digit.is_ascii_hexdigit()), "{line}");
    }
}

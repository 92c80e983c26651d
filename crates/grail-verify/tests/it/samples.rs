//! The files under `fixtures/windows`: each is what its folder says, every code has one, every folder is a code.

use grail_artifact::{
    keys::WindowEncoding,
    window::{JsonCodec, WindowCodec},
};
use grail_parquet::ParquetCodec;
use grail_testkit::window::{BadFile, ExpectedVerdict, Sample};
use grail_verify::{ALL_CODES, MinerReport};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/windows").join(name)
}

/// Folders in a folder, by name.
fn inside(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    found
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

fn verify(sample: &Sample) -> MinerReport {
    let world = sample.world();
    assert_eq!(sample.setup.hotkey, world.miner.hotkey(), "the context names the key's hotkey");
    let codec: &dyn WindowCodec = match sample.encoding {
        WindowEncoding::Json => &JsonCodec,
        WindowEncoding::Parquet => &ParquetCodec,
    };
    world.verify_with(sample.fetched(), codec, &mut world.oracle())
}

#[test]
fn every_code_has_a_sample_and_every_sample_a_code() {
    let folders = inside(&folder("bad"));
    let codes: BTreeSet<String> = folders.iter().map(|path| name(path)).collect();
    let listed: BTreeSet<String> = ALL_CODES.iter().map(|code| (*code).to_owned()).collect();
    assert_eq!(codes, listed);
    for code in folders {
        assert!(!inside(&code).is_empty(), "{} holds no sample", code.display());
    }
}

#[test]
fn every_bad_file_is_refused_as_its_folder_says() {
    for code in inside(&folder("bad")) {
        for path in inside(&code) {
            let sample = Sample::read(&path).unwrap_or_else(|error| panic!("{}: {error:?}", path.display()));
            let ExpectedVerdict::Bad(expected) = &sample.expected else {
                panic!("{} is good", path.display())
            };
            assert_eq!(expected.code, name(&code), "{}", path.display());
            assert_eq!(BadFile::of(&verify(&sample), &expected.code), *expected, "{}", path.display());
        }
    }
}

#[test]
fn every_good_file_is_accepted_with_its_report() {
    let folders = inside(&folder("good"));
    assert!(!folders.is_empty());
    for path in folders {
        let sample = Sample::read(&path).unwrap_or_else(|error| panic!("{}: {error:?}", path.display()));
        let ExpectedVerdict::Good(expected) = &sample.expected else { panic!("{} is bad", path.display()) };
        let report = verify(&sample);
        assert!(report.is_clean(), "{}: {:?}", path.display(), report.tally);
        assert_eq!(report, **expected, "{}", path.display());
    }
}

/// The reference page, made of what the court says of the first sample of each code.
fn page() -> String {
    let mut page = String::from(
        "# Rejection codes\n\n\
         Each code is stable.\n\
         The sentence is what the court says of a sample in `fixtures/windows/bad/`; measured values and places differ from case to case.\n\
         Codes down to `logprob-positive` refuse the whole file, those after it one rollout and with it its group.\n\n\
         | code | what the court says |\n|---|---|\n",
    );
    for code in ALL_CODES {
        let samples = inside(&folder("bad").join(code));
        let sample =
            Sample::read(samples.first().expect("every code has a sample")).expect("samples can be read");
        let report = verify(&sample);
        let (_, rejection) = report.rejections().find(|(_, r)| r.code() == *code).expect("it is refused so");
        page += &format!("| `{code}` | {} |\n", rejection.explain().replace('|', "\\|"));
    }
    page
}

/// Written anew with `GRAIL_WRITE_DOCS=1 cargo test -p grail-verify --test it reference_page`.
#[test]
#[expect(clippy::disallowed_methods, reason = "whoever runs the test asks for the page to be written")]
fn the_reference_page_says_what_the_court_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/rejections.md");
    if std::env::var_os("GRAIL_WRITE_DOCS").is_some() {
        fs::write(&path, page()).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page(), "docs/reference/rejections.md is not what the court says; write it anew");
}

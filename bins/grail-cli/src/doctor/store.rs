//! The bucket, or the folder of a development network.

use super::check::{Finding, Standing};
use bytes::Bytes;
use grail_artifact::keys::{ShelfKey, WindowEncoding, WindowKey};
use grail_node::store::{StoreChoice, StoreProblem};
use grail_ports::{
    clock::Clock,
    shelf::{Fetch, WindowShelf as _},
};
use grail_protocol::words::{Hotkey, WindowStart};
use grail_store::{
    Endpoint, Shelf, Transfer,
    probe::{self, Mistake, Pair, Patience, ProbeReport, Subject},
};
use std::path::Path;

/// The checks of a bucket, in the order in which they depend on each other.
const CHECKS: [&str; 8] = [
    "store-endpoint",
    "store-clock",
    "store-keys",
    "store-bucket",
    "store-region",
    "store-write",
    "store-read",
    "store-read-only",
];

/// Examines the bucket of the settings.
pub(crate) async fn bucket(choice: &Result<StoreChoice, StoreProblem>, clock: &dyn Clock) -> Vec<Finding> {
    match choice {
        Err(problem) => vec![unset(problem)],
        Ok(choice) => {
            let report = probe::examine(&subject(choice), clock, Patience::default()).await;
            findings(&report)
        }
    }
}

/// What the probes are handed.
pub(crate) fn subject(choice: &StoreChoice) -> Subject {
    let is_r2 = matches!(choice.location.endpoint, Endpoint::R2 { .. });
    Subject {
        location: choice.location.clone(),
        account: choice.account.clone(),
        read: choice.read.clone(),
        write: choice.write.clone(),
        place: is_r2.then(|| probe::R2_PLACE.to_owned()),
    }
}

fn unset(problem: &StoreProblem) -> Finding {
    let told = match std::error::Error::source(problem) {
        Some(cause) => format!("{problem}: {cause}"),
        None => problem.to_string(),
    };
    match problem {
        StoreProblem::Missing { setting, .. } => Finding::bad(
            "store-settings",
            "setting-missing",
            told,
            format!("set {setting}, or run `grail setup`, which asks for all of them"),
        ),
        StoreProblem::Name { bucket, account } => {
            let mistake = Mistake::Name { bucket: bucket.clone(), account: account.clone() };
            Finding::bad("store-bucket", mistake.code(), told, mistake.remedy())
        }
        StoreProblem::Endpoint { source } => {
            let mistake = Mistake::Endpoint { found: source.clone() };
            Finding::bad("store-endpoint", mistake.code(), mistake.to_string(), mistake.remedy())
        }
        StoreProblem::Credentials { source: grail_store::CredentialsError::Shared { field }, .. } => {
            let mistake = Mistake::EqualKeys { field };
            Finding::bad("store-keys", mistake.code(), told, mistake.remedy())
        }
        StoreProblem::Credentials { .. } => {
            Finding::bad("store-keys", "unusable-keys", told, "copy the key again, whole and without spaces")
        }
    }
}

/// One line for each check, in order.
pub(crate) fn findings(report: &ProbeReport) -> Vec<Finding> {
    let mut lines = Vec::new();
    // What must be mended before the rest can be known.
    let stopped = report.mistakes.iter().find(|mistake| !mistake.is_warning()).map(check_of);
    for check in CHECKS {
        let mut mistakes = report.mistakes.iter().filter(|mistake| check_of(mistake) == check).peekable();
        let had_any = mistakes.peek().is_some();
        for mistake in mistakes {
            let line = Finding::bad(check, mistake.code(), mistake.to_string(), mistake.remedy());
            if mistake.is_warning() {
                lines.push(Finding { standing: Standing::Warning, ..line });
            } else {
                lines.push(line);
            }
        }
        if had_any {
            continue;
        }
        lines.push(match (proof(check, report), stopped) {
            (Some(told), _) => Finding::good(check, told),
            (None, Some(first)) => Finding::skipped(check, format!("not known before {first} is mended")),
            (None, None) => Finding::skipped(check, "the store does not tell"),
        });
    }
    lines
}

/// What shows that a check holds.
fn proof(check: &str, report: &ProbeReport) -> Option<String> {
    let reached = !report.mistakes.iter().any(|mistake| check_of(mistake) == "store-endpoint");
    let known = report.wrote || report.read;
    match check {
        "store-endpoint" => reached.then(|| "reached".to_owned()),
        "store-clock" => report
            .ahead_ms
            .map(|ahead| format!("within {} s of the store's", ahead.unsigned_abs().div_ceil(1_000))),
        "store-keys" => known.then(|| "two different pairs, both known to the store".to_owned()),
        "store-bucket" => known.then(|| "there, and named as its account".to_owned()),
        "store-region" => match &report.place {
            Some(place) => Some(format!("the bucket is in {place}")),
            None => known.then(|| "requests are signed for the right one".to_owned()),
        },
        "store-write" => report.wrote.then(|| "written, read back, sent in parts, removed".to_owned()),
        "store-read" => report.read.then(|| "read and listed".to_owned()),
        "store-read-only" => report.read_only.then(|| "a write with the read key is refused".to_owned()),
        _ => None,
    }
}

/// The check that a mistake belongs to.
fn check_of(mistake: &Mistake) -> &'static str {
    match mistake {
        Mistake::Setting { .. }
        | Mistake::Endpoint { .. }
        | Mistake::NotABucket { .. }
        | Mistake::PlainHttp { .. }
        | Mistake::Unreachable { .. } => "store-endpoint",
        Mistake::ClockSkew { .. } => "store-clock",
        Mistake::EqualKeys { .. } | Mistake::Crossed | Mistake::UnknownAccount { .. } => "store-keys",
        Mistake::Account { .. }
        | Mistake::Name { .. }
        | Mistake::NoBucket { .. }
        | Mistake::Versioned { .. } => "store-bucket",
        Mistake::Region { .. } | Mistake::Elsewhere { .. } => "store-region",
        Mistake::ReadKeyWrites => "store-read-only",
        Mistake::Multipart { .. } | Mistake::OtherBytes | Mistake::NoTime | Mistake::Left { .. } => {
            "store-write"
        }
        Mistake::UnknownKey { pair, .. }
        | Mistake::WrongSecret { pair }
        | Mistake::KeyOrSecret { pair, .. }
        | Mistake::Swapped { pair }
        | Mistake::NoAccess { pair, .. }
        | Mistake::Lacks { pair, .. }
        | Mistake::Odd { pair, .. } => match pair {
            Pair::Write => "store-write",
            Pair::Read => "store-read",
        },
    }
}

/// Writes, reads and compares an object in the folder of a development network, under a key that no window uses.
pub(crate) async fn folder(path: &Path) -> Vec<Finding> {
    let done = async {
        let shelf = Shelf::folder(path, Transfer::default()).map_err(|error| chain(&error))?;
        let key = ShelfKey::from(WindowKey {
            hotkey: Hotkey::from_bytes([0; 32]),
            window: WindowStart(u64::MAX),
            encoding: WindowEncoding::Json,
        });
        let body = Bytes::from_static(b"grail doctor");
        shelf.put(&key, body.clone()).await.map_err(|fault| fault.chain())?;
        match shelf.fetch(&key, 1_024).await.map_err(|fault| fault.chain())? {
            Fetch::Found(fetched) if fetched.body == body => Ok(()),
            other => Err(format!("wrote an object and read back {other:?}")),
        }
    };
    vec![match done.await {
        Ok(()) => Finding::good("store-write", format!("written and read back in {}", path.display())),
        Err(told) => Finding::bad("store-write", "folder", told, "mend the folder, or name another network"),
    }]
}

/// An error and its causes on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

//! Holds a running S3 server against what shelves promise, and says what the doctor says of it, as one row of a table.
//!
//! ```sh
//! cargo run -p grail-store --example servers -- NAME URL BUCKET READ_ID READ_SECRET WRITE_ID WRITE_SECRET [REGION]
//! ```
//!
//! `fixtures/scripts/s3_servers.py` starts servers of others and calls this of each. Exits with 1 where a promise fails.

#![expect(clippy::print_stdout, reason = "a row of a table is printed")]

use bytes::Bytes;
use grail_artifact::keys::{ShelfKey, WindowEncoding, WindowKey};
use grail_ports::{
    clock::Clock,
    shelf::{Fetch, WindowShelf as _},
};
use grail_protocol::words::{Hotkey, UnixMillis, WindowStart};
use grail_store::{
    Endpoint, Location, ReadCredentials, Shelf, Transfer, WriteCredentials,
    probe::{self, Mistake, Patience, Subject},
};
use grail_testkit::doors::{ManualClock, conformance};
use std::time::{SystemTime, UNIX_EPOCH};

/// Parts of the smallest size that S3 takes.
const PART_BYTES: usize = 5 << 20;

#[derive(Clone)]
struct Given {
    location: Location,
    read: ReadCredentials,
    write: WriteCredentials,
}

impl Given {
    fn shelf(&self) -> Shelf {
        let transfer = Transfer { part_bytes: PART_BYTES, ..Transfer::default() };
        Shelf::own_bucket(&self.location, &self.read, &self.write, transfer).expect("settings that work")
    }
}

fn key(window: u64) -> ShelfKey {
    let hotkey = Hotkey::from_bytes([7; 32]);
    WindowKey { hotkey, window: WindowStart(window), encoding: WindowEncoding::Parquet }.into()
}

/// A window in one piece and one in parts: stored, found with the same tag, and with another after other bytes.
async fn windows(given: Given) {
    let shelf = given.shelf();
    for (window, size) in [(1u64, 1_000usize), (2, (11 << 20) + 3)] {
        let body: Bytes = (0..size).map(|at| (at % 251) as u8).collect::<Vec<_>>().into();
        let put =
            shelf.put(&key(window), body.clone()).await.unwrap_or_else(|fault| panic!("{}", fault.chain()));
        let found =
            shelf.fetch(&key(window), 64 << 20).await.unwrap_or_else(|fault| panic!("{}", fault.chain()));
        let Fetch::Found(found) = found else { panic!("not found: {found:?}") };
        assert!(found.body == body, "other bytes came back");
        assert_eq!((found.meta.size, &found.meta.tag), (size as u64, &put.tag), "size and tag");
        shelf.put(&key(window), body.slice(1..)).await.unwrap_or_else(|fault| panic!("{}", fault.chain()));
        let again = shelf.look(&key(window)).await.unwrap_or_else(|fault| panic!("{}", fault.chain()));
        assert_ne!(again.expect("there").tag, put.tag, "other bytes, and the same tag");
    }
}

async fn checkpoints(given: Given) {
    let folder = tempfile::tempdir().expect("a folder");
    let content: Vec<u8> = (0..(6u32 << 20)).map(|at| (at % 253) as u8).collect();
    let file = folder.path().join("file");
    std::fs::write(&file, &content).expect("written");
    conformance::checkpoints(&given.shelf(), &file, &content).await;
}

/// `ok`, or the first line of what failed.
async fn held(work: impl Future<Output = ()> + Send + 'static, bad: &mut bool) -> String {
    match tokio::spawn(work).await {
        Ok(()) => "ok".to_owned(),
        Err(failed) => {
            *bad = true;
            let panic = failed.into_panic();
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            format!("**{}**", text.unwrap_or_default().lines().next().unwrap_or("failed"))
        }
    }
}

#[tokio::main]
async fn main() {
    std::panic::set_hook(Box::new(|_| {}));
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [name, url, bucket, read_id, read_secret, write_id, write_secret, rest @ ..] = words.as_slice()
    else {
        println!("NAME URL BUCKET READ_ID READ_SECRET WRITE_ID WRITE_SECRET [REGION]");
        std::process::exit(2);
    };
    let location = Location {
        endpoint: Endpoint::Url(url.clone()),
        region: rest.first().map_or("us-east-1", String::as_str).to_owned(),
        bucket: bucket.clone(),
        path_style: true,
        allow_http: true,
    };
    let read = ReadCredentials::new(bucket, read_id, read_secret).expect("a read pair");
    let write = WriteCredentials::new(write_id, write_secret).expect("a write pair");
    let given = Given { location, read, write };
    let mut bad = false;
    let promises = held(
        {
            let given = given.clone();
            async move { conformance::shelf(&given.shelf()).await }
        },
        &mut bad,
    )
    .await;
    let windows = held(windows(given.clone()), &mut bad).await;
    let checkpoints = held(checkpoints(given.clone()), &mut bad).await;
    let doctor = doctor(&given, bucket).await;
    println!("| {name} | {promises} | {windows} | {checkpoints} | {doctor} |");
    std::process::exit(i32::from(bad));
}

#[expect(clippy::disallowed_methods, reason = "what a real server says is held against real time")]
fn clock() -> impl Clock {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    ManualClock::at(UnixMillis(u64::try_from(since.as_millis()).expect("before the end of time")))
}

/// What the doctor finds in the bucket, with a wrong secret, and of a bucket that is not there, asked twice.
async fn doctor(given: &Given, bucket: &str) -> String {
    let subject = |given: &Given, bucket: &str| Subject {
        location: Location { bucket: bucket.to_owned(), ..given.location.clone() },
        account: bucket.to_owned(),
        read: given.read.clone(),
        write: given.write.clone(),
        place: None,
    };
    let said = async |subject: Subject| {
        let report = probe::examine(&subject, &clock(), Patience::default()).await;
        let codes: Vec<_> = report.mistakes.iter().map(Mistake::code).collect();
        if codes.is_empty() { "all is well".to_owned() } else { codes.join(", ") }
    };
    let right = said(subject(given, bucket)).await;
    let typo = WriteCredentials::new(given.write.access_key_id(), "typo-in-the-secret").expect("a pair");
    let secret = said(Subject { write: typo, ..subject(given, bucket) }).await;
    let missing = "mistyped-bucket";
    let first = said(subject(given, missing)).await;
    let second = said(subject(given, missing)).await;
    let twice = if first == second { first } else { format!("{first}, then {second}") };
    format!("{right} | {secret} | {twice}")
}

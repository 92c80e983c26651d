//! Stores that are nearly S3, and bad days of those that are: what may pass is waited for, what was stored counts as stored,
//! and what is wrong has its name, at the shelf and at the doctor alike.

use super::{
    cause, key,
    lookalike::{Habit, Lookalike},
    probe::{clock, codes, subject},
    server::{BUCKET, location, read_pair, transfer, write_pair},
};
use bytes::Bytes;
use grail_ports::{
    Retry,
    shelf::{Fetch, WindowShelf as _},
};
use grail_store::{
    Endpoint, Location, Shelf, StoreError, Transfer,
    probe::{self, Patience, ProbeReport},
};

/// Retries and parts as an operator has them, with the smallest parts.
fn usual() -> Transfer {
    Transfer { part_bytes: 6 << 20, ..Transfer::default() }
}

async fn start(habit: Habit) -> Lookalike {
    Lookalike::start(habit, BUCKET).await
}

fn shelf(server: &Lookalike, transfer: Transfer) -> Shelf {
    Shelf::own_bucket(&location(&server.url), &read_pair(), &write_pair(), transfer).unwrap()
}

async fn examined(server: &Lookalike) -> ProbeReport {
    probe::examine(&subject(&server.url), &clock(), Patience::default()).await
}

fn body(size: usize) -> Bytes {
    (0..size).map(|at| (at % 251) as u8).collect::<Vec<_>>().into()
}

#[tokio::test]
async fn what_was_stored_counts_as_stored() {
    for habit in [
        Habit::None,
        Habit::Versioned,
        Habit::Suspended,
        Habit::R2,
        Habit::Weak,
        Habit::Unquoted,
        Habit::NoTag,
        Habit::ByteTags,
        Habit::WholeRanges,
        Habit::HeadRefused,
    ] {
        let server = start(habit).await;
        let shelf = shelf(&server, usual());
        for (owner, size) in [(1, 1_000), (2, 13 << 20)] {
            let put = shelf
                .put(&key(owner), body(size))
                .await
                .unwrap_or_else(|fault| panic!("{habit:?}: {}", fault.chain()));
            assert_eq!(put.size, size as u64, "{habit:?}");
            assert!(put.tag.is_some() && put.stored_at.0 > 0, "{habit:?}: {put:?}");
            let Fetch::Found(found) = shelf.fetch(&key(owner), 64 << 20).await.unwrap() else {
                panic!("{habit:?}: not found")
            };
            assert!(found.body == body(size), "{habit:?}");
            assert_eq!(found.meta.tag, put.tag, "{habit:?}: the same bytes, the same tag");
        }
        let before = shelf.look(&key(1)).await.unwrap().unwrap().tag;
        shelf.put(&key(1), body(1_001)).await.unwrap();
        assert_ne!(shelf.look(&key(1)).await.unwrap().unwrap().tag, before, "{habit:?}: other bytes");
        shelf.put(&key(1), body(1_000)).await.unwrap();
        assert_eq!(
            shelf.look(&key(1)).await.unwrap().unwrap().tag,
            before,
            "{habit:?}: the first ones again"
        );
        assert!(server.objects().iter().all(|path| path.starts_with(&format!("/{BUCKET}/windows/"))));
    }
}

#[tokio::test]
async fn one_bad_answer_is_waited_out_within_the_call() {
    let refuses = |status, code| Habit::Refuses { status, code, times: 1 };
    for habit in [
        refuses(429, "TooManyRequests"),
        refuses(503, "SlowDown"),
        refuses(500, "InternalError"),
        Habit::Page { status: 524, times: 1 },
        Habit::Page { status: 502, times: 1 },
        Habit::Cut,
    ] {
        let server = start(habit).await;
        let shelf = shelf(&server, usual());
        shelf.put(&key(1), body(1_000)).await.unwrap_or_else(|fault| panic!("{habit:?}: {}", fault.chain()));
        let got =
            shelf.fetch(&key(1), 9_999).await.unwrap_or_else(|fault| panic!("{habit:?}: {}", fault.chain()));
        assert!(matches!(got, Fetch::Found(found) if found.body == body(1_000)), "{habit:?}");
    }
}

#[tokio::test]
async fn what_does_not_pass_at_once_is_named_and_tried_later() {
    let always = usize::MAX;
    type Named = fn(&StoreError) -> bool;
    let cases: [(Habit, Named); 7] = [
        (Habit::Refuses { status: 429, code: "TooManyRequests", times: always }, |e| {
            matches!(e, StoreError::Throttled { .. })
        }),
        (Habit::Page { status: 429, times: always }, |e| matches!(e, StoreError::Throttled { .. })),
        (Habit::Refuses { status: 503, code: "SlowDown", times: always }, |e| {
            matches!(e, StoreError::Throttled { .. })
        }),
        (Habit::Page { status: 524, times: always }, |e| matches!(e, StoreError::Down { status: 524, .. })),
        (Habit::Refuses { status: 403, code: "RequestTimeTooSkewed", times: always }, |e| {
            matches!(e, StoreError::ClockSkew { .. })
        }),
        (Habit::Page { status: 403, times: always }, |e| {
            matches!(e, StoreError::Refused { status: 403, .. })
        }),
        (Habit::Refuses { status: 507, code: "InsufficientStorage", times: always }, |e| {
            matches!(e, StoreError::Full { .. })
        }),
    ];
    for (habit, named) in cases {
        let server = start(habit).await;
        let shelf = shelf(&server, transfer());
        let faults =
            [shelf.put(&key(1), body(10)).await.unwrap_err(), shelf.fetch(&key(1), 99).await.unwrap_err()];
        for fault in faults {
            assert!(named(cause(&fault)) && fault.retry == Retry::Later, "{habit:?}: {}", fault.chain());
        }
    }
}

#[tokio::test]
async fn one_skewed_clock_ends_nothing_and_has_its_name_also_where_head_has_no_body() {
    let once = Habit::Refuses { status: 403, code: "RequestTimeTooSkewed", times: 1 };
    let server = start(once).await;
    let shelf_once = shelf(&server, usual());
    let first = shelf_once.put(&key(1), body(1_000)).await.unwrap_err();
    assert!(matches!(cause(&first), StoreError::ClockSkew { .. }), "{}", first.chain());
    assert_eq!(first.retry, Retry::Later, "a miner goes on");
    shelf_once.put(&key(1), body(1_000)).await.unwrap();
    let puts = server.log().iter().filter(|line| line.starts_with("PUT ")).count();
    assert_eq!(puts, 2, "what lies there is looked for again, not sent again: {:?}", server.log());

    let server = start(Habit::Refuses { status: 403, code: "RequestTimeTooSkewed", times: usize::MAX }).await;
    let fault = shelf(&server, transfer()).look(&key(1)).await.unwrap_err();
    assert!(matches!(cause(&fault), StoreError::ClockSkew { .. }), "{}", fault.chain());
    assert!(fault.chain().contains("synchronise it") && fault.retry == Retry::Later, "{}", fault.chain());
    // A refusal for good is one for good with HEAD too.
    let server = start(Habit::Refuses { status: 403, code: "AccessDenied", times: usize::MAX }).await;
    let fault = shelf(&server, transfer()).look(&key(1)).await.unwrap_err();
    assert!(matches!(cause(&fault), StoreError::AccessDenied { .. }), "{}", fault.chain());
    assert_eq!(fault.retry, Retry::Never);
}

#[tokio::test]
async fn an_object_without_a_time_is_not_one_of_1970() {
    for habit in [Habit::NoTime, Habit::OddTime] {
        let server = start(habit).await;
        let shelf = shelf(&server, transfer());
        let stored = shelf.put(&key(1), body(10)).await.unwrap_err();
        let fetched = shelf.fetch(&key(1), 99).await.unwrap_err();
        let looked = shelf.look(&key(1)).await.unwrap_err();
        for fault in [stored, fetched, looked] {
            assert!(matches!(cause(&fault), StoreError::NoTime), "{habit:?}: {}", fault.chain());
            assert_eq!(fault.retry, Retry::Later);
        }
        let report = examined(&server).await;
        assert_eq!(codes(&report), ["no-last-modified"], "{habit:?}: {report:?}");
        assert!(!report.mistakes[0].is_warning());
    }
}

#[tokio::test]
async fn an_endpoint_with_a_bucket_or_a_path_is_refused_by_name_everywhere() {
    let server = start(Habit::None).await;
    for (behind, code) in [
        (format!("/{BUCKET}"), "endpoint-with-bucket"),
        (format!("/{BUCKET}/"), "endpoint-with-bucket"),
        (format!("/{BUCKET}/windows"), "endpoint-with-bucket"),
        ("/windows".to_owned(), "endpoint-with-path"),
        ("/?x=1".to_owned(), "endpoint-with-path"),
    ] {
        let url = format!("{}{behind}", server.url);
        for path_style in [true, false] {
            let place =
                Location { endpoint: Endpoint::Url(url.clone()), path_style, ..location(&server.url) };
            let refused = Shelf::own_bucket(&place, &read_pair(), &write_pair(), usual()).unwrap_err();
            let said = refused.to_string();
            assert!(matches!(refused, StoreError::Setting { setting: "endpoint", .. }), "{said}");
            assert!(said.contains(&format!("it is {}", server.url)), "{said}");
        }
        let report = examined_at(&url).await;
        assert_eq!(codes(&report), [code], "{url}");
        assert_eq!(report.mistakes[0].remedy(), format!("set R2_ENDPOINT_URL={}", server.url));
    }
    assert_eq!(server.log(), Vec::<String>::new(), "nothing was sent");
}

async fn examined_at(url: &str) -> ProbeReport {
    probe::examine(&subject(url), &clock(), Patience::default()).await
}

#[tokio::test]
async fn the_doctor_makes_no_bucket() {
    let server = start(Habit::MakesBuckets).await;
    for run in 1..=2 {
        let report = examined(&server).await;
        assert_eq!(codes(&report), ["no-such-bucket"], "run {run}: {report:?}");
        assert!(!report.wrote && server.buckets() == 0 && server.objects().is_empty(), "run {run}");
    }
    assert!(!server.log().iter().any(|line| line.starts_with("PUT ") || line.starts_with("POST ")));
}

#[tokio::test]
async fn the_doctor_names_what_a_shelf_would_meet() {
    for (habit, expected) in [
        (Habit::None, &[][..]),
        (Habit::R2, &[]),
        (Habit::Weak, &[]),
        (Habit::HeadRefused, &[]),
        (Habit::Versioned, &["bucket-versioned"]),
        (Habit::Suspended, &["bucket-versioned"]),
        (Habit::Refuses { status: 503, code: "SlowDown", times: 1 }, &[]),
        (Habit::Refuses { status: 403, code: "RequestTimeTooSkewed", times: usize::MAX }, &["clock-skew"]),
        (Habit::NoBucket, &["no-such-bucket"]),
    ] {
        let server = start(habit).await;
        let report = examined(&server).await;
        assert_eq!(codes(&report), expected, "{habit:?}: {report:?}");
        assert!(server.objects().is_empty(), "{habit:?}: {:?}", server.objects());
        if let [mistake] = report.mistakes.as_slice() {
            assert_eq!(mistake.is_warning(), mistake.code() == "bucket-versioned", "{mistake}");
        }
    }
    // A page with status 200 is neither a list nor an object.
    let report = examined(&start(Habit::Portal).await).await;
    assert!(codes(&report).contains(&"odd-answer") && !report.wrote, "{report:?}");
}

#[tokio::test]
async fn a_file_of_a_checkpoint_is_fetched_whole_and_in_ranges() {
    use grail_artifact::checkpoint::{CheckpointPlace, FileName};
    use grail_ports::checkpoint::CheckpointShelf;
    use grail_protocol::words::WindowStart;
    for habit in [Habit::None, Habit::WholeRanges, Habit::Weak, Habit::NoTime, Habit::HeadRefused] {
        let server = start(habit).await;
        let shelf = shelf(&server, usual());
        let file = CheckpointPlace::Window(WindowStart(20)).file(FileName::new("config.json").unwrap());
        CheckpointShelf::put(&shelf, &file, body(1_000)).await.unwrap();
        for (offset, bytes, expected) in
            [(0, 1_000, 0..1_000), (0, 9_999, 0..1_000), (0, 10, 0..10), (990, 10, 990..1_000), (5, 7, 5..12)]
        {
            let part =
                CheckpointShelf::fetch(&shelf, &file, offset, bytes).await.unwrap().expect("it is there");
            assert_eq!(part.size, 1_000, "{habit:?}");
            assert!(part.body == body(1_000).slice(expected), "{habit:?} {offset} {bytes}");
        }
    }
}

//! Each mistake in a bucket's set-up is named for what it is, also by a store that says little.

use super::house::{self, ACCOUNT, ANYTHING, NOTHING, READ, READ_WITHOUT_LIST, Rules, WRITE_WITHOUT_LIST};
use grail_protocol::words::UnixMillis;
use grail_store::{
    Endpoint, Location, ReadCredentials, WriteCredentials,
    probe::{self, Mistake, Patience, ProbeReport, Subject},
};
use grail_testkit::doors::ManualClock;
use std::time::{SystemTime, UNIX_EPOCH};

#[expect(clippy::disallowed_methods, reason = "what a real server says is held against real time")]
pub(crate) fn clock() -> ManualClock {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    ManualClock::at(UnixMillis(u64::try_from(since.as_millis()).unwrap()))
}

pub(crate) fn subject(url: &str) -> Subject {
    Subject {
        location: Location {
            endpoint: Endpoint::Url(url.to_owned()),
            region: "us-east-1".to_owned(),
            bucket: ACCOUNT.to_owned(),
            path_style: true,
            allow_http: true,
        },
        account: ACCOUNT.to_owned(),
        read: ReadCredentials::new(ACCOUNT, "reader", "reader-secret").unwrap(),
        write: WriteCredentials::new("writer", "writer-secret").unwrap(),
        place: None,
    }
}

/// Examines a house as `change` sets it up, and checks that no probe is left behind.
async fn examined(rules: Rules, change: impl FnOnce(&mut Subject)) -> ProbeReport {
    let house = house::open(rules).await;
    let mut subject = subject(&house.url);
    change(&mut subject);
    let report = probe::examine(&subject, &clock(), Patience::default()).await;
    let left = std::fs::read_dir(house.dir.path().join(ACCOUNT)).unwrap();
    let left: Vec<_> = left
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() || std::fs::read_dir(path).unwrap().next().is_some())
        .collect();
    assert!(left.is_empty() || report.mistakes.iter().any(|m| matches!(m, Mistake::Left { .. })), "{left:?}");
    report
}

pub(crate) fn codes(report: &ProbeReport) -> Vec<&'static str> {
    report.mistakes.iter().map(Mistake::code).collect()
}

fn keys(writer: house::May, reader: house::May) -> Rules {
    Rules {
        keys: vec![("writer", "writer-secret", writer), ("reader", "reader-secret", reader)],
        ..Rules::default()
    }
}

fn write(id: &str, secret: &str) -> WriteCredentials {
    WriteCredentials::new(id, secret).unwrap()
}

fn read(id: &str, secret: &str) -> ReadCredentials {
    ReadCredentials::new(ACCOUNT, id, secret).unwrap()
}

#[tokio::test]
async fn a_bucket_in_order_has_no_mistakes() {
    for vague in [false, true] {
        let report = examined(Rules { vague, place: Some("ENAM"), ..Rules::default() }, |subject| {
            subject.place = Some("ENAM".to_owned());
        })
        .await;
        assert_eq!(codes(&report), Vec::<&str>::new(), "{report:?}");
        assert!(report.wrote && report.read && report.read_only, "{report:?}");
        assert_eq!(report.place.as_deref(), Some("ENAM"));
        assert!(report.ahead_ms.is_some_and(|ahead| ahead.abs() < 3_000), "{report:?}");
    }
}

#[tokio::test]
async fn wrong_keys_are_told_apart() {
    type Change = fn(&mut Subject);
    let cases: [(&str, &str, Change); 7] = [
        ("wrong-write-key-id", "wrong-write-pair", |s| s.write = write("nobody", "writer-secret")),
        ("wrong-write-secret", "wrong-write-pair", |s| s.write = write("writer", "typo")),
        ("wrong-read-key-id", "wrong-read-pair", |s| s.read = read("nobody", "reader-secret")),
        ("wrong-read-secret", "wrong-read-pair", |s| s.read = read("reader", "typo")),
        ("write-pair-swapped", "write-pair-swapped", |s| s.write = write("writer-secret", "writer")),
        ("read-pair-swapped", "read-pair-swapped", |s| s.read = read("reader-secret", "reader")),
        ("account-mismatch", "account-mismatch", |s| {
            s.write = write("other", "other-secret");
            s.read = read("another", "another-secret");
        }),
    ];
    for (plain, vague, change) in cases {
        assert_eq!(codes(&examined(Rules::default(), change).await), [plain]);
        let rules = Rules { vague: true, ..Rules::default() };
        assert_eq!(codes(&examined(rules, change).await), [vague], "{plain} at a vague store");
    }
    for vague in [false, true] {
        let crossed = examined(Rules { vague, ..Rules::default() }, |s| {
            s.write = write("writer", "reader-secret");
            s.read = read("reader", "writer-secret");
        })
        .await;
        assert_eq!(codes(&crossed), ["secrets-crossed"], "{crossed:?}");
    }
}

#[tokio::test]
async fn permissions_are_told_apart() {
    for vague in [false, true] {
        let cases = [
            (ANYTHING, ANYTHING, vec!["read-key-can-write"]),
            (READ, READ, vec!["write-key-cannot-write"]),
            (WRITE_WITHOUT_LIST, READ, vec!["write-key-cannot-list"]),
            (ANYTHING, READ_WITHOUT_LIST, vec!["read-key-cannot-list"]),
        ];
        for (writer, reader, expected) in cases {
            let report = examined(Rules { vague, ..keys(writer, reader) }, |_| {}).await;
            assert_eq!(codes(&report), expected, "vague: {vague}");
        }
    }
    let report = examined(keys(ANYTHING, NOTHING), |_| {}).await;
    assert_eq!(codes(&report), ["read-key-no-access"]);
    let report = examined(keys(NOTHING, READ), |_| {}).await;
    assert_eq!(codes(&report), ["write-key-no-access"]);
}

#[tokio::test]
async fn wrong_places_are_told_apart() {
    let report = examined(Rules::default(), |s| {
        s.location.bucket = "windows".to_owned();
        s.account = "windows".to_owned();
    })
    .await;
    assert_eq!(codes(&report), ["no-such-bucket"]);
    let report = examined(Rules::default(), |s| s.account = "f".repeat(32)).await;
    assert_eq!(codes(&report), ["bucket-name-not-account"]);
    let report = examined(Rules { region: Some("eu-north-1"), ..Rules::default() }, |_| {}).await;
    assert_eq!(codes(&report), ["wrong-region"]);
    assert_eq!(report.mistakes[0].remedy(), "set R2_REGION=eu-north-1");
    let report =
        examined(Rules { place: Some("WEUR"), ..Rules::default() }, |s| s.place = Some("ENAM".into())).await;
    assert_eq!(codes(&report), ["bucket-elsewhere"]);
    assert!(report.mistakes[0].is_warning());
}

#[tokio::test]
async fn clocks_are_compared() {
    let ahead = |ahead_ms| Rules { ahead_ms, ..Rules::default() };
    let report = examined(ahead(10_000), |_| {}).await;
    assert_eq!((codes(&report), report.mistakes[0].is_warning()), (vec!["clock-skew"], true));
    let report = examined(ahead(-100_000), |_| {}).await;
    assert_eq!((codes(&report), report.mistakes[0].is_warning()), (vec!["clock-skew"], false));
    assert!(
        report.mistakes[0].to_string().contains("100 s ahead of the store's")
            || report.mistakes[0].to_string().contains("101 s ahead"),
        "{}",
        report.mistakes[0]
    );
    let report = examined(ahead(3_600_000), |_| {}).await;
    assert_eq!(codes(&report), ["clock-skew"], "refused for it, and named once");
    assert!(report.mistakes[0].to_string().contains("behind the store's"), "{}", report.mistakes[0]);
}

#[tokio::test]
async fn what_cannot_work_is_said_before_anybody_is_asked() {
    let house = house::open(Rules::default()).await;
    let asked = async |change: fn(&mut Subject)| {
        let mut subject = subject(&house.url);
        change(&mut subject);
        codes(&probe::examine(&subject, &clock(), Patience::default()).await)
    };
    assert_eq!(asked(|s| s.location.allow_http = false).await, ["plain-http"]);
    assert_eq!(asked(|s| s.read = read("writer", "other")).await, ["equal-keys"]);
    assert_eq!(asked(|s| s.read = read("other", "writer-secret")).await, ["equal-keys"]);
    assert_eq!(asked(|s| s.location.endpoint = Endpoint::Url("localhost".into())).await, ["setting"]);
    let before = house.seen.requests.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(before, 0);
    let nowhere = asked(|s| s.location.endpoint = Endpoint::Url("http://127.0.0.1:1".into())).await;
    assert_eq!(nowhere, ["endpoint-unreachable"]);
    let foreign = asked(|s| {
        let other = "f".repeat(32);
        // The name is not to be found, in tests as elsewhere.
        s.location.endpoint = Endpoint::Url(format!("http://{other}.r2.cloudflarestorage.com:1"));
    })
    .await;
    assert!(foreign.contains(&"account-mismatch"), "{foreign:?}");
}

#[tokio::test]
async fn a_store_that_says_nothing_is_left_in_time() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let patience = Patience { question_ms: 200, ..Patience::default() };
    let report = probe::examine(&subject(&url), &clock(), patience).await;
    assert_eq!(codes(&report), ["endpoint-unreachable"]);
    assert!(report.mistakes[0].to_string().contains("no answer within 200 ms"), "{}", report.mistakes[0]);
    drop(listener);
}

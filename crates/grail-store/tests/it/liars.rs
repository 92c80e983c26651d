//! Servers that misbehave: every call ends, holds no more memory than it may, and says what was wrong.

use super::{
    cause, key,
    server::{location, read_pair, transfer},
};
use grail_ports::{
    Fault, Retry,
    shelf::{Fetch, WindowShelf as _},
};
use grail_store::{Shelf, StoreError, Transfer};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

const HEADERS: &str = "etag: \"t\"\r\nlast-modified: Wed, 21 Oct 2015 07:28:00 GMT\r\n";

#[derive(Clone, Copy)]
enum Then {
    Close,
    Hang,
    Repeat,
}

/// Answers every request with the same bytes.
async fn fetch(answer: String, then: Then, transfer: Transfer) -> Result<Fetch, Fault> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = socket.read(&mut request).await;
                let _ = socket.write_all(answer.as_bytes()).await;
                match then {
                    Then::Close => {}
                    Then::Hang => std::future::pending().await,
                    Then::Repeat => while socket.write_all(&[b'x'; 65_536]).await.is_ok() {},
                }
            });
        }
    });
    let bucket = Shelf::bucket(&location(&url), &read_pair(), transfer).unwrap();
    let got = bucket.fetch(&key(1), 1_000).await;
    server.abort();
    got
}

fn refusal(status: &str, code: &str) -> String {
    let body = format!("<Error><Code>{code}</Code><Message>no</Message></Error>");
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

fn fault(got: Result<Fetch, Fault>) -> Fault {
    match got {
        Err(fault) => fault,
        Ok(fetch) => panic!("a fault was expected: {fetch:?}"),
    }
}

#[tokio::test]
async fn ten_gigabytes_are_turned_away_by_their_header() {
    let answer = format!("HTTP/1.1 200 OK\r\n{HEADERS}content-length: 10000000000\r\n\r\n");
    match fetch(answer, Then::Repeat, transfer()).await.unwrap() {
        Fetch::TooLarge { meta } => assert_eq!(meta.size, 10_000_000_000),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_body_without_a_size_is_not_swallowed() {
    let chunk = "10000\r\n".to_owned() + &"x".repeat(65_536) + "\r\n";
    let answer = format!("HTTP/1.1 200 OK\r\n{HEADERS}transfer-encoding: chunked\r\n\r\n{chunk}");
    fault(fetch(answer, Then::Hang, transfer()).await);
}

#[tokio::test]
async fn a_body_that_ends_early_is_a_fault_and_no_object() {
    let answer = format!("HTTP/1.1 200 OK\r\n{HEADERS}content-length: 100\r\n\r\nonly this");
    let fault = fault(fetch(answer, Then::Close, transfer()).await);
    assert_eq!(fault.retry, Retry::Later, "{fault:?}");
}

#[tokio::test]
async fn silence_ends_at_the_deadline() {
    let hasty = Transfer { deadline_ms: 200, ..transfer() };
    let stalled = format!("HTTP/1.1 200 OK\r\n{HEADERS}content-length: 100\r\n\r\nonly this");
    for answer in [String::new(), stalled] {
        let fault = fault(fetch(answer, Then::Hang, hasty).await);
        assert!(matches!(cause(&fault), StoreError::Timeout { deadline_ms: 200 }), "{fault:?}");
    }
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let said =
        async |status: &str, code: &str| fault(fetch(refusal(status, code), Then::Close, transfer()).await);
    let skewed = said("403 Forbidden", "RequestTimeTooSkewed").await;
    assert!(matches!(cause(&skewed), StoreError::ClockSkew { .. }), "{skewed:?}");
    assert!(skewed.chain().contains("synchronise it"), "{}", skewed.chain());
    let busy = said("503 Service Unavailable", "SlowDown").await;
    assert!(matches!(cause(&busy), StoreError::Throttled { .. }), "{busy:?}");
    assert_eq!(busy.retry, Retry::Later);
    let unknown = said("403 Forbidden", "InvalidAccessKeyId").await;
    assert!(matches!(cause(&unknown), StoreError::UnknownKey { .. }), "{unknown:?}");
    let no_bucket = said("404 Not Found", "NoSuchBucket").await;
    assert!(matches!(cause(&no_bucket), StoreError::NoBucket { .. }), "{no_bucket:?}");
    let region = said("400 Bad Request", "AuthorizationHeaderMalformed").await;
    assert!(matches!(cause(&region), StoreError::WrongRegion { .. }), "{region:?}");
    let absent = fetch(refusal("404 Not Found", "NoSuchKey"), Then::Close, transfer()).await;
    assert_eq!(absent.unwrap(), Fetch::Absent);
}

#[tokio::test]
async fn a_closed_port_is_named() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let bucket = Shelf::bucket(&location(&url), &read_pair(), transfer()).unwrap();
    let fault = fault(bucket.fetch(&key(1), 10).await);
    assert!(matches!(cause(&fault), StoreError::Unreachable { .. }), "{fault:?}");
}

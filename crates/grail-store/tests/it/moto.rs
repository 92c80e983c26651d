//! Another S3 of somebody else's making: moto, where Python has it. It checks no signatures, so everybody may write.

use super::server::{BUCKET, location, read_pair, transfer, write_pair};
use bytes::Bytes;
use grail_protocol::words::UnixMillis;
use grail_store::{
    Shelf, Transfer,
    probe::{self, Mistake, Patience, Subject},
};
use grail_testkit::doors::{ManualClock, conformance};
use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::Duration,
};

struct Moto {
    url: String,
    process: Child,
}

impl Drop for Moto {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
/// Starts a server with the bucket; `None`, loudly, where Python has no moto.
async fn start() -> Option<Moto> {
    let has = Command::new("python3").args(["-c", "import moto.server"]).stderr(Stdio::null()).status();
    if !has.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: python3 has no moto.server; `pip install 'moto[server]'` lets this test run");
        return None;
    }
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let process = Command::new("python3")
        .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let moto = Moto { url: format!("http://127.0.0.1:{port}"), process };
    let http = reqwest::Client::new();
    let made = async {
        loop {
            let request = http.put(format!("{}/{BUCKET}", moto.url)).header("authorization", "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0");
            match request.send().await {
                Ok(response) if response.status().is_success() => return,
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(120), made).await.expect("moto starts");
    Some(moto)
}

#[tokio::test]
async fn a_bucket_of_moto_keeps_the_promises_and_its_openness_is_named() {
    let Some(moto) = start().await else { return };
    let parts = Transfer { part_bytes: 5 << 20, ..transfer() };
    let bucket = Shelf::own_bucket(&location(&moto.url), &read_pair(), &write_pair(), parts).unwrap();
    conformance::shelf(&bucket).await;
    let body = Bytes::from(vec![7; 11 << 20]);
    let key = super::key(9);
    use grail_ports::shelf::{Fetch, WindowShelf as _};
    bucket.put(&key, body.clone()).await.unwrap();
    assert!(matches!(bucket.fetch(&key, 20 << 20).await.unwrap(), Fetch::Found(found) if found.body == body));

    let subject = Subject {
        location: location(&moto.url),
        account: BUCKET.to_owned(),
        read: read_pair(),
        write: write_pair(),
        place: None,
    };
    // A clock that stands at 1970 is one more mistake for the doctor to name.
    let report = probe::examine(&subject, &ManualClock::at(UnixMillis(0)), Patience::default()).await;
    let codes: Vec<_> = report.mistakes.iter().map(Mistake::code).collect();
    assert_eq!(codes, ["clock-skew", "read-key-can-write"], "{report:?}");
    assert!(report.wrote && report.read && !report.read_only, "{report:?}");
}

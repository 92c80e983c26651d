use super::{
    cause, key,
    server::{BUCKET, location, read_pair, start, transfer, write_pair},
};
use bytes::Bytes;
use grail_ports::{
    Retry,
    chain::ChainWrite as _,
    shelf::{Fetch, ShelfDirectory as _, WindowShelf as _},
};
use grail_protocol::words::{Hotkey, UnixMillis};
use grail_store::{
    CommittedDirectory, Endpoint, Location, ReadCredentials, Shelf, StoreError, Transfer, WriteCredentials,
};
use grail_testkit::doors::{MemChain, conformance};
use std::{fs, sync::Arc, time::Duration};

#[tokio::test]
async fn an_s3_bucket_keeps_the_promises_of_the_door() {
    let server = start().await;
    let bucket = Shelf::own_bucket(&location(&server.url), &read_pair(), &write_pair(), transfer()).unwrap();
    conformance::shelf(&bucket).await;
}

#[tokio::test]
async fn objects_in_many_parts_arrive_whole() {
    let server = start().await;
    // S3 asks for parts of at least five megabytes.
    let parts = Transfer { part_bytes: 5 << 20, parts: 2, ..transfer() };
    let bucket = Shelf::own_bucket(&location(&server.url), &read_pair(), &write_pair(), parts).unwrap();
    let body: Bytes = (0..(11u32 << 20)).map(|i| (i % 253) as u8).collect::<Vec<_>>().into();
    let put = bucket.put(&key(1), body.clone()).await.unwrap();
    match bucket.fetch(&key(1), 20 << 20).await.unwrap() {
        Fetch::Found(found) => {
            assert!(found.body == body, "the parts are in order");
            assert_eq!(found.meta, put);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_upload_that_fails_is_taken_back() {
    let server = start().await;
    let parts = Transfer { part_bytes: 5 << 20, ..transfer() };
    let interrupted = WriteCredentials::new("interrupted", "interrupted-secret").unwrap();
    let bucket = Shelf::own_bucket(&location(&server.url), &read_pair(), &interrupted, parts).unwrap();
    let fault = bucket.put(&key(1), Bytes::from(vec![1; 6 << 20])).await.unwrap_err();
    assert!(matches!(cause(&fault), StoreError::AccessDenied { .. }), "{fault:?}");
    let uploads = || {
        let entries = fs::read_dir(server.dir.path()).unwrap();
        entries.filter(|entry| entry.as_ref().unwrap().file_name().as_encoded_bytes().starts_with(b".upload"))
    };
    assert!(uploads().count() > 0, "the parts had arrived, and taking them back has only begun");
    // It goes on behind the caller's back.
    let gone = async {
        while uploads().count() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), gone).await.expect("the parts are taken back");
    assert_eq!(bucket.fetch(&key(1), 10).await.unwrap(), Fetch::Absent);
}

#[tokio::test]
async fn each_wrong_set_up_has_its_own_name() {
    let server = start().await;
    let place = location(&server.url);
    let body = || Bytes::from_static(b"x");
    let own = |place: &Location, read: &ReadCredentials, write: &WriteCredentials| {
        Shelf::own_bucket(place, read, write, transfer()).unwrap()
    };

    let reader_only = Shelf::bucket(&place, &read_pair(), transfer()).unwrap();
    let fault = reader_only.put(&key(1), body()).await.unwrap_err();
    assert!(matches!(cause(&fault), StoreError::ReadOnlyBucket), "{fault:?}");

    let as_writer = WriteCredentials::new("reader", "reader-secret").unwrap();
    let fault = own(&place, &read_pair(), &as_writer).put(&key(1), body()).await.unwrap_err();
    assert!(matches!(cause(&fault), StoreError::AccessDenied { .. }), "{fault:?}");
    assert_eq!(fault.retry, Retry::Never);

    let wrong_secret = WriteCredentials::new("writer", "swapped").unwrap();
    let fault = own(&place, &read_pair(), &wrong_secret).put(&key(1), body()).await.unwrap_err();
    assert!(matches!(cause(&fault), StoreError::WrongSecret { .. }), "{fault:?}");

    let unknown = ReadCredentials::new(BUCKET, "nobody", "reader-secret").unwrap();
    let fault = Shelf::bucket(&place, &unknown, transfer()).unwrap().fetch(&key(1), 9).await.unwrap_err();
    assert!(
        matches!(cause(&fault), StoreError::UnknownKey { .. } | StoreError::AccessDenied { .. }),
        "{fault:?}"
    );

    let line = fault.chain();
    assert!(line.contains(BUCKET) && !line.contains("-secret"), "{line}");
}

#[test]
fn settings_that_cannot_work_are_refused_before_anything_is_sent() {
    let good = location("http://127.0.0.1:1");
    let cases = [
        (Location { allow_http: false, ..good.clone() }, "endpoint"),
        (Location { endpoint: Endpoint::Url("127.0.0.1:1".into()), ..good.clone() }, "endpoint"),
        (Location { bucket: "a.evil/..".into(), ..good.clone() }, "bucket"),
        (
            Location { endpoint: Endpoint::R2 { account: "evil.example".into() }, ..good.clone() },
            "account id",
        ),
    ];
    for (place, expected) in cases {
        match Shelf::bucket(&place, &read_pair(), transfer()) {
            Err(StoreError::Setting { setting, .. }) => assert_eq!(setting, expected),
            other => panic!("{place:?}: {other:?}"),
        }
    }
    let r2 = Location { endpoint: Endpoint::R2 { account: BUCKET.into() }, allow_http: false, ..good };
    let bucket = Shelf::bucket(&r2, &read_pair(), transfer()).unwrap();
    assert!(format!("{bucket:?}").contains(".r2.cloudflarestorage.com"));
}

#[tokio::test]
async fn buckets_are_found_through_the_chain() {
    let server = start().await;
    let own = Shelf::own_bucket(&location(&server.url), &read_pair(), &write_pair(), transfer()).unwrap();
    own.put(&key(1), Bytes::from_static(b"window")).await.unwrap();

    let chain = MemChain::by_hand("test", UnixMillis(0), 1_000);
    let [miner, vandal, silent] = [1, 2, 3].map(|byte| Hotkey::from_bytes([byte; 32]));
    for hotkey in [miner, vandal, silent] {
        chain.register(hotkey, 0.0, false);
    }
    let commitment = read_pair().commitment(&write_pair()).unwrap();
    chain.as_hotkey(miner).commit(&commitment).await.unwrap();
    chain.as_hotkey(vandal).commit(b"https://evil.example/").await.unwrap();

    let directory =
        CommittedDirectory::at(Arc::new(chain.clone()), &server.url, "us-east-1", true, transfer());
    conformance::directory(&directory, &[miner], &[vandal, silent]).await;
    let shelf = directory.shelf_of(&miner).await.unwrap().expect("the commitment names a bucket");
    assert!(matches!(shelf.fetch(&key(1), 10).await.unwrap(), Fetch::Found(found) if found.body == "window"));
    assert!(shelf.put(&key(1), Bytes::new()).await.is_err(), "published credentials cannot write");
    let again = directory.shelf_of(&miner).await.unwrap().unwrap();
    assert!(Arc::ptr_eq(&shelf, &again), "one client serves window after window");
    let moved = ReadCredentials::new(BUCKET, "reader-2", "another").unwrap();
    chain.as_hotkey(miner).commit(&moved.commitment(&write_pair()).unwrap()).await.unwrap();
    let renewed = directory.shelf_of(&miner).await.unwrap().unwrap();
    assert!(!Arc::ptr_eq(&shelf, &renewed), "a new commitment is a new bucket");

    chain.trouble().fail(1);
    assert!(directory.shelf_of(&miner).await.is_err(), "trouble with the chain is not absence");

    let r2 = CommittedDirectory::r2(Arc::new(chain), transfer());
    assert!(r2.shelf_of(&miner).await.unwrap().is_some());
}

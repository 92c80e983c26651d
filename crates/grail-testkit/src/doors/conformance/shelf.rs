use bytes::Bytes;
use grail_artifact::keys::{ShelfKey, VerdictKey, WindowEncoding, WindowKey};
use grail_ports::shelf::{Fetch, Fetched, WindowShelf};
use grail_protocol::words::{Hotkey, WindowStart};

const ROOM: u64 = 1 << 20;

fn key(owner: u8, window: u64, encoding: WindowEncoding) -> ShelfKey {
    WindowKey { hotkey: Hotkey::from_bytes([owner; 32]), window: WindowStart(window), encoding }.into()
}

async fn found<S: WindowShelf + ?Sized>(shelf: &S, key: &ShelfKey, limit: u64) -> Fetched {
    match shelf.fetch(key, limit).await {
        Ok(Fetch::Found(fetched)) => fetched,
        other => panic!("{key} should be there within {limit} bytes: {other:?}"),
    }
}

/// Examines a shelf that may be written to and holds nothing of the owners `[0xc0; 32]` to `[0xc3; 32]`.
///
/// # Panics
/// When a promise of [`WindowShelf`] is broken.
pub async fn shelf<S: WindowShelf + ?Sized>(shelf: &S) {
    what_is_written_is_read(shelf).await;
    limits_hold_to_the_byte(shelf).await;
    keys_do_not_mix(shelf).await;
    looks_tell_what_a_fetch_tells(shelf).await;
    writers_in_a_race_leave_whole_objects(shelf).await;
}

async fn looks_tell_what_a_fetch_tells<S: WindowShelf + ?Sized>(shelf: &S) {
    let (there, gone) = (key(0xc0, 70, WindowEncoding::Json), key(0xc3, 70, WindowEncoding::Json));
    shelf.put(&there, Bytes::from_static(b"seven")).await.expect("room for seven bytes");
    let fetched = found(shelf, &there, ROOM).await;
    let seen = shelf.look(&there).await.expect("the shelf answers").expect("it is there");
    assert_eq!((seen.size, seen.stored_at), (5, fetched.meta.stored_at));
    assert_eq!(shelf.look(&gone).await.expect("the shelf answers"), None);
}

async fn what_is_written_is_read<S: WindowShelf + ?Sized>(shelf: &S) {
    let key = key(0xc0, 100, WindowEncoding::Parquet);
    let absent = shelf.fetch(&key, ROOM).await.expect("absence is no fault");
    assert_eq!(absent, Fetch::Absent, "nothing was written yet");

    let body = Bytes::from_static(b"first");
    let put = shelf.put(&key, body.clone()).await.expect("an object is written");
    assert_eq!(put.size, 5, "put tells the size");
    let first = found(shelf, &key, ROOM).await;
    assert_eq!(first.body, body, "the bytes come back");
    assert_eq!(first.meta, put, "fetch and put tell the same of the same bytes");

    let second_put = shelf.put(&key, Bytes::from_static(b"second, longer")).await.expect("it is replaced");
    let second = found(shelf, &key, ROOM).await;
    assert_eq!(second.body, "second, longer", "the newer bytes come back");
    assert_eq!(second.meta, second_put);
    assert!(second.meta.stored_at >= first.meta.stored_at, "store time does not run backwards");
    if let (Some(old), Some(new)) = (&first.meta.tag, &second.meta.tag) {
        assert_ne!(old, new, "other bytes have another tag");
    }

    shelf.put(&key, Bytes::new()).await.expect("an empty object is written");
    let empty = found(shelf, &key, 0).await;
    assert_eq!((empty.body.len(), empty.meta.size), (0, 0), "an empty object is not absent");
}

async fn limits_hold_to_the_byte<S: WindowShelf + ?Sized>(shelf: &S) {
    let key = key(0xc1, 100, WindowEncoding::Parquet);
    let body: Bytes = (0..100_000u32).map(|i| (i % 251) as u8).collect::<Vec<_>>().into();
    let put = shelf.put(&key, body.clone()).await.expect("an object is written");
    assert_eq!(found(shelf, &key, 100_000).await.body, body, "an object of exactly the limit is read");
    match shelf.fetch(&key, 99_999).await {
        Ok(Fetch::TooLarge { meta }) => {
            assert_eq!(meta.size, 100_000, "the true size is told");
            assert_eq!(meta.stored_at, put.stored_at);
        }
        other => panic!("one byte over the limit is too large: {other:?}"),
    }
}

async fn keys_do_not_mix<S: WindowShelf + ?Sized>(shelf: &S) {
    let keys = [
        key(0xc2, 100, WindowEncoding::Parquet),
        key(0xc2, 100, WindowEncoding::Json),
        key(0xc2, 1000, WindowEncoding::Parquet),
        key(0xc3, 100, WindowEncoding::Parquet),
        VerdictKey { validator: Hotkey::from_bytes([0xc2; 32]), window: WindowStart(100) }.into(),
    ];
    for (i, key) in keys.iter().enumerate() {
        assert_eq!(
            shelf.fetch(key, ROOM).await.expect("absence is no fault"),
            Fetch::Absent,
            "{key} is untouched"
        );
        shelf.put(key, Bytes::from(format!("body {i}"))).await.expect("an object is written");
    }
    for (i, key) in keys.iter().enumerate() {
        assert_eq!(found(shelf, key, ROOM).await.body, format!("body {i}"), "{key} kept its own bytes");
    }
}

async fn writers_in_a_race_leave_whole_objects<S: WindowShelf + ?Sized>(shelf: &S) {
    let key = &key(0xc3, 200, WindowEncoding::Parquet);
    let body = |fill: u8| Bytes::from(vec![fill; 40_000 + usize::from(fill)]);
    shelf.put(key, body(0)).await.expect("an object is written");
    let write = |fill: u8| async move {
        // A store may refuse the loser of a race; it must not mix the bytes.
        let _ = shelf.put(key, body(fill)).await;
    };
    let read = || async move {
        for _ in 0..4 {
            let got = found(shelf, key, ROOM).await;
            let fill = *got.body.first().expect("no writer writes nothing");
            assert_eq!(got.body, body(fill), "an object is whole or not there");
            assert_eq!(got.meta.size, got.body.len() as u64, "metadata belongs to the bytes");
        }
    };
    tokio::join!(write(1), read(), write(2), read(), write(3), read());
    let last = found(shelf, key, ROOM).await;
    let again = found(shelf, key, ROOM).await;
    assert_eq!(last, again, "with no writer left, two reads agree");
}

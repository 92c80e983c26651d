use bytes::Bytes;
use grail_artifact::checkpoint::{CheckpointKey, CheckpointPlace, FileName};
use grail_ports::checkpoint::{CheckpointShelf, Part};
use grail_protocol::words::WindowStart;
use std::{
    collections::BTreeSet,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
};

fn key(place: CheckpointPlace, name: &str) -> CheckpointKey {
    place.file(FileName::new(name).expect("a plain name"))
}

async fn part<S: CheckpointShelf + ?Sized>(shelf: &S, key: &CheckpointKey, offset: u64, bytes: u64) -> Part {
    match shelf.fetch(key, offset, bytes).await {
        Ok(Some(part)) => part,
        other => panic!("{key} should be there: {other:?}"),
    }
}

/// Examines an empty shelf for checkpoints. `file` is a file of this machine with the bytes `content`, at least ten.
///
/// # Panics
/// When a promise of [`CheckpointShelf`] is broken.
pub async fn checkpoints<S: CheckpointShelf + ?Sized>(shelf: &S, file: &Path, content: &[u8]) {
    let place = CheckpointPlace::Window(WindowStart(100));
    let (small, large) = (key(place, "config.json"), key(place, "model.safetensors"));
    assert_eq!(shelf.fetch(&small, 0, 10).await.expect("absence is no fault"), None);
    assert_eq!(shelf.list().await.expect("an empty shelf is listed"), []);

    shelf.put(&small, Bytes::from_static(b"{}")).await.expect("a small object is written");
    let sent = AtomicU64::new(0);
    let count = |more: u64| {
        sent.fetch_add(more, Ordering::SeqCst);
    };
    let size = shelf.put_file(&large, file, &count).await.expect("a file is written");
    assert_eq!(size, content.len() as u64, "put_file tells the size");
    assert_eq!(sent.into_inner(), size, "progress adds up to the size");

    let whole = part(shelf, &large, 0, size).await;
    assert_eq!((&whole.body[..], whole.size), (content, size), "the bytes come back");
    let some = part(shelf, &large, 3, 5).await;
    assert_eq!(
        (&some.body[..], some.size),
        (content.get(3..8).expect("ten bytes"), size),
        "a range comes back"
    );
    let tail = part(shelf, &large, size - 2, 100).await;
    assert_eq!(Some(&tail.body[..]), content.get(content.len() - 2..), "a range ends where the object does");
    for offset in [size, size + 7] {
        let none = part(shelf, &large, offset, 4).await;
        assert_eq!((none.body.len(), none.size), (0, size), "beyond the end there is nothing");
    }

    shelf.put(&small, Bytes::new()).await.expect("it is replaced");
    let empty = part(shelf, &small, 0, 4).await;
    assert_eq!((empty.body.len(), empty.size), (0, 0), "an empty object is not absent");

    let others = [
        CheckpointPlace::Window(WindowStart(1_000)),
        CheckpointPlace::Milestone(WindowStart(100)),
        CheckpointPlace::Window(WindowStart(10)),
    ];
    for other in others {
        shelf.put(&key(other, "READY"), Bytes::from_static(b"x")).await.expect("an object is written");
    }
    let listed: BTreeSet<(CheckpointKey, u64)> =
        shelf.list().await.expect("it is listed").into_iter().map(|one| (one.key, one.size)).collect();
    let mut want = BTreeSet::from([(small.clone(), 0), (large.clone(), size)]);
    want.extend(others.map(|other| (key(other, "READY"), 1)));
    assert_eq!(listed, want, "everything is listed with its size");

    let absent = key(place, "never.json");
    shelf.delete(&[absent, small.clone(), large.clone()]).await.expect("absent objects are no fault");
    assert_eq!(shelf.fetch(&small, 0, 1).await.expect("absence is no fault"), None);
    assert_eq!(
        shelf.list().await.expect("it is listed").len(),
        others.len(),
        "other checkpoints are untouched"
    );
}

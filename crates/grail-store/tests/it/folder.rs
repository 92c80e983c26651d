use super::{cause, key};
use bytes::Bytes;
use grail_ports::{
    Door, Retry,
    shelf::{Fetch, ShelfDirectory as _, WindowShelf as _},
};
use grail_protocol::words::Hotkey;
use grail_store::{FolderDirectory, Shelf, StoreError, Transfer};
use grail_testkit::doors::conformance;
use std::fs;

#[tokio::test]
async fn a_folder_keeps_the_promises_of_the_door() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::folder(dir.path(), Transfer::default()).unwrap();
    conformance::shelf(&shelf).await;
    let left: Vec<_> = fs::read_dir(dir.path().join("windows"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains('#'))
        .collect();
    assert_eq!(left, [""; 0], "no drafts are left");
}

#[tokio::test]
async fn a_missing_folder_is_named_and_never_taken_for_an_empty_one() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("shelf");
    let opened = Shelf::folder(&root, Transfer::default());
    assert!(matches!(opened, Err(StoreError::MissingFolder { .. })), "{opened:?}");

    fs::create_dir(&root).unwrap();
    let shelf = Shelf::folder(&root, Transfer::default()).unwrap();
    fs::remove_dir(&root).unwrap();
    for fault in [
        shelf.fetch(&key(1), 10).await.unwrap_err(),
        shelf.put(&key(1), Bytes::from_static(b"x")).await.unwrap_err(),
    ] {
        assert_eq!((fault.door, fault.retry), (Door::Shelf, Retry::Never));
        assert!(fault.chain().contains("does not exist; create it"), "{}", fault.chain());
    }
    assert!(!root.exists(), "a mistyped folder is not made");
}

/// `/sys` refuses new folders to everyone, root included.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_folder_that_cannot_be_written_to_is_named() {
    let shelf = Shelf::folder("/sys", Transfer::default()).unwrap();
    let fault = shelf.put(&key(1), Bytes::from_static(b"x")).await.unwrap_err();
    assert!(matches!(cause(&fault), StoreError::ReadOnlyFolder { .. }), "{fault:?}");
    assert!(fault.chain().contains("check its owner"), "{}", fault.chain());
}

#[tokio::test]
async fn what_is_no_plain_file_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::folder(dir.path(), Transfer::default()).unwrap();
    fs::create_dir_all(dir.path().join(key(1).to_string())).unwrap();
    let fault = shelf.fetch(&key(1), 10).await.unwrap_err();
    assert!(matches!(cause(&fault), StoreError::NotAFile { .. }), "{fault:?}");
}

#[tokio::test]
async fn a_failed_write_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::folder(dir.path(), Transfer::default()).unwrap();
    // A folder in the place of the file cannot be replaced by the rename, after the draft was written.
    let place = dir.path().join(key(1).to_string());
    fs::create_dir_all(place.join("precious")).unwrap();
    assert!(shelf.put(&key(1), Bytes::from_static(b"x")).await.is_err());
    assert!(place.join("precious").is_dir());
    assert_eq!(fs::read_dir(dir.path().join("windows")).unwrap().count(), 1, "the draft was taken away");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_claimed_size_costs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::folder(dir.path(), Transfer::default()).unwrap();
    shelf.put(&key(1), Bytes::from_static(b"x")).await.unwrap();
    // Ten gigabytes of nothing: a sparse file.
    let file = fs::File::options().write(true).open(dir.path().join(key(1).to_string())).unwrap();
    file.set_len(10_000_000_000).unwrap();
    match shelf.fetch(&key(1), 1_000_000).await.unwrap() {
        Fetch::TooLarge { meta } => assert_eq!(meta.size, 10_000_000_000),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn everyone_finds_the_one_folder() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = Shelf::folder(dir.path(), Transfer::default()).unwrap();
    let directory = FolderDirectory::new(shelf.clone());
    conformance::directory(&directory, &[1, 2].map(|byte| Hotkey::from_bytes([byte; 32])), &[]).await;
    let own = directory.shelf_of(&Hotkey::from_bytes([1; 32])).await.unwrap().unwrap();
    own.put(&key(1), Bytes::from_static(b"mine")).await.unwrap();
    assert!(matches!(shelf.fetch(&key(1), 10).await.unwrap(), Fetch::Found(found) if found.body == "mine"));
}

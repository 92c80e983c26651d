use grail_artifact::keys::{WindowEncoding, WindowKey};
use grail_ports::shelf::{Fetch, ShelfDirectory};
use grail_protocol::words::{Hotkey, WindowStart};

/// Examines a directory. `known` have a shelf of which nothing is written in window 0; `unknown` have none.
///
/// # Panics
/// When a promise of [`ShelfDirectory`] is broken.
pub async fn directory<D: ShelfDirectory + ?Sized>(directory: &D, known: &[Hotkey], unknown: &[Hotkey]) {
    for hotkey in known.iter().chain(known) {
        let shelf = directory.shelf_of(hotkey).await.expect("the directory answers");
        let shelf = shelf.expect("whoever publishes has a shelf, however often it is asked for");
        let key = WindowKey { hotkey: *hotkey, window: WindowStart(0), encoding: WindowEncoding::Parquet };
        let found = shelf.fetch(&key.into(), 10).await.expect("the shelf answers");
        assert_eq!(found, Fetch::Absent, "nothing was written");
    }
    for hotkey in unknown {
        let shelf =
            directory.shelf_of(hotkey).await.expect("who publishes nothing readable is no fault of ours");
        assert!(shelf.is_none(), "{hotkey} has no shelf");
    }
}

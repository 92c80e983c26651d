//! Who has put an object on their shelf: many shelves, one short question each, a bounded number at once.

use futures::StreamExt as _;
use grail_artifact::keys::ShelfKey;
use grail_ports::{
    Fault,
    shelf::{ObjectMeta, ShelfDirectory},
};
use std::sync::Arc;

/// Questions under way at once. Each goes to another bucket, and opens a connection of its own; more would burst.
pub const AT_ONCE: usize = 32;

/// What was seen of one object: its metadata, `None` where there is none (or no shelf), or why it is not known.
pub type Sighting = Result<Option<ObjectMeta>, Fault>;

/// Looks for each object on its owner's shelf, and answers in the order of the keys.
///
/// No bytes of objects travel. A sighting says nothing about the bytes that a later fetch returns: what counts is the
/// metadata that comes with them.
pub async fn discover(
    directory: Arc<dyn ShelfDirectory>,
    keys: Vec<ShelfKey>,
    at_once: usize,
) -> Vec<Sighting> {
    futures::stream::iter(keys)
        .map(|key| {
            let directory = Arc::clone(&directory);
            async move {
                match directory.shelf_of(key.owner()).await? {
                    Some(shelf) => shelf.look(&key).await,
                    None => Ok(None),
                }
            }
        })
        .buffered(at_once.max(1))
        .collect()
        .await
}

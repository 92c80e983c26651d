//! Work that blocks, beside loops that must not.

use grail_ports::{Door, Fault, Retry};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Runs work that blocks on a thread of its own; a panic in it is a fault, not the end of the program.
pub(crate) async fn blocking<T: Send + 'static>(
    doing: &'static str,
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        Fault::new(Door::Inside, Retry::Later, format!("{doing}: the work broke off"), error)
    })?
}

/// A lock that survives a panic of an earlier holder: models keep no state between calls that the next would read.
pub(crate) fn held<T>(lock: &Arc<Mutex<T>>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

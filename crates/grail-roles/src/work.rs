//! Work that blocks, beside loops that must not.

use grail_ports::{Door, Fault, Retry};
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

/// Whether anybody still waits for work that blocks. A thread cannot be stopped from outside, so long work asks.
pub(crate) struct Wanted(Arc<AtomicBool>);

impl Wanted {
    /// False once the future that waits for the work was dropped: the program ends, or something else came first.
    pub(crate) fn still(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Takes the wish back when it is dropped.
struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// Runs work that blocks on a thread of its own; a panic in it is a fault, not the end of the program.
pub(crate) async fn blocking<T: Send + 'static>(
    doing: &'static str,
    work: impl FnOnce(&Wanted) -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let waiting = Waiting(Arc::new(AtomicBool::new(true)));
    let wanted = Wanted(waiting.0.clone());
    tokio::task::spawn_blocking(move || work(&wanted)).await.map_err(|error| {
        Fault::new(Door::Inside, Retry::Later, format!("{doing}: the work broke off"), error)
    })?
}

/// A lock that survives a panic of an earlier holder: models keep no state between calls that the next would read.
pub(crate) fn held<T>(lock: &Arc<Mutex<T>>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[tokio::test]
    async fn work_learns_that_nobody_waits_for_it_any_more() {
        let (began, begin) = tokio::sync::oneshot::channel();
        let (ended, end) = mpsc::channel();
        let work = blocking("wait to be forgotten", move |wanted| {
            assert!(wanted.still());
            began.send(()).unwrap();
            while wanted.still() {
                std::thread::yield_now();
            }
            ended.send(()).unwrap();
            Ok(())
        });
        tokio::select! {
            _ = work => panic!("it ends only when it is forgotten"),
            begun = begin => begun.unwrap(),
        }
        end.recv().unwrap();
    }

    #[tokio::test]
    async fn a_panic_is_a_fault_that_passes() {
        let fault = blocking::<()>("stumble", |_| panic!("on purpose")).await.unwrap_err();
        assert_eq!(fault.retry, Retry::Later);
        assert!(fault.doing.contains("stumble"));
    }
}

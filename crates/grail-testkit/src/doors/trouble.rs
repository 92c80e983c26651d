use grail_ports::{Door, Fault, Retry};
use std::sync::{
    Arc,
    atomic::{AtomicU32, AtomicU64, Ordering},
};
use tokio::sync::watch;

/// Trouble that a test orders for a fake door. Clones order the same trouble.
#[derive(Debug, Clone)]
pub struct Trouble(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    failures: AtomicU32,
    calls: AtomicU64,
    held: watch::Sender<bool>,
}

impl Default for Trouble {
    fn default() -> Self {
        let held = watch::Sender::new(false);
        Self(Arc::new(Inner { failures: AtomicU32::new(0), calls: AtomicU64::new(0), held }))
    }
}

impl Trouble {
    /// The next `times` calls answer with a fault that may be retried; `u32::MAX` is for good, until 0 is ordered.
    pub fn fail(&self, times: u32) {
        self.0.failures.store(times, Ordering::SeqCst);
    }

    /// Calls wait, those under way included, until [`Self::release`].
    pub fn hold(&self) {
        self.0.held.send_replace(true);
    }

    /// Lets waiting calls go on.
    pub fn release(&self) {
        self.0.held.send_replace(false);
    }

    /// How many calls the door has seen, failed ones included.
    pub fn calls(&self) -> u64 {
        self.0.calls.load(Ordering::SeqCst)
    }

    /// What a fake does first in each of its calls.
    pub(crate) async fn pass(&self, door: Door, doing: impl FnOnce() -> String) -> Result<(), Fault> {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        let mut held = self.0.held.subscribe();
        // The sender lives in `self`, so this waits for the release and for nothing else.
        let _ = held.wait_for(|held| !held).await;
        self.spend(door, doing)
    }

    /// As [`Self::pass`], for doors that block: such a call cannot be held.
    pub(crate) fn pass_now(&self, door: Door, doing: impl FnOnce() -> String) -> Result<(), Fault> {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        self.spend(door, doing)
    }

    fn spend(&self, door: Door, doing: impl FnOnce() -> String) -> Result<(), Fault> {
        let spend = |left: u32| match left {
            0 => None,
            u32::MAX => Some(u32::MAX),
            left => Some(left - 1),
        };
        match self.0.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, spend) {
            Ok(_) => Err(Fault::new(door, Retry::Later, doing(), Ordered)),
            Err(_) => Ok(()),
        }
    }
}

/// The cause of a fault that a test ordered.
#[derive(Debug, thiserror::Error)]
#[error("the test ordered this failure")]
struct Ordered;

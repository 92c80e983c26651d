//! Time, as a door: the system's clock in programs, a hand-turned one in tests.

use async_trait::async_trait;
use grail_protocol::words::UnixMillis;

/// The wall clock: the machine's in programs, a hand-turned one in tests.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> UnixMillis;

    /// Returns at `moment`, at once if it has passed.
    async fn sleep_until(&self, moment: UnixMillis);
}
